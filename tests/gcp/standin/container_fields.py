# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which fields of clusters and pools GKE changes in place, by which call, and what it refuses there.

Written after Google's discovery document and pages, not after the tables of the code that is tested.
"""

from __future__ import annotations

import copy
import datetime
import typing as t

from .cloud import Cloud
from .errors import Refused
from .places import region_of

__all__ = [
    "POOL_UPDATES",
    "UPDATES",
    "WRAPPED",
    "check_fields",
    "check_update",
    "maintenance",
    "network_policy",
    "ranges",
]

Json = dict[str, t.Any]

UPDATES: dict[str, tuple[str, ...]] = {
    "desiredAddonsConfig": ("addonsConfig",),
    "desiredAuthenticatorGroupsConfig": ("authenticatorGroupsConfig",),
    "desiredAutopilotWorkloadPolicyConfig": ("autopilot", "workloadPolicyConfig"),
    "desiredBinaryAuthorization": ("binaryAuthorization",),
    "desiredClusterAutoscaling": ("autoscaling",),
    "desiredCostManagementConfig": ("costManagementConfig",),
    "desiredDatabaseEncryption": ("databaseEncryption",),
    "desiredDnsConfig": ("networkConfig", "dnsConfig"),
    "desiredEnableFqdnNetworkPolicy": ("networkConfig", "enableFqdnNetworkPolicy"),
    "desiredGcfsConfig": ("nodePoolDefaults", "nodeConfigDefaults", "gcfsConfig"),
    "desiredIntraNodeVisibilityConfig": ("networkConfig", "enableIntraNodeVisibility"),
    "desiredL4ilbSubsettingConfig": ("networkConfig", "enableL4ilbSubsetting"),
    "desiredLocations": ("locations",),
    "desiredLoggingConfig": ("loggingConfig",),
    "desiredMonitoringConfig": ("monitoringConfig",),
    "desiredNodePoolAutoConfigResourceManagerTags": ("nodePoolAutoConfig", "resourceManagerTags"),
    "desiredNotificationConfig": ("notificationConfig",),
    "desiredSecurityPostureConfig": ("securityPostureConfig",),
    "desiredShieldedNodes": ("shieldedNodes",),
    "desiredStackType": ("ipAllocationPolicy", "stackType"),
    "desiredVerticalPodAutoscaling": ("verticalPodAutoscaling",),
}
"""Where a member of ClusterUpdate is kept in the Cluster."""

WRAPPED = frozenset({"desiredIntraNodeVisibilityConfig", "desiredL4ilbSubsettingConfig"})
"""Messages {enabled} of what is a plain value in the Cluster."""

POOL_UPDATES: dict[str, tuple[str, ...]] = {
    "accelerators": ("config", "accelerators"),
    "diskType": ("config", "diskType"),
    "gcfsConfig": ("config", "gcfsConfig"),
    "gvnic": ("config", "gvnic"),
    "imageType": ("config", "imageType"),
    "kubeletConfig": ("config", "kubeletConfig"),
    "linuxNodeConfig": ("config", "linuxNodeConfig"),
    "locations": ("locations",),
    "resourceManagerTags": ("config", "resourceManagerTags"),
    "upgradeSettings": ("upgradeSettings",),
}
"""Where a member of UpdateNodePoolRequest is kept in the NodePool."""

_LONGEST = datetime.timedelta(days=90)


def check_fields(cluster: Json, project: str, place: str) -> None:
    """Of a new cluster."""
    autopilot = bool((cluster.get("autopilot") or {}).get("enabled"))
    if not autopilot and (cluster.get("autopilot") or {}).get("workloadPolicyConfig"):
        raise Refused(400, "WorkloadPolicyConfig.allow_net_admin is only supported in Autopilot clusters.")
    if autopilot:
        for field in ("networkPolicy", "shieldedNodes", "defaultMaxPodsConstraint"):
            if field in cluster:
                raise Refused(400, f"Overriding Autopilot cluster settings is not allowed: {field}.")
    _check_key((cluster.get("databaseEncryption") or {}).get("keyName"), place)
    _check_policy(cluster)
    _check_exclusions(cluster.get("maintenancePolicy") or {})


def check_update(cluster: Json, field: str, value: t.Any) -> None:
    """Of a change."""
    network = cluster.get("networkConfig") or {}
    if field == "desiredL4ilbSubsettingConfig" and not value.get("enabled") and network.get("enableL4ilbSubsetting"):
        raise Refused(400, "L4 ILB subsetting cannot be disabled once it is enabled.")
    if field == "desiredAutopilotWorkloadPolicyConfig" and not (cluster.get("autopilot") or {}).get("enabled"):
        raise Refused(400, "WorkloadPolicyConfig.allow_net_admin is only supported in Autopilot clusters.")
    if field == "desiredDatabaseEncryption":
        _check_key(value.get("keyName"), cluster["location"])
    off = field == "desiredAddonsConfig" and (value.get("networkPolicyConfig") or {}).get("disabled")
    if off and (cluster.get("networkPolicy") or {}).get("enabled"):
        raise Refused(400, "Network policy addon cannot be disabled while network policy is enabled on the nodes.")
    if field == "desiredLocations" and cluster["location"].count("-") == 2 and cluster["location"] not in value:
        raise Refused(400, f'Cluster locations must include the primary zone "{cluster["location"]}".')


def _check_key(key: str | None, place: str) -> None:
    location = key.split("/")[3] if key else ""
    if location and location != region_of(place):
        raise Refused(400, f'Database encryption key "{key}" must be in location "{region_of(place)}".')


def _check_policy(cluster: Json) -> None:
    if not (cluster.get("networkPolicy") or {}).get("enabled"):
        return
    if (cluster.get("networkConfig") or {}).get("datapathProvider") == "ADVANCED_DATAPATH":
        raise Refused(
            400, "Enabling NetworkPolicy for clusters with DatapathProvider=ADVANCED_DATAPATH is not allowed."
        )
    if ((cluster.get("addonsConfig") or {}).get("networkPolicyConfig") or {}).get("disabled", True):
        raise Refused(400, "Network policy addon must be enabled before network policy can be enabled on the nodes.")


def _check_exclusions(policy: Json) -> None:
    for name, one in ((policy.get("window") or {}).get("maintenanceExclusions") or {}).items():
        start, end = (datetime.datetime.fromisoformat(one[f"{side}Time"]) for side in ("start", "end"))
        scope = (one.get("maintenanceExclusionOptions") or {}).get("scope", "NO_UPGRADES")
        if end <= start or (scope == "NO_UPGRADES" and end - start > _LONGEST):
            raise Refused(400, f'Maintenance exclusion "{name}" has an invalid duration.')


def network_policy(cluster: Json, body: Json) -> t.Callable[[Json], None]:
    """What clusters.setNetworkPolicy does."""
    wanted = dict(body.get("networkPolicy") or {})
    _check_policy({**cluster, "networkPolicy": wanted})
    return lambda found: found.update(networkPolicy=wanted)


def maintenance(cloud: Cloud, cluster: Json, body: Json) -> t.Callable[[Json], None]:
    """What clusters.setMaintenancePolicy does: the policy is replaced whole."""
    wanted = copy.deepcopy(body.get("maintenancePolicy") or {})
    is_so = (cluster.get("maintenancePolicy") or {}).get("resourceVersion", "")
    if wanted.pop("resourceVersion", "") != is_so:
        raise Refused(400, "The maintenance policy has changed: resource_version does not match.")
    _check_exclusions(wanted)
    wanted["resourceVersion"] = f"{next(cloud.count):08x}"
    return lambda found: found.update(maintenancePolicy=wanted)


def ranges(cluster: Json, field: str, value: Json) -> t.Callable[[Json], None]:
    """What ClusterUpdate's additionalPodRangesConfig and removedAdditionalPodRangesConfig do."""
    policy = cluster.get("ipAllocationPolicy") or {}
    there = list((policy.get("additionalPodRangesConfig") or {}).get("podRangeNames") or [])
    names = list(value.get("podRangeNames") or [])
    adding = field == "additionalPodRangesConfig"
    odd = [name for name in names if (name in there) == adding]
    if odd or not names:
        raise Refused(400, f"Additional pod range {odd} is {'already' if adding else 'not'} in the cluster.")
    kept = [*there, *names] if adding else [name for name in there if name not in names]

    def apply(found: Json) -> None:
        found["ipAllocationPolicy"]["additionalPodRangesConfig"] = {"podRangeNames": kept} if kept else {}

    return apply
