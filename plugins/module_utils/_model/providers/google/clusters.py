# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each GKE cluster of the inventory shall be: ranges come from the model, never typed twice."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import re
import typing as t

from ....errors import FleetError
from ...control_planes.registry import control_plane_of
from ...inventory.addresses import assign_ranges
from ...inventory.fleet import Cluster, Fleet
from .field import Said, said_of
from .field_forms import OF_FLEET
from .fields import CLUSTER_FIELDS
from .members import Member
from .node_pools import Pool, pools
from .paths import Callers, Place, callers, network_name, network_project
from .values import choice, flag, wrong
from .variables import text

__all__ = [
    "MOST_AUTHORIZED",
    "PODS",
    "SERVICES",
    "ClusterSpec",
    "Place",
    "Pool",
    "cluster_fields",
    "cluster_specs",
    "collapsed",
    "marker",
    "needs_net_admin",
    "node_account",
    "node_ranges",
    "node_tag",
    "our_labels",
    "own_ranges",
    "with_egress",
]

PODS, SERVICES = "pods", "services"
"""Names of the secondary ranges of a cluster's subnet, unless the inventory names others."""
MODES = ("standard", "autopilot")
CHANNELS = ("rapid", "regular", "stable", "extended")
NODE_RANGE = "10.128.0.0/14"
"""Where node ranges are cut from, a /22 each, unless ``gke_node_range`` says otherwise."""
NODE_PREFIX = 22
MOST_AUTHORIZED = 100
"""Authorized networks that Google accepts for one cluster."""

_ACCOUNT = "node_service_account"
_LONGEST_ACCOUNT = 30
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_LABEL = re.compile(r"[-_a-z0-9]{0,63}")


@dataclasses.dataclass(frozen=True)
class ClusterSpec:
    """One cluster, as the inventory describes it."""

    host: str
    fleet_name: str
    member: Member
    region: str
    labels: t.Mapping[str, str]
    own_labels: frozenset[str]
    """Names of those that the inventory gives itself."""
    network_project: str
    """Of the VPC: the cluster's own project, or the host project of a Shared VPC."""
    network: str
    subnetwork: str
    node_cidr: str
    ipv6_access: str
    """Of the subnet that is made for both families: INTERNAL or EXTERNAL."""
    pod_cidr: str
    service_cidr: str
    pod_range: str
    """Name of the subnet's secondary range for pods."""
    service_range: str
    control_plane_cidr: str
    channel: str
    autopilot: bool
    private_nodes: bool
    public_endpoint: bool
    dns_endpoint: bool
    authorized: tuple[str, ...] | None
    """Ranges that may reach the API server; None for everybody. Those of ``nats`` are not among them."""
    whose: tuple[tuple[str, str], ...]
    """Of those ranges, what is there for clusters: a range within one of them, and the cluster."""
    by_nat: tuple[tuple[Place, str], ...]
    """Cloud NATs whose addresses may reach the API server too, and a cluster that comes by each."""
    dataplane_v2: bool
    adopt: bool
    tag: str
    """Network tag of the nodes: what firewall rules in a VPC of others are about."""
    pools: tuple[Pool, ...]
    fields: tuple[Said, ...]
    """Of CLUSTER_FIELDS."""
    passed: t.Mapping[str, t.Any]
    """Further fields, as Google's Cluster has them."""
    recreate: bool
    """Whether a change may replace nodes."""
    protected: bool
    """Whether it is never deleted."""
    given: frozenset[str]
    """Variables that the inventory sets: of a cluster that it adopted, no others are changed."""

    @property
    def account(self) -> str:
        """The service account that is made for its nodes; "" where none of the fleet's is said."""
        said = [*self.fields, *(one for pool in self.pools for one in pool.fields)]
        mine = node_account(self.fleet_name, self.member.project)
        return mine if any(one.field.name == _ACCOUNT and one.value == mine for one in said) else ""

    @property
    def more_pod_ranges(self) -> tuple[str, ...]:
        """Names of further secondary ranges of its subnet that its pods have: the cluster's, and those of pools."""
        said = [name for one in self.fields if one.field.name == "additional_pod_ranges" for name in one.value]
        said += [one.value for pool in self.pools for one in pool.fields if one.field.name == "pod_range"]
        return tuple(name for name in dict.fromkeys(map(str, said)) if name != self.pod_range)

    @property
    def dual_stack(self) -> bool:
        """Whether its pods shall have IPv6 addresses too."""
        return any(one.field.name == "stack_type" and one.value == "ipv4_ipv6" for one in self.fields)

    @property
    def nats(self) -> tuple[Place, ...]:
        """Cloud NATs whose addresses may reach the API server too."""
        return tuple(dict.fromkeys(place for place, _cluster in self.by_nat))

    @property
    def parent(self) -> str:
        return f"projects/{self.member.project}/locations/{self.member.location}"

    @property
    def path(self) -> str:
        return f"{self.parent}/clusters/{self.member.cluster}"

    @property
    def shared(self) -> bool:
        """Whether its VPC is another project's: a Shared VPC."""
        return self.network_project != self.member.project

    @property
    def network_path(self) -> str:
        return f"projects/{self.network_project}/global/networks/{self.network}"

    @property
    def subnetwork_path(self) -> str:
        return f"projects/{self.network_project}/regions/{self.region}/subnetworks/{self.subnetwork}"

    @property
    def place(self) -> Place:
        """Where its nodes find a Cloud NAT."""
        return (self.network_project, self.network, self.region)


