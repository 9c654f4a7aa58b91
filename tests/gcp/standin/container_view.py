# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What GKE makes of a requested cluster: the fields it adds, and the form in which it returns them."""

from __future__ import annotations

import copy
import datetime
import ipaddress
import typing as t

from .places import is_zone, region_of
from .shared_vpc import network_of

__all__ = ["fill_cluster", "fill_pool", "now", "shown"]

Json = dict[str, t.Any]

_CA = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=="
_VERSION = "1.35.2-gke.1000"
# Fields with a presence of their own: a false one is shown. Every other zero, false or empty one is left out.
_SHOWN = frozenset(
    {
        "allowExternalTraffic",
        "defaultEnablePrivateNodes",
        "enablePublicEndpoint",
        "gcpPublicCidrsAccessEnabled",
        "globalAccess",
        "ipEndpointsConfig.enabled",
        "privateEndpointEnforcementEnabled",
    }
)


def now() -> str:
    """This moment as Google writes it."""
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def fill_cluster(cluster: Json, parent: str, number: int) -> None:
    """Add what Google adds to a new cluster.

    Args:
        cluster: as it was asked for, its network looked up.
        parent: ``projects/P/locations/L``.
        number: unlike any other cluster's.
    """
    _projects, project, _locations, place = parent.split("/")
    region = region_of(place)
    autopilot = bool((cluster.get("autopilot") or {}).get("enabled"))
    policy = cluster.setdefault("ipAllocationPolicy", {"useIpAliases": True})
    policy.setdefault("stackType", "IPV4")
    policy.setdefault("podCidrOverprovisionConfig", {})
    cluster.update(
        status="PROVISIONING",
        location=place,
        zone=place,
        locations=cluster.get("locations")
        or ([place] if is_zone(place) else [f"{region}-{letter}" for letter in "abc"]),
        selfLink=f"https://container.googleapis.com/v1/{parent}/clusters/{cluster['name']}",
        id=f"{number:064x}",
        etag=f"{number:08x}",
        labelFingerprint=f"{number:08x}",
        createTime=now(),
        currentMasterVersion=_VERSION,
        initialClusterVersion=_VERSION,
        currentNodeVersion=_VERSION,
        clusterIpv4Cidr=policy.get("clusterIpv4CidrBlock", "10.4.0.0/14"),
        servicesIpv4Cidr=policy.get("servicesIpv4CidrBlock", "34.118.224.0/20"),
        loggingService="logging.googleapis.com/kubernetes",
        monitoringService="monitoring.googleapis.com/kubernetes",
        masterAuth={"clusterCaCertificate": _CA},
    )
    for field, value in _DEFAULTS.items():
        cluster.setdefault(field, copy.deepcopy(value))
    host, network = network_of(cluster, project)
    cluster["networkConfig"] = {
        "network": f"projects/{host}/global/networks/{network}",
        "subnetwork": f"projects/{host}/regions/{region}/subnetworks/{_last(cluster.get('subnetwork'))}",
        "datapathProvider": "ADVANCED_DATAPATH" if autopilot else "LEGACY_DATAPATH",
        "serviceExternalIpsConfig": {},
        "defaultEnablePrivateNodes": False,
        **(cluster.get("networkConfig") or {}),
    }
    for field in ("network", "subnetwork"):
        cluster[field] = _last(cluster.get(field))
    if autopilot:
        cluster.setdefault("workloadIdentityConfig", {"workloadPool": f"{project}.svc.id.goog"})
        cluster["nodePools"] = [{"name": "default-pool", "initialNodeCount": 1}]
    elif not cluster.get("nodePools"):
        config = copy.deepcopy(cluster.get("nodeConfig") or {})
        cluster["nodePools"] = [
            {"name": "default-pool", "initialNodeCount": cluster["initialNodeCount"], "config": config}
        ]
    address = str(ipaddress.IPv4Address("203.0.113.0") + number % 250)
    _fill_endpoints(cluster, region, address)
    for pool in cluster["nodePools"]:
        fill_pool(pool, cluster)


_DEFAULTS: Json = {
    "addonsConfig": {
        "networkPolicyConfig": {"disabled": True},
        "gcePersistentDiskCsiDriverConfig": {"enabled": True},
        "dnsCacheConfig": {"enabled": True},
    },
    "autopilot": {},
    "autoscaling": {"autoscalingProfile": "BALANCED"},
    "binaryAuthorization": {},
    "databaseEncryption": {"state": "DECRYPTED", "currentState": "CURRENT_STATE_DECRYPTED"},
    "defaultMaxPodsConstraint": {"maxPodsPerNode": "110"},
    "enterpriseConfig": {"clusterTier": "STANDARD"},
    "legacyAbac": {},
    "nodePoolDefaults": {"nodeConfigDefaults": {"loggingConfig": {"variantConfig": {"variant": "DEFAULT"}}}},
    "notificationConfig": {"pubsub": {}},
    "releaseChannel": {"channel": "REGULAR"},
    "securityPostureConfig": {"mode": "BASIC", "vulnerabilityMode": "VULNERABILITY_MODE_UNSPECIFIED"},
    "shieldedNodes": {"enabled": True},
}


