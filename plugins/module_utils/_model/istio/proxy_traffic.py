# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a live proxy says of its calls to services: its routes, what it counted, and the pods that it knows.

An upstream is what Envoy calls a cluster: ``outbound|8080|east-v3|reviews.shop.svc.cluster.local``.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

__all__ = [
    "COUNTED",
    "Counts",
    "Endpoint",
    "Faults",
    "ProxyRoute",
    "parse_counts",
    "parse_endpoints",
    "parse_faults",
    "parse_routes",
    "upstream",
]

COUNTED = (
    r"^(cluster\.outbound.*\.upstream_rq_(active|pending_active|completed|retry|timeout|per_try_timeout)"
    r"|http\.outbound.*\.fault\.(aborts|delays)_injected)$"
)
"""The counters that are read. A proxy keeps none of them unless its pod asks for them."""

_COUNTER = re.compile(
    r"^cluster\.(outbound\|\d+\|[^|]*\|[^;:]+?);?"
    r"\.(internal\.|external\.|retry\.|canary\.|zone\.\S+\.)?upstream_rq_(\w+): (\d+)$",
    re.MULTILINE,
)
_FAULT = re.compile(r"^http\.outbound\S*\.fault\.(aborts|delays)_injected: (\d+)$", re.MULTILINE)


def upstream(port: int, subset: str, host: str) -> str:
    """The name of an upstream; ``subset`` is "" for the whole service."""
    return f"outbound|{port}|{subset}|{host}"


@dataclasses.dataclass(frozen=True)
class Counts:
    """What a proxy counted of calls to one upstream."""

    calls: int = 0
    """Calls that ended, each once however often it was tried, also those that no pod answered."""
    copies: int = 0
    """Those of them that were copies for a mirror."""
    retries: int = 0
    timeouts: int = 0
    """Calls that the route's timeout ended."""
    try_timeouts: int = 0
    """Tries that the time for one try ended."""
    active: int = 0
    """Tries that have not ended, also of copies: as it is now, not a sum."""
    pending: int = 0
    """Those that still wait for a connection; they are not among ``active``."""
    earlier: int = 0
    """Calls and copies that had not ended when counting began, so that some of those counted may be these."""

    @property
    def under_way(self) -> int:
        """Calls and copies that are not counted yet, because they have not ended."""
        return self.active + self.pending

    def since(self, before: Counts) -> Counts:
        """What was counted after ``before``."""
        sums = ("calls", "copies", "retries", "timeouts", "try_timeouts")
        return Counts(
            **{name: max(0, getattr(self, name) - getattr(before, name)) for name in sums},
            active=self.active,
            pending=self.pending,
            earlier=before.under_way,
        )


_FIELDS = {
    ("", "completed"): "calls",
    ("internal.", "completed"): "copies",
    ("", "retry"): "retries",
    ("", "timeout"): "timeouts",
    ("", "per_try_timeout"): "try_timeouts",
    ("", "active"): "active",
    ("", "pending_active"): "pending",
}


def parse_counts(stats: str) -> dict[str, Counts]:
    """By upstream what Envoy's ``/stats`` says; those without a call may be missing."""
    found: dict[str, dict[str, int]] = {}
    for name, kind, counter, value in _COUNTER.findall(stats):
        field = _FIELDS.get((kind, counter))
        if field:
            found.setdefault(name, {})[field] = int(value)
    return {name: Counts(**counts) for name, counts in found.items()}


@dataclasses.dataclass(frozen=True)
class Faults:
    """Calls that a proxy aborted, and those that it held back, because a route says so."""

    aborts: int = 0
    delays: int = 0

    def since(self, before: Faults) -> Faults:
        """What was counted after ``before``."""
        return Faults(max(0, self.aborts - before.aborts), max(0, self.delays - before.delays))


def parse_faults(stats: str) -> Faults:
    """What Envoy's ``/stats`` says of all calls."""
    total = {"aborts": 0, "delays": 0}
    for kind, value in _FAULT.findall(stats):
        total[kind] += int(value)
    return Faults(**total)


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """An address to which a proxy sends calls: a pod's, or that of a gateway in front of pods."""

    address: str
    health: str = "healthy"
    region: str = ""
    zone: str = ""
    priority: int = 0
    """0 for those that are preferred."""
    calls: int = 0
    """Tries that it got since the proxy knows it."""

    @property
    def is_healthy(self) -> bool:
        return self.health == "healthy"


def parse_endpoints(clusters: str, hosts: t.Container[str]) -> dict[str, list[Endpoint]]:
    """By upstream of some hosts the addresses in Envoy's ``/clusters`` text; none for one without pods."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for line in clusters.splitlines():
        name, _mark, rest = line.partition("::")
        if not name.startswith("outbound|") or name.rpartition("|")[2] not in hosts:
            continue
        addresses = found.setdefault(name, {})
        parts = rest.split("::")
        # An IPv6 address holds "::" too, but in brackets.
        address = "::".join(parts[:-2])
        if re.search(r":\d+$", address):
            addresses.setdefault(address, {})[parts[-2]] = parts[-1]
    return {
        name: [
            Endpoint(
                address,
                said.get("health_flags", "healthy"),
                said.get("region", ""),
                said.get("zone", ""),
                int(said.get("priority") or 0),
                int(said.get("rq_total") or 0),
            )
            for address, said in sorted(addresses.items())
        ]
        for name, addresses in found.items()
    }


@dataclasses.dataclass(frozen=True)
class ProxyRoute:
    """A route as a proxy has it; times in milliseconds, 0 for no limit."""

    name: str
    timeout: int = 0
    attempts: int = 0
    per_try: int = 0
    retry_on: frozenset[str] = frozenset()
    weights: tuple[tuple[str, int], ...] = ()
    """By upstream the weight; one upstream alone has 100."""


def parse_routes(dump: str) -> dict[str, list[ProxyRoute]]:
    """By ``host:port`` its routes in Envoy's ``config_dump?resource=dynamic_route_configs``, in their order."""
    try:
        configs = json.loads(dump).get("configs") or []
    except (ValueError, AttributeError):
        return {}
    return {
        str(virtual.get("name")): [_route(route) for route in virtual.get("routes") or []]
        for config in configs
        for virtual in (config.get("route_config") or {}).get("virtual_hosts") or []
    }


def _route(route: t.Mapping[str, t.Any]) -> ProxyRoute:
    action = route.get("route") or {}
    retry = action.get("retry_policy") or {}
    several = (action.get("weighted_clusters") or {}).get("clusters") or []
    weights = [(str(one.get("name")), int(one.get("weight") or 0)) for one in several]
    if not weights and action.get("cluster"):
        weights = [(str(action["cluster"]), 100)]
    return ProxyRoute(
        str(route.get("name") or ""),
        _milliseconds(action.get("timeout")),
        # A policy for retries without a number repeats once.
        int(retry.get("num_retries", 1)) if retry else 0,
        _milliseconds(retry.get("per_try_timeout")),
        frozenset(word for word in str(retry.get("retry_on") or "").split(",") if word),
        tuple(weights),
    )


def _milliseconds(text: t.Any) -> int:
    """A length of time as Envoy writes it, such as ``0.300s``."""
    found = re.fullmatch(r"(\d+)(?:\.(\d{1,9}))?s", str(text or ""))
    return int(found[1]) * 1000 + int((found[2] or "").ljust(9, "0")) // 10**6 if found else 0
