# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every ``mesh_*``, ``cluster_*`` and ``fleet_*`` variable that an inventory may hold.

The one place for their names, types and defaults: ``fleet.py`` takes its defaults from here,
``checks.py`` its rules, and ``docs/variables.md`` is made from it.
"""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = [
    "CLUSTER",
    "FAULTY",
    "FLEET",
    "OF_ROLES",
    "PREFIXES",
    "PROVIDERS",
    "VARIABLES",
    "Variable",
    "text",
    "value",
]

FLEET = "fleet"
"""Scope of a variable that must be equal on every cluster of the fleet."""
CLUSTER = "cluster"
"""Scope of a variable that each cluster may set for itself."""

FAULTY = "?"
"""Stands, within the checks, for a value that was given and is wrong."""

PREFIXES = ("mesh_", "cluster_", "fleet_", "gke_")
"""Variables that belong to this collection's model."""
OF_ROLES = frozenset(
    {
        "gke_cluster_delete",
        "gke_cluster_interval",
        "gke_cluster_timeout",
        "gke_fleet_apis",
        "gke_fleet_bindings",
        "gke_fleet_features",
        "gke_fleet_mesh_timeout",
        "gke_fleet_revoke",
        "gke_fleet_timeout",
    }
)
"""Variables of roles that begin like ours; the roles' own specifications check their values."""

PROVIDERS = ("kind", "gke", "kubeconfig")
_OWN = ("kubeconfig", "gke")
_GKE = ("gke",)


@dataclasses.dataclass(frozen=True)
class Variable:
    """What is known of one variable.

    Args:
        name: its name.
        scope: FLEET or CLUSTER.
        description: what it means, for a person.
        type: str, list, dict, bool or int, as Ansible names them.
        default: what a missing, null or empty value means; None where there is no default.
        default_text: the default in words, where it is computed.
        choices: the only values allowed; empty for any.
        form: the rule of checks.py that a value must keep; "" for none.
        providers: the providers whose clusters may set it; empty for all.
        secret: its value must never be shown.
    """

    name: str
    scope: str
    description: str
    type: str = "str"
    default: t.Any = None
    default_text: str = ""
    choices: tuple[str, ...] = ()
    form: str = ""
    providers: tuple[str, ...] = ()
    secret: bool = False


