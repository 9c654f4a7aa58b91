# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's front door is called by HTTPS from the probes of its clusters, in the names of its routes."""

from __future__ import annotations

import asyncio
import json
import time
import types
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify import front_door_https
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.front_door_https import call_by_https

HOSTS = {
    "west": {"cluster_provider": "gke", "gke_project": "shop-prod", "cluster_region": "us-west1"},
    "north": {"cluster_provider": "gke", "gke_project": "shop-prod", "cluster_region": "europe-north1"},
    "fra": {"cluster_provider": "kubeconfig", "cluster_region": "eu-de"},
}
FLEET = read_fleet({name: {"fleet_name": "shop", **more} for name, more in HOSTS.items()})
ROUTES = [{"service": "web.shop", "host": "shop.example"}, {"service": "all.shop"}]
URL = "https://203.0.113.7/ shop.example"


def said(cluster: str, what: str = "") -> dict[str, t.Any]:
    status = 200 if cluster else 0
    problem = {"what": what, "means": "m", "next": "n"} if what else None
    return {"ok": bool(cluster), "status": status, "latency_ms": 5, "cluster": cluster, "identity": "", "text": "",
            "problem": problem}  # fmt: skip


class Cluster:
    """A cluster whose probe gets such answers, one after the other."""

    absent = False

    def __init__(self, *answers: dict[str, t.Any], vip: str = "", fleet: str = "shop", ready: bool = True) -> None:
        self.answers, self.vip, self.fleet, self.ready = list(answers), vip, fleet, ready
        self.asked: list[list[str]] = []

    async def get(self, _api: str, kind: str, name: str, namespace: str) -> t.Any:
        assert (kind, name, namespace) == ("MultiClusterIngress", "front-door", "shop")
        if not self.vip:
            return None
        return {"metadata": {"labels": {"mesh.fleet/fleet": self.fleet}}, "status": {"VIP": self.vip}}

    async def list(self, *_: t.Any) -> t.Any:
        return [{"endpoints": [{"conditions": {"ready": self.ready}}]}]

    async def exec(self, *args: t.Any, **__: t.Any) -> t.Any:
        urls = json.loads(args[-1][-1])
        self.asked.append(urls)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return types.SimpleNamespace(code=0, stdout=json.dumps(dict.fromkeys(urls, answer)), stderr="")


def called(
    west: Cluster, north: Cluster, *, certificates: t.Sequence[str] = ("shop",), seconds: float = 0.0
) -> tuple[list[t.Any], list[t.Any]]:
    door = read_front_door("front-door", ROUTES, FLEET.clusters, certificates=list(certificates))[0]
    facts = {name: Facts(name, probe="probe-x") for name in HOSTS}
    kubes = t.cast("t.Any", {"west": west, "north": north, "fra": Cluster()})
    return asyncio.run(
        call_by_https(
            FLEET, door, list(HOSTS), kubes, facts, timeout_ms=500, deadline=time.monotonic() + seconds
        )
    )  # fmt: skip


def test_each_cluster_calls_the_address_in_the_routes_name() -> None:
    west, north = Cluster(said("west"), vip="203.0.113.7"), Cluster(said("west"))
    calls, checks = called(west, north)
    assert (west.asked, north.asked) == ([[URL]], [[URL]])
    assert [(c.caller, c.callee, c.ok) for c in calls] == [("west", "west", True), ("north", "web.shop", False)]
    assert "past north" in calls[1].means
    assert [(check.state, check.name) for check in checks] == [("skipped", "all.shop")]
    far = called(Cluster(said("west"), vip="203.0.113.7"), Cluster(said("west"), ready=False))[0]
    assert all(call.ok for call in far), "no pod is nearer"


def test_what_is_not_there_yet_is_asked_again(monkeypatch: t.Any) -> None:
    monkeypatch.setattr(front_door_https, "_RETRY_SECONDS", 0)
    north = Cluster(said("", "the certificate of 203.0.113.7 does not hold: Hostname mismatch"), said("north"))
    calls, _checks = called(Cluster(said("west"), vip="203.0.113.7"), north, seconds=60)
    assert all(call.ok for call in calls) and len(north.asked) == 2


def test_a_ca_that_the_image_does_not_know_is_told_of(monkeypatch: t.Any) -> None:
    monkeypatch.setattr(front_door_https, "_RETRY_SECONDS", 0)
    words = "the certificate of 203.0.113.7 does not hold: unable to get local issuer certificate"
    west, north = Cluster(said("", words), vip="203.0.113.7"), Cluster(said("", words))
    calls, checks = called(west, north, seconds=60)
    assert calls == [] and len(west.asked) == 1, "asking again would bring nothing else"
    assert [check.state for check in checks] == ["skipped"] * 3 and words in checks[1].seen


def test_without_certificates_or_an_address_nothing_is_called() -> None:
    west = Cluster(said("west"), vip="203.0.113.7")
    assert called(west, Cluster(said("north")), certificates=()) == ([], [])
    others = Cluster(said("west"), vip="203.0.113.7", fleet="another")
    assert called(others, Cluster(said("north"))) == ([], [])
    assert west.asked == others.asked == []
