# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fields of GKE clusters and node pools, in the order in which they are changed: a further one is one entry.

From each entry follow its variable, its check, its place in a new cluster, its comparison, its call, and its row in
docs/gke-fields.md. Paths and calls are those of Google's discovery document (container v1), Terraform's names those of
its provider's resource_container_cluster_meta.yaml and resource_container_node_pool_meta.yaml. What replaces nodes is
in Google's "Manage cluster lifecycle changes to minimize disruption", nodelocal-dns-cache and network-policy.
"""

from __future__ import annotations

import dataclasses
import typing as t

from . import field_forms as forms
from .field import FLAG, NEGATED, TEXT, TEXTS, WHOLE, Field, Wire, count_text, word, words
from .forms import name

__all__ = ["BY_HAND", "CLUSTER_FIELDS", "POOL_FIELDS", "ByHand"]

_TAGS = Wire("dict", lambda v: {str(k): str(one) for k, one in v.items()}, dict, lambda live: dict(live or {}))
_DNS, _NETWORK = "networkConfig.dnsConfig", "networkConfig."
_POLICY = "setMaintenancePolicy"
_WINDOW = (
    'When Google may change the cluster: `{daily: "03:00"}`, or `{start, end, recurrence}` of the first window, such '
    "as `recurrence: FREQ=WEEKLY;BYDAY=SA`. In UTC; `{}` for any time."
)
_CALICO = "Whether Calico enforces NetworkPolicies, without Dataplane V2, which does so itself."
_RANGES = (
    "Secondary ranges of the subnet for pods of further nodes. They must exist; firewall rules of the fleet allow them."
)
_ACCOUNT = (
    "Service account as which nodes run: its address; or `fleet`, for one that is made for the fleet's nodes in the "
    "project, with the one role that nodes need."
)
_NET_ADMIN = "Whether pods may have the capability NET_ADMIN, which Istio's init container needs (Autopilot)."
_MESH = "true if an istiod that this collection installs has its sidecars there"

CLUSTER_FIELDS: t.Final[tuple[Field, ...]] = (
    Field(
        "node_locations", "locations", "node_locations",
        "Zones of the nodes, all in the cluster's region. Pools with zones of their own keep them.",
        TEXTS, "update desiredLocations", form=forms.zones, autopilot=False,
    ),
    Field(
        "shielded_nodes", "shieldedNodes.enabled", "enable_shielded_nodes",
        "Whether nodes prove to the control plane that they are VMs of Google's.",
        FLAG, "update desiredShieldedNodes", message="shieldedNodes", autopilot=False, recreates=True,
    ),
    Field(
        "database_key", "databaseEncryption", "database_encryption.key_name",
        "Key of Cloud KMS, in the cluster's region, that encrypts Secrets in the cluster's database.",
        Wire(
            "str", str, lambda value: {"state": "ENCRYPTED", "keyName": value},
            lambda live: str((live or {}).get("keyName") or ""),
        ),
        "update desiredDatabaseEncryption", form=forms.key,
    ),
    Field(
        "maintenance_window", "maintenancePolicy.window.recurringWindow", "maintenance_policy.recurring_window",
        _WINDOW,
        forms.RECURRING, _POLICY, message="maintenancePolicy", form=forms.window,
    ),
    Field(
        "maintenance_window", "maintenancePolicy.window.dailyMaintenanceWindow",
        "maintenance_policy.daily_maintenance_window",
        _WINDOW,
        forms.DAILY, _POLICY, message="maintenancePolicy", form=forms.window,
    ),
    Field(
        "maintenance_exclusions", "maintenancePolicy.window.maintenanceExclusions",
        "maintenance_policy.maintenance_exclusion",
        "When it may not: each `{name, start, end, scope}`, with scope `no_upgrades` (at most 90 days), "
        "`no_minor_upgrades` or `no_minor_or_node_upgrades`.",
        forms.EXCLUSIONS, _POLICY, message="maintenancePolicy", form=forms.exclusions,
    ),
    Field(
        "dns", f"{_DNS}.clusterDns", "dns_config.cluster_dns", "What answers DNS in the cluster.",
        word(default="PLATFORM_DEFAULT", kube_dns="KUBE_DNS", cloud_dns="CLOUD_DNS"),
        "update desiredDnsConfig", message=_DNS, autopilot=False,
    ),
    Field(
        "dns_scope", f"{_DNS}.clusterDnsScope", "dns_config.cluster_dns_scope",
        "Who can ask for Cloud DNS' names of the cluster: itself, or its whole VPC.",
        word(cluster="CLUSTER_SCOPE", vpc="VPC_SCOPE"), "update desiredDnsConfig", message=_DNS, autopilot=False,
    ),
    Field(
        "dns_domain", f"{_DNS}.clusterDnsDomain", "dns_config.cluster_dns_domain",
        "Domain of Cloud DNS' names in the VPC; each cluster of it needs its own.",
        TEXT, "update desiredDnsConfig", message=_DNS, autopilot=False,
    ),
    Field(
        "dns_additional_domain", f"{_DNS}.additiveVpcScopeDnsDomain", "dns_config.additive_vpc_scope_dns_domain",
        "Domain in which the VPC finds headless Services, beside the cluster's own domain.",
        TEXT, "update desiredDnsConfig", message=_DNS,
    ),
    Field(
        "gateway_api", f"{_NETWORK}gatewayApiConfig.channel", "gateway_api_config.channel",
        "Which kinds of the Gateway API GKE installs, and serves by its load balancers.",
        word(disabled="CHANNEL_DISABLED", standard="CHANNEL_STANDARD", experimental="CHANNEL_EXPERIMENTAL"),
        "update desiredGatewayApiConfig", message=f"{_NETWORK}gatewayApiConfig",
    ),
    Field(
        "logging", "loggingConfig.componentConfig.enableComponents", "logging_config.enable_components",
        "Whose logs go to Cloud Logging; `[]` for nobody's.",
        words(
            system="SYSTEM_COMPONENTS", workloads="WORKLOADS", apiserver="APISERVER", scheduler="SCHEDULER",
            controller_manager="CONTROLLER_MANAGER", kcp_sshd="KCP_SSHD", kcp_connection="KCP_CONNECTION",
            kcp_hpa="KCP_HPA", kcp_vpa="KCP_VPA",
        ),
        "update desiredLoggingConfig", message="loggingConfig",
    ),
    Field(
        "monitoring", "monitoringConfig.componentConfig.enableComponents", "monitoring_config.enable_components",
        "Whose metrics go to Cloud Monitoring; `[]` for nobody's.",
        words(
            system="SYSTEM_COMPONENTS", apiserver="APISERVER", scheduler="SCHEDULER",
            controller_manager="CONTROLLER_MANAGER", storage="STORAGE", hpa="HPA", pod="POD", daemonset="DAEMONSET",
            deployment="DEPLOYMENT", statefulset="STATEFULSET", cadvisor="CADVISOR", kubelet="KUBELET", dcgm="DCGM",
            jobset="JOBSET",
        ),
        "update desiredMonitoringConfig", message="monitoringConfig",
    ),
    Field(
        "managed_prometheus", "monitoringConfig.managedPrometheusConfig.enabled",
        "monitoring_config.managed_prometheus.enabled",
        "Whether Google collects metrics in Prometheus' form (standard: Autopilot always does).",
        FLAG, "update desiredMonitoringConfig", message="monitoringConfig", autopilot=False,
    ),
    # Google refuses a policy without its add-on, and an add-on that a policy still uses.
    Field(
        "network_policy", "addonsConfig.networkPolicyConfig.disabled",
        "addons_config.network_policy_config.disabled",
        _CALICO,
        NEGATED, "update desiredAddonsConfig.networkPolicyConfig", message="addonsConfig.networkPolicyConfig",
        autopilot=False, when="on",
    ),
    Field(
        "network_policy", "networkPolicy", "network_policy.enabled",
        _CALICO,
        dataclasses.replace(
            FLAG, to=lambda on: {"enabled": True, "provider": "CALICO"} if on else {"enabled": False},
            of=lambda live: bool((live or {}).get("enabled")),
        ),
        "setNetworkPolicy", autopilot=False, recreates=True,
    ),
    Field(
        "network_policy", "addonsConfig.networkPolicyConfig.disabled",
        "addons_config.network_policy_config.disabled",
        _CALICO,
        NEGATED, "update desiredAddonsConfig.networkPolicyConfig", message="addonsConfig.networkPolicyConfig",
        autopilot=False, when="off",
    ),
    Field(
        "cost_allocation", "costManagementConfig.enabled", "cost_management_config.enabled",
        "Whether Cloud Billing shows costs by namespace and label.",
        FLAG, "update desiredCostManagementConfig", message="costManagementConfig",
    ),
    Field(
        "security_posture", "securityPostureConfig.mode", "security_posture_config.mode",
        "Which dashboard of Google's audits workloads.",
        word(disabled="DISABLED", basic="BASIC", enterprise="ENTERPRISE"),
        "update desiredSecurityPostureConfig", message="securityPostureConfig",
    ),
    Field(
        "rbac_group", "authenticatorGroupsConfig", "authenticator_groups_config.security_group",
        "Group `gke-security-groups@<domain>` whose groups RoleBindings may name.",
        forms.GROUP, "update desiredAuthenticatorGroupsConfig", form=forms.group,
    ),
    Field(
        "default_max_pods", "defaultMaxPodsConstraint.maxPodsPerNode", "default_max_pods_per_node",
        "Pods of a node, of pools that say nothing of their own.", count_text(), autopilot=False,
    ),
    Field(
        "additional_pod_ranges", "ipAllocationPolicy.additionalPodRangesConfig.podRangeNames",
        "ip_allocation_policy.additional_pod_ranges_config.pod_range_names",
        _RANGES,
        TEXTS, "update additionalPodRangesConfig", wrap="podRangeNames", form=forms.names, adds=True, late=True,
    ),
    Field(
        "additional_pod_ranges", "ipAllocationPolicy.additionalPodRangesConfig.podRangeNames",
        "ip_allocation_policy.additional_pod_ranges_config.pod_range_names",
        _RANGES,
        TEXTS, "update removedAdditionalPodRangesConfig", wrap="podRangeNames", form=forms.names, drops=True, late=True,
    ),
    Field(
        "stack_type", "ipAllocationPolicy.stackType", "ip_allocation_policy.stack_type",
        "Whether pods and services have IPv6 addresses too. A subnet that the fleet makes gets them "
        "(`gke_ipv6_access`), one of your own must have them; a firewall rule of the fleet allows its range.",
        word(ipv4="IPV4", ipv4_ipv6="IPV4_IPV6"), "update desiredStackType",
    ),
    Field(
        "intranode_visibility", f"{_NETWORK}enableIntraNodeVisibility", "enable_intranode_visibility",
        "Whether the VPC sees calls between pods of one node too.",
        FLAG, "update desiredIntraNodeVisibilityConfig", wrap="enabled", autopilot=False, recreates=True,
    ),
    Field(
        "l4_ilb_subsetting", f"{_NETWORK}enableL4ilbSubsetting", "enable_l4_ilb_subsetting",
        "Whether internal load balancers use some of the nodes, which clusters of more than 250 need. It stays on.",
        FLAG, "update desiredL4ilbSubsettingConfig", wrap="enabled", autopilot=False, once=True,
    ),
    Field(
        "private_endpoint_subnetwork", "controlPlaneEndpointsConfig.ipEndpointsConfig.privateEndpointSubnetwork",
        "private_cluster_config.private_endpoint_subnetwork",
        "Subnet of the private endpoint, by its path; not with `gke_control_plane_cidr`.",
        form=forms.subnetwork, default_text="the nodes' subnet",
    ),
    Field(
        "backup_agent", "addonsConfig.gkeBackupAgentConfig.enabled",
        "addons_config.gke_backup_agent_config.enabled", "Whether Backup for GKE runs its agent.",
        FLAG, "update desiredAddonsConfig.gkeBackupAgentConfig", message="addonsConfig.gkeBackupAgentConfig",
    ),
    Field(
        "node_local_dns", "addonsConfig.dnsCacheConfig.enabled", "addons_config.dns_cache_config.enabled",
        "Whether each node caches DNS (standard: Autopilot always does).",
        FLAG, "update desiredAddonsConfig.dnsCacheConfig", message="addonsConfig.dnsCacheConfig", autopilot=False,
        recreates=True,
    ),
    Field(
        "allow_net_admin", "autopilot.workloadPolicyConfig.allowNetAdmin", "allow_net_admin", _NET_ADMIN,
        FLAG, "update desiredAutopilotWorkloadPolicyConfig", message="autopilot.workloadPolicyConfig",
        standard=False, default_text=_MESH,
    ),
    # Of Autopilot's nodes, which have no pools of ours.
    Field(
        "node_service_account", "autoscaling.autoprovisioningNodePoolDefaults.serviceAccount",
        "cluster_autoscaling.auto_provisioning_defaults.service_account",
        _ACCOUNT, form=forms.account, standard=False,
        default_text="Compute Engine's default account",
    ),
    Field(
        "disk_key", "autoscaling.autoprovisioningNodePoolDefaults.bootDiskKmsKey",
        "cluster_autoscaling.auto_provisioning_defaults.boot_disk_kms_key",
        "Key of Cloud KMS that encrypts the nodes' disks.", form=forms.key, standard=False,
    ),
    Field(
        "network_tags", "nodePoolAutoConfig.networkTags.tags", "node_pool_auto_config.network_tags.tags",
        "Network tags of the nodes, for firewall rules, beside the fleet's own.",
        TEXTS, "update desiredNodePoolAutoConfigNetworkTags", wrap="tags", form=forms.names, adds=True, standard=False,
    ),
    Field(
        "resource_manager_tags", "nodePoolAutoConfig.resourceManagerTags.tags",
        "node_pool_auto_config.resource_manager_tags",
        "Tags of the nodes for firewall policies, by number: `{tagKeys/1: tagValues/2}`.",
        _TAGS, "update desiredNodePoolAutoConfigResourceManagerTags",
        message="nodePoolAutoConfig.resourceManagerTags", form=forms.tags, standard=False,
    ),
)  # fmt: skip
"""Of a cluster."""

POOL_FIELDS: t.Final[tuple[Field, ...]] = (
    Field(
        "node_service_account", "config.serviceAccount", "node_config.service_account",
        _ACCOUNT, form=forms.account, default_text="Compute Engine's default account",
    ),
    Field(
        "secure_boot", "config.shieldedInstanceConfig.enableSecureBoot",
        "node_config.shielded_instance_config.enable_secure_boot",
        "Whether nodes boot only signed software.", FLAG, new=True,
    ),
    Field(
        "integrity_monitoring", "config.shieldedInstanceConfig.enableIntegrityMonitoring",
        "node_config.shielded_instance_config.enable_integrity_monitoring",
        "Whether Google compares what nodes boot with what they booted before.", FLAG, new=True,
    ),
    Field(
        "disk_type", "config.diskType", "node_config.disk_type",
        "Type of the nodes' disks, such as `pd-balanced`, `pd-ssd`, `hyperdisk-balanced`.",
        TEXT, "nodePools.update diskType", form=name, recreates=True,
    ),
    Field(
        "disk_key", "config.bootDiskKmsKey", "node_config.boot_disk_kms_key",
        "Key of Cloud KMS that encrypts the nodes' disks.", form=forms.key,
    ),
    Field(
        "image_type", "config.imageType", "node_config.image_type", "Image of the nodes.",
        word(
            cos_containerd="COS_CONTAINERD", ubuntu_containerd="UBUNTU_CONTAINERD",
        ),
        "nodePools.update imageType", recreates=True,
    ),
    Field(
        "locations", "locations", "node_locations", "Zones of the pool's nodes.",
        TEXTS, "nodePools.update locations", form=forms.zones, alone=True,
        default_text="those of the cluster",
    ),
    Field(
        "upgrade", "upgradeSettings", "upgrade_settings",
        "How nodes are replaced: `{max_surge: 1, max_unavailable: 0}`; or `{strategy: blue_green}`, with "
        "`batch_node_count` or `batch_percentage`, `batch_soak` and `pool_soak`, such as `600s`.",
        forms.UPGRADE, "nodePools.update upgradeSettings", form=forms.upgrade,
    ),
    Field(
        "network_tags", "config.tags", "node_config.tags",
        "Network tags of the nodes, for firewall rules, beside the fleet's own.",
        TEXTS, "nodePools.update tags", wrap="tags", form=forms.names, adds=True,
    ),
    Field(
        "resource_manager_tags", "config.resourceManagerTags.tags", "node_config.resource_manager_tags",
        "Tags of the nodes for firewall policies, by number: `{tagKeys/1: tagValues/2}`.",
        _TAGS, "nodePools.update resourceManagerTags", message="config.resourceManagerTags", form=forms.tags,
    ),
    Field("max_pods", "maxPodsConstraint.maxPodsPerNode", "max_pods_per_node", "Pods of a node.", count_text()),
    Field(
        "pod_range", "networkConfig.podRange", "network_config.pod_range",
        "Secondary range of the pool's pods.", form=name, alone=True, default_text="that of the cluster",
    ),
    Field(
        "image_streaming", "config.gcfsConfig.enabled", "node_config.gcfs_config.enabled",
        "Whether containers start while their image is still being read.",
        FLAG, "nodePools.update gcfsConfig", message="config.gcfsConfig", recreates=True,
    ),
    Field(
        "gvnic", "config.gvnic.enabled", "node_config.gvnic.enabled",
        "Whether nodes have Google's virtual network interface.",
        FLAG, "nodePools.update gvnic", message="config.gvnic", recreates=True,
    ),
    Field(
        "local_ssds", "config.ephemeralStorageLocalSsdConfig.localSsdCount",
        "node_config.ephemeral_storage_local_ssd_config.local_ssd_count",
        "Local SSDs of a node that hold what pods store for a while.", WHOLE,
    ),
    Field(
        "raw_local_ssds", "config.localNvmeSsdBlockConfig.localSsdCount",
        "node_config.local_nvme_ssd_block_config.local_ssd_count", "Local SSDs of a node as raw devices.", WHOLE,
    ),
    Field(
        "gpus", "config.accelerators", "node_config.guest_accelerator",
        "GPUs of a node: `{type: nvidia-l4, count: 1}`, with `driver` (`default`, `latest`, `none`), `partition`, "
        "`sharing` (`time_sharing`, `mps`) and `shared_by`.",
        forms.GPUS, "nodePools.update accelerators", form=forms.gpus, recreates=True,
    ),
    Field(
        "reservation", "config.reservationAffinity", "node_config.reservation_affinity",
        "Reservation of VMs that nodes use: `any`, `none`, a name, or `projects/<project>/reservations/<name>`.",
        forms.RESERVATION, form=forms.reservation,
    ),
)  # fmt: skip
"""Of a node pool of a standard cluster."""


class ByHand(t.NamedTuple):
    """A field that is not one entry above, because more than one value or object decides about it."""

    name: str
    """Its variable."""
    path: str
    terraform: str
    in_place: str
    """As in docs/gke-fields.md."""


_NO = "a new cluster"
BY_HAND: t.Final[tuple[ByHand, ...]] = (
    ByHand("gke_mode", "autopilot.enabled", "enable_autopilot", _NO),
    ByHand("gke_network", "network", "network", _NO),
    ByHand("gke_subnetwork", "subnetwork", "subnetwork", _NO),
    ByHand("cluster_pod_cidr", "ipAllocationPolicy.clusterSecondaryRangeName",
           "ip_allocation_policy.cluster_secondary_range_name", _NO),
    ByHand("cluster_service_cidr", "ipAllocationPolicy.servicesSecondaryRangeName",
           "ip_allocation_policy.services_secondary_range_name", _NO),
    ByHand("gke_control_plane_cidr", "privateClusterConfig.masterIpv4CidrBlock",
           "private_cluster_config.master_ipv4_cidr_block", _NO),
    ByHand("gke_dataplane_v2", "networkConfig.datapathProvider", "datapath_provider", _NO),
    ByHand("gke_private_nodes", "networkConfig.defaultEnablePrivateNodes",
           "private_cluster_config.enable_private_nodes", "new nodes"),
    ByHand("gke_endpoint", "controlPlaneEndpointsConfig", "control_plane_endpoints_config", "yes"),
    ByHand("gke_authorized_networks", "controlPlaneEndpointsConfig.ipEndpointsConfig.authorizedNetworksConfig",
           "master_authorized_networks_config.cidr_blocks", "yes"),
    ByHand("gke_release_channel", "releaseChannel.channel", "release_channel.channel", "yes"),
    ByHand("gke_labels", "resourceLabels", "resource_labels", "yes"),
    ByHand("gke_deletion_protection", "", "deletion_protection", "yes"),
    ByHand("gke_machine_type", "nodePools.config.machineType", "node_config.machine_type", "new nodes"),
    ByHand("gke_disk_size", "nodePools.config.diskSizeGb", "node_config.disk_size_gb", "new nodes"),
    ByHand("gke_spot", "nodePools.config.spot", "node_config.spot", "a new pool"),
    ByHand("gke_node_labels", "nodePools.config.labels", "node_config.labels", "yes"),
    ByHand("taints", "nodePools.config.taints", "node_config.taint", "yes"),
    ByHand("gke_node_count", "nodePools.initialNodeCount", "initial_node_count, autoscaling.min_node_count", "yes"),
    ByHand("gke_node_count_max", "nodePools.autoscaling.maxNodeCount", "autoscaling.max_node_count", "yes"),
    ByHand("gke_node_total_min", "nodePools.autoscaling.totalMinNodeCount", "autoscaling.total_min_node_count", "yes"),
    ByHand("gke_node_total_max", "nodePools.autoscaling.totalMaxNodeCount", "autoscaling.total_max_node_count", "yes"),
)  # fmt: skip
