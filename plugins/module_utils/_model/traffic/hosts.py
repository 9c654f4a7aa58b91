# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Istio's live objects say: for which hosts they are, and which subsets they have and name."""

from __future__ import annotations

import typing as t

__all__ = ["Named", "fits", "full", "hosts_of", "is_pattern", "named_by", "namespace_of", "subsets_of"]

Object = t.Mapping[str, t.Any]
Named = tuple[str, str]
"""A host, and a subset of it."""

_MESH = "mesh"
"""The gateway that stands for all sidecars."""
_ROUTES = ("http", "tcp", "tls")


def full(host: str, namespace: str) -> str:
    """A host as Istio reads it: a name without a dot is one of the object's own namespace."""
    return f"{host}.{namespace}.svc.cluster.local" if host and "." not in host and host != "*" else host


def is_pattern(host: str) -> bool:
    """Whether a host stands for many: ``*.shop.svc.cluster.local``, or ``*`` for all."""
    return host.startswith("*")


def fits(pattern: str, host: str) -> bool:
    """Whether a host is one of those that a pattern stands for."""
    return is_pattern(pattern) and host.endswith(pattern[1:])


def namespace_of(host: str) -> str:
    """The namespace of a policy's service, by its host ``name.namespace...``."""
    return host.split(".")[1] if "." in host else ""


def hosts_of(obj: Object) -> tuple[str, ...]:
    """The hosts for whose callers in the mesh a VirtualService, DestinationRule or ServiceEntry is."""
    spec, namespace = obj.get("spec") or {}, str(obj["metadata"].get("namespace") or "")
    if obj.get("kind") == "DestinationRule":
        return (full(str(spec.get("host") or ""), namespace),)
    if obj.get("kind") == "VirtualService" and _MESH not in (spec.get("gateways") or [_MESH]):
        return ()
    return tuple(full(str(host), namespace) for host in spec.get("hosts") or [])


def subsets_of(rule: Object | None) -> dict[str, t.Any]:
    """The subsets of a DestinationRule by name; none of an object that is not there."""
    return {str(one.get("name")): one for one in ((rule or {}).get("spec") or {}).get("subsets") or []}


def named_by(service: Object | None) -> frozenset[Named]:
    """The subsets that the routes of a VirtualService name, also for copies of calls; "" for a host as a whole."""
    if service is None:
        return frozenset()
    namespace = str(service["metadata"].get("namespace") or "")
    found: set[Named] = set()
    for kind in _ROUTES:
        for route in (service.get("spec") or {}).get(kind) or []:
            ways = [*(route.get("route") or []), *(route.get("mirrors") or [])]
            destinations = [way.get("destination") for way in ways] + [route.get("mirror")]
            found |= {
                (full(str(one.get("host") or ""), namespace), str(one.get("subset") or ""))
                for one in destinations
                if one
            }
    return frozenset(found)
