# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What keeps a namespace, on a real API server with all its kinds."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.namespaces import remove_namespace, what_keeps
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels, owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.other_users import other_users
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.system_namespace import (
    ensure_namespace,
    leave_namespace,
)

from .manifests import config_map, crd, namespace_of, secret

Connect = t.Callable[..., Kube]
Json = dict[str, t.Any]
OURS = owner_labels("apps", "here")


def ours(obj: t.Mapping[str, t.Any]) -> bool:
    return has_our_labels(obj, "here", "apps")


def made(api_version: str, kind: str, namespace: str, name: str = "x", **more: t.Any) -> Json:
    meta = {"name": name, "namespace": namespace, **more.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **more}


def owned_by(
    api_version: str, kind: str, name: str = "owner", uid: str = "5c4cb9f1-0000-4000-8000-000000000000"
) -> Json:
    """Metadata of an object whose owner is not in the namespace."""
    owner = {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid}
    return {"ownerReferences": [owner]}


def claim(namespace: str) -> Json:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return made("v1", "PersistentVolumeClaim", namespace, "data", spec=spec)


def token_secret(namespace: str, name: str) -> Json:
    notes = {"annotations": {"kubernetes.io/service-account.name": "robot"}}
    return made("v1", "Secret", namespace, name, type="kubernetes.io/service-account-token", metadata=notes)


def test_what_others_made_keeps_a_namespace(connect: Connect, namespace: str) -> None:
    widgets = crd(f"{namespace}.example.com")
    workload = {
        "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x:1"}]}},
    }
    foreign = [
        made("apps/v1", "Deployment", namespace, spec=workload),
        made("rbac.authorization.k8s.io/v1", "Role", namespace),
        made("coordination.k8s.io/v1", "Lease", namespace),
        made(f"{namespace}.example.com/v1", "Widget", namespace),
        made("v1", "ServiceAccount", namespace, "robot"),
        config_map(namespace, "kept", a="1"),
        {**config_map(namespace, "of-a-node"), "metadata": made("", "", namespace, "of-a-node")["metadata"]},
        secret(namespace, "x"),
        token_secret(namespace, "robot-long-lived"),
    ]
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": namespace}}

    async def run() -> None:
        async with connect() as kube:
            await kube.apply([node])
            # A node that is there: the garbage collector takes what an owner that is not there has left.
            owner = await kube.get("v1", "Node", namespace)
            assert owner is not None
            foreign[6]["metadata"] |= owned_by("v1", "Node", namespace, owner["metadata"]["uid"])
            await kube.apply([namespace_of(namespace), widgets, *foreign])
            await kube.apply([claim(namespace)], labels=OURS)
            await kube.apply([{**config_map(namespace, "of-staging")}], labels=owner_labels("apps", "elsewhere"))
            assert await what_keeps(kube, namespace, ours) == [
                "PersistentVolumeClaim data",
                "ConfigMap kept",
                "ConfigMap of-a-node",
                "ConfigMap of-staging",
                "Deployment x",
                "Lease x",
                "Role x",
                "Secret credentials",
                "Secret robot-long-lived",
                "ServiceAccount robot",
                "Widget x",
            ]
            live = await kube.get("v1", "Namespace", namespace)
            assert live is not None
            changes, kept = await remove_namespace(kube, live, ours=ours, dry_run=False)
            assert changes == [] and len(kept) == 11
            assert await kube.get("v1", "ConfigMap", "kept", namespace) is not None
            await kube.delete("v1", "Node", namespace)

    asyncio.run(run())


def test_what_kubernetes_puts_there_keeps_no_namespace(connect: Connect, namespace: str) -> None:
    derived = config_map(namespace, "gone-with-its-owner")
    derived["metadata"] |= owned_by("apps/v1", "ReplicaSet")
    event = made("v1", "Event", namespace, involvedObject={"kind": "Pod", "namespace": namespace, "name": "x"})
    service = made("v1", "Service", namespace, "web", spec={"ports": [{"port": 80}]}, metadata={"labels": OURS})

    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), made("v1", "ServiceAccount", namespace, "robot")], labels=OURS)
            await kube.apply(
                [
                    made("v1", "ConfigMap", namespace, "kube-root-ca.crt"),
                    made("v1", "Endpoints", namespace, "web"),
                    service,
                    token_secret(namespace, "robot-token-x7k2p"),
                    derived,
                    event,
                ]
            )
            assert await what_keeps(kube, namespace, ours) == []
            live = await kube.get("v1", "Namespace", namespace)
            assert live is not None
            # Somebody deleted the namespace and made it again meanwhile: that one was not looked at.
            other = {**live, "metadata": {**live["metadata"], "uid": "5c4cb9f1-0000-4000-8000-000000000000"}}
            with pytest.raises(ApiError) as refused:
                await remove_namespace(kube, other, ours=ours, dry_run=False)
            assert refused.value.status == 409
            (change,), kept = await remove_namespace(kube, live, ours=ours, dry_run=False)
            assert (change.described, change.action, kept) == (f"Namespace {namespace}", "removed", [])

    asyncio.run(run())


