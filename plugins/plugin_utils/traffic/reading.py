# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the traffic stage reads of a cluster: few lists, however many policies there are."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import LARGE_PAGE, Reader

__all__ = ["ISTIO_KINDS", "Live", "read"]

ISTIO_KINDS = ("ServiceEntry", "DestinationRule", "VirtualService")
_FEW = 4
"""So many namespaces are asked one by one; of more, everything is read at once."""

Objects = list[dict[str, t.Any]]


@dataclasses.dataclass(frozen=True)
class Live:
    """What a cluster holds."""

    istio: Objects
    """Everybody's ServiceEntries, DestinationRules and VirtualServices."""
    stubs: Objects
    """The Services that policies made."""
    apps: Objects
    """Services and pods of the policies' namespaces, and all namespaces; empty where nobody asked for them."""

    @property
    def objects(self) -> Objects:
        """All that a policy may make, ours and others'."""
        return [*self.istio, *self.stubs]


async def read(kube: Reader, api: str, owner: t.Mapping[str, str], namespaces: t.Collection[str]) -> Live:
    """Read a cluster.

    Args:
        api: the ``apiVersion`` of Istio's objects there.
        owner: the labels of what is ours.
        namespaces: those of the policies' services; none reads no apps.
    """
    places = sorted(namespaces) if len(namespaces) <= _FEW else [""]
    asked = [
        *(kube.list(api, kind, page=LARGE_PAGE) for kind in ISTIO_KINDS),
        kube.list("v1", "Service", labels=owner, page=LARGE_PAGE),
        *(kube.list("v1", kind, place) for kind in ("Service", "Pod") for place in places),
        *([kube.list("v1", "Namespace")] if namespaces else []),
    ]
    found = await asyncio.gather(*asked)
    split = len(ISTIO_KINDS)
    return Live(
        [obj for objects in found[:split] for obj in objects],
        found[split],
        [obj for objects in found[split + 1 :] for obj in objects],
    )
