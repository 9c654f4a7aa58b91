# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fleet's side of the stand-in: memberships, features, IAM of a project and its APIs."""

from __future__ import annotations

import copy
import typing as t

from .cloud import Cloud, Fault
from .discovery import Refused

__all__ = ["HANDLERS"]

Json = dict[str, t.Any]
_FEATURES = (
    "servicemesh",
    "multiclusterservicediscovery",
    "multiclusteringress",
    "fleetobservability",
    "configmanagement",
)


def _parent(path: Json) -> str:
    return f"projects/{path['projectsId']}/locations/{path['locationsId']}"


def _operation(
    cloud: Cloud, path: Json, verb: str, target: str, then: t.Callable[[], None], fault: Fault | None, place: str = ""
) -> Json:
    parent = f"projects/{path['projectsId']}/locations/{place or path['locationsId']}"
    name = f"{parent}/operations/operation-{next(cloud.count):013d}"
    view = {
        "name": name,
        "metadata": {
            "@type": "type.googleapis.com/google.cloud.gkehub.v1.OperationMetadata",
            "verb": verb,
            "target": target,
        },
        "response": {"name": target},
    }
    return cloud.begin(f"gkehub/{name}", view, then, fault)


def get_operation(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    found = cloud.operations.get(f"gkehub/{_parent(path)}/operations/{path['operationsId']}")
    if found is None:
        raise Refused(404, f"Operation {path['operationsId']} not found.")
    return cloud.see(found)


# -- memberships -------------------------------------------------------------------------------


def membership_create(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    name = f"{_parent(path)}/memberships/{params['membershipId']}"
    key = f"gkehub/{name}"
    if key in cloud.resources:
        raise Refused(409, f"Resource '{name}' already exists")
    link = ((body.get("endpoint") or {}).get("gkeCluster") or {}).get("resourceLink", "")
    if link:
        cluster = "container/" + link.removeprefix("//container.googleapis.com/")
        if not link.startswith("//container.googleapis.com/projects/") or cluster not in cloud.resources:
            raise Refused(400, f"cluster {link} does not exist")
    item = {
        **copy.deepcopy(body),
        "name": name,
        "state": {"code": "CREATING"},
        "uniqueId": f"{next(cloud.count):08x}-0000-4000-8000-000000000000",
        "createTime": "2026-01-01T00:00:00Z",
    }
    cloud.resources[key] = item

    def done() -> None:
        if fault is None:
            item["state"] = {"code": "READY"}
        else:
            cloud.resources.pop(key, None)

    return _operation(cloud, path, "create", name, done, fault)


def _membership(path: Json) -> str:
    return f"gkehub/{_parent(path)}/memberships/{path['membershipsId']}"


def membership_get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return cloud.get(_membership(path))


def membership_list(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    items = [v for _k, v in cloud.under(f"gkehub/{_parent(path)}/memberships/*")]
    page, more = cloud.paged(items, params)
    return {"resources": page, **more}


def membership_patch(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    key = _membership(path)
    cloud.get(key)
    fields = _mask(params)

    def done() -> None:
        if fault is None:
            cloud.resources[key].update({f: copy.deepcopy(body.get(f)) for f in fields})

    return _operation(cloud, path, "update", key.partition("/")[2], done, fault)


def membership_delete(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    key = _membership(path)
    cloud.get(key)
    cloud.resources[key]["state"] = {"code": "DELETING"}

    def done() -> None:
        if fault is None:
            cloud.resources.pop(key, None)

    return _operation(cloud, path, "delete", key.partition("/")[2], done, fault)


def _mask(params: Json) -> list[str]:
    fields = [f.strip() for f in str(params.get("updateMask") or "").split(",") if f.strip()]
    if not fields:
        raise Refused(400, "updateMask is required")
    return fields


# -- features ----------------------------------------------------------------------------------


def _feature(path: Json) -> str:
    return f"gkehub/{_parent(path)}/features/{path['featuresId']}"


def feature_create(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    kind = params.get("featureId")
    if kind not in _FEATURES:
        raise Refused(400, f'feature "{kind}" is not recognized')
    if path["locationsId"] != "global":
        raise Refused(400, "features are global")
    name = f"{_parent(path)}/features/{kind}"
    if f"gkehub/{name}" in cloud.resources:
        raise Refused(409, f"Resource '{name}' already exists")
    item = {**copy.deepcopy(body), "name": name, "resourceState": {"state": "ENABLING"}}
    _check_feature(cloud, item)
    cloud.resources[f"gkehub/{name}"] = item

    def done() -> None:
        if fault is not None:
            cloud.resources.pop(f"gkehub/{name}", None)
            return
        item["resourceState"] = {"state": "ACTIVE"}
        item["state"] = {"state": {"code": "OK", "description": "Ready to use"}}
        _follow(cloud, item)

    return _operation(cloud, path, "create", name, done, fault)


def _check_feature(cloud: Cloud, item: Json) -> None:
    config = ((item.get("spec") or {}).get("multiclusteringress") or {}).get("configMembership")
    if item["name"].endswith("/multiclusteringress") and (not config or f"gkehub/{config}" not in cloud.resources):
        raise Refused(400, f"InvalidValueError for field config_membership: membership {config} does not exist")
    for name in item.get("membershipSpecs") or {}:
        if f"gkehub/{name}" not in cloud.resources:
            raise Refused(400, f"InvalidValueError for field membership_specs: membership {name} does not exist")


def _follow(cloud: Cloud, item: Json) -> None:
    """What Google's controllers report once a feature is on, with the project's number in the keys."""
    states: Json = {}
    project = item["name"].split("/")[1]
    for key, _membership in cloud.under(f"gkehub/projects/{project}/locations/*/memberships/*"):
        parts = key.split("/")
        parts[2] = cloud.number(parts[2])
        state: Json = {"state": {"code": "OK", "description": "ready", "updateTime": "2026-01-01T00:00:00Z"}}
        spec = (item.get("membershipSpecs") or {}).get(key.partition("/")[2]) or {}
        if item["name"].endswith("/servicemesh"):
            managed = (spec.get("mesh") or {}).get("management") == "MANAGEMENT_AUTOMATIC"
            plane = {"state": "ACTIVE", "implementation": "TRAFFIC_DIRECTOR"} if managed else {"state": "DISABLED"}
            state["servicemesh"] = {"controlPlaneManagement": plane, "conditions": []}
        states["/".join(parts[1:])] = state
    item["membershipStates"] = states


def feature_get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return cloud.get(_feature(path))


def feature_list(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    page, more = cloud.paged([v for _k, v in cloud.under(f"gkehub/{_parent(path)}/features/*")], params)
    return {"resources": page, **more}


def feature_patch(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    key = _feature(path)
    changed = cloud.get(key)
    for field in _mask(params):
        top = field.split(".")[0]
        changed[top] = {**(changed.get(top) or {}), **copy.deepcopy(body.get(top) or {})}
    _check_feature(cloud, changed)

    def done() -> None:
        if fault is None:
            cloud.resources[key] = changed
            _follow(cloud, changed)

    return _operation(cloud, path, "update", key.partition("/")[2], done, fault)


def feature_delete(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    key = _feature(path)
    cloud.get(key)

    def done() -> None:
        if fault is None:
            cloud.resources.pop(key, None)

    return _operation(cloud, path, "delete", key.partition("/")[2], done, fault)


# -- the project: IAM and APIs -----------------------------------------------------------------


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
    return copy.deepcopy(_policy(cloud, path)[1])


def policy_set(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    name, old = _policy(cloud, path)
    new = copy.deepcopy(body.get("policy") or {})
    if new.get("etag") not in (None, old["etag"]):
        raise Refused(409, "There were concurrent policy changes.", word="ABORTED")
    new["etag"] = f"Bw{next(cloud.count):08d}="
    cloud.policies[name] = new
    return copy.deepcopy(new)


def _api(cloud: Cloud, path: Json, name: str) -> Json:
    off = name in cloud.disabled
    project = cloud.number(path["v1Id1"] if "v1Id1" in path else path["projectsId"])
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
    return {"services": [_api(cloud, path, n.rsplit("/", 1)[-1]) for n in params.get("names") or []]}


def _enable(cloud: Cloud, path: Json, names: list[str], fault: Fault | None) -> Json:
    name = f"operations/acf.{next(cloud.count):013d}"

    def done() -> None:
        if fault is None:
            cloud.disabled -= set(names)

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


_APIS = (
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "gkehub.googleapis.com",
    "iam.googleapis.com",
    "mesh.googleapis.com",
    "multiclusteringress.googleapis.com",
    "multiclusterservicediscovery.googleapis.com",
    "trafficdirector.googleapis.com",
)

_HUB = "gkehub.projects.locations."
HANDLERS: dict[str, t.Callable[..., Json]] = {
    _HUB + "operations.get": get_operation,
    _HUB + "memberships.create": membership_create,
    _HUB + "memberships.get": membership_get,
    _HUB + "memberships.list": membership_list,
    _HUB + "memberships.patch": membership_patch,
    _HUB + "memberships.delete": membership_delete,
    _HUB + "features.create": feature_create,
    _HUB + "features.get": feature_get,
    _HUB + "features.list": feature_list,
    _HUB + "features.patch": feature_patch,
    _HUB + "features.delete": feature_delete,
    "cloudresourcemanager.projects.get": project_get,
    "cloudresourcemanager.projects.getIamPolicy": policy_get,
    "cloudresourcemanager.projects.setIamPolicy": policy_set,
    "serviceusage.services.get": api_get,
    "serviceusage.services.list": api_list,
    "serviceusage.services.batchGet": api_batch_get,
    "serviceusage.services.enable": api_enable,
    "serviceusage.services.batchEnable": api_batch_enable,
    "serviceusage.operations.get": api_operation,
}
