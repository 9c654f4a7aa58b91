# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fleet's side of the stand-in: memberships and features."""

from __future__ import annotations

import copy
import re
import typing as t

from .cloud import Cloud, Fault
from .errors import Refused
from .places import REGIONS
from .shared_vpc import mesh_may

__all__ = ["HANDLERS", "follow"]

Json = dict[str, t.Any]
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_FEATURES = (
    "servicemesh",
    "multiclusterservicediscovery",
    "multiclusteringress",
    "fleetobservability",
    "configmanagement",
)


_MEMBERSHIP = ("labels", "endpoint", "authority", "description", "externalId", "infrastructureType", "monitoringConfig")
"""What of a membership may be changed."""


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
    if not _LABEL.fullmatch(params["membershipId"]):
        raise Refused(400, f'InvalidValueError for field membership_id: "{params["membershipId"]}" is no DNS label')
    if path["locationsId"] != "global" and path["locationsId"] not in REGIONS:
        raise Refused(400, f"location {path['locationsId']} is not supported")
    name = f"{_parent(path)}/memberships/{params['membershipId']}"
    key = f"gkehub/{name}"
    if key in cloud.resources:
        raise Refused(409, f"Resource '{name}' already exists")
    link = ((body.get("endpoint") or {}).get("gkeCluster") or {}).get("resourceLink", "")
    if link:
        cluster = "container/" + link.removeprefix("//container.googleapis.com/")
        if not link.startswith("//container.googleapis.com/projects/") or cluster not in cloud.resources:
            raise Refused(400, f"cluster {link} does not exist")
        for other, found in cloud.under("gkehub/projects/*/locations/*/memberships/*"):
            if ((found.get("endpoint") or {}).get("gkeCluster") or {}).get("resourceLink") == link:
                raise Refused(409, f"cluster {link} already has membership {other.partition('/')[2]}")
    _check_issuer(body)
    if not cloud.settles(f"{path['projectsId']} agent of hub"):
        # https://github.com/terraform-google-modules/terraform-google-kubernetes-engine/issues/936
        words = "hub default service account does not have access to the GKE cluster project for"
        raise Refused(403, f'{words} "{link}"')
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


def _check_issuer(body: Json) -> None:
    issuer = (body.get("authority") or {}).get("issuer")
    if issuer is not None and not issuer.startswith("https://"):
        raise Refused(400, f'InvalidValueError for field authority.issuer: "{issuer}" must begin with https://')


def _membership(path: Json) -> str:
    return f"gkehub/{_parent(path)}/memberships/{path['membershipsId']}"


def membership_get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return cloud.get(_membership(path))


