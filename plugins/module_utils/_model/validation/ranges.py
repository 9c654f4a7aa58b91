# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of pod, service and container ranges against each other."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ..inventory.addresses import FreeRanges, Interval, assign_ranges, interval, overlaps
from ..inventory.fleet import network_of, wanted_ranges
from ..inventory.problems import Problem
from ..inventory.variables import text

__all__ = ["check"]

_SMALLEST = 28
"""kubeadm wants ten addresses of a service range; fewer than sixteen pods are no cluster either."""
_KIND_POD_SMALLEST = 24
"""What kubeadm gives one node."""
_KIND_POD_LARGEST = 8
"""kubeadm: at most 16 bits between the range and a node's part of it."""
_SERVICE_LARGEST = 12
"""What kube-apiserver refuses to exceed."""


@dataclasses.dataclass(frozen=True)
class _Range:
    host: str
    kind: str
    """pod, service or container."""
    cidr: str
    network: str
    local: bool
    """Of a cluster that we make on this machine."""
    given: bool
    """Cut from the fleet's range rather than written in the inventory."""


def check(hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[Problem]:
    """Ranges of a wrong size, ranges that overlap, fleet ranges that are used up."""
    problems: list[Problem] = []
    fitting: dict[str, dict[str, t.Any]] = {}
    for host, variables in hosts.items():
        fitting[host] = dict(variables)
        for kind, name in (("pod", "cluster_pod_cidr"), ("service", "cluster_service_cidr")):
            cidr = text(variables, name)
            wrong = _size(cidr, kind, text(variables, "cluster_provider")) if cidr else None
            if wrong:
                problems.append(Problem(host, name, cidr, *wrong))
                del fitting[host][name]
    first = next(iter(hosts.values()))
    engine = text(first, "fleet_engine_network")
    if engine and _prefix(engine) > _SMALLEST:
        problems.append(Problem("", "fleet_engine_network", engine, "is too small", f"at least a /{_SMALLEST}"))
    pools = {"pod": text(first, "fleet_pod_range"), "service": text(first, "fleet_service_range")}
    given, missing = assign_ranges(
        {host: wanted_ranges(variables) for host, variables in fitting.items()},
        pools["pod"],
        pools["service"],
        avoid=[engine] if engine else [],
    )
    problems += _used_up(missing)
    problems += _overlaps(_listed(fitting, given, engine))
    return problems


def _prefix(cidr: str) -> int:
    return ipaddress.IPv4Network(cidr, strict=False).prefixlen


def _size(cidr: str, kind: str, provider: str) -> tuple[str, str] | None:
    prefix = _prefix(cidr)
    if kind == "pod" and provider == "kind":
        if prefix > _KIND_POD_SMALLEST:
            return "is too small", f"a node takes a /{_KIND_POD_SMALLEST} of it"
        if prefix < _KIND_POD_LARGEST:
            return "is too large", f"at most a /{_KIND_POD_LARGEST}"
    if prefix > _SMALLEST:
        return "is too small", f"at least a /{_SMALLEST}"
    if kind == "service" and prefix < _SERVICE_LARGEST:
        return "is too large", f"kube-apiserver takes at most a /{_SERVICE_LARGEST}"
    return None


def _used_up(missing: t.Sequence[tuple[str, str, str]]) -> list[Problem]:
    problems = []
    for kind in ("pod", "service"):
        lacking = [(host, pool) for host, lacked, pool in missing if lacked == kind]
        if lacking:
            host, pool = lacking[0]
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            problems.append(
                Problem(
                    "",
                    f"fleet_{kind}_range",
                    pool,
                    f"has no free /16 left for {host}{more}",
                    f"widen it, or set cluster_{kind}_cidr",
                )
            )
    return problems


def _listed(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]], given: t.Mapping[str, tuple[str, str]], engine: str
) -> list[_Range]:
    # The container network comes first: of two that overlap, the later one is told to move.
    listed = [_Range("", "container", engine, "", True, False)] if engine else []
    for host, pair in given.items():
        variables = hosts[host]
        network = network_of(host, variables, text(variables, "mesh_id") or text(variables, "fleet_name"))
        local = text(variables, "cluster_provider") == "kind"
        for kind, cidr in zip(("pod", "service"), pair, strict=True):
            if cidr:
                listed.append(_Range(host, kind, cidr, network, local, not text(variables, f"cluster_{kind}_cidr")))
    return listed


def _overlaps(listed: t.Sequence[_Range]) -> list[Problem]:
    spans: list[tuple[_Range, Interval]] = [(one, interval(one.cidr)) for one in listed]
    free = FreeRanges(span for _one, span in spans)
    problems: list[Problem] = []
    told: set[tuple[str, str]] = set()
    for later, earlier in [*overlaps(spans, _on_one_machine), *overlaps(spans, _on_one_network)]:
        if (later.host, later.kind) in told:
            continue
        told.add((later.host, later.kind))
        whose = f"{earlier.host}'s" if earlier.host != later.host else "its own"
        what = "" if earlier.kind == later.kind else f"{earlier.kind} range "
        if earlier.kind == "container":
            whose, what = "the container network", ""
        source = f", given from fleet_{earlier.kind}_range" if earlier.given else ""
        other = free.next(later.cidr)
        problems.append(
            Problem(
                later.host,
                f"cluster_{later.kind}_cidr",
                later.cidr,
                f"overlaps {whose} {what}{earlier.cidr}{source}",
                f"choose another, free here: {other}" if other else "choose another; no private range is free",
            )
        )
    return problems


def _on_one_machine(one: _Range) -> tuple[str, t.Collection[str]]:
    """Local clusters share a machine, so all of theirs is distinct; what we give away is so from all that is known."""
    if not one.local:
        return "other", ("given",)
    return ("given", ("given", "local", "other")) if one.given else ("local", ("given", "local"))


def _on_one_network(one: _Range) -> tuple[str, t.Collection[str]]:
    if one.kind == "container":
        return "container", ()
    pods, services = f"pod {one.network}", f"service {one.network}"
    return (pods, (pods, services)) if one.kind == "pod" else (services, (pods,))
