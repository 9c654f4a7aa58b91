# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads ``mesh_traffic``: policies as data, and all problems of what is written."""

from __future__ import annotations

import typing as t

from ..inventory.problems import Problem
from ..multicluster.exports import refuse, unknown_clusters
from .fields import POLICY, RULES
from .options import Place, milliseconds, written
from .policy import (
    CLUSTER_LABEL,
    Affinity,
    Breaker,
    Failover,
    Fault,
    Match,
    Measured,
    Mirror,
    Policy,
    Retries,
    Route,
    Rules,
    Share,
    Subset,
)

__all__ = ["parse_policies", "place_of", "read_policies"]

Values = t.Mapping[str, t.Any]

_RULE_KEYS = tuple(option.name for option in RULES)


def place_of(policy: Policy, field: str = "") -> Place:
    """Where a field of a policy is written."""
    return Place(policy.entry, policy.said, field)


def read_policies(
    given: t.Any, clusters: t.Collection[str], variable: str = "mesh_traffic"
) -> tuple[list[Policy], list[Problem]]:
    """Policies as data, and all problems of what is written. Policies with problems are left out.

    Args:
        given: a list of policies.
        clusters: names of the fleet's clusters.
        variable: what ``given`` is called, for problems.
    """
    problems: list[Problem] = []
    if not isinstance(given, (list, tuple)):
        if given:
            problems.append(
                Place(variable).problem(given, "is no list of policies", "[{service: orders.shop, timeout: 5s}]")
            )
        given = []
    found = []
    for number, entry in enumerate(given):
        policy, wrong = _policy(entry, f"{variable}[{number}]", clusters)
        problems += wrong
        if policy:
            found.append(policy)
    return found, problems


def parse_policies(given: t.Any, clusters: t.Collection[str], variable: str = "mesh_traffic") -> list[Policy]:
    """Policies as data; see :func:`read_policies`. Raises FleetError with all problems."""
    found, problems = read_policies(given, clusters, variable)
    refuse(problems)
    return found


def _policy(entry: t.Any, where: str, clusters: t.Collection[str]) -> tuple[Policy | None, list[Problem]]:
    problems: list[Problem] = []
    if not isinstance(entry, t.Mapping):
        hint = "{service: orders.shop, timeout: 5s}"
        return None, [Place(where).problem(entry, "is not a dictionary", hint)]
    place = Place(where, str(entry.get("service") or "")[:80])
    values = written(entry, POLICY, place, problems)
    service = values.get("service", "..")
    name, namespace, *more = service.split(".")
    callers = None
    if "from" in values:
        callers = tuple(values["from"])
        at = place.at("from")
        if not entry["from"]:
            problems.append(at.problem(None, "names no cluster", "leave it out for all"))
        problems += unknown_clusters(callers, str(at), clusters)
    routes = []
    for number, given in enumerate(values.get("routes", ())):
        # What a route says with problems is missing here, and the problem is told already.
        routes.append(_route(given, values, place.at("routes").at(number), clusters, problems))
    rules = _rules(values, place, clusters, problems)
    measured = Measured(**values.get("verify") or {})
    if more and values.get("global") is False:
        message = f"contradicts the name {service}"
        problems.append(place.at("global").problem(False, message, f"service: {name}.{namespace}, or no global"))
    also_global = bool(values.get("global")) and not more
    policy = Policy(where, name, namespace, bool(more), also_global, callers, rules, tuple(routes), measured)
    if not problems and not (more or also_global or set(values) & {*_RULE_KEYS, "routes"}):
        problems.append(place.problem(None, "says nothing", f"one of: {', '.join((*_RULE_KEYS, 'routes'))}"))
    return (None if problems else policy), problems


def _route(given: Values, policy: Values, place: Place, clusters: t.Collection[str], problems: list[Problem]) -> Route:
    headers = tuple(
        (str(name), *next(iter(wanted.items()))) if isinstance(wanted, t.Mapping) else (str(name), "exact", str(wanted))
        for name, wanted in sorted(given.get("headers", {}).items())
    )
    match = Match(headers, tuple(given.get("method", ())), given.get("path", ""))
    if match == Match() and not any(problem.variable.startswith(str(place)) for problem in problems):
        hint = "headers, method or path; what is for all calls belongs to the policy itself"
        problems.append(place.problem(None, "fits every call", hint))
    if given.get("rewrite") and not match.path:
        problems.append(place.at("rewrite").problem(given["rewrite"], "has nothing to replace", "add path"))
    inherited = {key: policy[key] for key in _RULE_KEYS if key in policy and key not in given}
    own = {key: given[key] for key in _RULE_KEYS if key in given}
    _rules(own, place, clusters, problems)
    rules = _rules({**inherited, **own}, place, clusters, [])  # problems of what is inherited are the policy's
    return Route(match, rules, given.get("rewrite", ""), frozenset(own))


