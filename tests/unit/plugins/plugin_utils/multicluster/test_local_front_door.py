# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a front door of this machine leads to, by what its clusters have, and what it refuses beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.command import Done
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.machine import Machine
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.fleet import KindFleet
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    CLUSTERS,
    EnvoyDoor,
    render,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import Gateway
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import version_in
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_written import clusters_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster import front_door_seen, local_front_door
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
    return front_door_seen.Seen(**found)


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


@pytest.mark.parametrize(
    ("port", "http2"),
    [
        ({"name": "grpc-buy"}, True),
        ({"appProtocol": "kubernetes.io/h2c"}, True),
        ({"name": "grpc", "appProtocol": "http"}, False),
        ({"name": "http"}, False),
    ],
)
def test_a_port_says_whether_it_speaks_http2(port: dict[str, str], http2: bool) -> None:
    others = {"port": 9000, "name": "grpc-of-others"}
    live = {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, **port}, others]}}
    own = {**balanced("10.0.0.7"), "spec": live["spec"]}
    everywhere = {"west": seen(services={"web.shop": live}), "east": seen(services={"web.shop": own}), "far": NOTHING}
    run = run_of()
    (gateways,) = list(run._gateways(everywhere).values())
    assert [(g.http2, g.own) for g in gateways] == [(http2, False), (http2, True)]
    (service,) = [o for o in run._objects(everywhere, {"web.shop": gateways})["west"] if o["kind"] == "Service"]
    given = [{"port": 80, "protocol": "TCP", "targetPort": 80, **port}]
    assert service["spec"]["ports"] == given, "or its gateway would call it by another protocol"


def test_clusters_without_a_way_are_told() -> None:
    run = run_of()
    (gateways,) = list(run._gateways({"west": seen(), "east": seen(gateway=()), "far": seen()}).values())
    assert [g.cluster for g in gateways] == ["west"]
    assert ["no ingress gateway" in run.warnings[0], "west, which has no namespace shop" in run.warnings[1]] == [
        True,
        True,
    ]
    with pytest.raises(FleetError, match="no cluster has a way"):
        run_of()._gateways({"west": NOTHING, "east": seen(gateway=()), "far": NOTHING})


def test_a_remotes_gateway_is_configured_in_its_primary() -> None:
    run = run_of()
    clusters = {"west": seen(spaces={"shop"}), "east": seen(gateway=("10.0.0.8",)), "far": seen(gateway=("10.0.0.7",))}
    gateways = run._gateways(clusters)
    assert [(g.cluster, g.addresses) for g in gateways["web.shop"]] == [
        ("west", ("10.0.0.9",)),
        ("east", ("10.0.0.8",)),
        ("far", ("10.0.0.7",)),
    ]
    made = run._objects(clusters, gateways)
    names = {name: [f"{o['kind']} {o['metadata']['name']}" for o in some] for name, some in made.items()}
    assert names["far"] == ["Service web-front-door-far"]
    assert names["west"] == [
        "Service web-front-door-west",
        "Gateway front-door",
        "VirtualService front-door-shop.example",
        "Gateway front-door--far",
        "VirtualService front-door--far-shop.example",
    ]
    # Each gateway leads to pods of its own cluster alone, though one istiod configures both.
    selectors = {o["metadata"]["name"]: o["spec"]["selector"] for o in made["west"] if o["kind"] == "Gateway"}
    assert selectors == {
        "front-door": {"istio": "ingressgateway", "topology.istio.io/cluster": "west"},
        "front-door--far": {"istio": "ingressgateway", "topology.istio.io/cluster": "far"},
    }
    rules = {tuple(o["spec"]["gateways"]): o["spec"]["http"] for o in made["west"] if o["kind"] == "VirtualService"}
    for gateway, cluster in (("front-door", "west"), ("front-door--far", "far")):
        (rule,) = rules[gateway,]
        host = f"web-front-door-{cluster}.shop.svc.cluster.local"
        assert [to["destination"]["host"] for to in rule["route"]] == [host]
    # An istiod with one cluster's gateway keeps what it has.
    assert made["east"][1]["spec"]["selector"] == {"istio": "ingressgateway"}


def test_without_its_primary_a_remote_has_no_front_door() -> None:
    run = run_of()
    run.play = ["west"]
    assert [name for name in (*HOSTS, "not-known") if run._goes(name)] == ["west", "far"]
    run.play = ["far"]
    assert [name for name in HOSTS if run._goes(name)] == ["far"]


def test_who_is_silent_is_not_missed() -> None:
    run = run_of({**ROUTE, "clusters": ["west", "east"]})
    run.unread.why["east"], run.away = "the API server is not reachable", {"east"}
    assert [g.cluster for g in run._gateways({"west": seen(), "far": NOTHING})["web.shop"]] == ["west"]
    with pytest.raises(FleetError, match="not in west"):
        run._gateways({"west": NOTHING, "far": NOTHING})