def our_labels(fleet: Fleet) -> dict[str, str]:
    """Labels of the clusters that this fleet made."""
    return {"managed-by": "mesh-fleet", "mesh-fleet": fleet.name}


def marker(fleet: Fleet) -> str:
    """Description of network resources that this fleet made: they carry no labels."""
    return f"made by mesh.fleet for fleet {fleet.name}"


def node_tag(fleet_name: str) -> str:
    """Network tag of the nodes that this fleet makes."""
    return f"mesh-{fleet_name}"[:63].rstrip("-")


def node_account(fleet_name: str, project: str) -> str:
    """Address of the service account that is made for a fleet's nodes: its name has at most 30 characters."""
    name = f"mesh-{fleet_name}-nodes"
    if len(name) > _LONGEST_ACCOUNT:
        mark = hashlib.sha256(fleet_name.encode()).hexdigest()[:6]
        name = f"mesh-{fleet_name[:12].rstrip('-')}-{mark}-nodes"
    domain, _colon, own = project.rpartition(":")
    return f"{name}@{own}{'.' if domain else ''}{domain}.iam.gserviceaccount.com"


def _named(said: t.Iterable[Said], account: str) -> tuple[Said, ...]:
    """Fields with the address of the fleet's own account in the place of the word for it."""
    return tuple(
        dataclasses.replace(one, value=account) if one.field.name == _ACCOUNT and one.value == OF_FLEET else one
        for one in said
    )


def _subnet_name(cluster: Cluster, fleet_name: str) -> str:
    given = text(cluster.variables, "gke_subnetwork")
    return given or f"{network_name(cluster, fleet_name)}-{cluster.name}"[:63].rstrip("-")


def cluster_specs(fleet: Fleet, members: t.Mapping[str, Member]) -> dict[str, ClusterSpec]:
    """Every GKE cluster of the fleet by host; ``members`` are those of gke_members.members().

    Raises FleetError for a value that cannot be, with the variable's name.
    """
    try:
        nodes, lacking = node_ranges(fleet, members)
    except ValueError as error:
        raise FleetError("node ranges cannot be given", seen=str(error), next_step="correct the range") from error
    if lacking:
        raise FleetError(
            "node ranges cannot be given",
            seen=f"none is left for {', '.join(lacking)}",
            next_step="widen gke_node_range",
        )
    coming = callers(fleet)
    memory: dict[frozenset[str], tuple[tuple[str, ...], tuple[tuple[str, str], ...]]] = {}
    found = {}
    for host, member in members.items():
        inside = frozenset([host, *coming[host].hosts] if coming[host].hosts else [])
        if inside not in memory:
            own = tuple((r, h) for h in inside for r in (fleet.clusters[h].pod_cidr, nodes.get(h, "")) if r)
            memory[inside] = collapsed(r for r, _host in own), own
        found[host] = _wanted(fleet, fleet.clusters[host], member, nodes[host], coming[host], *memory[inside])
    return found


