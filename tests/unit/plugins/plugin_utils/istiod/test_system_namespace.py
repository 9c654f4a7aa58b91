# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose namespace istio-system is: ours, nobody's, or Google's, which nothing of ours gets into."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    MANAGED_BY,
    MANAGER,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.system_namespace import ensure_namespace

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
