# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Istio's CNI agent: whose it is, what is installed and removed, and the wait for it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import daemonset_ready
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import CNI, Release
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.cni_agent import (
    Agent,
    await_agent,
    our_releases,
    plan_agent,
)

Json = dict[str, t.Any]
SPACE = "kube-system"


def record(fleet: str) -> Json:
    """Helm's Secret of the agent's release, which this fleet made."""
    body = {
        "name": CNI, "namespace": SPACE, "version": 1, "config": {"ownerName": "mesh.fleet", "meshFleet": fleet},
        "info": {"status": "deployed"}, "chart": {"metadata": {"name": "cni", "version": "1.0.0"}},
    }  # fmt: skip
    packed = base64.b64encode(gzip.compress(json.dumps(body).encode()))
    labels = {"owner": "helm", "name": CNI, "version": "1", "status": "deployed"}
    meta = {"name": f"sh.helm.release.v1.{CNI}.v1", "namespace": SPACE, "labels": labels}
    return {"metadata": meta, "data": {"release": base64.b64encode(packed).decode()}}


class Cluster:
    """A cluster with agents in these namespaces, whose release is of ``owner``; it ends a wait with an error."""

    cluster = "west"

    def __init__(self, *agents: str, owner: str = "", take_over: bool = False, error: FleetError | None = None) -> None:
        self.agents, self.owner, self.take_over, self.error = agents, owner, take_over, error
        self.listed: list[str] = []
        self.home = SPACE
        self.awaited: list[t.Any] = []

    async def list(self, _api: str, kind: str, namespace: str = "", **_: t.Any) -> list[Json]:
        self.listed.append(kind)
        if kind == "DaemonSet":
            return [{"metadata": {"name": "istio-cni-node", "namespace": one}} for one in self.agents]
        return [record(self.owner)] if self.owner and namespace == self.home else []

    async def wait(self, *what: str, until: t.Any, timeout: float) -> None:
        self.awaited.append((*what, until, timeout))
        if self.error:
            raise self.error


def plan(kube: Cluster, cni: bool = True) -> Agent:
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig", "fleet_name": "shop", "mesh_cni": cni}})
    return asyncio.run(plan_agent(t.cast("t.Any", kube), fleet, fleet.clusters["west"], SPACE))


@pytest.mark.parametrize(
    ("kube", "others"),
    [
        (Cluster(), ""),
        (Cluster(SPACE, owner="shop"), ""),
        (Cluster(SPACE, owner="other"), "kube-system/istio-cni-node"),
        (Cluster(SPACE, owner="other", take_over=True), ""),
        (Cluster(SPACE), "kube-system/istio-cni-node"),
        (Cluster(SPACE, "openshift-operators", owner="shop"), "openshift-operators/istio-cni-node"),
    ],
    ids=["none", "ours", "another fleet's", "taken over", "nobody's release", "one of others beside ours"],
)
def test_an_agent_of_others_is_used_as_it_is(kube: Cluster, others: str) -> None:
    agent = plan(kube)
    assert (agent.wanted, agent.others) == (not others, others)
    assert agent.note == (f" (with the CNI agent {others})" if others else "")
    assert kube.listed.count("Secret") == len(kube.agents), "Helm's record is read once where an agent is"


def test_our_agent_stays_where_it_is() -> None:
    """control_plane_cni_namespace changed: a second agent would work on the same nodes, and one would be left."""
    kube = Cluster("agents", owner="shop")
    kube.home = "agents"
    agent = plan(kube)
    assert (agent.namespace, agent.wanted, agent.others) == ("agents", True, "")
    assert agent.note.startswith(" (its CNI agent stays in agents, not kube-system")
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig", "fleet_name": "shop"}})
    assert asyncio.run(our_releases(t.cast("t.Any", kube), fleet, SPACE)) == [Release(CNI, "agents", "cni")]


def test_an_agent_of_others_elsewhere_is_not_taken_over() -> None:
    """mesh_take_over is about the namespace that the inventory names: all the cluster's nodes use that agent."""
    kube = Cluster("platform", owner="other", take_over=True)
    kube.home = "platform"
    agent = plan(kube)
    assert (agent.wanted, agent.others) == (False, "platform/istio-cni-node")
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig", "fleet_name": "shop"}})
    assert asyncio.run(our_releases(t.cast("t.Any", kube), fleet, SPACE)) == []


def test_a_cluster_that_wants_none_is_not_asked() -> None:
    kube = Cluster(SPACE)
    assert plan(kube, cni=False) == Agent(SPACE, wanted=False)
    assert kube.listed == []


@pytest.mark.parametrize(
    ("kube", "gone"),
    [
        (Cluster(), False),
        (Cluster(owner="shop"), True),
        (Cluster(owner="other"), False),
        (Cluster(owner="other", take_over=True), True),
    ],
)
def test_what_this_fleet_made_alone_is_removed(kube: Cluster, gone: bool) -> None:
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig", "fleet_name": "shop"}})
    found = asyncio.run(our_releases(t.cast("t.Any", kube), fleet, SPACE))
    assert found == ([Release(CNI, SPACE, "cni")] if gone else [])


def test_what_a_run_installs_is_waited_for_and_nothing_else() -> None:
    kube = Cluster()
    asyncio.run(await_agent(t.cast("t.Any", kube), Agent(SPACE, True), 7))
    assert kube.awaited == [("apps/v1", "DaemonSet", "istio-cni-node", SPACE, daemonset_ready, 7)]
    for other in (Agent(SPACE, False), Agent(SPACE, False, "x/istio-cni-node")):
        kube = Cluster(error=NotInTime("never"))
        asyncio.run(await_agent(t.cast("t.Any", kube), other, 7))
        assert kube.awaited == []


def test_a_wait_that_ends_says_what_was_seen() -> None:
    late = Cluster(error=NotInTime("not as expected", seen="1/2 ready", means="pod x: no such path"))
    with pytest.raises(FleetError, match="CNI agent is not ready after 7 s") as caught:
        asyncio.run(await_agent(t.cast("t.Any", late), Agent("agents", True), 7))
    error = caught.value
    assert (error.cluster, error.obj) == ("west", "DaemonSet agents/istio-cni-node")
    assert (error.seen, error.means) == ("1/2 ready", "pod x: no such path")
    assert "cniBinDir" in error.next_step
    with pytest.raises(FleetError, match="forbidden") as refused:
        asyncio.run(await_agent(t.cast("t.Any", Cluster(error=FleetError("forbidden"))), Agent("agents", True), 7))
    assert "after" not in refused.value.what, "no time is over"