def _last(text: t.Any) -> str:
    return str(text or "default").rsplit("/", 1)[-1]


def _fill_endpoints(cluster: Json, region: str, address: str) -> None:
    ends = cluster.setdefault("controlPlaneEndpointsConfig", {})
    dns = ends.setdefault("dnsEndpointConfig", {})
    dns["endpoint"] = f"gke-{cluster['id'][-12:]}-{region}.{region}.gke.goog"
    dns.setdefault("allowExternalTraffic", False)
    ip = ends.setdefault("ipEndpointsConfig", {})
    ip.setdefault("enabled", True)
    ip.setdefault("enablePublicEndpoint", True)
    ip.setdefault("globalAccess", False)
    ip.setdefault("authorizedNetworksConfig", {})
    ip["publicEndpoint"], ip["privateEndpoint"] = address, "10.200.0.2"
    cluster["endpoint"] = address


def fill_pool(pool: Json, cluster: Json) -> None:
    """Add what Google adds to a new node pool."""
    pool["status"] = "PROVISIONING"
    pool["selfLink"] = f"{cluster['selfLink']}/nodePools/{pool['name']}"
    pool["version"] = _VERSION
    pool["etag"] = f"{abs(hash(pool['name'])) % 2**32:08x}"
    pool["podIpv4CidrSize"] = 24
    pool.setdefault("locations", list(cluster["locations"]))
    pool.setdefault("maxPodsConstraint", {"maxPodsPerNode": "110"})
    pool.setdefault("management", {"autoUpgrade": True, "autoRepair": True})
    pool.setdefault("upgradeSettings", {"maxSurge": 1, "strategy": "SURGE"})
    pool.setdefault("autoscaling", {})
    config = pool.setdefault("config", {})
    for field, value in _NODE.items():
        config.setdefault(field, copy.deepcopy(value))


_NODE: Json = {
    "machineType": "e2-medium",
    "diskSizeGb": 100,
    "diskType": "pd-balanced",
    "imageType": "COS_CONTAINERD",
    "metadata": {"disable-legacy-endpoints": "true"},
    "oauthScopes": ["https://www.googleapis.com/auth/devstorage.read_only"],
    "resourceLabels": {"goog-gke-node-pool-provisioning-model": "on-demand"},
    "serviceAccount": "default",
    "shieldedInstanceConfig": {"enableIntegrityMonitoring": True},
    "windowsNodeConfig": {},
}


def shown(cluster: Json) -> Json:
    """The cluster as Google returns it: older fields mirror the newer ones, and false fields are left out."""
    view = copy.deepcopy(cluster)
    ip = (view.get("controlPlaneEndpointsConfig") or {}).get("ipEndpointsConfig")
    if ip:
        view["masterAuthorizedNetworksConfig"] = copy.deepcopy(ip.get("authorizedNetworksConfig") or {})
        private = view.setdefault("privateClusterConfig", {})
        inside, outside = ip.get("privateEndpoint"), ip.get("publicEndpoint")
        open_ = bool(ip.get("enablePublicEndpoint"))
        private |= {
            "enablePrivateNodes": bool((view.get("networkConfig") or {}).get("defaultEnablePrivateNodes")),
            "enablePrivateEndpoint": not open_,
            "masterGlobalAccessConfig": {"enabled": bool(ip.get("globalAccess"))},
            "privateEndpoint": inside,
        }
        if open_:
            private["publicEndpoint"] = outside
        else:
            ip.pop("publicEndpoint", None)
        view["endpoint"] = outside if open_ else inside
    if view.get("nodePools"):
        view["currentNodeCount"] = sum(
            int(p.get("initialNodeCount") or 0) * len(p.get("locations") or [1]) for p in view["nodePools"]
        )
    return t.cast("Json", _without_defaults(view, ""))


def _without_defaults(value: t.Any, name: str) -> t.Any:
    if isinstance(value, list):
        return [_without_defaults(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    kept: Json = {}
    for key, inner in value.items():
        shown = key in _SHOWN or f"{name}.{key}" in _SHOWN
        if inner is None or (inner in (False, 0, "", []) and not isinstance(inner, dict) and not shown):
            continue
        kept[key] = _without_defaults(inner, key)
    return kept