class Nodes(Engine):
    """An engine whose containers are the nodes of some clusters."""

    def __init__(self, *clusters: str) -> None:
        super().__init__("podman", Machine(cgroup2=True, may_raise_limits=True, nofile=-1, nproc=-1, root=True))
        self.clusters = clusters

    async def containers(self, names: t.Sequence[str]) -> dict[str, dict[str, t.Any]]:
        return {name: {} for name in names if any(f"-{cluster}-" in name for cluster in self.clusters)}


@pytest.mark.parametrize(("nodes", "silent"), [(("west", "east"), {"east"}), (("west",), set())])
def test_a_deleted_node_is_not_silent(
    monkeypatch: pytest.MonkeyPatch, nodes: tuple[str, ...], silent: set[str]
) -> None:
    """What Envoy has of a silent cluster stays; to a cluster that somebody deleted it leads no more."""

    async def connected(_stack: t.Any, _known: t.Any, *, absent_ok: bool) -> tuple[dict[str, t.Any], t.Any]:
        return {"west": None, "far": None}, {"east": ApiError("the API server is not reachable")}

    async def look(*_of: t.Any) -> front_door_seen.Seen:
        return front_door_seen.Seen()

    monkeypatch.setattr(local_front_door, "connect_each", connected)
    monkeypatch.setattr(local_front_door, "look", look)
    run = run_of()
    run.local = KindFleet("shop", Path("/nowhere"), Nodes(*nodes), "kind")

    async def read() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await run._read(stack)

    asyncio.run(read())
    assert (set(run.unread.why), run.away) == (silent, {"east"})
    told = [] if silent else ["east has no node on this machine: the front door does not lead there"]
    assert run.warnings == told


def test_nobody_waits_for_whom_no_wait_makes_healthy() -> None:
    """Of clusters that are silent or not in the play, no health is asked."""
    asked: list[str] = []

    async def until(_path: str, _port: int, missing: t.Any, _what: str, _seconds: float) -> str:
        asked.append(missing({"cluster_statuses": []}))
        return ""

    run = run_of()
    run.served = {"web.shop": ["west", "east", "far"]}
    assert run.container is not None
    run.container.until = until
    asyncio.run(run._until_healthy())
    run.play, run.away = ["west", "far"], {"far"}
    asyncio.run(run._until_healthy())
    assert [[name for name in HOSTS if f"web.shop in {name}: " in text] for text in asked] == [list(HOSTS), ["west"]]


def test_a_route_to_a_remote_alone_needs_nothing_of_its_primary() -> None:
    run = run_of({**ROUTE, "clusters": ["far"]})
    clusters = {"west": seen(services={}, ready=set(), spaces={"shop"}), "east": NOTHING, "far": seen()}
    made = run._objects(clusters, run._gateways(clusters))
    assert [o["kind"] for o in made["west"]] == ["Gateway", "VirtualService"]
    assert [o["kind"] for o in made["far"]] == ["Service"] and made["east"] == []


def test_a_rival_in_the_primary_is_one_for_its_remotes_gateway() -> None:
    run = run_of({**ROUTE, "clusters": ["far"]})
    west = seen(services={}, ready=set(), spaces={"shop"}, gateways=[GATEWAY], virtual=[rival("other")])
    clusters = {"west": west, "east": NOTHING, "far": seen()}
    with pytest.raises(FleetError, match=r"far: shop\.example by VirtualService shop/theirs"):
        run._objects(clusters, run._gateways(clusters))


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


