# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""tests/unit mirrors plugins: the test of plugins/X/y.py is tests/unit/plugins/X/test_y.py. And names are short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parent
ROOT = UNIT.parent.parent
# What lies there and is no test: what tests of that folder and below share. A new one is added here.
HELPERS = {
    "_gcp/clusters/ca.pem",
    "_gcp/network/shared_clusters.py",
    "_model/fleets.py",
    "_model/providers/further.py",
    "_model/samples/",
    "_model/trust/authorities.py",
    "_model/validation/hosts.py",
    "_model/verify/series.py",
}
FILES = sorted(
    str(path.relative_to(UNIT))
    for folder in ("plugins", "roles")
    for path in (UNIT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)
TESTS = [name for name in FILES if Path(name).name.startswith("test_")]


def declared(name: str) -> list[str]:
    """The entries of HELPERS that a file falls under."""
    inside = name.removeprefix("plugins/module_utils/")
    return [helper for helper in HELPERS if inside == helper or (helper.endswith("/") and inside.startswith(helper))]


@pytest.mark.parametrize("name", [name for name in TESTS if name.startswith("plugins/")])
def test_the_module_of_a_test_is_found_by_its_name(name: str) -> None:
    path = ROOT / name
    assert path.with_name(path.name.removeprefix("test_")).exists()


@pytest.mark.parametrize("name", [name for name in TESTS if name.startswith("roles/")])
def test_a_test_of_a_role_lies_in_a_folder_of_its_name(name: str) -> None:
    assert (ROOT / Path(name).parent / "tasks" / "main.yml").exists()


@pytest.mark.parametrize("name", [name for name in FILES if name not in TESTS])
def test_what_is_no_test_is_declared(name: str) -> None:
    assert declared(name)


def test_every_declared_helper_is_there() -> None:
    assert {helper for name in FILES for helper in declared(name)} == HELPERS


def test_no_name_of_a_test_is_longer_than_60_characters() -> None:
    names = {
        name: str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(names) > 1000
    assert {name: file for name, file in names.items() if len(name) > 60} == {}
