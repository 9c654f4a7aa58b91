# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the walk-through's line says of what is left."""

from __future__ import annotations

import asyncio
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.action import demo
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

FLEET = read_fleet(
    {name: {"cluster_provider": "kubeconfig", "fleet_name": "walks"} for name in ("west", "east", "far")}
)
FOUND = Change("west", "Namespace", "mesh-demo", "removed")


class Ended:
    """A run, as ``DemoRun``, that found something in west, what others keep in east, and cannot connect far."""

    def __init__(self, *_parts: t.Any, **_more: t.Any) -> None:
        self.errors: dict[str, list[FleetError]] = {"far": [FleetError("no answer", cluster="far")]}
        self.changes: list[Change] = []
        self.verdicts: dict[str, t.Any] = {}
        self.kept: dict[str, list[str]] = {}
        self.unclear: list[str] | None = None

    async def run(self) -> None:
        """Nothing could be connected."""

    async def remove(self, **_how: t.Any) -> None:
        self.changes, self.kept, self.unclear = [FOUND], {"east": ["Secret x"]}, ["far"]


@pytest.mark.parametrize(
    ("state", "check", "says"),
    [
        ("present", False, "nothing was played · nothing was made"),
        ("absent", True, "to be removed in west · the namespace stays in east · not removed in far"),
        (
            "absent",
            False,
            "nothing of the walk-through in 1 cluster · the namespace stays in east · not removed in far",
        ),
    ],
)
def test_the_line_is_true(state: str, check: bool, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "DemoRun", Ended)
    monkeypatch.setattr(demo, "read_program", lambda _folder: {})
    action = demo.ActionModule.__new__(demo.ActionModule)
    action._task = types.SimpleNamespace(check_mode=check, diff=False)
    monkeypatch.setattr(action, "fleet", lambda _task_vars: FLEET)
    args = {"state": state, "image": "x", "program": "x", "callers": "", "scenes": ["timeout"], "timeout": 1}
    made = asyncio.run(action.execute(args, {"ansible_play_hosts": list(FLEET.clusters)}))
    assert made["stage_line"] == says
    assert list(made["failures"]) == ["far"]
