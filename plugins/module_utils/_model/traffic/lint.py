# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with policies, as far as the inventory says: nothing is read of a cluster for it."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Cluster, Fleet
from ..inventory.nearest import Nearest
from ..inventory.problems import Problem
from .istio_words import ejected_share, length
from .paths import Paths
from .policy import Policy, Rules
from .reading import place_of

__all__ = ["Findings", "lint"]

_MANY = 5


@dataclasses.dataclass
class Findings:
    """Problems, with which nothing may be applied, and warnings, with which it may."""

    problems: list[Problem] = dataclasses.field(default_factory=list)
    warnings: list[Problem] = dataclasses.field(default_factory=list)

    def __add__(self, other: Findings) -> Findings:
        return Findings(self.problems + other.problems, self.warnings + other.warnings)


def lint(fleet: Fleet, policies: t.Sequence[Policy]) -> Findings:
    """All findings about policies that were read without problems, in their order."""
    found = Findings(problems=_claims(fleet, policies))
    paths, regions = Paths(fleet), _Regions(fleet)
    for policy in policies:
        found.problems += _hidden(policy)
        for prefix, rules, said in policy.all_rules():
            own = _Own(policy, prefix, said)
            found.problems += [*_weights(own, rules), *_failover(own, rules), *_retries(own, rules)]
            found.problems += [*_ejects_all(own, rules), *_order(own, rules, paths), *_reach(own, rules, paths)]
            found.problems += _unsupported(own, rules, paths)
            found += regions.check(own, rules)
            found.warnings += _limits(own, rules, paths)
    return found


@dataclasses.dataclass(frozen=True)
class _Own:
    """A policy or a route of it, which reports only what it says itself."""

    policy: Policy
    prefix: str
    said: frozenset[str] | None

    def problem(self, field: str, value: t.Any, message: str, hint: str, needs: t.Sequence[str] = ()) -> list[Problem]:
        """A problem of a field that depends on the fields ``needs``; none where all of them are inherited."""
        keys = {field.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0], *needs}
        if self.said is not None and not keys & self.said:
            return []
        return [place_of(self.policy, self.prefix + field).problem(value, message, hint)]


def _claims(fleet: Fleet, policies: t.Sequence[Policy]) -> list[Problem]:
    """Policies for the same host and callers: only one can hold."""
    claimed: dict[tuple[str, str], Policy] = {}
    problems = []
    for policy in policies:
        twice: dict[str, list[str]] = {}
        for caller in fleet.clusters if policy.callers is None else policy.callers:
            firsts = [claimed.setdefault((one.host, caller), policy) for one in policy.by_name()]
            for first in {id(one): one for one in firsts if one is not policy}.values():
                twice.setdefault(first.entry, []).append(caller)
        for entry, callers in twice.items():
            message = f"is for callers in {_some(callers)}, as {entry} is, for the same service"
            hint = "name different clusters, or make one policy of both"
            problems.append(place_of(policy, "from").problem(None, message, hint))
    return problems


def _hidden(policy: Policy) -> list[Problem]:
    """Routes that never hold, because one before them is for the same calls."""
    problems: list[Problem] = []
    first: dict[t.Any, int] = {}
    for number, route in enumerate(policy.routes):
        before = first.setdefault(route.match, number)
        if before != number:
            message = f"never holds: routes[{before}] is for the same calls, and the first that fits does"
            problems.append(place_of(policy, f"routes[{number}]").problem(None, message, "make one route of both"))
    return problems


def _some(names: t.Sequence[str]) -> str:
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + more


def _weights(own: _Own, rules: Rules) -> list[Problem]:
    problems = []
    for field, weights in (
        ("split", [share.weight for share in rules.split]),
        ("localities", [weight for _name, weight in rules.localities]),
    ):
        total = sum(weights)
        if weights and total != 100:
            hint = f"{'add' if total < 100 else 'take away'} {abs(100 - total)}"
            problems += own.problem(field, None, f"has weights that sum to {total}, not to 100", hint)
    return problems


def _failover(own: _Own, rules: Rules) -> list[Problem]:
    problems = []
    if rules.fails_over and not rules.ejects:
        message = "needs pods to be ejected, and no errors are counted"
        problems += own.problem("failover", None, message, "add breaker: {errors: 5}", ["breaker"])
    if rules.localities and rules.failover:
        message = "is said together with failover, and Istio knows one of both"
        problems += own.problem("localities", None, message, "remove one of both", ["failover"])
    if rules.is_ordered and rules.pinned:
        message = f"changes nothing for the parts of split that name a cluster ({_some(rules.pinned)})"
        problems += own.problem("failover", None, message, "remove one of both, cluster or failover", ["split"])
    return problems


def _retries(own: _Own, rules: Rules) -> list[Problem]:
    retries = rules.retries
    if not retries or not retries.per_try or not rules.timeout:
        return []
    tries = retries.attempts + 1
    if tries * retries.per_try <= rules.timeout:
        return []
    most = f", or per_try of {length(rules.timeout // tries)}" if rules.timeout >= tries else ""
    message = f"allows {tries} tries of {length(retries.per_try)}, which do not fit into {length(rules.timeout)}"
    hint = f"timeout of {length(tries * retries.per_try)}{most}"
    return own.problem("retries", None, message, hint, ["timeout"])


def _ejects_all(own: _Own, rules: Rules) -> list[Problem]:
    if not rules.ejects or ejected_share(rules) < 100:
        return []
    if rules.fails_over and not rules.pinned:
        return []
    where = f"all pods in {_some(rules.pinned)}" if rules.pinned else "all pods"
    hint = "a share below 100, or failover without a cluster in split"
    return own.problem("breaker.share", 100, f"lets {where} be ejected", hint, ["failover", "split"])


