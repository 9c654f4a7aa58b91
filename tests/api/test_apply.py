# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Server-side apply, pruning and removal on a real API server."""

from __future__ import annotations

import asyncio
import itertools
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.discovery import Kinds
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .control_plane import closed_port
from .manifests import config_map, crd, namespace_of, secret, webhook

Connect = t.Callable[..., Kube]


def actions(changes: t.Iterable[t.Any]) -> list[str]:
    return [f"{c.described} {c.action}" for c in changes]


def test_create_then_nothing_then_change(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            objects = [config_map(namespace, size="1"), namespace_of(namespace)]
            first = await kube.apply(objects)
            assert actions(first) == [f"Namespace {namespace} created", f"ConfigMap {namespace}/settings created"]
            assert first[1].before == ""
            assert "size: '1'" in first[1].after
            assert "managedFields" not in first[1].after
            again = await kube.apply(objects)
            assert {c.action for c in again} == {"unchanged"}
            assert again[0].after == ""
            (change,) = await kube.apply([config_map(namespace, size="2")])
            assert change.action == "changed"
            assert "size: '1'" in change.before
            assert "size: '2'" in change.after
            live = await kube.get("v1", "ConfigMap", "settings", namespace)
            assert live is not None
            assert live["data"] == {"size": "2"}
            assert live["metadata"]["managedFields"][0]["manager"] == "mesh.fleet"

    asyncio.run(run())


def test_a_field_left_out_is_removed_and_counts_as_a_change(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), config_map(namespace, a="1", b="2")])
            (change,) = await kube.apply([config_map(namespace, a="1")])
            assert change.action == "changed"
            live = await kube.get("v1", "ConfigMap", "settings", namespace)
            assert live is not None
            assert live["data"] == {"a": "1"}

    asyncio.run(run())


def test_what_was_decided_on_an_older_state_is_refused(connect: Connect, namespace: str) -> None:
    async def refused(work: t.Awaitable[t.Any]) -> None:
        with pytest.raises(ApiError) as raised:
            await work
        assert raised.value.status == 409

    async def run() -> None:
        async with connect() as kube:
            about = ("v1", "ConfigMap", "settings", namespace)
            await kube.apply([namespace_of(namespace)])
            (made,) = await kube.apply([config_map(namespace, a="1")], read=[])
            assert made.action == "created"
            await refused(kube.apply([config_map(namespace, a="2")], read=[]))
            old = await kube.get(*about)
            await kube.apply([config_map(namespace, a="2")], read=[old])
            await refused(kube.apply([config_map(namespace, a="3")], read=[old]))
            await refused(kube.delete(*about, read=old))
            new = await kube.get(*about)
            assert new and new["data"] == {"a": "2"}
            assert (await kube.delete(*about, read=new)).action == "removed"
            await refused(kube.apply([config_map(namespace, a="3")], read=[new]))
            assert await kube.get(*about) is None, "what somebody removed is not made again"

    asyncio.run(run())


def test_what_others_write_is_no_change_of_ours(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), config_map(namespace, a="1")])
            await kube.apply([config_map(namespace, other="x")], manager="somebody")
            (change,) = await kube.apply([config_map(namespace, a="1")])
            assert change.action == "unchanged"
            live = await kube.get("v1", "ConfigMap", "settings", namespace)
            assert live is not None
            assert live["data"] == {"a": "1", "other": "x"}

    asyncio.run(run())


