# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A policy of ``mesh_traffic`` as data: what calls to one service from some clusters get."""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = [
    "CLUSTER_LABEL",
    "EVERYWHERE",
    "NEAREST",
    "NONE",
    "NOTHING",
    "Affinity",
    "Breaker",
    "Failover",
    "Fault",
    "Match",
    "Measured",
    "Mirror",
    "Policy",
    "Retries",
    "Route",
    "Rules",
    "Share",
    "Subset",
    "is_global_name",
]

CLUSTER_LABEL = "topology.istio.io/cluster"
"""Label by which Istio knows the cluster of a pod, of one that calls and of one that is called."""
_GLOBAL = ".global"
NEAREST = "nearest"
NONE = "none"


@dataclasses.dataclass(frozen=True)
class Subset:
    """Some of a service's pods: those in a cluster ("": in any) with these labels, sorted."""

    cluster: str = ""
    labels: tuple[tuple[str, str], ...] = ()


EVERYWHERE = Subset()


def is_global_name(host: str) -> bool:
    """Whether a host is a global name: ``name.namespace.global``."""
    return host.endswith(_GLOBAL)


"""All pods of a service."""


@dataclasses.dataclass(frozen=True)
class Share:
    """A part of the calls, in percent."""

    subset: Subset
    weight: int


@dataclasses.dataclass(frozen=True)
class Retries:
    """How often a call is repeated after its first try, and how long a try may take (milliseconds; 0: no limit)."""

    attempts: int
    per_try: int = 0
    retry_on: tuple[str, ...] = ()
    other_localities: bool | None = None


@dataclasses.dataclass(frozen=True)
class Breaker:
    """Limits of connections and calls, and when a pod is ejected; None where Istio's default holds."""

    connections: int | None = None
    pending: int | None = None
    requests: int | None = None
    errors: int | None = None
    kind: str = "5xx"
    interval: int | None = None
    ejection: int | None = None
    share: int | None = None


@dataclasses.dataclass(frozen=True)
class Failover:
    """Where calls go when pods are ejected: ``mode`` is NEAREST, NONE, or ``clusters`` or ``regions`` in ``order``."""

    mode: str
    order: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Fault:
    """A delay (milliseconds; 0 for none) and an answer (HTTP status; 0 for none) for a share of the calls."""

    delay: int = 0
    abort: int = 0
    share: float = 100


@dataclasses.dataclass(frozen=True)
class Mirror:
    """Some pods that get copies of a share of the calls; their answers are dropped."""

    subset: Subset
    share: float = 100


@dataclasses.dataclass(frozen=True)
class Affinity:
    """What calls that go to the same pod have in common: a header, a cookie, or the address that they come from."""

    header: str = ""
    cookie: str = ""
    ttl: int = 0
    path: str = ""


@dataclasses.dataclass(frozen=True)
class Rules:
    """What a policy, or one route of it, says of the calls."""

    split: tuple[Share, ...] = ()
    timeout: int = 0
    retries: Retries | None = None
    fault: Fault | None = None
    mirror: Mirror | None = None
    breaker: Breaker | None = None
    failover: Failover | None = None
    localities: tuple[tuple[str, int], ...] = ()
    affinity: Affinity | None = None

    @property
    def routed(self) -> bool:
        """Whether it needs a route, which only HTTP has."""
        return bool(self.split or self.timeout or self.retries or self.fault or self.mirror)

    @property
    def ejects(self) -> bool:
        """Whether pods are ejected after errors."""
        return self.breaker is not None and self.breaker.errors is not None

    @property
    def connecting(self) -> int:
        """How long a connection to a pod may take to come about (milliseconds); 0 for Istio's ten seconds.

        Envoy's time for a try begins when the connection is there. Without this a try to a node that is gone would last
        as long as Istio lets a connection take, and its pods would be ejected as late.
        """
        return self.retries.per_try if self.ejects and self.retries else 0

    @property
    def fails_over(self) -> bool:
        """Whether it asks for other pods than those that it prefers, when these are ejected."""
        return self.failover is not None and self.failover.mode != NONE

    @property
    def pinned(self) -> list[str]:
        """The clusters that parts of the calls go to whatever happens: their pods are no others to fail over to."""
        return [share.subset.cluster for share in self.split if share.subset.cluster and share.weight]

    @property
    def is_ordered(self) -> bool:
        """Whether it names an order of clusters or regions."""
        return self.failover is not None and bool(self.failover.order)


NOTHING = Rules()


@dataclasses.dataclass(frozen=True)
class Match:
    """Which calls a route is for: all of what is given must be so."""

    headers: tuple[tuple[str, str, str], ...] = ()
    """Each with its name, how it is compared (``exact``, ``prefix``, ``regex``), and with what."""
    methods: tuple[str, ...] = ()
    path: str = ""
    """What the path begins with."""


@dataclasses.dataclass(frozen=True)
class Route:
    """Rules for some of the calls; what the route does not say is the policy's already."""

    match: Match
    rules: Rules
    rewrite: str = ""
    """What replaces ``match.path``; "" for nothing."""
    said: frozenset[str] = frozenset()
    """The keys that the route itself has."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """How verify measures a policy: the path and port of its requests, and how many; 0 and None for the default."""

    path: str = "/"
    port: int = 0
    requests: int | None = None
    """0 leaves the policy out."""


@dataclasses.dataclass(frozen=True)
class Policy:
    """What calls to a service from some clusters get."""

    entry: str
    """Where it is written, such as ``mesh_traffic[0]``."""
    name: str
    namespace: str
    is_global: bool = False
    """Whether it is about ``name.namespace.global`` and not about the Service ``name.namespace`` itself."""
    also_global: bool = False
    """Whether it is about both."""
    callers: tuple[str, ...] | None = None
    """The clusters whose callers it is for; None: all."""
    rules: Rules = NOTHING
    routes: tuple[Route, ...] = ()
    measured: Measured = Measured()

    @property
    def service(self) -> str:
        """As a person writes it."""
        return f"{self.name}.{self.namespace}{_GLOBAL if self.is_global else ''}"

    @property
    def host(self) -> str:
        """As Istio knows it."""
        return self.service if self.is_global else f"{self.service}.svc.cluster.local"

    @property
    def said(self) -> str:
        """The policy in words: its service, and for whom it is."""
        return self.service if self.callers is None else f"{self.service} from {', '.join(self.callers)}"

    @property
    def says_nothing(self) -> bool:
        """Whether calls go as without it."""
        return self.rules == NOTHING and not self.routes

    def by_name(self) -> tuple[Policy, ...]:
        """A policy for each name that it is about."""
        if not self.also_global:
            return (self,)
        own = dataclasses.replace(self, also_global=False)
        return own, dataclasses.replace(own, is_global=True)

    def all_rules(self) -> t.Iterator[tuple[str, Rules, frozenset[str] | None]]:
        """Of the policy and its routes: how fields begin, the rules, and the keys that are said there (None: all)."""
        yield "", self.rules, None
        for number, route in enumerate(self.routes):
            yield f"routes[{number}].", route.rules, route.said
