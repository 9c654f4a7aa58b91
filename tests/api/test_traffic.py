# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies on two real API servers with Istio's kinds: what a run writes, in which order, and what it leaves alone."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import os
import shlex
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.transport import Transport
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.distribution import Wanted
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.record import (
    object_name,
    object_of,
    read_record,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic import address_copies, proxies
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic import run as run_module
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.addresses import allocated, forgotten
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.policies import checked_policies
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.run import TrafficRun
from tests.policies import live

from . import control_plane
from .gke_clusters import actions, on, put
from .loop import in_loop
from .manifests import namespace_of
from .plays import role_play, run_plays

Values = dict[str, t.Any]
Fleets = t.Callable[..., Fleet]

CHARTS = Path(os.environ.get("MESH_FLEET_CHARTS") or artifacts_dir() / "charts")
API = "networking.istio.io/v1"
KINDS = ("DestinationRule", "ServiceEntry", "VirtualService")
CLUSTERS = ("west", "east")
SPLIT: Values = {
    "service": "reviews.shop",
    "split": [{"weight": 60, "labels": {"version": "v1"}}, {"weight": 40, "labels": {"version": "v2"}}],
}


@pytest.fixture(scope="module")
def planes(new_plane: control_plane.Start) -> dict[str, control_plane.ControlPlane]:
    """An API server each for west and east, with Istio's kinds."""
    text = (CHARTS / "base" / "files" / "crd-all.gen.yaml").read_text(encoding="utf-8")
    crds = [one for one in yaml.safe_load_all(text) if one and one["spec"]["names"]["kind"] in KINDS]
    started = {name: new_plane(name) for name in CLUSTERS}

    async def install() -> None:
        made = fleet_of(started)
        await asyncio.gather(*(put(made, name, *crds) for name in CLUSTERS))

    asyncio.run(install())
    return started


def fleet_of(planes: t.Mapping[str, control_plane.ControlPlane], **more: Values) -> Fleet:
    hosts = {
        name: {
            "fleet_name": "traffic",
            "cluster_provider": "kubeconfig",
            "cluster_region": "us-west1" if name == "west" else "us-east1",
            "cluster_api_url": plane.server,
            "cluster_api_token": control_plane.ADMIN_TOKEN,
            "cluster_api_ca": plane.ca_pem,
            **more.get(name, {}),
        }
        for name, plane in planes.items()
    }
    return read_fleet(hosts, environment())


@pytest.fixture
def fleets(planes: dict[str, control_plane.ControlPlane]) -> Fleets:
    """Makes fleets of both clusters, in which service reviews.shop runs; further variables by cluster."""
    asyncio.run(clear(fleet_of(planes)))

    def make(**more: Values) -> Fleet:
        return fleet_of(planes, **more)

    return make


async def clear(fleet: Fleet) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"}}
    for name in CLUSTERS:
        async with on(fleet, name) as kube:
            for kind in KINDS:
                await kube.remove(await kube.list(API, kind))
            await kube.remove(await kube.list("v1", "Service", "shop"))
            await kube.remove(await kube.list("v1", "ConfigMap", "istio-system"))
            await kube.apply([namespace_of("istio-system")])
            (made, *objects) = live([name])[name]
            await kube.apply([made, account])
            await kube.apply(objects)


async def ran(fleet: Fleet, *given: Values, play: t.Sequence[str] = CLUSTERS, **more: t.Any) -> TrafficRun:
    policies, _warnings = checked_policies(fleet, list(given))
    run = TrafficRun(fleet, play, policies, **{"timeout": 0, **more})
    await run.run()
    return run


async def held(fleet: Fleet, cluster: str) -> list[str]:
    """What a cluster holds of Istio's kinds."""
    async with on(fleet, cluster) as kube:
        found = [obj for kind in KINDS for obj in await kube.list(API, kind)]
    return sorted(f"{obj['kind']} {obj['metadata']['name']}" for obj in found)


BOTH = ["DestinationRule reviews-traffic", "VirtualService reviews-traffic"]


@in_loop
async def test_a_policy_comes_changes_and_goes(fleets: Fleets) -> None:
    fleet = fleets()
    planned = await ran(fleet, SPLIT, dry_run=True)
    assert await held(fleet, "west") == []
    first = await ran(fleet, SPLIT)
    assert first.failures == {}
    assert actions(planned.changes) == actions(first.changes)
    assert actions(first.changes) == [f"{name} {what} created" for name in ("east", "west") for what in BOTH]
    again = await ran(fleet, SPLIT)
    assert again.changes == []
    changed = await ran(fleet, {**SPLIT, "split": [{"weight": 100, "labels": {"version": "v2"}}]})
    assert actions(changed.changes) == sorted(
        [f"{name} VirtualService reviews-traffic changed" for name in CLUSTERS]
        + [f"{name} DestinationRule reviews-traffic changed" for name in CLUSTERS]
    )
    async with on(fleet, "west") as kube:
        rule = await kube.get(API, "DestinationRule", "reviews-traffic", "shop")
    assert rule is not None
    assert [one["name"] for one in rule["spec"]["subsets"]] == ["v2"]
    assert rule["metadata"]["annotations"] == {"mesh.fleet/policy": "reviews.shop"}
    gone = await ran(fleet)
    assert {change.action for change in gone.changes} == {"removed"}
    assert await held(fleet, "west") == await held(fleet, "east") == []


@in_loop
async def test_an_unchanged_run_writes_nothing_and_lists_little(
    fleets: Fleets, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = fleets()
    many = []
    for number in range(30):
        app = live(["west"], f"app-{number}")["west"][1:]
        for name in CLUSTERS:
            await put(fleet, name, *app)
        many.append({**SPLIT, "service": f"app-{number}.shop"})
    first = await ran(fleet, *many)
    assert first.failures == {}
    assert len(first.changes) == 2 * 2 * 30
    asked: list[str] = []
    limits: dict[str, str] = {}
    request = Transport.request

    async def counted(self: Transport, method: str, path: str, **more: t.Any) -> t.Any:
        asked.append(f"{method} {path}")
        limits[path.rpartition("/")[2]] = (more.get("params") or {}).get("limit", "")
        return await request(self, method, path, **more)

    monkeypatch.setattr(Transport, "request", counted)
    again = await ran(fleet, *many, timeout=60)
    assert again.changes == []
    assert {one.partition(" ")[0] for one in asked} == {"GET"}
    assert len(asked) <= 2 * 16, "as many for any number of policies"
    kinds = ("serviceentries", "destinationrules", "virtualservices")
    assert {limits[kind] for kind in kinds} == {"5000"}, "a second page costs an API server more than the first"


@in_loop
async def test_what_others_made_for_a_host_is_named_and_left_alone(fleets: Fleets) -> None:
    fleet = fleets()
    meta = {"name": "by-hand", "namespace": "shop", "labels": {"app.kubernetes.io/managed-by": "Helm"}}
    theirs = {"apiVersion": API, "kind": "VirtualService", "metadata": meta}
    spec = {"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": "reviews"}}]}]}
    await put(fleet, "west", {**theirs, "spec": spec})
    run = await ran(fleet, SPLIT)
    assert list(run.failures) == ["west"]
    (error,) = run.failures["west"]
    assert error.as_dict() == {
        "what": "reviews.shop: it is for reviews.shop.svc.cluster.local as well",
        "cluster": "west",
        "object": "VirtualService shop/by-hand",
        "seen": "owner: somebody-else",
        "means": "Istio takes one of both, and nobody knows which, so the policy was not applied here",
        "next": "remove VirtualService shop/by-hand, or the policy; or set traffic_adopt: true, which takes it over if "
        "it says the same",
    }
    assert await held(fleet, "west") == ["VirtualService by-hand"]
    assert await held(fleet, "east") == BOTH, "the other cluster is finished"
    gone = await ran(fleet)
    assert gone.failures == {}
    assert await held(fleet, "west") == ["VirtualService by-hand"]