def _rules(values: Values, place: Place, clusters: t.Collection[str], problems: list[Problem]) -> Rules:
    """The rules that values say; an empty one says nothing."""
    return Rules(
        split=_split(values.get("split"), place.at("split"), clusters, problems),
        timeout=_length(values.get("timeout")) or 0,
        retries=_retries(values.get("retries"), place.at("retries"), problems),
        fault=_fault(values.get("fault"), place.at("fault"), problems),
        mirror=_mirror(values.get("mirror"), place.at("mirror"), clusters, problems),
        breaker=_breaker(values.get("breaker"), place.at("breaker"), problems),
        failover=_order(values.get("failover"), place.at("failover"), clusters, problems),
        localities=tuple(sorted((str(k), int(v)) for k, v in (values.get("localities") or {}).items())),
        affinity=_affinity(values.get("affinity"), place.at("affinity"), problems),
    )


def _length(text: t.Any) -> int | None:
    return milliseconds(text) if text else None


def _subset(values: Values, place: Place, clusters: t.Collection[str], problems: list[Problem]) -> Subset:
    cluster = values.get("cluster", "")
    if cluster:
        problems += unknown_clusters([cluster], str(place.at("cluster")), clusters)
    if CLUSTER_LABEL in values.get("labels", {}):
        message = f"has {CLUSTER_LABEL}, which Istio sets itself"
        problems.append(place.at("labels").problem(None, message, f"cluster: {values['labels'][CLUSTER_LABEL]}"))
    return Subset(cluster, tuple(sorted((str(k), str(v)) for k, v in values.get("labels", {}).items())))


def _split(given: t.Any, place: Place, clusters: t.Collection[str], problems: list[Problem]) -> tuple[Share, ...]:
    found: dict[Subset, Share] = {}
    for number, entry in enumerate(given or ()):
        share = Share(_subset(entry, place.at(number), clusters, problems), entry.get("weight", 0))
        if share.subset in found:
            message = "has the same cluster and labels as one before"
            problems.append(place.at(number).problem(None, message, "add the weights, and name it once"))
        found[share.subset] = share
    return tuple(found.values())


def _retries(given: t.Any, place: Place, problems: list[Problem]) -> Retries | None:
    if not given:
        return None
    if "attempts" in given and not given["attempts"] and len(given) > 1:
        message = "says that no call is repeated, so nothing else can be said"
        problems.append(place.at("attempts").problem(0, message, "attempts: 0 alone, or 1 and more"))
    return Retries(
        given.get("attempts", 0),
        _length(given.get("per_try")) or 0,
        tuple(dict.fromkeys(given.get("retry_on", ()))),
        given.get("other_localities"),
    )


def _breaker(given: t.Any, place: Place, problems: list[Problem]) -> Breaker | None:
    if not given:
        return None
    for key in ("kind", "interval", "ejection", "share"):
        if key in given and "errors" not in given:
            message = "is about pods that are ejected, and none is without errors"
            problems.append(place.at(key).problem(given[key], message, "add errors, for example 5"))
    lengths = {key: _length(given.get(key)) for key in ("interval", "ejection")}
    return Breaker(**{**given, **lengths})


def _order(given: t.Any, place: Place, clusters: t.Collection[str], problems: list[Problem]) -> Failover | None:
    if not given:
        return None
    if isinstance(given, str):
        return Failover(given)
    mode, order = next(iter(given.items()))
    names = tuple(str.__str__(one) for one in order)
    if mode == "clusters":
        problems += unknown_clusters(names, str(place.at(mode)), clusters)
    elif len(set(names)) < len(names):
        problems.append(place.at(mode).problem(list(names), "names a region twice", "name it once"))
    return Failover(mode, names)


def _fault(given: t.Any, place: Place, problems: list[Problem]) -> Fault | None:
    if not given:
        return None
    if not given.get("delay") and not given.get("abort"):
        problems.append(place.problem(None, "neither delays nor aborts", "add delay or abort"))
    return Fault(_length(given.get("delay")) or 0, given.get("abort", 0), given.get("share", 100))


def _mirror(given: t.Any, place: Place, clusters: t.Collection[str], problems: list[Problem]) -> Mirror | None:
    if not given:
        return None
    mirror = Mirror(_subset(given, place, clusters, problems), given.get("share", 100))
    if mirror.subset == Subset():
        message = "copies calls to the pods that get them already"
        problems.append(place.problem(None, message, "add cluster or labels"))
    return mirror


def _affinity(given: t.Any, place: Place, problems: list[Problem]) -> Affinity | None:
    if not given:
        return None
    ways = [key for key in ("header", "cookie", "address") if given.get(key)]
    if len(ways) != 1:
        said = " and ".join(ways) or "none"
        problems.append(place.problem(None, f"needs one of header, cookie and address, and has {said}", "keep one"))
    for key in ("ttl", "path"):
        if ways and key in given and "cookie" not in given:
            problems.append(place.at(key).problem(given[key], "is about a cookie", f"add cookie, or remove {key}"))
    return Affinity(
        given.get("header", ""), given.get("cookie", ""), _length(given.get("ttl")) or 0, given.get("path", "")
    )
