# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls between clusters: which must succeed and which must not, with what identity, and how one is judged."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import typing as t

from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Fleet
from ..peering.graph import may_call
from ..workloads.probe import ACCOUNT, NAMESPACE, target
from .facts import FAILED, OK, Check, Facts

__all__ = [
    "Answer",
    "Call",
    "call_pairs",
    "expected_identity",
    "judge_call",
    "judge_forbidden_call",
    "path_of",
    "sample_said",
    "unconfined",
]

Pair = tuple[str, str]
"""``(caller, callee)``, clusters."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """The outcome of one call as the caller's pod saw it. ``identity`` is the caller's as the callee saw it."""

    ok: bool
    status: int
    latency_ms: float
    cluster: str
    identity: str
    what: str = ""
    means: str = ""
    next_step: str = ""
    said: str = ""
    """The text of an answer that is not the callee's."""
    location: str = ""
    """Where a redirect leads."""
    made: bool = True
    """Whether the call was made at all: False if the command in the caller's pod did not report it."""

    @classmethod
    def from_probe(cls, raw: t.Mapping[str, t.Any] | None, what: str) -> Answer:
        """Read what the calling program printed about one address; ``what``: why it printed nothing."""
        if not raw:
            return cls(False, 0, 0.0, "", "", what or "no answer", made=False)
        problem = raw.get("problem") or {}
        text = str(raw.get("text") or "")
        return cls(
            ok=bool(raw["ok"]),
            status=int(raw["status"]),
            latency_ms=float(raw["latency_ms"]),
            cluster=str(raw["cluster"]),
            identity=str(raw["identity"]),
            what=str(problem.get("what") or (f"status {raw['status']}: {text}" if text and not raw["ok"] else "")),
            means=str(problem.get("means") or ""),
            next_step=str(problem.get("next") or ""),
            said="" if raw["ok"] else text,
            location=str(raw.get("location") or ""),
        )


def sample_said(body: str) -> dict[str, t.Any] | None:
    """What the sample's program or a probe says of itself; None where another service answered."""
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


@dataclasses.dataclass(frozen=True)
class Call:
    """One call and how it ended. ``expected``: whether it must succeed."""

    caller: str
    callee: str
    service: str
    expected: bool
    ok: bool
    """Whether it ended as expected, identity included."""
    seen: str
    identity: str = ""
    path: str = ""
    status: int = 0
    latency_ms: float = 0.0
    means: str = ""
    next_step: str = ""
    said: str = ""
    """The text of an answer that is not the callee's; usually a proxy's."""
    blamed: tuple[str, ...] = ()
    """Clusters that a failure is told of, where neither caller nor callee is one."""

    def as_check(self) -> Check:
        return Check(
            "call" if self.expected else "no call",
            f"{self.caller} → {self.callee} ({self.service})",
            OK if self.ok else FAILED,
            self.seen,
            self.blamed or (self.caller, self.callee),
            self.means,
            self.next_step,
        )


def call_pairs(fleet: Fleet, names: t.Iterable[str]) -> tuple[list[Pair], list[Pair]]:
    """Ordered pairs of ``names`` whose calls must succeed, and those whose calls must not.

    A cluster that may call no other one calls itself: without any call nothing would be proven of it. What is called is
    not exported, so that no cluster may call another one where services that are not are confined to their own.
    """
    listed = list(names)
    pairs = [(a, b) for a in listed for b in listed if a != b]
    allowed = [p for p in pairs if may_call(fleet, *p) and not fleet.confined]
    alone = [(n, n) for n in listed if n not in {caller for caller, _callee in allowed}]
    known = set(allowed)
    return [*allowed, *alone], [p for p in pairs if p not in known]


def expected_identity(fleet: Fleet, caller: str, namespace: str = NAMESPACE, account: str = ACCOUNT) -> str:
    """The SPIFFE ID that a callee must see of a caller in the cluster ``caller``."""
    return f"spiffe://{control_plane_of(fleet, fleet.clusters[caller]).trust_domain}/ns/{namespace}/sa/{account}"


def path_of(caller: Facts, callee: Facts) -> str:
    """``local``, ``direct`` or ``gateway``, by the endpoints of the caller's proxy; "" when it has none."""
    if caller.cluster == callee.cluster:
        return "local"
    hosts = {endpoint.rpartition(":")[0].strip("[]") for endpoint in caller.proxy_endpoints.get(callee.cluster, [])}
    if not hosts:
        return ""
    return "direct" if callee.probe_ip and hosts == {str(ipaddress.ip_address(callee.probe_ip))} else "gateway"


