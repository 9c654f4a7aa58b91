# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud NAT for private nodes, and its external addresses: what is missing. Pure functions."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._model.providers.google.clusters import ClusterSpec, Place
from ...errors import FleetError
from ..api.answers import last_part

__all__ = ["NatPlan", "RouterStep", "nat_name", "needing_nat", "plan_nat", "router_name"]

Json = dict[str, t.Any]
Routers = t.Mapping[tuple[str, str], Json]
"""By region and name."""


@dataclasses.dataclass(frozen=True)
class RouterStep:
    """A router to make (``patch`` false) or to change, for the nodes of ``host``."""

    host: str
    network: str
    region: str
    body: Json
    patch: bool


@dataclasses.dataclass
class NatPlan:
    """What to make and change; addresses before the routers that use them."""

    addresses: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    """Region and name of addresses to reserve."""
    routers: list[RouterStep] = dataclasses.field(default_factory=list)
    egress: dict[Place, list[str]] = dataclasses.field(default_factory=dict)
    """Addresses of NATs, as ranges; an address that is not reserved yet is described in words."""
    unknown: dict[Place, FleetError] = dataclasses.field(default_factory=dict)
    """NATs whose addresses are not known."""

    def missing_parts(self, network: str, region: str) -> list[str]:
        """What a VPC lacks in a region, in words for its administrator."""
        found = [f"address {r}/{n}" for r, n in self.addresses if (r, n) == (region, nat_name(network, region))]
        verb = {True: "changed", False: "made"}
        steps = [step for step in self.routers if (step.network, step.region) == (network, region)]
        return found + [f"router {region}/{s.body['name']} with NAT for all subnets, {verb[s.patch]}" for s in steps]

    def drop(self, places: t.Collection[Place]) -> None:
        """Remove the steps for these places from the plan."""
        gone = {(network, region) for _project, network, region in places}
        names = {(region, nat_name(network, region)) for network, region in gone}
        self.addresses[:] = [one for one in self.addresses if one not in names]
        self.routers[:] = [step for step in self.routers if (step.network, step.region) not in gone]
        for place in places:
            if not all("/" in known for known in self.egress.get(place, ())):
                del self.egress[place]  # its address is not reserved


def router_name(network: str, region: str) -> str:
    """The name of our router for a VPC and region."""
    return f"{network}-{region}"[:63].rstrip("-")


def nat_name(network: str, region: str) -> str:
    """The name of the address that we reserve for it."""
    return f"{network[: 58 - len(region)]}-{region}-nat"


def needing_nat(play: t.Iterable[ClusterSpec], other_egress: t.Collection[str]) -> list[ClusterSpec]:
    """Clusters whose nodes need NAT; on a Shared VPC not those of hosts with ``other_egress``."""
    return [w for w in play if w.private_nodes and not (w.shared and w.host in other_egress)]


def plan_nat(
    places: t.Mapping[Place, ClusterSpec],
    fixed: t.Collection[Place],
    routers: Routers,
    addresses: Routers,
    marker: str,
) -> NatPlan:
    """Cloud NAT that is missing.

    Args:
        places: with private nodes of the play, each with one of their clusters.
        fixed: NATs whose addresses must be known, because authorized networks hold them.
        routers: those of the project.
        addresses: those of the project.
        marker: description of what we make.
    """
    plan = NatPlan()
    for place in dict.fromkeys([*places, *fixed]):
        _project, network, region = place
        serving = next(
            (
                r
                for (where, _n), r in routers.items()
                if where == region and last_part(r.get("network")) == network and r.get("nats")
            ),
            None,
        )
        if serving is not None and place not in fixed:
            continue
        if serving is not None:
            nat = serving["nats"][0]
            given = [str(url) for n in serving["nats"] for url in n.get("natIps") or []]
            if given:
                found = [addresses.get((region, last_part(url)), {}).get("address") for url in given]
                plan.egress[place] = [f"{address}/32" for address in found if address]
                continue
            if serving.get("description") != marker:
                plan.unknown[place] = _addresses_unknown(place, serving)
                continue
        else:
            nat = {"name": "nat", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}
        how: Json = {"natIpAllocateOption": "AUTO_ONLY"}
        if place in fixed:
            name = nat_name(network, region)
            how = {"natIpAllocateOption": "MANUAL_ONLY", "natIps": [_address_url(place, name)]}
            there = addresses.get((region, name), {}).get("address")
            plan.egress[place] = [f"{there}/32" if there else f"address of NAT in {region}, to be reserved"]
            if not there:
                plan.addresses.append((region, name))
        if place in places:
            nats = [{**nat, **how}]
            host = places[place].host
            if serving is not None:
                plan.routers.append(RouterStep(host, network, region, {"name": serving["name"], "nats": nats}, True))
            else:
                body = {"name": router_name(network, region), "description": marker, "network": _network_url(place)}
                plan.routers.append(RouterStep(host, network, region, {**body, "nats": nats}, False))
    return plan


def _addresses_unknown(place: Place, router: Json) -> FleetError:
    _project, network, region = place
    return FleetError(
        "its external addresses are not known",
        obj=f"Router {region}/{router['name']}",
        seen=f"NAT of {network} has automatic addresses, and this fleet did not make it",
        means="clusters of other VPCs cannot allow it in their authorized networks",
        next_step="set cluster_egress to the addresses of its clusters, or give that NAT static addresses",
    )


def _network_url(place: Place) -> str:
    return f"projects/{place[0]}/global/networks/{place[1]}"


def _address_url(place: Place, name: str) -> str:
    return f"https://www.googleapis.com/compute/v1/projects/{place[0]}/regions/{place[2]}/addresses/{name}"
