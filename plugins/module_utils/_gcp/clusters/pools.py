# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A node pool as Google has it, compared with the inventory: pure functions."""

from __future__ import annotations

import typing as t

from ..._model.providers.google.clusters import ClusterSpec
from ..._model.providers.google.field import Said
from ..._model.providers.google.node_pools import EFFECTS, NAME, Pool
from .fields import Difference, Step, compare_fields, put_fields

__all__ = ["TAGS", "compare_pool", "pool_body", "pool_view", "variable", "wanted_pool_view", "with_tag"]

Json = dict[str, t.Any]
_GOOGLES = ("google.com", "k8s.io", "kubernetes.io", "gke.io", "nvidia.com")
"""Domains of labels and taints that Google adds itself."""
_RENEWING = ("machine_type", "disk_size")
"""What replaces nodes: https://cloud.google.com/kubernetes-engine/docs/concepts/managing-clusters"""
TAGS = "network_tags"
"""The field of tags beside the fleet's own."""
_TAGS, _IDENTITY, _PRIVATE = "network tag", "workload identity of nodes", "gke_private_nodes"


def pool_body(wanted: ClusterSpec, pool: Pool) -> Json:
    """The NodePool to make."""
    made: Json = {
        "name": pool.name,
        "initialNodeCount": pool.count,
        "config": {
            "machineType": pool.machine,
            "diskSizeGb": pool.disk,
            "spot": pool.spot,
            "labels": dict(pool.labels),
            "tags": [wanted.tag],
            "oauthScopes": ["https://www.googleapis.com/auth/cloud-platform"],
            "workloadMetadataConfig": {"mode": "GKE_METADATA"},
        },
        "management": {"autoUpgrade": True, "autoRepair": True},
    }
    if pool.taints:
        made["config"]["taints"] = _taints(pool)
    if _scales(pool):
        made["autoscaling"] = _autoscaling(pool)
    put_fields(made, pool.fields)
    return made


def _taints(pool: Pool) -> list[Json]:
    return [{"key": key, "value": value, "effect": EFFECTS[effect]} for key, value, effect in pool.taints]


def _scales(pool: Pool) -> bool:
    return bool(pool.maximum or pool.total_maximum)


def _autoscaling(pool: Pool) -> Json:
    if not _scales(pool):
        return {"enabled": False}
    policy = {"locationPolicy": pool.policy.upper()} if pool.policy else {}
    if pool.total_maximum:
        return {
            "enabled": True,
            "totalMinNodeCount": pool.total_minimum,
            "totalMaxNodeCount": pool.total_maximum,
            **policy,
        }
    return {"enabled": True, "minNodeCount": pool.count, "maxNodeCount": pool.maximum, **policy}


def variable(pool: Pool, name: str) -> str:
    """The variable of a pool's value."""
    return f"gke_{name}" if pool.name == NAME else f"gke_node_pools.{pool.name}.{name}"


def wanted_pool_view(wanted: ClusterSpec, pool: Pool) -> Json:
    """What we manage of a pool, by variable."""
    found: Json = {
        "spot": pool.spot,
        "machine_type": pool.machine,
        "disk_size": pool.disk,
        "node_labels": dict(pool.labels),
        "taints": [list(taint) for taint in pool.taints],
        "node_count_max": pool.maximum,
    }
    if pool.total_maximum:
        found |= {"node_total_min": pool.total_minimum, "node_total_max": pool.total_maximum}
    else:
        found["node_count"] = pool.count
    if pool.policy:
        found["node_location_policy"] = pool.policy
    return {variable(pool, name): value for name, value in found.items()}


def pool_view(pool: Pool, live: Json) -> Json:
    """The same of an existing pool."""
    config, scaling = live.get("config") or {}, live.get("autoscaling") or {}
    words = {theirs: ours for ours, theirs in EFFECTS.items()}
    mine = {key for key, _value, _effect in pool.taints}
    taints = [
        [taint.get("key", ""), taint.get("value", ""), words.get(taint.get("effect", ""), taint.get("effect", ""))]
        for taint in config.get("taints") or []
        if taint.get("key") in mine or not _is_googles(str(taint.get("key")))
    ]
    on = bool(scaling.get("enabled"))
    found: Json = {
        "spot": bool(config.get("spot")),
        "machine_type": config.get("machineType", ""),
        "disk_size": int(config.get("diskSizeGb") or 0),
        "node_labels": {
            key: value
            for key, value in (config.get("labels") or {}).items()
            if key in pool.labels or not _is_googles(key)
        },
        "taints": sorted(taints),
        "node_count_max": int(scaling.get("maxNodeCount") or 0) if on else 0,
        "node_count": int(scaling.get("minNodeCount") or 0) if on else int(live.get("initialNodeCount") or 0),
        "node_total_min": int(scaling.get("totalMinNodeCount") or 0) if on else 0,
        "node_total_max": int(scaling.get("totalMaxNodeCount") or 0) if on else 0,
        "node_location_policy": str(scaling.get("locationPolicy") or "balanced").lower(),
    }
    if on and found["node_total_max"] and not pool.total_maximum:
        # Of all zones together: not as wanted, whatever the numbers are.
        found["node_count"] = f"{found['node_total_min']} to {found['node_total_max']} in all zones"
    return {variable(pool, name): value for name, value in found.items()}


