# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is not there, by the word of the API server alone: a real one, behind a proxy that answers as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.lease import drop, this_run
from ansible_collections.mesh.fleet.plugins.module_utils._kube.namespaces import contents
from ansible_collections.mesh.fleet.plugins.module_utils._kube.tls import server_context
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .control_plane import ADMIN_TOKEN, ControlPlane
from .forward_proxy import Answer, gate
from .manifests import config_map, crd, namespace_of, secret

Job = t.Callable[[Kube], t.Awaitable[t.Any]]
Way = t.Callable[[str, str], Answer | None]
JSON = "application/json"


def status(code: int, reason: str, **details: str) -> Answer:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "x", "reason": reason, "code": code}
    return code, JSON, json.dumps({**body, "details": details})


PAGE = (404, "text/html", "<html>No such page</html>")
PLAIN = (404, "text/plain", "404 page not found\n")
STRANGERS: dict[str, Answer] = {
    "a page": PAGE,
    "a Go proxy": PLAIN,
    "JSON of its own": (404, JSON, '{"type": "error", "status": 404, "message": "clusters c-xyz not found"}'),
    "nothing": (404, JSON, ""),
    "another cluster's name": status(404, "NotFound", name="c-xyz", kind="clusters"),
    "a Status that names nothing": status(404, "NotFound"),
    "a Status without a reason": status(404, ""),
    "a page that forbids": (403, "text/html", "<html>Blocked</html>"),
    "a page of the method": (405, "text/html", "<html>Not allowed</html>"),
}


def over(plane: ControlPlane, way: Way, job: Job, hides: t.Container[str] = ()) -> t.Any:
    """What a job gives that reaches the API server by a gate."""

    async def run() -> t.Any:
        async with gate(plane.server, server_context(plane.ca_pem.encode()), way, hides) as url:
            connection = Connection(server=url, token=ADMIN_TOKEN)
            async with Kube.connect(connection, cluster="west") as kube:
                return await job(kube)

    return asyncio.run(run())


def passing(_method: str, _path: str) -> None:
    return None


def gone(live: t.Any) -> tuple[bool, str]:
    return live is None, "it is there"


JOBS: dict[str, Job] = {
    "get": lambda kube: kube.get("v1", "Secret", "cacerts", "istio-system"),
    "list": lambda kube: kube.list("v1", "Secret", "istio-system"),
    "wait": lambda kube: kube.wait("v1", "Secret", "cacerts", "istio-system", until=gone, timeout=5),
    "remove": lambda kube: kube.delete("v1", "Secret", "cacerts", "istio-system"),
    "prune": lambda kube: kube.prune([], labels={"a": "b"}, kinds=[("v1", "Secret")]),
    "plan": lambda kube: kube.apply([secret("istio-system", "x")], dry_run=True),
    "a kind": lambda kube: kube.list("security.istio.io/v1", "AuthorizationPolicy"),
    "plan a kind": lambda kube: kube.apply([{**secret("x", "y"), "apiVersion": "a.example/v1"}], dry_run=True),
    "contents": lambda kube: contents(kube, "istio-system"),
    "the lease": lambda kube: drop(kube, this_run()),
    "version": lambda kube: kube.get_path("/version"),
}


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("answer", STRANGERS)
def test_a_stranger_says_of_nothing_that_it_is_not_there(plane: ControlPlane, answer: str, job: str) -> None:
    """It answers for the whole address."""
    with pytest.raises(FleetError) as caught:
        over(plane, lambda _method, _path: STRANGERS[answer], JOBS[job])
    assert isinstance(caught.value, ApiError)
    assert caught.value.status == 0, str(caught.value)
    assert "is not an API server's" in caught.value.what, str(caught.value)
    assert caught.value.cluster == "west"
    assert caught.value.next_step


def test_a_stranger_that_forbids_is_asked_about_rights(plane: ControlPlane) -> None:
    """Its address is right: clouds and Rancher check rights of their own before the API server."""
    with pytest.raises(ApiError, match="is not an API server's") as caught:
        over(plane, lambda _method, _path: STRANGERS["a page that forbids"], JOBS["get"])
    assert "refused this account" in caught.value.means
    assert "which rights the account has" in caught.value.next_step
    assert caught.value.forbidden
    with pytest.raises(ApiError) as caught:
        over(plane, lambda _method, _path: STRANGERS["a page of the method"], JOBS["get"])
    assert "rights" not in caught.value.next_step
    assert not caught.value.forbidden