_ALL = (
    Variable(
        "fleet_name",
        FLEET,
        "Name of the fleet. State, containers and networks carry it, so two fleets stand side by side.",
        default="local",
        form="label",
    ),
    Variable(
        "fleet_dir",
        FLEET,
        "Folder on the controller under which each fleet keeps its kubeconfigs and state.",
        default_text="`$XDG_STATE_HOME/mesh.fleet`, or `~/.local/state/mesh.fleet`",
        form="path",
    ),
    Variable(
        "fleet_pod_range",
        FLEET,
        "IPv4 range from which each cluster that we make is given a /16 for its pods.",
        default="10.16.0.0/12",
        form="cidr",
    ),
    Variable(
        "fleet_service_range",
        FLEET,
        "IPv4 range from which each cluster that we make is given a /16 for its services.",
        default="10.112.0.0/12",
        form="cidr",
    ),
    Variable(
        "fleet_engine_network",
        FLEET,
        "IPv4 range of the container network that the nodes of local clusters share. "
        "Pod and service ranges are kept out of it.",
        default_text="a free /22 of 10.90.0.0/16",
        form="cidr",
    ),
    Variable("mesh_id", FLEET, "Istio's mesh ID.", default_text="the value of `fleet_name`", form="label"),
    Variable(
        "mesh_trust_domain",
        FLEET,
        "SPIFFE trust domain: the first part of every workload's identity. Where Google runs the control plane it is "
        "`<gke_fleet_project>.svc.id.goog`, whatever stands here.",
        default="cluster.local",
        form="dns",
    ),
    Variable(
        "mesh_istio_version",
        FLEET,
        "Istio version of the control planes and gateways, x.y.z. Where Google runs the control plane, Google chooses.",
        default="1.31.1",
        form="version",
    ),
    Variable("mesh_revision", FLEET, "Istio revision of our control planes.", default="default", form="label"),
    Variable("mesh_namespace", FLEET, "Namespace of our control planes.", default="istio-system", form="label"),
    Variable(
        "mesh_hub",
        FLEET,
        "Registry and path of Istio's images, without scheme.",
        default_text="where the artifacts come from",
        form="hub",
    ),
    Variable("mesh_tag", FLEET, "Tag of Istio's images.", default_text="the value of `mesh_istio_version`", form="tag"),
    Variable(
        "mesh_network",
        CLUSTER,
        "Clusters whose pods reach each other directly share a network. `flat`: all of them; "
        "`per_cluster`: each has its own; any other word names one. Between networks traffic crosses gateways. "
        "Clusters whose control plane Google runs share one.",
        default="flat",
        form="network",
    ),
    Variable(
        "mesh_role",
        CLUSTER,
        "A `primary` runs its own istiod; a `remote` is served by that of its `mesh_primary`.",
        default="primary",
        choices=("primary", "remote"),
    ),
    Variable(
        "mesh_primary",
        CLUSTER,
        "The primary that serves a remote.",
        default_text="none; a remote needs one",
    ),
    Variable(
        "mesh_control_plane",
        CLUSTER,
        "`istiod`: we install it; `managed`: Google runs it (Cloud Service Mesh, on GKE).",
        default="istiod",
        choices=("istiod", "managed"),
    ),
    Variable(
        "mesh_peers",
        CLUSTER,
        "Names of the clusters that a primary watches (and calls). Where Google runs the control plane: all others of "
        "that kind, or `[]` for none.",
        type="list",
        default_text="every other cluster",
    ),
    Variable(
        "mesh_exports",
        FLEET,
        "Services that other clusters may call: `{service: name.namespace, to: all}`. "
        "`to` may also be a list of clusters.",
        type="list",
        default=(),
    ),
    Variable(
        "mesh_traffic",
        FLEET,
        "How services are reached across clusters: one policy per service. Known, and reserved for the traffic stage.",
        type="list",
        default=(),
    ),
    Variable(
        "cluster_provider",
        CLUSTER,
        "Where the cluster comes from: `kind` (made on this machine), `gke` (made in Google Cloud), "
        "`kubeconfig` (it exists already).",
        default="kind",
        choices=PROVIDERS,
    ),
    Variable(
        "cluster_region",
        CLUSTER,
        "Region, for locality: `us-west1`. Needed for every cluster.",
        form="locality",
    ),
    Variable(
        "cluster_zone",
        CLUSTER,
        "Zone within the region: `us-west1-a`. On GKE, a cluster without one is regional.",
        form="locality",
    ),
    Variable(
        "cluster_pod_cidr",
        CLUSTER,
        "IPv4 range of the pods. Tell it for existing clusters too, so that overlaps are found.",
        default_text="kind: a /16 of `fleet_pod_range`; else unknown",
        form="cidr",
    ),
    Variable(
        "cluster_service_cidr",
        CLUSTER,
        "IPv4 range of the services. Tell it for existing clusters too.",
        default_text="kind: a /16 of `fleet_service_range`; else unknown",
        form="cidr",
    ),
    Variable(
        "cluster_kubeconfig",
        CLUSTER,
        "Kubeconfig file on the controller that leads to the cluster.",
        form="path",
        providers=_OWN,
    ),
    Variable(
        "cluster_context",
        CLUSTER,
        "Context of that kubeconfig.",
        default_text="its current context",
        providers=_OWN,
    ),
    Variable(
        "cluster_api_url",
        CLUSTER,
        "Address of the API server, `https://host[:port]`, instead of a kubeconfig; "
        "needs `cluster_api_token` and `cluster_api_ca`.",
        form="https",
        providers=_OWN,
    ),
    Variable("cluster_api_token", CLUSTER, "Bearer token for `cluster_api_url`.", providers=_OWN, secret=True),
    Variable(
        "cluster_api_ca",
        CLUSTER,
        "CA certificate (PEM text) of `cluster_api_url`.",
        form="pem",
        providers=_OWN,
    ),
    Variable(
        "cluster_peer_endpoint",
        CLUSTER,
        "Address of the API server for the other clusters' istiods, `https://host[:port]`; never loopback.",
        default_text="that of the cluster's own connection",
        form="https",
    ),
    Variable(
        "cluster_egress",
        CLUSTER,
        "IPv4 ranges from which its pods come to addresses outside their network. GKE clusters with authorized "
        "networks that it watches let them through; `[]` for nothing to add.",
        default_text="the Cloud NAT of private nodes that we make; a cluster elsewhere must tell where that is needed",
        type="list",
        form="cidrs",
    ),
    Variable(
        "cluster_labels",
        CLUSTER,
        "Labels that select clusters in policies.",
        type="dict",
        default={},
        form="labels",
    ),
    Variable(
        "gke_project",
        CLUSTER,
        "Google Cloud project of the cluster: its ID.",
        default_text="the environment variable `GCP_PROJECT`",
        form="project",
        providers=_GKE,
    ),
    Variable(
        "gke_name",
        CLUSTER,
        "The cluster's name in Google Cloud.",
        default_text="its name in the inventory",
        form="google_cluster",
        providers=_GKE,
    ),
    Variable(
        "gke_endpoint",
        CLUSTER,
        "Which address of the API server the controller uses: `public`, `private` (the controller is in the VPC, or "
        "reaches it), or `dns` (from anywhere, by IAM; it must be switched on).",
        default="public",
        choices=("public", "private", "dns"),
        providers=_GKE,
    ),
    Variable(
        "gke_peer_endpoint",
        CLUSTER,
        "Which address of the API server the other clusters' istiods use. `cluster_peer_endpoint` wins.",
        default_text="`private` where all that watch it are in its VPC, and in its region or let in from all regions, "
        "or there is no other; else `public`",
        choices=("public", "private"),
        providers=_GKE,
    ),
    Variable(
        "gke_authorized_networks",
        CLUSTER,
        "IPv4 ranges that may reach the API server, beside those of its peers, which are computed. Name the "
        "controller's.",
        default_text="everybody may reach a public endpoint; peers alone a private one",
        type="list",
        form="cidrs",
        providers=_GKE,
    ),
    Variable(
        "gke_mode",
        CLUSTER,
        "`standard`, or `autopilot` (regional: without `cluster_zone`).",
        default="standard",
        choices=("standard", "autopilot"),
        providers=_GKE,
    ),
    Variable(
        "gke_release_channel",
        CLUSTER,
        "GKE's release channel.",
        default="regular",
        choices=("rapid", "regular", "stable", "extended"),
        providers=_GKE,
    ),
    Variable(
        "gke_network",
        CLUSTER,
        "VPC of the cluster, in its project; made where it is not there.",
        default_text="`mesh-<fleet_name>`",
        form="google_name",
        providers=_GKE,
    ),
    Variable(
        "gke_subnetwork",
        CLUSTER,
        "Subnet of the nodes, with secondary ranges `pods` and `services`; made where it is not there.",
        default_text="`<gke_network>-<cluster>`",
        form="google_name",
        providers=_GKE,
    ),
    Variable(
        "gke_node_range",
        FLEET,
        "IPv4 range from which each cluster is given a /22 for its nodes.",
        default="10.128.0.0/14",
        form="cidr",
    ),
    Variable(
        "gke_node_cidr",
        CLUSTER,
        "IPv4 range of the nodes.",
        default_text="a /22 of `gke_node_range`",
        form="cidr",
        providers=_GKE,
    ),
    Variable(
        "gke_control_plane_cidr",
        CLUSTER,
        "A /28 for the control plane, where Google shall not take an address of the subnet.",
        default_text="chosen by Google",
        form="cidr",
        providers=_GKE,
    ),
    Variable(
        "gke_private_nodes",
        CLUSTER,
        "Nodes without public addresses; Cloud NAT lets them out.",
        default_text="true",
        type="bool",
        providers=_GKE,
    ),
    Variable(
        "gke_dataplane_v2",
        CLUSTER,
        "GKE Dataplane V2.",
        default_text="true",
        type="bool",
        providers=_GKE,
    ),
    Variable(
        "gke_labels",
        CLUSTER,
        "Resource labels, beside those by which we know our own.",
        type="dict",
        form="google_labels",
        providers=_GKE,
    ),
    Variable(
        "gke_machine_type",
        CLUSTER,
        "Machine type of the nodes (standard).",
        default="e2-standard-4",
        form="google_name",
        providers=_GKE,
    ),
    Variable(
        "gke_node_count",
        CLUSTER,
        "Nodes in each zone (standard).",
        default_text="1",
        type="int",
        providers=_GKE,
    ),
    Variable(
        "gke_node_count_max",
        CLUSTER,
        "With autoscaling, the most nodes in each zone; 0 for none.",
        default_text="0",
        type="int",
        providers=_GKE,
    ),
    Variable(
        "gke_disk_size",
        CLUSTER,
        "GB of each node's disk.",
        default_text="100",
        type="int",
        providers=_GKE,
    ),
    Variable(
        "gke_spot",
        CLUSTER,
        "Spot nodes: cheaper, and taken away at any time.",
        default_text="false",
        type="bool",
        providers=_GKE,
    ),
    Variable(
        "gke_node_labels",
        CLUSTER,
        "Kubernetes labels of the nodes.",
        type="dict",
        form="labels",
        providers=_GKE,
    ),
    Variable(
        "gke_node_pools",
        CLUSTER,
        "Node pools (standard): `{name: edge, machine_type: c3-standard-4, taints: [{key: edge, value: only}]}`. Each "
        "may also hold `node_count`, `node_count_max`, `disk_size`, `spot` and `node_labels`; what it leaves out is "
        "`gke_<key>`.",
        default_text="one, `nodes`, of the variables above",
        type="list",
        providers=_GKE,
    ),
    Variable(
        "gke_adopt",
        CLUSTER,
        "Take a cluster of this name that this inventory did not make: what the inventory says of it is changed then, "
        "and it is never deleted.",
        default_text="false",
        type="bool",
        providers=_GKE,
    ),
    Variable(
        "gke_fleet_project",
        FLEET,
        "Project that hosts the Google fleet.",
        default_text="the value of `gke_project`",
        form="project",
    ),
    Variable(
        "gke_membership",
        CLUSTER,
        "Name of its membership in the Google fleet.",
        default_text="its name in Google Cloud",
        form="label",
        providers=_GKE,
    ),
    Variable(
        "gke_membership_location",
        CLUSTER,
        "Location of its membership.",
        default_text="the value of `cluster_region`",
        form="locality",
        providers=_GKE,
    ),
    Variable(
        "gke_enable_apis",
        FLEET,
        "Whether APIs of the Google Cloud project that are off may be switched on; else the run names them and stops.",
        type="bool",
        default=False,
    ),
    Variable(
        "gke_config_cluster",
        FLEET,
        "Name of the cluster in which Google reads multi-cluster ingress.",
        default_text="the first GKE cluster",
    ),
    Variable(
        "gke_auth_kind",
        CLUSTER,
        "Who we are to Google, as in google.cloud: `application` (default credentials), `serviceaccount`, "
        "`machineaccount`, `accesstoken`.",
        default_text="`GCP_AUTH_KIND`; else what is given decides, and without anything `application`",
        choices=("application", "serviceaccount", "machineaccount", "accesstoken"),
        providers=_GKE,
    ),
    Variable(
        "gke_service_account_file",
        CLUSTER,
        "Key file (JSON) of a service account.",
        default_text="`GCP_SERVICE_ACCOUNT_FILE`",
        form="path",
        providers=_GKE,
    ),
    Variable(
        "gke_service_account_contents",
        CLUSTER,
        "The text of such a key.",
        default_text="`GCP_SERVICE_ACCOUNT_CONTENTS`",
        providers=_GKE,
        secret=True,
    ),
    Variable(
        "gke_service_account_email",
        CLUSTER,
        "Service account of the machine, for `machineaccount`.",
        default_text="`GCP_SERVICE_ACCOUNT_EMAIL`, or the machine's default",
        providers=_GKE,
    ),
    Variable(
        "gke_access_token",
        CLUSTER,
        "OAuth access token. Good for an hour at most, so for short runs only.",
        default_text="`GCP_ACCESS_TOKEN`",
        providers=_GKE,
        secret=True,
    ),
)

VARIABLES: t.Mapping[str, Variable] = {variable.name: variable for variable in _ALL}


def value(variables: t.Mapping[str, t.Any], name: str) -> t.Any:
    """A host's value of the variable, or its default when it is missing, null or empty.

    Raises KeyError for a name that is not registered.
    """
    known = VARIABLES[name]
    given = variables.get(name)
    return known.default if given is None or given == "" else given


def text(variables: t.Mapping[str, t.Any], name: str) -> str:
    """:func:`value` as text; "" where there is neither value nor default."""
    found = value(variables, name)
    return "" if found is None else str(found)
