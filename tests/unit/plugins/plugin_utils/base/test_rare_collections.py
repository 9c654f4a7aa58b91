# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Actions read large answers without Python's collector going through them again and again."""

from __future__ import annotations

import gc
import types
import typing as t

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.rare_collections import rare_collections


class Reads(FleetAction):
    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> t.Any:
        return result(summary=str(looks_while_reading()))


def looks_while_reading() -> int:
    """How often the collector looked. From Python 3.12 on it does so between two steps of Python code alone."""
    before = sum(int(one["collections"]) for one in gc.get_stats())
    assert [{"metadata": {"labels": {"app": str(number)}}} for number in range(20_000)]
    return sum(int(one["collections"]) for one in gc.get_stats()) - before


def test_an_action_reads_almost_without_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looks_while_reading() > 5
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(ActionBase, "validate_argument_spec", lambda self, argument_spec: (None, {}))
    action = Reads.__new__(Reads)
    action._task = types.SimpleNamespace(run_once=False)
    assert int(action.run(None, {"inventory_hostname": "west"})["msg"]) <= 2


def test_what_it_was_is_set_again() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), rare_collections():
        raise KeyError
    assert gc.get_threshold() == before
