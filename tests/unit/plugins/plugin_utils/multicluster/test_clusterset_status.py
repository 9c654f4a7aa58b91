# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Conditions of exports that users made: when they are written, when they go, and what is asked of the API server."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.discovery import Resource
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset import (
    Merged,
    Source,
    export_conditions,
    merge,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_status import (
    Reported,
    report_on_others,
)

API = "multicluster.x-k8s.io/v1beta1"
PATH = "/apis/multicluster.x-k8s.io/v1beta1/namespaces/shop/serviceexports/orders/status"
OURS = "mesh.fleet-exports-set"
OLD, NOW = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"
MERGED = merge([Source("west", {"spec": {"ports": [{"port": 80}]}})])
CONDITIONS = export_conditions(MERGED, "west", None, OLD)


class Server:
    """Keeps what is asked of it, and answers with the object or with an error."""

    cluster, concurrency = "west", 4

    def __init__(self, status: int = 200) -> None:
        self.transport, self.status = self, status
        self.asked: list[tuple[str, str, dict[str, str], dict[str, t.Any]]] = []

    async def resource(self, api: str, kind: str) -> Resource:
        return Resource(api, kind, "serviceexports", namespaced=True)

    async def request(self, method: str, path: str, **more: t.Any) -> dict[str, t.Any]:
        self.asked.append((method, path, more["params"], more["body"]))
        if self.status != 200:
            raise ApiError("refused", status=self.status)
        return dict(more["body"])


def export(*managers: str, conditions: t.Sequence[t.Mapping[str, t.Any]] = ()) -> dict[str, t.Any]:
    written = [{"manager": "kubectl"}, *({"manager": one, "subresource": "status"} for one in managers)]
    meta = {"name": "orders", "namespace": "shop", "labels": {"team": "a"}, "managedFields": written}
    obj = {"apiVersion": API, "kind": "ServiceExport", "metadata": meta, "spec": {"exportedLabels": {"a": "b"}}}
    return {**obj, "status": {"conditions": list(conditions)}} if conditions else obj


def report(server: Server, live: dict[str, t.Any], merged: Merged | None, *, dry_run: bool = False) -> Reported:
    kube: t.Any = server
    return asyncio.run(report_on_others(kube, "set", [(live, merged)], NOW, dry_run=dry_run, diff=True))


@pytest.mark.parametrize("dry_run", [True, False])
def test_only_the_status_is_sent_and_nothing_is_forced(dry_run: bool) -> None:
    server = Server()
    reported = report(server, export(), MERGED, dry_run=dry_run)
    ((method, path, params, body),) = server.asked
    assert (method, path) == ("PATCH", PATH)
    assert params == {"fieldManager": OURS, **({"dryRun": "All"} if dry_run else {})}
    assert body["metadata"] == {"name": "orders", "namespace": "shop"}
    assert sorted(body) == ["apiVersion", "kind", "metadata", "status"]
    (change,) = reported.changes
    assert (change.described, change.action) == ("ServiceExport shop/orders", "changed")
    assert "Valid" not in change.before and "Valid" in change.after


def test_conditions_that_are_there_are_not_sent_again() -> None:
    server = Server()
    assert report(server, export(OURS, conditions=CONDITIONS), MERGED) == Reported([], [])
    assert server.asked == []


def test_our_conditions_go_and_those_of_others_do_not() -> None:
    server = Server()
    reported = report(server, export(OURS, conditions=CONDITIONS), None)
    assert "status" not in server.asked[0][3], "what is left out of an apply goes"
    assert [change.action for change in reported.changes] == ["changed"]
    server = Server()
    for managers in ((), ("other",), ("mesh.fleet-exports-other",), ("mesh.fleet",)):
        assert report(server, export(*managers, conditions=CONDITIONS), None) == Reported([], [])
    assert server.asked == []


def test_a_status_of_another_controller_is_told_and_left() -> None:
    server = Server()
    reported = report(server, export("other"), MERGED)
    assert (server.asked, reported.changes) == ([], [])
    (told,) = reported.warnings
    assert told.startswith("west: the status of ServiceExport shop/orders is of other")


def test_an_export_that_its_owner_removed_is_no_failure() -> None:
    assert report(Server(404), export(), MERGED) == Reported([], [])
    with pytest.raises(ApiError):
        report(Server(409), export(), MERGED)
