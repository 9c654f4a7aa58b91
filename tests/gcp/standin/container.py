# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GKE's side of the stand-in: clusters and their operations."""

from __future__ import annotations

import copy
import time
import typing as t

from .cloud import Cloud, Fault
from .container_fields import UPDATES, WRAPPED, check_fields, check_update, maintenance, network_policy, ranges
from .container_rules import check_cluster, check_control_plane, check_labels, check_place
from .container_view import fill_cluster, now, shown
from .errors import Refused
from .limits import check_nodes, violated
from .places import region_of
from .shared_vpc import check, network_of

__all__ = ["HANDLERS", "begins", "change", "parent", "ready"]

Json = dict[str, t.Any]


def parent(path: Json) -> str:
    return f"projects/{path['projectsId']}/locations/{path['locationsId']}"


def _key(path: Json) -> str:
    return f"container/{parent(path)}/clusters/{path['clustersId']}"


def _operation(
    cloud: Cloud, path: Json, kind: str, cluster: str, then: t.Callable[[], None], fault: Fault | None, pool: str = ""
) -> Json:
    place = path["locationsId"]
    name = f"operation-{next(cloud.count):013d}"
    target = f"https://container.googleapis.com/v1/{parent(path)}/clusters/{cluster}"
    view = {
        "name": name,
        "zone": place,
        "location": place,
        "operationType": kind,
        "selfLink": f"https://container.googleapis.com/v1/{parent(path)}/operations/{name}",
        "targetLink": target + (f"/nodePools/{pool}" if pool else ""),
        "startTime": now(),
    }
    return cloud.begin(f"container/{parent(path)}/operations/{name}", view, then, fault)


