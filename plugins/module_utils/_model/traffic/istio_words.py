# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Istio's words for rules: routes of a VirtualService, and the traffic policy of a DestinationRule."""

from __future__ import annotations

import functools
import typing as t

from .policy import (
    CLUSTER_LABEL,
    EVERYWHERE,
    NEAREST,
    NONE,
    Affinity,
    Breaker,
    Fault,
    Match,
    Policy,
    Retries,
    Rules,
    Subset,
)

__all__ = ["ejected_share", "http_routes", "length", "traffic_policy"]

Spec = dict[str, t.Any]

_SHARE, _SHARE_WITH_OTHERS = 50, 100
"""Percent of the pods that may be ejected, by default; the second where calls can go to others."""


def length(milliseconds: int) -> str:
    """A length of time as Istio reads it."""
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def ejected_share(rules: Rules) -> int:
    """Percent of the pods that may be ejected at one time."""
    given = rules.breaker.share if rules.breaker else None
    has_others = rules.fails_over and not rules.pinned
    return given or (_SHARE_WITH_OTHERS if has_others else _SHARE)


def http_routes(policy: Policy, sources: t.Sequence[str], destination: t.Callable[[int, Subset], Spec]) -> list[Spec]:
    """The routes of a policy, the one for all other calls last.

    Args:
        policy: the policy.
        sources: the clusters whose callers the routes are for; none for everybody who has the VirtualService.
        destination: by a route's number (from 1; 0 for the policy) and pods, where these calls go.
    """
    beginning = f"from-{sources[0]}-" if sources else ""
    found = []
    for number, route in enumerate(policy.routes, 1):
        match = [_match(route.match, source) for source in sources or ("",)]
        spec = _route(route.rules, functools.partial(destination, number))
        rewrite = {"rewrite": {"uri": route.rewrite}} if route.rewrite else {}
        found.append({"name": f"{beginning}route-{number}", "match": match, **rewrite, **spec})
    match = [_match(Match(), source) for source in sources]
    rest = _route(policy.rules, functools.partial(destination, 0))
    found.append({"name": f"{beginning}all", **({"match": match} if match else {}), **rest})
    return found


def _match(match: Match, source: str) -> Spec:
    found: Spec = {}
    if source:
        found["sourceLabels"] = {CLUSTER_LABEL: source}
    if match.path:
        found["uri"] = {"prefix": match.path}
    if match.methods:
        one = len(match.methods) == 1
        found["method"] = {"exact": match.methods[0]} if one else {"regex": "|".join(match.methods)}
    if match.headers:
        found["headers"] = {name: {how: text} for name, how, text in match.headers}
    return found


def _route(rules: Rules, destination: t.Callable[[Subset], Spec]) -> Spec:
    spec: Spec = {}
    shares = [share for share in rules.split if share.weight]
    if len(shares) > 1:
        spec["route"] = [{"destination": destination(one.subset), "weight": one.weight} for one in shares]
    else:
        spec["route"] = [{"destination": destination(shares[0].subset if shares else EVERYWHERE)}]
    if rules.timeout:
        spec["timeout"] = length(rules.timeout)
    if rules.retries:
        spec["retries"] = _retries(rules.retries)
    if rules.fault:
        spec["fault"] = _fault(rules.fault)
    if rules.mirror:
        spec["mirror"] = destination(rules.mirror.subset)
        spec["mirrorPercentage"] = {"value": rules.mirror.share}
    return spec


def _retries(retries: Retries) -> Spec:
    spec: Spec = {"attempts": retries.attempts}
    if retries.per_try:
        spec["perTryTimeout"] = length(retries.per_try)
    if retries.retry_on:
        spec["retryOn"] = ",".join(retries.retry_on)
    if retries.other_localities is not None:
        spec["retryRemoteLocalities"] = retries.other_localities
    return spec


def _fault(fault: Fault) -> Spec:
    share = {"percentage": {"value": fault.share}}
    spec: Spec = {}
    if fault.delay:
        spec["delay"] = {"fixedDelay": length(fault.delay), **share}
    if fault.abort:
        spec["abort"] = {"httpStatus": fault.abort, **share}
    return spec


def traffic_policy(rules: Rules, order: Spec) -> Spec:
    """The traffic policy of rules; empty where they say nothing of connections.

    Args:
        rules: the rules.
        order: the ``localityLbSetting`` for their order of clusters or regions, if they have one.
    """
    spec: Spec = {}
    if rules.breaker:
        spec |= _breaker(rules.breaker, ejected_share(rules), rules.connecting)
    balancing = _localities(rules, order)
    if rules.affinity:
        balancing["consistentHash"] = _affinity(rules.affinity)
    if balancing:
        spec["loadBalancer"] = balancing
    return spec


def _breaker(breaker: Breaker, share: int, connecting: int) -> Spec:
    tcp = {"maxConnections": breaker.connections, "connectTimeout": length(connecting) if connecting else ""}
    http = {"http1MaxPendingRequests": breaker.pending, "http2MaxRequests": breaker.requests}
    pool = {
        "tcp": {key: value for key, value in tcp.items() if value},
        "http": {key: value for key, value in http.items() if value},
    }
    spec: Spec = {}
    if any(pool.values()):
        spec["connectionPool"] = {key: value for key, value in pool.items() if value}
    if breaker.errors is None:
        return spec
    # A count of 0 turns off the one that Istio has by default.
    counts: Spec = {"consecutive5xxErrors": 0}
    if breaker.kind == "5xx":
        counts = {"consecutive5xxErrors": breaker.errors}
    elif breaker.kind == "gateway":
        counts["consecutiveGatewayErrors"] = breaker.errors
    else:
        counts |= {"splitExternalLocalOriginErrors": True, "consecutiveLocalOriginFailures": breaker.errors}
    if breaker.interval:
        counts["interval"] = length(breaker.interval)
    if breaker.ejection:
        counts["baseEjectionTime"] = length(breaker.ejection)
    return {**spec, "outlierDetection": {**counts, "maxEjectionPercent": share}}


def _localities(rules: Rules, order: Spec) -> Spec:
    if rules.localities:
        to = {f"{name}/*": weight for name, weight in rules.localities}  # all zones, or all parts of a zone
        return {"localityLbSetting": {"enabled": True, "distribute": [{"from": "*", "to": to}]}}
    failover = rules.failover
    if failover is None:
        return {}
    if failover.mode == NONE:
        return {"localityLbSetting": {"enabled": False}}
    if failover.mode == NEAREST:
        return {"localityLbSetting": {"enabled": True}}
    return {"localityLbSetting": order}


def _affinity(affinity: Affinity) -> Spec:
    if affinity.header:
        return {"httpHeaderName": affinity.header}
    if not affinity.cookie:
        return {"useSourceIp": True}
    spec: Spec = {"name": affinity.cookie}
    if affinity.ttl:
        spec["ttl"] = length(affinity.ttl)
    if affinity.path:
        spec["path"] = affinity.path
    return {"httpCookie": spec}
