# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies on two real API servers with Istio's kinds: what a run writes, in which order, and what it leaves alone."""

from __future__ import annotations

import asyncio
import os
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.policies import checked_policies
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.run import TrafficRun
from tests.policies import live

from . import control_plane
from .gke_clusters import actions, on, put
from .loop import in_loop

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
