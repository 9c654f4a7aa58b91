# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Multi-cluster services of the upstream kinds on two real API servers: what is made, and what is left alone."""

from __future__ import annotations

import asyncio
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.transport import Transport
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import parse_exports
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset import ClustersetRun

from . import control_plane
from .gke_clusters import CRDS, SECONDS, SHOP, actions, on, put, service
from .loop import in_loop
from .manifests import namespace_of
from .test_traffic_objects import crds

__all__ = ["crds"]

FILES = Path(__file__).resolve().parents[2] / "roles" / "services" / "files" / "mcs-api"
OURS = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FILES.glob("*.yaml"))]
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
UPSTREAM = "multicluster.x-k8s.io/v1beta1"
ISTIO = "networking.istio.io/v1"
NAMES = ("west", "east")
ORDERS = [{"service": "orders.shop", "to": "all"}]
KINDS = ("ServiceExport", "ServiceImport")
NAMED = ("ServiceEntry", "VirtualService")
Fleets = t.Callable[..., Fleet]


@pytest.fixture(scope="module")
def planes(new_plane: control_plane.Start) -> dict[str, control_plane.ControlPlane]:
    return {name: new_plane(name) for name in NAMES}


@pytest.fixture
def fleets(planes: dict[str, control_plane.ControlPlane], crds: list[dict[str, t.Any]]) -> Fleets:
    """Makes fleets of both clusters, with Istio's kinds and the namespace shop; more variables by cluster."""

    def make(**more: dict[str, t.Any]) -> Fleet:
        hosts = {
            name: {
                "fleet_name": "set",
                "cluster_provider": "kubeconfig",
                "cluster_api_url": plane.server,
                "cluster_api_token": control_plane.ADMIN_TOKEN,
                "cluster_api_ca": plane.ca_pem,
                **more.get(name, {}),
            }
            for name, plane in planes.items()
        }
        return read_fleet(hosts, environment())

    async def prepare() -> None:
        for name in NAMES:
            async with on(make(), name) as kube:
                await kube.apply(crds)
                await kube.apply([namespace_of("istio-system"), namespace_of(SHOP)])
                for api, kind in [(ISTIO, kind) for kind in NAMED] + [("v1", "Service"), ("v1", "ConfigMap")]:
                    where = "istio-system" if kind == "ConfigMap" else SHOP
                    await kube.remove(await kube.list(api, kind, where))
                for crd in [*OURS, *CRDS]:
                    await kube.delete(*CRD, crd["metadata"]["name"], wait=SECONDS)
                await kube.delete("v1", "ConfigMap", "cilium-config", "kube-system")

    asyncio.run(prepare())
    return make


async def ran(fleet: Fleet, given: t.Any, *, play: t.Sequence[str] = NAMES, **more: t.Any) -> ClustersetRun:
    run = ClustersetRun(fleet, play, parse_exports(given, fleet.clusters), OURS, **{"timeout": 0, **more})
    await run.run()
    return run


async def live(fleet: Fleet, cluster: str, kind: str, name: str = "orders") -> dict[str, t.Any] | None:
    named = kind in NAMED
    async with on(fleet, cluster) as kube:
        return await kube.get(ISTIO if named else UPSTREAM, kind, f"{name}-clusterset" if named else name, SHOP)


async def spec(fleet: Fleet, cluster: str, kind: str) -> dict[str, t.Any]:
    found = await live(fleet, cluster, kind)
    assert found is not None
    return dict(found["spec"])


MADE = {
    "west": ["ServiceEntry", "ServiceExport", "ServiceImport", "VirtualService"],
    "east": ["ServiceEntry", "ServiceImport", "VirtualService"],
}


def of_orders(changes: t.Iterable[t.Any], action: str) -> list[str]:
    return [one for one in actions(changes) if " orders" in one and one.endswith(action)]