def test_kinds_that_cannot_be_listed_keep_a_namespace(connect: Connect, namespace: str) -> None:
    version = f"v1.{namespace}.example.org"
    spec = {
        "group": version.removeprefix("v1."),
        "version": "v1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"name": "nobody", "namespace": namespace},
    }
    broken = {**made("apiregistration.k8s.io/v1", "APIService", "", spec=spec), "metadata": {"name": version}}

    def is_judged(live: Json | None) -> tuple[bool, str]:
        return bool(((live or {}).get("status") or {}).get("conditions")), "no condition"

    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), broken])
            try:
                await kube.wait(broken["apiVersion"], "APIService", version, until=is_judged, timeout=60)
                kept = await what_keeps(kube, namespace, ours)
                assert kept == [f"kinds of {spec['group']}/v1, which does not answer"]
            finally:
                await kube.remove([broken])

    asyncio.run(run())


def fleet_named(name: str, namespace: str, **more: str) -> Fleet:
    host = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "/k", "mesh_id": "one", "cluster_region": "eu"}
    return read_fleet({"west": {**host, "fleet_name": name, "mesh_namespace": namespace, **more}})


def test_the_control_planes_namespace_goes_with_its_last_fleet(connect: Connect, namespace: str) -> None:
    prod, canary = fleet_named("prod", namespace), fleet_named("canary", namespace, mesh_revision="canary")
    network = "topology.istio.io/network"

    async def labels(kube: Kube) -> dict[str, str]:
        live = await kube.get("v1", "Namespace", namespace)
        assert live is not None and live["metadata"]["annotations"] == {"mesh.fleet/created": "true"}
        return {
            key: value for key, value in live["metadata"]["labels"].items() if "mesh.fleet" in key or key == network
        }

    async def run() -> None:
        async with connect() as kube:
            for fleet in (prod, canary, prod, canary):
                await ensure_namespace(kube, fleet, fleet.clusters["west"])
            both = {
                "mesh.fleet/fleet": "prod",
                "mesh.fleet/part-of": "control_plane",
                "users.mesh.fleet/canary": "control_plane",
                network: "one-flat",
            }
            assert await labels(kube) == both
            assert await other_users(kube, prod) == ["fleet canary"]
            assert await other_users(kube, canary) == ["fleet prod"]
            _changes, why = await leave_namespace(kube, prod)
            assert why == f"{namespace} is used by fleet canary"
            assert await labels(kube) == {"users.mesh.fleet/canary": "control_plane", network: "one-flat"}
            await ensure_namespace(kube, canary, canary.clusters["west"])
            assert (await labels(kube))["mesh.fleet/fleet"] == "canary"
            (planned,), why = await leave_namespace(kube, canary, dry_run=True)
            assert (planned.action, why) == ("removed", "")

    asyncio.run(run())


def test_a_fleet_that_only_used_a_namespace_leaves_no_mark(connect: Connect, namespace: str) -> None:
    prod, canary = fleet_named("prod", namespace), fleet_named("canary", namespace, mesh_revision="canary")

    async def run() -> None:
        async with connect() as kube:
            await ensure_namespace(kube, prod, prod.clusters["west"])
            before = await kube.get("v1", "Namespace", namespace)
            await ensure_namespace(kube, canary, canary.clusters["west"])
            assert (await leave_namespace(kube, canary))[1] == f"{namespace} is used by fleet prod"
            after = await kube.get("v1", "Namespace", namespace)
            assert before is not None and after is not None
            assert after["metadata"]["labels"] == before["metadata"]["labels"]
            other = fleet_named("other", namespace, mesh_network="elsewhere")
            with pytest.raises(FleetError, match="it belongs to fleet prod") as refused:
                await ensure_namespace(kube, other, other.clusters["west"])
            assert "topology.istio.io/network is one-flat, not elsewhere" in refused.value.seen

    asyncio.run(run())


def test_what_else_is_in_the_control_planes_namespace_keeps_it(connect: Connect, namespace: str) -> None:
    prod = fleet_named("prod", namespace)
    spec = {
        "selector": {"matchLabels": {"app": "istiod"}},
        "template": {
            "metadata": {"labels": {"app": "istiod"}},
            "spec": {"containers": [{"name": "x", "image": "x:1"}]},
        },
    }
    canary = made(
        "apps/v1", "Deployment", namespace, "istiod-canary", spec=spec, metadata={"labels": {"app": "istiod"}}
    )

    async def run() -> None:
        async with connect() as kube:
            await ensure_namespace(kube, prod, prod.clusters["west"])
            await kube.apply([{**secret(namespace, "x")}], labels=owner_labels("trust", "prod"))
            await kube.apply([config_map(namespace, "a-gateways")], labels=owner_labels("gateways", "prod"))
            await kube.apply([config_map(namespace, "istio-ca-root-cert"), config_map(namespace, "theirs"), canary])
            assert f"istiod {namespace}/istiod-canary" in await other_users(kube, prod)
            changes, why = await leave_namespace(kube, prod)
            assert changes == []
            expected = "ConfigMap a-gateways, ConfigMap theirs, Deployment istiod-canary"
            assert why == f"{namespace} holds {expected}"
            await kube.remove([canary])

    asyncio.run(run())
