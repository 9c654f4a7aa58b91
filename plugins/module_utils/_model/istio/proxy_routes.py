# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The routes of a host, as a VirtualService says them and as istiod sends them to a proxy, in one form.

The second form is Envoy's ``config.route.v3.Route`` as JSON (``/debug/config_dump``), which Istio makes of each match
of each route in ``pilot/pkg/networking/core/route``.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

__all__ = ["Routed", "is_route_of", "routes_seen", "routes_wanted"]

_CLUSTER = re.compile(r"outbound(?:\||_\.)[0-9]+(?:\||_\.)(.*?)(?:\||_\.)(.+)")
"""How proxies call the pods of a subset of a host; in gateways of other networks with other dividers."""
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_FAULT = "envoy.filters.http.fault"
_METHOD = ":method"
_PARTS = {"TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
_MILLION = 1_000_000
_STATUS_CODES = "retriable-status-codes"
"""Istio adds it where numbers are among the failures that are repeated."""

Object = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Routed:
    """One route of a host. Lengths of time are milliseconds, shares parts of a million."""

    name: str
    ways: frozenset[tuple[str, int]]
    """Subsets with their weights; with weight 0 the only one."""
    timeout: int = 0
    prefix: str = "/"
    headers: frozenset[tuple[str, str]] = frozenset()
    """Names of headers, and of the method, with the text that is compared."""
    rewrite: str = ""
    delay: tuple[int, int] | None = None
    """How long, and for which share."""
    abort: tuple[int, int] | None = None
    """The status, and for which share."""
    mirror: tuple[str, int] | None = None
    """The subset that gets copies, and the share."""
    retries: tuple[int, int, frozenset[str], bool] | None = dataclasses.field(default=None, compare=False)
    """How many, the length of one try, of which failures (none: Istio's own), and whether elsewhere; None for what the
    mesh has by default."""
    needed: bool = dataclasses.field(default=False, compare=False)
    """Whether every proxy that has routes of the host must have it."""


def is_route_of(seen: Routed, allowed: t.Iterable[Routed]) -> bool:
    """Whether a proxy's route is one of those that a VirtualService may give to proxies."""
    return any(seen.name == one.name and _same(seen, one) for one in allowed)


def _same(seen: Routed, wanted: Routed) -> bool:
    if seen != wanted:
        return False
    if wanted.retries is None:
        return True  # nobody here knows the mesh's default
    if seen.retries is None:
        return wanted.retries[0] == 0
    attempts, per_try, failures, elsewhere = wanted.retries
    there = seen.retries[2] - {_STATUS_CODES}
    same = seen.retries[0] == attempts and seen.retries[1] == per_try and seen.retries[3] == elsewhere
    return same and (not failures or there == failures - {_STATUS_CODES})


# What a VirtualService says.


def routes_wanted(service: Object) -> frozenset[Routed]:
    """The routes that a VirtualService may give to proxies: each of its routes by each match of it.

    Where matches tell callers apart, nobody says here which proxy gets which. Else all of them are needed, up to one
    for all calls: Istio sends none that come after it.
    """
    matches = [match for route in service["spec"].get("http") or [] for match in route.get("match") or []]
    needed = not any(match.get("sourceLabels") or match.get("sourceNamespace") for match in matches)
    found: set[Routed] = set()
    for route in service["spec"].get("http") or []:
        whole = _of_object(route)
        for match in route.get("match") or [{}]:
            prefix = (match.get("uri") or {}).get("prefix") or "/"
            one = dataclasses.replace(whole, prefix=str(prefix), headers=_compared(match), needed=needed)
            found.add(one)
            needed = needed and bool(one.headers or one.prefix != "/")
    return frozenset(found)


def _compared(match: Object) -> frozenset[tuple[str, str]]:
    given = dict(match.get("headers") or {})
    if match.get("method"):
        given[_METHOD] = match["method"]
    return frozenset((str(name), str(next(iter(how.values()), ""))) for name, how in given.items())


def _of_object(route: Object) -> Routed:
    ways = route.get("route") or []
    fault, retries, mirror = route.get("fault") or {}, route.get("retries"), route.get("mirror")
    share = _millionths(route.get("mirrorPercentage"))
    return Routed(
        str(route.get("name") or ""),
        frozenset(
            (str(way["destination"].get("subset") or ""), int(way.get("weight") or 0) if len(ways) > 1 else 0)
            for way in ways
        ),
        _milliseconds(route.get("timeout")),
        rewrite=str((route.get("rewrite") or {}).get("uri") or ""),
        delay=_fault(fault.get("delay"), "fixedDelay", _milliseconds),
        abort=_fault(fault.get("abort"), "httpStatus", int),
        mirror=(str(mirror.get("subset") or ""), share) if mirror and share else None,
        retries=None
        if retries is None
        else (
            int(retries.get("attempts") or 0),
            _milliseconds(retries.get("perTryTimeout")),
            _words(retries.get("retryOn")),
            bool(retries.get("retryRemoteLocalities")),
        ),
    )


def _fault(said: Object | None, key: str, read: t.Callable[[t.Any], int]) -> tuple[int, int] | None:
    return (read(said.get(key) or 0), _millionths(said.get("percentage"))) if said else None


def _millionths(percent: Object | None) -> int:
    """Percent of an object as Istio sends it: cut off, not rounded. All where nothing is said."""
    return int(float(percent.get("value") or 0) * 10_000) if percent is not None else _MILLION


# What a proxy was sent.


def routes_seen(virtual: Object, host: str) -> t.Iterator[Routed]:
    """The routes of a virtual host of a proxy."""
    for route in virtual.get("routes") or []:
        yield _of_proxy(route, host)


def _of_proxy(route: Object, host: str) -> Routed:
    action, match = route.get("route") or {}, route.get("match") or {}
    many = (action.get("weightedClusters") or {}).get("clusters") or []
    ways = [(str(one.get("name")), int(one.get("weight") or 0)) for one in many]
    ways = ways or [(str(action.get("cluster") or ""), 0)]
    fault = (route.get("typedPerFilterConfig") or {}).get(_FAULT) or {}
    copies, retries = action.get("requestMirrorPolicies") or [], action.get("retryPolicy")
    return Routed(
        str(route.get("name") or ""),
        frozenset((_subset(name, host), weight) for name, weight in ways),
        _milliseconds(action.get("timeout")),
        str(match.get("prefix") or "/"),
        frozenset((str(one.get("name")), _text(one.get("stringMatch") or {})) for one in match.get("headers") or []),
        str(action.get("prefixRewrite") or ""),
        _sent_fault(fault.get("delay"), "fixedDelay", _milliseconds),
        _sent_fault(fault.get("abort"), "httpStatus", int),
        _copies(copies[0], host) if copies else None,
        None
        if retries is None
        else (
            int(retries.get("numRetries") or 0),
            _milliseconds(retries.get("perTryTimeout")),
            _words(retries.get("retryOn")),
            "retryPriority" in retries,
        ),
    )


def _text(how: Object) -> str:
    regex = how.get("safeRegex")
    return str(regex.get("regex")) if regex else str(how.get("exact") or how.get("prefix") or "")


def _sent_fault(said: Object | None, key: str, read: t.Callable[[t.Any], int]) -> tuple[int, int] | None:
    return (read(said.get(key) or 0), _fraction(said.get("percentage"))) if said else None


def _copies(policy: Object, host: str) -> tuple[str, int]:
    share = (policy.get("runtimeFraction") or {}).get("defaultValue")
    return _subset(str(policy.get("cluster") or ""), host), _fraction(share) if share else _MILLION


def _fraction(percent: Object | None) -> int:
    """Envoy's ``type.v3.FractionalPercent`` in parts of a million; its JSON leaves out zero, and hundreds."""
    percent = percent or {}
    return int(percent.get("numerator") or 0) * _MILLION // _PARTS.get(str(percent.get("denominator")), 100)


def _subset(cluster: str, host: str) -> str:
    match = _CLUSTER.fullmatch(cluster)
    return match.group(1) if match and match.group(2) == host else cluster


# Of both: of the same few texts, for each route of each proxy that is looked at.


@functools.lru_cache(maxsize=256)
def _words(text: t.Any) -> frozenset[str]:
    return frozenset(word.strip() for word in str(text or "").split(",") if word.strip())


@functools.lru_cache(maxsize=256)
def _milliseconds(text: t.Any) -> int:
    """A length of time as Istio's objects (``1500ms``, ``2s``) and proxies (``1.500s``) have it."""
    return int(sum(round(float(number) * _UNITS[unit]) for number, unit in _LENGTH.findall(str(text or ""))))