def create(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    cluster = copy.deepcopy(body.get("cluster") or {})
    project, place = path["projectsId"], path["locationsId"]
    check_cluster(cluster, project, place)
    check_fields(cluster, project, place)
    name = str(cluster["name"])
    key = _key({**path, "clustersId": name})
    if key in cloud.resources:
        raise Refused(409, f"Already exists: {key.partition('/')[2]}.")
    _check_network(cloud, cluster, project, region_of(place))
    check_nodes(cloud, project, place, cluster.get("nodePools") or [])
    forbidden = violated(cloud, project, cluster)
    if forbidden and fault is None:
        fault = Fault("", message=forbidden)
    fill_cluster(cluster, parent(path), next(cloud.count))
    cloud.resources[key] = cluster

    def done() -> None:
        if fault is not None:
            cluster.update(status="ERROR", statusMessage=fault.message)
            cluster["conditions"] = [{"code": "GCE_STOCKOUT", "canonicalCode": "UNAVAILABLE", "message": fault.message}]
            if cloud.lingers is not None:
                # "It will be automatically deleted", says Cluster.Status.
                _operation(cloud, path, "DELETE_CLUSTER", name, lambda: _clear(cloud, key), None)
                list(cloud.operations.values())[-1].end = time.monotonic() + cloud.lingers
            return
        cluster["status"] = "RUNNING"
        for pool in cluster.get("nodePools") or []:
            pool["status"] = "RUNNING"
        for hook in cloud.on_cluster:
            hook(cluster)

    return _operation(cloud, path, "CREATE_CLUSTER", name, done, fault)


def _clear(cloud: Cloud, key: str) -> None:
    cloud.resources.pop(key, None)


def _check_network(cloud: Cloud, cluster: Json, project: str, region: str) -> None:
    host, network = network_of(cluster, project)
    subnet = str(cluster.get("subnetwork", "default")).rsplit("/", 1)[-1]
    if host != project:
        check(cloud, project, host, region, subnet)
    elif network == "default":
        return
    if f"compute/projects/{host}/global/networks/{network}" not in cloud.resources:
        raise Refused(400, f'Network "{network}" does not exist.')
    found = cloud.resources.get(f"compute/projects/{host}/regions/{region}/subnetworks/{subnet}")
    if found is None:
        raise Refused(400, f'Subnetwork "{subnet}" does not exist in region {region}.')
    ranges = {r["rangeName"]: r["ipCidrRange"] for r in found.get("secondaryIpRanges") or []}
    policy = cluster.get("ipAllocationPolicy") or {}
    for field, block in (
        ("clusterSecondaryRangeName", "clusterIpv4CidrBlock"),
        ("servicesSecondaryRangeName", "servicesIpv4CidrBlock"),
    ):
        if field in policy:
            if policy[field] not in ranges:
                raise Refused(400, f'Secondary range "{policy[field]}" does not exist in subnetwork "{subnet}".')
            policy[block] = ranges[policy[field]]
    for key, other in cloud.under("container/projects/*/locations/*/clusters/*"):
        theirs = (other.get("ipAllocationPolicy") or {}).get("servicesIpv4CidrBlock")
        same = network_of(other, key.split("/")[2]) == (host, network)
        if theirs and theirs == policy.get("servicesIpv4CidrBlock") and same:
            name = policy.get("servicesSecondaryRangeName")
            raise Refused(
                400,
                f'Services range "{name}" in network "{network}", subnetwork "{subnet}" is already used by another '
                f"cluster: {key.partition('/')[2]}.",
            )


def ready(cloud: Cloud, path: Json) -> Json:
    """The cluster, for a change; one change at a time."""
    cluster = cloud.resources.get(_key(path))
    if cluster is None:
        raise Refused(404, f"Not found: {_key(path).partition('/')[2]}.")
    going = cloud.running(f"{parent(path)}/clusters/{path['clustersId']}")
    if going:
        raise Refused(
            400,
            f"Cluster is running incompatible operation {going[0].view['name']}.",
            word="FAILED_PRECONDITION",
            reason="CLUSTER_ALREADY_HAS_OPERATION",
        )
    return cluster


def begins(cloud: Cloud, key: str, kind: str = "AUTO_REPAIR_NODES") -> None:
    """Google starts an operation of its own on the cluster ``key``, which the cluster's status does not show."""
    _service, _projects, project, _locations, place, _clusters, name = key.split("/")
    _operation(cloud, {"projectsId": project, "locationsId": place}, kind, name, lambda: None, None)


def change(
    cloud: Cloud,
    path: Json,
    kind: str,
    fault: Fault | None,
    apply: t.Callable[[Json], None],
    pool: str = "",
) -> Json:
    cluster = ready(cloud, path)
    cluster["status"] = "RECONCILING"

    def done() -> None:
        cluster["status"] = "RUNNING"
        if fault is None:
            apply(cluster)
            cluster["etag"] = f"{next(cloud.count):08x}"
            for hook in cloud.on_change:
                hook(cluster)

    return _operation(cloud, path, kind, cluster["name"], done, fault, pool)


_UPDATES: dict[str, tuple[str, ...]] = {
    **UPDATES,
    "desiredReleaseChannel": ("releaseChannel",),
    "desiredControlPlaneEndpointsConfig": ("controlPlaneEndpointsConfig",),
    "desiredWorkloadIdentityConfig": ("workloadIdentityConfig",),
    "desiredMeshCertificates": ("meshCertificates",),
    "desiredFleet": ("fleet",),
    "desiredDatapathProvider": ("networkConfig", "datapathProvider"),
    "desiredDefaultEnablePrivateNodes": ("networkConfig", "defaultEnablePrivateNodes"),
    "desiredGatewayApiConfig": ("networkConfig", "gatewayApiConfig"),
    "desiredNodePoolAutoConfigNetworkTags": ("nodePoolAutoConfig", "networkTags"),
}


def update(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    cluster = ready(cloud, path)
    asked = body.get("update") or {}
    if asked.get("etag") and asked["etag"] != cluster["etag"]:
        raise Refused(409, "The etag of the cluster is another one by now.", word="ABORTED")
    wanted = {k: v for k, v in asked.items() if k != "etag"}
    if len(wanted) != 1:
        raise Refused(400, "Must specify exactly one field to update.")
    field, value = next(iter(wanted.items()))
    if field.lower().endswith("additionalpodrangesconfig"):
        return change(cloud, path, "UPDATE_CLUSTER", fault, ranges(cluster, field, value))
    if field not in _UPDATES:
        raise Refused(501, f"the stand-in does not know ClusterUpdate.{field}")
    if field == "desiredControlPlaneEndpointsConfig":
        check_control_plane(value, {})
    if field == "desiredDatapathProvider":
        raise Refused(400, "Updating datapath provider of an existing cluster is not supported.")

    check_update(cluster, field, value)
    value = bool(value.get("enabled")) if field in WRAPPED else value

    def apply(cluster: Json) -> None:
        at = cluster
        *above, last = _UPDATES[field]
        for name in above:
            at = at.setdefault(name, {})
        at[last] = _merged(at.get(last), value)
        if field == "desiredLocations":
            for pool in cluster.get("nodePools") or []:
                pool["locations"] = list(value)

    return change(cloud, path, "UPDATE_CLUSTER", fault, apply)


def _merged(old: t.Any, new: t.Any) -> t.Any:
    """Messages are merged, lists and plain values replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{k: _merged(old.get(k), v) for k, v in new.items()}}
    return copy.deepcopy(new)


def set_labels(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    cluster = ready(cloud, path)
    check_labels(body.get("resourceLabels") or {})
    if body.get("labelFingerprint") != cluster["labelFingerprint"]:
        raise Refused(400, "Labels could not be set due to fingerprint mismatch.", word="FAILED_PRECONDITION")

    def apply(found: Json) -> None:
        found["resourceLabels"] = dict(body.get("resourceLabels") or {})
        found["labelFingerprint"] = f"{next(cloud.count):08x}"

    return change(cloud, path, "UPDATE_CLUSTER", fault, apply)


def set_network_policy(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return change(cloud, path, "SET_NETWORK_POLICY", fault, network_policy(ready(cloud, path), body))


def set_maintenance(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return change(cloud, path, "SET_MAINTENANCE_POLICY", fault, maintenance(cloud, ready(cloud, path), body))


def delete(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    cluster = ready(cloud, path)
    cluster["status"] = "STOPPING"

    def done() -> None:
        if fault is None:
            cloud.resources.pop(_key(path), None)
        else:
            cluster["status"] = "ERROR"

    return _operation(cloud, path, "DELETE_CLUSTER", cluster["name"], done, fault)


def get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    _reached(cloud, path)
    return _with_fleet(cloud, _key(path), shown(cloud.get(_key(path))))


def _with_fleet(cloud: Cloud, key: str, view: Json) -> Json:
    """GKE shows of which Google fleet a cluster is a member."""
    link = f"//container.googleapis.com/{key.partition('/')[2]}"
    for name, found in cloud.under("gkehub/projects/*/locations/*/memberships/*"):
        if ((found.get("endpoint") or {}).get("gkeCluster") or {}).get("resourceLink") == link:
            parts = name.split("/")
            number = cloud.number(parts[2])
            path = "/".join(["projects", number, *parts[3:]])
            view["fleet"] = {"project": number, "membership": f"//gkehub.googleapis.com/{path}", "preRegistered": True}
    return view


def _reached(cloud: Cloud, path: Json) -> None:
    if path["locationsId"] in cloud.unreachable:
        raise Refused(503, f"Location {path['locationsId']} is temporarily unavailable.")


def listed(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    if path["locationsId"] != "-":
        check_place(path["locationsId"])
    _reached(cloud, path)
    every = cloud.under(f"container/{parent(path)}/clusters/*")
    found, gone = cloud.reached([(key, _with_fleet(cloud, key, shown(cluster))) for key, cluster in every])
    answer: Json = {"clusters": found} if found else {}
    return answer | ({"missingZones": gone} if gone and path["locationsId"] == "-" else {})


def get_operation(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    found = cloud.operations.get(f"container/{parent(path)}/operations/{path['operationsId']}")
    if found is None:
        raise Refused(404, f"Not found: {parent(path)}/operations/{path['operationsId']}.")
    return cloud.see(found)


def list_operations(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    prefix = f"container/projects/{path['projectsId']}/locations/"
    here = "" if path["locationsId"] == "-" else f"{path['locationsId']}/"
    return {"operations": [cloud.see(o) for k, o in cloud.operations.items() if k.startswith(prefix + here)]}


_BASE = "container.projects.locations."
HANDLERS: dict[str, t.Callable[..., Json]] = {
    _BASE + "clusters.create": create,
    _BASE + "clusters.get": get,
    _BASE + "clusters.list": listed,
    _BASE + "clusters.update": update,
    _BASE + "clusters.setResourceLabels": set_labels,
    _BASE + "clusters.setMaintenancePolicy": set_maintenance,
    _BASE + "clusters.setNetworkPolicy": set_network_policy,
    _BASE + "clusters.delete": delete,
    _BASE + "operations.get": get_operation,
    _BASE + "operations.list": list_operations,
}