@pytest.mark.parametrize("there", [True, False])
def test_a_removal_takes_what_a_killed_check_left(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    removed: list[str] = []

    async def connected(*_of: t.Any, absent_ok: bool) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        return {}, {}

    class Left(Nodes):
        async def containers(self, names: t.Sequence[str]) -> dict[str, dict[str, t.Any]]:
            ours = {"Config": {"Labels": {"mesh.fleet/fleet": "shop"}}}
            return {name: ours for name in names if there and name == "shop-front-door-check"}

        async def run(self, *argv: str, **_more: t.Any) -> Done:
            removed.append(" ".join(argv))
            return Done(0, "", "")

    monkeypatch.setattr(local_front_door, "connect_each", connected)
    for dry_run in (True, False):
        run = run_of(dry_run=dry_run)
        assert run.container is not None
        run.container.fleet = KindFleet("shop", Path("/nowhere"), Left(), "kind")
        asyncio.run(run.absent())
        assert removed == (["rm --force --volumes shop-front-door-check"] if there and not dry_run else [])


class Lives:
    """A container with Envoy, which loads at once what it is given."""

    def __init__(self) -> None:
        self.there = True

    async def inspect(self) -> dict[str, t.Any] | None:
        return {} if self.there else None

    async def address(self) -> str:
        return "10.0.0.7" if self.there else ""

    async def until(self, *_: t.Any) -> str:
        return ""

    async def remove(self) -> None:
        self.there = False

    async def remove_left(self) -> None:
        """No check was killed."""


def test_its_container_lives_as_long_as_a_cluster_has_it(tmp_path: Path) -> None:
    folder, container = FrontDoorFolder(tmp_path), Lives()
    run = run_of()
    ways = (Gateway("west", ("10.0.0.1",)), Gateway("east", ("10.0.0.2",)), Gateway("far", ("10.0.0.3",)))
    for name, content in render(run.door, EnvoyDoor({"web.shop": ways})).items():
        folder.write(name, content)

    def absent(*play: str) -> LocalFrontDoor:
        run = run_of()
        run.folder, run.container, run.play = folder, t.cast("t.Any", container), list(play)
        asyncio.run(run.absent())
        return run

    # A remote's gateway is configured by its primary, so it goes with it.
    assert absent("west").stays == ["east"]
    assert container.there and clusters_of(folder.read(CLUSTERS)) == ["east"]
    assert absent("west").stays == ["east"] and container.there
    assert absent("east").stays == []
    assert not container.there and not folder.exists()


def named_by(files: dict[str, t.Any]) -> set[str]:
    """The clusters that Envoy's routes name."""
    routes = [one for name, file in files.items() if name.startswith("routes-") for one in file["resources"]]
    return {
        entry["route"]["cluster"]
        for one in routes
        for host in one["virtual_hosts"]
        for entry in host["routes"]
        if "route" in entry
    }


def test_copied_clusters_serve_earlier_routes_too(tmp_path: Path) -> None:
    """Clusters are copied first: what the routes of before name must be among them until these are others."""
    folder = FrontDoorFolder(tmp_path)

    def serve(service: str, *, more: bool = False) -> tuple[str, dict[str, t.Any], list[str]]:
        door, problems = read_front_door("front-door", [{**ROUTE, "service": service}], HOSTS)
        assert problems == []
        run = LocalFrontDoor(FLEET, list(HOSTS), list(HOSTS), folder, None, door)
        change = asyncio.run(run._serve({service: (Gateway("west", ("10.0.0.9",)),)}, (), more=more))
        return change.action, {name: folder.read(name) for name in folder.names()}, run._earlier

    def clusters(files: dict[str, t.Any]) -> set[str]:
        return {one["name"] for one in files[CLUSTERS]["resources"]}

    _action, old, earlier = serve("web.shop")
    assert earlier == [] and serve("web.shop")[0] == "unchanged"
    action, new, earlier = serve("pay.shop")
    assert (action, earlier) == ("changed", ["this run changes them"])
    assert clusters(new) == named_by(old) | named_by(new) == {"web.shop|any", "pay.shop|any"}
    action, last, earlier = serve("pay.shop")
    assert (action, earlier, clusters(last)) == ("changed", [], named_by(new))
    assert version_in(last["routes-http-any.yaml"]) == version_in(new["routes-http-any.yaml"]), "or verify would fail"
    assert serve("pay.shop") == ("unchanged", last, [])
    # Machines may have the files of any run since.
    serve("one.shop")
    assert clusters(serve("two.shop")[1]) == {"pay.shop|any", "one.shop|any", "two.shop|any"}


class Holds:
    """A cluster with one object of the front door."""

    def __init__(self) -> None:
        self.there = 1

    async def prune(self, _stay: t.Any, *, dry_run: bool, **_: t.Any) -> list[Change]:
        gone = [Change("west", "Gateway", "front-door", "removed", "shop")] * self.there
        self.there = self.there if dry_run else 0
        return gone


@pytest.mark.parametrize("stay", [True, False])
def test_what_gateways_need_goes_with_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stay: bool) -> None:
    """Machines with files of before lead to west: objects serve their callers only while the gateways of west run."""
    west, folder = Holds(), FrontDoorFolder(tmp_path)

    async def connected(*_of: t.Any, absent_ok: bool) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        return {"west": west}, {}

    monkeypatch.setattr(local_front_door, "connect_each", connected)
    door, _problems = read_front_door("front-door", [ROUTE], HOSTS)
    ways = (Gateway("west", ("10.0.0.1",)), Gateway("east", ("10.0.0.2",)))
    for name, content in render(door, EnvoyDoor({"web.shop": ways})).items():
        folder.write(name, content)
    removal, _problems = read_front_door("front-door", [], HOSTS)
    run = LocalFrontDoor(FLEET, list(HOSTS), ["west"], folder, None, removal, gateways_stay=stay)
    changes = asyncio.run(run.absent())
    assert clusters_of(folder.read(CLUSTERS)) == run.stays == ["east"]
    assert (len(changes), west.there) == ((1, 1) if stay else (2, 0))
    (warning,) = run.warnings
    assert ("stays at the gateways" in warning, "lead to gateways that go" in warning) == (stay, not stay)
    assert f"Copy {folder.path} to each machine" in warning
