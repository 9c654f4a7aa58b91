# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Multi-cluster services of the upstream kinds on two real API servers: what is made, and what is left alone."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.managed_fields import status_managers
from ansible_collections.mesh.fleet.plugins.module_utils._kube.transport import Transport
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset import Source, merge
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import parse_exports
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster import clusterset
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset import ClustersetRun
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_status import (
    report_on_others,
    write_status,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.addresses import allocated
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify import facts as verify_facts

from . import control_plane
from .gke_clusters import CRDS, SECONDS, SHOP, actions, on, put, service
from .loop import in_loop
from .manifests import namespace_of
from .test_clusterset_dns import COREFILE, deployment
from .test_traffic_objects import crds

__all__ = ["crds"]

FILES = Path(__file__).resolve().parents[2] / "roles" / "services" / "files" / "mcs-api"
OURS = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FILES.glob("*.yaml"))]
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
UPSTREAM = "multicluster.x-k8s.io/v1beta1"
ALPHA = "multicluster.x-k8s.io/v1alpha1"
ISTIO = "networking.istio.io/v1"
NAMES = ("west", "east")
ORDERS = [{"service": "orders.shop", "to": "all"}]
KINDS = ("ServiceExport", "ServiceImport")
NAMED = ("ServiceEntry", "VirtualService")
COREDNS = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"Corefile": COREFILE}}
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
    limits: dict[str, str] = {}
    request = Transport.request

    async def counted(self: Transport, method: str, path: str, **more: t.Any) -> t.Any:
        asked.append(f"{method} {path}")
        limits[path.rpartition("/")[2]] = (more.get("params") or {}).get("limit", "")
        return await request(self, method, path, **more)

    monkeypatch.setattr(Transport, "request", counted)
    again = await ran(fleet, given)
    assert actions(again.changes) == []
    assert [one for one in asked if not one.startswith("GET ")] == []
    assert len(asked) < 50, asked
    assert len([one for one in asked if one.endswith("/serviceentries")]) == len(NAMES), "each cluster's once"
    many = ("serviceentries", "virtualservices", "serviceimports", "serviceexports", "services")
    assert {limits[kind] for kind in many} == {"5000"}, "a second page costs an API server more than the first"


