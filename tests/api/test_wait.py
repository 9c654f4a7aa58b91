# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting by watching, tokens, and what a wait reports after its timeout."""

from __future__ import annotations

import asyncio
import datetime
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import (
    deployment_ready,
    exists,
    gone,
    load_balancer_address,
    secret_has_keys,
)
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from . import control_plane
from .manifests import config_map, crd, namespace_of, secret

Connect = t.Callable[..., Kube]
LABELS = {"app": "sample"}
SECONDS = 120
"""Until what is awaited must be there: more than a busy machine needs."""


def deployment(namespace: str) -> dict[str, t.Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "sample", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"containers": [{"name": "main", "image": "nowhere/none:1"}]},
            },
        },
    }


SPEC: dict[str, t.Any] = deployment("")["spec"]


class Watches:
    """Counts the watches that a client begins, and lets a test wait for them."""

    def __init__(self, kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
        self.versions: list[str] = []
        """From which resource version on each of them was asked for."""
        self._another = asyncio.Condition()
        self._lines = kube.transport.lines
        monkeypatch.setattr(kube.transport, "lines", self.lines)

    async def lines(self, path: str, params: t.Any, *, obj: str) -> t.AsyncIterator[dict[str, t.Any]]:
        async with self._another:
            self.versions.append(params["resourceVersion"])
            self._another.notify_all()
        async for event in self._lines(path, params, obj=obj):
            yield event

    async def begun(self, count: int) -> None:
        async with asyncio.timeout(SECONDS), self._another:
            await self._another.wait_for(lambda: len(self.versions) >= count)


def test_it_sees_a_change_by_a_watch(connect: Connect, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            watches = Watches(kube, monkeypatch)
            waiting = asyncio.ensure_future(
                kube.wait("v1", "Secret", "credentials", namespace, until=secret_has_keys("password"), timeout=SECONDS)
            )
            await watches.begun(1)
            assert not waiting.done()
            await kube.apply([secret(namespace, "x")])
            found = await waiting
            assert len(watches.versions) == 1, "the watch reported the change, nothing was listed again"
            assert found is not None
            assert found["kind"] == "Secret"
            assert "password" in found["data"]

    asyncio.run(run())


def test_a_timeout_reports_what_was_seen(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), secret(namespace, "x")])
            with pytest.raises(FleetError) as caught:
                await kube.wait("v1", "Secret", "credentials", namespace, until=secret_has_keys("ca.crt"), timeout=0.5)
            error = caught.value
            assert error.what == "not as expected after 0.5 s"
            assert error.seen == "no ca.crt in it"
            assert (error.cluster, error.obj) == ("west", f"Secret {namespace}/credentials")
            with pytest.raises(FleetError) as caught:
                await kube.wait("apps/v1", "Deployment", "istiod", namespace, until=deployment_ready, timeout=0.5)
            assert caught.value.seen == "it does not exist"
            with pytest.raises(FleetError) as caught:
                await kube.wait("v1", "Service", "kubernetes", "default", until=load_balancer_address, timeout=0.5)
            assert "ClusterIP" in caught.value.seen

    asyncio.run(run())


def test_however_short_the_time_it_looks_once(connect: Connect) -> None:
    async def run() -> None:
        async with connect() as kube:
            found = await kube.wait("v1", "Namespace", "default", until=exists, timeout=0)
            assert found is not None
            with pytest.raises(FleetError) as caught:
                await kube.wait("v1", "Namespace", "not-there", until=exists, timeout=0)
            assert caught.value.seen == "it does not exist"

    asyncio.run(run())


