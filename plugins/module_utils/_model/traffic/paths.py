# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clusters of a fleet call which, and which control plane reads the objects for their callers."""

from __future__ import annotations

import functools
import typing as t

from ..control_planes.registry import control_plane_of
from ..inventory.fleet import ROLE_REMOTE, Cluster, Fleet
from ..peering.graph import may_call
from .order import locality_setting
from .policy import Failover

__all__ = ["Paths"]


class Paths:
    """Answers about a fleet, each computed once."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.served: dict[str, tuple[str, ...]] = {}
        """By cluster whose objects a control plane reads, the clusters whose callers get them."""
        for cluster in fleet.clusters.values():
            self.served[self.read_in(cluster.name)] = (*self.served.get(self.read_in(cluster.name), ()), cluster.name)
        self._callees: dict[tuple[str, ...], list[Cluster]] = {}
        self._views: dict[tuple[str, ...], int] = {}
        self._orders: dict[tuple[Failover, int], dict[str, t.Any] | None] = {}
        self._contents: dict[t.Hashable, int] = {}
        self._numbers: dict[tuple[Failover, int], int] = {}
        self._may_call = functools.lru_cache(maxsize=None)(functools.partial(may_call, fleet))

    def read_in(self, caller: str) -> str:
        """The cluster whose objects hold for a cluster's callers: a remote's are those of its primary."""
        cluster = self.fleet.clusters[caller]
        return cluster.primary if cluster.role == ROLE_REMOTE else caller

    def istio_api(self, cluster: str) -> str:
        """The ``apiVersion`` of a cluster's VirtualServices and DestinationRules."""
        return control_plane_of(self.fleet, self.fleet.clusters[cluster]).istio_api()

    def may_call(self, caller: str, callee: str) -> bool:
        """Whether callers of a cluster find pods of another one."""
        return self._may_call(caller, callee)

    def callees(self, callers: tuple[str, ...]) -> list[Cluster]:
        """The clusters whose pods some of the callers find."""
        if callers not in self._callees:
            clusters = self.fleet.clusters.values()
            self._callees[callers] = [one for one in clusters if any(self.may_call(c, one.name) for c in callers)]
        return self._callees[callers]

    def view(self, callers: tuple[str, ...]) -> int:
        """A number that is the same for callers in the same regions and networks who find the same clusters."""
        if callers not in self._views:
            here = [self.fleet.clusters[caller] for caller in callers]
            places = frozenset(one.region for one in here), frozenset(one.network for one in here)
            content = (places, tuple(cluster.name for cluster in self.callees(callers)))
            self._views[callers] = self._contents.setdefault(content, len(self._contents))
        return self._views[callers]

    def order(self, failover: Failover, callers: tuple[str, ...]) -> dict[str, t.Any] | None:
        """Istio's ``localityLbSetting`` for an order of clusters or regions, or None where Istio cannot say it."""
        key = (failover, self.view(callers))
        if key not in self._orders:
            here = [self.fleet.clusters[caller] for caller in callers]
            self._orders[key] = locality_setting(failover, self.callees(callers), here)
        return self._orders[key]

    def order_number(self, failover: Failover, callers: tuple[str, ...]) -> int:
        """A number that is the same for callers for whom Istio's setting is."""
        key = (failover, self.view(callers))
        if key not in self._numbers:
            self._numbers[key] = self._contents.setdefault(repr(self.order(failover, callers)), len(self._contents))
        return self._numbers[key]

    @functools.cached_property
    def _crossing(self) -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
        """By cluster, and by network, the clusters whose calls to pods there come from another network."""
        networks = self.fleet.networks()
        if len(networks) < 2:
            return {}, {}
        clusters = self.fleet.clusters
        to = {
            name: frozenset(
                other for other in clusters if clusters[other].network != one.network and self.may_call(other, name)
            )
            for name, one in clusters.items()
        }
        return to, {name: frozenset().union(*(to[c.name] for c in within)) for name, within in networks.items()}

    def crosses(self, callers: frozenset[str] | None, network: str, callee: str = "") -> bool:
        """Whether calls of these callers (None: of all) come from elsewhere to pods on a network.

        They pass the gateway of any cluster on that network, whichever cluster's pods they go to.

        Args:
            callers: clusters.
            network: the network.
            callee: the cluster whose pods alone are meant; "" for those of all clusters.
        """
        by_cluster, by_network = self._crossing
        if callee and self.fleet.clusters[callee].network != network:
            return False
        crossing = by_cluster.get(callee) if callee else by_network.get(network)
        return bool(crossing) and (callers is None or not callers.isdisjoint(crossing or ()))

    def are_apart(self, one: str, other: str) -> bool:
        """Whether calls may pass gateways between what two control planes serve."""
        served = (*self.served.get(one, ()), *self.served.get(other, ()))
        return len({self.fleet.clusters[name].network for name in served}) > 1

    @functools.cached_property
    def _shared(self) -> frozenset[str]:
        """Networks of more than one cluster: a gateway on them chooses between clusters."""
        return frozenset(network for network, within in self.fleet.networks().items() if len(within) > 1)

    def chosen_by_gateways(self, callers: frozenset[str]) -> bool:
        """Whether some calls of these callers go to a gateway that chooses between clusters."""
        return any(self.crosses(callers, network) for network in self._shared)

    def crossed_by_others(self, callers: frozenset[str]) -> bool:
        """Whether gateways that read the objects of these callers forward calls of others too."""
        to_network = self._crossing[1]
        networks = {
            self.fleet.clusters[one].network
            for cluster in {self.read_in(caller) for caller in callers}
            for one in self.served[cluster]
        }
        return any(not callers.issuperset(to_network.get(network, ())) for network in networks)

    def own_gateways_forward(self, callers: frozenset[str] | None) -> bool:
        """Whether a gateway that forwards calls of these callers (None: all) reads the objects of some of them."""
        return any(
            self.crosses(callers, self.fleet.clusters[one].network)
            for served in self.served.values()
            if callers is None or not callers.isdisjoint(served)
            for one in served
        )

    def why_not(self, caller: str, callee: str) -> str:
        """Why callers of a cluster reach no pods of another one; "" where they do."""
        if caller == callee:
            return ""
        if not self.may_call(caller, callee):
            return f"{caller} has no peering with {callee}"
        ours, theirs = self.fleet.clusters[caller], self.fleet.clusters[callee]
        if ours.network == theirs.network:
            return ""
        why = control_plane_of(self.fleet, theirs).no_eastwest
        return f"{callee} is on another network than {caller}, and {why}" if why else ""
