# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is recorded instead of applied, and what a client reads meanwhile."""

from __future__ import annotations

import asyncio
import functools
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import (
    SECRET,
    Recording,
    recording,
    recording_as,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection

Object = dict[str, t.Any]
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2lnbmF0dXJl"


def obj(kind: str, name: str, namespace: str = "x", api: str = "v1", **more: t.Any) -> Object:
    labels = more.pop("labels", {})
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        **more,
    }


def runs(test: t.Callable[..., t.Awaitable[None]]) -> t.Callable[..., None]:
    @functools.wraps(test)
    def run(*args: t.Any, **values: t.Any) -> None:
        asyncio.run(t.cast(t.Coroutine[t.Any, t.Any, None], test(*args, **values)))

    return run


@pytest.fixture
def record() -> t.Iterator[Recording]:
    with recording_as(Recording()) as record:
        yield record


def client(cluster: str = "west") -> Kube:
    """One that nobody could connect."""
    return Kube.connect(Connection(server="https://nowhere.invalid", token="x"), cluster=cluster)


@runs
async def test_what_is_applied_is_recorded_and_read_again(record: Recording) -> None:
    async with client() as kube:
        changes = await kube.apply([obj("ConfigMap", "a", data={"k": "v"})], labels={"mesh.fleet/fleet": "f"})
        assert [change.action for change in changes] == ["created"]
        live = await kube.get("v1", "ConfigMap", "a", "x")
        assert live is not None and live["metadata"]["labels"] == {"mesh.fleet/fleet": "f"}
        assert await kube.list("v1", "ConfigMap", labels={"mesh.fleet/fleet": "f"}) == [live]
        assert await kube.list("v1", "ConfigMap", labels={"mesh.fleet/fleet": "g"}) == []
        live["data"] = {}
        assert await kube.get("v1", "ConfigMap", "a", "x") != live
    async with client("east") as kube:
        assert await kube.get("v1", "ConfigMap", "a", "x") is None
    assert list(record.objects) == ["west"]


@runs
async def test_what_earlier_tasks_recorded_is_there() -> None:
    earlier = obj("Service", "a")
    with recording_as(Recording(lambda cluster: [earlier] if cluster == "west" else [])) as record:
        async with client() as kube:
            assert await kube.get("v1", "Service", "a", "x") == earlier
            assert await kube.get("v1", "Service", "a", "y") is None
    assert record.objects == {}


@runs
async def test_a_part_of_an_object_is_not_recorded(record: Recording) -> None:
    async with client() as kube:
        await kube.apply([obj("Deployment", "a", api="apps/v1")], manager="mesh.fleet-serves")
    assert record.objects == {}


@pytest.mark.parametrize(
    "secret",
    [
        obj("Secret", "a", data={"k": "dg=="}),
        obj("Secret", "a", stringData={"k": "v"}),
        obj("ConfigMap", "a", data={"key.pem": KEY}),
        obj(
            "Deployment", "a", api="apps/v1", spec={"template": [{"env": [{"name": "T", "value": f"Bearer {TOKEN}"}]}]}
        ),
        obj("Deployment", "a", api="apps/v1", spec={"env": [{"name": "T", "value": "postgres://tom:hunter2@db"}]}),
        obj("ConfigMap", "a", data={"header": "Bearer abcdefghijkl"}),
        obj("ConfigMap", "a", data={"config.yaml": "user: tom\npassword: hunter2\n"}),
        obj("ConfigMap", "a", data={"password": "hunter2"}),
    ],
)
@runs
async def test_what_holds_a_secret_is_named_instead(record: Recording, secret: Object) -> None:
    async with client() as kube:
        await kube.apply([secret])
    assert record.objects == {}
    (left,) = record.left_out.values()
    assert (left.cluster, left.object) == ("west", f"{secret['kind']} x/a")
    assert left.why.startswith(SECRET if secret["kind"] == "Secret" else f"{SECRET} in ")
    assert "hunter2" not in left.why


@runs
async def test_a_secret_without_data_is_no_secret(record: Recording) -> None:
    async with client() as kube:
        await kube.apply([obj("Secret", "token", type="kubernetes.io/service-account-token")])
    assert len(record.objects["west"]) == 1


@runs
async def test_a_workload_has_a_pod(record: Recording) -> None:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}}
    async with client() as kube:
        await kube.apply([obj("Deployment", "a", api="apps/v1", spec={"template": template})])
        assert len(await kube.list("v1", "Pod", namespace="x", labels={"app": "a"})) == 1
        assert await kube.list("v1", "Pod", namespace="x", labels={"app": "b"}) == []
        assert await kube.list("v1", "Pod", namespace="y", labels={"app": "a"}) == []


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("a=1", True),
        ("a=2", False),
        ("a!=2,a=1", True),
        ("a!=1", False),
        ("b!=1", True),
        ("a", True),
        ("b", False),
        ("", True),
    ],
)
@runs
async def test_selectors_are_kubectls(record: Recording, selector: str, found: bool) -> None:
    async with client() as kube:
        await kube.apply([obj("ConfigMap", "c", labels={"a": "1"})])
        assert bool(await kube.list("v1", "ConfigMap", labels=selector)) is found


@runs
async def test_fields_select_too(record: Recording) -> None:
    async with client() as kube:
        await kube.apply([obj("Secret", "c", type="token")])
        assert await kube.list("v1", "Secret", fields={"type": "token"})
        assert not await kube.list("v1", "Secret", fields={"type": "Opaque"})
        assert not await kube.list("v1", "Secret", fields={"type.more": "token"})


def test_a_crd_says_where_its_objects_are(record: Recording) -> None:
    spec = {"group": "example.com", "scope": "Cluster", "names": {"kind": "Widget"}}
    record.apply("west", [obj("CustomResourceDefinition", "w", "", "apiextensions.k8s.io/v1", spec=spec)])
    assert record.namespaced("west", "example.com/v1", "Widget") is False
    assert record.namespaced("west", "other.com/v1", "Widget") is None
    assert record.namespaced("west", "v1", "Service") is True
    assert record.namespaced("west", "v1", "Namespace") is False


def test_what_is_left_out_is_named_once(record: Recording) -> None:
    record.leave_out("west", "release a", "first")
    record.leave_out("west", "release a", "second")
    assert [left.why for left in record.left_out.values()] == ["first"]


def test_files_with_a_secret_are_not_recorded(record: Recording) -> None:
    keys = {"certificate_chain": {"filename": "/keys/tls.crt"}, "private_key": {"filename": "/keys/tls.key"}}
    files: dict[str, t.Any] = {"clusters.yaml": {"resources": []}, "secret-a.yaml": {"resources": [keys]}}
    assert record.write("door", files) == "" and record.files == {"door": files}
    keys["private_key"] = {"inline_string": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}
    assert record.files["door"] != files, "what a caller changes afterwards is not recorded"
    said = record.write("other", files)
    assert said == "secret-a.yaml: resources.0.private_key.inline_string" and list(record.files) == ["door"]


def test_without_a_recording_clients_connect() -> None:
    assert recording() is None
    assert client().record is None
