# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud NAT for private nodes, and its external addresses: what is missing. Pure functions."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._model.providers.google.clusters import ClusterSpec, Place
from ...errors import FleetError
from ..api.answers import last_part

__all__ = ["NatPlan", "RouterStep", "nat_name", "needing_nat", "plan_nat", "router_name", "serves"]

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
    clusters: t.Iterable[ClusterSpec] = (),
) -> NatPlan:
    """Cloud NAT that is missing.

    Args:
        places: with private nodes of the play, each with one of their clusters.
        fixed: NATs whose addresses must be known, because authorized networks hold them.
        routers: those of the project.
        addresses: those of the project.
        marker: description of what we make.
        clusters: with private nodes; by default those of ``places``.
    """
    plan = NatPlan()
    needing: dict[Place, list[ClusterSpec]] = {}
    for w in clusters or places.values():
        needing.setdefault(w.place, []).append(w)
    for place in dict.fromkeys([*places, *fixed]):
        _project, network, region = place
        here = [
            r
            for (where, _n), r in routers.items()
            if where == region and last_part(r.get("network")) == network and _public(r)
        ]
        mine = needing.get(place, [])
        serving = next((r for r in here if all(serves(r, w) for w in mine)), None)
        if serving is None and here:
            step = _beside(here, mine, place, marker)
            if isinstance(step, FleetError):
                plan.unknown[place] = step
                continue
            if place in places:
                plan.routers.append(dataclasses.replace(step, host=places[place].host))
            if place in fixed:
                plan.unknown[place] = _beside_unknown(place)
            continue
        if serving is not None and place not in fixed:
            continue
        if serving is not None:
            nat = _public(serving)[0]
            given = [str(url) for n in _public(serving) for url in n.get("natIps") or []]
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


_EVERYTHING, _LISTED = "ALL_SUBNETWORKS_ALL_IP_RANGES", "LIST_OF_SUBNETWORKS"


def _public(router: Json) -> list[Json]:
    """Its NATs that lead to the internet: a private one leads to other networks."""
    return [nat for nat in router.get("nats") or [] if nat.get("type", "PUBLIC") == "PUBLIC"]


def serves(router: Json, w: ClusterSpec) -> bool:
    """Whether nodes and pods of a cluster reach the internet by it: pods keep their addresses, so both ranges count."""
    return any(_nat_serves(nat, w) for nat in _public(router))


def _nat_serves(nat: Json, w: ClusterSpec) -> bool:
    how = nat.get("sourceSubnetworkIpRangesToNat", _EVERYTHING)
    if how != _LISTED:
        return bool(how == _EVERYTHING)
    for subnet in nat.get("subnetworks") or []:
        if not str(subnet.get("name") or "").endswith(f"/regions/{w.region}/subnetworks/{w.subnetwork}"):
            continue
        which = set(subnet.get("sourceIpRangesToNat") or [])
        pods = "LIST_OF_SECONDARY_IP_RANGES" in which and w.pod_range in (subnet.get("secondaryIpRangeNames") or [])
        return "ALL_IP_RANGES" in which or ("PRIMARY_IP_RANGE" in which and pods)
    return False


def _beside(
    here: t.Sequence[Json], mine: t.Sequence[ClusterSpec], place: Place, marker: str
) -> RouterStep | FleetError:
    """What to do where there is NAT that does not serve our subnets.

    Google allows no other NAT beside one for all subnets, so ours is for our subnets alone
    (compute.v1: RouterNat.sourceSubnetworkIpRangesToNat).
    """
    _project, network, region = place
    whole = [r for r in here if any(n.get("sourceSubnetworkIpRangesToNat", _EVERYTHING) != _LISTED for n in _public(r))]
    if whole:
        return FleetError(
            "its NAT does not serve pods",
            obj=f"Router {region}/{whole[0]['name']}",
            seen=f"NAT of {network} for {_public(whole[0])[0]['sourceSubnetworkIpRangesToNat']}",
            means="pods call with addresses of the subnet's secondary range, and Google allows no other NAT beside it",
            next_step=f"set it to {_EVERYTHING}, or to the subnets that need it; or set cluster_egress if nodes and "
            "pods reach the internet in another way",
        )
    own = next((r for r in here if r.get("description") == marker), None)
    nats = [dict(nat) for nat in (own or {}).get("nats") or []] or [
        {"name": "nat", "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": _LISTED}
    ]
    more = [
        {
            "name": f"https://www.googleapis.com/compute/v1/{w.subnetwork_path}",
            "sourceIpRangesToNat": ["ALL_IP_RANGES"],
        }
        for w in {w.subnetwork: w for w in mine if not any(serves(r, w) for r in here)}.values()
    ]
    nats[0]["subnetworks"] = [*(nats[0].get("subnetworks") or []), *more]
    if own is not None:
        return RouterStep("", network, region, {"name": own["name"], "nats": nats}, True)
    body = {"name": router_name(network, region), "description": marker, "network": _network_url(place)}
    return RouterStep("", network, region, {**body, "nats": nats}, False)


def _beside_unknown(place: Place) -> FleetError:
    _project, network, region = place
    return FleetError(
        "its external addresses are not known",
        obj=f"NAT of {network} in {region}",
        seen="NAT of others serves other subnets, and ours beside it has automatic addresses",
        means="clusters of other VPCs cannot allow it in their authorized networks",
        next_step="set cluster_egress to the addresses of its clusters, or let the others' NAT serve them",
    )


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
