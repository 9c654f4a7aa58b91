# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""APIs and IAM bindings that the Google fleet's features need, as plain data."""

from __future__ import annotations

import copy
import dataclasses
import re
import typing as t

from ..._model.providers.google.members import DISCOVERY, INGRESS, SERVICEMESH

__all__ = [
    "ACCOUNTS_API",
    "MESH_API",
    "POLICY_API",
    "Binding",
    "api_of_agent",
    "apis_for",
    "bindings_for",
    "missing_bindings",
    "needs_number",
    "with_bindings",
    "without_bindings",
]

Json = dict[str, t.Any]

POLICY_API = "cloudresourcemanager.googleapis.com"
"""Reads and writes IAM policies: needed where a role is granted."""
ACCOUNTS_API = "iam.googleapis.com"
"""Makes service accounts."""
MESH_API = "mesh.googleapis.com"
"""Of Google's mesh: it must be on in the fleet's project and in that of each cluster that it serves."""
_BASE = ("container.googleapis.com", "gkehub.googleapis.com")
_APIS: t.Mapping[str, tuple[str, ...]] = {
    SERVICEMESH: (MESH_API,),
    DISCOVERY: (
        "multiclusterservicediscovery.googleapis.com",
        "trafficdirector.googleapis.com",
        "dns.googleapis.com",
        POLICY_API,
    ),
    INGRESS: ("multiclusteringress.googleapis.com", "multiclusterservicediscovery.googleapis.com"),
}
_AGENTS: t.Mapping[str, tuple[str, str]] = {
    SERVICEMESH: ("gcp-sa-servicemesh", "roles/anthosservicemesh.serviceAgent"),
    DISCOVERY: ("gcp-sa-mcsd", "roles/multiclusterservicediscovery.serviceAgent"),
}
"""Google's own accounts. They have their role in their own project, but in no other."""
_AGENT_APIS: t.Mapping[str, str] = {
    "container-engine-robot": "container.googleapis.com",
    "gcp-sa-gkehub": "gkehub.googleapis.com",
    "gcp-sa-servicemesh": "mesh.googleapis.com",
    "gcp-sa-mcsd": "multiclusterservicediscovery.googleapis.com",
    "gcp-sa-multiclusteringress": "multiclusteringress.googleapis.com",
}
_AGENT = re.compile(r"serviceAccount:service-[0-9]+@(?P<account>[a-z-]+)\.iam\.gserviceaccount\.com")


@dataclasses.dataclass(frozen=True, order=True)
class Binding:
    """One member of one role in one project."""

    project: str
    role: str
    member: str


def apis_for(features: t.Iterable[str]) -> list[str]:
    """APIs of the fleet project, without repetition."""
    wanted = list(_BASE)
    for feature in features:
        wanted += [api for api in _APIS[feature] if api not in wanted]
    return wanted


def api_of_agent(member: str) -> str:
    """The API whose service agent this is; "" for any other member of a role."""
    found = _AGENT.fullmatch(member)
    return _AGENT_APIS.get(found["account"], "") if found else ""


def needs_number(features: t.Iterable[str], projects: t.Iterable[str], project: str) -> bool:
    """Whether a binding holds the fleet project's number. If not, the request for it is saved.

    ``projects`` are those of clusters and of their networks.
    """
    return INGRESS in features or any(other != project for other in projects)


def bindings_for(
    features: t.Iterable[str],
    projects: t.Iterable[str],
    project: str,
    number: str,
    networks: t.Mapping[str, str] | None = None,
) -> list[Binding]:
    """Which members need which roles in which projects.

    Args:
        features: those that are switched on.
        projects: ids of the projects that have clusters in the fleet.
        project: id of the fleet project.
        number: its number; may be "" where :func:`needs_number` says no.
        networks: by project with clusters on a Shared VPC, the host project.
    """
    wanted, with_clusters = list(features), sorted(set(projects))
    found = []
    if DISCOVERY in wanted:
        # The name of a cluster's importer holds the workload pool of the cluster's own project.
        for one in with_clusters:
            importer = f"serviceAccount:{one}.svc.id.goog[gke-mcs/gke-mcs-importer]"
            found.append(Binding(one, "roles/compute.networkViewer", importer))
            if networks and one in networks:
                found.append(Binding(networks[one], "roles/compute.networkViewer", importer))
    hosts = {host for one, host in (networks or {}).items() if one in with_clusters}
    for host in sorted(hosts - {project, *with_clusters}):
        agents = [_AGENTS[feature] for feature in wanted if feature in _AGENTS]
        found += [Binding(host, role, _agent(number, account)) for account, role in agents]
    if INGRESS in wanted:
        agent = _agent(number, "gcp-sa-multiclusteringress")
        found += [Binding(one, "roles/container.admin", agent) for one in sorted({project, *with_clusters})]
    for other in with_clusters:
        if other == project:
            continue
        agents = [("gcp-sa-gkehub", "roles/gkehub.serviceAgent")]
        agents += [_AGENTS[feature] for feature in wanted if feature in _AGENTS]
        found += [Binding(other, role, _agent(number, account)) for account, role in agents]
    return found


def _agent(number: str, account: str) -> str:
    return f"serviceAccount:service-{number}@{account}.iam.gserviceaccount.com"


def _holds(binding: Json, wanted: Binding) -> bool:
    """Whether a binding is of that role; one with a condition does not count, since it may not hold."""
    return binding.get("role") == wanted.role and not binding.get("condition")


def missing_bindings(policy: t.Mapping[str, t.Any], wanted: t.Iterable[Binding]) -> list[Binding]:
    """Those that a project's policy does not have yet."""
    live = policy.get("bindings") or []
    return [w for w in wanted if not any(_holds(b, w) and w.member in (b.get("members") or []) for b in live)]


def with_bindings(policy: t.Mapping[str, t.Any], more: t.Iterable[Binding]) -> Json:
    """The policy with ``more`` added; its etag and everything else as it was."""
    out = copy.deepcopy(dict(policy))
    bindings: list[Json] = out.setdefault("bindings", [])
    for wanted in more:
        held = next((b for b in bindings if _holds(b, wanted)), None)
        if held is None:
            bindings.append({"role": wanted.role, "members": [wanted.member]})
        elif wanted.member not in (held.get("members") or []):
            held.setdefault("members", []).append(wanted.member)
    return out


def without_bindings(policy: t.Mapping[str, t.Any], less: t.Iterable[Binding]) -> Json:
    """The policy without those members, and without roles that have no member any more."""
    out = copy.deepcopy(dict(policy))
    gone = list(less)
    for binding in out.get("bindings") or []:
        drop = {w.member for w in gone if _holds(binding, w)}
        binding["members"] = [m for m in binding.get("members") or [] if m not in drop]
    out["bindings"] = [b for b in out.get("bindings") or [] if b["members"]]
    return out
