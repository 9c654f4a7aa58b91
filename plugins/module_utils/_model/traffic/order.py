# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An order of clusters or regions, as Istio can say it.

Istio prefers pods in two ways. ``failoverPriority`` is a list of labels with values: pods that match all of them come
first, then those that match all but the last, and so on, so each step must hold the one before, and a label can be
named once. ``failover`` names, for callers in a region, the region that comes after their own. What neither can say
is refused, and not applied nearly.

Callers see the pods of other networks as gateways. Such an endpoint is in the pods' region, by which ``failover``
works, but its labels are those of the gateway: a cluster and a network, and no region.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..inventory.fleet import Cluster
from .policy import CLUSTER_LABEL, Failover

__all__ = ["Ranks", "locality_setting", "ranks"]

_NETWORK = "topology.istio.io/network"
_REGION = "topology.kubernetes.io/region"


@dataclasses.dataclass(frozen=True)
class Ranks:
    """Clusters in the order in which calls go to their pods: those of one rank are equal."""

    groups: tuple[frozenset[str], ...]

    @property
    def steps(self) -> list[frozenset[str]]:
        """What is preferred to the rest, from the fewest clusters to the most."""
        found, seen = [], frozenset[str]()
        for group in self.groups[:-1]:
            seen |= group
            found.append(seen)
        return found


def ranks(failover: Failover, clusters: t.Iterable[Cluster]) -> Ranks:
    """The ranks of clusters by an order; those that it does not name are the last."""
    groups: dict[int, set[str]] = {}
    last = len(failover.order)
    for cluster in clusters:
        key = cluster.name if failover.mode == "clusters" else cluster.region
        place = failover.order.index(key) if key in failover.order else last
        groups.setdefault(place, set()).add(cluster.name)
    return Ranks(tuple(frozenset(groups[place]) for place in sorted(groups)))


def locality_setting(
    failover: Failover, clusters: t.Sequence[Cluster], callers: t.Sequence[Cluster]
) -> dict[str, t.Any] | None:
    """Istio's ``localityLbSetting`` for an order, or None where Istio cannot say it.

    Args:
        failover: an order of clusters or regions.
        clusters: all clusters whose pods may get calls.
        callers: the clusters of the callers.
    """
    wanted = ranks(failover, clusters)
    if len(wanted.groups) < 2:
        return {"enabled": True}
    labels = _labels(wanted.steps, clusters, {caller.network for caller in callers})
    if labels is not None:
        return {"enabled": True, "failoverPriority": labels}
    own = {caller.region for caller in callers}
    regions = [one for one in failover.order if any(cluster.region == one for cluster in clusters)]
    if failover.mode == "regions" and own == set(regions[:1]) and len(wanted.groups) <= 3:
        to = [{"from": regions[0], "to": regions[1]}] if len(wanted.groups) == 3 else []
        return {"enabled": True, **({"failover": to} if to else {})}
    return None


def _labels(
    steps: t.Sequence[frozenset[str]], clusters: t.Sequence[Cluster], networks: t.Collection[str]
) -> list[str] | None:
    """A label with a value for each step, the widest step first; None where there are none.

    No label is named twice: a wider step has clusters of another region (network), or this one had been all of it.
    """
    found = [next(_naming(step, clusters, networks), "") for step in reversed(steps)]
    return found if all(found) else None


def _naming(step: frozenset[str], clusters: t.Sequence[Cluster], networks: t.Collection[str]) -> t.Iterator[str]:
    """Labels with values that all endpoints of these clusters have for callers on these networks, and no others."""
    if len(step) == 1:
        (only,) = step
        yield f"{CLUSTER_LABEL}={only}"
    network = {cluster.name: cluster.network for cluster in clusters}
    region = {cluster.name: cluster.region for cluster in clusters}
    seen_directly = all(network[name] == one for name in step for one in networks)
    for label, by_cluster in ([(_REGION, region)] if seen_directly else []) + [(_NETWORK, network)]:
        values = {by_cluster[name] for name in step}
        if len(values) == 1 and values != {""} and {n for n, v in by_cluster.items() if v in values} == step:
            yield f"{label}={values.pop()}"
