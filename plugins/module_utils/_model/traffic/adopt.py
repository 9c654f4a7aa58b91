# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether objects of somebody else's say of a host what a policy says, so that ours may take their place.

Two objects say the same if every call goes to the same pods, with the same weights, limits, time-outs and all else.
Names of objects, routes and subsets do not matter, nor how a length of time is written. Whatever is only in theirs
makes a difference, so nothing is lost. So does a subset of theirs that the routes of a third name, here or in another
cluster whose calls pass a gateway here.
"""

from __future__ import annotations

import json
import re
import typing as t

from .hosts import full, hosts_of, named_by, namespace_of, subsets_of
from .rollout import ROUTES, RULES, identity

__all__ = ["difference"]

Object = t.Mapping[str, t.Any]

_LENGTH = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_EVERYWHERE: tuple[list[str], ...] = ([], ["*"])
_EVERY_CALL: tuple[list[dict[str, t.Any]], ...] = ([], [{}], [{"uri": {"prefix": "/"}}])


def difference(
    host: str,
    ours: t.Sequence[Object],
    theirs: t.Sequence[Object],
    live: t.Sequence[Object],
    elsewhere: t.Mapping[str, t.Iterable[Object]] | None = None,
) -> str:
    """What is said differently of a host; "" where both say the same.

    Args:
        host: the host.
        ours: the objects that the policy makes for it in a cluster.
        theirs: those of others for it there.
        live: all VirtualServices there, whoever made them.
        elsewhere: by other cluster whose calls pass a gateway here, the VirtualServices of others that stay there.
    """
    of_ours, of_theirs = _by_kind(ours), _by_kind(theirs)
    for kind, found in of_theirs.items():
        if kind not in (ROUTES, RULES):
            return f"it is a {kind}"
        if len(found) > 1:
            return f"there are {len(found)} of kind {kind}"
    routes, rules = _first(of_theirs, ROUTES), _first(of_theirs, RULES)
    own_rules = _first(of_ours, RULES)
    for check in (
        _scope(routes, rules, host),
        _subsets(host, own_rules, rules, theirs, live, elsewhere or {}),
        _policy(own_rules, rules),
        "" if routes is None and _stands(_first(of_ours, ROUTES), live) else _routes(host, of_ours, of_theirs),
    ):
        if check:
            return check
    return ""


def _by_kind(objects: t.Iterable[Object]) -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = {}
    for obj in objects:
        found.setdefault(str(obj["kind"]), []).append(obj)
    return found


def _first(objects: t.Mapping[str, t.Sequence[Object]], kind: str) -> Object | None:
    return next(iter(objects.get(kind, ())), None)


def _scope(routes: Object | None, rules: Object | None, host: str) -> str:
    """For whom theirs are: for everybody, as ours are."""
    for obj in (routes, rules):
        if obj is not None and (obj["spec"].get("exportTo") or []) not in _EVERYWHERE:
            return f"{obj['kind']} has exportTo, so it is not for all callers"
    if routes is not None:
        if list(hosts_of(routes)) != [host]:
            return "VirtualService is for other hosts too"
        if (routes["spec"].get("gateways") or ["mesh"]) != ["mesh"]:
            return "VirtualService is for gateways too"
        if set(routes["spec"]) & {"tcp", "tls"}:
            return "VirtualService has routes of TCP or TLS"
    if rules is not None:
        if rules["metadata"].get("namespace") != namespace_of(host):
            return "DestinationRule is in another namespace than the service, and so for other callers"
        if rules["spec"].get("workloadSelector"):
            return "DestinationRule has workloadSelector, so it is not for all callers"
    return ""


def _stands(routes: Object | None, live: t.Iterable[Object]) -> bool:
    """Whether our routes are there already: an earlier run took theirs over, and did not get as far as their rules."""
    return routes is not None and any(identity(routes) == identity(obj) for obj in live)


def _subsets(
    host: str,
    ours: Object | None,
    theirs: Object | None,
    others: t.Sequence[Object],
    live: t.Iterable[Object],
    elsewhere: t.Mapping[str, t.Iterable[Object]],
) -> str:
    """Whether subsets of theirs can go: Istio makes one of both rules while both are there."""
    own, foreign = subsets_of(ours), subsets_of(theirs)
    for name in own.keys() & foreign.keys():
        if _subset(own[name]) != _subset(foreign[name]):
            return f"subset {name} means other pods, or has another trafficPolicy"
    taken = {identity(obj) for obj in others}
    here = [service for service in live if identity(service) not in taken]
    for where, services in (("", here), *((f" in {cluster}", found) for cluster, found in elsewhere.items())):
        for service in services:
            named = named_by(service) if service["kind"] == ROUTES else ()
            lost = sorted(name for at, name in named if at == host and name in foreign and name not in own)
            if lost:
                meta = service["metadata"]
                return f"VirtualService {meta.get('namespace')}/{meta['name']}{where} names its subset {lost[0]}"
    return ""


def _policy(ours: Object | None, theirs: Object | None) -> str:
    mine, foreign = (_plain(((one or {}).get("spec") or {}).get("trafficPolicy") or {}) for one in (ours, theirs))
    if mine != foreign:
        keys = sorted(key for key in {*mine, *foreign} if mine.get(key) != foreign.get(key))
        return f"DestinationRule says another trafficPolicy: {', '.join(keys)}"
    return ""


def _routes(host: str, ours: t.Mapping[str, list[Object]], theirs: t.Mapping[str, list[Object]]) -> str:
    mine, foreign = (_meant(host, _first(one, ROUTES), subsets_of(_first(one, RULES))) for one in (ours, theirs))
    if mine == foreign:
        return ""
    for number, pair in enumerate(zip(mine, foreign, strict=False)):
        keys = sorted(key for key in {*pair[0], *pair[1]} if pair[0].get(key) != pair[1].get(key))
        if keys:
            return f"VirtualService says something else in http[{number}]: {', '.join(keys)}"
    return f"VirtualService has {len(foreign)} routes, and the policy {len(mine)}"


def _meant(host: str, service: Object | None, subsets: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The routes with the pods that they mean; none for those that change nothing."""
    if service is None:
        return []
    namespace = str(service["metadata"].get("namespace") or "")

    def pods(destination: Object) -> dict[str, t.Any]:
        found = {key: value for key, value in destination.items() if key != "subset"}
        found["host"] = full(str(destination.get("host") or ""), namespace)
        name = destination.get("subset")
        if name:
            found["subset"] = _subset(subsets[name]) if name in subsets and found["host"] == host else f"none: {name}"
        return found

    routes = []
    for http in service["spec"].get("http") or []:
        route = {key: value for key, value in http.items() if key not in ("name", "route", "match", "mirror")}
        ways = http.get("route") or []
        only = len(ways) == 1
        shares = [
            {**way, "destination": pods(way.get("destination") or {}), "weight": 100 if only else way.get("weight", 0)}
            for way in ways
        ]
        route["route"] = sorted(shares, key=lambda share: json.dumps(share, sort_keys=True, default=str))
        matches = [{key: value for key, value in one.items() if key != "name"} for one in http.get("match") or []]
        if matches not in _EVERY_CALL:
            route["match"] = matches
        if http.get("mirror"):
            route["mirror"] = pods(http["mirror"])
            route.setdefault("mirrorPercentage", {"value": 100})
        routes.append(_plain(route))
    whole = [{"route": [{"destination": {"host": host}, "weight": 100}]}]
    return [] if routes == whole else routes


def _subset(subset: Object) -> dict[str, t.Any]:
    return {"labels": subset.get("labels") or {}, "trafficPolicy": _plain(subset.get("trafficPolicy") or {})}


def _plain(value: t.Any) -> t.Any:
    """A value with every length of time in milliseconds."""
    if isinstance(value, t.Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, str) and _LENGTH.fullmatch(value):
        return f"{sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value)):g} ms"
    return value
