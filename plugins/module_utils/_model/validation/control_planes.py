# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of clusters whose control plane Google runs: what they need, and what the inventory cannot choose there."""

from __future__ import annotations

from ..control_planes.managed import MANAGED
from ..control_planes.managed_peering import NAMESPACE
from ..inventory.fleet import ROLE_REMOTE
from ..inventory.problems import Problem, quoted
from ..inventory.variable import FAULTY
from ..providers.base import Hosts, Values
from ..providers.reading import cni_of, network_of
from ..providers.registry import provider_of_host, text

__all__ = ["check"]


def check(hosts: Hosts) -> list[Problem]:
    """All problems of managed clusters; each value is valid by itself."""
    managed = {host: variables for host, variables in hosts.items() if text(variables, "mesh_control_plane") == MANAGED}
    problems: list[Problem] = []
    for host, variables in managed.items():
        problems += _kind(host, variables)
        problems += _peers(host, variables, managed, hosts)
    for host, variables in hosts.items():
        if host not in managed:
            problems += _watched(host, variables, managed)
        problems += _served(host, variables, managed)
    problems += _together(managed)
    if managed and len(managed) == len(hosts):
        problems += _not_ours(managed)
    return problems


def _kind(host: str, variables: Values) -> list[Problem]:
    problems = []
    provider = text(variables, "cluster_provider")
    if text(variables, "mesh_role") == ROLE_REMOTE:
        message, hint = "does not go with mesh_role remote", "a managed control plane serves its own cluster"
        problems.append(Problem(host, "mesh_control_plane", quoted(MANAGED), message, hint))
    if MANAGED not in provider_of_host(variables).control_planes and provider != FAULTY:
        message = f"does not go with provider {quoted(provider)}"
        problems.append(Problem(host, "mesh_control_plane", quoted(MANAGED), message, "Google runs it on GKE only"))
    return problems


def _peers(host: str, variables: Values, managed: Hosts, hosts: Hosts) -> list[Problem]:
    """Peers of a managed cluster: all other managed clusters, or none."""
    peers = variables.get("mesh_peers")
    if not peers or text(variables, "mesh_role") == ROLE_REMOTE:
        return []
    named = {peer for peer in peers if isinstance(peer, str) and peer in hosts and peer != host}
    foreign = sorted(named - set(managed))
    if foreign:
        message = "has an istiod of this collection, which Google's control plane does not see"
        return [
            Problem(host, "mesh_peers", quoted(name), message, "leave mesh_peers out: all managed clusters")
            for name in foreign
        ]
    missing = sorted(set(managed) - named - {host})
    if not named or not missing:
        return []
    message = f"leaves out {', '.join(missing)}: Google's control planes see all others or none"
    return [Problem(host, "mesh_peers", "", message, "leave it out for all, or set it to [] for none")]


def _watched(host: str, variables: Values, managed: Hosts) -> list[Problem]:
    """Peers of an istiod of this collection: Google's mesh has another root and trust domain."""
    peers = variables.get("mesh_peers") or []
    message = "has a control plane that Google runs, which is a mesh of its own"
    return [
        Problem(host, "mesh_peers", quoted(peer), message, "leave it out, or run an istiod there too")
        for peer in peers
        if isinstance(peer, str) and peer in managed
    ]


def _served(host: str, variables: Values, managed: Hosts) -> list[Problem]:
    """The primary of a remote: Google's control plane serves its own cluster only."""
    primary = text(variables, "mesh_primary")
    if text(variables, "mesh_role") != ROLE_REMOTE or primary not in managed or primary == host:
        return []
    if text(managed[primary], "mesh_role") == ROLE_REMOTE:
        return []  # topology.py reports that
    message, hint = "has a managed control plane, which serves no remotes", "one whose mesh_control_plane is istiod"
    return [Problem(host, "mesh_primary", quoted(primary), message, hint)]


def _together(managed: Hosts) -> list[Problem]:
    """One network, one VPC. The first cluster's values count as the intended ones."""
    problems: list[Problem] = []
    if not managed:
        return problems
    first = next(iter(managed))
    networks = {h: network_of(h, v) for h, v in managed.items()}
    vpcs = {h: text(v, "gke_network") for h, v in managed.items()}
    rules = (
        (networks, "mesh_network", "Google's control planes know one network, without gateways between", "set flat"),
        (vpcs, "gke_network", "managed clusters share one VPC", "name one VPC for all of them"),
    )
    for found, name, why, hint in rules:
        for host, value in found.items():
            if value != found[first]:
                seen = f"is {value or 'the default'}, {first}'s is {found[first] or 'the default'}: {why}"
                problems.append(Problem(host, name, "", seen, hint))
    # The same name is another VPC in another project.
    homes = {h: text(v, "gke_network_project") for h, v in managed.items()}
    for host, project in homes.items():
        if vpcs[host] == vpcs[first] and project != homes[first]:
            shared = any(managed[h].get("gke_network_project") for h in (host, first))
            name = "gke_network_project" if shared else "gke_project"
            seen = f"is {project}, {first}'s is {homes[first]}: managed clusters share one VPC, projects do not"
            hint = "make them in one project, name one gke_network_project for all (Shared VPC), or run an istiod there"
            problems.append(Problem(host, name, "", seen, hint))
    return problems


def _not_ours(managed: Hosts) -> list[Problem]:
    """Variables without effect where Google runs every control plane; they are fleet-wide, so each is reported once."""
    host, variables = next(iter(managed.items()))
    problems = []
    for name, default in (("mesh_revision", "default"), ("mesh_namespace", NAMESPACE)):
        value = text(variables, name)
        if value != default:
            message = "has no effect: Google runs the control planes"
            problems.append(Problem(host, name, quoted(value), message, "leave it out"))
    if cni_of(variables):
        problems.append(Problem(host, "mesh_cni", "", "has no effect: Google brings a CNI agent", "leave it out"))
    return problems
