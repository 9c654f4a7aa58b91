# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An istiod that hangs in removing a cluster, as recorded from a real one: it is restarted, or reported."""

from __future__ import annotations

import asyncio
import json
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    ADD,
    KEEP,
    LABEL,
    REMOVE,
    KeyPlan,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.report import PeeringReport
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import scopes
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.run import said_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import Options, PeeringState
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.syncing import sync

SAMPLES = Path(__file__).parents[2] / "module_utils/_model/samples"
BLOCKED = (SAMPLES / "blocked_clusterz.json").read_text(), (SAMPLES / "blocked_metrics.txt").read_text()
LOG = (SAMPLES / "blocked.log").read_text()


def well(*names: str) -> tuple[str, str]:
    """The pages of an istiod of west that has synced ``names``."""
    listed = [{"id": "west", "syncStatus": "synced"}]
    listed += [{"id": n, "secretName": "istio-system/istio-remote-secrets", "syncStatus": "synced"} for n in names]
    return json.dumps(listed), f'istiod_managed_clusters{{cluster_type="remote"}} {len(names)}\n'


class Watcher:
    """west's API server: its istiod shows the first pages until it is restarted, then the second."""

    absent = False
    cluster = "west"

    def __init__(self, before: tuple[str, str], after: tuple[str, str] = ("", ""), fails: bool = False) -> None:
        self.pages, self.after, self.fails = before, after, fails
        self.pod = "istiod-old"
        self.restarts = 0
        self.secrets: list[dict[str, t.Any]] = []

    async def list(self, *_: t.Any) -> t.Any:
        return self.secrets

    async def pods(self, *_: t.Any) -> list[dict[str, t.Any]]:
        ready = {"containerStatuses": [{"name": "discovery", "ready": True}]}
        return [{"metadata": {"name": self.pod, "labels": {"istio.io/rev": "default"}}, "status": ready}]

    async def exec(self, _space: str, pod: str, _container: str, command: list[str], **_: t.Any) -> t.Any:
        assert pod == self.pod, "an istiod that was replaced was asked"
        page = self.pages[1] if command[-1] == "/metrics" else self.pages[0]
        return types.SimpleNamespace(code=0, stdout=page, stderr="")

    async def logs(self, *_: t.Any, **__: t.Any) -> str:
        return LOG

    async def apply(self, objects: list[dict[str, t.Any]], **_: t.Any) -> list[Change]:
        self.restarts += 1
        return [Change("west", "Deployment", objects[0]["metadata"]["name"], "changed")]

    async def wait_deployment(self, *_: t.Any, **__: t.Any) -> None:
        if self.fails:
            raise FleetError("it does not become ready", cluster="west")
        self.pages, self.pod = self.after, "istiod-new"


def _remote_secret(*names: str) -> dict[str, t.Any]:
    meta = {"name": "istio-remote-secrets", "labels": {LABEL: "true"}}
    return {"metadata": meta, "data": dict.fromkeys(names, "")}


def synced(
    kube: Watcher, peers: t.Sequence[str] = ("good",), gone: t.Sequence[str] = (), **options: t.Any
) -> PeeringReport:
    """``gone``: clusters whose keys the run has just removed."""
    watches = {"west": list(peers), **{name: [] for name in peers}}
    fleet = read_fleet(
        {name: {"cluster_provider": "kubeconfig", "mesh_peers": them} for name, them in watches.items()}, environment()
    )
    state = PeeringState(fleet, ["west"], Options(timeout=0.5, **options))
    state.kubes["west"] = t.cast("t.Any", kube)
    state.plans["west"] = [KeyPlan(name, KEEP if name == "good" else ADD) for name in peers]
    state.plans["west"] += [KeyPlan(name, REMOVE) for name in gone]
    state.live["west"] = [_remote_secret(*gone)]
    west = next(scope for scope in scopes(fleet, ["west"]) if scope.watcher == "west")
    asyncio.run(sync(state, {"west": west}))
    return said_of(state, [west])