def test_why_a_deployment_is_not_ready(connect: Connect, namespace: str) -> None:
    """Pods and their states are written here as a kubelet would: there are no nodes."""

    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), deployment(namespace)])
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "sample-1", "namespace": namespace, "labels": LABELS},
                "spec": deployment(namespace)["spec"]["template"]["spec"],
            }
            await kube.apply([pod])
            waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling nowhere/none:1"}
            status = {
                "containerStatuses": [
                    {
                        "name": "main",
                        "ready": False,
                        "image": "x",
                        "imageID": "",
                        "restartCount": 0,
                        "state": {"waiting": waiting},
                    }
                ]
            }
            path = f"/api/v1/namespaces/{namespace}/pods/sample-1/status"
            await kube.transport.request(
                "PATCH", path, body={"status": status}, content_type="application/merge-patch+json"
            )
            with pytest.raises(FleetError) as caught:
                await kube.wait("apps/v1", "Deployment", "sample", namespace, until=deployment_ready, timeout=0.5)
            assert caught.value.means == (
                "pod sample-1, container main: ImagePullBackOff: Back-off pulling nowhere/none:1"
            )
            # Another test of the session may have started the controllers by now.
            assert caught.value.seen in ("its controller has not processed it yet", "0/1 ready")

    asyncio.run(run())


def test_a_deployment_is_ready_when_its_pods_are(new_plane: control_plane.Start, namespace: str) -> None:
    """As after a stop of all nodes: the Deployment's status is of before, the pod's is of now. No controller runs."""
    connection = Connection(kubeconfig=str(new_plane("stopped").kubeconfig), context="admin")
    merge = "application/merge-patch+json"
    started = {"name": "main", "image": "x", "imageID": "", "restartCount": 1, "ready": False}

    def patch(kube: Kube, path: str, status: dict[str, t.Any]) -> t.Awaitable[t.Any]:
        return kube.transport.request("PATCH", f"{path}/status", body={"status": status}, content_type=merge)

    async def run() -> None:
        async with Kube.connect(connection, cluster="west") as kube:
            await kube.apply([namespace_of(namespace), deployment(namespace)])
            at = f"/apis/apps/v1/namespaces/{namespace}/deployments/sample"
            counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
            await patch(kube, at, {**counts, "observedGeneration": 1})
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "sample-1", "namespace": namespace, "labels": LABELS},
                "spec": SPEC["template"]["spec"],
            }
            await kube.apply([pod])
            at = f"/api/v1/namespaces/{namespace}/pods/sample-1"
            crash = {**started, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}
            await patch(kube, at, {"containerStatuses": [crash]})
            with pytest.raises(NotInTime) as caught:
                await kube.wait_deployment("sample", namespace, timeout=1)
            assert caught.value.obj == f"Deployment {namespace}/sample"
            assert caught.value.means == "pod sample-1, container main: CrashLoopBackOff: back-off"
            await patch(kube, at, {"conditions": [{"type": "Ready", "status": "True"}]})
            await kube.wait_deployment("sample", namespace, timeout=SECONDS)
            with pytest.raises(FleetError) as low:
                await kube.wait_deployment("sample", namespace, timeout=SECONDS, least=2)
            assert low.value.what == "it has too few pods"

    asyncio.run(run())


def test_all_objects_of_a_kind(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])

            def three(items: t.Sequence[t.Any]) -> tuple[bool, str]:
                return len(items) >= 3, f"{len(items)} of 3"

            waiting = asyncio.ensure_future(
                kube.wait_list("v1", "ConfigMap", namespace, {"set": "a"}, until=three, timeout=SECONDS)
            )
            for number in range(3):
                await kube.apply([config_map(namespace, f"n-{number}")], labels={"set": "a"})
            await kube.apply([config_map(namespace, "other")])
            assert sorted(o["metadata"]["name"] for o in await waiting) == ["n-0", "n-1", "n-2"]
            await kube.delete("v1", "ConfigMap", "n-0", namespace)
            with pytest.raises(FleetError) as caught:
                await kube.wait_list("v1", "ConfigMap", namespace, {"set": "a"}, until=three, timeout=0.5)
            assert caught.value.seen == "2 of 3"

    asyncio.run(run())