def membership_list(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    items, silent = cloud.reached(cloud.under(f"gkehub/{_parent(path)}/memberships/*"))
    page, more = cloud.paged(items, params)
    partial = {"unreachable": silent} if silent and path["locationsId"] == "-" else {}
    return {**({"resources": page} if page else {}), **more, **partial}


def membership_patch(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    key = _membership(path)
    old, fields = cloud.get(key), _mask(params)
    for field in fields:
        if field not in _MEMBERSHIP and field.partition(".")[0] not in ("labels", "endpoint", "authority"):
            raise Refused(400, f"InvalidValueError for field update_mask: {field} cannot be updated")
    link = ((body.get("endpoint") or {}).get("gkeCluster") or {}).get("resourceLink")
    if link and link != ((old.get("endpoint") or {}).get("gkeCluster") or {}).get("resourceLink"):
        raise Refused(400, "InvalidValueError for field endpoint.gke_cluster.resource_link: it is immutable")
    _check_issuer(body)

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
    item = {**copy.deepcopy(_renamed(body, cloud.project_id)), "name": name, "resourceState": {"state": "ENABLING"}}
    _check_feature(cloud, item)
    cloud.resources[f"gkehub/{name}"] = item

    def done() -> None:
        if fault is not None:
            cloud.resources.pop(f"gkehub/{name}", None)
            return
        item["resourceState"] = {"state": "ACTIVE"}
        item["state"] = {"state": {"code": "OK", "description": "Ready to use"}}
        follow(cloud, item)

    return _operation(cloud, path, "create", name, done, fault)


def _check_feature(cloud: Cloud, item: Json) -> None:
    kind = item["name"].rpartition("/")[2]
    other = next((one for one in item.get("spec") or {} if one in _FEATURES and one != kind), "")
    if other:
        raise Refused(400, f"InvalidValueError for field spec: {other} does not go with feature {kind}")
    config = ((item.get("spec") or {}).get("multiclusteringress") or {}).get("configMembership")
    if item["name"].endswith("/multiclusteringress") and (not config or f"gkehub/{config}" not in cloud.resources):
        raise Refused(400, f"InvalidValueError for field config_membership: membership {config} does not exist")
    for name in item.get("membershipSpecs") or {}:
        if f"gkehub/{name}" not in cloud.resources:
            raise Refused(400, f"InvalidValueError for field membership_specs: membership {name} does not exist")


def follow(cloud: Cloud, item: Json) -> None:
    """What Google's controllers report once a feature is on, with the project's number in the keys."""
    states: Json = {}
    project = item["name"].split("/")[1]
    for key, membership in cloud.under(f"gkehub/projects/{project}/locations/*/memberships/*"):
        parts = key.split("/")
        parts[2] = cloud.number(parts[2])
        state: Json = {"state": {"code": "OK", "description": "ready", "updateTime": "2026-01-01T00:00:00Z"}}
        spec = (item.get("membershipSpecs") or {}).get(key.partition("/")[2]) or {}
        if item["name"].endswith("/servicemesh"):
            managed = (spec.get("mesh") or {}).get("management") == "MANAGEMENT_AUTOMATIC"
            plane = _plane(cloud, key.partition("/")[2], membership) if managed else {"state": "DISABLED"}
            state["servicemesh"] = {"controlPlaneManagement": plane, "conditions": []}
            if managed and not mesh_may(cloud, project, membership):
                plane["state"] = "FAILED_PRECONDITION"
                state["servicemesh"]["conditions"] = [{"code": "SHARED_VPC_MISSING_PERMISSIONS", "severity": "ERROR"}]
        states["/".join(parts[1:])] = state
    item["membershipStates"] = states


def _plane(cloud: Cloud, name: str, membership: Json) -> Json:
    """The control plane of a managed member: at once where no real cluster is behind it, else once it works."""
    link = ((membership.get("endpoint") or {}).get("gkeCluster") or {}).get("resourceLink", "")
    if cloud.controlled and link.rpartition("/")[2] in cloud.kubeconfigs:
        return cloud.planes.get(name) or {"state": "PROVISIONING"}
    return {"state": "ACTIVE", "implementation": "TRAFFIC_DIRECTOR"}


def feature_get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return _told(cloud, cloud.get(_feature(path)))


def _told(cloud: Cloud, feature: Json) -> Json:
    """A feature as Google returns it: memberships have the project's number, whatever form they were given."""
    return _renamed(feature, cloud.number)


def _renamed(feature: Json, project_name: t.Callable[[str], str]) -> Json:
    """The feature with its memberships' projects spelled otherwise."""
    specs: Json = {}
    for name, spec in (feature.get("membershipSpecs") or {}).items():
        first, project, rest = name.split("/", 2)
        specs[f"{first}/{project_name(project)}/{rest}"] = spec
    return {**feature, "membershipSpecs": specs} if specs else feature


def feature_list(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    found = [_told(cloud, v) for _k, v in cloud.under(f"gkehub/{_parent(path)}/features/*")]
    page, more = cloud.paged(found, params)
    return {**({"resources": page} if page else {}), **more}


def feature_patch(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    key = _feature(path)
    changed = cloud.get(key)
    body = _renamed(body, cloud.project_id)
    for field in _mask(params):
        top = field.split(".")[0]
        changed[top] = {**(changed.get(top) or {}), **copy.deepcopy(body.get(top) or {})}
    _check_feature(cloud, changed)

    def done() -> None:
        if fault is None:
            cloud.resources[key] = changed
            follow(cloud, changed)

    return _operation(cloud, path, "update", key.partition("/")[2], done, fault)


def feature_delete(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    key = _feature(path)
    cloud.get(key)

    def done() -> None:
        if fault is None:
            cloud.resources.pop(key, None)

    return _operation(cloud, path, "delete", key.partition("/")[2], done, fault)


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
}
