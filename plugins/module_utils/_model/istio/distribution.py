# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether proxies have what was applied, by what the debug pages of their istiod say of each of them.

Each push of an istiod has a number, with which the nonces begin of all that it sends to proxies. What a proxy has
accepted is on ``/debug/syncz``, for all of them at once. What the last push to a proxy held is shown for one proxy at a
time: DestinationRules on ``/debug/sidecarz``, routes on ``/debug/config_dump``. So some proxies are looked at, and the
others count with them once they have accepted the same push or a later one.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .proxy_routes import Routed, is_route_of, routes_seen

__all__ = ["Proxy", "Rule", "Wanted", "has_routes", "has_rules", "parse_syncz"]

_UUID = 36
"""The characters of a nonce after the version of its push."""
_MANY = 2**63
_SENT = {
    "cluster": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "endpoint": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "route": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}
"""What is looked at, and its type in Envoy's API."""
_KINDS = ("sidecar", "router")
_TIME = re.compile(r"(?!0001)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
"""Go's time as JSON (RFC 3339); one that is not set is in the year 1."""

Object = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Proxy:
    """A proxy as its istiod knows it; ``rules`` and ``routes`` are numbers of pushes that it has accepted."""

    name: str
    cluster: str
    kind: str
    rules: int
    routes: int
    watches_routes: bool
    pending: str = ""
    """What it has not accepted yet of what it was sent; "" for nothing."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """A DestinationRule that proxies must have, in this generation or a later one; None: must not have any more."""

    name: str
    namespace: str
    host: str
    generation: int | None

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What proxies must have."""

    rules: tuple[Rule, ...] = ()
    routes: t.Mapping[str, frozenset[Routed] | None] = dataclasses.field(default_factory=dict)
    """By host all routes that may be there; None for a host to which calls go without subsets."""
    fresh: bool = False
    """Whether sidecars must have got routes since the state from which the wait began."""

    def __bool__(self) -> bool:
        return bool(self.rules or self.routes)


def _decoded(text: str) -> t.Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _number(nonce: str) -> int:
    """The number of the push; -1 for none."""
    found = nonce[:-_UUID].rpartition("/")[2]
    return int(found) if found.isdecimal() else -1


def parse_syncz(text: str) -> dict[str, Proxy] | None:
    """``/debug/syncz`` by proxy, of sidecars and gateways; None when it is not that page.

    istiod lists connections. One that broke without its knowledge is there, and gets what is sent, until its keepalive
    ends it; beside it is the one that the proxy has made since. Of two, the one that has accepted most counts.
    """
    document = _decoded(text)
    if not isinstance(document, list):
        return None
    found: dict[str, Proxy] = {}
    for entry in document:
        if not isinstance(entry, dict) or entry.get("proxy_type") not in _KINDS:
            continue
        late = [kind for kind in _SENT if entry.get(f"{kind}_sent") != entry.get(f"{kind}_acked")]
        name = str(entry.get("proxy"))
        proxy = Proxy(
            name,
            str(entry.get("cluster_id") or ""),
            str(entry["proxy_type"]),
            _number(str(entry.get("cluster_acked") or "")),
            _number(str(entry.get("route_acked") or "")),
            bool(entry.get("route_sent")),
            _not_accepted(late[0], entry.get("resources") or {}) if late else "",
        )
        if name not in found or found[name].rules <= proxy.rules:
            found[name] = proxy
    return found


def _not_accepted(kind: str, resources: t.Mapping[str, Object]) -> str:
    """What a proxy has not accepted, why, and since when: one that hangs says no more, a busy one got it just now."""
    errors = [str(one["lastError"]) for one in resources.values() if one.get("lastError")]
    sent = str((resources.get(_SENT[kind]) or {}).get("sentTime") or "")
    when = f", sent at {sent[:19].replace('T', ' ')} by istiod's clock" if _TIME.match(sent) else ""
    return f"it has not accepted its {kind}s{when}{': ' + errors[0] if errors else ''}"


def has_rules(page: str, wanted: t.Iterable[Rule]) -> str | None:
    """What a proxy lacks of DestinationRules, by its page ``/debug/sidecarz``; "" for nothing.

    None where none of them concerns it: its Sidecar names none of the hosts.
    """
    document = _decoded(page)
    if not isinstance(document, dict):
        return "istiod does not show what it was sent"
    rules = document.get("destinationRules") or {}
    hosts = {str(one.get("hostname")) for one in document.get("services") or []}
    concerned = False
    for rule in wanted:
        merged = rules.get(rule.host) or []
        is_there = any((rule.namespace, rule.name) in _parts_of(one) for one in merged)
        concerned |= is_there or rule.host in hosts
        if rule.generation is None:
            if is_there:
                return f"it still has DestinationRule {rule.namespace}/{rule.name}"
        elif rule.host in hosts and not is_there:
            return f"it lacks DestinationRule {rule.namespace}/{rule.name}"
        elif is_there and _generation(merged, rule) < rule.generation:
            return f"it has DestinationRule {rule.namespace}/{rule.name} as it was"
    return "" if concerned else None


def _generation(merged: t.Iterable[Object], rule: Rule) -> int:
    """The generation of a DestinationRule that istiod may have merged with others; a great one if unsaid."""
    found = (one.get("rule") or {} for one in merged)
    own = [int(one.get("generation") or 0) for one in found if (one.get("namespace"), one.get("name")) == rule.key]
    return own[0] if own else _MANY


def _parts_of(consolidated: Object) -> set[tuple[str, str]]:
    """The DestinationRules, by namespace and name, of which istiod made one."""
    rule = consolidated.get("rule") or {}
    parts = {(str(one.get("Namespace")), str(one.get("Name"))) for one in consolidated.get("from") or []}
    return parts | {(str(rule.get("namespace")), str(rule.get("name")))}


def has_routes(page: str, wanted: t.Mapping[str, frozenset[Routed] | None]) -> str | None:
    """What a proxy has of routes that is not as wanted, by ``/debug/config_dump?types=rds``; "" for nothing.

    None where none of the hosts concerns it.
    """
    document = _decoded(page)
    if not isinstance(document, dict):
        return "istiod does not show what it was sent"
    concerned = False
    for config in document.get("configs") or []:
        for virtual in config.get("virtualHosts") or []:
            host = str(virtual.get("name") or "").rpartition(":")[0]
            if host not in wanted:
                continue
            concerned = True
            allowed = wanted[host]
            found = list(routes_seen(virtual, host))
            for seen in found:
                if allowed is None and any(subset for subset, _weight in seen.ways):
                    return f"it still has routes of {host} to subsets"
                if allowed is not None and not is_route_of(seen, allowed):
                    return f"it has route {seen.name or '(no name)'} of {host} as it was"
            for one in allowed or ():
                if one.needed and not any(is_route_of(seen, [one]) for seen in found):
                    return f"it lacks route {one.name or '(no name)'} of {host}"
    return "" if concerned else None