def test_a_dry_run_keeps_nothing_and_reports_changes(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            objects = [namespace_of(namespace), config_map(namespace, a="1")]
            planned = await kube.apply(objects, dry_run=True)
            assert [c.action for c in planned] == ["created", "created"]
            assert "a: '1'" in planned[1].after
            assert await kube.get("v1", "Namespace", namespace) is None
            await kube.apply(objects)
            assert {c.action for c in await kube.apply(objects, dry_run=True)} == {"unchanged"}
            (change,) = await kube.apply([config_map(namespace, a="2")], dry_run=True)
            assert change.action == "changed"
            assert "a: '2'" in change.after
            live = await kube.get("v1", "ConfigMap", "settings", namespace)
            assert live is not None
            assert live["data"] == {"a": "1"}

    asyncio.run(run())


def test_what_an_object_refers_to_may_be_missing(connect: Connect, namespace: str) -> None:
    """An account without the right ``bind``: the server looks at the role, and its 404 names that."""

    def rbac(kind: str, name: str, **more: t.Any) -> dict[str, t.Any]:
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, **more}

    def binding(name: str, role: str) -> dict[str, t.Any]:
        to = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}
        who = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "limited"}
        return rbac("RoleBinding", name, roleRef=to, subjects=[who])

    groups, verbs = ["rbac.authorization.k8s.io"], ["get", "create", "patch"]

    async def run() -> None:
        async with connect() as kube:
            rule = {"apiGroups": groups, "resources": ["rolebindings"], "verbs": verbs}
            role = rbac("Role", "binder", rules=[rule])
            await kube.apply([namespace_of(namespace), role, binding("binder", "binder")])
        async with connect("limited") as kube:
            planned = await kube.apply([binding("early", "later")], dry_run=True)
            assert [change.action for change in planned] == ["created"]
            with pytest.raises(ApiError) as caught:
                await kube.apply([binding("early", "later")])
        assert caught.value.status == 404
        assert '"later" not found' in caught.value.seen
        assert "not an API server's" not in str(caught.value)

    asyncio.run(run())


