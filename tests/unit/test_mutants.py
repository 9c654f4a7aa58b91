# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mutation run: what it changes, and how the survivors that are explained are written down."""

from __future__ import annotations

import importlib
import types
from pathlib import Path

import pytest

SOURCE = """
@frozen(x=True)
def prune(found: dict | None, *, keep=True):
    if found["ours"] and not keep:
        delete(found, uid=found["uid"], name="x")
    try:
        kept = [one for one in found if one in ("a",)] or []
    except (OSError, KeyError):
        raise FleetError("it is there" if keep else "it is not", seen=1)
    return {"kind": "Pod", **found}, kept[1], 30
"""


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, root: Path) -> types.ModuleType:
    monkeypatch.syspath_prepend(str(root / "tests"))
    return importlib.import_module("mutants")


def test_protections_are_taken_out_and_texts_are_left(driver: types.ModuleType) -> None:
    made = [driver._mutant("x.py", SOURCE, changed) for changed in driver.splices(SOURCE)]
    assert {(mutant.line, mutant.after) for mutant in made} == {
        (4, "if False:"),
        (4, "if True:"),
        (4, 'if found["ours"] and True:'),
        (4, "if True and not keep:"),
        (5, "pass"),
        (5, 'delete(found,  name="x")'),
        (7, "kept = [one for one in found if True] or []"),
        (7, 'kept = [one for one in found if (one not in ("a",))] or []'),
        (7, "kept = False or []"),
        (8, "except ():"),
        (9, "pass"),
        (10, "return { **found}, kept[1], 30"),
        (10, 'return {"kind": "Pod", }, kept[1], 30'),
        (10, 'return {"kind": "Pod", **found}, kept[2], 30'),
    }


def test_explained_survivors_are_of_files_that_are_there(driver: types.ModuleType, root: Path) -> None:
    for (file, before, after), why in driver.accepted().items():
        assert (root / file).is_file() and before != after and why


def test_what_is_tried_without_arguments_is_there_and_has_tests(driver: types.ModuleType) -> None:
    found, untested = driver.modules(driver.PACKAGES)
    assert untested == []
    assert len(found) > 20