def _order(own: _Own, rules: Rules, paths: Paths) -> list[Problem]:
    failover = rules.failover
    if failover is None or not failover.order:
        return []
    callers = paths.fleet.clusters if own.policy.callers is None else own.policy.callers
    wrong: list[str] = []
    for served in paths.served.values():
        mine = tuple(caller for caller in served if caller in callers)
        if mine and paths.order(failover, mine) is None:
            wrong += mine
    if not wrong:
        return []
    message = f"is an order that Istio cannot keep for callers in {_some(wrong)}"
    hint = "name the first only, or regions that begin with the callers' own and name two of three"
    return own.problem(f"failover.{failover.mode}", list(failover.order), message, hint)


def _unsupported(own: _Own, rules: Rules, paths: Paths) -> list[Problem]:
    """What the control plane of some callers cannot do."""
    fleet, problems = paths.fleet, []
    callers = list(fleet.clusters) if own.policy.callers is None else own.policy.callers
    reasons = {name: control_plane_of(fleet, fleet.clusters[name]).unsupported for name in callers}
    for key in dict.fromkeys(key for why in reasons.values() for key in why):
        wrong = {name: why[key] for name, why in reasons.items() if key in why}
        if getattr(rules, key):
            message = f"cannot be kept for callers in {_some(list(wrong))}: {next(iter(wrong.values()))}"
            problems += own.problem(key, None, message, f"leave {key} out, or these clusters out of from")
    return problems


def _reach(own: _Own, rules: Rules, paths: Paths) -> list[Problem]:
    callers = list(paths.fleet.clusters) if own.policy.callers is None else own.policy.callers
    named = [(f"split[{n}].cluster", share.subset.cluster) for n, share in enumerate(rules.split) if share.weight]
    named += [("mirror.cluster", rules.mirror.subset.cluster)] if rules.mirror else []
    problems = []
    for field, callee in named:
        reasons = {caller: why for caller in callers if callee and (why := paths.why_not(caller, callee))}
        if reasons:
            message = f"cannot be called: {_some(list(reasons.values()))}"
            hint = f"mesh_peers, or from without {_some(list(reasons))}"
            if len(reasons) == len(callers):
                hint = "mesh_peers, or another cluster"
            problems += own.problem(field, callee, message, hint)
    if rules.failover and rules.failover.mode == "clusters":
        for number, callee in enumerate(rules.failover.order):
            reasons = {caller: why for caller in callers if (why := paths.why_not(caller, callee))}
            if len(reasons) == len(callers):
                message = f"cannot be called: {_some(list(reasons.values()))}"
                problems += own.problem(f"failover.clusters[{number}]", callee, message, "mesh_peers, or leave it out")
    return problems


def _limits(own: _Own, rules: Rules, paths: Paths) -> list[Problem]:
    """Limits that a gateway applies too, where its control plane reads the same rules for callers of its own."""
    limits = {key: getattr(rules.breaker, key) for key in ("connections", "pending") if rules.breaker}
    limits = {key: value for key, value in limits.items() if value}
    callers = own.policy.callers
    if not limits or not paths.own_gateways_forward(None if callers is None else frozenset(callers)):
        return []
    key, value = next(iter(limits.items()))
    message = "counts at east-west gateways too, there for all callers of other networks together"
    hint = "a number that is enough for all of them, or a policy for the callers of each network"
    return own.problem(f"breaker.{key}", value, message, hint)


class _Regions:
    """Regions and zones of a fleet; where a cluster says none, nobody knows those of its nodes."""

    def __init__(self, fleet: Fleet) -> None:
        self._clusters: list[Cluster] = list(fleet.clusters.values())  # a region is read when a policy names one

    @functools.cached_property
    def regions(self) -> set[str]:
        return {cluster.region for cluster in self._clusters if cluster.region}

    @functools.cached_property
    def zones(self) -> set[str]:
        return {f"{one.region}/{one.zone}" for one in self._clusters if one.region and one.zone}

    @property
    def all_known(self) -> bool:
        return all(cluster.region for cluster in self._clusters)

    @property
    def all_zones(self) -> bool:
        return all(cluster.zone for cluster in self._clusters)

    def check(self, own: _Own, rules: Rules) -> Findings:
        found = Findings()
        for name, _weight in rules.localities:
            region, slash, _zone = name.partition("/")
            if region not in self.regions:
                self._add(found, own.problem("localities", *self._wrong(region)), self.all_known)
            elif slash and name not in self.zones:
                message = "names a zone that no cluster has"
                hint = f"one of: {_some(sorted(self.zones))}" if self.zones else "set cluster_zone"
                self._add(found, own.problem("localities", name, message, hint), self.all_zones)
        if rules.failover and rules.failover.mode == "regions":
            for region in rules.failover.order:
                if region not in self.regions:
                    self._add(found, own.problem("failover.regions", *self._wrong(region)), self.all_known)
        return found

    def _wrong(self, region: str) -> tuple[str, str, str]:
        guess = Nearest(self.regions).find(region)
        known = f"one of: {_some(sorted(self.regions))}" if self.regions else "set cluster_region"
        return region, "names a region that no cluster has", f"did you mean {guess}?" if guess else known

    @staticmethod
    def _add(found: Findings, problems: list[Problem], certain: bool) -> None:
        (found.problems if certain else found.warnings).extend(problems)
