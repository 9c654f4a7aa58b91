# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The order of clusters behind a front door of this machine, run after run."""

from __future__ import annotations

import asyncio
import typing as t
from pathlib import Path

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import (
    Gateway,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.round_trips import Distances

WEST, EAST = Gateway("west", ("10.0.0.1",)), Gateway("east", ("10.0.0.2", "fd00::2"), 8080)
GATEWAYS = {"web.shop": (WEST, EAST), "pay.shop": (WEST,)}


class Measuring:
    """Stands for the container, from which these gateways are so far away."""

    def __init__(self, **found: float) -> None:
        self.found, self.asked = found, list[list[str]]()

    async def round_trips(self, targets: list[str]) -> dict[str, float]:
        self.asked.append(targets)
        where = {"10.0.0.1:80": "west", "10.0.0.2:8080": "east", "[fd00::2]:8080": "east6"}
        return {target: self.found[where[target]] for target in targets if where[target] in self.found}


def run(folder: Path, gateways: dict[str, tuple[Gateway, ...]], **found: float) -> tuple[list[str], Measuring]:
    """One run of the stage; the order of clusters after it."""
    container: t.Any = Measuring(**found)
    distances = Distances(container, FrontDoorFolder(folder), ("west", "east"))
    asyncio.run(distances.measure(gateways))
    distances.record()
    return [g.cluster for g in distances.in_order(gateways)["web.shop"]], container


def test_the_nearest_is_first_and_stays_it(tmp_path: Path) -> None:
    order, container = run(tmp_path, GATEWAYS, west=30.0, east=22.0, east6=4.0)
    assert order == ["east", "west"]
    assert container.asked == [["10.0.0.1:80", "10.0.0.2:8080", "[fd00::2]:8080"]]
    recorded = (tmp_path / "front_door" / "round_trips.json").read_text()
    for west, east in ((26.0, 8.0), (34.0, 2.0)):
        assert run(tmp_path, GATEWAYS, west=west, east=east)[0] == ["east", "west"]
        assert (tmp_path / "front_door" / "round_trips.json").read_text() == recorded
    assert run(tmp_path, GATEWAYS)[0] == ["east", "west"], "nothing was measured: nothing has moved"
    assert run(tmp_path, GATEWAYS, west=3.0, east=40.0)[0] == ["west", "east"]


def test_without_a_clear_difference_the_inventory_says_the_order(tmp_path: Path) -> None:
    assert run(tmp_path, GATEWAYS, west=0.9, east=0.1)[0] == ["west", "east"]
    assert run(tmp_path, {"web.shop": (EAST, WEST)}, west=0.1, east=0.9)[0] == ["east", "west"]


def test_one_cluster_is_not_measured(tmp_path: Path) -> None:
    assert run(tmp_path, {"web.shop": (EAST,)}, east=3.0)[1].asked == []


def test_elsewhere_nothing_is_measured(tmp_path: Path) -> None:
    FrontDoorFolder(tmp_path).write("round_trips.json", {"milliseconds": {"west": 90.0, "east": 1.0}})
    distances = Distances(None, FrontDoorFolder(tmp_path), ("west", "east"))
    asyncio.run(distances.measure(GATEWAYS))
    assert distances.milliseconds == {}
    assert distances.in_order(GATEWAYS) == GATEWAYS
