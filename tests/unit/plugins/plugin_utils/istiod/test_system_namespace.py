# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose namespace istio-system is: ours, nobody's, or Google's, which nothing of ours gets into."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    CREATED,
    MANAGED_BY,
    MANAGER,
    USER,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod import system_namespace
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.system_namespace import (
    ensure_namespace,
    is_election,
    leave_namespace,
)

Json = dict[str, t.Any]
GOOGLES = {"metadata": {"name": "istiod-asm-managed", "labels": {"istio.io/owned-by": "mesh.googleapis.com"}}}
OTHERS = {"metadata": {"name": "cert-manager-webhook", "labels": {"app": "webhook"}}}
FLEET = read_fleet({"west": {"cluster_region": "us-west1"}}, environment())


class Cluster:
    """A namespace with these labels (None: there is none), and these webhooks."""

    def __init__(self, labels: Json | None, *hooks: Json) -> None:
        self.labels, self.hooks = labels, hooks
        self.asked = 0
        self.applied: list[Json] = []

    async def get(self, *_what: str) -> Json | None:
        return None if self.labels is None else {"metadata": {"name": "istio-system", "labels": self.labels}}

    async def list(self, *_what: str) -> tuple[Json, ...]:
        self.asked += 1
        return self.hooks

    async def apply(self, objects: list[Json], **_options: t.Any) -> list[Json]:
        self.applied += objects
        return []


def ensure(cluster: Cluster) -> None:
    asyncio.run(ensure_namespace(cluster, FLEET, FLEET.clusters["west"]))


@pytest.mark.parametrize(
    ("labels", "hooks", "asked"),
    [
        (None, (), 0),
        ({MANAGED_BY: MANAGER}, (OTHERS,), 0),
        (owner_labels("control_plane", FLEET.name), (OTHERS,), 0),
        ({}, (OTHERS,), 1),
    ],
    ids=["none", "of an earlier version", "ours", "of others"],
)
def test_where_no_control_plane_of_googles_is(labels: Json | None, hooks: tuple[Json, ...], asked: int) -> None:
    cluster = Cluster(labels, *hooks)
    ensure(cluster)
    assert [o["metadata"]["name"] for o in cluster.applied] == ["istio-system"]
    assert cluster.asked == asked


def test_nothing_of_ours_gets_into_googles() -> None:
    cluster = Cluster({"istio.io/owned-by": "mesh.googleapis.com"}, OTHERS, GOOGLES)
    with pytest.raises(FleetError) as refused:
        ensure(cluster)
    assert cluster.applied == []
    assert "Google runs a control plane in it" in refused.value.what
    assert refused.value.obj == "MutatingWebhookConfiguration istiod-asm-managed"
    assert "set mesh_control_plane: managed for west" in refused.value.next_step


def test_a_new_namespace_is_marked_as_made_by_us(monkeypatch: pytest.MonkeyPatch) -> None:
    claimed: list[t.Any] = []

    async def claim(_kube: t.Any, wanted: Json, live: Json | None, *, dry_run: bool) -> list[str]:
        claimed.append((CREATED in wanted["metadata"].get("annotations", {}), live is None, dry_run))
        return ["claimed"]

    monkeypatch.setattr(system_namespace, "claim_namespace", claim)
    west = FLEET.clusters["west"]
    options: list[tuple[Json | None, dict[str, bool]]] = [(None, {"dry_run": True}), ({}, {})]
    for labels, more in options:
        assert asyncio.run(ensure_namespace(t.cast(t.Any, Cluster(labels)), FLEET, west, **more)) == ["claimed"]
    assert claimed == [(True, True, True), (False, False, False)]


