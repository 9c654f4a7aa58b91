# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What inventories/gke offers by choice is complete, and docs/gke.md says the same."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import parse_exports
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "inventories" / "gke"
CLUSTERS = ("west", "north")
CHOICES = ("exports", "front_door")


def text_of(name: str) -> str:
    return (FOLDER / "group_vars" / "mesh_clusters" / f"{name}.yml").read_text()


def chosen(name: str) -> str:
    """The lines of a file by choice, without the signs that make them comments."""
    _said, _blank, lines = text_of(name).partition("\n\n")
    assert lines and all(line.startswith("# ") for line in lines.splitlines()), name
    return "".join(f"{line[2:]}\n" for line in lines.splitlines())


@pytest.mark.parametrize("name", CHOICES)
def test_by_default_nothing_is_chosen(name: str) -> None:
    assert yaml.safe_load(text_of(name)) is None


def test_the_choices_are_right_and_together() -> None:
    values: dict[str, t.Any] = {}
    for name in CHOICES:
        values |= yaml.safe_load(chosen(name))
    (export,) = parse_exports(values["mesh_exports"], CLUSTERS)
    assert export.mtls
    assert values["apps_sample_target"] == export.host
    _door, problems = read_front_door(
        "front-door", values["front_door_routes"], CLUSTERS, address=values["front_door_address"]
    )
    assert problems == []


@pytest.mark.parametrize("name", ["apps", *CHOICES])
def test_the_page_says_the_same(name: str) -> None:
    lines = chosen(name) if name in CHOICES else text_of(name)
    code = "".join(line for line in lines.splitlines(keepends=True) if not line.startswith(("#", "---")))
    assert f"```yaml\n{code}```\n" in (ROOT / "docs" / "gke.md").read_text()
