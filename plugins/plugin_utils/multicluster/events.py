# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Warning events of Google's controllers in a cluster."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress_status import (
    WarningEvent,
    warning_events,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["EVENT_KIND", "recent_warnings"]

EVENT_KIND = ("v1", "Event")


async def recent_warnings(
    kube: Reader, objects: t.Iterable[t.Mapping[str, t.Any]], namespace: str, most: int
) -> list[WarningEvent]:
    """The last ``most`` Warning events about some objects, the last one first; none where events cannot be read."""
    with contextlib.suppress(FleetError):
        events = await kube.list(*EVENT_KIND, namespace)
        found = [event for obj in objects for event in warning_events(obj, events)]
        return sorted(found, key=lambda event: event.at, reverse=True)[:most]
    return []