@in_loop
async def test_one_address_in_every_cluster_and_nothing_left(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    planned = await ran(fleet, ORDERS, dry_run=True)
    run = await ran(fleet, ORDERS)
    assert (run.failures, run.warnings) == ({}, [])
    wanted = sorted(
        f"{name} {kind} orders{'-clusterset' if kind in NAMED else ''} created" for name in NAMES for kind in MADE[name]
    )
    assert of_orders(planned.changes, "created") == of_orders(run.changes, "created") == wanted
    imports = [await spec(fleet, name, "ServiceImport") for name in NAMES]
    assert imports[0] == imports[1]
    (address,) = imports[0]["ips"]
    assert address.startswith("240.241.")
    assert imports[0]["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    for name in NAMES:
        entry = await spec(fleet, name, "ServiceEntry")
        assert (entry["hosts"], entry["addresses"]) == (["orders.shop.svc.clusterset.local"], [address])
    assert sorted((one["cluster"], one["address"]) for one in run.imports) == [("east", address), ("west", address)]
    again = await ran(fleet, ORDERS)
    assert actions(again.changes) == []
    gone = await ran(fleet, [])
    assert of_orders(gone.changes, "removed") == [one.replace("created", "removed") for one in wanted]
    left = await ran(fleet, [], leaves=True)
    assert {one for one in actions(left.changes) if "CustomResourceDefinition" in one} == {
        f"{name} CustomResourceDefinition {kind}s.multicluster.x-k8s.io removed"
        for name in NAMES
        for kind in ("serviceexport", "serviceimport")
    }
    async with on(fleet, "west") as kube:
        assert await kube.list("v1", "ConfigMap", "istio-system", labels="mesh.fleet/fleet") == []


@in_loop
async def test_an_unchanged_run_reads_lists_and_writes_nothing(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleets()
    names = [f"app-{number}" for number in range(30)]
    await put(fleet, "west", *map(service, names))
    given = [{"service": f"{name}.shop"} for name in names]
    first = await ran(fleet, given)
    assert first.failures == {}
    asked: list[str] = []
    request = Transport.request

    async def counted(self: Transport, method: str, path: str, **more: t.Any) -> t.Any:
        asked.append(f"{method} {path}")
        return await request(self, method, path, **more)

    monkeypatch.setattr(Transport, "request", counted)
    again = await ran(fleet, given)
    assert actions(again.changes) == []
    assert [one for one in asked if not one.startswith("GET ")] == []
    assert len(asked) < 50, asked


@in_loop
async def test_only_clusters_of_to_and_those_that_export(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, [{"service": "orders.shop", "to": ["west"]}])
    assert [await live(fleet, "east", kind) for kind in (*KINDS, *NAMED)] == [None] * 4
    made = [await live(fleet, "west", kind) for kind in (*KINDS, *NAMED)]
    assert None not in made
    await ran(fleet, [{"service": "orders.shop", "to": ["east"]}])
    assert await live(fleet, "east", "ServiceImport")
    assert await live(fleet, "west", "ServiceImport"), "without it a name has no pods where they run"


@in_loop
async def test_conflicts_are_conditions_and_warnings(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    await put(fleet, "east", service("orders", 9090))
    run = await ran(fleet, ORDERS)
    assert run.failures == {}
    (warning,) = {one for one in run.warnings if "has port" in one}
    assert warning.startswith("orders.shop: east has port 9090/TCP (http), but port 8080/TCP (http) in west")
    conditions = {}
    for name in NAMES:
        export = await live(fleet, name, "ServiceExport")
        assert export is not None
        conditions[name] = {one["type"]: (one["status"], one["reason"]) for one in export["status"]["conditions"]}
    assert conditions["east"]["Conflict"] == ("True", "PortConflict")
    assert conditions["west"] == {"Valid": ("True", "Valid"), "Conflict": ("False", "NoConflicts")}
    made = await live(fleet, "east", "ServiceImport")
    assert made is not None
    assert [one["port"] for one in made["spec"]["ports"]] == [8080]
    assert [one["cluster"] for one in made["status"]["clusters"]] == ["east", "west"]


@in_loop
async def test_a_part_of_the_fleet_makes_the_same(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await put(fleet, "east", service("orders"))
    part = await ran(fleet, ORDERS, play=["east"])
    assert {one.partition(" ")[0] for one in actions(part.changes) if "orders" in one} == {"east"}
    whole = await ran(fleet, ORDERS)
    assert {one.partition(" ")[0] for one in actions(whole.changes) if "orders" in one} == {"west"}


@in_loop
async def test_what_a_silent_cluster_exports_stays(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    lost = read_silent(fleet, "west")
    run = await ran(lost, ORDERS, play=["east"])
    assert run.failures == {}
    assert of_orders(run.changes, "removed") == []
    assert await live(fleet, "east", "ServiceImport")
    assert await live(fleet, "east", "VirtualService")


@in_loop
async def test_the_part_of_a_silent_cluster_stays(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders", 9090))
    more = {"ports": [{"name": "other", "port": 8080}]}
    await put(fleet, "east", {**service("orders"), "spec": {"selector": {"app": "orders"}, **more}})
    await ran(fleet, ORDERS)
    before = await spec(fleet, "east", "ServiceImport")
    assert sorted(one["port"] for one in before["ports"]) == [8080, 9090]
    run = await ran(read_silent(fleet, "west"), ORDERS, play=["east"])
    assert run.failures == {}
    assert await spec(fleet, "east", "ServiceImport") == before


def read_silent(fleet: Fleet, silent: str) -> Fleet:
    """The same fleet, of which one cluster does not answer."""
    hosts = {name: dict(cluster.variables) for name, cluster in fleet.clusters.items()}
    hosts[silent]["cluster_api_url"] = "https://127.0.0.1:1"
    return read_fleet(hosts, environment())


@in_loop
async def test_objects_of_others_stay_and_are_named(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await put(fleet, "east", *OURS)
    meta = {"name": "orders", "namespace": SHOP}
    theirs = {
        "apiVersion": UPSTREAM,
        "kind": "ServiceImport",
        "metadata": meta,
        "spec": {"type": "ClusterSetIP", "ips": ["10.9.8.7"], "ports": [{"port": 1}]},
    }
    entry = {
        "apiVersion": ISTIO,
        "kind": "ServiceEntry",
        "metadata": {"name": "orders-clusterset", "namespace": SHOP},
        "spec": {"hosts": ["other.example"], "ports": [{"number": 1, "name": "tcp", "protocol": "TCP"}]},
    }
    await put(fleet, "east", theirs, entry)
    run = await ran(fleet, ORDERS)
    assert list(run.failures) == ["east"]
    text = str(run.failures["east"][0])
    assert "ServiceEntry shop/orders-clusterset" in text and "somebody-else" in text and "mesh_take_over" in text
    assert (await spec(fleet, "east", "ServiceImport"))["ips"] == ["10.9.8.7"]
    await ran(fleet, [])
    left = await ran(fleet, [], leaves=True)
    assert (await spec(fleet, "east", "ServiceImport"))["ips"] == ["10.9.8.7"]
    assert (await spec(fleet, "east", "ServiceEntry"))["hosts"] == ["other.example"]
    async with on(fleet, "east") as kube:
        assert await kube.get(*CRD, "serviceimports.multicluster.x-k8s.io"), "kinds that others brought"
    assert "east" not in left.failures


@in_loop
async def test_names_of_others_are_refused_also_if_they_say_the_same(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    entry = await live(fleet, "west", "ServiceEntry")
    assert entry is not None
    async with on(fleet, "west") as kube:
        await kube.remove([entry])
    meta = {"name": "orders-clusterset", "namespace": SHOP}
    await put(fleet, "west", {**{key: entry[key] for key in ("apiVersion", "kind", "spec")}, "metadata": meta})
    run = await ran(fleet, ORDERS)
    assert "this fleet did not make it" in str(run.failures["west"][0])
    await ran(fleet, [])
    assert await live(fleet, "west", "ServiceEntry")


@in_loop
async def test_an_export_that_others_made_is_theirs_to_remove(fleets: Fleets) -> None:
    fleet = fleets()
    theirs = {"apiVersion": UPSTREAM, "kind": "ServiceExport", "metadata": {"name": "orders", "namespace": SHOP}}
    await put(fleet, "west", service("orders"), *OURS)
    await put(fleet, "west", theirs)
    run = await ran(fleet, ORDERS)
    assert run.failures == {}
    assert await live(fleet, "east", "ServiceImport"), "it is exported all the same"
    await ran(fleet, [])
    export = await live(fleet, "west", "ServiceExport")
    assert export is not None and not export["metadata"].get("labels")


@in_loop
async def test_kinds_stay_while_others_use_them(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    theirs = {"apiVersion": UPSTREAM, "kind": "ServiceExport", "metadata": {"name": "theirs", "namespace": SHOP}}
    await put(fleet, "west", theirs)
    left = await ran(fleet, [], leaves=True)
    assert any(
        "west: the kinds of multicluster.x-k8s.io stay: ServiceExport shop/theirs" in one for one in left.warnings
    )
    assert await live(fleet, "west", "ServiceExport", "theirs")


@in_loop
async def test_another_controller_makes_the_imports(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    cilium = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cilium-config", "namespace": "kube-system"},
        "data": {"clustermesh-enable-mcs-api": "true"},
    }
    for name in NAMES:
        await put(fleet, name, *OURS, cilium)
    late = await ran(fleet, ORDERS, timeout=1)
    assert sorted(late.failures) == ["east", "west"]
    assert "Cilium makes the imports of this cluster" in str(late.failures["east"][0])
    assert await live(fleet, "west", "ServiceExport")
    made = {
        "apiVersion": UPSTREAM,
        "kind": "ServiceImport",
        "metadata": {"name": "orders", "namespace": SHOP},
        "spec": {"type": "ClusterSetIP", "ips": ["10.9.8.7"], "ports": [{"port": 8080}]},
    }
    for name in NAMES:
        await put(fleet, name, made)
    run = await ran(fleet, ORDERS, timeout=30)
    assert run.failures == {}
    assert {one["address"] for one in run.imports} == {"10.9.8.7"}
    assert await live(fleet, "west", "ServiceEntry") is None, "its name is known by that controller"


@in_loop
async def test_googles_kinds_are_used_where_they_are(fleets: Fleets) -> None:
    fleet = fleets()
    google = [crd for crd in CRDS if crd["spec"]["group"] == "net.gke.io"]
    await put(fleet, "west", service("orders"), *google)
    run = await ran(fleet, [{"service": "orders.shop", "to": ["west"]}])
    assert run.failures == {}
    async with on(fleet, "west") as kube:
        assert await kube.get("net.gke.io/v1", "ServiceExport", "orders", SHOP)
        assert await kube.get(*CRD, "serviceexports.multicluster.x-k8s.io") is None


@in_loop
async def test_a_missing_namespace_fails_its_cluster_alone(fleets: Fleets) -> None:
    fleet = fleets()
    async with on(fleet, "west") as kube:
        await kube.apply([namespace_of("only-west")])
    await put(
        fleet, "west", service("orders"), {**service("solo"), "metadata": {"name": "solo", "namespace": "only-west"}}
    )
    run = await ran(fleet, [*ORDERS, {"service": "solo.only-west"}])
    assert list(run.failures) == ["east"]
    text = str(run.failures["east"][0])
    assert "solo.only-west cannot be imported: its namespace is missing" in text
    assert "remove east from to in mesh_exports" in text
    assert await live(fleet, "east", "ServiceImport"), "the other services are there"


@in_loop
async def test_headless_services_have_an_address_of_the_mesh(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders", clusterIP="None"))
    run = await ran(fleet, ORDERS)
    assert run.failures == {}
    made, entry = await spec(fleet, "east", "ServiceImport"), await spec(fleet, "east", "ServiceEntry")
    assert made["type"] == "Headless" and not made.get("ips")
    assert entry["workloadSelector"] == {"labels": {"app": "orders"}}
    assert (entry["resolution"], entry["ports"][0]["targetPort"]) == ("STATIC", 80)
    assert await live(fleet, "east", "VirtualService") is None


@in_loop
async def test_with_istiods_own_services_no_objects_of_istio(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    run = await ran(fleet, ORDERS, confined=True)
    removed = [f"{name} {kind} orders-clusterset removed" for name in sorted(NAMES) for kind in NAMED]
    assert actions(run.changes) == removed
    assert await live(fleet, "east", "ServiceImport")


@in_loop
async def test_names_and_dns_of_a_silent_exporter_stay(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders", 9090))
    other = {**service("orders"), "spec": {"selector": {"app": "orders"}, "ports": [{"name": "other", "port": 8080}]}}
    await put(fleet, "east", other)
    await ran(fleet, ORDERS)
    before = [await live(fleet, "east", kind) for kind in ("ServiceEntry", "VirtualService", "ServiceExport")]
    run = await ran(read_silent(fleet, "west"), ORDERS, play=["east"])
    assert actions(run.changes) == []
    after = [await live(fleet, "east", kind) for kind in ("ServiceEntry", "VirtualService", "ServiceExport")]
    assert [one and one["metadata"]["resourceVersion"] for one in after] == [
        one and one["metadata"]["resourceVersion"] for one in before
    ]


@in_loop
async def test_an_app_of_ours_without_pods_is_exported_all_the_same(fleets: Fleets) -> None:
    fleet = fleets()
    mine, stub = service("orders"), service("stub")
    mine["metadata"]["labels"] = {"mesh.fleet/fleet": "set", "mesh.fleet/part-of": "apps"}
    stub["metadata"]["labels"] = {"mesh.fleet/fleet": "set", "mesh.fleet/part-of": "apps", "mesh.fleet/stub": "true"}
    await put(fleet, "west", mine, stub)
    run = await ran(fleet, [*ORDERS, {"service": "stub.shop"}])
    assert run.sources == {"orders.shop": ["west"], "stub.shop": []}


@in_loop
async def test_what_is_not_wanted_any_more_goes_from_an_object(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders", sessionAffinity="ClientIP"))
    await ran(fleet, ORDERS)
    assert (await spec(fleet, "west", "ServiceImport"))["sessionAffinity"] == "ClientIP"
    await put(fleet, "west", service("orders", sessionAffinity="None"))
    await ran(fleet, ORDERS)
    assert "ClientIP" not in str(await spec(fleet, "west", "ServiceImport"))


@in_loop
async def test_a_failure_of_the_whole_fleet_fails_each_cluster(fleets: Fleets) -> None:
    full = {name: {"mesh_global_range": "240.241.0.0/32"} for name in NAMES}
    fleet = fleets(**full)
    await put(fleet, "west", service("orders"), service("more"))
    run = await ran(fleet, [*ORDERS, {"service": "more.shop"}])
    assert sorted(run.failures) == ["east", "west"]
    assert "no address is left for" in str(run.failures["west"][0])
    assert len({one["service"] for one in run.imports}) == 1, "the other one has no address"


@in_loop
async def test_a_controller_waits_for_its_own_set_alone(fleets: Fleets) -> None:
    fleet = fleets()
    google = [crd for crd in CRDS if crd["spec"]["group"] == "net.gke.io"]
    await put(fleet, "east", *google)
    await put(fleet, "west", service("orders"))
    run = await ran(fleet, ORDERS, timeout=1)
    assert run.failures == {}
    assert any("orders.shop: has no such name in east: west runs it" in one for one in run.warnings)


@in_loop
async def test_what_runs_elsewhere_counts_once_it_is_exported(fleets: Fleets) -> None:
    fleet = fleets()
    for name in NAMES:
        await put(fleet, name, service("orders"))
    part = await ran(fleet, ORDERS, play=["west"])
    assert part.sources == {"orders.shop": ["west"]}, "east may have left: nothing of it was exported"
    await ran(fleet, ORDERS)
    part = await ran(fleet, ORDERS, play=["west"])
    assert sorted(part.sources["orders.shop"]) == ["east", "west"]


@in_loop
async def test_a_service_without_tcp_and_aliases(fleets: Fleets) -> None:
    fleet = fleets()
    udp = {"selector": {"app": "dns"}, "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]}
    await put(fleet, "west", {**service("dns"), "spec": udp}, service("orders"))
    alias = {"type": "ExternalName", "externalName": "orders.shop.svc.clusterset.local"}
    await put(fleet, "east", {**service("orders"), "spec": alias})
    run = await ran(fleet, [*ORDERS, {"service": "dns.shop"}])
    assert run.failures == {}, "an alias beside a real one"
    assert any("dns.shop: is not exported, as it has no TCP port" in one for one in run.warnings)
    assert {one["service"] for one in run.imports} == {"orders.shop"}


@in_loop
async def test_kinds_of_others_stay_when_googles_came(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    theirs = {"apiVersion": UPSTREAM, "kind": "ServiceExport", "metadata": {"name": "theirs", "namespace": SHOP}}
    await put(fleet, "west", theirs, *(crd for crd in CRDS if crd["spec"]["group"] == "net.gke.io"))
    left = await ran(fleet, [], leaves=True)
    assert any("ServiceExport shop/theirs" in one for one in left.warnings)
    assert await live(fleet, "west", "ServiceExport", "theirs")
    assert await live(fleet, "west", "ServiceExport") is None, "ours of the former kinds goes"


@in_loop
async def test_a_remotes_names_are_made_in_its_primary(fleets: Fleets) -> None:
    fleet = fleets(east={"mesh_role": "remote", "mesh_primary": "west"})
    async with on(fleet, "east") as kube:
        await kube.apply([namespace_of("only-east")])
    await put(
        fleet, "east", {**service("solo"), "metadata": {"name": "solo", "namespace": "only-east"}}, service("orders")
    )
    run = await ran(fleet, [{"service": "solo.only-east", "to": ["east"]}])
    assert list(run.failures) == ["west"]
    assert "its namespace is missing" in str(run.failures["west"][0])
    part = await ran(fleet, ORDERS, play=["east"])
    assert any("made in its primary west, which this run does not change" in one for one in part.warnings)
    whole = await ran(fleet, [{"service": "orders.shop", "to": ["east"]}])
    assert any("west can call orders.shop too" in one for one in whole.warnings)
