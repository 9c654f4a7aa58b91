# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables ``gke_*``: clusters in Google Cloud, and their fleet."""

from __future__ import annotations

from ...inventory import values
from ...inventory.cluster_variables import CLUSTERS, CONNECTION
from ...inventory.mesh_variables import MESH
from ...inventory.variable import CLUSTER, FLEET, Fault, Reader, Variable
from . import forms
from .fields import CLUSTER_FIELDS, POOL_FIELDS
from .login_variables import LOGIN

__all__ = ["FIELDS", "GKE", "OF_POOLS", "PROJECT_VARIABLE", "WRITTEN", "text"]

PROJECT_VARIABLE = "GCP_PROJECT"
"""The environment variable that names the project of clusters without ``gke_project``, as for google.cloud."""

OF_POOLS = (
    "gke_machine_type",
    "gke_node_count",
    "gke_node_count_max",
    "gke_node_total_min",
    "gke_node_total_max",
    "gke_node_location_policy",
    "gke_disk_size",
    "gke_spot",
    "gke_node_labels",
    "gke_node_pools",
    "gke_pool_fields",
    "gke_recreate_nodes",
)
"""Variables about node pools, which Autopilot has not, beside those of POOL_FIELDS."""

WRITTEN = (
    "gke_cluster_fields",
    "gke_pool_fields",
    "gke_recreate_nodes",
    "gke_deletion_protection",
    "gke_node_total_min",
    "gke_node_total_max",
    "gke_node_location_policy",
)
"""Variables whose options of role gke_cluster are written as those of FIELDS are."""

FIELDS = tuple({field.name: field.variable for field in (*CLUSTER_FIELDS, *POOL_FIELDS) if not field.alone}.values())
"""Variables of the tables of fields."""

