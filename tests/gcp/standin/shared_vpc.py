# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared VPC: host projects, the service projects that are attached to them, and what GKE asks for there."""

from __future__ import annotations

import copy
import typing as t

from .cloud import Cloud, Fault
from .errors import Refused
from .limits import default_account, quotas

__all__ = ["HANDLERS", "check", "mesh_may", "network_of"]

Json = dict[str, t.Any]
_DOCS = "https://cloud.google.com/kubernetes-engine/docs/troubleshooting#gke_service_account_deleted"
_USERS = ("roles/compute.networkUser", "roles/compute.networkAdmin", "roles/compute.admin", "roles/owner")
_AGENT_USERS = ("roles/container.hostServiceAgentUser", "roles/container.admin", "roles/owner")


def project(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    name = path["project"]
    more = {"quotas": quotas(cloud, name, ""), "defaultServiceAccount": default_account(cloud, name)}
    return {**_project(cloud, name), **more}


def _project(cloud: Cloud, name: str) -> Json:
    found = {"name": name, "id": cloud.number(name), "kind": "compute#project"}
    return found | ({"xpnProjectStatus": "HOST"} if name in cloud.hosts else {})


def xpn_host(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    host = cloud.attached.get(path["project"])
    # Without a host project the answer is empty.
    return _project(cloud, host) if host else {}


def subnet_policy(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    target = f"projects/{path['project']}/regions/{path['region']}/subnetworks/{path['resource']}"
    if f"compute/{target}" not in cloud.resources:
        raise Refused(404, f"The resource '{target}' was not found")
    # A policy that was never set holds nothing but its etag.
    return copy.deepcopy(cloud.policies.get(target) or {"etag": "ACAB"})


def held_permissions(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    name = f"projects/{path['resource']}"
    gone = {f.permission for f in cloud.faults if f.permission and f.times != 0 and f.path in ("", name, f"{name}/")}
    held = [permission for permission in body.get("permissions") or [] if permission not in gone]
    # Those that the caller lacks are left out; with none left there is no list at all.
    return {"permissions": held} if held else {}


def network_of(cluster: Json, project: str) -> tuple[str, str]:
    """The project and the name of a cluster's network, as it was asked for or as it is."""
    config = cluster.get("networkConfig") or {}
    path = str(config.get("network") or cluster.get("network") or "default")
    parts = path.split("/")
    return (parts[parts.index("projects") + 1] if "projects" in parts else project), parts[-1]


def check(cloud: Cloud, project: str, host: str, region: str, subnet: str) -> None:
    """Refused where GKE may not make a cluster of ``project`` on a subnet of ``host``."""
    attached = cloud.attached.get(project)
    if attached is None:
        raise Refused(400, f'Project "{project}" does not have an associated Shared-VPC host project.')
    if attached != host:
        raise Refused(400, f'must use a network belonging to project "{attached}".')
    number = cloud.number(project)
    robot = f"serviceAccount:service-{number}@container-engine-robot.iam.gserviceaccount.com"
    if "container.googleapis.com" in cloud.disabled_in.get(host, ()) or not _holds(cloud, host, _AGENT_USERS, robot):
        raise Refused(
            403,
            f"Kubernetes Engine Service Agent is missing required permissions on this project. See {_DOCS} for more "
            f'info: required "container.hostServiceAgent.use" permission(s) for "projects/{host}".',
        )
    target = f"projects/{host}/regions/{region}/subnetworks/{subnet}"
    for member in (robot, f"serviceAccount:{number}@cloudservices.gserviceaccount.com"):
        if not _holds(cloud, host, _USERS, member) and not _holds(cloud, target, _USERS, member):
            raise Refused(403, f"Google Compute Engine: Required 'compute.subnetworks.get' permission for '{target}'.")


def _holds(cloud: Cloud, policy: str, roles: t.Collection[str], member: str) -> bool:
    """Whether a policy gives the member one of the roles, at all times."""
    return any(
        binding.get("role") in roles
        and member in (binding.get("members") or [])
        and not binding.get("condition")
        and cloud.settles(f"{policy} {binding['role']} {member}")
        for binding in (cloud.policies.get(policy) or {}).get("bindings") or []
    )


def mesh_may(cloud: Cloud, project: str, membership: Json) -> bool:
    """Whether the fleet's mesh agent may work on the network of the member, where another project has it."""
    link = ((membership.get("endpoint") or {}).get("gkeCluster") or {}).get("resourceLink", "")
    path = link.removeprefix("//container.googleapis.com/")
    own = path.split("/")[1] if path else project
    host, _network = network_of(cloud.resources.get(f"container/{path}") or {}, own)
    agent = f"serviceAccount:service-{cloud.number(project)}@gcp-sa-servicemesh.iam.gserviceaccount.com"
    return host in (own, project) or _holds(cloud, host, ("roles/anthosservicemesh.serviceAgent",), agent)


HANDLERS: dict[str, t.Callable[..., Json]] = {
    "compute.projects.get": project,
    "compute.projects.getXpnHost": xpn_host,
    "compute.subnetworks.getIamPolicy": subnet_policy,
    "cloudresourcemanager.projects.testIamPermissions": held_permissions,
}
