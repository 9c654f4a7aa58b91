# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remote secrets are written as they were read, or not at all."""

from __future__ import annotations

import asyncio
import types
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import LABEL, REMOVE, KeyPlan
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.forgetting import RAN
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import Options, PeeringState
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.writing import write_once


def test_a_secret_is_deleted_only_as_it_was_read() -> None:
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig", "fleet_name": "prod"}}, environment())
    labels = {LABEL: "true", **owner_labels("peering", "prod")}
    secret = {"metadata": {"name": "istio-remote-secrets", "labels": labels}, "data": {"gone": ""}}
    done: list[tuple[str, t.Any]] = []

    async def delete(_version: str, _kind: str, name: str, _namespace: str, *, dry_run: bool, read: t.Any) -> Change:
        done.append((name, read["metadata"]))
        return Change("west", "Secret", name, "removed")

    async def get(*_: t.Any) -> dict[str, t.Any]:
        return {"metadata": {"name": "istiod"}}

    async def pods(*_: t.Any) -> list[dict[str, t.Any]]:
        return [{"metadata": {"name": "istiod-1", "labels": {"istio.io/rev": "default"}}}]

    async def apply(objects: list[dict[str, t.Any]], *, manager: str) -> list[Change]:
        done.append((manager, objects[0]["metadata"]["annotations"]))
        return []

    state = PeeringState(fleet, ["west"], Options(sync=False))
    about = {"absent": False, "cluster": "west"}
    state.kubes["west"] = t.cast(
        "t.Any", types.SimpleNamespace(**about, delete=delete, get=get, pods=pods, apply=apply)
    )
    state.live["west"] = [secret]
    state.plans["west"] = [KeyPlan("gone", REMOVE, home="istio-remote-secrets")]
    asyncio.run(write_once(state, "west"))
    # What another run put into it since is not lost: the API server refuses, and this run decides anew.
    assert done == [
        ("mesh.fleet-removed-peers", {RAN: "istiod-1"}),  # first: a run that is killed after the removal is finished
        ("istio-remote-secrets", secret["metadata"]),
    ]