GKE = (
    Variable(
        "gke_project",
        CLUSTER,
        "ID of the cluster's Google Cloud project.",
        default_text="the environment variable `GCP_PROJECT`",
        environment=PROJECT_VARIABLE,
        form=forms.project,
    ),
    Variable(
        "gke_name",
        CLUSTER,
        "The cluster's name in Google Cloud.",
        default_text="its name in the inventory",
        form=forms.cluster_name,
    ),
    Variable(
        "gke_endpoint",
        CLUSTER,
        "Which endpoint of the API server the controller uses: `public`, `private` (from the VPC, or a network with a "
        "route to it), or `dns` (from anywhere, for accounts with `container.clusters.connect`; role gke_cluster then "
        "enables it and disables the public one).",
        default="public",
        choices=("public", "private", "dns"),
    ),
    Variable(
        "gke_peer_endpoint",
        CLUSTER,
        "Which endpoint of the API server the other clusters' istiods use; not the DNS endpoint, which requires a "
        "token of Google's. `cluster_peer_endpoint` has precedence.",
        default_text="`private` if all clusters that watch it are in its VPC, and in its region or its private "
        "endpoint accepts all regions, or if it has no other endpoint; else `public`",
        choices=("public", "private"),
        no_choices={
            "dns": Fault(
                "cannot be used by istiods",
                "public or private: an istiod has a token of the cluster it watches, and Google asks for its own there",
            )
        },
    ),
    Variable(
        "gke_authorized_networks",
        CLUSTER,
        "IPv4 ranges that may reach the API server, in addition to those of its peers, which are computed. Include the "
        "controller's.",
        default_text="none: a public endpoint accepts connections from everywhere, a private one from peers only",
        type="list",
        form=values.cidrs,
    ),
    Variable(
        "gke_mode",
        CLUSTER,
        "`standard`, or `autopilot` (regional: without `cluster_zone`).",
        default="standard",
        choices=("standard", "autopilot"),
    ),
    Variable(
        "gke_release_channel",
        CLUSTER,
        "GKE's release channel.",
        default="regular",
        choices=("rapid", "regular", "stable", "extended"),
    ),
    Variable(
        "gke_network",
        CLUSTER,
        "VPC of the cluster; made if it does not exist.",
        default_text="`mesh-<fleet_name>`",
        form=forms.name,
    ),
    Variable(
        "gke_network_project",
        CLUSTER,
        "Project of the VPC: the host project, if it is a Shared VPC.",
        default_text="the value of `gke_project`",
        means="gke_project",
        form=forms.project,
    ),
    Variable(
        "gke_network_roles",
        FLEET,
        "Roles that GKE's accounts of service projects need in the host project of a Shared VPC: `checked` before "
        "anything is made; `granted` where they are missing, and revoked when the network is removed; or `trusted` to "
        "exist, with those of Google's controllers, in a form that the project's policy does not show (a folder's "
        "policy, a group, a custom role).",
        default="checked",
        choices=("checked", "granted", "trusted"),
    ),
    Variable(
        "gke_pod_range_name",
        CLUSTER,
        "Name of the subnet's secondary range for pods.",
        default="pods",
        form=forms.name,
    ),
    Variable(
        "gke_service_range_name",
        CLUSTER,
        "Name of the subnet's secondary range for services.",
        default="services",
        form=forms.name,
    ),
    Variable(
        "gke_subnetwork",
        CLUSTER,
        "Subnet of the nodes, with secondary ranges for pods and services; made if it does not exist.",
        default_text="`<gke_network>-<cluster>`",
        form=forms.name,
    ),
    Variable(
        "gke_ipv6_access",
        CLUSTER,
        "Which IPv6 addresses the subnet gets that is made for `gke_stack_type: ipv4_ipv6`: `internal` are of the VPC "
        "alone, `external` are public ones. It cannot be changed later.",
        default="internal",
        choices=("internal", "external"),
    ),
    Variable(
        "gke_node_range",
        FLEET,
        "IPv4 range from which each cluster gets a /22 for its nodes.",
        default="10.128.0.0/14",
        form=values.cidr,
    ),
    Variable(
        "gke_node_cidr",
        CLUSTER,
        "IPv4 range of the nodes.",
        default_text="a /22 of `gke_node_range`",
        form=values.cidr,
    ),
    Variable(
        "gke_control_plane_cidr",
        CLUSTER,
        "A /28 for the control plane, if Google must not use an address of the subnet.",
        default_text="chosen by Google",
        form=values.cidr,
    ),
    Variable(
        "gke_private_nodes",
        CLUSTER,
        "Whether nodes have no public addresses and reach the internet through Cloud NAT.",
        default_text="true",
        type="bool",
    ),
    Variable(
        "gke_dataplane_v2",
        CLUSTER,
        "Whether to use GKE Dataplane V2.",
        default_text="true",
        type="bool",
    ),
    Variable(
        "gke_labels",
        CLUSTER,
        "Further resource labels of the cluster.",
        type="dict",
        form=forms.resource_labels,
    ),
    Variable(
        "gke_machine_type",
        CLUSTER,
        "Machine type of the nodes (standard).",
        default="e2-standard-4",
        form=forms.name,
    ),
    Variable(
        "gke_node_count",
        CLUSTER,
        "Nodes in each zone (standard).",
        default_text="1",
        type="int",
    ),
    Variable(
        "gke_node_count_max",
        CLUSTER,
        "Maximum number of nodes in each zone, with autoscaling; 0 means no autoscaling.",
        default_text="0",
        type="int",
    ),
    Variable(
        "gke_node_total_min",
        CLUSTER,
        "Minimum number of nodes in all zones, with `gke_node_total_max`.",
        default_text="0",
        type="int",
    ),
    Variable(
        "gke_node_total_max",
        CLUSTER,
        "Maximum number of nodes in all zones, with autoscaling; instead of `gke_node_count_max`.",
        default_text="0",
        type="int",
    ),
    Variable(
        "gke_node_location_policy",
        CLUSTER,
        "How autoscaling chooses zones: `balanced`, or `any` where there is room.",
        default_text="Google's",
        choices=("balanced", "any"),
    ),
    Variable(
        "gke_disk_size",
        CLUSTER,
        "Size of each node's disk in GB: at least 12, or 15 from 1.36.3-gke.1480000.",
        default_text="100",
        type="int",
    ),
    Variable(
        "gke_spot",
        CLUSTER,
        "Whether the nodes are spot VMs, which cost less and may end at any time.",
        default_text="false",
        type="bool",
    ),
    Variable(
        "gke_node_labels",
        CLUSTER,
        "Kubernetes labels of the nodes.",
        type="dict",
        form=values.labels,
    ),
    Variable(
        "gke_node_pools",
        CLUSTER,
        "Node pools (standard): `{name: edge, machine_type: c3-standard-4, taints: [{key: edge, value: only}]}`. Each "
        "may also have each key of docs/gke-fields.md; a missing key has the value of `gke_<key>`.",
        default_text="one, `nodes`, of the variables of pools",
        type="list",
    ),
    *FIELDS,
    Variable(
        "gke_cluster_fields",
        CLUSTER,
        "Further fields, as Google's Cluster has them: `{verticalPodAutoscaling: {enabled: true}}`. Google's own "
        "document says which there are.",
        type="dict",
    ),
    Variable(
        "gke_pool_fields",
        CLUSTER,
        "Further fields of each pool, as Google's NodePool has them: `{config: {minCpuPlatform: Intel Ice Lake}}`.",
        type="dict",
    ),
    Variable(
        "gke_recreate_nodes",
        CLUSTER,
        "Whether a change may replace the nodes of a pool, or of all pools, one after another. Only where each pool "
        "makes new nodes before it takes old ones away (`gke_upgrade`). And whether the nodes of a zone may end "
        "that the cluster, or a pool, leaves.",
        default_text="false",
        type="bool",
    ),
    Variable(
        "gke_deletion_protection",
        CLUSTER,
        "Whether no run deletes the cluster, whatever `gke_cluster_delete` says.",
        default_text="false",
        type="bool",
    ),
    Variable(
        "gke_adopt",
        CLUSTER,
        "Whether to adopt a cluster of this name that this inventory did not make: it is then changed as the inventory "
        "describes, but never deleted.",
        default_text="false",
        type="bool",
    ),
    Variable(
        "gke_fleet_project",
        FLEET,
        "Project that hosts the Google fleet.",
        default_text="the value of `gke_project`",
        means="gke_project",
        of_provider=True,
        form=forms.project,
    ),
    Variable(
        "gke_membership",
        CLUSTER,
        "Name of the cluster's membership in the Google fleet.",
        default_text="its name in Google Cloud",
        form=values.label,
    ),
    Variable(
        "gke_membership_location",
        CLUSTER,
        "Location of that membership.",
        default_text="the value of `cluster_region`",
        means="cluster_region",
        form=values.locality,
    ),
    Variable(
        "gke_enable_apis",
        FLEET,
        "Whether to enable required APIs of the Google Cloud project; otherwise the run fails and names the disabled "
        "ones.",
        type="bool",
        default=False,
    ),
    Variable(
        "gke_settle_timeout",
        FLEET,
        "How many seconds a run waits at most for what takes time to hold at Google: an API that was just enabled, a "
        "role that was just granted, an account that Google just made.",
        default=300,
        type="int",
    ),
    Variable(
        "gke_config_cluster",
        FLEET,
        "Name of the config cluster, from which Google reads multi-cluster ingress.",
        default_text="the first GKE cluster",
    ),
)

text = Reader.of(*MESH, *CLUSTERS, *CONNECTION, *GKE, *LOGIN).text
"""A value of a GKE cluster as text, with its default; "" when it has neither."""
