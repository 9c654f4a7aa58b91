# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud NAT for private nodes, and its external addresses: what is missing. Pure functions."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._model.inventory.fleet import Fleet
from ..._model.providers.google.clusters import ClusterSpec, Place
from ...errors import FleetError
from ..api.answers import last_part

__all__ = [
    "NatPlan",
    "RouterStep",
    "nat_name",
    "needing_nat",
    "plan_nat",
    "router_name",
    "serves",
    "ways_out",
]

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

    @property
    def kinds(self) -> list[str]:
        """What is made and changed, in the words of shared_vpc_requirements.py."""
        changed = {"changed routers" if step.patch else "routers" for step in self.routers}
        return (["addresses"] if self.addresses else []) + sorted(changed)

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


def ways_out(fleet: Fleet) -> set[str]:
    """Hosts that say by which addresses their pods reach the internet; [] says that they do without NAT."""
    return {name for name, c in fleet.clusters.items() if c.variables.get("cluster_egress") not in (None, "")}


def plan_nat(
    places: t.Mapping[Place, ClusterSpec],
    fixed: t.Collection[Place],
    routers: Routers,
    addresses: Routers,
    marker: str,
    clusters: t.Iterable[ClusterSpec] = (),
    other_egress: t.Collection[str] = (),
    everybody: t.Iterable[ClusterSpec] = (),
) -> NatPlan:
    """Cloud NAT that is missing.

    Args:
        places: with private nodes of the play, each with one of their clusters.
        fixed: NATs whose addresses must be known, because authorized networks hold them.
        routers: those of the project.
        addresses: those of the project.
        marker: description of what we make.
        clusters: with private nodes; by default those of ``places``.
        other_egress: hosts with a way out of their own: where NAT of others is, they need none of ours.
        everybody: clusters of the fleet, also those that are not in the play: of NATs of others, their addresses count.
    """
    plan = NatPlan()
    needing: dict[Place, list[ClusterSpec]] = {}
    for w in clusters or places.values():
        needing.setdefault(w.place, []).append(w)
    all_there: dict[Place, list[ClusterSpec]] = {}
    for w in everybody:
        if w.private_nodes and w.host not in other_egress:
            all_there.setdefault(w.place, []).append(w)
    for place in dict.fromkeys([*places, *fixed]):
        here = [r for r in _routers_of(routers, place) if _public(r)]
        own = _own(routers, place, marker)
        if not here:
            _new_nat(plan, place, places, fixed, addresses, marker, own)
            continue
        mine = needing.get(place, [])
        if any(r.get("description") != marker for r in here):
            mine = [w for w in mine if w.host not in other_egress]
        step: RouterStep | None = None
        lacking = _unserved(mine, here)
        if lacking:
            made = _beside(here, own, lacking, place, marker)
            if isinstance(made, FleetError):
                plan.unknown[place] = made
                continue
            step = dataclasses.replace(made, host=lacking[0].host) if place in places else None
        if place in fixed:
            everyone = [*mine, *all_there.get(place, [])]
            step = _with_addresses(plan, place, here, own, everyone, step, places, addresses, marker)
        plan.routers += [step] if step else []
    return plan


def _routers_of(routers: Routers, place: Place) -> list[Json]:
    _project, network, region = place
    return [r for (where, _n), r in routers.items() if where == region and last_part(r.get("network")) == network]


def _unserved(clusters: t.Iterable[ClusterSpec], here: t.Sequence[Json]) -> list[ClusterSpec]:
    return [w for w in clusters if not any(serves(r, w) for r in here)]


def _own(routers: Routers, place: Place, marker: str) -> Json | FleetError | None:
    """Our router in a VPC and region, also one without NAT; FleetError where its name is that of another's router."""
    _project, network, region = place
    name = router_name(network, region)
    ours = [r for r in _routers_of(routers, place) if r.get("description") == marker]
    if ours:
        return min(ours, key=lambda r: (not _public(r), r.get("name") != name))
    taken = routers.get((region, name))
    if taken is None:
        return None
    return FleetError(
        f"router {name} exists, and this fleet did not make it",
        obj=f"Router {region}/{name}",
        seen=f"in VPC {last_part(taken.get('network'))}: {taken.get('description') or 'no description'}",
        means=f"NAT of {network} in {region} would have a router of that name",
        next_step=f"let NAT on it, or on another router of {network}, serve the clusters' subnets; or delete it, if "
        "nobody needs it; or set cluster_egress if nodes and pods reach the internet in another way",
    )


