# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster has that a front door of ours must know: services, its ingress gateway, who serves which host."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import addresses_of
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import INGRESS
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.claims import HTTP_KINDS
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_gateways import KINDS
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["Live", "Seen", "is_silent", "look", "outside"]

_SLICE = ("discovery.k8s.io/v1", "EndpointSlice")

Live = t.Mapping[str, t.Any]


@dataclasses.dataclass
class Seen:
    """What one cluster has."""

    services: dict[str, Live] = dataclasses.field(default_factory=dict)
    """By ``name.namespace``."""
    ready: set[str] = dataclasses.field(default_factory=set)
    """Those with a ready pod."""
    gateway: tuple[str, ...] = ()
    """Addresses of its ingress gateway."""
    namespace: str = ""
    """Where that gateway is, or would be."""
    has_gateway: bool = False
    """Whether it has one, with an address or without."""
    spaces: set[str] = dataclasses.field(default_factory=set)
    """The namespaces of routes that it has; asked of primaries of remotes alone."""
    gateways: t.Sequence[Live] = ()
    virtual: t.Sequence[Live] = ()
    http_gateways: t.Sequence[Live] = ()
    http_routes: t.Sequence[Live] = ()
    """Of the Gateway API, where the cluster has it."""
    hidden: tuple[str, ...] = ()
    """Kinds of the Gateway API that the account may not list."""


async def look(kube: Kube, fleet: Fleet, door: FrontDoor, name: str) -> Seen:
    """Read it.

    Args:
        kube: the cluster's.
        fleet: the whole fleet.
        door: what the user wants.
        name: the cluster's.

    Raises:
        ApiError: it does not answer, or the account may not read what is needed.
    """
    found = Seen()
    wanted = [r for r in door.services().values() if r.clusters is None or name in r.clusters]
    services = await asyncio.gather(*(kube.get("v1", "Service", r.name, r.namespace) for r in wanted))
    for route, service in zip(wanted, services, strict=True):
        if service is None:
            continue
        found.services[route.service] = service
        labels = {"kubernetes.io/service-name": route.name}
        slices = await kube.list(*_SLICE, route.namespace, labels)
        if any((e.get("conditions") or {}).get("ready", True) for s in slices for e in s.get("endpoints") or []):
            found.ready.add(route.service)
    if any(one.primary == name != one.name for one in fleet.clusters.values()):
        spaces = sorted({route.namespace for route in door.routes})
        there = await asyncio.gather(*(kube.get("v1", "Namespace", space) for space in spaces))
        found.spaces = {space for space, live in zip(spaces, there, strict=True) if live is not None}
    gateways = await kube.list("v1", "Service", labels=owner_labels("gateways", fleet.name))
    ours = next((one for one in gateways if one["metadata"]["name"] == INGRESS), None)
    # Where nobody of ours made one, one of this name does as well.
    gateway = ours or await kube.get("v1", "Service", INGRESS, fleet.namespace) or {}
    found.gateway, found.has_gateway = outside(gateway), bool(gateway)
    found.namespace = (gateway.get("metadata") or {}).get("namespace") or fleet.namespace
    found.virtual, found.gateways = await kube.list(*KINDS[0]), await kube.list(*KINDS[1])
    found.http_gateways, found.http_routes = [await _if_allowed(kube, found, *kind) for kind in HTTP_KINDS]
    return found


async def _if_allowed(kube: Kube, found: Seen, version: str, kind: str) -> t.Sequence[Live]:
    """Objects of the Gateway API. A front door needs none of them: they only tell of others who serve a host."""
    try:
        return await kube.list(version, kind)
    except ApiError as error:
        if not error.forbidden:
            raise
    found.hidden += (kind,)
    return ()


def is_silent(error: FleetError) -> bool:
    """Whether a cluster gave no answer, or said that it cannot give one now: what a front door is for.

    Who refuses an account or a certificate answers, also where that is a proxy before the API server; and so does one
    whose certificate is refused here. That is a mistake of the inventory, which no wait mends.
    """
    if not isinstance(error, ApiError) or error.forbidden or error.untrusted:
        return False
    return error.status in (0, 429) or error.status >= 500


def outside(service: Live) -> tuple[str, ...]:
    """Where a Service is reached from outside its cluster; nowhere for most."""
    return tuple(addresses_of(service)) or tuple(str(ip) for ip in (service.get("spec") or {}).get("externalIPs") or ())
