# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a gateway is reached: now, and the wait for it."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.service_address import (
    NODE_PORT,
    ServiceAddress,
    has_address,
    service_address,
)
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime, Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import INGRESS
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["address_of", "await_address"]


async def address_of(kube: Reader, service: t.Mapping[str, t.Any] | None) -> ServiceAddress:
    """Where a Service that was read is reached now. Nodes are asked for only where their ports are its address."""
    found = service_address(service)
    return service_address(service, await kube.list("v1", "Node")) if found.type == NODE_PORT else found


async def await_address(kube: Waiter, namespace: str, name: str, seconds: float) -> ServiceAddress:
    """Wait until the Service has what its type gives it: of type LoadBalancer, an IP or a hostname.

    Raises FleetError when it has none within ``seconds``, with what the Service's events say.
    """
    no_ingress = "set gateways_ingress: false, if nothing calls from outside the mesh; or " if name == INGRESS else ""
    try:
        service = await kube.wait("v1", "Service", name, namespace, until=has_address, timeout=seconds)
    except NotInTime as error:
        events = await kube.list("v1", "Event", namespace=namespace)
        said = [
            f"{e.get('reason')}: {e.get('message')}"
            for e in events
            if (e.get("involvedObject") or {}).get("kind") == "Service" and e["involvedObject"].get("name") == name
        ]
        raise FleetError(
            f"no load balancer address after {seconds:.0f} s",
            cluster=kube.cluster,
            obj=f"Service {namespace}/{name}",
            seen="; ".join(said[-3:]) or error.seen or "no address, and no event of this Service",
            means="nothing in this cluster hands out addresses, or its quota or pool is used up",
            next_step=f"install a load balancer controller; or {no_ingress}set service.type to NodePort, ClusterIP or "
            "None, or service.externalIPs, in gateways_values; then run again",
        ) from error
    return await address_of(kube, service)