def _router_step(own: Json | None, nat: Json, place: Place, marker: str) -> RouterStep:
    """Our router with a NAT that it has not: made, or the one that is there changed."""
    _project, network, region = place
    if own is not None:
        # Others may have put a private NAT on it: a patch replaces the whole list.
        return RouterStep("", network, region, {"name": own["name"], "nats": [*(own.get("nats") or []), nat]}, True)
    body = {"name": router_name(network, region), "description": marker, "network": _network_url(place)}
    return RouterStep("", network, region, {**body, "nats": [nat]}, False)


def _new_nat(
    plan: NatPlan,
    place: Place,
    places: t.Mapping[Place, ClusterSpec],
    fixed: t.Collection[Place],
    addresses: Routers,
    marker: str,
    own: Json | FleetError | None,
) -> None:
    """NAT for all subnets, where there is none."""
    if isinstance(own, FleetError):
        plan.unknown[place] = own
        return
    how: Json = {"natIpAllocateOption": "AUTO_ONLY"}
    if place in fixed:
        how, plan.egress[place] = _reserved(plan, place, addresses)
    if place in places:
        nat = {"name": _free_name(own), "sourceSubnetworkIpRangesToNat": _EVERYTHING, **how}
        step = _router_step(own, nat, place, marker)
        plan.routers.append(dataclasses.replace(step, host=places[place].host))


def _free_name(own: Json | None) -> str:
    """A name for our NAT that no other of the router has."""
    taken = {nat.get("name") for nat in (own or {}).get("nats") or []}
    return next(name for name in ("nat", "nat-public", *(f"nat-{i}" for i in range(len(taken)))) if name not in taken)


def _with_addresses(
    plan: NatPlan,
    place: Place,
    here: t.Sequence[Json],
    own: Json | FleetError | None,
    everyone: t.Sequence[ClusterSpec],
    step: RouterStep | None,
    places: t.Mapping[Place, ClusterSpec],
    addresses: Routers,
    marker: str,
) -> RouterStep | None:
    """The addresses of all NATs by which clusters of a place call; ours gets one, where it has none.

    Returns the step for our router with that address, if there is any.
    """
    _project, network, region = place
    after = list(here)
    coming = _unserved(everyone, here)
    made = _beside(here, own, coming, place, marker) if coming else None
    if isinstance(made, RouterStep):
        # What serves clusters outside the play is made when they are in it; its address is reserved now.
        after = [r for r in here if r.get("name") != made.body["name"]]
        after.append({"description": marker, **made.body})
    used = [r for r in after if any(serves(r, w) for w in everyone)] or after
    known: list[str] = []
    bare: Json | None = None
    for router in used:
        given = [str(url) for nat in _public(router) for url in nat.get("natIps") or []]
        found = [addresses.get((region, last_part(url)), {}).get("address") for url in given]
        known += [f"{address}/32" for address in found if address]
        if not given and router.get("description") != marker:
            plan.unknown[place] = _addresses_unknown(place, router)
            return step
        bare = router if not given else bare
    if bare is not None:
        how, mine = _reserved(plan, place, addresses)
        known += mine
        there = any(r.get("name") == bare["name"] for r in here)
        if step is not None or (place in places and there):
            base = step or RouterStep(places[place].host, network, region, {"name": bare["name"]}, True)
            nats = [dict(nat) for nat in base.body.get("nats") or bare["nats"]]
            nats[nats.index(_public({"nats": nats})[0])] |= how
            step = dataclasses.replace(base, body={**base.body, "nats": nats})
    plan.egress[place] = list(dict.fromkeys(known))
    return step


def _reserved(plan: NatPlan, place: Place, addresses: Routers) -> tuple[Json, list[str]]:
    """How our NAT has our address, and the address as a range; adds it to the plan where it is not there."""
    _project, network, region = place
    name = nat_name(network, region)
    there = addresses.get((region, name), {}).get("address")
    if not there:
        plan.addresses.append((region, name))
    how = {"natIpAllocateOption": "MANUAL_ONLY", "natIps": [_address_url(place, name)]}
    return how, [f"{there}/32" if there else f"address of NAT in {region}, to be reserved"]