def judge_call(
    fleet: Fleet, pair: Pair, service: str, answer: Answer, *, identity: str, clusters: t.Container[str], path: str
) -> Call:
    """Judge a call that must succeed.

    Args:
        identity: the caller's, as the callee must see it.
        clusters: those whose pods may answer.
        path: from :func:`path_of`.
    """
    caller, callee = pair
    means, step = "", ""
    seen = f"{answer.status} from {answer.cluster} in {answer.latency_ms:.0f} ms, identity {answer.identity or 'none'}"
    if not answer.ok:
        seen = answer.what or f"status {answer.status}"
        means = answer.means or "no endpoint, no network route, or different roots: see the checks of these clusters"
        step = answer.next_step or f"run playbooks/site.yml with --limit {caller},{callee}"
    elif answer.cluster not in clusters:
        means = f"pods of another cluster answer for {service}"
        step = "two clusters have the same name: give each its own"
    elif answer.identity != identity:
        seen += f", expected {identity}"
        means = "the call was not mutual TLS, or the trust domains differ"
        variable = control_plane_of(fleet, fleet.clusters[caller]).trust_domain_variable
        step = f"compare {variable}; restart the workloads of {caller}"
    return Call(
        caller,
        callee,
        service,
        expected=True,
        ok=not step,
        seen=seen,
        identity=answer.identity,
        path=path,
        status=answer.status,
        latency_ms=answer.latency_ms,
        means=means,
        next_step=step,
        said=answer.said,
    )


def unconfined(caller: str, primary: str, reads: bool | None) -> tuple[str, str]:
    """What it means that a service which is not exported answers a cluster other than its own, and the next step.

    Args:
        caller: the cluster that was answered.
        primary: whose istiod configures it.
        reads: whether all istiods there read ServiceExports; None where that could not be read.
    """
    if reads is None:
        return (
            f"whether the istiods of {primary} read ServiceExports, without which services leave their cluster, could "
            "not be read",
            f"see what is said of {primary}; then verify again",
        )
    if reads:
        return (
            f"the istiod of {primary} keeps services in their clusters that nobody exports: a ServiceExport names this "
            f"one, or proxies of {caller} have not got the change yet",
            "look for its ServiceExport in all clusters (kubectl get serviceexports --all-namespaces); then verify "
            "again",
        )
    return (
        f"an istiod of {primary} does not read ServiceExports, or not with all its pods yet, so that services leave "
        "their cluster in spite of mesh_unexported_services: own_cluster; one of another revision counts too",
        f"run the control_plane stage with --limit {primary}, uninstall an istiod of another revision that still runs, "
        "then run the services stage; then verify again",
    )


def judge_forbidden_call(
    pair: Pair,
    answer: Answer,
    endpoints: t.Sequence[str] = (),
    leaves: tuple[str, str] | None = None,
) -> Call:
    """Judge a call that the peering graph, or ``mesh_unexported_services``, does not allow.

    Only an answer proves something: the caller's sidecar must say that it has nowhere to send the call. A command that
    did not run, or a call without an answer, looks the same in a mesh that is not isolated.

    Args:
        pair: caller and callee.
        answer: how the call ended.
        endpoints: addresses of the callee's probe that the caller's sidecar knows.
        leaves: what it means that the callee's service leaves its cluster, and the next step, see :func:`unconfined`;
            None where the peering graph alone forbids the call.
    """
    caller, callee = pair
    seen, means, step = f"{answer.status}, as declared", "", ""
    answered = answer.ok or bool(answer.cluster)
    if leaves and (answered or (answer.made and answer.status and endpoints)):
        seen = f"answered {answer.status} from {answer.cluster}" if answered else f"{answer.status}"
        seen += f", and the sidecar has {', '.join(endpoints[:3])} for {callee}" if endpoints and not answered else ""
        means, step = leaves
    elif answered:
        seen = f"answered {answer.status} from {answer.cluster}"
        means = (
            f"{caller} has a remote secret that the inventory does not name, or its proxies still use one that is gone"
        )
        step = f"look for other remote secrets in {caller}; then run the peering stage again"
    elif not answer.made:
        seen = answer.what
        means = "the call could not be made, so nothing shows that the clusters are isolated"
        step = f"see the probe's pod (kubectl -n {NAMESPACE} get pods) of {caller}, then verify again"
    elif not answer.status:
        seen = answer.what or "no answer"
        means = f"not even the sidecar of {caller} answered: a broken network looks the same, so nothing is proven"
        step = f"see the log of the sidecar of the probe in {caller} (namespace {NAMESPACE}), then verify again"
    elif endpoints:
        seen = f"{answer.status}, but the sidecar has {', '.join(endpoints[:3])} for {callee}"
        means = f"{caller} watches {callee}, against the inventory; the call failed for another reason"
        step = f"look for other remote secrets in {caller}; then run the peering stage again"
    return Call(
        caller,
        callee,
        target(callee),
        expected=False,
        ok=not step,
        seen=seen,
        identity=answer.identity,
        status=answer.status,
        latency_ms=answer.latency_ms,
        means=means,
        next_step=step,
    )
