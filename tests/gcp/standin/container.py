# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GKE's side of the stand-in: clusters, node pools and their operations."""

from __future__ import annotations

import copy
import datetime
import ipaddress
import re
import typing as t

from .cloud import Cloud, Fault
from .discovery import Refused

__all__ = ["HANDLERS"]

Json = dict[str, t.Any]
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-z][-_a-z0-9]{0,62}")
_LABEL_VALUE = re.compile(r"[-_a-z0-9]{0,63}")
_PLACE = re.compile(r"[a-z]+-[a-z]+[0-9]+(-[a-z])?")
_CA = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=="


def _parent(path: Json) -> str:
    return f"projects/{path['projectsId']}/locations/{path['locationsId']}"


def _key(path: Json) -> str:
    return f"container/{_parent(path)}/clusters/{path['clustersId']}"


def _operation(
    cloud: Cloud, path: Json, kind: str, cluster: str, then: t.Callable[[], None], fault: Fault | None, pool: str = ""
) -> Json:
    place = path["locationsId"]
    name = f"operation-{next(cloud.count):013d}"
    target = f"https://container.googleapis.com/v1/{_parent(path)}/clusters/{cluster}"
    view = {
        "name": name,
        "zone" if place.count("-") == 2 else "location": place,
        "location": place,
        "operationType": kind,
        "selfLink": f"https://container.googleapis.com/v1/{_parent(path)}/operations/{name}",
        "targetLink": target + (f"/nodePools/{pool}" if pool else ""),
        "startTime": _now(),
    }
    return cloud.begin(f"container/{_parent(path)}/operations/{name}", view, then, fault)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def create(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    cluster = copy.deepcopy(body.get("cluster") or {})
    name = str(cluster.get("name", ""))
    if not _NAME.fullmatch(name):
        raise Refused(400, "Cluster.name must match regex '(?:[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?)'.")
    if not _PLACE.fullmatch(path["locationsId"]):
        raise Refused(400, f'Location "{path["locationsId"]}" does not exist.')
    key = _key({**path, "clustersId": name})
    if key in cloud.resources:
        raise Refused(409, f"Already exists: {key.partition('/')[2]}.")
    _check_labels(cluster.get("resourceLabels") or {})
    autopilot = bool((cluster.get("autopilot") or {}).get("enabled"))
    if autopilot and (cluster.get("nodePools") or cluster.get("initialNodeCount") or cluster.get("nodeConfig")):
        raise Refused(400, "Autopilot clusters do not support user-defined node pools.")
    if autopilot and path["locationsId"].count("-") == 2:
        raise Refused(400, "Autopilot clusters must be regional clusters.")
    if not autopilot and not cluster.get("nodePools") and not cluster.get("initialNodeCount"):
        raise Refused(400, "Cluster.initial_node_count must be greater than zero.")
    _fill(cloud, cluster, path, autopilot)
    cloud.resources[key] = cluster

    def done() -> None:
        if fault is not None:
            cluster.update(status="ERROR", statusMessage=fault.message)
            cluster["conditions"] = [{"code": "GCE_STOCKOUT", "canonicalCode": "UNAVAILABLE", "message": fault.message}]
            return
        cluster["status"] = "RUNNING"
        for pool in cluster.get("nodePools") or []:
            pool["status"] = "RUNNING"
        for hook in cloud.on_cluster:
            hook(cluster)

    return _operation(cloud, path, "CREATE_CLUSTER", name, done, fault)


def _fill(cloud: Cloud, cluster: Json, path: Json, autopilot: bool) -> None:
    """What Google adds to a new cluster."""
    project, place, number = path["projectsId"], path["locationsId"], next(cloud.count)
    region = "-".join(place.split("-")[:2])
    _check_network(cloud, cluster, project, region)
    policy = cluster.setdefault("ipAllocationPolicy", {"useIpAliases": True})
    address = str(ipaddress.IPv4Address("203.0.113.0") + number % 250)
    cluster.update(
        status="PROVISIONING",
        location=place,
        zone=place,
        selfLink=f"https://container.googleapis.com/v1/{_parent(path)}/clusters/{cluster['name']}",
        id=f"{number:064x}",
        etag=f"{number:08x}",
        labelFingerprint=f"{number:08x}",
        createTime=_now(),
        endpoint=address,
        currentMasterVersion="1.35.2-gke.1000",
        initialClusterVersion="1.35.2-gke.1000",
        clusterIpv4Cidr=policy.get("clusterIpv4CidrBlock", "10.4.0.0/14"),
        servicesIpv4Cidr=policy.get("servicesIpv4CidrBlock", "34.118.224.0/20"),
        addonsConfig={"networkPolicyConfig": {"disabled": True}},
        loggingService="logging.googleapis.com/kubernetes",
    )
    cluster["masterAuth"] = {"clusterCaCertificate": _CA}
    cluster.setdefault("releaseChannel", {"channel": "REGULAR"})
    cluster["networkConfig"] = {
        "network": f"projects/{project}/global/networks/{cluster.get('network', 'default').rsplit('/', 1)[-1]}",
        "subnetwork": f"projects/{project}/regions/{region}/subnetworks/"
        f"{cluster.get('subnetwork', 'default').rsplit('/', 1)[-1]}",
        "datapathProvider": "ADVANCED_DATAPATH" if autopilot else "LEGACY_DATAPATH",
        **(cluster.get("networkConfig") or {}),
    }
    for field in ("network", "subnetwork"):
        cluster[field] = str(cluster.get(field, "default")).rsplit("/", 1)[-1]
    if autopilot:
        cluster.setdefault("workloadIdentityConfig", {"workloadPool": f"{project}.svc.id.goog"})
    ends = cluster.setdefault("controlPlaneEndpointsConfig", {})
    _fill_endpoints(cluster, ends, project, region, address)
    for pool in cluster.get("nodePools") or []:
        _fill_pool(pool)


def _fill_endpoints(cluster: Json, ends: Json, project: str, region: str, address: str) -> None:
    ends.setdefault("dnsEndpointConfig", {})["endpoint"] = f"gke-{cluster['id'][-12:]}-{region}.{region}.gke.goog"
    ip = ends.setdefault("ipEndpointsConfig", {})
    ip.setdefault("enabled", True)
    ip.setdefault("enablePublicEndpoint", True)
    ip.setdefault("authorizedNetworksConfig", {})
    ip["publicEndpoint"], ip["privateEndpoint"] = address, "10.200.0.2"


def _fill_pool(pool: Json) -> None:
    pool["status"] = "PROVISIONING"
    pool.setdefault("config", {}).setdefault("machineType", "e2-medium")
    pool["config"].setdefault("diskSizeGb", 100)
    pool["config"].setdefault("oauthScopes", ["https://www.googleapis.com/auth/devstorage.read_only"])
    pool.setdefault("management", {"autoUpgrade": True, "autoRepair": True})
    pool["etag"] = "00000001"


def _check_network(cloud: Cloud, cluster: Json, project: str, region: str) -> None:
    network = str(cluster.get("network", "default")).rsplit("/", 1)[-1]
    subnet = str(cluster.get("subnetwork", "default")).rsplit("/", 1)[-1]
    if network == "default":
        return
    if f"compute/projects/{project}/global/networks/{network}" not in cloud.resources:
        raise Refused(400, f'Network "{network}" does not exist.')
    found = cloud.resources.get(f"compute/projects/{project}/regions/{region}/subnetworks/{subnet}")
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


def _check_labels(labels: Json) -> None:
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise Refused(400, f'Invalid resource label "{key}: {value}".')


def _ready(cloud: Cloud, path: Json) -> Json:
    """The cluster, for a change; one change at a time."""
    cluster = cloud.resources.get(_key(path))
    if cluster is None:
        raise Refused(404, f"Not found: {_key(path).partition('/')[2]}.")
    going = cloud.running(f"{_parent(path)}/clusters/{path['clustersId']}")
    if going:
        name = going[0].view["name"]
        raise Refused(400, f"Cluster is running incompatible operation {name}.", word="FAILED_PRECONDITION")
    return cluster


def _change(
    cloud: Cloud,
    path: Json,
    kind: str,
    fault: Fault | None,
    apply: t.Callable[[Json], None],
    pool: str = "",
) -> Json:
    cluster = _ready(cloud, path)
    cluster["status"] = "RECONCILING"

    def done() -> None:
        cluster["status"] = "RUNNING"
        if fault is None:
            apply(cluster)

    return _operation(cloud, path, kind, cluster["name"], done, fault, pool)


_UPDATES: dict[str, tuple[str, ...]] = {
    "desiredReleaseChannel": ("releaseChannel",),
    "desiredControlPlaneEndpointsConfig": ("controlPlaneEndpointsConfig",),
    "desiredWorkloadIdentityConfig": ("workloadIdentityConfig",),
    "desiredMeshCertificates": ("meshCertificates",),
    "desiredFleet": ("fleet",),
    "desiredDatapathProvider": ("networkConfig", "datapathProvider"),
    "desiredDefaultEnablePrivateNodes": ("networkConfig", "defaultEnablePrivateNodes"),
    "desiredGatewayApiConfig": ("networkConfig", "gatewayApiConfig"),
}


def update(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    wanted = {k: v for k, v in (body.get("update") or {}).items() if k != "etag"}
    if len(wanted) != 1:
        raise Refused(400, "Must specify exactly one field to update.")
    field, value = next(iter(wanted.items()))
    if field not in _UPDATES:
        raise Refused(501, f"the stand-in does not know ClusterUpdate.{field}")
    if field == "desiredDatapathProvider":
        raise Refused(400, "Updating datapath provider of an existing cluster is not supported.")

    def apply(cluster: Json) -> None:
        at = cluster
        *above, last = _UPDATES[field]
        for name in above:
            at = at.setdefault(name, {})
        at[last] = _merged(at.get(last), value)

    return _change(cloud, path, "UPDATE_CLUSTER", fault, apply)


def _merged(old: t.Any, new: t.Any) -> t.Any:
    """Messages are merged, lists and plain values replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{k: _merged(old.get(k), v) for k, v in new.items()}}
    return copy.deepcopy(new)


def set_labels(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    cluster = _ready(cloud, path)
    _check_labels(body.get("resourceLabels") or {})
    if body.get("labelFingerprint") != cluster["labelFingerprint"]:
        raise Refused(400, "Labels could not be set due to fingerprint mismatch.", word="FAILED_PRECONDITION")

    def apply(found: Json) -> None:
        found["resourceLabels"] = dict(body.get("resourceLabels") or {})
        found["labelFingerprint"] = f"{next(cloud.count):08x}"

    return _change(cloud, path, "UPDATE_CLUSTER", fault, apply)


def delete(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    cluster = _ready(cloud, path)
    cluster["status"] = "STOPPING"

    def done() -> None:
        if fault is None:
            cloud.resources.pop(_key(path), None)
        else:
            cluster["status"] = "ERROR"

    return _operation(cloud, path, "DELETE_CLUSTER", cluster["name"], done, fault)


def get(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return cloud.get(_key(path))


def listed(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    return {"clusters": [c for _key, c in cloud.under(f"container/{_parent(path)}/clusters/*")]}


def get_operation(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    found = cloud.operations.get(f"container/{_parent(path)}/operations/{path['operationsId']}")
    if found is None:
        raise Refused(404, f"Not found: {_parent(path)}/operations/{path['operationsId']}.")
    return cloud.see(found)


def list_operations(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    prefix = f"container/projects/{path['projectsId']}/locations/"
    here = "" if path["locationsId"] == "-" else f"{path['locationsId']}/"
    return {"operations": [cloud.see(o) for k, o in cloud.operations.items() if k.startswith(prefix + here)]}


# -- node pools --------------------------------------------------------------------------------


def _pool(cluster: Json, path: Json) -> Json:
    for pool in cluster.get("nodePools") or []:
        if pool["name"] == path["nodePoolsId"]:
            found: Json = pool
            return found
    raise Refused(404, f"Not found: node pool {path['nodePoolsId']}.")


def pool_create(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = copy.deepcopy(body.get("nodePool") or {})
    if any(p["name"] == pool.get("name") for p in _ready(cloud, path).get("nodePools") or []):
        raise Refused(409, f"Already exists: node pool {pool.get('name')}.")
    _fill_pool(pool)
    pool["status"] = "RUNNING"
    return _change(
        cloud, path, "CREATE_NODE_POOL", fault, lambda c: c.setdefault("nodePools", []).append(pool), pool["name"]
    )


def pool_delete(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = _pool(_ready(cloud, path), path)
    return _change(cloud, path, "DELETE_NODE_POOL", fault, lambda c: c["nodePools"].remove(pool), pool["name"])


def pool_update(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = _pool(_ready(cloud, path), path)
    known = {"machineType", "labels", "diskSizeGb"}
    odd = set(body) - known - {"name", "etag"}
    if odd:
        raise Refused(501, f"the stand-in does not know UpdateNodePoolRequest.{sorted(odd)[0]}")

    def apply(_cluster: Json) -> None:
        config = pool["config"]
        if "machineType" in body:
            config["machineType"] = body["machineType"]
        if "diskSizeGb" in body:
            config["diskSizeGb"] = int(body["diskSizeGb"])
        if "labels" in body:
            config["labels"] = dict((body["labels"] or {}).get("labels") or {})

    return _change(cloud, path, "UPDATE_CLUSTER", fault, apply, pool["name"])


def pool_size(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = _pool(_ready(cloud, path), path)
    return _change(
        cloud,
        path,
        "SET_NODE_POOL_SIZE",
        fault,
        lambda _c: pool.update(initialNodeCount=int(body.get("nodeCount", 0))),
        pool["name"],
    )


def pool_autoscaling(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = _pool(_ready(cloud, path), path)
    return _change(
        cloud, path, "UPDATE_CLUSTER", fault, lambda _c: pool.update(autoscaling=body.get("autoscaling")), pool["name"]
    )


_BASE = "container.projects.locations."
HANDLERS: dict[str, t.Callable[..., Json]] = {
    _BASE + "clusters.create": create,
    _BASE + "clusters.get": get,
    _BASE + "clusters.list": listed,
    _BASE + "clusters.update": update,
    _BASE + "clusters.setResourceLabels": set_labels,
    _BASE + "clusters.delete": delete,
    _BASE + "operations.get": get_operation,
    _BASE + "operations.list": list_operations,
    _BASE + "clusters.nodePools.create": pool_create,
    _BASE + "clusters.nodePools.delete": pool_delete,
    _BASE + "clusters.nodePools.update": pool_update,
    _BASE + "clusters.nodePools.setSize": pool_size,
    _BASE + "clusters.nodePools.setAutoscaling": pool_autoscaling,
}
