# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A GKE cluster as Google takes and shows it, beside what the inventory wants: pure functions.

Only what the inventory manages is compared, so what Google fills in or others add never counts as a change.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._model.gke_wanted import PODS, SERVICES, Wanted

__all__ = ["Difference", "Step", "body", "compare", "managed"]

Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Step:
    """One call that changes a cluster in place. ``method`` is below ``projects.locations.clusters``."""

    method: str
    name: str
    body: Json


@dataclasses.dataclass(frozen=True)
class Difference:
    """A field that is not as wanted. ``step`` is None where only making the cluster anew would change it."""

    variable: str
    before: t.Any
    after: t.Any
    step: Step | None


def body(wanted: Wanted, description: str) -> Json:
    """The body of ``clusters.create``."""
    cluster: Json = {
        "name": wanted.member.cluster,
        "description": description,
        "resourceLabels": dict(wanted.labels),
        "network": f"projects/{wanted.member.project}/global/networks/{wanted.network}",
        "subnetwork": f"projects/{wanted.member.project}/regions/{wanted.region}/subnetworks/{wanted.subnetwork}",
        "ipAllocationPolicy": {
            "useIpAliases": True,
            "clusterSecondaryRangeName": PODS,
            "servicesSecondaryRangeName": SERVICES,
        },
        "releaseChannel": {"channel": wanted.channel},
        "workloadIdentityConfig": {"workloadPool": f"{wanted.member.project}.svc.id.goog"},
        "controlPlaneEndpointsConfig": _endpoints(wanted),
        "networkConfig": {"defaultEnablePrivateNodes": wanted.private_nodes},
    }
    if wanted.control_plane_cidr:
        cluster["privateClusterConfig"] = {"masterIpv4CidrBlock": wanted.control_plane_cidr}
    if wanted.autopilot:
        cluster["autopilot"] = {"enabled": True}
        return {"cluster": cluster}
    if wanted.dataplane_v2:
        cluster["networkConfig"]["datapathProvider"] = "ADVANCED_DATAPATH"
    cluster["nodePools"] = [_pool(wanted)]
    return {"cluster": cluster}


def _pool(wanted: Wanted) -> Json:
    pool = wanted.pool
    made: Json = {
        "name": pool.name,
        "initialNodeCount": pool.count,
        "config": {
            "machineType": pool.machine,
            "diskSizeGb": pool.disk,
            "spot": pool.spot,
            "labels": dict(pool.labels),
            "oauthScopes": ["https://www.googleapis.com/auth/cloud-platform"],
            "workloadMetadataConfig": {"mode": "GKE_METADATA"},
        },
        "management": {"autoUpgrade": True, "autoRepair": True},
    }
    if pool.maximum:
        made["autoscaling"] = _autoscaling(wanted)
    return made


def _autoscaling(wanted: Wanted) -> Json:
    if not wanted.pool.maximum:
        return {"enabled": False}
    return {"enabled": True, "minNodeCount": wanted.pool.count, "maxNodeCount": wanted.pool.maximum}


def _endpoints(wanted: Wanted) -> Json:
    networks: Json = {"enabled": wanted.authorized is not None}
    if wanted.authorized is not None:
        networks["cidrBlocks"] = [{"cidrBlock": cidr} for cidr in wanted.authorized]
    return {
        "dnsEndpointConfig": {"allowExternalTraffic": wanted.dns_endpoint},
        "ipEndpointsConfig": {
            "enabled": True,
            "enablePublicEndpoint": wanted.public_endpoint,
            # Peers in other regions reach the private endpoint too.
            "globalAccess": True,
            "authorizedNetworksConfig": networks,
        },
    }


# -- what is there, in the inventory's words ----------------------------------------------------


def managed(live: Json, pool_name: str = "nodes") -> Json:
    """What we manage of a cluster that is there, by variable."""
    ends = live.get("controlPlaneEndpointsConfig") or {}
    ip = ends.get("ipEndpointsConfig") or {}
    allowed = ip.get("authorizedNetworksConfig") or {}
    public = bool(ip.get("enablePublicEndpoint", True))
    dns = bool((ends.get("dnsEndpointConfig") or {}).get("allowExternalTraffic"))
    network = live.get("networkConfig") or {}
    autopilot = bool((live.get("autopilot") or {}).get("enabled"))
    found: Json = {
        "gke_mode": "autopilot" if autopilot else "standard",
        "gke_network": _last(network.get("network") or live.get("network")),
        "gke_subnetwork": _last(network.get("subnetwork") or live.get("subnetwork")),
        "cluster_pod_cidr": live.get("clusterIpv4Cidr", ""),
        "cluster_service_cidr": live.get("servicesIpv4Cidr", ""),
        "gke_private_nodes": bool(
            network.get("defaultEnablePrivateNodes")
            or (live.get("privateClusterConfig") or {}).get("enablePrivateNodes")
        ),
        "gke_endpoint": {"public": public, "dns": dns},
        "gke_authorized_networks": sorted(b["cidrBlock"] for b in allowed.get("cidrBlocks") or [])
        if allowed.get("enabled")
        else None,
        "gke_release_channel": (live.get("releaseChannel") or {}).get("channel", "UNSPECIFIED"),
        "workload identity": (live.get("workloadIdentityConfig") or {}).get("workloadPool", ""),
        "gke_labels": dict(live.get("resourceLabels") or {}),
    }
    if autopilot:
        return found
    found["gke_dataplane_v2"] = network.get("datapathProvider") == "ADVANCED_DATAPATH"
    pool = next((p for p in live.get("nodePools") or [] if p.get("name") == pool_name), None)
    if pool is None:
        return found
    config = pool.get("config") or {}
    scaling = pool.get("autoscaling") or {}
    on = bool(scaling.get("enabled"))
    found |= {
        "gke_spot": bool(config.get("spot")),
        "gke_machine_type": config.get("machineType", ""),
        "gke_disk_size": int(config.get("diskSizeGb") or 0),
        "gke_node_labels": dict(config.get("labels") or {}),
        "gke_node_count_max": int(scaling.get("maxNodeCount") or 0) if on else 0,
        "gke_node_count": int(scaling.get("minNodeCount") or 0) if on else int(pool.get("initialNodeCount") or 0),
    }
    return found


