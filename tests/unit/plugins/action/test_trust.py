# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time in a trust folder."""

from __future__ import annotations

import asyncio
import fcntl
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.action import trust
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment

DEFAULTS = {name: spec["default"] for name, spec in trust.ActionModule.ARGUMENT_SPEC.items()}


def is_locked(folder: Path) -> bool:
    with open(folder / ".lock", "a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize("state", ["present", "absent"])
def test_no_other_run_is_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    hosts = {"west": {"cluster_region": "here", "fleet_dir": str(tmp_path)}}
    fleet = read_fleet(hosts, environment())
    seen: list[bool] = []

    async def run(_self: t.Any) -> None:
        seen.append(is_locked(tmp_path / "trust"))

    async def nothing(*_args: t.Any, **_more: t.Any) -> tuple[list[t.Any], str]:
        return [], ""

    monkeypatch.setattr(trust.TrustRun, "run", run)
    monkeypatch.setattr(trust, "remove_cacerts", nothing)
    monkeypatch.setattr(trust.Files, "remove", lambda *_args: seen.append(is_locked(tmp_path / "trust")))
    action = t.cast(t.Any, trust.ActionModule.__new__(trust.ActionModule))
    action._task = types.SimpleNamespace(check_mode=False, diff=False)
    action.fleet = lambda _task_vars: fleet
    args = {**DEFAULTS, "state": state, "directory": str(tmp_path / "trust"), "remove_root": True}
    asyncio.run(action.execute(args, {"inventory_hostname": "west", "ansible_play_hosts": ["west"]}))
    assert seen == [True] * (1 if state == "present" else 2)
    assert not is_locked(tmp_path / "trust")


@pytest.mark.parametrize("run_once", [True, False])
@pytest.mark.parametrize("host", ["west", "east"])
def test_the_root_is_looked_for_where_it_was_made(run_once: bool, host: str) -> None:
    """It is made once, and removed by a task of each host: these may be of several inventory folders."""
    action = t.cast(t.Any, trust.ActionModule.__new__(trust.ActionModule))
    action._task = types.SimpleNamespace(run_once=run_once)
    known = {"west": {"inventory_dir": "/a"}, "east": {"inventory_dir": "/b"}}
    task_vars = {"groups": {"mesh_clusters": ["west", "east"]}, "hostvars": known, **known[host]}
    args = action._located({"directory": "trust", "vault_password_file": "password"}, task_vars)
    assert args == {"directory": "/a/trust", "vault_password_file": "/a/password"}
