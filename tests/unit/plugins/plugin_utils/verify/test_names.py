# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door and exported names are called from each cluster until they answer, and who answers is told."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
import types
import typing as t
from pathlib import Path

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import Export
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    LOCAL_SECONDS,
    read_front_door,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.name_calls import CONTROLLER
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify import names
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.names import Names

HOSTS = {
    "west": {"cluster_provider": "gke", "gke_project": "shop-prod", "cluster_region": "us-west1"},
    "north": {"cluster_provider": "gke", "gke_project": "shop-prod", "cluster_region": "europe-north1"},
    "fra": {"cluster_provider": "kubeconfig", "cluster_region": "eu-de"},
}
FLEET = read_fleet({name: {"fleet_name": "shop", **more} for name, more in HOSTS.items()})
OURS = {"mesh.fleet/fleet": "shop"}
DOOR = read_front_door("front-door", [{"service": "web.shop"}], FLEET.clusters)[0]
ORDERS = Export("orders", "shop", ("west",))
HTTP = {"spec": {"ports": [{"name": "http", "port": 8080}]}}


def answer(cluster: str, status: int = 200, text: str = "", what: str = "", location: str = "") -> dict[str, t.Any]:
    return {
        "ok": status == 200, "status": status, "latency_ms": 5, "cluster": cluster, "identity": "", "text": text,
        "location": location, "problem": {"what": what, "means": "m", "next": "n"} if what else None,
    }  # fmt: skip


class Cluster:
    """The client of a cluster with such objects, whose probe gets such answers, one after the other."""

    absent = False

    def __init__(
        self, *answers: dict[str, t.Any], has: t.Iterable[str] = (), vip: str = "", labels: t.Any = None
    ) -> None:
        self.answers, self.has, self.vip, self.labels = list(answers), set(has), vip, OURS if labels is None else labels
        self.asked: list[list[str]] = []

    async def get(self, _api: str, kind: str, name: str, _namespace: str = "") -> t.Any:
        if kind == "MultiClusterIngress":
            meta = {"name": name, "labels": self.labels}
            return {"metadata": meta, "status": {"VIP": self.vip}} if "door" in self.has else None
        if kind == "ServiceExport":
            return {} if "export" in self.has else None
        return HTTP if "pod" in self.has and kind == "Service" else None

    async def list(self, *_: t.Any, **__: t.Any) -> list[t.Any]:
        endpoints = [{"conditions": {"ready": "pod" in self.has}}]
        return [{"endpoints": endpoints}]

    async def exec(self, _space: str, _pod: str, _container: str, command: list[str], **__: t.Any) -> t.Any:
        urls, *self.trusted = json.loads(command[4]), *command[5:]
        self.asked.append(urls)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return types.SimpleNamespace(code=0, stdout=json.dumps(dict.fromkeys(urls, found)), stderr="")


class Other(Cluster):
    """A cluster of another provider, which exports nothing."""

    async def resource(self, api: str, kind: str) -> t.Any:
        raise ApiError("no such kind", status=404)


class Broken(Cluster):
    """Cannot be read."""

    async def get(self, *_: t.Any) -> t.Any:
        raise FleetError("refused", seen="403")

    list = get


def called(
    west: Cluster,
    north: Cluster,
    *,
    exports: t.Sequence[Export] = (),
    door: t.Any = None,
    seconds: float = 0.0,
    said: list[str] | None = None,
) -> Names:
    facts = {name: Facts(name, probe="probe-x") for name in HOSTS}
    kubes = t.cast("t.Any", {"west": west, "north": north, "fra": Other()})
    run = Names(
        FLEET, list(HOSTS), kubes, facts, exports, door, timeout_ms=500,
        deadline=time.monotonic() + seconds, door_seconds=seconds, say=(said if said is not None else []).append,
    )  # fmt: skip
    asyncio.run(run.run())
    return run


def seen(run: Names) -> list[tuple[str, str, bool]]:
    return [(call.caller, call.callee, call.ok) for call in run.calls]


def test_an_exported_name_is_called_where_it_is_for() -> None:
    west, north = Cluster(answer("north")), Cluster(answer("north"), has=("export", "pod"))
    run = called(west, north, exports=[ORDERS])
    assert seen(run) == [("west", "north", True)]
    assert (west.asked, north.asked) == ([["http://orders.shop.svc.clusterset.local:8080/"]], [])


def test_a_name_that_does_not_resolve_yet_is_called_again(monkeypatch: t.Any) -> None:
    monkeypatch.setattr(names, "_RETRY_SECONDS", 0)
    late = Cluster(answer("", 0, what="orders could not be resolved"), answer("north"))
    said: list[str] = []
    run = called(late, Cluster(has=("export", "pod")), exports=[ORDERS], seconds=60, said=said)
    assert seen(run) == [("west", "north", True)]
    assert len(late.asked) == 2
    (line,) = said
    assert "waiting until orders" in line and "could not be resolved" in line
    never = called(
        Cluster(answer("", 0, what="orders could not be resolved")), Cluster(has=("export", "pod")), exports=[ORDERS]
    )
    (call,) = never.calls
    assert not call.ok
    assert "DNS of west" in call.means