def node_ranges(fleet: Fleet, hosts: t.Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Each GKE cluster's range for nodes, and the clusters for which none is left."""
    hosts = list(hosts)
    first = next((fleet.clusters[host].variables for host in hosts), {})
    pool = text(first, "gke_node_range") or NODE_RANGE
    given: dict[str, tuple[str | None, str | None]] = {
        host: (text(fleet.clusters[host].variables, "gke_node_cidr"), None) for host in hosts
    }
    taken = [r for c in fleet.clusters.values() for r in (c.pod_cidr, c.service_cidr) if r]
    taken += [r for host in hosts if (r := text(fleet.clusters[host].variables, "gke_control_plane_cidr"))]
    assigned, missing = assign_ranges(given, pool, pool, NODE_PREFIX, taken)
    return {host: pair[0] for host, pair in assigned.items()}, [host for host, _kind, _pool in missing]


def own_ranges(
    fleet: Fleet, hosts: t.Iterable[str], egress: t.Mapping[Place, t.Sequence[str]]
) -> list[tuple[str, str]]:
    """From where each cluster of the inventory comes to an API server, if it does: ranges, each with the cluster.

    ``hosts``: the GKE clusters; ``egress``: addresses by NAT.
    """
    nodes, _lacking = node_ranges(fleet, hosts)
    found = []
    for name, cluster in fleet.clusters.items():
        mine = [cluster.pod_cidr, nodes.get(name, ""), *map(str, cluster.variables.get("cluster_egress") or [])]
        if name in nodes:
            place = (network_project(cluster), network_name(cluster, fleet.name), cluster.region)
            mine += [address for address in egress.get(place, ()) if "/" in address]
        found += [(cidr, name) for cidr in mine if cidr]
    return found


def with_egress(wanted: ClusterSpec, egress: t.Mapping[Place, t.Sequence[str]]) -> ClusterSpec:
    """The cluster with the addresses of the Cloud NATs by which others come to it.

    Args:
        wanted: the cluster.
        egress: addresses by NAT. One that is still to be reserved stands there in words.

    Raises FleetError where a NAT's addresses are not among them.
    """
    missing = ["/".join(place) for place in wanted.nats if place not in egress]
    if missing:
        raise FleetError(
            "it is not known from which addresses its peers come",
            cluster=wanted.host,
            seen=f"no address of the NAT of {', '.join(missing)}",
            next_step="let gke_nat come first and hand its egress to gke_cluster, as role gke_cluster does; or set "
            "cluster_egress of the clusters there",
        )
    come = [address for place in wanted.nats for address in egress[place]]
    known = [address for address in come if "/" in address]
    words = [address for address in come if "/" not in address]
    authorized = wanted.authorized
    if authorized is not None:
        authorized = (*collapsed([*authorized, *known]), *words)
    come_by = [(a, host) for place, host in wanted.by_nat for a in egress[place] if "/" in a]
    return dataclasses.replace(wanted, authorized=authorized, whose=(*wanted.whose, *come_by), by_nat=())


def collapsed(ranges: t.Iterable[str]) -> tuple[str, ...]:
    """The same addresses in as few ranges as possible: Google accepts a limited number."""
    nets = ipaddress.collapse_addresses(ipaddress.IPv4Network(text, strict=False) for text in ranges)
    return tuple(str(net) for net in nets)


def _wanted(
    fleet: Fleet,
    cluster: Cluster,
    member: Member,
    nodes: str,
    come: Callers,
    inside: tuple[str, ...],
    whose: tuple[tuple[str, str], ...],
) -> ClusterSpec:
    v = cluster.variables
    host = cluster.name
    endpoint = choice(host, v, "gke_endpoint", ("public", "private", "dns"), "public")
    autopilot = choice(host, v, "gke_mode", MODES, "standard") == "autopilot"
    if autopilot and cluster.zone:
        raise wrong(host, "gke_mode", "autopilot", "Autopilot clusters are regional: leave cluster_zone out")
    if not _NAME.fullmatch(member.cluster):
        raise wrong(host, "gke_name", member.cluster, "at most 40 lower-case letters, digits and -, a letter first")
    given = [str(r) for r in v.get("gke_authorized_networks") or []]
    for entry in given:
        try:
            ipaddress.IPv4Network(entry)
        except ValueError:
            raise wrong(host, "gke_authorized_networks", entry, "IPv4 ranges, for example 198.51.100.7/32") from None
    limited = bool(given) or endpoint != "public"
    authorized = collapsed([*given, *inside, *(r for r, _host in come.declared)]) if limited else None
    if authorized is not None and len(authorized) + len(come.nats) > MOST_AUTHORIZED:
        hint = f"Google accepts {MOST_AUTHORIZED}: name wider ranges, or let clusters watch fewer (mesh_peers)"
        raise wrong(host, "gke_authorized_networks", f"{len(authorized)} ranges", hint)
    mine = node_account(fleet.name, member.project)
    return ClusterSpec(
        host=host,
        fleet_name=fleet.name,
        member=member,
        region=cluster.region,
        labels={**our_labels(fleet), "mesh_id": fleet.mesh_id, **_labels(host, v)},
        own_labels=frozenset(_labels(host, v)),
        network_project=member.network_project or member.project,
        network=network_name(cluster, fleet.name),
        subnetwork=_subnet_name(cluster, fleet.name),
        node_cidr=nodes,
        ipv6_access=choice(host, v, "gke_ipv6_access", ("internal", "external"), "internal").upper(),
        pod_cidr=cluster.pod_cidr,
        service_cidr=cluster.service_cidr,
        pod_range=text(v, "gke_pod_range_name") or PODS,
        service_range=text(v, "gke_service_range_name") or SERVICES,
        control_plane_cidr=str(v.get("gke_control_plane_cidr") or ""),
        channel=choice(host, v, "gke_release_channel", CHANNELS, "regular").upper(),
        autopilot=autopilot,
        private_nodes=flag(host, v, "gke_private_nodes", True),
        public_endpoint=endpoint == "public",
        dns_endpoint=endpoint == "dns",
        authorized=authorized,
        whose=(*whose, *come.declared) if limited else (),
        by_nat=come.by_nat if limited else (),
        dataplane_v2=flag(host, v, "gke_dataplane_v2", True),
        adopt=flag(host, v, "gke_adopt", False),
        tag=node_tag(fleet.name),
        pools=tuple(
            dataclasses.replace(pool, fields=_named(pool.fields, mine))
            for pool in (() if autopilot else pools(host, v))
        ),
        fields=_named(cluster_fields(fleet, cluster, autopilot=autopilot), mine),
        passed=v.get("gke_cluster_fields") or {},
        recreate=flag(host, v, "gke_recreate_nodes", False),
        protected=flag(host, v, "gke_deletion_protection", False),
        given=frozenset(name for name, value in v.items() if name.startswith("gke_") and value not in (None, "", [])),
    )


def needs_net_admin(fleet: Fleet, cluster: Cluster) -> bool:
    """Whether sidecars there have Istio's init container, which Autopilot refuses unless it is told not to."""
    return control_plane_of(fleet, cluster).ours and not cluster.cni


def cluster_fields(fleet: Fleet, cluster: Cluster, *, autopilot: bool) -> tuple[Said, ...]:
    """What the inventory, or the mesh, says of CLUSTER_FIELDS."""
    mine = [field for field in CLUSTER_FIELDS if (field.autopilot if autopilot else field.standard)]
    values = dict(cluster.variables)
    if autopilot and needs_net_admin(fleet, cluster):
        values["gke_allow_net_admin"] = True
    return tuple(said_of(cluster.name, mine, values))


def _labels(host: str, v: t.Mapping[str, t.Any]) -> dict[str, str]:
    found = {str(k): str(value) for k, value in (v.get("gke_labels") or {}).items()}
    for key, value in found.items():
        if not _LABEL.fullmatch(key) or not _LABEL.fullmatch(value):
            raise wrong(host, "gke_labels", f"{key}: {value}", "lower-case letters, digits, _ and -")
    return found
