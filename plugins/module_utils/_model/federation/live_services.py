# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An exported service as each cluster has it, and what all together offer: the order of answers says nothing."""

from __future__ import annotations

import dataclasses
import typing as t

from ..traffic.seen import Port
from .objects import Exported
from .settings import Export

__all__ = ["LiveService", "difference", "in_cluster", "merged"]


@dataclasses.dataclass(frozen=True)
class LiveService:
    """What one cluster has of an export."""

    selector: t.Mapping[str, str]
    ports: tuple[Port, ...]
    accounts: frozenset[str]
    """Service accounts of its pods, or of those that its workloads would start; empty where there is neither."""
    has_pods: bool = True


def merged(export: Export, found: t.Mapping[str, LiveService]) -> Exported:
    """What the mesh offers of an export: the ports of all clusters.

    Args:
        export: what is exported.
        found: by cluster in the inventory's order, at least one; of clusters that differ the first one counts.
    """
    ports: dict[int, Port] = {}
    for one in list(found.values()):
        for port in one.ports:
            ports.setdefault(port.number, port)
    return Exported(export, next(iter(found.values())).selector, tuple(ports.values()))


def in_cluster(one: Exported, found: t.Mapping[str, LiveService], cluster: str) -> Exported:
    """An export as its name in one cluster has it: by the cluster's own Service, else as the mesh offers it.

    A selector of another cluster could choose pods here that this cluster's Service does not.
    """
    own = found.get(cluster)
    return Exported(one.export, own.selector, own.ports) if own else one


def difference(found: t.Mapping[str, LiveService]) -> str:
    """Two clusters whose Services are not the same, and in what; "" where all are."""
    first = next(iter(found), "")
    for other in found:
        selectors = dict(found[first].selector) == dict(found[other].selector)
        ports = _spoken(found[first]) == _spoken(found[other])
        what = [word for word, same in (("selector", selectors), ("ports", ports)) if not same]
        if what:
            return f"{' and '.join(what)} of its Service in {first} and in {other} differ"
    return ""


def _spoken(one: LiveService) -> dict[int, tuple[str, int | str]]:
    """By number what a port speaks, and the pods' port."""
    return {port.number: (port.spoken, port.target or port.number) for port in one.ports}