def test_the_front_door_leads_each_cluster_to_itself(monkeypatch: t.Any) -> None:
    monkeypatch.setattr(
        names, "call_from_here", lambda call, _ms, _pem: names.Answer(False, 0, 0, "", "", "no route to host")
    )
    west = Cluster(answer("west"), has=("door", "pod"), vip="203.0.113.7")
    run = called(west, Cluster(answer("west"), has=("pod",)), door=DOOR)
    assert seen(run) == [("west", "west", True), ("north", "web.shop", False)]
    (skipped,) = run.checks
    assert (skipped.state, skipped.name) == ("skipped", f"{CONTROLLER} → http://203.0.113.7/")
    assert "no route to host" in skipped.seen
    assert "past north" in run.calls[1].means


def test_a_front_door_that_redirects_is_no_proof(monkeypatch: t.Any) -> None:
    to = "https://203.0.113.7/"
    made = names.Answer(True, 301, 0, "", "", "", location=to)
    monkeypatch.setattr(names, "call_from_here", lambda call, _ms, _pem: made)
    west = Cluster(answer("", 301, location=to), has=("door", "pod"), vip="203.0.113.7")
    run = called(west, Cluster(answer("", 301, location=to), has=("pod",)), door=DOOR)
    assert run.calls == []
    assert {check.state for check in run.checks} == {"skipped"} and len(run.checks) == 3
    assert f"redirects to {to}" in run.checks[0].seen
    door = dataclasses.replace(DOOR, certificates=("shop",), https_redirect=True)
    run = called(west, Cluster(answer("", 301, location="https://203.0.113.7/other"), has=("pod",)), door=door)
    assert {(check.name, check.state) for check in run.checks} == {
        ("west → http://203.0.113.7/", "ok"),
        ("controller → http://203.0.113.7/", "ok"),
    }
    (north,) = run.calls
    assert not north.ok and "expected a redirect to https://203.0.113.7/" in north.seen


def test_without_an_address_the_check_says_so() -> None:
    (none,) = called(Cluster(has=("pod",)), Cluster(), door=DOOR).checks
    assert (none.state, none.seen) == ("failed", "it is in no cluster")
    (waits,) = called(Cluster(has=("door", "pod")), Cluster(), door=DOOR).checks
    assert (waits.state, waits.seen, waits.clusters) == ("failed", "its ingress has no address", ("west",))
    theirs = Cluster(has=("door", "pod"), vip="203.0.113.9", labels={})
    (other,) = called(theirs, Cluster(), door=DOOR).checks
    assert other.seen == "it is in no cluster", "the front door of somebody else proves nothing of ours"


def test_a_cluster_that_cannot_be_read_is_named(monkeypatch: t.Any) -> None:
    run = called(Cluster(answer("north"), has=()), Broken(answer("north")), exports=[ORDERS], door=DOOR)
    groups = {(check.group, check.state, check.clusters) for check in run.checks}
    assert ("exported", "failed", ("north",)) in groups
    assert ("name", "skipped", ()) in groups
    assert run.calls == []


def test_a_defect_in_one_probe_is_told_of_its_calls(defects: list[str]) -> None:
    class Odd(Cluster):
        async def exec(self, *_: t.Any, **__: t.Any) -> t.Any:
            raise KeyError("metadata")

    (call,) = called(Odd(), Cluster(has=("export", "pod")), exports=[ORDERS]).calls
    assert not call.ok
    assert "KeyError" in call.seen
    assert defects.pop()


class Upstream(Cluster):
    """A cluster that serves the upstream kinds."""

    async def resource(self, api: str, kind: str) -> t.Any:
        if api == "multicluster.x-k8s.io/v1beta1":
            return None
        raise ApiError("no such kind", status=404)


def test_where_the_mesh_makes_the_name_others_get_no_answer(monkeypatch: t.Any) -> None:
    fleet = read_fleet({name: {"fleet_name": "shop", "cluster_provider": "kubeconfig"} for name in ("west", "north")})
    identity = "spiffe://shop.mesh/ns/mesh-verify/sa/verify-probe"
    secured = {**answer("north"), "identity": identity}
    for said, well in ((answer("", 0, what="could not be resolved"), True), (answer("north"), False)):
        kubes = {"west": Upstream(said), "north": Upstream(secured, has=("export", "pod"))}
        facts = {name: Facts(name, probe="probe-x") for name in kubes}
        only = Export("orders", "shop", ("north",))
        run = Names(
            fleet, list(kubes), t.cast("t.Any", kubes), facts, [only], None, timeout_ms=500,
            deadline=time.monotonic(), door_seconds=0,
        )  # fmt: skip
        asyncio.run(run.run())
        (west,) = [call for call in run.calls if call.caller == "west"]
        assert (west.expected, west.ok) == (False, well)
        assert well or "is not for west by mesh_exports" in west.means


