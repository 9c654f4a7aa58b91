# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An istiod that keeps pods of a removed peer among those of global names: restarted once, also by the next run."""

from __future__ import annotations

import asyncio
import json
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    KEEP,
    LABEL,
    REMOVE,
    KeyPlan,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import scopes
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.forgetting import RAN, forget_pods, remember_istiods
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import Options, PeeringState


class West:
    """west's API server and istiod, which has pods of these clusters behind ServiceEntries until it is restarted."""

    absent = False
    cluster = "west"

    def __init__(self, *keeps: str, held: t.Sequence[str] = ("good",), ran: str = "", fails: bool = False) -> None:
        self.keeps, self.held, self.ran, self.fails = keeps, held, ran, fails
        self.pod, self.restarts, self.pages = "istiod-old", 0, 0

    async def get(self, _version: str, kind: str, name: str, _space: str) -> dict[str, t.Any]:
        assert (kind, name) == ("Deployment", "istiod")
        return {"metadata": {"name": name, "annotations": {RAN: self.ran} if self.ran else {}}}

    async def list(self, *_: t.Any) -> list[dict[str, t.Any]]:
        meta = {"name": "istio-remote-secrets", "labels": {LABEL: "true"}}
        return [{"metadata": meta, "data": dict.fromkeys(self.held, "")}]

    async def pods(self, *_: t.Any) -> list[dict[str, t.Any]]:
        ready = {"containerStatuses": [{"name": "discovery", "ready": True}]}
        return [{"metadata": {"name": self.pod, "labels": {"istio.io/rev": "default"}}, "status": ready}]

    async def exec(self, _space: str, pod: str, _container: str, command: list[str], **_: t.Any) -> t.Any:
        assert pod == self.pod, "an istiod that was replaced was asked"
        page = command[-1].rpartition("/")[2]
        listed = [{"id": n, "secretName": "s", "syncStatus": "synced"} for n in self.held]
        keeps = [{"Locality": {"ClusterID": name}} for name in ("west", *self.held, *self.keeps)]
        self.pages += page == "endpointShardz"
        text = {
            "clusterz": json.dumps([{"id": "west", "syncStatus": "synced"}, *listed]),
            "metrics": f'istiod_managed_clusters{{cluster_type="remote"}} {len(self.held)}\n',
            "endpointShardz": json.dumps({"a.b.global": {"b": {"Shards": {"External/west": keeps}}}}),
        }[page]
        return types.SimpleNamespace(code=0, stdout=text, stderr="")

    async def apply(
        self, objects: t.Sequence[dict[str, t.Any]], *, manager: str, dry_run: bool = False
    ) -> list[Change]:
        if manager == "mesh.fleet-restart":
            self.restarts += not dry_run
            return [Change("west", "Deployment", "istiod", "changed")]
        assert not dry_run
        self.ran = (objects[0]["metadata"].get("annotations") or {}).get(RAN, "")
        return []

    async def wait_deployment(self, *_: t.Any, **__: t.Any) -> None:
        if self.fails:
            raise FleetError("it does not become ready", cluster="west")
        self.pod, self.keeps = f"istiod-new-{self.restarts}", ()


def state_of(kube: West, gone: t.Sequence[str] = (), **options: t.Any) -> PeeringState:
    watches = {"west": ["good"], "good": [], "east": []}
    fleet = read_fleet(
        {name: {"cluster_provider": "kubeconfig", "mesh_peers": them} for name, them in watches.items()}, environment()
    )
    state = PeeringState(fleet, ["west"], Options(timeout=0.5, **options))
    state.kubes["west"] = t.cast("t.Any", kube)
    state.live["west"] = []
    state.plans["west"] = [KeyPlan("good", KEEP), *(KeyPlan(name, REMOVE) for name in gone)]
    return state


def run(kube: West, gone: t.Sequence[str] = (), remember: bool = True, **options: t.Any) -> PeeringState:
    """One run, from before the Secret is written."""
    state = state_of(kube, gone, **options)
    (west,) = (scope for scope in scopes(state.fleet, ["west"]) if scope.watcher == "west")

    async def both() -> None:
        if remember:
            await remember_istiods(state, "west")
        await forget_pods(state, west)

    asyncio.run(both())
    return state


def test_an_istiod_that_keeps_pods_of_a_peer_is_restarted_once() -> None:
    kube = West("east")
    state = run(kube, ["east"])
    assert kube.restarts == 1 and kube.ran == ""
    assert [(c.kind, c.action) for c in state.changes] == [("Deployment", "changed")]
    assert state.warnings == ["west: its istiod was restarted, as it keeps pods of east behind global names"]
    again = run(kube)
    assert (kube.restarts, again.changes, again.warnings) == (1, [], [])


def test_a_run_that_was_killed_after_the_removal_is_finished() -> None:
    kube = West("east")
    asyncio.run(remember_istiods(state_of(kube, ["east"]), "west"))
    assert kube.ran == "istiod-old", "there before the Secret is written"
    run(kube)
    assert kube.restarts == 1 and kube.ran == ""


def test_a_run_that_was_killed_later_restarts_no_more() -> None:
    kube = West(ran="istiod-older")
    assert run(kube).changes == []
    assert kube.restarts == 0 and kube.ran == ""


def test_without_pods_behind_global_names_nothing_is_restarted() -> None:
    kube = West()
    assert run(kube, ["east"]).changes == []
    assert kube.restarts == 0
    kube.keeps = ("east",)  # a global name that was made since
    run(kube)
    assert kube.restarts == 1


def test_where_nothing_was_removed_no_page_is_read() -> None:
    kube = West("east")
    assert run(kube).changes == []
    assert kube.pages == 0


def test_a_restart_that_fails_is_made_again() -> None:
    kube = West("east", fails=True)
    with pytest.raises(FleetError, match="does not become ready"):
        run(kube, ["east"])
    kube.fails = False
    run(kube)
    assert kube.restarts == 2 and kube.ran == ""


def test_check_mode_says_the_restart_and_leaves_no_record() -> None:
    kube = West(held=["good", "east"])
    state = run(kube, ["east"], dry_run=True)
    assert "would be restarted, as it keeps pods of east" in state.warnings[0]
    assert len(state.changes) == 1 and kube.restarts == 0 and kube.ran == ""


def test_without_restart_the_command_is_named() -> None:
    kube = West("east")
    state = run(kube, ["east"], restart=False)
    assert "kubectl -n istio-system rollout restart deployment istiod" in state.warnings[0]
    assert kube.restarts == 0 and kube.ran == "istiod-old"


def test_a_cluster_that_leaves_restarts_no_istiod_of_its_own() -> None:
    kube = West("east")
    assert run(kube, ["east"], absent=True).changes == []
    assert kube.restarts == 0 and kube.ran == ""
