# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each variable that may change on a standing fleet has a test, which docs/testing.md names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
_NAME = re.compile(r"`([a-z][a-z_]+)`|a cluster's (name)")


def rows(page: str) -> dict[str, str]:
    """By what is changed, the rest of its row, of a page's section about changes."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.partition("## Changes of a standing fleet\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ", 1) for line in section.splitlines() if line.startswith("| ")]
    return {first: rest for first, rest in (line for line in lines if len(line) == 2) if first != "changed"}


def names(first: str) -> set[str]:
    return {"".join(found) for found in _NAME.findall(first.partition("(")[0] + first.partition(")")[2])}


TESTED = rows("testing.md")
TESTS = sorted({test for rest in TESTED.values() for test in re.findall(r"`(tests/[^`]+)`", rest)})


def test_each_change_that_users_may_make_is_tested() -> None:
    told = {name for first in rows("existing-clusters.md") for name in names(first)}
    told -= {"primary", "remote", "istiod", "managed", "flat"}
    tested = {name for first in TESTED for name in names(first)}
    assert len(told) > 10
    assert told - tested == set(), "a row of docs/testing.md for each"


@pytest.mark.parametrize("test", TESTS)
def test_a_named_test_is_there(test: str) -> None:
    path, _colon, name = test.partition(": ")
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_each_row_names_a_test() -> None:
    assert [first for first, rest in TESTED.items() if "tests/" not in rest] == []
