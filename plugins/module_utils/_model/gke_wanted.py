# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each GKE cluster of the inventory shall be: ranges come from the model, never typed twice."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ..errors import FleetError
from .addresses import allocate_ranges
from .fleet import Cluster, Fleet
from .gke_members import Member
from .peering import edges

__all__ = ["PODS", "SERVICES", "Pool", "Wanted", "marker", "our_labels", "wanted"]

PODS, SERVICES = "pods", "services"
"""Names of the secondary ranges of a cluster's subnet."""
MODES = ("standard", "autopilot")
CHANNELS = ("rapid", "regular", "stable", "extended")
NODE_RANGE = "10.128.0.0/14"
"""Where node ranges are cut from, a /22 each, unless ``gke_node_range`` says otherwise."""

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_LABEL = re.compile(r"[-_a-z0-9]{0,63}")


@dataclasses.dataclass(frozen=True)
class Pool:
    """The node pool of a standard cluster; its name is ``nodes``. ``maximum`` 0 is no autoscaling."""

    count: int = 1
    maximum: int = 0
    machine: str = "e2-standard-4"
    disk: int = 100
    spot: bool = False
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    name: str = "nodes"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One cluster, as the inventory describes it."""

    host: str
    member: Member
    region: str
    labels: t.Mapping[str, str]
    network: str
    subnetwork: str
    node_cidr: str
    pod_cidr: str
    service_cidr: str
    control_plane_cidr: str
    channel: str
    autopilot: bool
    private_nodes: bool
    public_endpoint: bool
    dns_endpoint: bool
    authorized: tuple[str, ...] | None
    """Ranges that may reach the API server; None for everybody."""
    dataplane_v2: bool
    adopt: bool
    pool: Pool

    @property
    def parent(self) -> str:
        return f"projects/{self.member.project}/locations/{self.member.location}"

    @property
    def path(self) -> str:
        return f"{self.parent}/clusters/{self.member.cluster}"


def our_labels(fleet: Fleet) -> dict[str, str]:
    """Labels that tell a cluster which this fleet made."""
    return {"managed-by": "mesh-fleet", "mesh-fleet": fleet.name}


def marker(fleet: Fleet) -> str:
    """Description of network resources that this fleet made: they carry no labels."""
    return f"made by mesh.fleet for fleet {fleet.name}"


def wanted(fleet: Fleet, members: t.Mapping[str, Member]) -> dict[str, Wanted]:
    """Every GKE cluster of the fleet by host; ``members`` are those of gke_members.members().

    Raises FleetError for a value that cannot be, with the variable's name.
    """
    nodes = _node_ranges(fleet, members)
    watchers: dict[str, list[str]] = {host: [] for host in members}
    for watcher, watched in edges(fleet):
        if watched in watchers and watcher in members:
            watchers[watched].append(watcher)
    return {host: _wanted(fleet, fleet.clusters[host], members[host], nodes, watchers[host]) for host in members}


def _node_ranges(fleet: Fleet, members: t.Mapping[str, Member]) -> dict[str, str]:
    first = next((fleet.clusters[host].variables for host in members), {})
    pool = str(first.get("gke_node_range") or NODE_RANGE)
    given: dict[str, tuple[str | None, str | None]] = {
        host: (str(fleet.clusters[host].variables.get("gke_node_cidr") or ""), None) for host in members
    }
    taken = [r for c in fleet.clusters.values() for r in (c.pod_cidr, c.service_cidr) if r]
    try:
        return {host: pair[0] for host, pair in allocate_ranges(given, pool, pool, 22, taken).items()}
    except ValueError as error:
        raise FleetError("node ranges cannot be given", seen=str(error), next_step="widen gke_node_range") from error


def _wanted(fleet: Fleet, cluster: Cluster, member: Member, nodes: t.Mapping[str, str], watchers: list[str]) -> Wanted:
    v = cluster.variables
    host = cluster.name
    endpoint = _choice(host, v, "gke_endpoint", ("public", "private", "dns"), "public")
    autopilot = _choice(host, v, "gke_mode", MODES, "standard") == "autopilot"
    if autopilot and cluster.zone:
        raise _wrong(host, "gke_mode", "autopilot", "Autopilot clusters are regional: leave cluster_zone out")
    if not _NAME.fullmatch(member.cluster):
        raise _wrong(host, "gke_name", member.cluster, "at most 40 lower-case letters, digits and -, a letter first")
    given = [str(r) for r in v.get("gke_authorized_networks") or []]
    for text in given:
        try:
            ipaddress.IPv4Network(text)
        except ValueError:
            raise _wrong(host, "gke_authorized_networks", text, "IPv4 ranges, for example 198.51.100.7/32") from None
    authorized: tuple[str, ...] | None = None
    if given or endpoint != "public":
        peers = [r for w in watchers for r in (fleet.clusters[w].pod_cidr, nodes[w]) if r]
        authorized = tuple(sorted({*given, *peers}))
    network = str(v.get("gke_network") or f"mesh-{fleet.name}")
    labels = {**our_labels(fleet), "mesh_id": fleet.mesh_id, **_labels(host, v)}
    return Wanted(
        host=host,
        member=member,
        region=cluster.region,
        labels=labels,
        network=network,
        subnetwork=str(v.get("gke_subnetwork") or f"{network}-{host}")[:63].rstrip("-"),
        node_cidr=nodes[host],
        pod_cidr=cluster.pod_cidr,
        service_cidr=cluster.service_cidr,
        control_plane_cidr=str(v.get("gke_control_plane_cidr") or ""),
        channel=_choice(host, v, "gke_release_channel", CHANNELS, "regular").upper(),
        autopilot=autopilot,
        private_nodes=_bool(host, v, "gke_private_nodes", True),
        public_endpoint=endpoint == "public",
        dns_endpoint=endpoint == "dns",
        authorized=authorized,
        dataplane_v2=_bool(host, v, "gke_dataplane_v2", True),
        adopt=_bool(host, v, "gke_adopt", False),
        pool=_pool(host, v),
    )


def _pool(host: str, v: t.Mapping[str, t.Any]) -> Pool:
    labels = {str(k): str(value) for k, value in (v.get("gke_node_labels") or {}).items()}
    count = _int(host, v, "gke_node_count", 1)
    maximum = _int(host, v, "gke_node_count_max", 0)
    if maximum and maximum < count:
        raise _wrong(host, "gke_node_count_max", maximum, "0, or at least gke_node_count")
    return Pool(
        count=count,
        maximum=maximum,
        machine=str(v.get("gke_machine_type") or Pool.machine),
        disk=_int(host, v, "gke_disk_size", Pool.disk),
        spot=_bool(host, v, "gke_spot", False),
        labels=labels,
    )


def _labels(host: str, v: t.Mapping[str, t.Any]) -> dict[str, str]:
    found = {str(k): str(value) for k, value in (v.get("gke_labels") or {}).items()}
    for key, value in found.items():
        if not _LABEL.fullmatch(key) or not _LABEL.fullmatch(value):
            raise _wrong(host, "gke_labels", f"{key}: {value}", "lower-case letters, digits, _ and -")
    return found


def _choice(host: str, v: t.Mapping[str, t.Any], name: str, choices: tuple[str, ...], default: str) -> str:
    found = str(v.get(name) or default)
    if found not in choices:
        raise _wrong(host, name, found, f"one of: {', '.join(choices)}")
    return found


def _bool(host: str, v: t.Mapping[str, t.Any], name: str, default: bool) -> bool:
    found = v.get(name)
    if found is None or found == "":
        return default
    word = str(found).lower()
    if word not in ("true", "false", "yes", "no"):
        raise _wrong(host, name, found, "true or false")
    return word in ("true", "yes")


def _int(host: str, v: t.Mapping[str, t.Any], name: str, default: int) -> int:
    found = v.get(name)
    if found is None or found == "":
        return default
    try:
        number = int(found)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise _wrong(host, name, found, "a whole number")
    return number


def _wrong(host: str, name: str, value: t.Any, hint: str) -> FleetError:
    return FleetError(f"{name} cannot be {value}", cluster=host, next_step=hint)