@in_loop
async def test_rules_for_a_pattern_are_named_and_left_alone(fleets: Fleets) -> None:
    fleet = fleets()
    rule = {"apiVersion": API, "kind": "DestinationRule", "metadata": {"name": "all", "namespace": "shop"}}
    await put(fleet, "west", {**rule, "spec": {"host": "*.shop.svc.cluster.local"}})
    for dry_run in (True, False):
        run = await ran(fleet, SPLIT, dry_run=dry_run)
        assert run.failures == {}
        (warning,) = run.warnings
        assert warning.startswith("west: DestinationRule shop/all (owner: somebody-else) is for *.shop.svc.")
        assert warning.endswith("It was left alone")
    assert await held(fleet, "west") == ["DestinationRule all", *BOTH]
    # In another namespace Istio takes it first, and its callers would lack the subsets.
    async with on(fleet, "west") as kube:
        await kube.apply([namespace_of("web")])
    await put(fleet, "west", {**rule, "metadata": {"name": "all", "namespace": "web"}, "spec": {"host": "*.local"}})
    refused = await ran(fleet, {**SPLIT, "timeout": "5s"}, adopt=True)
    assert "callers in namespace web, so the policy was not applied here" in str(refused.failures["west"][0])
    assert actions(refused.changes) == ["east VirtualService reviews-traffic changed"]
    async with on(fleet, "west") as kube:
        await kube.remove(await kube.list(API, "DestinationRule", "web"))


@in_loop
async def test_ours_stay_where_somebody_adds_theirs(fleets: Fleets) -> None:
    fleet = fleets()
    await ran(fleet, SPLIT)
    spec = {"host": "reviews.shop.svc.cluster.local"}
    await put(
        fleet,
        "west",
        {"apiVersion": API, "kind": "DestinationRule", "metadata": {"name": "x", "namespace": "shop"}, "spec": spec},
    )
    run = await ran(fleet, {**SPLIT, "timeout": "5s"})
    assert list(run.failures) == ["west"]
    assert await held(fleet, "west") == ["DestinationRule reviews-traffic", "DestinationRule x", BOTH[1]]
    assert actions(run.changes) == ["east VirtualService reviews-traffic changed"]


@in_loop
async def test_a_dead_cluster_holds_back_only_what_needs_it(fleets: Fleets) -> None:
    dead = {"cluster_api_url": f"https://127.0.0.1:{control_plane.closed_port()}"}
    flat = await ran(fleets(east=dead), SPLIT)
    assert list(flat.failures) == ["east"]
    both = fleets()
    assert await held(both, "west") == BOTH
    await clear(both)
    fleet = fleets(west={"mesh_network": "one"}, east={"mesh_network": "two", **dead})
    apart = await ran(fleet, SPLIT)
    assert sorted(apart.failures) == ["east", "west"]
    text = str(apart.failures["west"][0])
    assert "reviews.shop: the new routes were not applied" in text
    assert "the subsets that they name are not there in east" in text
    assert "--limit west,east" in text
    assert await held(fleet, "west") == BOTH[:1]
    whole = fleets(west={"mesh_network": "one"}, east={"mesh_network": "two"})
    again = await ran(whole, SPLIT)
    assert again.failures == {}
    assert await held(whole, "west") == await held(whole, "east") == BOTH


