# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared VPC: what Google requires before a service project's clusters are on a host project's network. Pure functions.

The host project has the network, a service project has clusters.
"""

from __future__ import annotations

import typing as t

from ..._model.providers.google.clusters import ClusterSpec
from ...errors import FleetError
from ..access.bindings import Binding, missing_bindings
from ..errors import GoogleError
from ..meanings import PERMISSION
from .firewall import covered

__all__ = [
    "ROBOT",
    "is_forbidden",
    "is_refusal",
    "lacking",
    "may_not",
    "missing_parts",
    "not_attached",
    "permissions_for",
    "roles_missing",
    "service_project_bindings",
    "unreadable",
    "with_advice",
    "with_role_advice",
]

Json = dict[str, t.Any]
_Error = t.TypeVar("_Error", bound=FleetError)
ROBOT = "container-engine-robot"
USER = "roles/compute.networkUser"
AGENT_USER = "roles/container.hostServiceAgentUser"
_ENOUGH: t.Mapping[str, tuple[str, ...]] = {
    USER: ("roles/compute.networkAdmin", "roles/compute.admin", "roles/editor", "roles/owner"),
    AGENT_USER: ("roles/container.admin", "roles/owner"),
}
"""Roles that include all permissions of another one."""
_PERMISSIONS: t.Mapping[str, tuple[str, ...]] = {
    "networks": ("compute.networks.create",),
    "subnets": ("compute.subnetworks.create", "compute.networks.updatePolicy"),
    "dual_stack": ("compute.subnetworks.update", "compute.networks.update"),
    "firewalls": ("compute.firewalls.create", "compute.networks.updatePolicy"),
    "changed firewalls": ("compute.firewalls.update", "compute.networks.updatePolicy"),
    "stale": ("compute.firewalls.delete", "compute.networks.updatePolicy"),
    "routers": ("compute.routers.create",),
    "changed routers": ("compute.routers.update",),
    "addresses": ("compute.addresses.create",),
}
_REFUSALS = (
    "container.hostServiceAgent.use",
    "Google Compute Engine: Required",
    "does not have an associated Shared-VPC host project",
)


def service_project_bindings(host: str, number: str) -> list[Binding]:
    """Roles in the host project ``host`` for the accounts of the service project with that number."""
    robot = f"serviceAccount:service-{number}@{ROBOT}.iam.gserviceaccount.com"
    apis = f"serviceAccount:{number}@cloudservices.gserviceaccount.com"
    return [Binding(host, AGENT_USER, robot), Binding(host, USER, robot), Binding(host, USER, apis)]


def lacking(policy: t.Mapping[str, t.Any], wanted: t.Iterable[Binding]) -> list[Binding]:
    """Those that a policy has neither itself nor with a wider role."""
    return [
        binding
        for binding in missing_bindings(policy, wanted)
        if missing_bindings(policy, wider := [Binding(binding.project, r, binding.member) for r in _wider(binding)])
        == wider
    ]


def _wider(binding: Binding) -> tuple[str, ...]:
    return _ENOUGH.get(binding.role, ())


def permissions_for(kinds: t.Iterable[str]) -> list[str]:
    """Permissions to make, change and remove parts of these kinds, which are those of plans."""
    return list(dict.fromkeys(p for kind in kinds for p in _PERMISSIONS[kind]))


# -- messages ---------------------------------------------------------------------------------


def not_attached(w: ClusterSpec, host: str, *, is_host: bool) -> FleetError:
    """The clusters' project is not a service project of the host project.

    Args:
        w: a cluster.
        host: the project to which it is attached; "" for none.
        is_host: whether the wanted host project shares its networks at all.
    """
    mine, theirs = w.member.project, w.network_project
    enable = "" if is_host else f"`gcloud compute shared-vpc enable {theirs}` and "
    seen = f"its host project is {host}" if host else "it has no host project"
    return FleetError(
        f"project {mine} is not attached to project {theirs}",
        cluster=w.host,
        obj=w.network_path,
        seen=seen if is_host else f"{seen}, and {theirs} is no Shared VPC host project",
        means="clusters can be on a VPC of their own project, or of the one host project that it is attached to",
        next_step=f"have a Shared VPC admin (roles/compute.xpnAdmin of the organization or a folder) run {enable}"
        f"`gcloud compute shared-vpc associated-projects add {mine} --host-project {theirs}`; then run again",
    )


def roles_missing(w: ClusterSpec, missing: t.Sequence[Binding]) -> FleetError:
    """GKE's accounts of the clusters' project lack roles for the network."""
    theirs = w.network_project
    commands = "; ".join(
        f"`gcloud projects add-iam-policy-binding {theirs} --member={b.member} --role={b.role}`" for b in missing
    )
    return FleetError(
        f"accounts of project {w.member.project} lack roles in host project {theirs}",
        cluster=w.host,
        obj=f"IAM policy of project {theirs}",
        seen="missing: " + ", ".join(f"{b.role} for {b.member}" for b in missing),
        means="Google refuses a cluster on a Shared VPC without them",
        next_step=f"have an administrator of project {theirs} run {commands} ({USER} is enough on subnet "
        f"{w.region}/{w.subnetwork}); or set gke_network_roles: granted if these credentials may grant them, or "
        "trusted if a folder, a group or a custom role includes them; then run again",
    )


def missing_parts(
    w: ClusterSpec,
    networks: t.Iterable[Json],
    subnets: t.Mapping[str, Json],
    firewalls: t.Iterable[Json],
    live: t.Mapping[str, Json],
) -> list[str]:
    """What one cluster lacks of the network, in words for its administrator.

    Args:
        w: the cluster.
        networks: VPCs to make, as arguments of google.cloud's module.
        subnets: the same of subnets, by host.
        firewalls: the same of firewall rules.
        live: firewall rules that exist, by name.
    """
    found = [f"VPC {n['name']} (custom subnets)" for n in networks if n["name"] == w.network]
    if w.host in subnets:
        subnet = subnets[w.host]
        second = ", ".join(f"{r['range_name']} {r['ip_cidr_range']}" for r in subnet["secondary_ip_ranges"])
        found.append(f"subnet {w.region}/{w.subnetwork}: {w.node_cidr}, secondary ranges {second}")
    for rule in firewalls:
        own = {w.pod_cidr, w.node_cidr, w.control_plane_cidr} & set(rule["source_ranges"])
        mine = {**rule, "source_ranges": sorted(own) or rule["source_ranges"]}
        if rule["network"] == w.network and not covered(mine, live.values()):
            what = ", ".join(":".join([a["ip_protocol"], *a.get("ports", ())]) for a in rule["allowed"])
            target = f"nodes tagged {', '.join(rule['target_tags'])}" if rule.get("target_tags") else "all machines"
            found.append(f"firewall rule {rule['name']}: {what} from {', '.join(rule['source_ranges'])} to {target}")
    return found


def is_forbidden(error: GoogleError) -> bool:
    """Whether these credentials lack a permission; not so when an API or billing is off, or requests are too many."""
    return error.status == 403 and error.kind == PERMISSION


def unreadable(error: FleetError, project: str) -> FleetError:
    """The credentials may not even read the network."""
    error.obj = f"host project {project}"
    error.next_step = (
        f"have an administrator of project {project} grant these credentials roles/compute.networkViewer there, or "
        "roles/compute.networkAdmin and roles/compute.securityAdmin, with which the run can make what is missing"
    )
    return error


def may_not(w: ClusterSpec, parts: t.Sequence[str], permissions: t.Sequence[str]) -> FleetError:
    """The host project lacks something that these credentials may not make."""
    return FleetError(
        f"the network in host project {w.network_project} lacks something that these credentials may not make",
        cluster=w.host,
        obj=w.network_path,
        seen=f"missing: {'; '.join(parts)}",
        means=f"the account lacks {', '.join(permissions)} in project {w.network_project}",
        next_step=f"have an administrator of project {w.network_project} make it, or grant these credentials "
        "roles/compute.networkAdmin and roles/compute.securityAdmin there; then run again",
    )


def with_role_advice(error: GoogleError, wanted: t.Sequence[Binding]) -> GoogleError:
    """A refusal to read or change a host project's policy, with the roles that its administrator can grant."""
    here = [b for b in wanted if is_forbidden(error) and error.obj.endswith(f" {b.project}")]
    if here:
        error.means = f"the account has no role in project {here[0].project} that allows it"
        error.next_step = (
            f"have an administrator of project {here[0].project} grant "
            + ", ".join(f"{b.role} to {b.member}" for b in here)
            + ", and set gke_network_roles: trusted; or let these credentials do so "
            "(roles/resourcemanager.projectIamAdmin); then run again"
        )
    return error


def is_refusal(error: FleetError) -> bool:
    """Whether Google refused a cluster because of the Shared VPC."""
    return any(words in error.seen for words in _REFUSALS)


def with_advice(error: _Error, w: ClusterSpec, number: str) -> _Error:
    """Google's refusal of a cluster on a Shared VPC, with what to do."""
    theirs = w.network_project
    wanted = service_project_bindings(theirs, number or "NUMBER")
    needed = ", ".join(f"{b.role} for {b.member}" for b in wanted)
    error.means = f"project {w.member.project} may not use the network of host project {theirs}"
    error.next_step = (
        f"have an administrator of {theirs} attach project {w.member.project} (gcloud compute shared-vpc "
        f"associated-projects add), switch container.googleapis.com on there, and grant {needed}, and {USER} for the "
        "credentials of this run; then run again"
    )
    return error
