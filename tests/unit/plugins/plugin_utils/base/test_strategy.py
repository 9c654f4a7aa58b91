# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import types

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.strategy import insist_on_once


def task(strategy: str, *, once: bool = True) -> types.SimpleNamespace:
    return types.SimpleNamespace(run_once=once, get_play=lambda: types.SimpleNamespace(strategy=strategy))


@pytest.mark.parametrize("strategy", ["free", "host_pinned", "ansible.builtin.free", "mitogen_free"])
def test_a_task_for_all_is_refused_where_it_would_run_for_each(strategy: str) -> None:
    with pytest.raises(FleetError, match="set strategy: linear"):
        insist_on_once(task(strategy), ["west", "east"])


def test_one_host_alone_runs_it_once_under_any_strategy() -> None:
    insist_on_once(task("free"), ["west"])


def test_a_task_of_each_host_may_run_under_any_strategy() -> None:
    insist_on_once(task("free", once=False), ["west", "east"])


@pytest.mark.parametrize("strategy", ["linear", "ansible.builtin.debug", "mitogen_linear"])
def test_a_strategy_that_knows_run_once_may_run_it(strategy: str) -> None:
    insist_on_once(task(strategy), ["west", "east"])
