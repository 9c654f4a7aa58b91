# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project's side of the stand-in: who it is, its IAM policy, its APIs."""

from __future__ import annotations

import copy
import re
import typing as t

from .cloud import Cloud, Fault
from .errors import Refused

__all__ = ["HANDLERS", "project_get_v3"]

Json = dict[str, t.Any]


def project_get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    name = path.get("projectId") or path.get("projectsId") or ""
    number = cloud.number(name)
    return {"projectId": cloud.project_id(name), "projectNumber": number, "lifecycleState": "ACTIVE", "name": name}


def project_get_v3(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    name = path["projectsId"]
    return {"name": f"projects/{cloud.number(name)}", "projectId": cloud.project_id(name), "state": "ACTIVE"}


def _policy(cloud: Cloud, path: Json) -> tuple[str, Json]:
    name = str(path.get("resource") or path.get("projectsId"))
    return name, cloud.policies.setdefault(name, {"version": 1, "etag": "BwAAAAAAAAA=", "bindings": []})


def policy_get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    version = (body.get("options") or {}).get("requestedPolicyVersion", 0)
    if version not in (0, 1, 3):
        raise Refused(400, f"Invalid policy version {version}: 0, 1 and 3 are valid.")
    return copy.deepcopy(_policy(cloud, path)[1])


def policy_set(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    name, old = _policy(cloud, path)
    if "policy" not in body:
        raise Refused(400, "policy is required.", violations=[("policy", "required")])
    new = copy.deepcopy(body["policy"])
    if new.get("etag") not in (None, old["etag"]):
        raise Refused(409, "There were concurrent policy changes.", word="ABORTED")
    for binding in new.get("bindings") or []:
        _check_binding(binding, int(new.get("version") or 0))
        for member in binding.get("members") or []:
            email = member.removeprefix("serviceAccount:")
            gone = cloud.accounts.get(email, {}) is None
            if gone or (_account(email) in _AGENTS and f"iam/agents/{email}" not in cloud.resources):
                raise Refused(400, f"Service account {email} does not exist.")
    held = {(b["role"], m) for b in old.get("bindings") or [] for m in b.get("members") or []}
    for binding in new.get("bindings") or []:
        for member in binding.get("members") or []:
            if (binding["role"], member) not in held:
                cloud.unsettled[f"{name} {binding['role']} {member}"] = cloud.slow_roles
    new["etag"] = f"Bw{next(cloud.count):08d}="
    cloud.policies[name] = new
    return copy.deepcopy(new)


_AGENTS: dict[str, str] = {
    "gcp-sa-gkehub": "gkehub.googleapis.com",
    "gcp-sa-servicemesh": "mesh.googleapis.com",
    "gcp-sa-mcsd": "multiclusterservicediscovery.googleapis.com",
    "gcp-sa-multiclusteringress": "multiclusteringress.googleapis.com",
}
"""Google's own accounts: IAM knows each when its service has been used in the project, or it was asked for."""


def _check_binding(binding: Json, version: int) -> None:
    role = str(binding.get("role") or "")
    if not re.fullmatch(r"((projects|organizations)/[^/]+/)?roles/[\w.]+", role):
        raise Refused(400, f'The role name must be in the form "roles/{{role}}", not "{role}".')
    if role.startswith("roles/") and role not in _ROLES:
        raise Refused(400, f"Role {role} is not supported for this resource.")
    if binding.get("condition") and version != _WITH_CONDITIONS:
        raise Refused(400, "Bindings with conditions need a policy of version 3.")
    for member in binding.get("members") or []:
        if not re.fullmatch(_MEMBER, member):
            text = "is of an unknown type. Please set a valid type prefix for the member."
            raise Refused(400, f"The member {member} {text}")


_WITH_CONDITIONS = 3
_MEMBER = (
    r"allUsers|allAuthenticatedUsers|((deleted:)?(user|serviceAccount|group):.+|(domain|principal|principalSet):.+)"
)
_ROLES = frozenset(
    f"roles/{name}"
    for name in (
        "anthosservicemesh.serviceAgent",
        "compute.networkAdmin",
        "compute.networkUser",
        "compute.networkViewer",
        "compute.securityAdmin",
        "container.admin",
        "container.defaultNodeServiceAccount",
        "container.developer",
        "container.hostServiceAgentUser",
        "container.serviceAgent",
        "editor",
        "gkehub.admin",
        "gkehub.serviceAgent",
        "iam.serviceAccountTokenCreator",
        "iam.serviceAccountUser",
        "iam.workloadIdentityUser",
        "multiclusterservicediscovery.serviceAgent",
        "owner",
        "resourcemanager.projectIamAdmin",
        "serviceusage.serviceUsageAdmin",
        "viewer",
    )
)
"""Predefined roles of Google's that anybody here has to do with; it has hundreds more."""


def _account(email: str) -> str:
    return email.partition("@")[2].removesuffix(".iam.gserviceaccount.com")


def identity(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    account = next((name for name, api in _AGENTS.items() if api == path["servicesId"]), "")
    if not account:
        raise Refused(400, f"Service {path['servicesId']} has no service identity.")
    email = f"service-{cloud.number(path['v1beta1Id1'])}@{account}.iam.gserviceaccount.com"

    def done() -> None:
        if fault is None:
            cloud.resources[f"iam/agents/{email}"] = {"email": email}

    name = f"operations/finished.{next(cloud.count):013d}"
    return cloud.begin(f"serviceusage/{name}", {"name": name, "response": {"email": email}}, done, fault)


def _api(cloud: Cloud, path: Json, name: str) -> Json:
    given = path["v1Id1"] if "v1Id1" in path else path["projectsId"]
    off = name in cloud.disabled | cloud.disabled_in.get(cloud.project_id(given), set())
    project = cloud.number(given)
    return {
        "name": f"projects/{project}/services/{name}",
        "parent": f"projects/{project}",
        "config": {"name": name},
        "state": "DISABLED" if off else "ENABLED",
    }


def api_get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return _api(cloud, path, path["servicesId"])


def api_list(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    wanted = {"state:ENABLED": True, "state:DISABLED": False, None: None}[params.get("filter")]
    names = sorted({*_APIS, *cloud.disabled})
    found = [_api(cloud, path, n) for n in names if wanted is None or (n not in cloud.disabled) == wanted]
    page, more = cloud.paged(found, params)
    return {"services": page, **more}


def api_batch_get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    names = params.get("names") or []
    if len(names) > _MOST_ASKED:
        raise Refused(400, f"Too many services: {len(names)}, and {_MOST_ASKED} can be asked for at a time.")
    own = {cloud.number(path["projectsId"] if "projectsId" in path else path["v1Id1"])}
    if any(cloud.number(n.split("/")[1]) not in own for n in names):
        raise Refused(400, "The names do not belong to the parent.")
    return {"services": [_api(cloud, path, n.rsplit("/", 1)[-1]) for n in names]}


def _enable(cloud: Cloud, path: Json, names: list[str], fault: Fault | None) -> Json:
    if not 0 < len(names) <= _MOST_ENABLED:
        raise Refused(400, f"{len(names)} services, and 1 to {_MOST_ENABLED} can be enabled at a time.")
    unknown = [one for one in names if one not in _APIS and one not in cloud.disabled]
    if unknown:
        raise Refused(
            403,
            f"Not found or permission denied for service(s): {', '.join(unknown)}.",
            reason="SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED",
            metadata={"services": ",".join(unknown)},
            domain="serviceusage.googleapis.com",
        )
    project = cloud.project_id(path["v1Id1"] if "v1Id1" in path else path["projectsId"])
    if project in cloud.unbilled:
        # https://github.com/kyegomez/zeta/issues/71
        raise Refused(
            400,
            f"Billing account for project '{cloud.number(project)}' is not found. Billing must be enabled for "
            f"activation of service(s) '{','.join(names)}' to proceed.",
            word="FAILED_PRECONDITION",
            reason="UREQ_PROJECT_BILLING_NOT_FOUND",
            domain="serviceusage.googleapis.com/billing-enabled",
            metadata={"project": cloud.number(project), "services": ",".join(names)},
        )
    name = f"operations/acf.{next(cloud.count):013d}"

    def done() -> None:
        if fault is None:
            was_off = set(names) & (cloud.disabled | cloud.disabled_in.get(project, set()))
            cloud.unsettled |= {f"{project} {api}": cloud.slow_apis for api in was_off}
            if "gkehub.googleapis.com" in was_off:
                cloud.unsettled[f"{project} agent of hub"] = cloud.slow_agents
            cloud.disabled -= set(names)
            for off in cloud.disabled_in.values():
                off -= set(names)

    return cloud.begin(f"serviceusage/{name}", {"name": name, "response": {}}, done, fault)


def api_enable(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return _enable(cloud, path, [path["servicesId"]], fault)


def api_batch_enable(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return _enable(cloud, path, list(body.get("serviceIds") or []), fault)


def api_operation(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    found = cloud.operations.get(f"serviceusage/operations/{path['operationsId']}")
    if found is None:
        raise Refused(404, "operation not found")
    return cloud.see(found)


_MOST_ASKED, _MOST_ENABLED = 30, 20
_APIS = (
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "dns.googleapis.com",
    "gkehub.googleapis.com",
    "iam.googleapis.com",
    "mesh.googleapis.com",
    "multiclusteringress.googleapis.com",
    "multiclusterservicediscovery.googleapis.com",
    "trafficdirector.googleapis.com",
)

HANDLERS: dict[str, t.Callable[..., Json]] = {
    "cloudresourcemanager.projects.get": project_get,
    "cloudresourcemanager.projects.getIamPolicy": policy_get,
    "cloudresourcemanager.projects.setIamPolicy": policy_set,
    "serviceusage.services.get": api_get,
    "serviceusage.services.list": api_list,
    "serviceusage.services.batchGet": api_batch_get,
    "serviceusage.services.enable": api_enable,
    "serviceusage.services.batchEnable": api_batch_enable,
    "serviceusage.services.generateServiceIdentity": identity,
    "serviceusage.operations.get": api_operation,
}
