# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Subsets of a service's pods that policies need, and their names: the same in every cluster.

A gateway of another network knows a subset by its name alone, so one name means one thing in the whole fleet.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import re
import typing as t

from .paths import Paths
from .policy import CLUSTER_LABEL, EVERYWHERE, NONE, Policy, Rules, Subset

__all__ = ["Target", "is_apart", "names_of", "prefers", "target_of", "targets_of"]

_LONGEST = 63
_HASH = 8


@dataclasses.dataclass(frozen=True)
class Target:
    """Pods, and whose rules for connections hold for calls to them.

    Args:
        subset: the pods.
        caller: the first cluster of the policy whose rules hold; "" for those of the whole service.
        route: the number of the route whose rules hold, from 1; 0 for the policy's.
    """

    subset: Subset
    caller: str = ""
    route: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it is the service itself, so that no subset is needed."""
        return self.subset == EVERYWHERE and not self.caller

    @property
    def labels(self) -> dict[str, str]:
        """What Istio selects the pods by."""
        cluster = {CLUSTER_LABEL: self.subset.cluster} if self.subset.cluster else {}
        return {**cluster, **dict(self.subset.labels)}

    @property
    def words(self) -> str:
        """What a person calls it; two may have the same words."""
        parts = [self.subset.cluster, *(value or key for key, value in self.subset.labels)]
        parts = [part for part in parts if part] or ["all"]
        parts += ["for", self.caller] if self.caller else []
        parts += ["route", str(self.route)] if self.route else []
        return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-") or "pods"


def _connections(rules: Rules) -> tuple[t.Any, ...]:
    """The part of rules that is about connections to pods, which a DestinationRule has."""
    return rules.breaker, rules.connecting, rules.failover, rules.localities, rules.affinity


def prefers(rules: Rules) -> bool:
    """Whether rules prefer some pods, by where they are."""
    return bool(rules.localities or (rules.failover and rules.failover.mode != NONE))


def is_apart(policy: Policy, paths: Paths) -> bool:
    """Whether a policy's rules for connections are kept apart from those of the whole service.

    They are where a route has others, and where the policy is not for all callers that a control plane configures. A
    gateway has the rules of the whole service too, for calls from other networks: so they are where it forwards calls
    of others, and where it must prefer the same pods as the policy's callers.
    """
    if any(_connections(route.rules) != _connections(policy.rules) for route in policy.routes):
        return True
    if policy.callers is None or not any(_connections(policy.rules)):
        return False
    callers = frozenset(policy.callers)
    read_in = {paths.read_in(caller) for caller in callers}
    if any(not callers.issuperset(paths.served[cluster]) for cluster in read_in):
        return True
    return paths.crossed_by_others(callers) or (prefers(policy.rules) and paths.chosen_by_gateways(callers))


def target_of(policy: Policy, number: int, subset: Subset, apart: bool) -> Target:
    """What calls to a subset go to.

    Args:
        policy: whose calls they are.
        number: the number of its route, from 1; 0 for the calls that no route fits.
        subset: the pods.
        apart: whether the policy's rules for connections are kept apart from those of the whole service.
    """
    rules = policy.routes[number - 1].rules if number else policy.rules
    if not apart or not any(_connections(rules)):
        return Target(subset)
    same = _connections(rules) == _connections(policy.rules)
    return Target(subset, policy.callers[0] if policy.callers else "all", 0 if same else number)


def targets_of(policy: Policy, apart: bool) -> list[Target]:
    """All targets of a policy's calls but the service itself."""
    found = []
    for number, rules in enumerate((policy.rules, *(route.rules for route in policy.routes))):
        subsets = [share.subset for share in rules.split] or [EVERYWHERE]
        subsets += [rules.mirror.subset] if rules.mirror else []
        found += [target_of(policy, number, subset, apart) for subset in subsets]
    return [target for target in dict.fromkeys(found) if not target.is_whole]


def names_of(targets: t.Iterable[Target]) -> dict[Target, str]:
    """The name of each target's subset; those with the same words, or very long ones, end with a hash."""
    every = list(dict.fromkeys(targets))
    words = collections.Counter(target.words for target in every)
    return {target: _name(target, words[target.words] == 1) for target in every}


def _name(target: Target, is_only: bool) -> str:
    plain = target.words
    if is_only and len(plain) <= _LONGEST:
        return plain
    content = repr((target.subset.cluster, target.subset.labels, target.caller, target.route))
    digest = hashlib.sha256(content.encode()).hexdigest()[:_HASH]
    return f"{plain[: _LONGEST - _HASH - 1].strip('-')}-{digest}"
