# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A GKE cluster as Google has it, compared with the inventory: pure functions.

Only what the inventory manages is compared, so Google's defaults and additions of others never count as a change.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..._model.providers.google.clusters import ClusterSpec
from ..api.answers import last_part
from .authorized import blocks, view
from .fields import Difference, Step, compare_fields, put_fields
from .fields import wanted_view as wanted_fields
from .pools import TAGS, compare_pool, pool_body, pool_view, variable, wanted_pool_view, with_tag

__all__ = [
    "Difference",
    "Step",
    "body",
    "compare",
    "described",
    "live_blocks",
    "managed",
    "not_taken",
    "runs_as",
    "says_more",
    "upgrades_gently",
]

Json = dict[str, t.Any]
_IDENTITY, _TAG, _PLANE = "workload identity", "network tag", "gke_control_plane_cidr"
_ZONES = "gke_node_locations"


def body(wanted: ClusterSpec, description: str) -> Json:
    """The body of ``clusters.create``."""
    cluster: Json = {
        "name": wanted.member.cluster,
        "description": description,
        "resourceLabels": dict(wanted.labels),
        "network": wanted.network_path,
        "subnetwork": wanted.subnetwork_path,
        "ipAllocationPolicy": {
            "useIpAliases": True,
            "clusterSecondaryRangeName": wanted.pod_range,
            "servicesSecondaryRangeName": wanted.service_range,
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
        cluster["nodePoolAutoConfig"] = {"networkTags": {"tags": [wanted.tag]}}
        put_fields(cluster, wanted.fields)
        return {"cluster": cluster}
    if wanted.dataplane_v2:
        cluster["networkConfig"]["datapathProvider"] = "ADVANCED_DATAPATH"
    put_fields(cluster, wanted.fields)
    cluster["nodePools"] = [pool_body(wanted, pool) for pool in wanted.pools]
    return {"cluster": cluster}


def _endpoints(wanted: ClusterSpec) -> Json:
    return {
        "dnsEndpointConfig": {"allowExternalTraffic": wanted.dns_endpoint},
        "ipEndpointsConfig": {
            "enabled": True,
            "enablePublicEndpoint": wanted.public_endpoint,
            # Peers in other regions use the private endpoint too.
            "globalAccess": True,
            **_networks(wanted),
        },
    }


def _networks(wanted: ClusterSpec) -> Json:
    networks: Json = {"enabled": wanted.authorized is not None}
    if wanted.authorized is not None:
        networks |= {
            "cidrBlocks": blocks(wanted),
            # The list applies to the private endpoint too; else Google refuses private ranges in it.
            "privateEndpointEnforcementEnabled": True,
            # Else every machine in Google Cloud with a public address, of any customer, is allowed.
            "gcpPublicCidrsAccessEnabled": False,
        }
    return {"authorizedNetworksConfig": networks}


# -- what exists, by the inventory's variables -------------------------------------------------


def managed(live: Json, wanted: ClusterSpec) -> Json:
    """What we manage of an existing cluster, by variable."""
    ends = live.get("controlPlaneEndpointsConfig") or {}
    ip = _ip_endpoints(live)
    network = live.get("networkConfig") or {}
    autopilot = bool((live.get("autopilot") or {}).get("enabled"))
    found: Json = {
        "gke_mode": "autopilot" if autopilot else "standard",
        "gke_network_project": _project(network.get("network")) or wanted.network_project,
        "gke_network": last_part(network.get("network") or live.get("network")),
        "gke_subnetwork": last_part(network.get("subnetwork") or live.get("subnetwork")),
        "cluster_pod_cidr": live.get("clusterIpv4Cidr", ""),
        "cluster_service_cidr": live.get("servicesIpv4Cidr", ""),
        _PLANE: (live.get("privateClusterConfig") or {}).get("masterIpv4CidrBlock", ""),
        "gke_private_nodes": bool(
            network.get("defaultEnablePrivateNodes", (live.get("privateClusterConfig") or {}).get("enablePrivateNodes"))
        ),
        "gke_endpoint": {
            "public": bool(ip.get("enablePublicEndpoint", True)),
            "dns": bool((ends.get("dnsEndpointConfig") or {}).get("allowExternalTraffic")),
            "all regions": bool(ip.get("globalAccess")),
        },
        "gke_authorized_networks": _authorized(ip.get("authorizedNetworksConfig") or {}),
        "gke_release_channel": (live.get("releaseChannel") or {}).get("channel", "UNSPECIFIED"),
        _IDENTITY: (live.get("workloadIdentityConfig") or {}).get("workloadPool", ""),
        "gke_labels": dict(live.get("resourceLabels") or {}),
    }
    if autopilot:
        found[_TAG] = list(((live.get("nodePoolAutoConfig") or {}).get("networkTags") or {}).get("tags") or [])
        return found
    found["gke_dataplane_v2"] = network.get("datapathProvider") == "ADVANCED_DATAPATH"
    for pool in wanted.pools:
        there = _pool(live, pool.name)
        found |= pool_view(pool, there) if there else {}
    return found


def live_blocks(live: Json) -> list[Json]:
    """The authorized networks of an existing cluster, as Google returns them."""
    return list((_ip_endpoints(live).get("authorizedNetworksConfig") or {}).get("cidrBlocks") or [])


def _ip_endpoints(live: Json) -> Json:
    ends = live.get("controlPlaneEndpointsConfig") or {}
    return ends.get("ipEndpointsConfig") or _old_endpoints(live)


def _old_endpoints(live: Json) -> Json:
    """The same from Google's deprecated fields."""
    private = live.get("privateClusterConfig") or {}
    return {
        "enablePublicEndpoint": not private.get("enablePrivateEndpoint"),
        "globalAccess": (private.get("masterGlobalAccessConfig") or {}).get("enabled"),
        "authorizedNetworksConfig": live.get("masterAuthorizedNetworksConfig"),
    }


def _authorized(allowed: Json) -> list[str] | None:
    if not allowed.get("enabled"):
        return None
    found = view(allowed.get("cidrBlocks") or [])
    if not allowed.get("privateEndpointEnforcementEnabled"):
        found.append("everybody in the VPC")
    if allowed.get("gcpPublicCidrsAccessEnabled"):
        found.append("public addresses of Google Cloud")
    return found


def wanted_view(wanted: ClusterSpec) -> Json:
    """The same by the inventory, by variable."""
    found: Json = {
        "gke_mode": "autopilot" if wanted.autopilot else "standard",
        "gke_network_project": wanted.network_project,
        "gke_network": wanted.network,
        "gke_subnetwork": wanted.subnetwork,
        "cluster_pod_cidr": wanted.pod_cidr,
        "cluster_service_cidr": wanted.service_cidr,
        "gke_private_nodes": wanted.private_nodes,
        "gke_endpoint": {"public": wanted.public_endpoint, "dns": wanted.dns_endpoint, "all regions": True},
        "gke_authorized_networks": None if wanted.authorized is None else view(blocks(wanted)),
        "gke_release_channel": wanted.channel,
        _IDENTITY: f"{wanted.member.project}.svc.id.goog",
        "gke_labels": dict(wanted.labels),
    }
    if wanted.control_plane_cidr:  # without it the range is Google's choice
        found[_PLANE] = wanted.control_plane_cidr
    if wanted.autopilot:
        return {**found, _TAG: [wanted.tag]}
    found["gke_dataplane_v2"] = wanted.dataplane_v2
    for pool in wanted.pools:
        found |= wanted_pool_view(wanted, pool)
    return found


def described(wanted: ClusterSpec) -> Json:
    """All that the inventory says of a new cluster, by variable."""
    found = wanted_view(wanted) | wanted_fields(wanted.fields, _variable)
    for pool in wanted.pools:
        found |= wanted_fields(pool.fields, functools.partial(variable, pool))
    return found


def _variable(name: str) -> str:
    return f"gke_{name}"


_OWN = ("gke_private_nodes", "gke_release_channel", "gke_dataplane_v2", "gke_authorized_networks")
"""What an adopted cluster keeps where the inventory sets nothing."""


def compare(wanted: ClusterSpec, live: Json, *, adopted: bool = False) -> list[Difference]:
    """What differs, each with the call that changes it; empty when the cluster is as wanted.

    Args:
        wanted: as the inventory describes it.
        live: as Google returns it.
        adopted: somebody else made it, so only what the inventory sets, and what a mesh needs, is changed.
    """
    is_so, should = managed(live, wanted), wanted_view(wanted)
    if adopted:
        should |= {name: is_so[name] for name in _OWN if name in is_so and name not in wanted.given}
        if "gke_endpoint" not in wanted.given:
            should["gke_endpoint"] = {**is_so["gke_endpoint"], "all regions": True}
    mode_fits = is_so["gke_mode"] == should["gke_mode"]
    if any(one.field.name == TAGS for one in wanted.fields):
        should.pop(_TAG, None)  # said tags are compared together with ours
    # Labels and tags of others stay.
    should["gke_labels"] = {**is_so["gke_labels"], **should["gke_labels"]}
    if _TAG in should:
        should[_TAG] = is_so.get(_TAG, []) if wanted.tag in is_so.get(_TAG, []) else [*is_so.get(_TAG, []), wanted.tag]
    steps = _steps(wanted, live, should, _endpoints(wanted) if not adopted else _given_endpoints(wanted))
    of_pools = {name for pool in wanted.pools for name in wanted_pool_view(wanted, pool)}
    found = [
        Difference(name, is_so.get(name), value, steps.get(name))
        for name, value in should.items()
        if name not in of_pools and is_so.get(name) != value and (mode_fits or name not in (_TAG, "gke_dataplane_v2"))
    ]
    if mode_fits:
        found += _of_fields(wanted, live)
    said: set[str] = set()
    if mode_fits and (not adopted or "gke_node_pools" in wanted.given):
        said = _say_zones(wanted)
        # Nodes of an adopted cluster stay as they are where the inventory does not set gke_private_nodes.
        private = is_so["gke_private_nodes"] if not adopted or "gke_private_nodes" in wanted.given else None
        for pool in wanted.pools:
            found += compare_pool(wanted, pool, _pool(live, pool.name), private=private)
    # A change of the cluster may replace the nodes of its pools too, so what says how comes first.
    found.sort(key=lambda difference: not _says_how(difference))
    return _each_call_once(_with_zones(wanted, live, found, said))


def _says_how(difference: Difference) -> bool:
    """Whether it is about how a pool's nodes are replaced."""
    return difference.step is not None and "upgradeSettings" in difference.step.body


def _with_zones(wanted: ClusterSpec, live: Json, found: list[Difference], said: t.Container[str]) -> list[Difference]:
    """The differences, with the zones that lose their nodes, and with what pools lose with the cluster's zones.

    Google's discovery document of desiredLocations: changing them "will update the locations of all node pools and
    will result in nodes being added and/or removed". So pools with zones of their own, and the pools ``said``, whose
    zones the inventory says, are given them again.
    """
    zones = {str(pool.get("name")): _zones(pool) or _zones(live) for pool in live.get("nodePools") or []}
    found = [
        dataclasses.replace(d, leaves=_leaving({d.pool: zones[d.pool]}, d.after)) if _is_zones(d) else d for d in found
    ]
    moved = next((d for d in found if d.variable == _ZONES and not d.pool and d.step is not None), None)
    if moved is None:
        return found
    own = {d.pool: d for d in found if _is_zones(d)}
    for pool, had in zones.items():
        if pool not in own and (pool in said or had != _zones(live)) and had != moved.after:
            step = Step("nodePools.update", f"{wanted.path}/nodePools/{pool}", {"locations": had})
            own[pool] = Difference(f"gke_node_pools.{pool}.locations", moved.after, had, step, pool)
    rest = [d for d in found if not _is_zones(d)]
    place = rest.index(moved)
    rest[place : place + 1] = [dataclasses.replace(moved, leaves=_leaving(zones, moved.after)), *own.values()]
    return rest


def _say_zones(wanted: ClusterSpec) -> set[str]:
    """The pools whose zones the inventory says."""
    return {pool.name for pool in wanted.pools if any(one.field.path == "locations" for one in pool.fields)}


def _is_zones(difference: Difference) -> bool:
    """Whether it is about the zones of a pool."""
    return bool(difference.pool) and difference.step is not None and "locations" in difference.step.body


def _leaving(zones: t.Mapping[str, t.Iterable[str]], kept: t.Collection[str]) -> tuple[str, ...]:
    return tuple(f"{pool} in {zone}" for pool, had in zones.items() for zone in had if zone not in kept)


def _zones(message: Json) -> list[str]:
    return sorted(message.get("locations") or [])


def _of_fields(wanted: ClusterSpec, live: Json) -> list[Difference]:
    return compare_fields(with_tag(wanted.fields, wanted.tag), live, cluster=wanted.path, variable=_variable)


def runs_as(live: Json, account: str) -> bool:
    """Whether nodes of an existing cluster have this service account already."""
    found = [(pool.get("config") or {}).get("serviceAccount") for pool in live.get("nodePools") or []]
    defaults = (live.get("autoscaling") or {}).get("autoprovisioningNodePoolDefaults") or {}
    return account in (*found, defaults.get("serviceAccount"))


def says_more(wanted: ClusterSpec) -> bool:
    """Whether the inventory says something of a new cluster that must be looked at once it is there."""
    pools = [one for pool in wanted.pools for one in pool.fields]
    return bool(wanted.control_plane_cidr) or any(
        not one.new and not one.field.once_made for one in (*wanted.fields, *pools)
    )


def upgrades_gently(live: Json, pool: str, differences: t.Iterable[Difference]) -> bool:
    """Whether a pool gets new nodes before it loses old ones: as Google has it, or after what is to be changed."""
    settings = dict((_pool(live, pool) or {}).get("upgradeSettings") or {})
    for one in differences:
        if one.pool == pool and one.step is not None and _says_how(one):
            settings = one.step.body["upgradeSettings"]
    if settings.get("strategy") == "BLUE_GREEN":
        return True
    return int(settings.get("maxSurge") or 0) > 0 and not int(settings.get("maxUnavailable") or 0)


def not_taken(wanted: ClusterSpec, live: Json) -> list[Difference]:
    """What a cluster that was just made has not: what only a call can set, and what Google did not heed."""
    found = _of_fields(wanted, live)
    plane = managed(live, wanted)[_PLANE]
    if wanted.control_plane_cidr and plane != wanted.control_plane_cidr:
        found.append(Difference(_PLANE, plane, wanted.control_plane_cidr, None))
    for pool in wanted.pools:
        there = _pool(live, pool.name)
        if there is not None:
            found += [
                difference
                for difference in compare_pool(wanted, pool, there, private=None)
                if difference.variable in {variable(pool, one.field.name) for one in pool.fields}
            ]
    return _each_call_once(_with_zones(wanted, live, found, _say_zones(wanted)))


def _each_call_once(found: list[Difference]) -> list[Difference]:
    """Where one call changes several differences, only the first of them makes it."""
    done: set[str] = set()
    for number, difference in enumerate(found):
        if difference.step is not None:
            key = str(difference.step)
            if key in done:
                found[number] = dataclasses.replace(difference, step=dataclasses.replace(difference.step, method=""))
            done.add(key)
    return found


def _given_endpoints(wanted: ClusterSpec) -> Json:
    """Only what the inventory sets of them, and global access of the private one."""
    if "gke_endpoint" in wanted.given:
        found = _endpoints(wanted)
    else:
        found = {"ipEndpointsConfig": {"globalAccess": True, **_networks(wanted)}}
    if "gke_authorized_networks" not in wanted.given:
        found["ipEndpointsConfig"].pop("authorizedNetworksConfig", None)
    return found


def _steps(wanted: ClusterSpec, live: Json, should: Json, endpoints: Json) -> dict[str, Step]:
    """The call that sets each variable that can be changed in place; the same call may set several."""

    def update(field: str, value: t.Any) -> Step:
        return Step("update", wanted.path, {"update": {field: value}})

    ends = update("desiredControlPlaneEndpointsConfig", endpoints)
    labels = {"resourceLabels": should["gke_labels"], "labelFingerprint": live.get("labelFingerprint", "")}
    return {
        "gke_private_nodes": update("desiredDefaultEnablePrivateNodes", wanted.private_nodes),
        "gke_endpoint": ends,
        "gke_authorized_networks": ends,
        "gke_release_channel": update("desiredReleaseChannel", {"channel": wanted.channel}),
        _IDENTITY: update("desiredWorkloadIdentityConfig", {"workloadPool": should[_IDENTITY]}),
        "gke_labels": Step("setResourceLabels", wanted.path, labels),
        _TAG: update("desiredNodePoolAutoConfigNetworkTags", {"tags": should.get(_TAG)}),
    }


def _pool(live: Json, name: str) -> Json | None:
    return next((pool for pool in live.get("nodePools") or [] if pool.get("name") == name), None)


def _project(path: t.Any) -> str:
    """The project of ``projects/P/global/networks/N``; "" where there is none, or its number."""
    first, _slash, rest = str(path or "").partition("/")
    project = rest.partition("/")[0] if first == "projects" else ""
    return "" if project.isdigit() else project