@in_loop
async def test_only_clusters_of_to_and_those_that_export(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    run = await ran(fleet, [{"service": "orders.shop", "to": ["west"]}])
    (told,) = run.warnings
    assert told.startswith("to limits who knows the names of orders.shop in clusterset.local, not who may call")
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
async def test_exports_of_one_run_are_of_one_age(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleets()
    await put(fleet, "east", service("orders", 9090))
    await put(fleet, "west", service("orders"))
    request, made = Transport.request, asyncio.Event()

    async def late(self: Transport, method: str, path: str, **more: t.Any) -> t.Any:
        """West is a whole second quicker: east's export is the younger one by its server's clock."""
        is_export = method == "PATCH" and path.endswith("/serviceexports/orders")
        if is_export and self.cluster == "east":
            await made.wait()
            began = self.server_time()
            while self.server_time().replace(microsecond=0) <= began.replace(microsecond=0):
                await request(self, "GET", "/version")
        answer = await request(self, method, path, **more)
        if is_export and self.cluster == "west":
            made.set()
        return answer

    planned = await ran(fleet, ORDERS, dry_run=True)
    monkeypatch.setattr(Transport, "request", late)
    run = await ran(fleet, ORDERS)
    monkeypatch.undo()
    ages = [(await live(fleet, name, "ServiceExport") or {})["metadata"] for name in ("west", "east")]
    assert ages[0]["creationTimestamp"] < ages[1]["creationTimestamp"]
    again = await ran(fleet, ORDERS)
    assert actions(again.changes) == []
    assert planned.warnings == run.warnings == again.warnings
    assert [one["port"] for one in (await spec(fleet, "west", "ServiceImport"))["ports"]] == [9090]


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
async def test_what_a_silent_cluster_exports_stays(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []

    async def asked(*these: t.Any, **more: t.Any) -> t.Any:
        kept.extend(more["kept"])
        return await allocated(*these, **more)

    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    before = await spec(fleet, "east", "ServiceEntry")
    monkeypatch.setattr(clusterset, "allocated", asked)
    lost = read_silent(fleet, "west")
    # What nobody runs needs no address, which half of the clusters could not give.
    for given in (ORDERS, [*ORDERS, {"service": f"nothing.{SHOP}", "to": "all"}]):
        run = await ran(lost, given, play=["east"])
        assert run.failures == {}
        assert of_orders(run.changes, "removed") == []
        assert await live(fleet, "east", "ServiceImport")
        assert await live(fleet, "east", "VirtualService")
    assert "orders.shop.svc.clusterset.local" in kept
    # Once everything answers again, the name has the address that it had.
    await ran(fleet, ORDERS)
    assert (await spec(fleet, "east", "ServiceEntry"))["addresses"] == before["addresses"]


@in_loop
async def test_check_mode_keeps_what_a_missing_cluster_exports(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    hosts = {name: dict(cluster.variables) for name, cluster in fleet.clusters.items()}
    hosts["west"] = {"fleet_name": "set", "cluster_provider": "kubeconfig", "cluster_kubeconfig": "/nowhere"}
    lost = read_fleet(hosts, environment())
    planned = await ran(lost, ORDERS, dry_run=True)
    run = await ran(lost, ORDERS)
    assert of_orders(planned.changes, "removed") == of_orders(run.changes, "removed") == []
    assert (planned.failures, list(run.failures)) == ({}, ["west"])
    assert await live(fleet, "east", "ServiceImport")


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
    assert any(one.startswith("east: ServiceImport shop/orders is of somebody-else, and stays") for one in run.warnings)
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


THEIRS = {
    "apiVersion": UPSTREAM,
    "kind": "ServiceExport",
    "metadata": {"name": "orders", "namespace": SHOP, "labels": {"team": "a"}, "annotations": {"note": "b"}},
    "spec": {"exportedLabels": {"c": "d"}},
}
REPORTED = "west ServiceExport orders changed"


async def theirs_in(fleet: Fleet, cluster: str) -> dict[str, t.Any]:
    """The ServiceExport that a user made."""
    found = await live(fleet, cluster, "ServiceExport")
    assert found is not None
    return found


def conditions_of(export: t.Mapping[str, t.Any]) -> dict[str, tuple[str, str]]:
    found = (export.get("status") or {}).get("conditions") or []
    return {one["type"]: (one["status"], one["reason"]) for one in found}


def of_the_user(export: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """All that is not the status, with who wrote it."""
    meta = {key: value for key, value in export["metadata"].items() if key != "resourceVersion"}
    meta["managedFields"] = [one for one in meta["managedFields"] if one.get("subresource") != "status"]
    return {**{key: value for key, value in export.items() if key != "status"}, "metadata": meta}


@in_loop
async def test_an_export_of_a_user_gets_conditions_alone(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "east", service("orders", 9090))
    await ran(fleet, ORDERS)
    await put(fleet, "west", *OURS)
    await put(fleet, "west", service("orders"), THEIRS)
    before = await theirs_in(fleet, "west")
    planned = await ran(fleet, ORDERS, dry_run=True)
    assert await theirs_in(fleet, "west") == before
    run = await ran(fleet, ORDERS)
    after = await theirs_in(fleet, "west")
    assert (run.failures, planned.warnings) == ({}, run.warnings)
    assert conditions_of(after) == {"Valid": ("True", "Valid"), "Conflict": ("True", "PortConflict")}
    assert of_the_user(after) == of_the_user(before)
    for one in (planned, run):
        assert of_orders(one.changes, "ServiceExport orders changed") == [REPORTED]
        (change,) = [made for made in one.changes if made.kind == "ServiceExport" and made.action == "changed"]
        assert "PortConflict" not in change.before and "PortConflict" in change.after
    again = await ran(fleet, ORDERS)
    assert actions(again.changes) == []
    assert await theirs_in(fleet, "west") == after


@pytest.mark.parametrize("gone", ["name", "service", "tcp"])
@in_loop
async def test_conditions_go_when_nothing_is_exported(fleets: Fleets, gone: str) -> None:
    fleet = fleets()
    await put(fleet, "west", *OURS)
    await put(fleet, "west", service("orders"), THEIRS)
    if gone == "service":
        await put(fleet, "east", service("orders"))
    before = await theirs_in(fleet, "west")
    await ran(fleet, ORDERS)
    assert conditions_of(await theirs_in(fleet, "west"))["Valid"] == ("True", "Valid")
    given: list[t.Any] = [] if gone == "name" else ORDERS
    async with on(fleet, "west") as kube:
        if gone != "name":
            await kube.delete("v1", "Service", "orders", SHOP)
        if gone == "tcp":
            udp = [{"name": "dns", "port": 53, "protocol": "UDP"}]
            await kube.apply([{**service("orders"), "spec": {"ports": udp}}], manager="somebody-else")
    planned = await ran(fleet, given, dry_run=True)
    assert conditions_of(await theirs_in(fleet, "west"))
    run = await ran(fleet, given)
    assert REPORTED in actions(planned.changes) and REPORTED in actions(run.changes)
    after = await theirs_in(fleet, "west")
    assert not (after.get("status") or {}).get("conditions")
    assert status_managers(after) == set()
    assert of_the_user(after) == of_the_user(before)
    again = await ran(fleet, given)
    assert actions(again.changes) == []
    assert await theirs_in(fleet, "west") == after


@in_loop
async def test_a_users_export_stays_with_the_kinds_at_teardown(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    async with on(fleet, "west") as kube:
        await kube.delete(UPSTREAM, "ServiceExport", "orders", SHOP, wait=SECONDS)
    await put(fleet, "west", THEIRS)
    await ran(fleet, ORDERS)
    for dry_run in (True, False):
        left = await ran(fleet, [], play=["west"], leaves=True, dry_run=dry_run)
        assert REPORTED in actions(left.changes)
        assert any("stay: ServiceExport shop/orders is of" in one for one in left.warnings)
        assert not [one for one in left.changes if one.kind == "CustomResourceDefinition"]
    assert conditions_of(await theirs_in(fleet, "west")) == {}


OF_ANOTHER = {
    "type": "Valid",
    "status": "False",
    "reason": "Pending",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


@in_loop
async def test_conditions_of_an_unknown_controller_stay(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", *OURS)
    await put(fleet, "west", service("orders"), THEIRS)
    read = await theirs_in(fleet, "west")
    async with on(fleet, "west") as kube:
        await write_status(kube, THEIRS, {"conditions": [OF_ANOTHER]}, manager="other-controller")
        before = await theirs_in(fleet, "west")
        run = await ran(fleet, ORDERS)
        (told,) = [one for one in run.warnings if "status of ServiceExport" in one]
        assert told.startswith("west: the status of ServiceExport shop/orders is of other-controller")
        assert await theirs_in(fleet, "west") == before
        # It wrote them after they were read.
        merged = merge([Source("west", service("orders"))])
        with pytest.raises(ApiError) as refused:
            await report_on_others(kube, "set", [(read, merged)], "2026-02-01T00:00:00Z", dry_run=False, diff=False)
        assert refused.value.status == 409
        assert await theirs_in(fleet, "west") == before


@in_loop
async def test_ours_go_when_an_unknown_controller_writes(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", *OURS)
    await put(fleet, "west", service("orders"), THEIRS)
    await ran(fleet, ORDERS)
    ready = {**OF_ANOTHER, "type": "Ready"}
    async with on(fleet, "west") as kube:
        await write_status(kube, THEIRS, {"conditions": [ready]}, manager="other-controller")
    run = await ran(fleet, ORDERS)
    assert REPORTED in actions(run.changes)
    assert conditions_of(await theirs_in(fleet, "west")) == {"Ready": ("False", "Pending")}
    assert actions((await ran(fleet, ORDERS)).changes) == []


@in_loop
async def test_ours_go_when_a_known_controller_came(fleets: Fleets) -> None:
    fleet = fleets()
    cilium = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cilium-config", "namespace": "kube-system"},
        "data": {"clustermesh-enable-mcs-api": "true"},
    }
    await put(fleet, "west", *OURS)
    await put(fleet, "west", service("orders"), service("more"), THEIRS)
    await put(fleet, "east", service("orders"), service("more"))
    await ran(fleet, ORDERS)
    await put(fleet, "west", cilium, {**THEIRS, "metadata": {"name": "more", "namespace": SHOP}})
    run = await ran(fleet, [*ORDERS, {"service": "more.shop", "to": "all"}])
    assert REPORTED in actions(run.changes)
    assert conditions_of(await theirs_in(fleet, "west")) == {}
    more = await live(fleet, "west", "ServiceExport", "more")
    assert more is not None and "status" not in more


@in_loop
async def test_an_export_that_is_taken_over_is_reported_once(fleets: Fleets) -> None:
    fleet = fleets()
    consent = fleets_again(fleet, mesh_take_over=True)
    await put(fleet, "west", *OURS)
    await put(fleet, "west", service("orders"), THEIRS)
    planned = await ran(consent, ORDERS, dry_run=True)
    assert of_orders(planned.changes, "ServiceExport orders changed") == [REPORTED]
    await ran(fleet, ORDERS)
    taken = await ran(consent, ORDERS)
    assert of_orders(taken.changes, "ServiceExport orders changed") == [REPORTED]
    for dry_run in (True, False):
        gone = await ran(fleet, [], dry_run=dry_run)
        assert [one for one in actions(gone.changes) if "ServiceExport" in one] == ["west ServiceExport orders removed"]


@in_loop
async def test_another_fleet_leaves_our_conditions(fleets: Fleets) -> None:
    fleet = fleets()
    other = fleets_again(fleet, fleet_name="other")
    await put(fleet, "west", *OURS)
    await put(fleet, "west", service("orders"), THEIRS)
    await ran(fleet, ORDERS)
    before = await theirs_in(fleet, "west")
    assert conditions_of(before)
    await ran(other, [])
    await ran(other, [], leaves=True)
    assert await theirs_in(fleet, "west") == before


@in_loop
async def test_a_refused_service_gets_no_conditions(fleets: Fleets) -> None:
    fleet = fleets()
    other = fleets_again(fleet, fleet_name="other")
    await put(fleet, "west", *OURS)
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    async with on(fleet, "west") as kube:
        await kube.delete(UPSTREAM, "ServiceExport", "orders", SHOP, wait=SECONDS)
    await put(fleet, "west", THEIRS)
    run = await ran(other, ORDERS)
    assert "fleet set exports or imports orders.shop" in str(run.failures["west"][0])
    assert "status" not in await theirs_in(fleet, "west")


@pytest.mark.parametrize("role", [{}, {"mesh_role": "remote", "mesh_primary": "west"}], ids=["primary", "remote"])
@in_loop
async def test_conditions_stay_while_a_cluster_is_silent(fleets: Fleets, role: dict[str, str]) -> None:
    fleet = fleets(east=role)
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    other = {"selector": {"app": "orders"}, "ports": [{"name": "other", "port": 9090}]}
    await put(fleet, "east", {**service("orders"), "spec": other}, THEIRS)
    await ran(fleet, ORDERS)
    before = await theirs_in(fleet, "east")
    assert conditions_of(before)["Conflict"] == ("True", "PortConflict")
    await ran(read_silent(fleet, "west"), ORDERS, play=["east"])
    assert await theirs_in(fleet, "east") == before


def older(
    release: str, stored: str = "v1alpha1", *, kinds: t.Sequence[dict[str, t.Any]] = OURS
) -> list[dict[str, t.Any]]:
    """The kinds as another release has them: with one version, in which objects are stored."""
    made = copy.deepcopy(list(kinds))
    for crd in made:
        crd["metadata"]["labels"]["multicluster.x-k8s.io/release-version"] = release
        crd["spec"]["versions"] = [one for one in crd["spec"]["versions"] if one["name"] == "v1alpha1"]
        crd["spec"]["versions"][0]["storage"] = stored == "v1alpha1"
        if stored != "v1alpha1":
            crd["spec"]["versions"].append({**crd["spec"]["versions"][0], "name": stored, "storage": True})
    return made


async def kinds_of(fleet: Fleet, cluster: str) -> list[tuple[str, list[str]]]:
    """Of each kind, the release and the versions."""
    async with on(fleet, cluster) as kube:
        found = [await kube.get(*CRD, crd["metadata"]["name"]) for crd in OURS]
    return [
        (
            crd["metadata"]["labels"]["multicluster.x-k8s.io/release-version"],
            [version["name"] for version in crd["spec"]["versions"]],
        )
        for crd in found
        if crd is not None
    ]


async def put_ours(fleet: Fleet, cluster: str, *objects: dict[str, t.Any]) -> None:
    async with on(fleet, cluster) as kube:
        await kube.apply(objects, labels=owner_labels("services", fleet.name))


BROUGHT = [("v0.5.2", ["v1alpha1", "v1beta1"])] * 2


@in_loop
async def test_our_kinds_of_an_older_release_become_the_newer(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    for name in NAMES:
        await put_ours(fleet, name, *older("v0.3.0"))
    theirs = {"apiVersion": ALPHA, "kind": "ServiceExport", "metadata": {"name": "theirs", "namespace": SHOP}}
    await put(fleet, "west", theirs)
    planned = await ran(fleet, ORDERS, dry_run=True)
    assert await kinds_of(fleet, "west") == [("v0.3.0", ["v1alpha1"])] * 2
    run = await ran(fleet, ORDERS)
    assert run.failures == planned.failures == {}
    changed = [one for one in actions(run.changes) if "CustomResourceDefinition" in one]
    assert len(changed) == 4 and all(one.endswith(" changed") for one in changed)
    assert [one for one in actions(planned.changes) if "CustomResourceDefinition" in one] == changed
    assert [await kinds_of(fleet, name) for name in NAMES] == [BROUGHT] * 2
    assert await live(fleet, "west", "ServiceExport", "theirs"), "what was stored is read by the newer version"
    assert actions((await ran(fleet, ORDERS)).changes) == []


@in_loop
async def test_kinds_of_others_and_newer_ones_stay(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    async with on(fleet, "west") as kube:
        await kube.apply(older("v0.3.0"), labels=owner_labels("services", "another"))
    await put_ours(fleet, "east", *older("v0.9.0"))
    run = await ran(fleet, ORDERS)
    assert run.failures == {}
    assert await kinds_of(fleet, "west") == [("v0.3.0", ["v1alpha1"])] * 2
    assert await kinds_of(fleet, "east") == [("v0.9.0", ["v1alpha1"])] * 2
    async with on(fleet, "west") as kube:
        assert await kube.get(ALPHA, "ServiceExport", "orders", SHOP), "by the one version that the cluster serves"
    told = [one for one in run.warnings if "release" in one]
    assert len(told) == 2 and all(one.startswith("east: service") and "newer collection" in one for one in told), told


@in_loop
async def test_kinds_whose_stored_version_would_go_stay(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await put_ours(fleet, "west", *older("v0.3.0", "v1alpha0"))
    run = await ran(fleet, ORDERS, play=["west"])
    assert run.failures == {}
    assert await kinds_of(fleet, "west") == [("v0.3.0", ["v1alpha1", "v1alpha0"])] * 2
    assert any("objects are stored as v1alpha0" in one and "storedVersions" in one for one in run.warnings)


@in_loop
async def test_half_of_the_kinds_is_completed_if_it_is_ours(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await put_ours(fleet, "west", OURS[0])
    await put(fleet, "east", *older("v0.3.0", kinds=OURS[:1]))
    run = await ran(fleet, ORDERS)
    assert await kinds_of(fleet, "west") == BROUGHT, "a run was killed between the two"
    assert await kinds_of(fleet, "east") == [("v0.3.0", ["v1alpha1"])], "somebody else's is not overwritten"
    assert list(run.failures) == ["east"]
    text = str(run.failures["east"][0])
    assert "of kube-apiserver, somebody-else, serves v1alpha1" in text
    assert "let those who made them complete them" in text


async def labelled(fleet: Fleet, cluster: str) -> dict[str, t.Any]:
    """The objects of orders, with version and fleet."""
    found = {kind: await live(fleet, cluster, kind) for kind in (*KINDS, *NAMED)}
    return {
        kind: obj and (obj["metadata"]["resourceVersion"], obj["metadata"]["labels"]["mesh.fleet/fleet"])
        for kind, obj in found.items()
    }


@in_loop
async def test_a_service_of_another_fleet_is_refused(fleets: Fleets) -> None:
    fleet = fleets()
    other = fleets(**{name: {"fleet_name": "other"} for name in NAMES})
    await put(fleet, "west", service("orders"), service("more"))
    await ran(fleet, [{"service": "orders.shop", "to": ["west"]}])
    before = await labelled(fleet, "west")
    given = [*ORDERS, {"service": "more.shop"}]
    planned = await ran(other, given, dry_run=True)
    run = await ran(other, given)
    for one in (planned, run):
        (error,) = one.failures["west"]
        assert list(one.failures) == ["west"]
        assert error.what == "fleet set exports or imports orders.shop in this cluster already"
        assert "leave it to fleet set" in str(error) and "mesh_take_over: true" in str(error)
    assert await labelled(fleet, "west") == before
    assert await live(fleet, "west", "ServiceImport", "more"), "its other services are exported"
    gone = await ran(other, [], leaves=True)
    assert not gone.failures and not of_orders(gone.changes, "west ServiceImport orders removed")
    assert await labelled(fleet, "west") == before, "nor does it go with the other fleet"
    consent = fleets_again(other, mesh_take_over=True)
    taken = await ran(consent, ORDERS, play=["west"])
    assert taken.failures == {}
    assert {fleet for _version, fleet in (await labelled(fleet, "west")).values()} == {"other"}


def fleets_again(fleet: Fleet, **more: t.Any) -> Fleet:
    """The same fleet, with more variables."""
    hosts = {name: {**cluster.variables, **more} for name, cluster in fleet.clusters.items()}
    return read_fleet(hosts, environment())


@in_loop
async def test_exports_that_nothing_names_are_told(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"), service("mine"))
    await ran(fleet, ORDERS)
    mine = {"apiVersion": UPSTREAM, "kind": "ServiceExport", "metadata": {"name": "mine", "namespace": SHOP}}
    await put(fleet, "west", mine)
    for dry_run in (True, False):
        run = await ran(fleet, ORDERS, dry_run=dry_run)
        (told,) = run.warnings
        assert told.startswith("west: no cluster imports what ServiceExport shop/mine of others exports")
    assert await live(fleet, "east", "ServiceImport", "mine") is None
    told_of = await live(fleet, "west", "ServiceExport", "mine")
    assert told_of is not None and "status" not in told_of, "it may be another controller's"
    named = await ran(fleet, [*ORDERS, {"service": "mine.shop"}])
    assert named.warnings == []
    assert await live(fleet, "east", "ServiceImport", "mine")


@in_loop
async def test_the_part_of_a_silent_cluster_stays_without_status(
    fleets: Fleets, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders", 9090))
    more = {"ports": [{"name": "other", "port": 8080}]}
    await put(fleet, "east", {**service("orders"), "spec": {"selector": {"app": "orders"}, **more}})

    async def killed(self: ClustersetRun, name: str) -> None:
        """The run ends before it writes any status."""

    monkeypatch.setattr(ClustersetRun, "_report", killed)
    await ran(fleet, ORDERS)
    monkeypatch.undo()
    before = await spec(fleet, "east", "ServiceImport")
    run = await ran(read_silent(fleet, "west"), ORDERS, play=["east"])
    assert run.failures == {}
    assert await spec(fleet, "east", "ServiceImport") == before
    await ran(fleet, ORDERS)
    made = await live(fleet, "east", "ServiceImport")
    assert made is not None and [one["cluster"] for one in made["status"]["clusters"]] == ["east", "west"]


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
async def test_pods_of_one_name_in_two_clusters_are_told(fleets: Fleets) -> None:
    fleet = fleets()
    labels = {"app": "orders"}
    runs = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "orders-db", "namespace": SHOP},
        "spec": {
            "serviceName": "orders",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "db", "image": "db"}]},
            },
        },
    }
    for name in NAMES:
        await put(fleet, name, service("orders", clusterIP="None"), runs)
    told = [one for one in (await ran(fleet, ORDERS, dry_run=True)).warnings if "StatefulSet" in one]
    (warning,) = [one for one in (await ran(fleet, ORDERS)).warnings if "StatefulSet" in one]
    assert told == [warning]
    assert warning.startswith("orders.shop: StatefulSet orders-db runs in east, west")
    for name in NAMES:
        async with on(fleet, name) as kube:
            await kube.remove([runs])


async def set_istiod(
    fleet: Fleet, name: str, *, updated: int, reads: str = "true", called: str = "istiod", **more: str
) -> None:
    """An istiod of two pods that reads ServiceExports or not, with so many of them updated; more settings of it."""
    settings = {"ENABLE_MCS_SERVICE_DISCOVERY": reads, "ENABLE_MCS_HOST": reads, **more}
    env = [{"name": key, "value": value} for key, value in settings.items()]
    box = {"name": "discovery", "image": "pilot", "env": env}
    labels = {"app": "istiod"}
    istiod = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": called, "namespace": "istio-system", "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [box]}},
        },
    }
    await put(fleet, name, istiod)
    async with on(fleet, name) as kube:
        path = f"/apis/apps/v1/namespaces/istio-system/deployments/{called}/status"
        counts = {"replicas": 2, "updatedReplicas": updated, "readyReplicas": 2, "availableReplicas": 2}
        made = await kube.get("apps/v1", "Deployment", called, "istio-system")
        assert made is not None
        counts["observedGeneration"] = made["metadata"]["generation"]
        status = {"status": counts}
        await kube.transport.request("PATCH", path, body=status, content_type="application/merge-patch+json")


async def without_istiods(fleet: Fleet) -> None:
    for name in NAMES:
        async with on(fleet, name) as kube:
            await kube.remove(await kube.list("apps/v1", "Deployment", "istio-system", {"app": "istiod"}))


@contextlib.asynccontextmanager
async def exported_before_istiods(fleet: Fleet) -> t.AsyncIterator[None]:
    """Orders were exported before there were istiods, which now read exports; these are gone in the end."""
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    try:
        for name in NAMES:
            await set_istiod(fleet, name, updated=2)
        yield
    finally:
        await without_istiods(fleet)


@in_loop
async def test_submariner_is_awaited(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"), *OURS)
    agent = {**deployment(), "metadata": {"name": "submariner-lighthouse-agent", "namespace": "submariner-operator"}}
    await put(fleet, "west", namespace_of("submariner-operator"), agent)
    run = await ran(fleet, ORDERS, timeout=1, play=["west"])
    async with on(fleet, "west") as kube:
        await kube.remove([agent])
    assert "Submariner makes the imports of this cluster" in str(run.failures["west"][0])
    assert await live(fleet, "west", "ServiceExport")
    assert [await live(fleet, "west", kind) for kind in ("ServiceImport", *NAMED)] == [None] * 3


@in_loop
async def test_names_stay_until_istiod_makes_them_known(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    try:
        # One that does not read them, and one of which a pod does not yet.
        await set_istiod(fleet, "west", updated=2, reads="false")
        assert actions((await ran(fleet, ORDERS, confined=True)).changes) == []
        await set_istiod(fleet, "west", updated=1)
        run = await ran(fleet, ORDERS, confined=True)
        assert actions(run.changes) == []
        (told,) = run.warnings
        assert told.startswith("west, east: istiod does not read ServiceExports, or not with all its pods yet")
        assert "Run stage control_plane, then services" in told
    finally:
        await without_istiods(fleet)


@in_loop
async def test_names_stay_beside_other_settings_of_istiod(fleets: Fleets) -> None:
    fleet = fleets()
    async with exported_before_istiods(fleet):
        for setting, value in (
            ("ENABLE_MCS_HOST", "false"),
            ("ENABLE_MCS_SERVICE_DISCOVERY", "0"),
            ("MCS_API_GROUP", "net.gke.io"),
            ("MCS_API_VERSION", "v1"),
        ):
            await set_istiod(fleet, "west", updated=2, **{setting: value})
            run = await ran(fleet, ORDERS, confined=True, dry_run=True)
            assert [one for one in actions(run.changes) if one.startswith("west")] == [], setting
            assert run.warnings[0].startswith("west: istiod does not read ServiceExports"), setting
        await set_istiod(fleet, "west", updated=2, reads="T", MCS_API_VERSION="v1beta1", ENABLE_MCS_CLUSTER_LOCAL="1")
        run = await ran(fleet, ORDERS, confined=True, dry_run=True)
        assert len(of_orders(run.changes, "removed")) == 4 and run.warnings == []


@in_loop
async def test_names_stay_for_proxies_of_another_revision(fleets: Fleets) -> None:
    fleet = fleets()
    async with exported_before_istiods(fleet):
        await set_istiod(fleet, "west", updated=2, reads="false", called="istiod-old")
        run = await ran(fleet, ORDERS, confined=True)
        assert actions(run.changes) == [f"east {kind} orders-clusterset removed" for kind in NAMED]
        (told,) = run.warnings
        assert told.startswith("west: istiod of another revision does not read ServiceExports (istiod-old)")
        assert await live(fleet, "west", "ServiceEntry")
        # It has no pods any more.
        async with on(fleet, "west") as kube:
            old = "/apis/apps/v1/namespaces/istio-system/deployments/istiod-old"
            patch, media = {"spec": {"replicas": 0}}, "application/merge-patch+json"
            await kube.transport.request("PATCH", old, body=patch, content_type=media)
            patch = {"status": {"replicas": 0, "readyReplicas": 0, "availableReplicas": 0, "updatedReplicas": 0}}
            await kube.transport.request("PATCH", f"{old}/status", body=patch, content_type=media)
        run = await ran(fleet, ORDERS, confined=True)
        assert run.warnings == [] and len(of_orders(run.changes, "removed")) == 2


@in_loop
async def test_verify_knows_whether_istiods_read_exports(fleets: Fleets) -> None:
    fleet = fleets_again(fleets(), mesh_unexported_services="own_cluster")

    async def reads() -> bool | None:
        found = Facts("west")
        async with on(fleet, "west") as kube:
            with pytest.raises(FleetError, match="no istiod of revision default is ready"):  # no pods run here
                await verify_facts._istiods(kube, fleet, fleet.clusters["west"], found)
        return found.reads_exports

    try:
        assert await reads() is False
        await set_istiod(fleet, "west", updated=2)
        assert await reads() is True
        await set_istiod(fleet, "west", updated=2, reads="false", called="istiod-old")
        assert await reads() is False
    finally:
        await without_istiods(fleet)


@in_loop
async def test_an_istiod_that_exports_every_service_is_told(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    try:
        for name in NAMES:
            await set_istiod(fleet, name, updated=2)
        await set_istiod(fleet, "west", updated=2, ENABLE_MCS_AUTO_EXPORT="true")
        (told,) = (await ran(fleet, ORDERS, confined=True)).warnings
        assert told.startswith("west: istiod exports every service (ENABLE_MCS_AUTO_EXPORT)")
        assert (await ran(fleet, ORDERS)).warnings == [], "nobody asked for services that stay in their clusters"
    finally:
        await without_istiods(fleet)


@in_loop
async def test_what_cannot_be_confined_is_not_written(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await put(fleet, "east", *(crd for crd in CRDS if crd["spec"]["group"] == "net.gke.io"))
    run = await ran(fleet, ORDERS, confined=True)
    assert sorted(run.failures) == ["east", "west"]
    assert "services cannot be confined to their clusters in this fleet" in str(run.failures["west"][0])
    assert run.changes == []
    assert await live(fleet, "west", "ServiceExport") is None


@in_loop
async def test_with_istiods_own_services_no_objects_of_istio(fleets: Fleets) -> None:
    fleet = fleets()
    async with exported_before_istiods(fleet):
        run = await ran(fleet, ORDERS, confined=True)
        assert run.warnings == []
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


@in_loop
async def test_dns_keeps_its_names_where_addresses_are_unknown(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    place = {"name": "coredns", "namespace": "kube-system"}
    await put(fleet, "east", deployment(), {**COREDNS, "metadata": place})
    await ran(fleet, ORDERS, dns=True, play=["west"])
    first = await ran(fleet, ORDERS, dns=True, play=["east"])
    assert first.failures == {}

    async def corefile() -> str:
        async with on(fleet, "east") as kube:
            return str((await kube.get("v1", "ConfigMap", "coredns", "kube-system") or {})["data"])

    before = await corefile()
    assert "orders.shop.svc.clusterset.local" in before

    async def busy(*_: t.Any, **__: t.Any) -> t.Any:
        raise FleetError("other runs write the record of addresses")

    monkeypatch.setattr(clusterset, "allocated", busy)
    run = await ran(fleet, ORDERS, dns=True, play=["east"])
    assert "other runs write" in str(run.failures["east"][0])
    assert await corefile() == before
    monkeypatch.undo()
    await ran(fleet, [], play=["east"])
    assert "clusterset.local" not in await corefile()
    async with on(fleet, "east") as kube:
        await kube.delete("apps/v1", "Deployment", "coredns", "kube-system")
        await kube.delete("v1", "ConfigMap", "coredns", "kube-system")


@in_loop
async def test_a_zone_of_others_is_told_without_services_dns(fleets: Fleets) -> None:
    """Pods with a sidecar and pods without one would mean different services by one name."""
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    theirs = {**COREDNS, "data": {"Corefile": f"{COREFILE}clusterset.local:53 {{\n    forward . 10.1.1.1\n}}\n"}}
    await put(fleet, "east", {**theirs, "metadata": {"name": "coredns", "namespace": "kube-system"}})
    try:
        run = await ran(fleet, ORDERS)
        assert [one for one in run.warnings if "serves clusterset.local" in one] == [
            "east: the cluster's DNS serves clusterset.local for somebody else (ConfigMap kube-system/coredns, "
            "Corefile, line 7: clusterset.local:53 {): a name there that is an exported service too means that service "
            "to pods with a sidecar, and something else to the others"
        ]
        assert not [one for one in (await ran(fleet, [])).warnings if "serves clusterset.local" in one]
    finally:
        async with on(fleet, "east") as kube:
            await kube.delete("v1", "ConfigMap", "coredns", "kube-system")


@in_loop
async def test_a_cluster_that_leaves_says_which_names_stay(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", service("orders"))
    await ran(fleet, ORDERS)
    left = await ran(fleet, [], leaves=True, play=["west"])
    assert left.failures == {}
    (told,) = left.warnings
    assert told.startswith("east: names of orders.shop, which west exported, stay until stage services runs there")
    assert await live(fleet, "east", "ServiceImport")
    await ran(fleet, ORDERS, play=["east"])
    assert await live(fleet, "east", "ServiceImport") is None, "as the warning says"
    assert (await ran(fleet, [], leaves=True, play=["east"])).failures == {}
