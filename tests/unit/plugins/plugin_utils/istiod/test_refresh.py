# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a primary's istiod is restarted for the sake of a remote's trust domain, and when not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod import refresh as istiod_refresh
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.refresh import refresh_istiod

FLEET = read_fleet(
    {
        name: {"cluster_provider": "kubeconfig", "mesh_trust_domain": "shop.example", **more}
        for name, more in {
            "west": {},
            "edge": {"mesh_role": "remote", "mesh_primary": "west"},
            "rim": {"mesh_role": "remote", "mesh_primary": "west"},
            "lone": {},
        }.items()
    },
    environment(),
)
POD = {
    "metadata": {"name": "istiod-1", "labels": {"istio.io/rev": "default"}},
    "status": {"containerStatuses": [{"name": "discovery", "ready": True}]},
}


class Primary:
    """A primary whose istiod knows pods under these trust domains, by cluster."""

    absent = False
    cluster = "west"

    def __init__(
        self,
        known: dict[str, str],
        ready: bool = True,
        serves: str = "west: edge,rim",
        watched: t.Sequence[str] = ("edge", "rim"),
    ) -> None:
        shards = {
            f"Kubernetes/{name}": [{"ServiceAccount": f"spiffe://{domain}/ns/a/sa/b"}] for name, domain in known.items()
        }
        self.page = json.dumps({"a.b.svc.cluster.local": {"b": {"Shards": shards}}})
        self.ready = ready
        self.serves, self.watched = serves, watched
        self.applied: list[dict[str, t.Any]] = []
        self.waited: list[str] = []

    async def get(self, _api: str, kind: str, name: str, _namespace: str) -> dict[str, t.Any]:
        assert (kind, name) == ("Deployment", "istiod")
        return {"metadata": {"name": name, "annotations": {"mesh.fleet/serves": self.serves} if self.serves else {}}}

    async def list(self, *_: t.Any) -> list[dict[str, t.Any]]:
        meta = {"name": "istio-remote-secrets", "labels": {"istio/multiCluster": "true"}}
        return [{"metadata": meta, "data": dict.fromkeys(self.watched, "")}]

    async def pods(self, *_: t.Any) -> list[dict[str, t.Any]]:
        return [POD] if self.ready else []

    async def exec(self, *_: t.Any, **__: t.Any) -> t.Any:
        return types.SimpleNamespace(code=0, stdout=self.page, stderr="")

    async def apply(self, objects: list[dict[str, t.Any]], *, manager: str, dry_run: bool) -> list[Change]:
        assert manager != "mesh.fleet", "the fields of Helm's Deployment are not ours to drop again"
        self.applied += objects
        return [Change("west", "Deployment", "istiod", "changed")]

    async def wait_deployment(self, name: str, *_: t.Any, **__: t.Any) -> None:
        self.waited.append(name)


@pytest.fixture
def remotes(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """The mesh configuration that each remote holds; None: the remote does not answer."""
    held: dict[str, str | None] = {"edge": "trustDomain: shop.example", "rim": "trustDomain: shop.example"}

    @contextlib.asynccontextmanager
    async def connect(_connection: t.Any, *, cluster: str, absent_ok: bool) -> t.AsyncIterator[t.Any]:
        mesh = held[cluster]
        if mesh is None:
            raise FleetError("connection refused")

        async def get(_api: str, kind: str, name: str, namespace: str) -> dict[str, t.Any]:
            assert (kind, name, namespace) == ("ConfigMap", "istio", "istio-system")
            return {"data": {"mesh": mesh}}

        yield types.SimpleNamespace(get=get)

    monkeypatch.setattr(istiod_refresh, "Kube", types.SimpleNamespace(connect=connect))
    return held


def refreshed(primary: Primary, name: str = "west", dry_run: bool = False) -> tuple[list[Change], dict[str, list[str]]]:
    return asyncio.run(refresh_istiod(primary, FLEET, FLEET.clusters[name], dry_run=dry_run, seconds=5))


def test_a_trust_domain_that_came_later_is_a_restart(remotes: dict[str, str | None]) -> None:
    west = Primary({"west": "shop.example", "edge": "cluster.local", "rim": "shop.example"})
    changes, because = refreshed(west)
    assert because == {"trust-domain": ["edge"]}
    assert [c.action for c in changes] == ["changed"]
    (patch,) = west.applied
    assert set(patch["spec"]["template"]["metadata"]["annotations"]) == {"mesh.fleet/restarted-for-trust-domain"}
    assert west.waited == ["istiod"]


def test_check_mode_says_it_and_does_not_wait(remotes: dict[str, str | None]) -> None:
    west = Primary({"edge": "cluster.local"})
    assert refreshed(west, dry_run=True)[1] == {"trust-domain": ["edge"]}
    assert west.waited == []


@pytest.mark.parametrize("mesh", [None, "", "trustDomain: other.example", "{broken", "[]"])
def test_a_restart_that_would_change_nothing_is_not_made(remotes: dict[str, str | None], mesh: str | None) -> None:
    remotes["edge"] = mesh
    west = Primary({"edge": "cluster.local"})
    assert refreshed(west) == ([], {})
    assert west.applied == []


def test_a_view_in_step_no_istiod_or_no_remotes_change_nothing(remotes: dict[str, str | None]) -> None:
    for west, name in (
        (Primary({"west": "shop.example", "edge": "shop.example"}), "west"),
        (Primary({}), "west"),
        (Primary({"edge": "cluster.local"}, ready=False), "west"),
        (Primary({"edge": "cluster.local"}, serves=""), "lone"),
    ):
        assert refreshed(west, name) == ([], {})
        assert west.applied == []


@pytest.mark.parametrize(
    ("serves", "watched", "restarted_for"),
    [
        ("west: edge", ["edge", "rim"], ["rim"]),
        ("west: edge", ["edge"], []),
        ("west: ", ["edge", "rim"], ["edge", "rim"]),
        ("former: edge,rim", ["edge", "rim"], ["edge", "rim"]),
        ("", [], []),
        ("west: edge,rim,was", ["edge", "rim", "was"], []),
    ],
    ids=["watched before it was its remote", "not peered yet", "none before", "renamed", "just made", "another's now"],
)
def test_a_cluster_that_became_its_remote_later_is_a_restart(
    remotes: dict[str, str | None], serves: str, watched: list[str], restarted_for: list[str]
) -> None:
    """istiod asked whether it serves the cluster when it read the remote secret, and does not ask again."""
    west = Primary({}, serves=serves, watched=watched)
    _changes, because = refreshed(west)
    assert because == ({"remotes": restarted_for} if restarted_for else {})
    *restarts, record = west.applied
    assert [set(one["spec"]["template"]["metadata"]["annotations"]) for one in restarts] == (
        [{"mesh.fleet/restarted-for-remotes"}] if restarted_for else []
    )
    assert record["metadata"]["annotations"] == {"mesh.fleet/serves": "west: edge,rim"}, "it is not asked again"


def test_a_primary_that_serves_nobody_any_more_records_it(remotes: dict[str, str | None]) -> None:
    lone = Primary({}, serves="lone: edge")
    assert refreshed(lone, "lone")[1] == {}
    assert [one["metadata"]["annotations"] for one in lone.applied] == [{"mesh.fleet/serves": "lone: "}]
