# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files of a front door a cluster gets, by what other files bring."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_seen import Seen
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.recorded_front_door import RecordedFrontDoor

from .test_local_front_door import FLEET, HOSTS, LIVE, ROUTE, balanced, seen

NOTHING = seen(services={}, ready=set(), gateway=())
PART = "objects of front door front-door for web.shop"


def run_of(**route: t.Any) -> RecordedFrontDoor:
    door, problems = read_front_door("front-door", [{**ROUTE, **route}], HOSTS)
    assert problems == []
    return RecordedFrontDoor(
        FLEET, list(HOSTS), list(HOSTS), FrontDoorFolder(Path("/nowhere")), None, door, dry_run=True
    )


def brought(**more: t.Any) -> Seen:
    found: Seen = seen(has_gateway=True, **more)
    return found


def test_files_of_a_remotes_gateway_are_its_primarys() -> None:
    run = run_of(clusters=["west", "far"])
    clusters = {"west": brought(spaces={"shop"}), "east": NOTHING, "far": brought()}
    record = Recording()
    gateways, unknown = run._recorded_gateways(clusters, record)
    made = run._objects(clusters, gateways)
    assert made == run._objects(clusters, run._gateways(clusters))
    assert (unknown, record.left_out) == ([], {})
    assert [o["kind"] for o in made["far"]] == ["Service"] and len(made["west"]) == 5
    clusters["west"].spaces = set()
    made = run._objects(clusters, run._recorded_gateways(clusters, record)[0])
    assert made["far"] == [] and len(made["west"]) == 3
    assert record.left_out["far", PART].why == (
        "its gateway is configured by west, to which no file brings namespace shop"
    )


def test_what_envoy_lacks_is_said_once() -> None:
    run, record = run_of(), Recording()
    own = {**LIVE, "spec": {**LIVE["spec"], "type": "LoadBalancer"}}
    clusters = {"west": brought(gateway=()), "east": brought(services={"web.shop": own}), "far": NOTHING}
    gateways, unknown = run._recorded_gateways(clusters, record)
    assert unknown == ["the address of west's ingress gateway", "the address of Service web.shop in east"]
    assert [g.cluster for g in gateways["web.shop"]] == ["west"] and record.left_out == {}
    assert [name for name, made in run._objects(clusters, gateways).items() if made] == ["west"]
    clusters["east"].services["web.shop"] = balanced("10.0.0.7")
    gateways, unknown = run._recorded_gateways(clusters, record)
    assert [(g.cluster, g.addresses) for g in gateways["web.shop"]] == [("west", ()), ("east", ("10.0.0.7",))]
    assert unknown == ["the address of west's ingress gateway"]
