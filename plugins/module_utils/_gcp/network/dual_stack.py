# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IPv6 for subnets of ours.

google.cloud's module for subnets does not know it, so it comes afterwards. Google's methods are ``subnetworks.patch``
with ``stackType`` and ``ipv6AccessType``, and for internal addresses before it ``networks.patch`` with
``enableUlaInternalIpv6`` (compute.v1). Neither can be taken back.
"""

from __future__ import annotations

import typing as t

from ...errors import FleetError
from ..api.session import Google
from ..errors import GoogleError
from .vpc import BOTH, ExistingNetwork

__all__ = ["give_ipv6"]

Json = dict[str, t.Any]
INTERNAL = "INTERNAL"


def give_ipv6(
    google: Google, wanted: t.Mapping[str, Json], live: ExistingNetwork, marker: str, timeout: float
) -> dict[str, FleetError]:
    """Give subnets an IPv6 range each.

    Args:
        google: a client of their project.
        wanted: by host, as ``NetworkPlan.dual_stack``.
        live: what the project has; a subnet that is not there is left out.
        marker: description of what we make.
        timeout: seconds to wait for Google.

    Returns:
        By host, why its subnet cannot have one.
    """
    failed: dict[str, FleetError] = {}
    able: dict[str, FleetError | None] = {}
    going: list[tuple[str, Json]] = []
    for host, one in wanted.items():
        subnet = live.subnets.get((one["region"], one["name"]))
        if subnet is None:
            continue
        try:
            if one["access"] == INTERNAL:
                network = one["network"]
                if network not in able:
                    able[network] = _internal_addresses(google, network, host, marker, timeout)
                refused = able[network]
                if refused is not None:
                    failed[host] = refused
                    continue
            body = {"stackType": BOTH, "ipv6AccessType": one["access"], "fingerprint": subnet["fingerprint"]}
            operation = google.call(
                "compute",
                "subnetworks.patch",
                body=body,
                project=google.project,
                region=one["region"],
                subnetwork=one["name"],
                cluster=host,
                obj=f"Subnetwork {one['region']}/{one['name']}",
            )
            going.append((host, operation))
        except GoogleError as error:
            failed[host] = error
    for host, operation in going:
        try:
            google.wait("compute", operation, timeout, cluster=host, obj="Subnetwork")
        except GoogleError as error:
            failed[host] = error
    return failed


def _internal_addresses(google: Google, name: str, host: str, marker: str, timeout: float) -> FleetError | None:
    """Let a VPC of ours have internal IPv6 addresses; why one of others cannot."""
    where: dict[str, t.Any] = {"project": google.project, "network": name, "obj": f"Network {name}"}
    network = google.call("compute", "networks.get", **where)
    if network.get("enableUlaInternalIpv6"):
        return None
    if network.get("description") != marker:
        return FleetError(
            f"VPC {name} has no internal IPv6 addresses",
            cluster=host,
            obj=f"projects/{google.project}/global/networks/{name}",
            seen="enableUlaInternalIpv6 is not set",
            means="gke_ipv6_access is internal, and this fleet did not make the VPC",
            next_step=f"gcloud compute networks update {name} --project {google.project} --enable-ula-internal-ipv6; "
            "or gke_ipv6_access: external for public addresses",
        )
    operation = google.call("compute", "networks.patch", body={"enableUlaInternalIpv6": True}, **where)
    google.wait("compute", operation, timeout, obj="Network")
    return None
