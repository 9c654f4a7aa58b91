# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a front door of this machine leads to, by what its clusters have, and what it refuses beforehand."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.machine import Machine
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.fleet import KindFleet
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster import local_front_door
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.local_front_door import LocalFrontDoor

HOSTS: dict[str, dict[str, t.Any]] = {
    "west": {"cluster_region": "us-west1"},
    "east": {"cluster_region": "europe-north1"},
    "far": {"mesh_primary": "west", "mesh_role": "remote"},
}
FLEET = read_fleet({name: {"fleet_name": "shop", **more} for name, more in HOSTS.items()})
LIVE = {"spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]}}
ROUTE = {"host": "shop.example", "service": "web.shop"}


def balanced(ip: str) -> dict[str, t.Any]:
    return {
        **LIVE,
        "spec": {**LIVE["spec"], "type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": [{"ip": ip}]}},
    }


def run_of(*routes: dict[str, t.Any], dry_run: bool = False) -> LocalFrontDoor:
    door, problems = read_front_door("front-door", list(routes or [ROUTE]), HOSTS)
    assert problems == []
    machine = Machine(cgroup2=True, may_raise_limits=True, nofile=-1, nproc=-1, root=True)
    local = KindFleet("shop", Path("/nowhere"), Engine("podman", machine), "kind")
    folder = FrontDoorFolder(Path("/nowhere"))
    return LocalFrontDoor(FLEET, list(HOSTS), list(HOSTS), folder, local, door, dry_run=dry_run)


def seen(**more: t.Any) -> t.Any:
    found = {"services": {"web.shop": LIVE}, "ready": {"web.shop"}, "gateway": ("10.0.0.9",), **more}
    return local_front_door._Seen(**found)


NOTHING = seen(services={}, ready=set())


def test_a_service_is_reached_through_its_clusters_gateways() -> None:
    run = run_of()
    (gateways,) = list(run._gateways({"west": seen(), "east": seen(gateway=("10.0.0.8",)), "far": NOTHING}).values())
    assert [(g.cluster, g.addresses, g.port, g.region) for g in gateways] == [
        ("west", ("10.0.0.9",), 80, "us-west1"),
        ("east", ("10.0.0.8",), 80, "europe-north1"),
    ]
    assert run.served == {"web.shop": ["west", "east"]} and run.warnings == []


def test_a_service_with_an_address_of_its_own_is_called_there() -> None:
    run = run_of({**ROUTE, "health": {"path": "/healthz/ready", "port": 15021}})
    own = seen(services={"web.shop": balanced("10.0.0.7")}, gateway=())
    (gateways,) = list(run._gateways({"west": own, "east": NOTHING, "far": NOTHING}).values())
    assert [(g.addresses, g.port, g.health_port) for g in gateways] == [(("10.0.0.7",), 80, 15021)]
    objects = run._objects({"west": own}, {"web.shop": gateways})
    assert objects == {"west": []}


def test_clusters_without_a_way_are_told() -> None:
    run = run_of()
    (gateways,) = list(run._gateways({"west": seen(), "east": seen(gateway=()), "far": seen()}).values())
    assert [g.cluster for g in gateways] == ["west"]
    assert ["no ingress gateway" in run.warnings[0], "configured by west" in run.warnings[1]] == [True, True]
    with pytest.raises(FleetError, match="no cluster has a way"):
        run_of()._gateways({"west": NOTHING, "east": seen(gateway=()), "far": NOTHING})


def test_a_service_that_is_not_there_is_refused() -> None:
    nowhere = dict.fromkeys(HOSTS, NOTHING)
    with pytest.raises(FleetError, match="not in west, east, far"):
        run_of()._gateways(nowhere)
    with pytest.raises(FleetError, match="not in east"):
        run_of({**ROUTE, "clusters": ["west", "east"]})._gateways({**nowhere, "west": seen()})
    assert run_of(dry_run=True)._gateways(nowhere) == {"web.shop": ()}


def test_a_route_without_ready_pods_is_refused_or_told() -> None:
    run = run_of()
    empty = seen(ready=set())
    clusters = {"west": seen(), "east": empty, "far": NOTHING}
    run._gateways(clusters)
    run._insist_on_pods(clusters)
    assert run.warnings == ["web.shop has no ready pod in east: the front door leads there once it has"]
    dead = {"west": empty, "east": empty, "far": NOTHING}
    refused = run_of()
    refused._gateways(dead)
    with pytest.raises(FleetError, match="without ready pods"):
        refused._insist_on_pods(dead)


def rival(to: str, **labels: str) -> dict[str, t.Any]:
    spec = {"hosts": ["shop.example"], "gateways": ["in"], "http": [{"route": [{"destination": {"host": to}}]}]}
    return {"metadata": {"name": "theirs", "namespace": "shop", "labels": labels}, "spec": spec}


GATEWAY = {"metadata": {"name": "in", "namespace": "shop"}, "spec": {"selector": {"istio": "ingressgateway"}}}


def test_two_front_doors_with_one_host_are_refused() -> None:
    run = run_of()
    theirs = rival("web-front-door-west", **{"mesh.fleet/part-of": "front_door", "mesh.fleet/fleet": "bank"})
    west = seen(gateways=[GATEWAY], virtual=[theirs])
    gateways = run._gateways({"west": west, "east": NOTHING, "far": NOTHING})
    with pytest.raises(FleetError, match=r"shop\.example by VirtualService shop/theirs"):
        run._objects({"west": west}, gateways)
    ours = rival("web-front-door-west", **{"mesh.fleet/part-of": "front_door", "mesh.fleet/fleet": "shop"})
    assert len(run._objects({"west": seen(gateways=[GATEWAY], virtual=[ours])}, gateways)["west"]) == 3


def test_what_serves_the_host_alike_stays_and_is_told() -> None:
    run = run_of()
    west = seen(gateways=[GATEWAY], virtual=[rival("web")])
    gateways = run._gateways({"west": west, "east": NOTHING, "far": NOTHING})
    assert run._objects({"west": west}, gateways) == {"west": []}
    assert "which stays" in run.warnings[0]