class Leaving:
    """Leave a namespace that is like this; what is done then, and with which predicate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, live: Json | None, foreign: t.Sequence[str] = ()) -> None:
        self.live, self.foreign = live, list(foreign)
        self.done: list[t.Any] = []
        self.ours: t.Callable[[Json], bool] = lambda _obj: False
        self.take_over = False
        for name in ("leave_to_others", "forget_namespace"):
            monkeypatch.setattr(system_namespace, name, self._recorder(name))
        monkeypatch.setattr(system_namespace, "remove_namespace", self._remove)

    def _recorder(self, name: str) -> t.Any:
        async def record(kube: t.Any, live: Json, fleet: str, *, dry_run: bool) -> list[str]:
            assert (kube, live, fleet) == (self, self.live, FLEET.name)
            self.done.append((name, dry_run))
            return [name]

        return record

    async def _remove(self, kube: t.Any, live: Json, *, ours: t.Any, dry_run: bool, wait: float) -> t.Any:
        assert (kube, live) == (self, self.live)
        self.ours = ours
        self.done.append(("remove_namespace", dry_run, wait))
        return [] if self.foreign else ["removed"], self.foreign

    async def get(self, *what: str) -> Json | None:
        assert what == ("v1", "Namespace", "istio-system")
        return self.live

    def leave(self, **more: t.Any) -> tuple[t.Any, str]:
        return asyncio.run(leave_namespace(t.cast(t.Any, self), FLEET, **more))


MADE: Json = {"labels": owner_labels("control_plane", FLEET.name), "annotations": {CREATED: "true"}}


def test_a_namespace_of_ours_goes_with_what_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    leaving = Leaving(monkeypatch, {"metadata": MADE})
    assert leaving.leave() == (["removed"], "")
    assert leaving.leave(dry_run=True, seconds=7) == (["removed"], "")
    assert leaving.done == [("remove_namespace", False, 120), ("remove_namespace", True, 7)]
    nothing = Leaving(monkeypatch, None)
    assert (nothing.leave(), nothing.done) == (([], ""), [])


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_namespace_of_others_is_only_left(monkeypatch: pytest.MonkeyPatch, dry_run: bool) -> None:
    shared = {**MADE, "labels": {**MADE["labels"], f"{USER}blue": "apps", f"{USER}green": "apps"}}
    leaving = Leaving(monkeypatch, {"metadata": shared})
    used = "istio-system is used by fleet blue, green"
    assert leaving.leave(dry_run=dry_run) == (["leave_to_others"], used)
    assert leaving.done == [("leave_to_others", dry_run)]
    before = Leaving(monkeypatch, {"metadata": {"labels": MADE["labels"]}})
    assert before.leave(dry_run=dry_run) == (["forget_namespace"], "istio-system was there before")
    assert before.done == [("forget_namespace", dry_run)]


@pytest.mark.parametrize(
    ("count", "shown"),
    [(1, "o1"), (3, "o1, o2, o3"), (4, "o1, o2, o3 and 1 more")],
)
def test_what_keeps_a_namespace_is_named(monkeypatch: pytest.MonkeyPatch, count: int, shown: str) -> None:
    leaving = Leaving(monkeypatch, {"metadata": MADE}, [f"o{number}" for number in range(1, count + 1)])
    assert leaving.leave() == ([], f"istio-system holds {shown}")


LEADER = {"control-plane.alpha.kubernetes.io/leader": "{}"}


def obj(kind: str, name: str, labels: Json | None = None, annotations: Json | None = None) -> Json:
    return {"kind": kind, "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}}}


@pytest.mark.parametrize(
    ("what", "ours", "by_consent"),
    [
        (obj("Deployment", "istiod", owner_labels("control_plane", FLEET.name)), True, True),
        (obj("Secret", "cacerts", owner_labels("trust", FLEET.name)), True, True),
        (obj("Secret", "istio-remote-secrets", owner_labels("peering", FLEET.name)), True, True),
        (obj("Deployment", "gateway", owner_labels("gateways", FLEET.name)), False, False),
        (obj("Deployment", "istiod", owner_labels("control_plane", "another")), False, False),
        (obj("ConfigMap", "istio-ca-root-cert"), True, True),
        (obj("Secret", "istio-ca-secret"), True, True),
        (obj("ConfigMap", "istio-ca-secret"), False, False),
        (obj("Secret", "theirs"), False, False),
        (obj("Lease", "istio-gateway-election"), True, True),
        (obj("ConfigMap", "istio-leader", annotations=LEADER), True, True),
        (obj("Deployment", "istiod", {MANAGED_BY: MANAGER}), False, True),
    ],
    ids=lambda value: f"{value['kind']} {value['metadata']['name']}" if isinstance(value, dict) else "",
)
def test_what_goes_with_the_control_plane(
    monkeypatch: pytest.MonkeyPatch, what: Json, ours: bool, by_consent: bool
) -> None:
    leaving = Leaving(monkeypatch, {"metadata": MADE})
    leaving.leave()
    assert leaving.ours(what) is ours
    leaving.take_over = True
    assert leaving.ours(what) is by_consent


@pytest.mark.parametrize(
    ("what", "election"),
    [
        (obj("Lease", "istio-leader"), True),
        (obj("ConfigMap", "istio-leader", annotations=LEADER), True),
        (obj("ConfigMap", "istio"), False),
        (obj("ConfigMap", "istio-sidecar-injector"), False),
        (obj("Service", "istio-leader", annotations=LEADER), False),
        (obj("Lease", "theirs"), False),
        (obj("ConfigMap", "theirs", annotations=LEADER), False),
    ],
)
def test_by_what_istiods_elect_a_leader(what: Json, election: bool) -> None:
    assert is_election(what) is election
