# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a call through the mesh failed, from the caller's sidecar: its answer, its access log, its endpoints."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

__all__ = ["AccessLine", "Cause", "Endpoint", "access_line", "cause_of", "endpoints_seen"]


@dataclasses.dataclass(frozen=True)
class AccessLine:
    """The fields of one line of Envoy's access log that name a cause; "" for a field without a value."""

    flags: str = ""
    """Response flags, such as ``UF,URX``."""
    details: str = ""
    reason: str = ""
    """Why the transport to the upstream failed; for TLS the text of OpenSSL."""
    upstream: str = ""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One address to which the sidecar sends calls of a service."""

    address: str
    connect_failed: int
    ejected: bool


@dataclasses.dataclass(frozen=True)
class Cause:
    """What was seen, what it means, and the next step."""

    seen: str
    means: str
    next_step: str


_TEXT_LINE = re.compile(r'" (\d{3}) ([A-Z,]+|-) (\S+) \S+ "([^"]*)".* "([^"]*)" (outbound\S*)')


def access_line(log: str, cluster: str) -> AccessLine | None:
    """The newest line about an upstream cluster, in Istio's own text or JSON format; None when there is none."""
    for line in reversed(log.splitlines()):
        if cluster not in line:
            continue
        found = _TEXT_LINE.search(line)
        if found and found.group(6) == cluster:
            values = [value if value != "-" else "" for value in found.group(2, 3, 4, 5)]
            return AccessLine(*values)
        if line.startswith("{"):
            entry = _decoded(line)
            if entry.get("upstream_cluster") == cluster:
                keys = ("response_flags", "response_code_details", "upstream_transport_failure_reason", "upstream_host")
                return AccessLine(*("" if entry.get(k) in (None, "-") else str(entry[k]) for k in keys))
    return None


def _decoded(line: str) -> dict[str, t.Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def endpoints_seen(clusters: str, cluster: str) -> list[Endpoint] | None:
    """The endpoints of one upstream in Envoy's ``/clusters`` text; None when the sidecar does not know the upstream."""
    lines = [line.split("::") for line in clusters.splitlines() if line.startswith(f"{cluster}::")]
    if not lines:
        return None
    by_address: dict[str, dict[str, str]] = {}
    for parts in lines:
        # An IPv6 address holds "::" too, but in brackets.
        address = "::".join(parts[1:-2])
        if re.search(r":\d+$", address):
            by_address.setdefault(address, {})[parts[-2]] = parts[-1]
    return [
        Endpoint(address, int(stats.get("cx_connect_fail") or 0), "failed" in stats.get("health_flags", ""))
        for address, stats in sorted(by_address.items())
    ]


_TRUST = "run the trust stage with --limit {both}, then restart istiod and the workloads where the check root failed"
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"SAN.?(matcher|list)|verify.?SAN|SAN matcher",
        "{callee}'s certificate names another identity than {caller}'s sidecar expects: their trust domains differ, or "
        "istiod read {callee}'s pods under an earlier one",
        "compare mesh_trust_domain; restart the istiod that serves {caller}",
    ),
    (
        r"certificate.?has.?expired|alert.?certificate.?expired",
        "a workload's certificate has expired: its sidecar got no new one",
        "see the checks leaf and intermediate CA, and the log of the sidecar whose certificate has expired",
    ),
    (
        r"certificate.?verify.?failed",
        "{caller}'s sidecar does not trust {callee}'s certificate: they have different roots",
        _TRUST,
    ),
    (
        r"alert.?(unknown.?ca|bad.?certificate|certificate.?unknown|certificate.?required)",
        "{callee}'s sidecar does not trust {caller}'s certificate: they have different roots",
        _TRUST,
    ),
    (
        r"secret.?is.?not.?supplied",
        "{caller}'s sidecar has no certificate yet: no istiod has signed one for it",
        "see the log of {caller}'s sidecar and of the istiod that serves it",
    ),
    (
        r"wrong.?version.?number",
        "the other side does not speak TLS: a pod without a sidecar, or the port of another program",
        "run the gateways and apps stages with --limit {both}",
    ),
    (
        r"connection.?refused|connect error: 111",
        "nothing listens at that address",
        "see the gateway's pods in {callee}, and the endpoints that istiod gives {caller}",
    ),
    (
        r"no.?route.?to.?host|network.?is.?unreachable|connect error: (113|101)",
        "there is no network route from {caller}'s pods to that address",
        "check mesh_network of {caller} and {callee}: pods of one network must reach each other",
    ),
    (
        r"connect(ion)?.?timeout|connect error: 110|timed.?out|(upstream.?request|response).?timeout",
        "packets to that address get no answer: a firewall between {caller}'s pods and {callee}, or no route back",
        "open the firewall (between networks: port 15443 of the east-west gateway; within one network: the pod ranges)",
    ),
    (
        r"connection.?termination|connection.?reset|tls.?error",
        "the other side closed the connection: its gateway knows no such service, or refuses the handshake",
        "run the gateways stage with --limit {both}; see the log of its east-west gateway",
    ),
    (
        r"remote.?connection.?failure",
        "the connection to {callee} failed, and the sidecar's answer names no reason: different roots, or "
        "nothing listens there",
        "see the check root, and the calls of the probes, which name the reason",
    ),
    (
        r"RBAC",
        "an AuthorizationPolicy of {callee} denies this caller",
        "allow the caller's identity there",
    ),
    (
        r"overflow",
        "a circuit breaker of {caller}'s sidecar is open",
        "see the DestinationRules for this service",
    ),
)
_NO_ROUTE = (
    "{caller}'s sidecar has no route to this service: its istiod has not configured it, or a VirtualService hides it",
    "run istioctl proxy-status in {caller}, then verify again",
)