def _is_googles(key: str) -> bool:
    domain = key.partition("/")[0] if "/" in key else ""
    return any(domain == end or domain.endswith(f".{end}") for end in _GOOGLES)


def compare_pool(wanted: ClusterSpec, pool: Pool, live: Json | None, *, private: bool | None) -> list[Difference]:
    """What differs of a pool, each with the call that changes it.

    Args:
        wanted: the cluster.
        pool: the pool, as wanted.
        live: the existing pool; None when it is missing.
        private: whether pools without a setting have private nodes; None to keep what they have.
    """
    if live is None:
        step = Step("nodePools.create", wanted.path, {"nodePool": pool_body(wanted, pool)})
        return [Difference("node pool", None, pool.name, step)]
    is_so, should, steps = pool_view(pool, live), wanted_pool_view(wanted, pool), _steps(wanted, pool)
    renewing = {variable(pool, name) for name in _RENEWING}
    found = [
        Difference(name, is_so[name], value, steps.get(name), pool.name, name in renewing)
        for name, value in should.items()
        if is_so[name] != value
    ]
    found += compare_fields(
        with_tag(pool.fields, wanted.tag),
        live,
        cluster=wanted.path,
        pool=pool.name,
        variable=lambda name: variable(pool, name),
    )
    found += _common(wanted, pool, live, private)
    # What replaces nodes comes after what says how they are replaced.
    return sorted(found, key=lambda difference: difference.recreates)


def with_tag(said: t.Iterable[Said], tag: str) -> tuple[Said, ...]:
    """The fields; where network tags are said, the fleet's own is one of them."""
    return tuple(Said(one.field, sorted({*one.value, tag})) if one.field.name == TAGS else one for one in said)


def _common(wanted: ClusterSpec, pool: Pool, live: Json, private: bool | None) -> list[Difference]:
    """What must be the same in all our pools."""
    config = live.get("config") or {}
    found = []
    is_private = bool((live.get("networkConfig") or {}).get("enablePrivateNodes", private))
    if private is not None and is_private != wanted.private_nodes:
        step = _update(wanted, pool, {"nodeNetworkConfig": {"enablePrivateNodes": wanted.private_nodes}})
        found.append(Difference(_PRIVATE, is_private, wanted.private_nodes, step, pool.name, True))
    if (config.get("workloadMetadataConfig") or {}).get("mode") != "GKE_METADATA":
        step = _update(wanted, pool, {"workloadMetadataConfig": {"mode": "GKE_METADATA"}})
        found.append(Difference(_IDENTITY, False, True, step, pool.name, True))
    tags = list(config.get("tags") or [])
    # Said tags are compared together with ours.
    if wanted.tag not in tags and not any(one.field.name == TAGS for one in pool.fields):
        step = _update(wanted, pool, {"tags": {"tags": [*tags, wanted.tag]}})
        found.append(Difference(_TAGS, tags, [*tags, wanted.tag], step, pool.name))
    return found


def _update(wanted: ClusterSpec, pool: Pool, body: Json) -> Step:
    return Step("nodePools.update", f"{wanted.path}/nodePools/{pool.name}", body)


def _steps(wanted: ClusterSpec, pool: Pool) -> dict[str, Step]:
    """The call that sets each variable that can be changed in place; the same call may set several."""
    path = f"{wanted.path}/nodePools/{pool.name}"
    size = Step("nodePools.setSize", path, {"nodeCount": pool.count})
    scale = Step("nodePools.setAutoscaling", path, {"autoscaling": _autoscaling(pool)})
    found = {
        "machine_type": _update(wanted, pool, {"machineType": pool.machine}),
        "disk_size": _update(wanted, pool, {"diskSizeGb": str(pool.disk)}),
        "node_labels": _update(wanted, pool, {"labels": {"labels": dict(pool.labels)}}),
        "taints": _update(wanted, pool, {"taints": {"taints": _taints(pool)}}),
        "node_count": scale if pool.maximum else size,
        **dict.fromkeys(("node_count_max", "node_total_min", "node_total_max", "node_location_policy"), scale),
    }
    return {variable(pool, name): step for name, step in found.items()}