def test_a_conflict_names_the_owner_and_take_over_ends_it(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            await kube.apply([config_map(namespace, a="theirs", b="theirs")], manager="kubectl-client-side-apply")
            wanted = [config_map(namespace, a="ours")]
            for dry_run in (True, False):
                with pytest.raises(FleetError) as caught:
                    await kube.apply(wanted, dry_run=dry_run)
                error = caught.value
                assert error.cluster == "west"
                assert error.obj == f"ConfigMap {namespace}/settings"
                assert error.seen == "kubectl-client-side-apply owns .data.a"
                assert "take it over" in error.next_step
            with pytest.raises(FleetError, match="belong to somebody else"):
                await kube.apply(wanted, take_over=["istioctl"])
            (change,) = await kube.apply(wanted, take_over=["kubectl-client-side-apply"])
            assert change.action == "changed"
            live = await kube.get("v1", "ConfigMap", "settings", namespace)
            assert live is not None
            assert live["data"] == {"a": "ours", "b": "theirs"}

    asyncio.run(run())


def test_secret_values_are_masked_but_their_change_is_seen(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            (_namespace, created) = await kube.apply([namespace_of(namespace), secret(namespace, "first-value")])
            assert created.kind == "Secret"
            (unchanged,) = await kube.apply([secret(namespace, "first-value")])
            assert unchanged.action == "unchanged"
            (change,) = await kube.apply([secret(namespace, "other-value")])
            assert change.action == "changed"
            assert change.before != change.after
            shown = created.after + change.before + change.after
            for value in ("first-value", "other-value", "Zmlyc3Qt", "b3RoZXIt"):
                assert value not in shown
            (clear,) = await kube.apply([secret(namespace, "third-value")], mask=False)
            assert "dGhpcmQtdmFsdWU=" in clear.after

    asyncio.run(run())


def test_a_refused_secret_does_not_show_its_value(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            bad = secret(namespace, "x")
            bad["data"] = {"key": 12345678}
            with pytest.raises(FleetError) as caught:
                await kube.apply([bad])
            assert "12345678" not in str(caught.value)
            bad["data"] = {"key": "not base64 hunter2"}
            with pytest.raises(FleetError) as caught:
                await kube.apply([bad])
            assert "hunter2" not in str(caught.value)

    asyncio.run(run())


def test_kinds_that_were_just_made_are_listed_before_it_goes_on(
    connect: Connect, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who connects next would find them missing. An account that may not list kinds is not held up."""
    asked: list[str] = []
    listed = Kinds.listed

    async def late(self: Kinds, transport: t.Any, api_version: str) -> list[str]:
        asked.append(api_version)
        if len(asked) == 1:
            raise ApiError("not there yet", status=404)
        return [] if len(asked) < 4 else await listed(self, transport, api_version)

    async def forbidden(_self: Kinds, _transport: t.Any, api_version: str) -> list[str]:
        asked.append(api_version)
        raise ApiError("refused", status=403)

    async def run() -> None:
        group = f"{namespace}.example.com"
        monkeypatch.setattr(Kinds, "listed", late)
        async with connect() as kube:
            await kube.apply([crd(group)])
        assert len(asked) >= 4
        async with connect() as kube:
            assert await kube.list(f"{group}/v1", "Widget") == []
        asked.clear()
        monkeypatch.setattr(Kinds, "listed", forbidden)
        async with connect() as kube:
            await kube.apply([crd(f"other.{group}")])
        assert len(asked) == 1

    asyncio.run(run())


def test_crd_and_its_object_in_one_go(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        group = f"{namespace}.example.com"
        widget = {
            "apiVersion": f"{group}/v1",
            "kind": "Widget",
            "metadata": {"name": "one", "namespace": namespace},
            "spec": {"size": 3},
        }
        async with connect() as kube:
            objects = [widget, crd(group), namespace_of(namespace)]
            assert {c.action for c in await kube.apply(objects, dry_run=True)} == {"created"}
            assert await kube.list(f"{group}/v1", "Widget") == []
            assert await kube.get(f"{group}/v1", "Widget", "one", namespace) is None
            assert {c.action for c in await kube.apply(objects)} == {"created"}
        async with connect() as kube:
            assert {c.action for c in await kube.apply(objects)} == {"unchanged"}
            (found,) = await kube.list(f"{group}/v1", "Widget")
            assert found["spec"] == {"size": 3}
            with pytest.raises(FleetError) as caught:
                await kube.apply([{**widget, "kind": "Wigdet"}])
            assert 'did you mean "Widget"?' in caught.value.means
            with pytest.raises(FleetError) as caught:
                await kube.apply([{**widget, "spec": {"sise": 3}}])
            assert "sise" in caught.value.seen

    asyncio.run(run())


def test_all_failures_come_in_one_error_and_the_rest_is_applied(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            broken = config_map(namespace, "Not_A_Name")
            homeless = config_map(f"{namespace}-missing", a="1")
            with pytest.raises(FleetError) as caught:
                await kube.apply([namespace_of(namespace), broken, homeless, config_map(namespace, a="1")])
            assert caught.value.what == "2 of 3 objects could not be applied"
            assert f"ConfigMap {namespace}/Not_A_Name" in caught.value.seen
            assert f"ConfigMap {namespace}-missing/settings" in caught.value.seen
            assert "namespace does not exist" in caught.value.means
            assert await kube.get("v1", "ConfigMap", "settings", namespace) is not None

    asyncio.run(run())


def test_what_is_no_manifest_is_refused_before_anything_is_sent(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            objects = [namespace_of(namespace), {"kind": "ConfigMap", "metadata": {}}, namespace_of(namespace)]
            with pytest.raises(FleetError) as caught:
                await kube.apply(objects)
            assert "object 2" in caught.value.seen
            assert "no apiVersion, metadata.name" in caught.value.seen
            assert "there twice" in caught.value.seen
            assert await kube.get("v1", "Namespace", namespace) is None

    asyncio.run(run())


def test_prune_deletes_ours_alone(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            labels = owner_labels(namespace, "prod")
            kept, gone = config_map(namespace, "kept", a="1"), config_map(namespace, "gone", a="1")
            await kube.apply([namespace_of(namespace)])
            await kube.apply([kept, gone, secret(namespace, "x")], labels=labels)
            await kube.apply([config_map(namespace, "foreign", a="1")])
            await kube.apply([config_map(namespace, "other-role", a="1")], labels=owner_labels("another", "prod"))
            await kube.apply([config_map(namespace, "of-staging")], labels=owner_labels(namespace, "staging"))
            copied = config_map(namespace, "of-a-controller")
            live = await kube.get("v1", "ConfigMap", "kept", namespace)
            uid = live["metadata"]["uid"]
            owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kept", "uid": uid, "controller": True}
            copied["metadata"] |= {"ownerReferences": [owner]}
            await kube.apply([copied], labels=labels)
            kinds = [("v1", "ConfigMap"), ("v1", "Secret"), ("nowhere.example.com/v1", "Thing")]
            planned = await kube.prune([kept], labels=labels, kinds=kinds, dry_run=True)
            assert sorted(actions(planned)) == [
                f"ConfigMap {namespace}/gone removed",
                f"Secret {namespace}/credentials removed",
            ]
            assert await kube.get("v1", "ConfigMap", "gone", namespace) is not None
            done = await kube.prune([kept], labels=labels, kinds=kinds, wait=60)
            assert sorted(actions(done)) == sorted(actions(planned))
            assert "password: '(masked" in next(c.before for c in done if c.kind == "Secret")
            left = [o["metadata"]["name"] for o in await kube.list("v1", "ConfigMap", namespace)]
            assert sorted(left) == ["foreign", "kept", "of-a-controller", "of-staging", "other-role"]
            assert await kube.prune([kept], labels=labels, kinds=kinds) == []
            with pytest.raises(ValueError, match="without labels"):
                await kube.prune([], labels={}, kinds=kinds)

    asyncio.run(run())


def test_what_records_no_fleet_goes_only_with_consent(connect: Connect, namespace: str) -> None:
    former = {"app.kubernetes.io/managed-by": "mesh.fleet", "mesh.fleet/part-of": namespace}
    labels, kinds = owner_labels(namespace, "prod"), [("v1", "ConfigMap")]

    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            objects = [config_map(namespace, "wanted", a="1"), config_map(namespace, "unwanted")]
            await kube.apply(objects, labels=former)
            (change,) = await kube.apply(objects[:1], labels=labels)
            live = await kube.get("v1", "ConfigMap", "wanted", namespace)
            assert change.action == "changed" and live["metadata"]["labels"] == labels
            assert await kube.prune(objects[:1], labels=labels, kinds=kinds) == []
            assert kube.left == [f"ConfigMap {namespace}/unwanted"]
            (warning,) = kube.left_warnings
            assert f"ConfigMap {namespace}/unwanted stayed" in warning and "mesh_take_over" in warning
        async with connect(take_over=True) as kube:
            done = await kube.prune(objects[:1], labels=labels, kinds=kinds)
            assert actions(done) == [f"ConfigMap {namespace}/unwanted removed"]

    asyncio.run(run())


def test_what_is_of_another_fleet_is_not_overwritten(connect: Connect, namespace: str) -> None:
    wanted = [config_map(namespace, a="staging")]

    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            await kube.apply([config_map(namespace, a="prod")], labels=owner_labels("apps", "prod"))
            for dry_run in (True, False):
                with pytest.raises(FleetError, match="it belongs to fleet prod") as caught:
                    await kube.apply(wanted, labels=owner_labels("apps", "staging"), dry_run=dry_run)
            assert "mesh_take_over" in caught.value.next_step
            assert (await kube.get("v1", "ConfigMap", "settings", namespace))["data"] == {"a": "prod"}
        async with connect(take_over=True) as kube:
            (change,) = await kube.apply(wanted, labels=owner_labels("apps", "staging"))
            assert change.action == "changed"

    asyncio.run(run())


def test_what_carries_our_mark_is_ours_whoever_edits_it(connect: Connect, namespace: str) -> None:
    labels = owner_labels("apps", "prod")

    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            await kube.apply([config_map(namespace, a="1")], labels=labels)
            edited = {**config_map(namespace, a="2")}
            edited["metadata"] = {**edited["metadata"], "labels": labels}
            await kube.apply([edited], manager="restore", take_over=["mesh.fleet"])
            (change,) = await kube.apply([config_map(namespace, a="1")], labels=labels)
            live = await kube.get("v1", "ConfigMap", "settings", namespace)
            assert change.action == "changed" and live["data"] == {"a": "1"}

    asyncio.run(run())


def test_the_number_of_pods_that_an_autoscaler_set_stays(connect: Connect, namespace: str) -> None:
    labels = owner_labels("apps", "prod")

    def deployment(image: str) -> dict[str, t.Any]:
        pods = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "a", "image": image}]}}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": pods}
        meta = {"name": "a", "namespace": namespace}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}

    async def scale(kube: Kube, manager: str, replicas: int) -> None:
        await kube.transport.request(
            "PATCH",
            f"/apis/apps/v1/namespaces/{namespace}/deployments/a/scale",
            params={"fieldManager": manager},
            body={"spec": {"replicas": replicas}},
            content_type="application/merge-patch+json",
        )

    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), deployment("one")], labels=labels)
            for manager, replicas, expected in (("kube-controller-manager", 5, 5), ("kubectl", 0, 1)):
                await scale(kube, manager, replicas)
                await kube.apply([deployment("two")], labels=labels)
                live = await kube.get("apps/v1", "Deployment", "a", namespace)
                assert live["spec"]["replicas"] == expected
                assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "two"

    asyncio.run(run())


def test_delete(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), config_map(namespace, a="1")])
            planned = await kube.delete("v1", "ConfigMap", "settings", namespace, dry_run=True)
            assert planned.action == "removed"
            assert await kube.get("v1", "ConfigMap", "settings", namespace) is not None
            done = await kube.delete("v1", "ConfigMap", "settings", namespace, wait=60)
            assert "a: '1'" in done.before
            assert (await kube.delete("v1", "ConfigMap", "settings", namespace)).action == "unchanged"
            assert (await kube.delete("nowhere.example.com/v1", "Thing", "x", "y")).action == "unchanged"

    asyncio.run(run())


def test_two_hundred_objects_at_once(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        objects = [config_map(namespace, f"number-{i}", a=str(i)) for i in range(200)]
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            assert {c.action for c in await kube.apply(objects)} == {"created"}
            assert {c.action for c in await kube.apply(objects)} == {"unchanged"}
            assert len(await kube.list("v1", "ConfigMap", namespace)) == 200
            removed = await kube.remove(objects)
            assert {c.action for c in removed} == {"removed"}
            assert await kube.list("v1", "ConfigMap", namespace) == []

    asyncio.run(run())


def test_a_long_list_comes_in_pages(connect: Connect, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), *(config_map(namespace, f"n-{i}") for i in range(7))])
            assert len(await kube.list("v1", "ConfigMap", namespace)) == 7

    monkeypatch.setattr("ansible_collections.mesh.fleet.plugins.module_utils._kube.reading._PAGE", "3")
    asyncio.run(run())


def test_a_cluster_that_does_not_exist_yet_is_empty(tmp_path: t.Any) -> None:
    async def run() -> None:
        missing = Connection(kubeconfig=str(tmp_path / "none.yaml"), context="west")
        async with Kube.connect(missing, cluster="west", absent_ok=True) as kube:
            assert kube.absent
            assert await kube.get("v1", "Secret", "x", "y") is None
            assert await kube.list("v1", "Pod") == []
            planned = await kube.apply([namespace_of("new"), secret("new", "hidden-value")], dry_run=True)
            assert [c.action for c in planned] == ["created", "created"]
            assert "hidden-value" not in planned[1].after
            assert "aGlkZGVuLXZhbHVl" not in planned[1].after
            assert await kube.prune([], labels={"a": "b"}, kinds=[("v1", "Secret")]) == []
            assert (await kube.delete("v1", "Secret", "x", "y", wait=5)).action == "unchanged"
            assert await kube.wait("v1", "Pod", "x", "y", until=lambda _o: (False, "no")) is None

    asyncio.run(run())


async def apply_until(kube: Kube, namespace: str, asked: asyncio.Event | None = None) -> str:
    """Create ConfigMaps until one is refused, or one went through although the webhook was ``asked``."""
    async with asyncio.timeout(120):
        for number in itertools.count():  # the API server knows of a webhook a moment later
            (change,) = await kube.apply([config_map(namespace, f"n-{number}", a="1")])
            if asked and asked.is_set():
                return str(change.action)
    return ""


def test_a_webhook_that_does_not_answer_is_named(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            hook = webhook(namespace, closed_port())
            kube.transport.webhook_seconds = 0.5
            await kube.apply([namespace_of(namespace), hook])
            try:
                with pytest.raises(FleetError) as caught:
                    await apply_until(kube, namespace)
                assert "check.example.com" in caught.value.seen
                assert "(the same for " in caught.value.seen
                assert "admission webhook did not answer" in caught.value.means
            finally:
                await kube.remove([hook])

    asyncio.run(run())


def test_a_webhook_silent_for_a_moment_is_asked_again(connect: Connect, namespace: str) -> None:
    """As istiod's while it rolls: it takes the connection, and the API server waits for its answer in vain."""

    async def run() -> None:
        connections, first, second = itertools.count(1), asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            (first if next(connections) == 1 else second).set()
            await reader.read()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        hook = webhook(namespace, server.sockets[0].getsockname()[1])
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), hook])
            try:
                waiting = asyncio.ensure_future(apply_until(kube, namespace, first))
                done, _pending = await asyncio.wait(
                    {waiting, asyncio.ensure_future(second.wait())},
                    timeout=120,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                assert waiting not in done, "it gave up at the first time-out"
                await kube.remove([hook])
                assert await waiting == "created"
            finally:
                await kube.remove([hook])
                server.close()

    asyncio.run(run())
