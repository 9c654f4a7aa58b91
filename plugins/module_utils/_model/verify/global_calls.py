# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of global names: from where they must be answered, from where they must not, and what an answer proves."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..inventory.fleet import Fleet
from ..peering.graph import may_call
from ..traffic.policy import Policy
from ..traffic.seen import Port
from .calls import Answer, Call
from .facts import SKIPPED, Check

__all__ = ["GLOBAL", "GlobalCall", "Served", "global_calls", "judge_global", "names_of"]

GLOBAL = "global"
"""How such a call goes, as the table calls it; also the group of its checks."""
_NOWHERE = re.compile(r"no healthy upstream", re.IGNORECASE)
"""What a sidecar answers that has no pod to send a call to."""
_OF_SIDECAR = re.compile(
    r"no healthy upstream|upstream connect error|upstream request timeout|disconnect/reset before headers",
    re.IGNORECASE,
)
"""What a sidecar answers itself. An error that the service answers is its own affair: a pod of it was reached."""
_UNRESOLVED = re.compile(r"could not be resolved")
_KEPT = "until it is restarted, an istiod keeps pods of a cluster that it watched once among those of global names"
"""Istio 1.31 tells its registry of ServiceEntries of no pod that goes with its cluster (``Cleanup`` in
``pilot/pkg/serviceregistry/kube/controller/controller.go``), and sidecars were seen to call such pods."""

Key: t.TypeAlias = tuple[str, str]
"""Name and namespace of a service."""


@dataclasses.dataclass(frozen=True)
class Served:
    """A service as clusters have it."""

    ready: tuple[str, ...] = ()
    """Clusters with a ready pod of it."""
    ports: tuple[Port, ...] = ()


@dataclasses.dataclass(frozen=True)
class GlobalCall:
    """One call, before it is made."""

    caller: str
    host: str
    url: str
    may_answer: tuple[str, ...]
    """Clusters of which one must answer; none where the caller may call no cluster with a pod of the service."""


def names_of(policies: t.Iterable[Policy]) -> dict[Key, list[Policy]]:
    """By service the policies that give it a global name."""
    found: dict[Key, list[Policy]] = {}
    for policy in (named for one in policies for named in one.by_name()):
        if policy.is_global:
            found.setdefault((policy.name, policy.namespace), []).append(policy)
    return found


def global_calls(
    fleet: Fleet,
    policies: t.Iterable[Policy],
    served: t.Mapping[Key, Served],
    callers: t.Sequence[str],
    unread: t.Sequence[str] = (),
) -> tuple[list[GlobalCall], list[Check]]:
    """A call of each global name from each caller; and what is not called.

    Args:
        served: by service.
        callers: clusters.
        unread: clusters of which it is not known what runs there: that nobody answers proves nothing then.
    """
    calls: list[GlobalCall] = []
    skipped: list[Check] = []
    for key, about in names_of(policies).items():
        host, it = about[0].host, served.get(key, Served())
        port = next((p.measured.port for p in about if p.measured.port), 0)
        port = port or next((one.number for one in it.ports if one.is_http), 0)
        for caller in callers:
            mine = [p for p in about if p.callers is None or caller in p.callers]
            may = tuple(n for n in it.ready if n == caller or may_call(fleet, caller, n))
            why = ""
            if not it.ready:
                why = "no pod of it is ready in any cluster"
            elif not port:
                why = "none of its ports says that it speaks HTTP: name it http, or set appProtocol: http"
            elif may and any(_aborts(policy) for policy in mine):
                why = "a fault of its policy answers calls itself"
            elif not may and unread:
                why = f"{', '.join(unread)} could not be read"
            if why:
                skipped.append(Check(GLOBAL, f"{caller} → {host}", SKIPPED, why, (caller,)))
                continue
            path = next((p.measured.path for p in mine), "/")
            calls.append(GlobalCall(caller, host, f"http://{host}:{port}{path}", may))
    return calls, skipped


