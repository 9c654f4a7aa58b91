# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What GKE asks of clusters and node pools beyond the schema."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .errors import Refused
from .places import is_place, is_zone, region_of

__all__ = ["check_autoscaling", "check_cluster", "check_control_plane", "check_labels", "check_place", "check_pool"]

Json = dict[str, t.Any]
_NAME = "(?:[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?)"
_LABEL_KEY = re.compile(r"[a-z][-_a-z0-9]{0,62}")
_LABEL_VALUE = re.compile(r"[-_a-z0-9]{0,63}")
_NODE_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_NODE_VALUE = re.compile(r"([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?")
_MOST_LABELS = 64
_MOST_NETWORKS = 100
"""Authorized networks of one cluster."""
_SMALLEST_DISK = 12


def check_place(place: str) -> None:
    if not is_place(place):
        raise Refused(400, f'Location "{place}" does not exist.')


def check_cluster(cluster: Json, project: str, place: str) -> None:
    """Everything about a new cluster but its network and its name's uniqueness."""
    if not re.fullmatch(_NAME, str(cluster.get("name", ""))):
        raise Refused(400, f"Cluster.name must match regex '{_NAME}'.")
    check_place(place)
    check_labels(cluster.get("resourceLabels") or {})
    pools = cluster.get("nodePools") or []
    autopilot = bool((cluster.get("autopilot") or {}).get("enabled"))
    single = cluster.get("initialNodeCount") or cluster.get("nodeConfig")
    if autopilot and (pools or single):
        raise Refused(400, "Autopilot clusters do not support user-defined node pools.")
    if autopilot and is_zone(place):
        raise Refused(400, "Autopilot clusters must be regional clusters.")
    if pools and single:
        raise Refused(400, "Cluster.node_pools must not be set with Cluster.initial_node_count or Cluster.node_config.")
    if not autopilot and not pools and not cluster.get("initialNodeCount"):
        raise Refused(400, "Cluster.initial_node_count must be greater than zero.")
    names = [pool.get("name") for pool in pools]
    if len(set(names)) != len(names):
        raise Refused(400, "Cluster.node_pools must have unique names.")
    for pool in pools:
        check_pool(pool)
    for zone in cluster.get("locations") or []:
        if not is_zone(zone) or region_of(zone) != region_of(place):
            raise Refused(400, f'Location "{zone}" is not a zone of region "{region_of(place)}".')
    workloads = (cluster.get("workloadIdentityConfig") or {}).get("workloadPool")
    if workloads and workloads != f"{project}.svc.id.goog":
        raise Refused(400, f'Workload pool "{workloads}" is not supported, only "{project}.svc.id.goog".')
    policy = cluster.get("ipAllocationPolicy") or {}
    private = (cluster.get("networkConfig") or {}).get("defaultEnablePrivateNodes")
    private = private or (cluster.get("privateClusterConfig") or {}).get("enablePrivateNodes")
    if private and policy.get("useIpAliases") is False:
        raise Refused(400, "Private nodes need a VPC-native cluster: ip_allocation_policy.use_ip_aliases must be true.")
    check_control_plane(cluster.get("controlPlaneEndpointsConfig") or {}, cluster)


def check_control_plane(ends: Json, cluster: Json) -> None:
    blocks = ((ends.get("ipEndpointsConfig") or {}).get("authorizedNetworksConfig") or {}).get("cidrBlocks") or []
    if len(blocks) > _MOST_NETWORKS:
        raise Refused(400, f"Number of authorized networks {len(blocks)} exceeds the limit of {_MOST_NETWORKS}.")
    for block in blocks:
        try:
            ipaddress.IPv4Network(str(block.get("cidrBlock")), strict=False)
        except ValueError:
            raise Refused(400, f'Invalid CIDR block "{block.get("cidrBlock")}" in authorized networks.') from None
    plane = (cluster.get("privateClusterConfig") or {}).get("masterIpv4CidrBlock")
    if plane and not plane.endswith("/28"):
        raise Refused(400, f'Invalid master_ipv4_cidr_block "{plane}": its prefix length must be 28.')


def check_labels(labels: Json) -> None:
    """Resource labels."""
    if len(labels) > _MOST_LABELS:
        raise Refused(400, f"A cluster can have at most {_MOST_LABELS} labels.")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise Refused(400, f'Invalid resource label "{key}: {value}".')


def check_pool(pool: Json) -> None:
    """A new pool, or of one that changes what is sent, as its fields are named in a new one."""
    if "name" in pool and not re.fullmatch(_NAME, str(pool["name"])):
        raise Refused(400, f"NodePool.name must match regex '{_NAME}'.")
    if int(pool.get("initialNodeCount") or 0) < 0:
        raise Refused(400, "NodePool.initial_node_count must not be negative.")
    check_autoscaling(pool.get("autoscaling") or {})
    config = pool.get("config") or {}
    if "diskSizeGb" in config and int(config["diskSizeGb"]) < _SMALLEST_DISK:
        raise Refused(400, f"Disk size must be at least {_SMALLEST_DISK} GB.")
    for key, value in (config.get("labels") or {}).items():
        if not _NODE_KEY.fullmatch(key) or not _NODE_VALUE.fullmatch(str(value)):
            raise Refused(400, f'Invalid node label "{key}: {value}".')
    for taint in config.get("taints") or []:
        effect = taint.get("effect", "EFFECT_UNSPECIFIED")
        if not _NODE_KEY.fullmatch(str(taint.get("key", ""))) or effect == "EFFECT_UNSPECIFIED":
            raise Refused(400, f'Invalid taint "{taint.get("key", "")}={taint.get("value", "")}:{effect}".')


def check_autoscaling(scaling: Json) -> None:
    least, most = (int(scaling.get(name) or 0) for name in ("minNodeCount", "maxNodeCount"))
    if (scaling.get("enabled") and "totalMaxNodeCount" not in scaling and not 0 <= least <= most) or most < 0:
        raise Refused(400, f"Autoscaling: max_node_count {most} must not be less than min_node_count {least}.")
