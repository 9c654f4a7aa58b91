# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load balancer address of a gateway's Service: now, and the wait for it."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import load_balancer_address
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime, Waiter
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["await_address", "current_address"]


async def current_address(kube: Reader, namespace: str, name: str) -> str:
    """The address of the Service; "" when it has none yet."""
    done, seen = load_balancer_address(await kube.get("v1", "Service", name, namespace))
    return seen if done else ""


async def await_address(kube: Waiter, namespace: str, name: str, seconds: float) -> str:
    """Wait until the Service has an address: an IP or a hostname.

    Raises FleetError when it has none within ``seconds``, with what the Service's events say.
    """
    try:
        service = await kube.wait("v1", "Service", name, namespace, until=load_balancer_address, timeout=seconds)
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
            next_step="install a load balancer controller, or set service.type and service.loadBalancerIP "
            "in gateways_values; then run again",
        ) from error
    return load_balancer_address(service)[1]
