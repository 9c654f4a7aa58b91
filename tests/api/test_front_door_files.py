# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door of clusters that exist already, on two real API servers with Istio's kinds: objects, Envoy's files."""

from __future__ import annotations

import asyncio
import datetime
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording, recording_as
from ansible_collections.mesh.fleet.plugins.module_utils._kube.tls import server_context
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import CLUSTERS, render
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_gateways import KINDS
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import version_in
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_written import (
    clusters_of,
    leads,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer as Said
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster import (
    front_door_machines,
    recorded_front_door,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.local_front_door import LocalFrontDoor
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.recorded_front_door import RecordedFrontDoor
from tests import crds_of_others
from tests.rendered import same
from tests.unit.plugins.module_utils._model.ingress.test_certificates import pair

from . import control_plane
from .forward_proxy import Answer, gate
from .gke_clusters import actions, on, put
from .loop import in_loop
from .manifests import namespace_of
from .plays import role_play, run_plays
from .test_absent import status
from .test_ingress import http_route_of_others, istio_crds, service, tls

Values = dict[str, t.Any]

SHOP: Values = {"host": "shop.example", "service": "web.shop"}
REGIONS = {"west": "us-west1", "east": "europe-north1"}
MADE = [
    "Gateway front-door created",
    "Service web-front-door-{} created",
    "VirtualService front-door-shop.example created",
]


@pytest.fixture(scope="module")
def hosts(new_plane: control_plane.Start) -> dict[str, Values]:
    planes = {name: new_plane(name) for name in REGIONS}
    return {
        name: {
            "fleet_name": "shop",
            "cluster_provider": "kubeconfig",
            "cluster_region": REGIONS[name],
            "cluster_api_url": plane.server,
            "cluster_api_token": control_plane.ADMIN_TOKEN,
            "cluster_api_ca": plane.ca_pem,
        }
        for name, plane in planes.items()
    }


def ready(pods: int) -> Values:
    meta = {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}
    endpoints = [{"addresses": ["10.1.0.9"], "conditions": {"ready": bool(pods)}}]
    slice_of = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta}
    return {**slice_of, "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "http-80", "port": 8080}]}


@pytest.fixture
def fleet(hosts: dict[str, Values], tmp_path: Path) -> t.Iterator[Fleet]:
    made = read_fleet(hosts, environment())

    async def prepare() -> None:
        for number, name in enumerate(REGIONS):
            gateway = outside(number)
            spaces = [namespace_of(space) for space in ("istio-system", "shop")]
            await put(made, name, *istio_crds(), *spaces, gateway, service("web", "shop", 80), ready(1))
        await put(
            made,
            "east",
            {**(secret := tls("shop-tls", "shop.example")), "metadata": {**secret["metadata"], "namespace": "shop"}},
        )

    asyncio.run(prepare())
    yield made
    asyncio.run(run_of(made, tmp_path / "none").absent())


def run_of(
    fleet: Fleet,
    folder: Path,
    *routes: Values,
    dry_run: bool = False,
    play: t.Collection[str] = tuple(REGIONS),
    name: str = "front-door",
    **more: t.Any,
) -> LocalFrontDoor:
    door, wrong = read_front_door(name, list(routes), fleet.clusters, **more)
    assert wrong == []
    return LocalFrontDoor(fleet, list(REGIONS), play, FrontDoorFolder(folder), None, door, dry_run=dry_run)


async def ours(fleet: Fleet, cluster: str) -> list[str]:
    """What a front door has in a cluster."""
    labels = owner_labels("front_door", fleet.name)
    async with on(fleet, cluster) as kube:
        return [one["kind"] for kind in KINDS for one in await kube.list(*kind, labels=labels)]


def made(found: t.Iterable[t.Any], cluster: str) -> list[str]:
    return sorted(one.removeprefix(f"{cluster} ") for one in actions(found) if one.startswith(f"{cluster} "))


@in_loop
async def test_objects_and_files_come_once_and_go(fleet: Fleet, tmp_path: Path) -> None:
    planned = await run_of(fleet, tmp_path, SHOP, dry_run=True).present()
    assert not (tmp_path / "front_door").exists()
    run = run_of(fleet, tmp_path, SHOP, certificates=["shop-tls"], https_redirect=True)
    changes = await run.present()
    for cluster in REGIONS:
        assert made(planned, cluster) == made(changes, cluster) == [text.format(cluster) for text in MADE]
    assert run.served == {"web.shop": ["west", "east"]}
    assert [warning.partition(" on ")[0] for warning in run.warnings] == ["the front door's certificate shop-tls ends"]
    folder = run.folder
    addresses = [
        e["lb_endpoints"][0] for e in folder.read("clusters.yaml")["resources"][0]["load_assignment"]["endpoints"]
    ]
    assert ["198.51.100.0" in str(addresses[0]), "198.51.100.1" in str(addresses[1])] == [True, True]
    assert version_in(folder.read("routes-http-any.yaml")), "or verify could not tell it from older ones"
    assert "PRIVATE KEY" not in "".join(f"{change.before}{change.after}" for change in changes)
    assert {oct(p.stat().st_mode & 0o777) for p in folder.path.rglob("*") if p.is_file()} == {"0o600"}
    again = await run_of(fleet, tmp_path, SHOP, certificates=["shop-tls"], https_redirect=True).present()
    assert actions(again) == []
    health = {"path": "/ready", "port": 9090}
    other = {**SHOP, "host": "other.example", "health": health}
    less = await run_of(fleet, tmp_path, other).present()
    assert made(less, "west") == [
        "Gateway front-door changed",
        "Service web-front-door-west changed",
        "VirtualService front-door-other.example created",
    ]
    later = await run_of(fleet, tmp_path, other).present()
    assert made(later, "west") == ["Gateway front-door changed", "VirtualService front-door-shop.example removed"]
    assert folder.certificates() == [] and "secret-shop-tls.yaml" not in folder.names()
    await run_of(fleet, tmp_path).absent()
    assert not folder.exists()
    async with on(fleet, "west") as kube:
        assert [one["metadata"]["name"] for one in await kube.list("v1", "Service", "shop")] == ["web"]


@in_loop
async def test_nothing_is_changed_for_what_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    theirs = service("web-front-door-west", "shop", 80)
    async with on(fleet, "west") as kube:
        await kube.apply([theirs], manager="somebody-else")
    with pytest.raises(FleetError, match="this fleet did not make them") as foreign:
        await run_of(fleet, tmp_path, SHOP).present()
    assert "Service shop/web-front-door-west in west" in foreign.value.seen
    await run_of(fleet, tmp_path).absent()
    async with on(fleet, "west") as kube:
        assert await kube.get("v1", "Service", "web-front-door-west", "shop"), "it is not ours to remove"
        await kube.delete("v1", "Service", "web-front-door-west", "shop")
    for name in REGIONS:
        await put(fleet, name, ready(0))
    with pytest.raises(FleetError, match="without ready pods"):
        await run_of(fleet, tmp_path, SHOP).present()
    await put(fleet, "west", ready(1))
    with pytest.raises(FleetError, match="certificate of the front door does not exist"):
        await run_of(fleet, tmp_path, SHOP, certificates=["none"]).present()
    for name in REGIONS:
        async with on(fleet, name) as kube:
            assert await kube.list("networking.istio.io/v1", "Gateway") == []
    assert not (tmp_path / "front_door").exists()
    planned = run_of(fleet, tmp_path, SHOP, {**SHOP, "host": "none.example", "service": "none.shop"}, dry_run=True)
    await planned.present()
    assert planned.warnings[0] == (
        "Service shop/none does not exist yet in west, east: where it will be reached there is not known before a run, "
        "and check mode leaves it out"
    )


@in_loop
async def test_a_host_of_somebody_elses_http_route_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    await put(fleet, "west", *crds_of_others.gateway_api())
    theirs = http_route_of_others("shop")
    async with on(fleet, "west") as kube:
        await kube.apply(theirs, manager="somebody-else")
    try:
        with pytest.raises(FleetError, match="served by something else") as refused:
            await run_of(fleet, tmp_path, SHOP).present()
        assert refused.value.seen == "west: shop.example by HTTPRoute shop/theirs (to theirs.shop)"
        assert not (tmp_path / "front_door").exists()
        await run_of(fleet, tmp_path, {**SHOP, "host": "other.example"}, dry_run=True).present()
    finally:
        async with on(fleet, "west") as kube:
            await kube.remove(theirs)


@in_loop
async def test_two_fleets_have_no_front_door_with_one_host(
    fleet: Fleet, hosts: dict[str, Values], tmp_path: Path
) -> None:
    await run_of(fleet, tmp_path, SHOP).present()
    second = read_fleet({name: {**host, "fleet_name": "bank"} for name, host in hosts.items()}, environment())
    folder, theirs = tmp_path / "bank", {**SHOP, "service": "pay.shop"}
    pods = ready(1)
    pods["metadata"] = {"name": "pay-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "pay"}}
    for name in REGIONS:
        await put(fleet, name, service("pay", "shop", 80), pods)
    try:
        with pytest.raises(FleetError, match="served by something else") as refused:
            await run_of(second, folder, theirs, name="bank-door").present()
        for name in REGIONS:
            by = f"{name}: shop.example by VirtualService shop/front-door-shop.example"
            assert f"{by} (to web-front-door-{name}.shop)" in refused.value.seen
        # With the first one's name, for another host: its objects stay its own.
        with pytest.raises(FleetError, match="this fleet did not make them") as foreign:
            await run_of(second, folder, {**theirs, "host": "bank.example"}).present()
        assert "Gateway shop/front-door of fleet shop in west" in foreign.value.seen
        assert not folder.joinpath("front_door").exists()
        assert [len(await ours(one, name)) for one in (fleet, second) for name in REGIONS] == [3, 3, 0, 0]
        assert actions(await run_of(fleet, tmp_path, SHOP).present()) == []
        # With a name and a host of its own it is beside the first one, and goes without it.
        await run_of(second, folder, {**theirs, "host": "bank.example"}, name="bank-door").present()
        await run_of(second, folder, name="bank-door").absent()
        assert [len(await ours(one, name)) for one in (fleet, second) for name in REGIONS] == [3, 3, 0, 0]
    finally:
        for name in REGIONS:
            async with on(fleet, name) as kube:
                await kube.remove([service("pay", "shop", 80), pods])


@in_loop
async def test_it_stays_for_clusters_that_are_not_in_the_play(fleet: Fleet, tmp_path: Path) -> None:
    await run_of(fleet, tmp_path, SHOP, certificates=["shop-tls"]).present()
    folder = FrontDoorFolder(tmp_path)
    before = version_in(folder.read("routes-http-any.yaml"))
    planned = await run_of(fleet, tmp_path, play=["west"], dry_run=True).absent()
    assert clusters_of(folder.read(CLUSTERS)) == ["west", "east"] and len(await ours(fleet, "west")) == 3
    run = run_of(fleet, tmp_path, play=["west"])
    changes = await run.absent()
    assert actions(planned) == actions(changes)
    assert [one for one in actions(changes) if "FrontDoor" in one] == [" FrontDoor front-door changed"]
    assert run.stays == ["east"] and clusters_of(folder.read(CLUSTERS)) == ["east"]
    assert folder.certificates(), "callers of east by HTTPS need it"
    assert version_in(folder.read("routes-http-any.yaml")) not in ("", before), "machines have older files"
    assert len(await ours(fleet, "west")) == 3, "machines lead there until they have the new ones"
    assert run.warnings[0].startswith("machines may still have files of an earlier run (this run changes them): ")
    later = run_of(fleet, tmp_path, play=["west"])
    assert len(actions(await later.absent())) == 3 and later.warnings == []
    assert (await ours(fleet, "west"), len(await ours(fleet, "east"))) == ([], 3)
    assert actions(await run_of(fleet, tmp_path, play=["west"]).absent()) == []
    last = run_of(fleet, tmp_path, play=["east"])
    await last.absent()
    assert last.stays == [] and not folder.exists(), "it leads to no other cluster"


def without(hosts: dict[str, Values], *silent: str) -> Fleet:
    """The same fleet, of which nobody listens at the address of some clusters."""
    nobody = {"cluster_api_url": "https://127.0.0.1:1"}
    return read_fleet(
        {name: {**one, **(nobody if name in silent else {})} for name, one in hosts.items()}, environment()
    )


def led_by(run: LocalFrontDoor, host: str, path: str = "/") -> set[str]:
    """The clusters that Envoy's files lead to for a route."""
    routes = [run.folder.read(name) for name in run.folder.names() if name.startswith("routes-")]
    return leads(run.folder.read(CLUSTERS), routes, "web.shop", host, path)


@in_loop
async def test_a_silent_cluster_stops_no_change_of_the_others(
    fleet: Fleet, hosts: dict[str, Values], tmp_path: Path
) -> None:
    await run_of(fleet, tmp_path, SHOP).present()
    other, silent = {**SHOP, "host": "other.example"}, without(hosts, "west")
    planned = run_of(silent, tmp_path, other, dry_run=True)
    run = run_of(silent, tmp_path, other)
    plan, changes = await planned.present(), await run.present()
    assert actions(plan) == actions(changes)
    created = ["Gateway front-door changed", "VirtualService front-door-other.example created"]
    removed = ["Gateway front-door changed", "VirtualService front-door-shop.example removed"]
    assert made(changes, "east") == created
    # West's gateway does not know the new host, and would answer 404 once it is healthy.
    assert run.led(run.door.routes[0]) == ["east"] and led_by(run, "other.example") == {"east"}
    warning, kept = run.warnings
    assert kept.startswith("machines may still have files of an earlier run ")
    assert warning.startswith(
        "west: the front door changes nothing there, and it does not lead there, and not yet for other.example: "
    )
    assert "the API server is not reachable" in warning and "start the cluster, or correct" in warning
    assert planned.warnings == run.warnings
    assert len(await ours(fleet, "west")) == 3
    assert made(await run_of(silent, tmp_path, other).present(), "east") == removed
    assert actions(await run_of(silent, tmp_path, other).present()) == []
    both = run_of(silent, tmp_path, SHOP, other)
    await both.present()
    assert led_by(both, "other.example") == {"east"}
    assert made(await run_of(fleet, tmp_path, other).present(), "west") == created
    assert made(await run_of(fleet, tmp_path, other).present(), "west") == removed
    with pytest.raises(FleetError, match="not reachable"):
        await run_of(without(hosts, "west", "east"), tmp_path, SHOP).present()


@in_loop
async def test_nobody_is_led_to_a_silent_cluster_for_the_first_time(
    fleet: Fleet, hosts: dict[str, Values], tmp_path: Path
) -> None:
    silent = without(hosts, "west")
    with pytest.raises(FleetError, match="the service of a route does not exist") as refused:
        await run_of(silent, tmp_path, {**SHOP, "service": "none.shop"}).present()
    assert refused.value.seen.startswith("not in east; west: the API server is not reachable (")
    run = run_of(silent, tmp_path, SHOP)
    await run.present()
    assert run.served == {"web.shop": ["east"]} and ", and it does not lead there: " in run.warnings[0]
    assert run_of(fleet, tmp_path, SHOP).served == {}
    await run_of(fleet, tmp_path, SHOP).present()
    assert clusters_of(run.folder.read(CLUSTERS)) == ["west", "east"]
    await run_of(silent, tmp_path, {**SHOP, "clusters": ["east"]}).present()
    assert clusters_of(run.folder.read(CLUSTERS)) == ["east"], "what the route says counts"


@in_loop
async def test_a_silent_remotes_gateway_keeps_its_routes(
    fleet: Fleet, hosts: dict[str, Values], tmp_path: Path
) -> None:
    """They are in its primary, which answers."""
    fleet_of = {**hosts, "east": {**hosts["east"], "mesh_primary": "west", "mesh_role": "remote"}}
    both, silent = read_fleet(fleet_of, environment()), without(fleet_of, "east")
    await run_of(both, tmp_path, SHOP).present()
    other = {**SHOP, "host": "other.example"}
    run = run_of(silent, tmp_path, other)
    changes = await run.present()
    assert made(changes, "west") == [
        "Gateway front-door changed",
        "VirtualService front-door-other.example created",
    ]
    assert run.served == {"web.shop": ["west", "east"]} and len(run.warnings) == 2
    assert made(await run_of(silent, tmp_path, other).present(), "west") == [
        "Gateway front-door changed",
        "VirtualService front-door-shop.example removed",
    ]
    async with on(fleet, "west") as kube:
        found = {one["metadata"]["name"]: one["spec"] for one in await kube.list(*KINDS[1], "shop")}
        assert found["front-door--east"]["servers"][0]["hosts"] == ["shop.example"]
        selector = found["front-door"]["selector"]
        assert selector["topology.istio.io/cluster"] == "west", "or the remote's gateway would take it for its own"
        assert await kube.get(*KINDS[0], "front-door--east-shop.example", "shop")
    assert made(await run_of(both, tmp_path, other).present(), "west") == [
        "Gateway front-door--east changed",
        "VirtualService front-door--east-other.example created",
    ]
    assert made(await run_of(both, tmp_path, other).present(), "west") == [
        "Gateway front-door--east changed",
        "VirtualService front-door--east-shop.example removed",
    ]
    # Without its primary nobody can change what the remote's gateway does.
    with pytest.raises(FleetError, match="west"):
        await run_of(without(fleet_of, "west"), tmp_path, SHOP).present()
    assert len(await ours(fleet, "east")) == 1, "the Service of the remote's part stays"


@pytest.mark.parametrize(
    ("variable", "what"), [("cluster_api_token", "read failed"), ("cluster_api_ca", "not signed by the expected CA")]
)
@in_loop
async def test_who_refuses_or_is_refused_fails_alone(
    fleet: Fleet, hosts: dict[str, Values], tmp_path: Path, variable: str, what: str
) -> None:
    """It answers, so it is not silent: no wait mends a wrong inventory. The others get their change."""
    await run_of(fleet, tmp_path, SHOP).present()
    wrong = {"cluster_api_token": "of-nobody", "cluster_api_ca": pair("ca.example").certificate}[variable]
    stranger = read_fleet({**hosts, "west": {**hosts["west"], variable: wrong}}, environment())
    new = {**SHOP, "path": "/new"}
    run = run_of(stranger, tmp_path, SHOP, new)
    changes = await run.present()
    assert list(run.failures) == ["west"] and what in run.failures["west"].what and run.failures["west"].next_step
    assert {change.cluster for change in changes} == {"east", ""}
    assert (led_by(run, "shop.example"), led_by(run, "shop.example", "/new")) == ({"west", "east"}, {"east"})
    (warning,) = run.warnings
    assert warning.endswith("to lead there for shop.example, and not yet for shop.example/new: see its error")
    # One that the run may not change is no failure of it.
    part = run_of(stranger, tmp_path, SHOP, new, play=["east"])
    await part.present()
    assert part.failures == {} and what in part.warnings[0]
    nobody = read_fleet({name: {**one, variable: wrong} for name, one in hosts.items()}, environment())
    with pytest.raises(FleetError, match="west"):
        await run_of(nobody, tmp_path, SHOP).present()


@pytest.mark.parametrize(
    ("method", "part", "fails", "told"),
    [
        ("GET", "/secrets/shop-tls", False, "west: the front door changes nothing there, and it goes on to lead there"),
        ("GET", "/gateways/front-door", False, "west: the front door changes nothing there, and it goes on to lead"),
        ("PATCH", "", True, "west: not all was written there, and it goes on to lead there for shop.example, and not"),
    ],
)
@in_loop
async def test_who_falls_silent_later_stops_no_other(
    fleet: Fleet, hosts: dict[str, Values], tmp_path: Path, method: str, part: str, fails: bool, told: str
) -> None:
    """West is read, and answers no more when it is asked for something in the middle of the run."""
    how: Values = {"certificates": ["shop-tls"]}
    old, new = {**SHOP, "host": "old.example"}, {**SHOP, "path": "/new"}
    await run_of(fleet, tmp_path, SHOP, old, **how).present()

    def way(asked: str, path: str) -> Answer | None:
        return status(503, "ServiceUnavailable") if asked == method and path.endswith(part) else None

    west = hosts["west"]
    async with gate(west["cluster_api_url"], server_context(west["cluster_api_ca"].encode()), way) as url:
        behind = read_fleet({**hosts, "west": {**west, "cluster_api_url": url, "cluster_api_ca": ""}}, environment())
        run = run_of(behind, tmp_path, SHOP, new, **how)
        changes = await run.present()
    assert made(changes, "east") == ["VirtualService front-door-shop.example changed"]
    assert list(run.failures) == (["west"] if fails else [])
    of_west = [one for one in run.warnings if one.startswith("west")]
    assert [one.startswith(told) for one in of_west] == [True]
    everywhere = {"west", "east"}
    assert led_by(run, "shop.example") == everywhere and led_by(run, "old.example") == set()
    assert led_by(run, "shop.example", "/new") == {"east"}
    assert run.folder.certificates()
    # A later run finishes it.
    again = run_of(fleet, tmp_path, SHOP, new, **how)
    assert made(await again.present(), "west") == ["VirtualService front-door-shop.example changed"]
    assert led_by(again, "shop.example", "/new") == everywhere
    assert again.failures == {} and [one for one in again.warnings if one.startswith("west")] == []


@in_loop
async def test_a_removal_that_failed_is_done_later(fleet: Fleet, hosts: dict[str, Values], tmp_path: Path) -> None:
    await run_of(fleet, tmp_path, SHOP, {**SHOP, "host": "old.example"}).present()
    await run_of(fleet, tmp_path, SHOP).present()

    def way(asked: str, _path: str) -> Answer | None:
        return status(503, "ServiceUnavailable") if asked == "DELETE" else None

    west = hosts["west"]
    async with gate(west["cluster_api_url"], server_context(west["cluster_api_ca"].encode()), way) as url:
        behind = read_fleet({**hosts, "west": {**west, "cluster_api_url": url, "cluster_api_ca": ""}}, environment())
        run = run_of(behind, tmp_path, SHOP)
        changes = await run.present()
    gone = "VirtualService front-door-old.example removed"
    assert made(changes, "east") == ["Gateway front-door changed", gone]
    assert list(run.failures) == ["west"] and made(changes, "west") == ["Gateway front-door changed"]
    assert made(await run_of(fleet, tmp_path, SHOP).present(), "west") == [gone]


@in_loop
async def test_routes_go_once_machines_have_the_new_files(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are copied by somebody: until then callers are led as the earlier ones say."""
    served = {"192.0.2.4": "", "door-2.example": ""}

    def ask(address: str, _seconds: float, _port: int = 80) -> Said:
        said = f"mesh.fleet front door front-door {served[address]}\n"
        return Said(True, 200, 1.0, "", "", "", said=said)

    monkeypatch.setattr(front_door_machines, "ask_version", ask)
    monkeypatch.setattr(front_door_machines, "addresses_of", lambda name, _port: [name])
    old = [SHOP, {**SHOP, "path": "/old"}, {**SHOP, "host": "old.example"}]
    how: Values = {"addresses": list(served)}

    async def run(*routes: Values, dry_run: bool = False) -> tuple[list[str], list[str]]:
        door = run_of(fleet, tmp_path, *routes, dry_run=dry_run, **how)
        return actions(await door.present()), door.warnings

    async def gateway() -> tuple[list[str], list[Values]]:
        """The hosts and the rules of shop.example that the gateways of west know."""
        async with on(fleet, "west") as kube:
            (live,) = await kube.list(*KINDS[1], "shop")
            virtual = await kube.get(*KINDS[0], "front-door-shop.example", "shop")
        assert virtual
        return live["spec"]["servers"][0]["hosts"], virtual["spec"]["http"]

    def version() -> str:
        return version_in(FrontDoorFolder(tmp_path).read("routes-http-any.yaml"))

    assert (await run(*old))[1] == []
    first, before = version(), await gateway()
    planned = await run(SHOP, dry_run=True)
    assert await run(SHOP) == planned == ([" FrontDoor front-door changed"], planned[1])
    assert "this run changes them" in planned[1][0] and await gateway() == before
    # Another controller finds that east serves the route, whatever it serves besides.
    elsewhere = run_of(fleet, tmp_path / "elsewhere", SHOP, play=["west"])
    await elsewhere.present()
    assert elsewhere.led(elsewhere.door.routes[0]) == ["west", "east"] and await gateway() == before
    served.update({"192.0.2.4": version(), "door-2.example": first})
    nothing, (warning,) = await run(SHOP)
    assert nothing == [] and await gateway() == before
    assert f"door-2.example serves version {first}, the files are {version()}" in warning and "192" not in warning
    served["door-2.example"] = version()
    planned = await run(SHOP, dry_run=True)
    done = await run(SHOP)
    assert done == planned and done[1] == [] and "west VirtualService front-door-old.example removed" in done[0]
    hosts_now, rules = await gateway()
    assert (hosts_now, len(rules)) == (["shop.example"], 1)
    assert await run(SHOP) == ([], [])


@in_loop
async def test_nobody_is_led_where_nothing_was_written(fleet: Fleet, hosts: dict[str, Values], tmp_path: Path) -> None:
    def way(method: str, _path: str) -> Answer | None:
        return status(503, "ServiceUnavailable") if method == "PATCH" else None

    west = hosts["west"]
    async with gate(west["cluster_api_url"], server_context(west["cluster_api_ca"].encode()), way) as url:
        behind = {**hosts, "west": {**west, "cluster_api_url": url, "cluster_api_ca": ""}}
        run = run_of(read_fleet(behind, environment()), tmp_path, SHOP)
        await run.present()
    assert run.served == {"web.shop": ["east"]} and clusters_of(run.folder.read(CLUSTERS)) == ["east"]
    (warning,) = run.warnings
    assert warning == "west: not all was written there, and it does not lead there: see its error"


@in_loop
async def test_routes_of_the_gateway_api_may_be_hidden(fleet: Fleet, hosts: dict[str, Values], tmp_path: Path) -> None:
    await put(fleet, "west", *crds_of_others.gateway_api())

    def way(_method: str, path: str) -> Answer | None:
        return status(403, "Forbidden") if path.endswith("/httproutes") else None

    west = hosts["west"]
    async with gate(west["cluster_api_url"], server_context(west["cluster_api_ca"].encode()), way) as url:
        behind = {**west, "cluster_api_url": url, "cluster_api_ca": ""}
        run = run_of(read_fleet({**hosts, "west": behind}, environment()), tmp_path, SHOP)
        await run.present()
    (warning,) = run.warnings
    assert warning.startswith("west: the account may not list HTTPRoute: ")
    assert run.served == {"web.shop": ["west", "east"]}


@in_loop
async def test_a_bad_certificate_hides_no_good_one(fleet: Fleet, hosts: dict[str, Values], tmp_path: Path) -> None:
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)

    def secret(begins: datetime.datetime, ends: datetime.datetime) -> tuple[Values, str]:
        made_of = pair("shop.example", begins=begins, ends=ends)
        data = {"tls.crt": made_of.certificate, "tls.key": made_of.key}
        meta = {"name": "door-tls", "namespace": "shop"}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data}, made_of.certificate

    ended, _text = secret(now - 2 * day, now - day)
    good, text = secret(now - day, now + 90 * day)
    soon, soon_text = secret(now - day, now + 2 * day)
    how: Values = {"certificates": ["door-tls"]}
    try:
        await put(fleet, "west", ended)
        await put(fleet, "east", good)
        run = run_of(fleet, tmp_path, SHOP, **how)
        await run.present()
        assert run.folder.certificates() == [text]
        assert [one.partition(" (on ")[0] for one in run.warnings] == [
            "west: Secret shop/door-tls is not used: its certificate has ended"
        ]
        # What was not renewed in one cluster may be in another.
        await put(fleet, "west", soon)
        run = run_of(fleet, tmp_path, SHOP, **how)
        await run.present()
        assert (run.folder.certificates(), run.warnings) == ([text], [])
        # Envoy has the one of a cluster that does not answer now: nobody's that ends soon takes its place.
        run = run_of(without(hosts, "east"), tmp_path, SHOP, **how)
        assert actions(await run.present()) == [] and run.folder.certificates() == [text]
        # Who has the Secret does not answer: Envoy keeps what it has, though a bad one is elsewhere.
        await put(fleet, "west", ended)
        run = run_of(without(hosts, "east"), tmp_path, SHOP, **how)
        assert actions(await run.present()) == []
        assert run.folder.certificates() == [text]
        assert "the front door's certificate door-tls stays as it is: east could not be read" in run.warnings
        with pytest.raises(FleetError, match="its certificate has ended"):
            await run_of(without(hosts, "east"), tmp_path / "elsewhere", SHOP, **how).present()
        async with on(fleet, "west") as kube:
            await kube.remove([ended])
        with pytest.raises(FleetError, match="certificate of the front door does not exist") as lost:
            await run_of(without(hosts, "east"), tmp_path / "elsewhere", SHOP, **how).present()
        assert lost.value.seen.startswith("not in namespace shop of west; east: the API server is not reachable (")
        # A renewed one is taken up, and the key of the old one goes.
        await put(fleet, "east", soon)
        await run_of(fleet, tmp_path, SHOP, **how).present()
        assert run.folder.certificates() == [soon_text]
        assert len(list(run.folder.path.rglob("tls.key"))) == 1
        await put(fleet, "east", ended)
        with pytest.raises(FleetError, match="its certificate has ended"):
            await run_of(fleet, tmp_path, SHOP, **how).present()
    finally:
        async with on(fleet, "west") as kube:
            await kube.remove([ended])


@in_loop
async def test_a_silent_cluster_keeps_the_routes_that_it_knows(
    fleet: Fleet, hosts: dict[str, Values], tmp_path: Path
) -> None:
    await run_of(fleet, tmp_path, SHOP).present()
    silent, new = without(hosts, "west"), {**SHOP, "path": "/new"}
    run = run_of(silent, tmp_path, SHOP, new)
    await run.present()
    assert (led_by(run, "shop.example"), led_by(run, "shop.example", "/new")) == ({"west", "east"}, {"east"})
    (warning,) = run.warnings
    assert "it goes on to lead there for shop.example, and not yet for shop.example/new: " in warning
    assert actions(await run_of(silent, tmp_path, SHOP, new).present()) == []
    again = run_of(fleet, tmp_path, SHOP, new)
    await again.present()
    assert led_by(again, "shop.example", "/new") == {"west", "east"}
    assert [one.partition(" (")[0] for one in again.warnings] == ["machines may still have files of an earlier run"]
    # What the routes may no longer say of it is not read out of a file that was cut.
    (again.folder.path / CLUSTERS).write_text('{"resour')
    with pytest.raises(FleetError, match="a file of the front door cannot be read") as cut:
        await run_of(silent, tmp_path, SHOP, new).present()
    assert "remove that file" in cut.value.next_step
    await run_of(fleet, tmp_path, SHOP, new).present()


@in_loop
async def test_a_route_to_a_silent_cluster_alone_stops_no_other(
    fleet: Fleet, hosts: dict[str, Values], tmp_path: Path
) -> None:
    alone = {"host": "west.example", "service": "none.shop", "clusters": ["west"]}
    run = run_of(without(hosts, "west"), tmp_path, SHOP, alone)
    await run.present()
    assert run.served == {"web.shop": ["east"], "none.shop": []}
    assert led_by(run, "shop.example") == {"east"}
    assert run.warnings[0].startswith("west: the front door changes nothing there, and it does not lead there: ")
    with pytest.raises(FleetError, match="the service of a route does not exist"):
        await run_of(fleet, tmp_path, SHOP, alone).present()


@in_loop
async def test_who_is_not_in_the_play_gets_no_calls_for_new_routes(
    fleet: Fleet, hosts: dict[str, Values], tmp_path: Path
) -> None:
    """Its gateway would answer 404, or with the service of another route, and be healthy."""
    first = run_of(fleet, tmp_path, SHOP, play=["west"])
    await first.present()
    assert led_by(first, "shop.example") == {"west"}
    for _run in range(2):
        await run_of(fleet, tmp_path, SHOP).present()
    new = [SHOP, {**SHOP, "host": "new.example"}, {**SHOP, "path": "/new"}]
    run = run_of(fleet, tmp_path, *new, play=["west"])
    await run.present()
    assert run.warnings == [
        "east is not in this run, and its gateway does not know new.example, shop.example/new yet: such calls go past "
        "it until a run without --limit"
    ]
    wanted = {
        ("shop.example", "/"): {"west", "east"},
        ("new.example", "/"): {"west"},
        ("shop.example", "/new"): {"west"},
    }
    assert {route: led_by(run, *route) for route in wanted} == wanted
    assert [run.led(route) for route in run.door.routes] == [["west", "east"], ["west"], ["west"]]
    # Another controller has no files: it asks the cluster.
    await run_of(fleet, tmp_path, *new).present()
    elsewhere = run_of(fleet, tmp_path / "elsewhere", *new, play=["west"])
    await elsewhere.present()
    assert elsewhere.warnings == [] and led_by(elsewhere, "new.example") == {"west", "east"}
    # A remote's routes are in its primary.
    remote = {**hosts, "east": {**hosts["east"], "mesh_primary": "west", "mesh_role": "remote"}}
    part = run_of(read_fleet(remote, environment()), tmp_path / "third", SHOP, play=["east"])
    assert [part._changes(name) for name in REGIONS] == [False, False]


def test_objects_go_without_the_files_that_came_with_them(
    fleet: Fleet, hosts: dict[str, Values], tmp_path: Path
) -> None:
    for tasks in ("main", "absent"):
        asyncio.run(run_of(fleet, tmp_path / "another machine", SHOP).present())
        ran = run_plays(tmp_path, {"hosts": hosts}, role_play("front_door", tasks=tasks))
        assert ran.code == 0, ran.output
        assert [asyncio.run(ours(fleet, name)) for name in REGIONS] == [[], []], ran.output
        again = run_plays(tmp_path, {"hosts": hosts}, role_play("front_door", tasks=tasks))
        assert again.code == 0 and "changed" not in again.output, again.output


async def recorded(
    fleet: Fleet, folder: Path, held: t.Mapping[str, list[Values]], *routes: Values, here: bool = False, **more: t.Any
) -> Recording:
    """What rendering records where earlier stages recorded ``held``, by cluster."""
    with recording_as(Recording(lambda cluster: held.get(cluster, ()))) as record:
        door = run_of(fleet, folder, *routes, dry_run=True, **more).door
        run = RecordedFrontDoor(fleet, list(REGIONS), REGIONS, FrontDoorFolder(folder), None, door, dry_run=True)
        await run.recorded(record, here=here)
    return record


def outside(number: int) -> Values:
    """An ingress gateway with an external IP."""
    gateway = service("istio-ingressgateway", "istio-system", 80)
    gateway["spec"]["externalIPs"] = [f"198.51.100.{number}"]
    return gateway


def named(record: Recording) -> list[str]:
    return sorted(f"{left.cluster} {left.object}" for left in record.left_out.values())


@in_loop
async def test_files_hold_the_objects_that_the_stage_makes(fleet: Fleet, tmp_path: Path) -> None:
    health = {"path": "/ready", "port": 9090}
    routes = [{**SHOP, "health": health}, {"service": "web.shop", "path": "/any", "health": health}]
    held = {name: [service("web", "shop", 80), service("istio-ingressgateway", "istio-system", 80)] for name in REGIONS}
    record = await recorded(fleet, tmp_path, held, *routes)
    assert named(record) == ["east Envoy of front door front-door", "west Envoy of front door front-door"]
    # Files first: the stage finds nothing to do.
    for name in REGIONS:
        async with on(fleet, name) as kube:
            await kube.apply(list(record.objects[name].values()), manager="kubectl")
    changes = await run_of(fleet, tmp_path, *routes).present()
    assert actions(changes) == [" FrontDoor front-door created"]
    assert [sorted(await ours(fleet, name)) for name in REGIONS] == [
        sorted(obj["kind"] for obj in record.objects[name].values()) for name in REGIONS
    ]
    # The stage first: the files change nothing.
    await run_of(fleet, tmp_path).absent()
    await run_of(fleet, tmp_path, *routes).present()
    for name in REGIONS:
        async with on(fleet, name) as kube:
            for obj in record.objects[name].values():
                await same(kube, obj)


@in_loop
async def test_what_no_file_says_is_named(fleet: Fleet, tmp_path: Path) -> None:
    web, gateway = service("web", "shop", 80), service("istio-ingressgateway", "istio-system", 80)
    part, envoy = "objects of front door front-door for web.shop", "Envoy of front door front-door"
    envoys = [f"{name} {envoy}" for name in ("east", "west")]

    one = await recorded(fleet, tmp_path, {"west": [web, gateway], "east": [gateway]}, SHOP)
    assert (list(one.objects), named(one)) == (["west"], envoys), "apps bring it to west alone"
    both = {**SHOP, "clusters": ["west", "east"]}
    asked = await recorded(fleet, tmp_path, {"west": [web, gateway], "east": [gateway]}, both)
    assert (list(asked.objects), named(asked)) == (["west"], sorted([*envoys, f"east {part}"]))
    assert "no app of the inventory brings the service" in asked.left_out["east", part].why
    nobody = await recorded(fleet, tmp_path, {}, SHOP)
    assert (nobody.objects, len(named(nobody))) == ({}, 4)
    closed = await recorded(fleet, tmp_path, {"west": [web]}, SHOP)
    assert closed.objects == {} and "no file brings an ingress gateway" in closed.left_out["west", part].why
    own = {**web, "spec": {**web["spec"], "type": "LoadBalancer"}}
    direct = await recorded(fleet, tmp_path, {"west": [own, gateway]}, SHOP)
    assert (direct.objects, named(direct)) == ({}, envoys), "it is called at its own address"


@in_loop
async def test_envoys_files_are_those_of_the_stage(fleet: Fleet, tmp_path: Path) -> None:
    held = {name: [service("web", "shop", 80), outside(number)] for number, name in enumerate(REGIONS)}
    more = {"regions": {"us-west1": ["192.0.2.0/24"]}}
    run = run_of(fleet, tmp_path, SHOP, **more)
    await run.present()
    record = await recorded(fleet, tmp_path, held, SHOP, **more)
    assert named(record) == []
    assert record.files == {"front_door_shop": {name: run.folder.read(name) for name in run.folder.names()}}
    # A container of this machine has no files to copy.
    assert (await recorded(fleet, tmp_path, held, SHOP, here=True)).files == {}
    # One address that no file says, and Envoy would lead past a cluster.
    held["east"] = [service("web", "shop", 80), service("istio-ingressgateway", "istio-system", 80)]
    less = await recorded(fleet, tmp_path, held, SHOP)
    assert less.files == {} and list(less.objects) == list(REGIONS)
    left = less.left_out["west", "Envoy of front door front-door"]
    assert "the address of east's ingress gateway" in left.why and "service.externalIPs" in left.instead


@in_loop
async def test_no_key_is_in_a_rendered_file(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {**(made_of := tls("shop-tls", "shop.example")), "metadata": {"name": "shop-tls", "namespace": "shop"}}
    held = {name: [service("web", "shop", 80), outside(number), secret] for number, name in enumerate(REGIONS)}
    record = await recorded(fleet, tmp_path, held, SHOP, certificates=["shop-tls"])
    assert named(record) == [f"{name} certificate shop-tls of front door front-door" for name in ("east", "west")]
    text = str([record.files, record.objects, record.left_out])
    assert "'filename': '/etc/front-door/keys/shop-tls/tls.key'" in text and "-----BEGIN" not in text

    def careless(door: t.Any, envoy: t.Any) -> t.Any:
        files = render(door, envoy)
        files["secret-shop-tls.yaml"]["resources"][0]["tls_certificate"]["private_key"] = {
            "inline_string": made_of["stringData"]["tls.key"]
        }
        return files

    monkeypatch.setattr(recorded_front_door, "render", careless)
    record = await recorded(fleet, tmp_path, held, SHOP, certificates=["shop-tls"])
    assert record.files == {} and "-----BEGIN" not in str([record.objects, record.left_out])
    assert "it holds a secret in secret-shop-tls.yaml" in str(record.left_out)


def test_the_role_says_where_the_files_are(fleet: Fleet, hosts: dict[str, Values], tmp_path: Path) -> None:
    inventory = {"hosts": hosts, "vars": {"front_door_routes": [SHOP], "front_door_addresses": ["192.0.2.4"]}}
    ran = run_plays(tmp_path, inventory, role_play("front_door"), "--check")
    assert ran.code == 0 and ": 1 route (planned)" in ran.output, ran.output
    assert not list(tmp_path.rglob("front_door/bootstrap.yaml"))
    ran = run_plays(tmp_path, inventory, role_play("front_door"))
    assert "(planned)" not in ran.output
    assert ran.code == 0, ran.output
    assert "front_door, to be copied to 192.0.2.4: 1 route" in ran.output and "(1 changed)" in ran.output
    assert list(tmp_path.rglob("front_door/bootstrap.yaml"))
    ran = run_plays(tmp_path, inventory, role_play("front_door"))
    assert "front_door: 1 route" in ran.output and "changed)" not in ran.output
    strange = {**hosts, "west": {**hosts["west"], "cluster_api_token": "of-nobody"}}
    ran = run_plays(tmp_path, {**inventory, "hosts": strange}, role_play("front_door"))
    assert ran.code != 0 and "Drop out where the front door could not be made" in ran.output, ran.output
    assert "get fresh credentials for this cluster and run again" in ran.output
    assert run_plays(tmp_path, inventory, role_play("front_door", tasks="absent")).code == 0
    assert not list(tmp_path.rglob("front_door/bootstrap.yaml"))