def test_the_recorded_istiod_is_restarted_and_syncs_then() -> None:
    kube = Watcher(BLOCKED, well("good", "fresh"))
    report = synced(kube, ["good", "fresh"])
    assert report.failures == {}
    assert kube.restarts == 1
    (warning,) = report.warnings
    assert "was restarted: it lists 1 remote cluster and counted 2 before" in warning
    assert "hangs while it removes dead0" in warning
    assert [(c.kind, c.action) for c in report.changes] == [("Deployment", "changed")]
    assert report.summary.endswith("all synced")


def test_what_another_run_wrote_is_no_blocked_istiod() -> None:
    kube = Watcher(well("good", "of-the-other"))
    kube.secrets = [_remote_secret("good", "of-the-other")]
    report = synced(kube)
    assert kube.restarts == 0 and report.failures == {} and report.warnings == []
    kube = Watcher(well("good", "of-the-other"), well("good"))
    assert synced(kube).failures == {}
    assert kube.restarts == 1, "without a Secret of anybody it is blocked"


@pytest.mark.parametrize("peers", [["good"], []])
def test_a_removal_is_done_when_istiod_has_dropped_it(peers: list[str]) -> None:
    kube = Watcher(well(*peers, "gone"))
    report = synced(kube, peers, ["gone"], restart=False)
    assert "has read no remote secret for 0.5 s" in str(report.failures["west"][0])
    assert synced(Watcher(well(*peers)), peers, ["gone"], restart=False).failures == {}


class Empty(Watcher):
    """west's API server, with these pods of istiod instead of a ready one."""

    def __init__(self, *pods: dict[str, t.Any]) -> None:
        super().__init__(("[]", ""))
        self.found = list(pods)

    async def pods(self, *_: t.Any) -> list[dict[str, t.Any]]:
        return self.found

    async def get(self, *_: t.Any) -> None:
        return None


def istiod(phase: str = "Running", revision: str = "default") -> dict[str, t.Any]:
    return {"metadata": {"name": "istiod-x", "labels": {"istio.io/rev": revision}}, "status": {"phase": phase}}


@pytest.mark.parametrize("pods", [[], [istiod("Failed")], [istiod(revision="other")]], ids=["none", "ended", "other"])
def test_where_no_istiod_runs_nobody_watches_a_cluster_that_left(pods: list[dict[str, t.Any]]) -> None:
    report = synced(Empty(*pods), [], ["gone"])
    assert (report.failures, report.missing) == ({}, {})
    # What it has to watch, somebody has to read.
    assert "no istiod of revision default is ready" in str(synced(Empty(*pods), ["good"], ["gone"]).failures["west"][0])


def test_an_istiod_that_is_not_ready_may_still_watch() -> None:
    assert "is ready" in str(synced(Empty(istiod()), [], ["gone"]).failures["west"][0])


def test_a_run_with_nothing_to_write_sees_it_too() -> None:
    kube = Watcher(BLOCKED, well("good"))
    assert synced(kube).failures == {}
    assert kube.restarts == 1


def test_without_restart_the_failure_names_the_command() -> None:
    kube = Watcher(BLOCKED)
    report = synced(kube, ["good", "fresh"], restart=False)
    assert kube.restarts == 0
    text = str(report.failures["west"][0])
    assert "has read no remote secret for 0.5 s, 1 other edge is in place" in text
    assert "kubectl -n istio-system rollout restart deployment istiod" in text
    assert {e["watched"]: e["in_place"] for e in report.edges} == {"good": True, "fresh": False}


def test_an_istiod_that_does_not_come_back_is_the_failure() -> None:
    report = synced(Watcher(BLOCKED, fails=True))
    assert "does not become ready" in str(report.failures["west"][0])


@pytest.mark.parametrize("peers", [["good"], ["good", "fresh"]])
def test_an_istiod_at_work_is_left_alone(peers: list[str]) -> None:
    kube = Watcher(well(*peers))
    assert synced(kube, peers).failures == {}
    assert kube.restarts == 0


def test_a_peer_that_does_not_sync_is_no_reason_to_restart() -> None:
    page = json.loads(well("good")[0])
    page[1]["syncStatus"] = "timeout"
    kube = Watcher((json.dumps(page), well("good")[1]))
    report = synced(kube)
    assert kube.restarts == 0
    assert report.failures == {}, "west goes on without the edge"
    assert "west → good failed" in str(report.missing["west"][0])
    assert "1 failed" in report.summary