def cause_of(
    caller: str,
    callee: str,
    status: int,
    said: str,
    line: AccessLine | None,
    endpoints: t.Sequence[Endpoint] | None,
    *,
    is_cluster: bool = True,
) -> Cause | None:
    """The cause of a failed call; None when nothing names one.

    Args:
        status: the HTTP status that the caller got, 0 for no answer.
        said: the answer's text; Envoy's own if it answers in place of the upstream.
        line: the call in the sidecar's access log, if it writes one.
        endpoints: where the sidecar sends the call; None: it does not know the upstream at all.
        is_cluster: whether ``callee`` names one cluster, and not a service of several clusters.
    """
    line = line or AccessLine()
    names = {"caller": caller, "callee": callee, "both": f"{caller},{callee}" if is_cluster else caller}
    words = " ".join(part for part in (line.reason, line.details, said) if part)
    where = line.upstream or ", ".join(e.address for e in endpoints or () if e.connect_failed)
    flags = f" {line.flags}" if line.flags else ""
    head = f"{status or 'no answer'}{flags} from {caller}'s sidecar"
    shown = _shown(line.reason or said or line.details)
    if "no healthy upstream" in words or "UH" in line.flags.split(","):
        return _no_healthy(f"{head}: no healthy upstream", names, endpoints)
    # Envoy writes blanks as underscores in logs and as blanks or bars in answers.
    plain = re.sub(r"[_|]+", " ", words)
    for pattern, means, advice in _CAUSES:
        if re.search(pattern, plain, re.IGNORECASE):
            at = f", at {where}" if where else ""
            return Cause(f"{head}{at}: {shown}", means.format(**names), advice.format(**names))
    if {"NR", "NC"} & set(line.flags.split(",")) or endpoints is None:
        seen = shown or ("it does not know the upstream" if endpoints is None else "no route")
        return Cause(f"{head}: {seen}", *(text.format(**names) for text in _NO_ROUTE))
    failing = [e.address for e in endpoints if e.connect_failed]
    if status == 0 and failing:
        means, advice = next((m, a) for p, m, a in _CAUSES if p.startswith("connect(ion)?.?timeout"))
        seen = f"no answer; {caller}'s sidecar could not connect to {', '.join(failing)}"
        return Cause(seen, means.format(**names), advice.format(**names))
    return None


def _no_healthy(head: str, names: t.Mapping[str, str], endpoints: t.Sequence[Endpoint] | None) -> Cause:
    if not endpoints:
        return Cause(
            f"{head}, it has no address",
            "the istiod that serves {caller} has read no ready pod of {callee}'s service, or knows no gateway of its "
            "network".format(**names),
            "see the checks synced, endpoints and gateways known; run the peering stage with --limit {both}".format(
                **names
            ),
        )
    ejected = [e.address for e in endpoints if e.ejected]
    return Cause(
        f"{head}, of {len(endpoints)} addresses {', '.join(ejected) or 'none'} ejected",
        "the sidecar ejected every address after failed calls",
        "find out why calls to {callee} failed before; the addresses return by themselves".format(**names),
    )


def _shown(text: str) -> str:
    """The part of Envoy's text that names the reason, without the words that every such answer begins with."""
    reason = re.split(r"(?:transport failure|reset) reason:", text)[-1]
    reason = re.sub(r"TLS_error:\|?\d+:SSL[_ ]routines:OPENSSL_internal:|:TLS_error_end", "", reason)
    # Logs hold underscores for blanks; the names of errors have their own, between capitals.
    reason = re.sub(r"(?<=[a-z\d:])_|_(?=[a-z])", " ", reason)
    return " ".join(reason.split())[:250]