def _aborts(policy: Policy) -> bool:
    return any(rules.fault and rules.fault.abort for _where, rules, _said in policy.all_rules())


def judge_global(call: GlobalCall, answer: Answer) -> Call:
    """The call as it ended."""
    seen, means, step = _judged(call, answer) if call.may_answer else _judged_forbidden(call, answer)
    return Call(
        call.caller,
        answer.cluster if answer.cluster and call.may_answer and not step else call.host,
        call.host,
        expected=bool(call.may_answer),
        ok=not step,
        seen=seen,
        identity=answer.identity,
        path=GLOBAL,
        status=answer.status,
        latency_ms=answer.latency_ms,
        means=means,
        next_step=step,
        said=answer.said,
    )


def _judged(call: GlobalCall, answer: Answer) -> tuple[str, str, str]:
    """What was seen, what it means and the next step; two empty texts where it is well."""
    words = f"{answer.what} {answer.said}"
    if not answer.made:
        return answer.what, "the call could not be made, so nothing is known of the name", _probe_of(call)
    if answer.status < 200 or (answer.status >= 500 and _OF_SIDECAR.search(words)):
        seen = answer.what or f"status {answer.status or 'no answer'}"
        traffic = f"run the traffic stage with --limit {call.caller}, then verify again"
        if _UNRESOLVED.search(words):
            return seen, f"{call.caller}'s sidecar does not know the name", traffic
        if _NOWHERE.search(words):
            where = " or ".join(call.may_answer)
            means = f"{call.caller}'s sidecar knows the name, but no pod of {where}, where one is ready"
            return seen, means, f"see the checks synced and endpoints; {traffic}"
        return (
            seen,
            f"no pod in {' or '.join(call.may_answer)} answered in time: packets are dropped, or it takes longer",
            "see the calls of the probes, and the log of the service; then verify again",
        )
    who = answer.cluster or "a service that does not name its cluster"
    seen = f"{answer.status} from {who} in {answer.latency_ms:.0f} ms"
    if answer.cluster and answer.cluster not in call.may_answer:
        return (
            f"{seen}, expected {' or '.join(call.may_answer)}",
            f"{call.caller} may not call {answer.cluster} by mesh_peers, or no pod of it is ready there; {_KEPT}",
            _restart(call),
        )
    return seen, "", ""


def _judged_forbidden(call: GlobalCall, answer: Answer) -> tuple[str, str, str]:
    """The same where no cluster may answer. Only words of the caller's sidecar, or of its DNS, prove that none does."""
    words = f"{answer.what} {answer.said}"
    if answer.ok or answer.cluster:
        return (
            f"answered {answer.status} from {answer.cluster or 'a service that does not name its cluster'}",
            f"{call.caller} may call no cluster with a pod of it by mesh_peers, and one answered all the same; {_KEPT}",
            _restart(call),
        )
    if not answer.made:
        return (
            answer.what,
            "the call could not be made, so nothing shows that the name is out of reach",
            _probe_of(call),
        )
    if _UNRESOLVED.search(words):
        return f"the name is not known in {call.caller}, as declared", "", ""
    if _NOWHERE.search(words):
        return f"{answer.status}: no pod that {call.caller} may call, as declared", "", ""
    return (
        answer.what or f"status {answer.status or 'no answer'}",
        f"the sidecar of {call.caller} does not say that it has nowhere to send the call: it may know pods that it "
        "does not reach, or another service answered",
        f"istioctl proxy-config endpoints of the probe in {call.caller}; then run the peering stage again",
    )


def _probe_of(call: GlobalCall) -> str:
    return f"see the probe's pod of {call.caller}, then verify again"


def _restart(call: GlobalCall) -> str:
    return (
        f"run the peering stage with --limit {call.caller}: it restarts an istiod that keeps pods of a cluster that a "
        "run took away; if it stays, kubectl rollout restart deployment -l app=istiod, and look for other remote "
        "secrets there"
    )