@in_loop
async def test_an_api_server_that_fails_half_way(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleets(west={"mesh_network": "one"}, east={"mesh_network": "two"})
    await ran(fleet, SPLIT)
    request = Transport.request

    async def failing(self: Transport, method: str, path: str, **more: t.Any) -> t.Any:
        if self.cluster == "east" and method != "GET" and "virtualservices" in path:
            raise ApiError("apply failed", status=500, cluster="east", obj="VirtualService shop/reviews-traffic")
        return await request(self, method, path, **more)

    monkeypatch.setattr(Transport, "request", failing)
    other = {**SPLIT, "split": [{"weight": 100, "labels": {"version": "v3"}}]}
    run = await ran(fleet, other)
    assert list(run.failures) == ["east"]
    for name, subsets in (("west", ["v1", "v2", "v3"]), ("east", ["v1", "v2", "v3"])):
        async with on(fleet, name) as kube:
            rule = await kube.get(API, "DestinationRule", "reviews-traffic", "shop")
        assert rule is not None
        assert [one["name"] for one in rule["spec"]["subsets"]] == subsets, "routes of east still name them"
    monkeypatch.setattr(Transport, "request", request)
    again = await ran(fleet, other)
    assert again.failures == {}
    for name in CLUSTERS:
        async with on(fleet, name) as kube:
            rule = await kube.get(API, "DestinationRule", "reviews-traffic", "shop")
        assert rule is not None
        assert [one["name"] for one in rule["spec"]["subsets"]] == ["v3"]


@in_loop
async def test_policies_that_do_not_fit_are_refused_before_anything(fleets: Fleets) -> None:
    fleet = fleets()
    with pytest.raises(FleetError) as caught:
        await ran(fleet, SPLIT, {"service": "nobody.shop", "timeout": "5s"})
    assert "1 problem, nothing was touched" in str(caught.value)
    assert "mesh_traffic[1] (nobody.shop) service" in str(caught.value)
    assert "is served by no cluster" in str(caught.value)
    assert await held(fleet, "west") == []
    planned = await ran(fleet, SPLIT, {"service": "nobody.shop", "timeout": "5s"}, dry_run=True)
    assert any("is served by no cluster" in one for one in planned.warnings), "the apps may be planned"
    with pytest.raises(FleetError, match="weights that sum to 60"):
        checked_policies(fleet, [{**SPLIT, "split": [{"weight": 60}]}])


@in_loop
async def test_a_policy_for_a_cluster_that_left(fleets: Fleets, planes: dict[str, control_plane.ControlPlane]) -> None:
    """It is refused by name before anything is touched, whether it is for its callers or sends calls there."""
    await ran(fleets(), SPLIT)
    smaller = fleet_of({"west": planes["west"]})
    for key, named in (("from", ["west", "east"]), ("split", [{"weight": 100, "cluster": "east"}])):
        with pytest.raises(FleetError) as caught:
            await ran(smaller, {**SPLIT, "timeout": "5s", key: named}, play=["west"])
        assert f"mesh_traffic[0] (reviews.shop) {key}" in str(caught.value)
        assert "east" in str(caught.value)
    assert (await ran(smaller, SPLIT, play=["west"])).changes == []
    assert await held(fleet_of(planes), "east") == BOTH, "what left is nobody's to touch"


@in_loop
async def test_a_subset_that_no_pod_has_is_a_warning(fleets: Fleets) -> None:
    run = await ran(fleets(), {**SPLIT, "split": [{"weight": 100, "labels": {"version": "v9"}}]})
    assert run.failures == {}
    (warning,) = run.warnings
    assert "mesh_traffic[0] (reviews.shop) split[0] names pods that are not there: version=v9" in warning


@in_loop
async def test_parts_and_fleets_do_not_touch_each_other(fleets: Fleets) -> None:
    fleet = fleets()
    await ran(fleet, SPLIT, part="demo")
    gone = await ran(fleet)
    assert gone.changes == []
    both = await ran(fleet, SPLIT)
    assert sorted(both.failures) == ["east", "west"], "one host has one owner"
    assert "owner: fleet traffic" in str(both.failures["west"][0])
    await ran(fleet, part="demo")
    assert await held(fleet, "west") == []


@in_loop
async def test_a_remotes_policies_are_in_its_primary(fleets: Fleets) -> None:
    fleet = fleets(east={"mesh_role": "remote", "mesh_primary": "west"})
    policy = {**SPLIT, "from": ["east"]}
    run = await ran(fleet, policy)
    assert run.failures == {}
    assert await held(fleet, "east") == []
    async with on(fleet, "west") as kube:
        routes = await kube.get(API, "VirtualService", "reviews-traffic", "shop")
    assert routes is not None
    assert [route["name"] for route in routes["spec"]["http"]] == ["from-east-all", "others"]
    alone = await ran(fleet, policy, play=["east"])
    (warning,) = alone.warnings
    assert warning == (
        "east: what policies make for its callers is in west, which serves it and is not part of this run: "
        "run the traffic stage with --limit west,east"
    )


@in_loop
async def test_a_name_resolves_where_nobody_runs_the_service(fleets: Fleets) -> None:
    fleet = fleets()
    async with on(fleet, "east") as kube:
        await kube.delete("v1", "Service", "reviews", "shop")
    run = await ran(fleet, SPLIT)
    assert "east Service reviews created" in actions(run.changes)
    assert (await ran(fleet, SPLIT)).changes == []
    await ran(fleet)
    async with on(fleet, "east") as kube:
        assert await kube.get("v1", "Service", "reviews", "shop") is None


@in_loop
async def test_clusters_that_are_not_part_of_the_run_are_read_alone(fleets: Fleets) -> None:
    fleet = fleets(west={"mesh_network": "one"}, east={"mesh_network": "two"})
    alone = await ran(fleet, SPLIT, play=["west"])
    assert "the subsets that they name are not there in east" in str(alone.failures["west"][0])
    assert await held(fleet, "east") == []
    await ran(fleet, SPLIT)
    gone = await ran(fleet, play=["west"])
    assert {change.cluster for change in gone.changes} == {"west"}
    assert await held(fleet, "east") == BOTH


# Global names.

NAME = "reviews.shop.global"
GLOBAL: Values = {"service": "reviews.shop", "global": True}


async def record(fleet: Fleet, cluster: str) -> Values | None:
    async with on(fleet, cluster) as kube:
        return await kube.get("v1", "ConfigMap", object_name(fleet.name), "istio-system")


async def addresses(fleet: Fleet) -> dict[str, list[str]]:
    """By cluster those that the name has there."""
    found = {}
    for name in CLUSTERS:
        async with on(fleet, name) as kube:
            for entry in await kube.list(API, "ServiceEntry"):
                found[name] = entry["spec"]["addresses"]
    return found


@in_loop
async def test_runs_at_once_give_each_name_an_address_of_its_own(fleets: Fleets) -> None:
    """In a range of fourteen addresses, so that names point at the same one."""
    fleet = fleets(west={"mesh_global_range": "240.241.0.0/28"}, east={"mesh_global_range": "240.241.0.0/28"})
    asked = [[f"n{number}.shop.global", f"n{number + 1}.shop.global"] for number in range(8)]
    # As parts of their own: what one does not name is not another's that it uses no more.
    runs = await asyncio.gather(
        *(allocated({}, fleet, names, part=f"part-{number}") for number, names in enumerate(asked))
    )
    given: dict[str, tuple[str, ...]] = {}
    for names, run in zip(asked, runs, strict=True):
        assert (set(run.addresses), run.problems, run.failed) == (set(names), [], {})
        for name, found in run.addresses.items():
            assert given.setdefault(name, found) == found
    assert len({one for found in given.values() for one in found}) == len(given) == 9
    copies = [read_record(await record(fleet, name)) for name in CLUSTERS]
    assert copies[0] == copies[1]
    assert {name: entry.addresses for name, entry in copies[0].table.names.items()} == given


@in_loop
async def test_a_global_name_comes_stays_and_goes(fleets: Fleets) -> None:
    fleet = fleets()
    planned = await ran(fleet, GLOBAL, dry_run=True)
    assert await record(fleet, "west") is None
    first = await ran(fleet, GLOBAL)
    assert first.failures == {}
    made = ["ConfigMap mesh-fleet-addresses-traffic", "ServiceEntry reviews.global-traffic"]
    assert actions(first.changes) == [f"{name} {what} created" for name in ("east", "west") for what in made]
    assert actions(planned.changes) == actions(first.changes)
    given = await addresses(fleet)
    assert given["west"] == given["east"]
    assert (await ran(fleet, GLOBAL)).changes == []
    # Both copies are lost: the address is that of the ServiceEntries, though another is free.
    for name in CLUSTERS:
        async with on(fleet, name) as kube:
            await kube.delete("v1", "ConfigMap", object_name(fleet.name), "istio-system")
    other = "240.241.7.7" if given["west"] != ["240.241.7.7"] else "240.241.7.8"
    for name in CLUSTERS:
        async with on(fleet, name) as kube:
            (entry,) = await kube.list(API, "ServiceEntry")
            del entry["metadata"]["managedFields"], entry["metadata"]["resourceVersion"]
            await kube.apply([{**entry, "spec": {**entry["spec"], "addresses": [other]}}])
    again = await ran(fleet, GLOBAL)
    assert {change.kind for change in again.changes} == {"ConfigMap"}
    assert await addresses(fleet) == {"west": [other], "east": [other]}
    # Without the policy the address stays the name's, and comes back with it.
    gone = await ran(fleet)
    assert await addresses(fleet) == {}
    assert gone.failures == {}
    await ran(fleet, GLOBAL)
    assert await addresses(fleet) == {"west": [other], "east": [other]}
    left = await ran(fleet, leaves=True)
    assert left.failures == {}
    assert [await record(fleet, name) for name in CLUSTERS] == [None, None]
    assert await held(fleet, "west") == await held(fleet, "east") == []


@in_loop
async def test_a_busy_record_holds_up_only_what_leaves(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleets()
    await ran(fleet, GLOBAL)

    def changed_since(*given: t.Any) -> Values:
        made = object_of(*given)
        return {**made, "metadata": {**made["metadata"], "resourceVersion": "1"}}

    with monkeypatch.context() as patch:
        patch.setattr(address_copies, "object_of", changed_since)
        patch.setattr(run_module, "forgotten", functools.partial(forgotten, timeout=0))
        left = await ran(fleet, play=["east"], leaves=True)
    assert list(left.failures) == ["east"]
    assert left.failures["east"][0].what == "the record of addresses could not be written"
    assert "east ServiceEntry reviews.global-traffic removed" in actions(left.changes)
    again = await ran(fleet, play=["east"], leaves=True)
    assert again.failures == {}
    table = read_record(await record(fleet, "west")).table
    assert (table.members, set(table.names)) == (("west",), {"reviews.shop.global"})
    assert await record(fleet, "east") is None


@in_loop
async def test_a_cluster_that_was_deleted_is_forgotten(
    fleets: Fleets, planes: dict[str, control_plane.ControlPlane], tmp_path: Path
) -> None:
    await ran(fleets(), GLOBAL)
    gone = {"cluster_provider": "kubeconfig", "fleet_name": "traffic", "cluster_kubeconfig": str(tmp_path / "none")}
    there = fleet_of({"west": planes["west"]})
    fleet = dataclasses.replace(
        there, clusters={**there.clusters, **read_fleet({"east": gone}, environment()).clusters}
    )
    left = await ran(fleet, play=["east"], leaves=True)
    assert (left.failures, left.warnings) == ({}, [])
    assert actions(left.changes) == ["west ConfigMap mesh-fleet-addresses-traffic changed"]
    table = read_record(await record(there, "west")).table
    assert (table.members, set(table.names)) == (("west",), {"reviews.shop.global"})


def test_the_teardown_of_one_that_is_gone_for_good(
    fleets: Fleets, planes: dict[str, control_plane.ControlPlane], tmp_path: Path
) -> None:
    """As the failure about a range that is used up says."""
    asyncio.run(ran(fleets(), GLOBAL))
    kubeconfigs = {"west": str(planes["west"].kubeconfig), "east": str(tmp_path / "none")}
    shared = {"fleet_name": "traffic", "cluster_provider": "kubeconfig", "cluster_context": "admin"}
    group = {"vars": shared, "hosts": {name: {"cluster_kubeconfig": path} for name, path in kubeconfigs.items()}}
    teardown = Path(__file__).parents[2] / "playbooks" / "teardown.yml"
    done = run_plays(tmp_path, group, teardown, "--tags", "traffic", "--limit", "east")
    assert done.code == 0, done.output
    table = read_record(asyncio.run(record(fleet_of({"west": planes["west"]}), "west"))).table
    assert (table.members, set(table.names)) == (("west",), {"reviews.shop.global"})


@in_loop
async def test_two_stages_at_once_end_with_the_same_addresses(fleets: Fleets) -> None:
    fleet = fleets()
    await asyncio.gather(*(ran(fleet, GLOBAL) for _run in range(4)))
    given = await addresses(fleet)
    assert given["west"] == given["east"]
    assert (await ran(fleet, GLOBAL)).changes == []
    assert await addresses(fleet) == given


@in_loop
async def test_a_cluster_that_does_not_answer_and_addresses(
    fleets: Fleets, planes: dict[str, control_plane.ControlPlane]
) -> None:
    fleets()
    silent = {"cluster_provider": "kubeconfig", "fleet_name": "traffic", "cluster_api_token": "t"}
    silent["cluster_api_url"] = "https://127.0.0.1:9"

    def of(*names: str, silent_ones: t.Sequence[str]) -> Fleet:
        there = fleet_of({name: planes[name] for name in names})
        more = read_fleet(dict.fromkeys(silent_ones, silent), environment())
        return dataclasses.replace(there, clusters={**there.clusters, **more.clusters})

    # Two of three are more than half.
    three = of("west", "east", silent_ones=["north"])
    first = await ran(three, GLOBAL)
    assert first.failures == {}
    given = await addresses(three)
    # One of three is not: names keep their addresses, and no new one is given.
    one = of("west", silent_ones=["east", "north"])
    await ran(one, GLOBAL, play=["west"])
    assert (await addresses(three))["west"] == given["west"]
    async with on(three, "west") as kube:
        await kube.apply(live(["west"], service="orders")["west"])
    more = await ran(one, GLOBAL, {"service": "orders.shop", "global": True, "timeout": "5s"}, play=["west"])
    (error,) = more.failures["west"]
    assert error.what == "no address can be given to orders.shop.global"
    assert error.seen == "of 3 clusters that keep the record of addresses, east, north did not answer"
    # What needs no address holds; the new name waits.
    assert await held(three, "west") == ["ServiceEntry reviews.global-traffic", "VirtualService orders-traffic"]


@in_loop
async def test_an_istiod_that_serves_ipv6_gets_an_address_of_it_too(fleets: Fleets) -> None:
    fleet = fleets()
    labels = {"app": "istiod"}
    container = {"name": "discovery", "image": "pilot", "env": [{"name": "ISTIO_DUAL_STACK", "value": "true"}]}
    istiod = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod", "namespace": "istio-system"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    await ran(fleet, GLOBAL)
    before = await addresses(fleet)
    await put(fleet, "east", istiod)
    try:
        assert (await ran(fleet, GLOBAL)).failures == {}
        after = await addresses(fleet)
        assert after["west"] == before["west"] == after["east"][:1]
        assert after["east"][1].startswith("fd6d:6573:68f1::")
        assert (await ran(fleet, GLOBAL)).changes == []
    finally:
        async with on(fleet, "east") as kube:
            await kube.remove([istiod])


@in_loop
async def test_a_range_without_a_free_address(fleets: Fleets) -> None:
    narrow = {"mesh_global_range": "240.241.0.0/32"}
    fleet = fleets(west=narrow, east=narrow)
    for name in CLUSTERS:
        async with on(fleet, name) as kube:
            await kube.apply(live([name], service="orders")[name])
    both = await ran(fleet, GLOBAL, {"service": "orders.shop", "global": True})
    assert {name: [error.what for error in errors] for name, errors in both.failures.items()} == {
        name: ["no address is left for reviews.shop.global"] for name in CLUSTERS
    }
    assert await held(fleet, "west") == ["ServiceEntry orders.global-traffic"]


# What others made.


def theirs(name: str = "by-hand", timeout: str = "5s") -> list[Values]:
    """The same as SPLIT with a time-out, by hand."""
    meta = {"name": name, "namespace": "shop"}
    subsets = [{"name": f"mine-{number}", "labels": {"version": f"v{number}"}} for number in (1, 2)]
    ways = [
        {"destination": {"host": "reviews", "subset": "mine-1"}, "weight": 60},
        {"destination": {"host": "reviews", "subset": "mine-2"}, "weight": 40},
    ]
    return [
        {
            "apiVersion": API,
            "kind": "DestinationRule",
            "metadata": meta,
            "spec": {"host": "reviews", "subsets": subsets},
        },
        {
            "apiVersion": API,
            "kind": "VirtualService",
            "metadata": meta,
            "spec": {"hosts": ["reviews"], "http": [{"route": ways, "timeout": timeout}]},
        },
    ]


SAME: Values = {**SPLIT, "timeout": "5000ms"}


@in_loop
async def test_what_says_the_same_is_taken_over_without_a_gap(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleets()
    await put(fleet, "west", *theirs())
    refused = await ran(fleet, SAME)
    assert "set traffic_adopt: true" in str(refused.failures["west"][0])
    planned = await ran(fleet, SAME, adopt=True, dry_run=True)
    written: list[str] = []
    request = Transport.request

    async def noted(self: Transport, method: str, path: str, **more: t.Any) -> t.Any:
        if method != "GET" and self.cluster == "west":
            written.append(f"{method} {path.partition('/shop/')[2]}")
        return await request(self, method, path, **more)

    monkeypatch.setattr(Transport, "request", noted)
    run = await ran(fleet, SAME, adopt=True)
    assert run.failures == {}
    assert written == [
        "PATCH destinationrules/reviews-traffic",
        "PATCH virtualservices/reviews-traffic",
        "DELETE virtualservices/by-hand",
        "DELETE destinationrules/by-hand",
    ]
    assert actions(planned.changes) == actions(run.changes)
    assert await held(fleet, "west") == BOTH
    assert (await ran(fleet, SAME, adopt=True)).changes == []


@in_loop
async def test_what_says_something_else_is_not_taken_over(fleets: Fleets) -> None:
    fleet = fleets()
    await put(fleet, "west", *theirs(timeout="6s"))
    run = await ran(fleet, SAME, adopt=True)
    assert {str(error.as_dict()["seen"]) for error in run.failures["west"]} == {
        "owner: somebody-else; it does not say the same: VirtualService says something else in http[0]: timeout"
    }
    assert all(error.next_step.startswith("let the policy say the same, or remove ") for error in run.failures["west"])
    assert await held(fleet, "west") == ["DestinationRule by-hand", "VirtualService by-hand"]


@in_loop
async def test_nothing_is_taken_over_while_one_cluster_says_else(fleets: Fleets) -> None:
    """West's calls pass the gateway of east, where the subsets that its routes name are by hand too."""
    fleet = fleets(west={"mesh_network": "one"}, east={"mesh_network": "two"})
    whole: Values = {"service": "reviews.shop", "breaker": {"errors": 5}}
    rule, service = theirs()
    rule["spec"]["trafficPolicy"] = {"outlierDetection": {"consecutive5xxErrors": 5, "maxEjectionPercent": 50}}
    await put(fleet, "west", rule, service)
    await put(fleet, "east", rule)
    run = await ran(fleet, whole, adopt=True)
    assert sorted(run.failures) == sorted(CLUSTERS)
    assert "does not say the same: VirtualService" in str(run.failures["west"][0])
    assert "does not say the same: in west, VirtualService" in str(run.failures["east"][0])
    assert await held(fleet, "west") == ["DestinationRule by-hand", "VirtualService by-hand"]
    assert await held(fleet, "east") == ["DestinationRule by-hand"]
    # Nor is it with --limit.
    alone = await ran(fleet, whole, adopt=True, play=["east"])
    assert list(alone.failures) == ["east"]
    assert await held(fleet, "east") == ["DestinationRule by-hand"]


@in_loop
async def test_a_rule_of_theirs_stays_for_routes_that_failed(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleets(west={"mesh_network": "one"}, east={"mesh_network": "two"})
    for name in CLUSTERS:
        await put(fleet, name, *theirs())
    request = Transport.request

    async def failing(self: Transport, method: str, path: str, **more: t.Any) -> t.Any:
        if self.cluster == "west" and method == "PATCH" and "virtualservices" in path:
            raise ApiError("apply failed", status=500, cluster="west", obj="VirtualService shop/reviews-traffic")
        return await request(self, method, path, **more)

    monkeypatch.setattr(Transport, "request", failing)
    run = await ran(fleet, SAME, adopt=True)
    assert list(run.failures) == ["west"]
    assert await held(fleet, "east") == ["DestinationRule by-hand", *BOTH]
    (warning,) = run.warnings
    assert warning.startswith("east: DestinationRule shop/by-hand stays beside ours")
    monkeypatch.setattr(Transport, "request", request)
    assert (await ran(fleet, SAME, adopt=True)).failures == {}
    assert await held(fleet, "west") == await held(fleet, "east") == BOTH


@in_loop
async def test_nothing_is_taken_over_for_a_name_without_address(fleets: Fleets) -> None:
    narrow = {"mesh_global_range": "240.241.0.0/32"}
    fleet = fleets(west=narrow, east=narrow)
    for name in CLUSTERS:
        await put(fleet, name, *live([name], service="orders")[name])
    named = {"service": "reviews.shop", "global": True, "timeout": "5s"}
    meta = {"name": "by-hand", "namespace": "shop"}
    route = {"route": [{"destination": {"host": "reviews.shop.global"}}], "timeout": "5s"}
    spec = {"hosts": ["reviews.shop.global"], "http": [route]}
    by_hand = {"apiVersion": API, "kind": "VirtualService", "metadata": meta, "spec": spec}
    await put(fleet, "west", by_hand)
    run = await ran(fleet, {"service": "orders.shop", "global": True}, named, adopt=True)
    assert [error.what for error in run.failures["west"]] == ["no address is left for reviews.shop.global"]
    assert "VirtualService by-hand" in await held(fleet, "west")


@in_loop
async def test_one_of_our_name_becomes_ours_and_keeps_its_subsets(
    fleets: Fleets, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = fleets()
    await put(fleet, "west", *theirs("reviews-traffic"))
    request, seen = Transport.request, list[list[str]]()

    async def noted(self: Transport, method: str, path: str, **more: t.Any) -> t.Any:
        if method == "PATCH" and self.cluster == "west" and "destinationrules" in path:
            seen.append(sorted(one["name"] for one in more["body"]["spec"]["subsets"]))
        return await request(self, method, path, **more)

    monkeypatch.setattr(Transport, "request", noted)
    run = await ran(fleet, SAME, adopt=True)
    assert run.failures == {}
    both = ["mine-1", "mine-2", "v1", "v2"]
    assert [names for names in seen if names != both] == [["v1", "v2"]], "theirs go when no route names them"
    assert seen[0] == both
    assert await held(fleet, "west") == BOTH
    assert (await ran(fleet, SAME)).changes == []


@in_loop
async def test_what_was_changed_meanwhile_is_not_removed(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleets()
    rule, service = theirs()
    await put(fleet, "west", rule, service)
    request = Transport.request

    async def changed_before(self: Transport, method: str, path: str, **more: t.Any) -> t.Any:
        if method == "DELETE" and path.endswith("virtualservices/by-hand"):
            monkeypatch.setattr(Transport, "request", request)
            await put(fleet, "west", theirs(timeout="9s")[1])
        return await request(self, method, path, **more)

    monkeypatch.setattr(Transport, "request", changed_before)
    run = await ran(fleet, SAME, adopt=True)
    assert list(run.failures) == ["west"]
    assert "VirtualService by-hand" in await held(fleet, "west")


@in_loop
async def test_a_cluster_that_nobody_calls_keeps_nothing_for_others(fleets: Fleets) -> None:
    fleet = fleets(west={"mesh_network": "one"}, east={"mesh_network": "two"})
    await ran(fleet, SPLIT)
    gone = await ran(fleet, play=["east"], leaves=True, peered=False)
    assert (gone.failures, gone.warnings) == ({}, [])
    assert await held(fleet, "east") == []
    assert await held(fleet, "west") == BOTH


@in_loop
async def test_what_policies_made_goes_and_others_calls_go_on(
    fleets: Fleets, planes: dict[str, control_plane.ControlPlane]
) -> None:
    """Peering stays, so west's calls pass the gateway of east, to subsets and to the global name."""
    apart: dict[str, Values] = {"west": {"mesh_network": "one"}, "east": {"mesh_network": "two"}}
    fleet, host = fleets(**apart), "reviews.shop.svc.cluster.local"
    await ran(fleet, {**SPLIT, "global": True})
    kept = ["DestinationRule reviews-traffic", "DestinationRule reviews.global-traffic"]
    kept.append("ServiceEntry reviews.global-traffic")
    planned = await ran(fleet, play=["east"], leaves=True, dry_run=True)
    gone = await ran(fleet, play=["east"], leaves=True)
    assert gone.failures == {}
    assert actions(planned.changes) == actions(gone.changes)
    assert await held(fleet, "east") == kept
    (warning,) = gone.warnings
    assert planned.warnings == [warning]
    assert warning == (
        f"east: reviews.shop.global (subsets v1, v2), {host} (subsets v1, v2) stay, though no policy wants them: "
        "routes or names of west, not part of this run, use them. To end it, run playbooks/teardown.yml with "
        "--tags traffic --limit east,west, or, if east leaves the mesh, with --tags peering,traffic --limit east"
    )
    given = await record(fleet, "west")
    assert set(read_record(given).table.members) == set(CLUSTERS), "east has the name still, so it counts"
    # A cluster that does not answer may call them as well.
    dead = {**apart["west"], "cluster_api_url": f"https://127.0.0.1:{control_plane.closed_port()}"}
    silent = await ran(fleet_of(planes, west=dead, east=apart["east"]), play=["east"], leaves=True)
    assert "of west, which could not be read, may use them" in silent.warnings[0]
    assert await held(fleet, "east") == kept
    both = await ran(fleet, leaves=True)
    assert (both.failures, both.warnings) == ({}, [])
    assert await held(fleet, "west") == await held(fleet, "east") == []
    assert [await record(fleet, name) for name in CLUSTERS] == [None, None]


def test_the_teardown_says_whether_peering_goes(
    fleets: Fleets, planes: dict[str, control_plane.ControlPlane], tmp_path: Path
) -> None:
    networks = {"west": {"mesh_network": "one"}, "east": {"mesh_network": "two"}}
    fleet = fleets(**networks)
    asyncio.run(ran(fleet, SPLIT))
    hosts = {name: {"cluster_kubeconfig": str(planes[name].kubeconfig), **networks[name]} for name in CLUSTERS}
    shared = {"fleet_name": "traffic", "cluster_provider": "kubeconfig", "cluster_context": "admin"}
    teardown = Path(__file__).parents[2] / "playbooks" / "teardown.yml"
    for tags, left in (("traffic", BOTH[:1]), ("peering,traffic", [])):
        done = run_plays(tmp_path, {"vars": shared, "hosts": hosts}, teardown, "--tags", tags, "--limit", "east")
        assert done.code == 0, done.output
        assert asyncio.run(held(fleet, "east")) == left
        assert ("stay, though no policy wants them: routes or names of west" in done.output) == bool(left)
    assert asyncio.run(held(fleet, "west")) == BOTH


@in_loop
async def test_without_policies_a_cluster_keeps_what_others_call(fleets: Fleets) -> None:
    """The way to remove policies of which docs/traffic.md says that it loses no call."""
    fleet = fleets(west={"mesh_network": "one"}, east={"mesh_network": "two"})
    await ran(fleet, SPLIT)
    alone = await ran(fleet, play=["east"])
    assert alone.failures == {}
    assert [one.partition(" (")[0] for one in alone.warnings] == ["east: reviews.shop.svc.cluster.local"]
    assert alone.warnings[0].endswith("run the traffic stage with --limit east,west")
    assert await held(fleet, "east") == BOTH[:1], "west's routes still name its subsets"
    assert (await ran(fleet)).warnings == []
    assert await held(fleet, "west") == await held(fleet, "east") == []


@in_loop
async def test_an_apps_service_that_replaced_ours_is_never_removed(fleets: Fleets) -> None:
    """``kubectl apply`` leaves labels that it does not know."""
    fleet = fleets()
    async with on(fleet, "east") as kube:
        await kube.delete("v1", "Service", "reviews", "shop")
    await ran(fleet, SPLIT)
    app = live(["east"])["east"][1]
    app["spec"]["selector"] = {"app": "reviews", "from": "their-chart"}
    async with on(fleet, "east") as kube:
        await kube.apply([app], manager="kubectl-client-side-apply", take_over=["mesh.fleet"])
        there = await kube.get("v1", "Service", "reviews", "shop")
    assert there is not None
    assert there["metadata"]["labels"]["mesh.fleet/part-of"] == "traffic"
    assert (await ran(fleet, SPLIT)).changes == []
    await ran(fleet)
    async with on(fleet, "east") as kube:
        after = await kube.get("v1", "Service", "reviews", "shop")
    assert after is not None
    assert after["spec"]["selector"] == {"app": "reviews", "from": "their-chart"}


@in_loop
async def test_what_replaces_ours_during_the_run_is_not_removed(
    fleets: Fleets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Service of ours may be an app's when it is to go; a change that leaves it ours holds up nothing."""
    fleet = fleets()
    app = live(["east"])["east"][1]
    request = Transport.request

    for theirs_now in (True, False):
        async with on(fleet, "east") as kube:
            await kube.delete("v1", "Service", "reviews", "shop")
        await ran(fleet, SPLIT)

        async def meanwhile(
            self: Transport, method: str, path: str, *, replaced: bool = theirs_now, **more: t.Any
        ) -> t.Any:
            if method == "DELETE" and self.cluster == "east" and path.endswith("virtualservices/reviews-traffic"):
                monkeypatch.setattr(Transport, "request", request)
                async with on(fleet, "east") as kube:
                    if replaced:
                        await kube.delete("v1", "Service", "reviews", "shop")
                        await kube.apply([app], manager="their-chart")
                    else:
                        meta = {"name": "reviews", "namespace": "shop", "annotations": {"seen": "yes"}}
                        await kube.apply([{"apiVersion": "v1", "kind": "Service", "metadata": meta}], manager="x")
            return await request(self, method, path, **more)

        monkeypatch.setattr(Transport, "request", meanwhile)
        gone = await ran(fleet)
        assert gone.failures == {}
        assert await held(fleet, "east") == []
        async with on(fleet, "east") as kube:
            after = await kube.get("v1", "Service", "reviews", "shop")
        assert (after is not None) == theirs_now


@in_loop
async def test_where_google_shows_nothing_a_new_subset_is_warned_of(fleets: Fleets) -> None:
    managed = {"cluster_provider": "gke", "mesh_control_plane": "managed", "gke_project": "p"}
    fleet = fleets(east=managed)
    policy = {**SPLIT, "from": ["east"]}
    first = await ran(fleet, policy, timeout=1)
    assert first.failures == {}
    (warning,) = first.warnings
    assert warning.startswith("east: nothing was waited for: Google runs it: ")
    assert "New routes name new subsets, so calls may fail for a moment" in warning
    assert "first apply the split with weight 0 for what is new" in warning
    turned = [{"weight": 40, "labels": {"version": "v1"}}, {"weight": 60, "labels": {"version": "v2"}}]
    again = await ran(fleet, {**policy, "split": turned}, timeout=1)
    assert again.failures == {}
    (warning,) = again.warnings
    assert "nothing was waited for" in warning
    assert "New routes" not in warning
    coming = [*turned, {"weight": 0, "labels": {"version": "v3"}}]
    prepared = await ran(fleet, {**policy, "split": coming}, timeout=1)
    assert "New routes" not in prepared.warnings[0], "no route names it yet"
    assert (await ran(fleet, {**policy, "split": coming}, timeout=1)).warnings == []


@in_loop
async def test_what_googles_control_plane_says_of_objects_is_told(fleets: Fleets) -> None:
    fleet = fleets(east={"cluster_provider": "gke", "mesh_control_plane": "managed", "gke_project": "p"})
    await ran(fleet, SPLIT)
    messages = [{"type": {"name": "SchemaValidationError", "code": "IST0106"}, "level": "ERROR"}]
    for name in CLUSTERS:
        async with on(fleet, name) as kube:
            path = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/reviews-traffic/status"
            body = {"status": {"validationMessages": messages}}
            kind = "application/merge-patch+json"
            await kube.transport.request("PATCH", path, body=body, content_type=kind, obj="it", action="write")
    run = await ran(fleet, SPLIT)
    assert (run.failures, run.changes) == ({}, [])
    (warning,) = run.warnings
    assert warning.startswith(
        "east: VirtualService shop/reviews-traffic may not hold: its control plane says IST0106: SchemaValidationError."
    ), "an istiod of ours shows what proxies have"


# The waits, by a stand-in for istiod: what it is asked, and when.


class Waits:
    """Notes writes to west and the waits between them; ``late`` is what its proxies never get."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        self.late = ""
        request = Transport.request

        async def noted(transport: Transport, method: str, path: str, **more: t.Any) -> t.Any:
            if method != "GET" and transport.cluster == "west":
                self.seen.append(f"{method} {path.rpartition('/shop/')[2].partition('/')[0]}")
            return await request(transport, method, path, **more)

        async def now(kube: t.Any, _namespace: str, _revision: str) -> dict[str, t.Any]:
            return {}

        async def wait(kube: t.Any, _namespace: str, _revision: str, wanted: Wanted, *_more: t.Any) -> None:
            what = "routes" if wanted.routes else "rules"
            if kube.cluster == "west":
                self.seen.append(f"wait for {what}")
                if what == self.late:
                    raise FleetError("1 of 1 proxies do not have what was applied", cluster="west")

        monkeypatch.setattr(Transport, "request", noted)
        monkeypatch.setattr(proxies, "proxies_now", now)
        monkeypatch.setattr(proxies, "await_distribution", wait)

    def take(self) -> list[str]:
        seen, self.seen = self.seen, []
        return seen


OTHER: Values = {**SPLIT, "split": [{"weight": 100, "labels": {"version": "v3"}}]}


@in_loop
async def test_each_step_waits_for_the_proxies(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, waits = fleets(), Waits(monkeypatch)
    rules, routes = ["PATCH destinationrules", "wait for rules"], ["PATCH virtualservices", "wait for routes"]
    await ran(fleet, SPLIT, timeout=5)
    assert waits.take() == [*rules, *routes]
    await ran(fleet, SPLIT, timeout=5)
    assert waits.take() == []
    await ran(fleet, OTHER, timeout=5)
    assert waits.take() == [*rules, *routes, *rules]
    await ran(fleet, timeout=5)
    assert waits.take() == [
        "DELETE virtualservices",
        "wait for routes",
        "DELETE destinationrules",
        "wait for rules",
    ]


@in_loop
async def test_proxies_without_the_subsets_get_no_routes(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, waits = fleets(), Waits(monkeypatch)
    await ran(fleet, SPLIT, timeout=5)
    waits.take()
    waits.late = "rules"
    for again in (False, True):
        run = await ran(fleet, OTHER, timeout=5)
        assert list(run.failures) == ["west"], "the other cluster is finished"
        assert waits.take() == ([] if again else ["PATCH destinationrules"]) + ["wait for rules"], (
            "also if it was applied"
        )
    waits.late = ""
    assert (await ran(fleet, OTHER, timeout=5)).failures == {}


@in_loop
async def test_subsets_stay_while_proxies_have_the_old_routes(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, waits = fleets(), Waits(monkeypatch)
    await ran(fleet, SPLIT, timeout=5)
    waits.late = "routes"
    await ran(fleet, OTHER, timeout=5)
    async with on(fleet, "west") as kube:
        rule = await kube.get(API, "DestinationRule", "reviews-traffic", "shop")
    assert rule is not None
    assert [one["name"] for one in rule["spec"]["subsets"]] == ["v1", "v2", "v3"]
    waits.take()
    waits.late = ""
    assert (await ran(fleet, OTHER, timeout=5)).failures == {}
    assert waits.take() == ["wait for routes", "PATCH destinationrules", "wait for rules"]
    assert (await ran(fleet, OTHER, timeout=5)).changes == []
    assert waits.take() == []


@in_loop
async def test_a_gateway_elsewhere_is_waited_for_too(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, waits = fleets(west={"mesh_network": "one"}, east={"mesh_network": "two"}), Waits(monkeypatch)
    waits.late = "rules"
    run = await ran(fleet, {**SPLIT, "from": ["east"]}, timeout=5)
    assert waits.take() == ["PATCH destinationrules", "wait for rules"]
    assert "the subsets that they name are not there in west" in str(run.failures["east"][0])
    assert await held(fleet, "east") == BOTH[:1]
    # West's objects are there by now. Without being part of the run it is asked all the same.
    alone = await ran(fleet, {**SPLIT, "from": ["east"]}, timeout=5, play=["east"])
    assert waits.take() == ["wait for rules"]
    assert "the subsets that they name are not there in west" in str(alone.failures["east"][0])
    waits.late = ""
    assert (await ran(fleet, {**SPLIT, "from": ["east"]}, timeout=5, play=["east"])).failures == {}
    assert await held(fleet, "east") == BOTH


@in_loop
async def test_a_gateway_keeps_subsets_for_late_proxies_elsewhere(
    fleets: Fleets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the cluster of these proxies is not part of the run."""
    fleet, waits = fleets(west={"mesh_network": "one"}, east={"mesh_network": "two"}), Waits(monkeypatch)
    await ran(fleet, SPLIT, timeout=5)
    waits.late = "routes"
    await ran(fleet, OTHER, timeout=5)
    for late, subsets in (("routes", ["v1", "v2", "v3"]), ("", ["v3"])):
        waits.late = late
        waits.take()
        assert (await ran(fleet, OTHER, timeout=5, play=["east"])).failures == {}
        assert waits.take() == ["wait for routes"]
        async with on(fleet, "east") as kube:
            rule = await kube.get(API, "DestinationRule", "reviews-traffic", "shop")
        assert rule is not None
        assert [one["name"] for one in rule["spec"]["subsets"]] == subsets


@in_loop
async def test_names_stay_while_the_cluster_that_serves_them_is_down(fleets: Fleets) -> None:
    """Whether it serves them is not known then; without the names, calls would fail that reach its pods."""
    fleet = fleets()
    async with on(fleet, "east") as kube:
        await kube.delete("v1", "Service", "reviews", "shop")
    policy = {**SPLIT, "global": True}
    first = await ran(fleet, policy)
    assert first.failures == {}
    before = await held(fleet, "east")
    assert "ServiceEntry reviews.global-traffic" in before
    dead = {"cluster_api_url": f"https://127.0.0.1:{control_plane.closed_port()}"}
    run = await ran(fleets(west=dead), policy)
    assert list(run.failures) == ["west"]
    assert [change for change in run.changes if change.kind != "ConfigMap"] == []
    assert await held(fleet, "east") == before
    async with on(fleet, "east") as kube:
        assert await kube.get("v1", "Service", "reviews", "shop") is not None


def test_the_command_of_the_page_removes_all_policies(
    fleets: Fleets, planes: dict[str, control_plane.ControlPlane], tmp_path: Path
) -> None:
    fleet, root = fleets(), Path(__file__).parents[2]
    asyncio.run(ran(fleet, SPLIT))
    page = (root / "docs" / "traffic.md").read_text(encoding="utf-8")
    (command,) = [line for line in page.splitlines() if line.startswith("ansible-playbook") and " -e " in line]
    _program, _i, _inventory, playbook, *arguments = shlex.split(command)
    hosts = {name: {"cluster_kubeconfig": str(plane.kubeconfig)} for name, plane in planes.items()}
    shared = {"fleet_name": "traffic", "cluster_provider": "kubeconfig", "mesh_traffic": [SPLIT]}
    group = {"vars": {**shared, "cluster_context": "admin"}, "hosts": hosts}
    # No istiod runs there, so nobody can be waited for.
    done = run_plays(tmp_path, group, root / playbook, *arguments, "-e", "traffic_timeout=0")
    assert done.code == 0, done.output
    assert asyncio.run(held(fleet, "west")) == asyncio.run(held(fleet, "east")) == []


def test_the_role_fails_clusters_in_which_no_policy_holds(
    fleets: Fleets, planes: dict[str, control_plane.ControlPlane], tmp_path: Path
) -> None:
    """No istiod runs there, so nobody says that proxies have the subsets, and there are no routes to them."""
    fleet = fleets()
    hosts = {name: {"cluster_kubeconfig": str(plane.kubeconfig)} for name, plane in planes.items()}
    shared = {"fleet_name": "traffic", "cluster_provider": "kubeconfig", "mesh_traffic": [SPLIT]}
    group = {"vars": {**shared, "cluster_context": "admin"}, "hosts": hosts}
    done = run_plays(tmp_path, group, role_play("traffic", traffic_timeout=1))
    assert done.code == 2
    for name in CLUSTERS:
        assert f"{name} Namespace istio-system: no istiod of revision default is ready" in done.output
        assert asyncio.run(held(fleet, name)) == BOTH[:1]
    gone = run_plays(tmp_path, group, role_play("traffic", tasks="absent"))
    assert gone.code == 0, gone.output
    assert asyncio.run(held(fleet, "west")) == []