def wanted_view(wanted: Wanted) -> Json:
    """The same, as the inventory wants it."""
    found: Json = {
        "gke_mode": "autopilot" if wanted.autopilot else "standard",
        "gke_network": wanted.network,
        "gke_subnetwork": wanted.subnetwork,
        "cluster_pod_cidr": wanted.pod_cidr,
        "cluster_service_cidr": wanted.service_cidr,
        "gke_private_nodes": wanted.private_nodes,
        "gke_endpoint": {"public": wanted.public_endpoint, "dns": wanted.dns_endpoint},
        "gke_authorized_networks": None if wanted.authorized is None else sorted(wanted.authorized),
        "gke_release_channel": wanted.channel,
        "workload identity": f"{wanted.member.project}.svc.id.goog",
        "gke_labels": dict(wanted.labels),
    }
    if not wanted.autopilot:
        pool = wanted.pool
        found |= {
            "gke_dataplane_v2": wanted.dataplane_v2,
            "gke_spot": pool.spot,
            "gke_machine_type": pool.machine,
            "gke_disk_size": pool.disk,
            "gke_node_labels": dict(pool.labels),
            "gke_node_count_max": pool.maximum,
            "gke_node_count": pool.count,
        }
    return found


def compare(wanted: Wanted, live: Json) -> list[Difference]:
    """What differs, each with the call that mends it; empty when the cluster is as wanted."""
    is_so, should = managed(live, wanted.pool.name), wanted_view(wanted)
    # Labels of others stay.
    should["gke_labels"] = {**is_so["gke_labels"], **should["gke_labels"]}
    if "gke_node_count" not in is_so and not wanted.autopilot and is_so["gke_mode"] == "standard":
        # The pool is not there: making it sets everything of it.
        step = Step("nodePools.create", wanted.path, {"nodePool": _pool(wanted)})
        found = [Difference("node pool", None, wanted.pool.name, step)]
        should = {k: v for k, v in should.items() if k in is_so}
    else:
        found = []
    steps = _steps(wanted, live, should)
    done: set[str] = set()
    for name, value in should.items():
        if is_so.get(name) == value:
            continue
        step_or_none = steps.get(name)
        if step_or_none is not None:
            key = f"{step_or_none.method} {sorted(step_or_none.body)} {step_or_none.body}"
            if key in done:
                step_or_none = dataclasses.replace(step_or_none, method="")
            done.add(key)
        found.append(Difference(name, is_so.get(name), value, step_or_none))
    return found


def _steps(wanted: Wanted, live: Json, should: Json) -> dict[str, Step]:
    """The call that sets each variable that can be changed in place; the same call may set several."""
    path, pool = wanted.path, f"{wanted.path}/nodePools/{wanted.pool.name}"

    def update(field: str, value: t.Any) -> Step:
        return Step("update", path, {"update": {field: value}})

    ends = update("desiredControlPlaneEndpointsConfig", _endpoints(wanted))
    size = Step("nodePools.setSize", pool, {"nodeCount": wanted.pool.count})
    scale = Step("nodePools.setAutoscaling", pool, {"autoscaling": _autoscaling(wanted)})
    return {
        "gke_endpoint": ends,
        "gke_authorized_networks": ends,
        "gke_release_channel": update("desiredReleaseChannel", {"channel": wanted.channel}),
        "workload identity": update("desiredWorkloadIdentityConfig", {"workloadPool": should["workload identity"]}),
        "gke_labels": Step(
            "setResourceLabels",
            path,
            {"resourceLabels": should["gke_labels"], "labelFingerprint": live.get("labelFingerprint", "")},
        ),
        "gke_machine_type": Step("nodePools.update", pool, {"machineType": wanted.pool.machine}),
        "gke_disk_size": Step("nodePools.update", pool, {"diskSizeGb": str(wanted.pool.disk)}),
        "gke_node_labels": Step("nodePools.update", pool, {"labels": {"labels": dict(wanted.pool.labels)}}),
        "gke_node_count": scale if wanted.pool.maximum else size,
        "gke_node_count_max": scale,
    }


def _last(text: t.Any) -> str:
    return str(text or "").rsplit("/", 1)[-1]
