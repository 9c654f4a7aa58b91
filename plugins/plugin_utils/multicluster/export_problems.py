# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an exporting cluster says against an export: conditions of the ServiceExport, and Events about it."""

from __future__ import annotations

import contextlib

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import (
    EXPORT_KIND,
    Export,
    export_troubles,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress_status import (
    complaints,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["said_of", "trouble_of"]

_MOST = 2


async def said_of(kube: Reader, export: Export) -> list[str]:
    """All that is said against an export in one cluster, what was said last first."""
    with contextlib.suppress(FleetError):
        live = await kube.get(*EXPORT_KIND, export.name, export.namespace)
        said = export_troubles(live)
        if live is not None:
            events = await kube.list("v1", "Event", namespace=export.namespace)
            said += [complaint.text for complaint in complaints(live, events)[:_MOST]]
        return [f"{kube.cluster} says {line}" for line in said]
    return []


async def trouble_of(kube: Reader, export: Export, where: str) -> FleetError | None:
    """The failure of a cluster whose export did not reach all who may call it; None while nothing is said against it.

    Args:
        where: who lacks it, in words.
    """
    said = await said_of(kube, export)
    if not said:
        return None
    return FleetError(
        f"Google does not export {export.service} from here",
        cluster=kube.cluster,
        obj=f"{EXPORT_KIND[1]} {export.namespace}/{export.name}",
        seen="; ".join([where, *said]),
        means="callers in other clusters reach the service's pods elsewhere alone",
        next_step=f"mend what it says, or take the Service out of {kube.cluster}; then run again",
    )