_EVERYTHING, _LISTED = "ALL_SUBNETWORKS_ALL_IP_RANGES", "LIST_OF_SUBNETWORKS"


def _public(router: Json) -> list[Json]:
    """Its NATs that lead to the internet: a private one leads to other networks."""
    return [nat for nat in router.get("nats") or [] if nat.get("type", "PUBLIC") == "PUBLIC"]


def serves(router: Json, w: ClusterSpec) -> bool:
    """Whether nodes and pods of a cluster reach the internet by it.

    A node gives what its pods send to the internet its own address, which is of the subnet's primary range, unless
    that is switched off (https://cloud.google.com/kubernetes-engine/docs/concepts/ip-masquerade-agent).
    """
    return any(_nat_serves(nat, w) for nat in _public(router))


def _nat_serves(nat: Json, w: ClusterSpec) -> bool:
    how = nat.get("sourceSubnetworkIpRangesToNat", _EVERYTHING)
    if how != _LISTED:
        return bool(how == _EVERYTHING) or not _pods_keep_addresses(w)
    for subnet in nat.get("subnetworks") or []:
        if not str(subnet.get("name") or "").endswith(f"/regions/{w.region}/subnetworks/{w.subnetwork}"):
            continue
        which = set(subnet.get("sourceIpRangesToNat") or [])
        named = set(subnet.get("secondaryIpRangeNames") or [])
        pods = "LIST_OF_SECONDARY_IP_RANGES" in which and {w.pod_range, *w.more_pod_ranges} <= named
        return "ALL_IP_RANGES" in which or ("PRIMARY_IP_RANGE" in which and (pods or not _pods_keep_addresses(w)))
    return False


def _pods_keep_addresses(w: ClusterSpec) -> bool:
    """Whether the inventory switches off that nodes give pods their own address."""
    network = w.passed.get("networkConfig") or {}
    return bool((network.get("defaultSnatStatus") or {}).get("disabled"))


def _beside(
    here: t.Sequence[Json],
    own: Json | FleetError | None,
    lacking: t.Sequence[ClusterSpec],
    place: Place,
    marker: str,
) -> RouterStep | FleetError:
    """What to do where there is NAT that does not serve the subnets of clusters.

    Google allows no other NAT beside one for all subnets, so ours is for our subnets alone
    (compute.v1: RouterNat.sourceSubnetworkIpRangesToNat).
    """
    _project, network, region = place
    whole = [r for r in here if any(n.get("sourceSubnetworkIpRangesToNat", _EVERYTHING) != _LISTED for n in _public(r))]
    if whole:
        return FleetError(
            "its NAT does not serve pods",
            cluster=lacking[0].host,
            obj=f"Router {region}/{whole[0]['name']}",
            seen=f"NAT of {network} for {_public(whole[0])[0]['sourceSubnetworkIpRangesToNat']}",
            means="pods call with addresses of the subnet's secondary range, because networkConfig.defaultSnatStatus "
            "is disabled in gke_cluster_fields; and Google allows no other NAT beside it",
            next_step=f"set it to {_EVERYTHING}, or to the subnets that need it; or set cluster_egress if nodes and "
            "pods reach the internet in another way",
        )
    if isinstance(own, FleetError):
        return own
    more = [
        {
            "name": f"https://www.googleapis.com/compute/v1/{w.subnetwork_path}",
            "sourceIpRangesToNat": ["ALL_IP_RANGES"],
        }
        for w in {w.subnetwork: w for w in lacking}.values()
    ]
    nats = [dict(nat) for nat in (own or {}).get("nats") or []]
    if own is None or not _public(own):
        nat = {"name": _free_name(own), "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": _LISTED}
        return _router_step(own, {**nat, "subnetworks": more}, place, marker)
    first = _public({"nats": nats})[0]
    first["subnetworks"] = [*(first.get("subnetworks") or []), *more]
    return RouterStep("", network, region, {"name": own["name"], "nats": nats}, True)


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