def test_a_watch_goes_on_after_the_server_ended_it(
    connect: Connect, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            watches = Watches(kube, monkeypatch)
            waiting = asyncio.ensure_future(
                kube.wait("v1", "ConfigMap", "settings", namespace, until=exists, timeout=SECONDS)
            )
            await watches.begun(3)  # the server ends each of them after a second
            await kube.apply([config_map(namespace, a="1")])
            assert await waiting is not None

    monkeypatch.setattr("ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting._WATCH_SECONDS", "1")
    asyncio.run(run())


def test_history_that_is_gone_is_listed_again(
    connect: Connect, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            lines = kube.transport.lines
            asked: list[str] = []

            async def first_gone(path: str, params: t.Any, *, obj: str) -> t.AsyncIterator[dict[str, t.Any]]:
                asked.append(params["resourceVersion"])
                if len(asked) == 1:  # an API server answers this when etcd was compacted in between
                    yield {"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}
                    return
                async for event in lines(path, params, obj=obj):
                    yield event

            monkeypatch.setattr(kube.transport, "lines", first_gone)
            watches = Watches(kube, monkeypatch)
            waiting = asyncio.ensure_future(
                kube.wait("v1", "ConfigMap", "settings", namespace, until=exists, timeout=SECONDS)
            )
            await watches.begun(2)
            await kube.apply([config_map(namespace, a="1")])
            assert await waiting is not None
            assert len(asked) == 2

    asyncio.run(run())


def test_no_right_to_watch_is_reported_at_once(connect: Connect) -> None:
    async def run() -> None:
        async with connect("limited") as kube:
            async with asyncio.timeout(SECONDS):
                await kube.wait("v1", "ConfigMap", "x", "default", until=exists, timeout=10 * SECONDS)

    with pytest.raises(ApiError) as caught:
        asyncio.run(run())
    assert caught.value.status == 403


def test_token_request(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "reader", "namespace": namespace},
        }
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), account])
            token, expires = await kube.token(namespace, "reader", seconds=7200)
            left = expires - datetime.datetime.now(datetime.UTC)
            assert datetime.timedelta(minutes=115) < left <= datetime.timedelta(minutes=121)
            assert token.count(".") == 2
            with pytest.raises(ApiError) as caught:
                await kube.token(namespace, "nobody")
            assert caught.value.status == 404
            assert caught.value.obj == f"ServiceAccount {namespace}/nobody"

    asyncio.run(run())


def held_up(obj: dict[str, t.Any] | None) -> tuple[bool, str]:
    """Its controller has found what keeps it."""
    found = ((obj or {}).get("status") or {}).get("conditions") or []
    return any("example.com/hold" in str(c.get("message")) for c in found), f"conditions {found}"


def test_namespace_gone(plane: control_plane.ControlPlane, connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            held = config_map(namespace, a="1")
            held["metadata"]["finalizers"] = ["example.com/hold"]
            await kube.apply([namespace_of(namespace), held])
            await kube.delete("v1", "Namespace", namespace)
            await kube.wait("v1", "Namespace", namespace, until=held_up, timeout=SECONDS)
            with pytest.raises(FleetError) as caught:
                await kube.wait("v1", "Namespace", namespace, until=gone, timeout=0.5)
            assert "example.com/hold" in caught.value.seen
            with pytest.raises(FleetError) as caught:
                await kube.apply([config_map(namespace, "late", a="1")])
            assert caught.value.means == "the namespace is being deleted"
            await kube.apply([config_map(namespace, a="1")])  # without the finalizer
            await kube.wait("v1", "Namespace", namespace, until=gone, timeout=SECONDS)
            assert await kube.get("v1", "Namespace", namespace) is None

    plane.start_controllers()
    asyncio.run(run())


def test_crd_removed_and_gone(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            definition = crd(f"{namespace}.example.com")
            await kube.apply([definition])
            (change,) = await kube.remove([definition], wait=SECONDS)
            assert change.action == "removed"

    asyncio.run(run())
