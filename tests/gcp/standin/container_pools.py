# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Node pools of the stand-in's clusters."""

from __future__ import annotations

import copy
import typing as t

from .cloud import Cloud, Fault
from .container import change, ready
from .container_fields import POOL_UPDATES
from .container_rules import check_autoscaling, check_pool
from .container_view import fill_pool
from .errors import Refused
from .limits import check_nodes

__all__ = ["HANDLERS"]

Json = dict[str, t.Any]


def _pool(cluster: Json, path: Json) -> Json:
    for pool in cluster.get("nodePools") or []:
        if pool["name"] == path["nodePoolsId"]:
            found: Json = pool
            return found
    raise Refused(404, f"Not found: {cluster['selfLink'].partition('/v1/')[2]}/nodePools/{path['nodePoolsId']}.")


def pool_create(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = copy.deepcopy(body.get("nodePool") or {})
    cluster = ready(cloud, path)
    check_pool({"name": "", **pool})
    if any(p["name"] == pool["name"] for p in cluster.get("nodePools") or []):
        raise Refused(409, f"Already exists: {cluster['selfLink'].partition('/v1/')[2]}/nodePools/{pool['name']}.")
    check_nodes(cloud, path["projectsId"], path["locationsId"], [pool])
    fill_pool(pool, cluster)
    pool["status"] = "RUNNING"
    return change(
        cloud, path, "CREATE_NODE_POOL", fault, lambda c: c.setdefault("nodePools", []).append(pool), pool["name"]
    )


def pool_delete(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = _pool(ready(cloud, path), path)
    return change(cloud, path, "DELETE_NODE_POOL", fault, lambda c: c["nodePools"].remove(pool), pool["name"])


def pool_update(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = _pool(ready(cloud, path), path)
    known = {"machineType", "labels", "diskSizeGb", "tags", "taints", "workloadMetadataConfig", "nodeNetworkConfig"}
    odd = set(body) - known - {"name", "etag", *POOL_UPDATES}
    if odd:
        raise Refused(501, f"the stand-in does not know UpdateNodePoolRequest.{sorted(odd)[0]}")

    given = {"labels": (body.get("labels") or {}).get("labels"), "taints": (body.get("taints") or {}).get("taints")}
    check_pool({"config": {**{k: body[k] for k in ("diskSizeGb",) if k in body}, **given}})

    def apply(_cluster: Json) -> None:
        config = pool["config"]
        if "machineType" in body:
            config["machineType"] = body["machineType"]
        if "diskSizeGb" in body:
            config["diskSizeGb"] = int(body["diskSizeGb"])
        if "labels" in body:
            config["labels"] = dict((body["labels"] or {}).get("labels") or {})
        for field in ("tags", "taints"):
            if field in body:
                config[field] = list((body[field] or {}).get(field) or [])
        if "workloadMetadataConfig" in body:
            config["workloadMetadataConfig"] = dict(body["workloadMetadataConfig"])
        for field in POOL_UPDATES.keys() & body.keys():
            at = pool
            *above, last = POOL_UPDATES[field]
            for name in above:
                at = at.setdefault(name, {})
            at[last] = copy.deepcopy(body[field])
        if "nodeNetworkConfig" in body:
            pool["networkConfig"] = {**(pool.get("networkConfig") or {}), **body["nodeNetworkConfig"]}

    return change(cloud, path, "UPDATE_CLUSTER", fault, apply, pool["name"])


def pool_size(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = _pool(ready(cloud, path), path)
    check_pool({"initialNodeCount": body.get("nodeCount")})
    return change(
        cloud,
        path,
        "SET_NODE_POOL_SIZE",
        fault,
        lambda _c: pool.update(initialNodeCount=int(body.get("nodeCount", 0))),
        pool["name"],
    )


def pool_management(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = _pool(ready(cloud, path), path)
    wanted = dict(body.get("management") or {})
    return change(
        cloud, path, "SET_NODE_POOL_MANAGEMENT", fault, lambda _c: pool.update(management=wanted), pool["name"]
    )


def pool_autoscaling(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    pool = _pool(ready(cloud, path), path)
    check_autoscaling(body.get("autoscaling") or {})
    return change(
        cloud, path, "UPDATE_CLUSTER", fault, lambda _c: pool.update(autoscaling=body.get("autoscaling")), pool["name"]
    )


_BASE = "container.projects.locations.clusters.nodePools."
HANDLERS: dict[str, t.Callable[..., Json]] = {
    _BASE + "create": pool_create,
    _BASE + "delete": pool_delete,
    _BASE + "update": pool_update,
    _BASE + "setSize": pool_size,
    _BASE + "setAutoscaling": pool_autoscaling,
    _BASE + "setManagement": pool_management,
}
