# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which sidecar is read for the cause of a failed call."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
import types
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call, expected_identity
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.calls import Calls, with_causes

VERIFY = (
    "upstream connect error. reset reason: remote connection failure, transport failure reason: TLS_error:|1:SSL "
    "routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end"
)
FAILED = Call(
    "west", "east", "probe-east", True, False, "status 503", status=503, means="m", next_step="n", said=VERIFY
)
GOOD = Call("west", "south", "probe-south", True, True, "200", status=200)
FACTS = {name: Facts(name, probe="probe-x", sidecar=True, caller="caller-x") for name in ("west", "east", "south")}


class Sidecars:
    """The client of a cluster with such sidecars; records which are read."""

    def __init__(self, clusters: str = "", log: str = "", broken: bool = False) -> None:
        self.clusters, self.log, self.broken = clusters, log, broken
        self.asked: list[tuple[str, str]] = []

    async def exec(self, namespace: str, pod: str, *_: t.Any, **__: t.Any) -> t.Any:
        if self.broken:
            raise FleetError("gone")
        self.asked.append((namespace, pod))
        return types.SimpleNamespace(code=0, stdout=self.clusters)

    async def logs(self, *_: t.Any, **__: t.Any) -> str:
        return self.log


def explained(west: Sidecars, *calls: Call) -> list[Call]:
    return asyncio.run(with_causes({"west": west}, FACTS, calls, "apps"))


def test_a_failed_call_gets_its_cause_and_the_others_stay() -> None:
    west = Sidecars("outbound|8080||probe-east.mesh-verify.svc.cluster.local::10.90.2.9:15443::cx_connect_fail::2\n")
    found, untouched = explained(west, FAILED, GOOD)
    assert untouched is GOOD
    assert found.seen.startswith("503 from west's sidecar, at 10.90.2.9:15443: CERTIFICATE_VERIFY_FAILED")
    assert "different roots" in found.means and "west,east" in found.next_step
    assert west.asked == [("mesh-verify", "probe-x")]


def test_a_sidecar_is_read_once_for_all_its_failed_calls() -> None:
    west = Sidecars()
    other = dataclasses.replace(FAILED, callee="south", service="probe-south")
    sample = dataclasses.replace(FAILED, callee="sample", service="sample-producer", said="no healthy upstream")
    found = explained(west, FAILED, other, sample)
    assert sorted(west.asked) == [("apps", "caller-x"), ("mesh-verify", "probe-x")]
    assert found[2].next_step.endswith("--limit west"), "the sample's callee is no cluster"


def test_a_sidecar_that_cannot_be_read_changes_nothing() -> None:
    assert explained(Sidecars(broken=True), FAILED) == [FAILED]
    FACTS["west"].sidecar = False
    try:
        assert explained(Sidecars(), FAILED) == [FAILED]
    finally:
        FACTS["west"].sidecar = True


def test_a_defect_in_reading_one_sidecar_is_told_of_its_calls(defects: list[str]) -> None:
    class Odd(Sidecars):
        async def logs(self, *_: t.Any, **__: t.Any) -> str:
            raise KeyError("metadata")

    odd, good = explained(Odd(), FAILED, GOOD)
    assert good is GOOD
    assert "does not expect" in odd.seen and "KeyError" in odd.seen
    assert "a defect of mesh.fleet" in odd.means
    assert "report it" in odd.next_step
    assert len(defects) == 1
    defects.clear()


def test_calls_that_were_answered_get_no_cause() -> None:
    impostor = dataclasses.replace(FAILED, status=200, seen="200 from south")
    unwanted = dataclasses.replace(FAILED, expected=False)
    assert explained(Sidecars(), impostor, unwanted) == [impostor, unwanted]


NOWHERE = {
    "ok": False, "status": 503, "latency_ms": 1, "problem": None, "cluster": "", "identity": "",
    "text": "no healthy upstream",
}  # fmt: skip
APART = {name: {"cluster_provider": "kubeconfig", "mesh_peers": []} for name in ("west", "east")}


class Pods:
    """The client of a cluster in whose pods each command ends so."""

    def __init__(self, *outcomes: tuple[int, t.Any]) -> None:
        self.outcomes = list(outcomes)

    async def exec(self, _namespace: str, _pod: str, _container: str, command: list[str], **__: t.Any) -> t.Any:
        code, answer = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        urls = json.loads(command[-1])
        text = json.dumps(dict.fromkeys(urls, answer)) if answer else ""
        return types.SimpleNamespace(code=code, stdout=text, stderr="killed")

    async def logs(self, *_: t.Any, **__: t.Any) -> str:
        return ""


def called(pods: Pods, *play: str, probes: tuple[str, ...] = ("west", "east"), seconds: float = 0.0) -> Calls:
    fleet = read_fleet(APART)
    facts = {name: Facts(name, probe="probe-x" if name in probes else "") for name in APART}
    kubes = dict.fromkeys(APART, pods)
    deadline = time.monotonic() + seconds
    run = Calls(fleet, play, kubes, facts, sample_namespace="apps", timeout_ms=9, deadline=deadline)  # type: ignore[arg-type]
    asyncio.run(run.run())
    return run


def test_isolation_is_not_proven_by_a_command_that_failed() -> None:
    unproven = [call for call in called(Pods((137, None)), "west", "east").calls if not call.expected]
    assert len(unproven) == 2
    assert not any(call.ok for call in unproven)
    assert all("the program ended with 137" in call.seen for call in unproven)
    proven = [call for call in called(Pods((0, NOWHERE)), "west", "east").calls if not call.expected]
    assert [call.ok for call in proven] == [True, True]


def test_a_defect_in_one_callers_pod_is_told_of_its_calls(defects: list[str]) -> None:
    class Odd(Pods):
        async def exec(self, *_: t.Any, **__: t.Any) -> t.Any:
            raise KeyError("metadata")

    fleet = read_fleet(APART)
    facts = {name: Facts(name, probe="probe-x") for name in APART}
    kubes = {"west": Odd(), "east": Pods((0, NOWHERE))}
    run = Calls(fleet, list(APART), kubes, facts, sample_namespace="apps", timeout_ms=9, deadline=0.0)  # type: ignore[arg-type]
    asyncio.run(run.run())
    seen = {call.caller: call for call in run.calls if not call.expected}
    assert seen["east"].ok
    assert not seen["west"].ok
    assert "KeyError" in seen["west"].seen
    assert len(defects) == 2, "the call, and the cause of its failure"
    defects.clear()


def test_a_forbidden_call_is_repeated_until_it_proves_something() -> None:
    identity = expected_identity(read_fleet(APART), "west")
    mine = {**NOWHERE, "ok": True, "status": 200, "cluster": "west", "identity": identity}
    run = called(Pods((0, mine), (137, None), (0, NOWHERE)), "west", seconds=60)
    assert [call.seen for call in run.calls if not call.expected][-1] == "503, as declared"


def test_pairs_that_were_not_called_are_named() -> None:
    fleet = read_fleet({name: {"cluster_provider": "kubeconfig"} for name in ("west", "east")})
    facts = {"west": Facts("west", probe="probe-x"), "east": Facts("east")}
    run = Calls(fleet, ["west"], {}, facts, sample_namespace="apps", timeout_ms=9, deadline=0.0)
    (check,) = run._not_called(["west"])
    assert (check.state, check.clusters, check.name) == ("skipped", ("west",), "west ↔ east")