def local_door(provider: str, folder: Path, *addresses: str, seconds: float = 0) -> Names:
    """The calls of a front door of ours, where a cluster's own answers it and this machine gets an error."""
    hosts = {"west": {"fleet_name": "shop", "cluster_provider": provider}}
    fleet = dataclasses.replace(read_fleet(hosts), directory=str(folder))
    FrontDoorFolder(folder).write("address.json", {"address": "10.0.0.7"})
    door, _wrong = read_front_door("front-door", [{"service": "web.shop"}], fleet.clusters, addresses=list(addresses))
    kubes, facts = {"west": Other(answer("west"), has=["pod"])}, {"west": Facts("west", probe="probe-x")}
    run = Names(
        fleet, ["west"], t.cast("t.Any", kubes), facts, [], door, timeout_ms=500,
        deadline=time.monotonic(), door_seconds=seconds,
    )  # fmt: skip
    asyncio.run(run.run())
    return run


def test_for_a_local_door_nobody_waits_as_long_as_for_google(monkeypatch: t.Any, tmp_path: Path) -> None:
    waits: list[float] = []

    async def until_ok(planned: t.Any, _judged: t.Any, deadline: float, **_: t.Any) -> list[t.Any]:
        waits.append(round(deadline - time.monotonic(), -1))
        return [Call(call.caller, "west", call.name, expected=True, ok=True, seen="") for call in planned]

    monkeypatch.setattr(names, "until_ok", until_ok)
    for seconds in (600, 50):
        local_door("kind", tmp_path, seconds=seconds)
    called(Cluster(has=("door", "pod"), vip="192.0.2.7"), Cluster(), door=DOOR, seconds=600)
    assert waits == [LOCAL_SECONDS, 50, 600]


def test_an_error_that_only_this_machine_gets_fails_a_cluster(monkeypatch: t.Any, tmp_path: Path) -> None:
    monkeypatch.setattr(names, "call_from_here", lambda call, _ms, _pem: names.Answer(False, 503, 0, "", "", "gone"))
    west, here = local_door("kind", tmp_path).calls
    assert (west.ok, here.ok, here.caller) == (True, False, CONTROLLER)
    assert here.as_check().clusters == ("west",), "or the play would succeed"


def test_a_circle_of_redirects_fails(monkeypatch: t.Any, tmp_path: Path) -> None:
    monkeypatch.setattr(names, "covered", lambda hosts, _certificates: set(hosts))
    monkeypatch.setattr(FrontDoorFolder, "certificates", lambda _self: ["PEM of one,", "PEM of another"])
    seen_here: list[str] = []

    def from_here(call: t.Any, *_: t.Any) -> names.Answer:
        seen_here.append(call.url)
        return names.Answer(True, 301, 0, "", "", "", location="https://shop.example/")

    monkeypatch.setattr(names, "call_from_here", from_here)
    fleet = dataclasses.replace(
        read_fleet({"west": {"fleet_name": "shop", "cluster_provider": "kind"}}), directory=str(tmp_path)
    )
    FrontDoorFolder(tmp_path).write("address.json", {"address": "10.0.0.7"})
    door, _wrong = read_front_door(
        "front-door", [{"service": "web.shop", "host": "shop.example"}], fleet.clusters, certificates=["shop"],
        https_redirect=True,
    )  # fmt: skip
    west = Other(answer("", 301, location="https://shop.example/"), has=["pod"])
    run = Names(
        fleet, ["west"], t.cast("t.Any", {"west": west}), {"west": Facts("west", probe="probe-x")}, [], door,
        timeout_ms=500, deadline=time.monotonic(), door_seconds=0,
    )  # fmt: skip
    asyncio.run(run.run())
    assert seen_here == ["http://10.0.0.7/", "https://10.0.0.7/"]
    assert west.asked[-1] == ["http://10.0.0.7/ shop.example", "https://10.0.0.7/ shop.example"]
    assert west.trusted == ["PEM of one,PEM of another"], "an answer by another certificate is none of the front door"
    assert [(check.state, check.name.split()[0]) for check in run.checks] == [("ok", "west"), ("ok", CONTROLLER)]
    assert "every cluster calls that" in run.checks[0].seen
    assert [circle.caller for circle in run.calls] == ["west", CONTROLLER]
    for circle in run.calls:
        assert not circle.ok and "callers never arrive" in circle.seen and "west" in circle.as_check().clusters


def test_machines_that_nobody_named_are_told_of(tmp_path: Path) -> None:
    (told,) = local_door("kubeconfig", tmp_path).checks
    assert (told.group, told.state) == ("name", "skipped") and "front_door_addresses" in told.seen
    assert local_door("kubeconfig", tmp_path, "192.0.2.4").checks == []
