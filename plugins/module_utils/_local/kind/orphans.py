# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters of a fleet that are on this machine and no longer in its inventory."""

from __future__ import annotations

import typing as t

from ...errors import FleetError
from .cluster import KindCluster
from .fleet import KindFleet

__all__ = ["KIND_LABEL", "find_orphans"]

KIND_LABEL = "io.x-k8s.kind.cluster"
"""kind's own label on its nodes."""


async def find_orphans(fleet: KindFleet, known: t.Container[str]) -> list[KindCluster]:
    """The fleet's clusters with a node on this machine, running or not, that are not among ``known``, by name.

    A name alone proves nothing, for the fleets ``a`` and ``a-b`` have names in common: what is not of this fleet
    by its network or by the mark inside the node is left out.
    """
    listed = await fleet.engine.run(
        "ps", "--all", "--filter", f"label={KIND_LABEL}", "--format", "{{.Names}}", what="listing the nodes"
    )
    first, last = fleet.container_name("\0").split("\0")
    found = []
    for container in sorted(listed.out.split()):
        name = container.removeprefix(first).removesuffix(last)
        if fleet.container_name(name) != container or not name or name in known:
            continue
        cluster = KindCluster(fleet, name)
        try:
            if await cluster.inspect() is not None:
                found.append(cluster)
        except FleetError:
            continue  # not of this fleet, or it cannot be read whose it is
    return found
