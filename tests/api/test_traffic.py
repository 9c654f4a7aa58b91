# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies on two real API servers with Istio's kinds: what a run writes, in which order, and what it leaves alone."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.record import object_name, read_record
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.addresses import allocated
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.policies import checked_policies
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.run import TrafficRun
from tests.policies import live

from . import control_plane
from .gke_clusters import actions, on, put
from .loop import in_loop
from .manifests import namespace_of

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
    for name in CLUSTERS:
        async with on(fleet, name) as kube:
            for kind in KINDS:
                await kube.remove(await kube.list(API, kind))
            await kube.remove(await kube.list("v1", "Service", "shop"))
            await kube.remove(await kube.list("v1", "ConfigMap", "istio-system"))
            await kube.apply([namespace_of("istio-system")])
            objects = live([name])[name]
            await kube.apply(
                [
                    {
                        "apiVersion": "v1",
                        "kind": "ServiceAccount",
                        "metadata": {"name": "default", "namespace": "shop"},
                    },
                    *objects,
                ]
            )


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
