# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An istiod in each cluster, all on one flat network: what `make site` does, and pods that reach each other directly.

The tests run in their order: the mesh is made, looked at, and removed from clusters that stay.
"""

from __future__ import annotations

import functools
import pathlib
import typing as t

import pytest
import yaml

from .local_fleet import Fleet
from .mesh import Objects, calls, differences, objects, watched
from .traffic import CHECKS, Traffic
from .waiting import until_equal


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> Objects:
    fleet.make("flat")
    return objects(fleet)


def test_calls_go_from_pod_to_pod(before: Objects, fleet: Fleet) -> None:
    fleet.play("site")
    made = calls(fleet.name)
    for call in (("west", "east", "probe-east"), ("east", "west", "probe-west"), ("west", "east", "sample-producer")):
        assert made[call]["path"] == "direct"


@pytest.mark.parametrize(("watcher", "other"), [("west", "east"), ("east", "west")])
def test_each_istiod_watches_the_other_cluster(before: Objects, fleet: Fleet, watcher: str, other: str) -> None:
    wanted = [[other, "synced"]]
    until_equal(functools.partial(watched, fleet, watcher), wanted, f"the clusters that {watcher}'s istiod watches")


@pytest.fixture(scope="module")
def traffic(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    made = Traffic(fleet, fleet.play, tmp_path_factory.mktemp("traffic"), same_network=True)
    made.open()
    return made


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_calls_are_as_the_policies_say(traffic: Traffic, check: t.Callable[[Traffic], None]) -> None:
    check(traffic)


def test_policies_go(traffic: Traffic) -> None:
    traffic.close()


def test_the_mesh_goes_and_the_clusters_stay(before: Objects, fleet: Fleet, tmp_path: pathlib.Path) -> None:
    # Teardown would delete clusters of this machine; those of an inventory that says that they are somebody's stay.
    existing = tmp_path / "existing.yml"
    existing.write_text(yaml.safe_dump({"mesh_clusters": {"hosts": fleet.as_existing()}}))
    fleet.play("teardown", "-i", str(existing))
    until_equal(lambda: differences(fleet, before), {}, "what the mesh leaves behind")
