# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of pod, service and container ranges against each other."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ..inventory.addresses import FreeRanges, Interval, assign_ranges, interval, overlaps
from ..inventory.problems import Problem
from ..providers.base import Hosts
from ..providers.reading import network_of, requested_ranges
from ..providers.registry import provider_of_host, text

__all__ = ["check"]

_SMALLEST_ENGINE = 28
"""Of the container network of local clusters."""


@dataclasses.dataclass(frozen=True)
class _Range:
    host: str
    kind: str
    """pod, service or container."""
    cidr: str
    network: str
    local: bool
    """Of a cluster on this machine."""
    allocated: bool
    """From the fleet's range, not from the inventory."""


def check(hosts: Hosts) -> list[Problem]:
    """Ranges of a wrong size, ranges that overlap, fleet ranges that are used up."""
    problems: list[Problem] = []
    fitting: dict[str, dict[str, t.Any]] = {}
    for host, variables in hosts.items():
        fitting[host] = dict(variables)
        for kind, name in (("pod", "cluster_pod_cidr"), ("service", "cluster_service_cidr")):
            cidr = text(variables, name)
            wrong = provider_of_host(variables).wrong_size(kind, _prefix(cidr)) if cidr else None
            if wrong:
                problems.append(Problem(host, name, cidr, *wrong))
                del fitting[host][name]
    first = next(iter(hosts.values()))
    engine = text(first, "fleet_engine_network")
    if engine and _prefix(engine) > _SMALLEST_ENGINE:
        problems.append(Problem("", "fleet_engine_network", engine, "is too small", f"at least a /{_SMALLEST_ENGINE}"))
    pools = {"pod": text(first, "fleet_pod_range"), "service": text(first, "fleet_service_range")}
    allocated, missing = assign_ranges(
        {host: requested_ranges(variables) for host, variables in fitting.items()},
        pools["pod"],
        pools["service"],
        avoid=[engine] if engine else [],
    )
    problems += _used_up(missing)
    problems += _overlaps(_listed(fitting, allocated, engine))
    return problems


def _prefix(cidr: str) -> int:
    return ipaddress.IPv4Network(cidr, strict=False).prefixlen


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


def _listed(hosts: Hosts, allocated: t.Mapping[str, tuple[str, str]], engine: str) -> list[_Range]:
    # The container network comes first: of two that overlap, the later one is reported.
    listed = [_Range("", "container", engine, "", True, False)] if engine else []
    for host, pair in allocated.items():
        variables = hosts[host]
        network, local = network_of(host, variables), provider_of_host(variables).local
        for kind, cidr in zip(("pod", "service"), pair, strict=True):
            if cidr:
                listed.append(_Range(host, kind, cidr, network, local, not text(variables, f"cluster_{kind}_cidr")))
    return listed


def _overlaps(listed: t.Sequence[_Range]) -> list[Problem]:
    spans: list[tuple[_Range, Interval]] = [(one, interval(one.cidr)) for one in listed]
    free = FreeRanges(span for _one, span in spans)
    problems: list[Problem] = []
    reported: set[tuple[str, str]] = set()
    for later, earlier in [*overlaps(spans, _on_one_machine), *overlaps(spans, _on_one_network)]:
        if (later.host, later.kind) in reported:
            continue
        reported.add((later.host, later.kind))
        whose = f"{earlier.host}'s" if earlier.host != later.host else "its own"
        what = "" if earlier.kind == later.kind else f"{earlier.kind} range "
        if earlier.kind == "container":
            whose, what = "the container network", ""
        source = f", allocated from fleet_{earlier.kind}_range" if earlier.allocated else ""
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
    """Local clusters share a machine: all their ranges are distinct. Allocated ranges are distinct from all others."""
    if not one.local:
        return "other", ("allocated",)
    return ("allocated", ("allocated", "local", "other")) if one.allocated else ("local", ("allocated", "local"))


def _on_one_network(one: _Range) -> tuple[str, t.Collection[str]]:
    if one.kind == "container":
        return "container", ()
    pods, services = f"pod {one.network}", f"service {one.network}"
    return (pods, (pods, services)) if one.kind == "pod" else (services, (pods,))
