# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Global names are called where the service's pods say that they may be answered, and where they may not."""

from __future__ import annotations

import asyncio
import json
import time
import types
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import read_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify import global_names
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.global_names import call_global_names

FLEET = read_fleet(
    {
        "west": {"cluster_region": "us-west1", "mesh_peers": []},
        "north": {"cluster_region": "europe-north1", "mesh_peers": ["west"]},
    }
)
POLICIES, _PROBLEMS = read_policies([{"service": "web.shop", "global": True}], FLEET.clusters)
SERVICE = {"spec": {"ports": [{"name": "http", "port": 8080}]}}


def said(status: int, cluster: str = "", text: str = "") -> dict[str, t.Any]:
    good = status == 200
    problem = None if good else {"what": f"status {status}", "means": "m", "next": "n"}
    return {"ok": good, "status": status, "latency_ms": 1, "cluster": cluster, "identity": "", "text": text,
            "problem": problem}  # fmt: skip


class Cluster:
    """A cluster with or without a ready pod, whose probe gets such answers one after the other."""

    absent = False

    def __init__(self, *answers: dict[str, t.Any], ready: bool = False, readable: bool = True) -> None:
        self.answers, self.ready, self.readable = list(answers), ready, readable
        self.calls = 0

    async def get(self, *_: t.Any) -> t.Any:
        if not self.readable:
            raise FleetError("refused", seen="403")
        return SERVICE

    async def list(self, _api: str, kind: str, namespace: str, labels: t.Mapping[str, str]) -> t.Any:
        assert (kind, namespace, labels) == ("EndpointSlice", "shop", {"kubernetes.io/service-name": "web"})
        return [{"endpoints": [{"conditions": {"ready": self.ready}}]}]

    async def exec(self, *args: t.Any, **__: t.Any) -> t.Any:
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return types.SimpleNamespace(code=0, stdout=json.dumps(dict.fromkeys(json.loads(args[-1][-1]), answer)))


def called(policies: t.Any = None, *, seconds: float = 0.0, **clusters: Cluster) -> tuple[list[t.Any], list[t.Any]]:
    policies = POLICIES if policies is None else policies
    facts = {name: Facts(name, probe="probe-x", sidecar=True) for name in FLEET.clusters}
    return asyncio.run(
        call_global_names(
            FLEET, policies, list(FLEET.clusters), t.cast("t.Any", clusters), facts,
            timeout_ms=500, deadline=time.monotonic() + seconds,
        )
    )  # fmt: skip


def test_one_may_and_the_other_may_not() -> None:
    north = Cluster(said(200, "north"), ready=True)
    calls, checks = called(west=Cluster(said(503, text="no healthy upstream")), north=north)
    assert [(c.caller, c.callee, c.expected, c.ok) for c in calls] == [
        ("west", "web.shop.global", False, True),
        ("north", "north", True, True),
    ]
    assert checks == []
    calls, _checks = called(west=Cluster(said(200, "north")), north=north)
    assert not calls[0].ok, "west's proxies know pods of a cluster that it may not call"


def test_what_proxies_have_not_learned_yet_is_asked_again(monkeypatch: t.Any) -> None:
    monkeypatch.setattr(global_names, "_RETRY_SECONDS", 0)
    west = Cluster(said(200, "north"), said(503, text="no healthy upstream"))
    calls, _checks = called(west=west, north=Cluster(said(200, "north"), ready=True), seconds=60)
    assert [call.ok for call in calls] == [True, True] and west.calls == 2


def test_of_a_cluster_that_is_not_read_nothing_is_proven() -> None:
    west = Cluster(said(503, text="no healthy upstream"), readable=False)
    calls, checks = called(west=west, north=Cluster(said(200, "north"), ready=True))
    assert [call.caller for call in calls] == ["north"]
    assert [(check.state, check.seen) for check in checks] == [("skipped", "west could not be read")]


def test_without_global_names_nothing_is_read() -> None:
    own, _problems = read_policies([{"service": "web.shop"}], FLEET.clusters)
    assert called(own, west=Cluster(readable=False), north=Cluster(readable=False)) == ([], [])