@pytest.mark.parametrize("hides", [(), ("Audit-Id",)])
@pytest.mark.parametrize("answer", STRANGERS)
def test_a_stranger_between_that_lets_the_rest_pass(plane: ControlPlane, answer: str, hides: t.Any) -> None:
    """It keeps Secrets from us, and lets discovery through."""

    def way(_method: str, path: str) -> Answer | None:
        return STRANGERS[answer] if "/secrets" in path else None

    for job in ("get", "list", "wait", "remove", "prune", "plan"):
        with pytest.raises(ApiError, match="is not an API server's"):
            over(plane, way, JOBS[job], hides)


@pytest.mark.parametrize("hides", [(), ("Audit-Id",)])
def test_what_an_api_server_says_of_what_it_has_not(plane: ControlPlane, namespace: str, hides: t.Any) -> None:
    """Also by a proxy that passes on no header of its answers."""
    group = f"{namespace}.example"
    made = crd(group)
    kind = made["spec"]["names"]["kind"]
    thing = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "one", "namespace": namespace}}

    async def job(kube: Kube) -> None:
        await kube.apply([namespace_of(namespace)])
        for missing in (
            ("v1", "Secret", "none", namespace),
            ("v1", "Secret", "none", "no-such-namespace"),
            ("v1", "Namespace", "none"),
            ("apps/v1", "Gadget", "none", namespace),
            ("apps/v9", "Deployment", "none", namespace),
            ("v9", "Secret", "none", namespace),
            ("no.example/v1", "Thing", "none", namespace),
        ):
            assert await kube.get(*missing) is None
            assert await kube.list(*missing[:2], fields={"metadata.name": "none"}) == []
            gone_already = await kube.delete(*missing)
            assert gone_already.action == "unchanged"
        assert (await kube.apply([thing], dry_run=True))[0].action == "created"
        await kube.apply([made])
        assert await kube.list(f"{group}/v1", kind) == []
        # A kind that this connection knows, and the server no longer has.
        await kube.delete(made["apiVersion"], made["kind"], made["metadata"]["name"], wait=30)
        await kube.wait("apiregistration.k8s.io/v1", "APIService", f"v1.{group}", until=gone, timeout=30)
        assert await kube.get(f"{group}/v1", kind, "one", namespace) is None
        assert await kube.list(f"{group}/v1", kind) == []

    over(plane, passing, job, hides)


ANOTHER = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "another", "namespace": "istio-system"}}
NOT_OBJECTS: dict[str, t.Any] = {
    "nothing": {},
    "another name": ANOTHER,
    "another kind": {**ANOTHER, "kind": "ConfigMap", "metadata": {"name": "cacerts"}},
    "another version": {**ANOTHER, "apiVersion": "v9", "metadata": {"name": "cacerts"}},
    "no kinds": {"apiVersion": "v1", "resources": []},
    "a list of something else": {"apiVersion": "example/v1", "kind": "List", "metadata": {}, "items": []},
    "a Status": {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404},
}


@pytest.mark.parametrize("job", ["get", "list", "wait", "remove", "prune", "plan", "a kind", "contents"])
@pytest.mark.parametrize("answer", NOT_OBJECTS)
def test_a_good_answer_of_another_kind_is_none(plane: ControlPlane, answer: str, job: str) -> None:
    body = json.dumps(NOT_OBJECTS[answer])
    with pytest.raises(FleetError) as caught:
        over(plane, lambda _method, _path: (200, JSON, body), JOBS[job])
    assert "is not an API server's" in caught.value.what


def test_a_write_counts_when_the_server_says_what_it_wrote(plane: ControlPlane, namespace: str) -> None:
    async def prepare(kube: Kube) -> None:
        await kube.apply([namespace_of(namespace), config_map(namespace, a="1")])

    def way(method: str, _path: str) -> Answer | None:
        return None if method == "GET" else (200, JSON, "{}")

    over(plane, passing, prepare)
    for job in (
        lambda kube: kube.apply([config_map(namespace, a="2")]),
        lambda kube: kube.delete("v1", "ConfigMap", "settings", namespace),
    ):
        with pytest.raises(FleetError, match="is not an API server's"):
            over(plane, way, job)


def test_a_watch_that_a_stranger_ends_is_not_there(plane: ControlPlane) -> None:
    async def job(kube: Kube) -> None:
        async with contextlib.aclosing(kube.transport.lines("/api/v1/pods", {"watch": "1"}, obj="Pod")) as events:
            async for _event in events:
                pass

    with pytest.raises(ApiError, match="is not an API server's"):
        over(plane, lambda _method, _path: PAGE, job)
