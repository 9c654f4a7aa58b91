# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/demo.md shows the scenes as they are played; its commands are run end to end."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import cast_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.scenes import SCENES, scene_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.text import ending, opening, scene_begin

from .plugins.module_utils._model.fleets import fleet

PAGE = Path(__file__).parents[2] / "docs" / "demo.md"
PLACES = {"west": [("us-west1", "a")], "east": [("europe-north1", "a")], "far": [("us-west1", "b")]}
HOSTS: dict[str, dict[str, t.Any]] = {
    "west": {"mesh_network": "one"},
    "east": {"mesh_network": "two"},
    "far": {"mesh_network": "one", "mesh_role": "remote", "mesh_primary": "west"},
}


def test_the_page_shows_what_is_played() -> None:
    """All but what was measured, in its order."""
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = shown.splitlines()
    cast = cast_of(fleet(HOSTS, fleet_name="dev"), list(HOSTS)).placed(("us-west1", "a"), PLACES)
    wanted = opening("dev", cast)
    for number, key in enumerate(SCENES, 1):
        wanted += scene_begin(number, scene_of(key, cast))
    wanted += ending([], {}, False)[-1:]
    place = 0
    for line in filter(None, wanted):
        assert line in lines[place:], f"not there, or not in its place: {line}"
        place = lines.index(line, place) + 1
    assert "✗" not in shown
    assert shown.count("✓") == len(SCENES) + 1


def test_the_page_names_all_variables_and_scenes() -> None:
    defaults = yaml.safe_load((PAGE.parents[1] / "roles/demo/defaults/main.yml").read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(demo_\w+)` \|", text, flags=re.MULTILINE)) == set(defaults)
    assert defaults["demo_scenes"] == list(SCENES)
