# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables ``cluster_*``: a cluster, wherever it comes from."""

from __future__ import annotations

from .values import cidr, cidrs, https, labels, locality, paths, pem
from .variable import CLUSTER, Variable

__all__ = ["CLUSTERS", "CONNECTION"]

CLUSTERS = (
    Variable(
        "cluster_region",
        CLUSTER,
        "Region, for locality: `us-west1`. Required for every cluster.",
        form=locality,
    ),
    Variable(
        "cluster_zone",
        CLUSTER,
        "Zone within the region: `us-west1-a`. On GKE, a cluster without one is regional.",
        form=locality,
    ),
    Variable(
        "cluster_pod_cidr",
        CLUSTER,
        "IPv4 range of the pods. Set it for existing clusters too, so that overlaps are found.",
        default_text="a /16 of `fleet_pod_range`, in the order of the hosts, for a cluster that this collection makes",
        form=cidr,
    ),
    Variable(
        "cluster_service_cidr",
        CLUSTER,
        "IPv4 range of the services. Set it for existing clusters too.",
        default_text="a /16 of `fleet_service_range`, in the order of the hosts, for a cluster that this collection "
        "makes",
        form=cidr,
    ),
    Variable(
        "cluster_peer_endpoint",
        CLUSTER,
        "Address at which the other clusters' istiods reach the API server, `https://host[:port]`; not loopback.",
        default_text="that of the cluster's own connection",
        form=https,
    ),
    Variable(
        "cluster_egress",
        CLUSTER,
        "IPv4 ranges from which its pods connect to addresses outside their network. The GKE clusters that it watches "
        "add them to their authorized networks; `[]` adds none.",
        default_text="the Cloud NAT that this collection makes for private nodes; required for another cluster that "
        "watches one with authorized networks",
        type="list",
        form=cidrs,
    ),
    Variable(
        "cluster_platform",
        CLUSTER,
        "What Istio's charts call the cluster's platform; it decides where the nodes keep CNI plugins, and who chooses "
        "the user of a pod. Leave it out on others, also on RKE2 and Talos.",
        default_text="`gke` for clusters of provider `gke`, else none",
        choices=("gke", "k3d", "k3s", "microk8s", "minikube", "openshift"),
    ),
    Variable(
        "cluster_labels",
        CLUSTER,
        "Labels by which policies select clusters.",
        type="dict",
        default={},
        form=labels,
    ),
)
"""Variables of every cluster. The registry of providers adds ``cluster_provider``."""

CONNECTION = (
    Variable(
        "cluster_kubeconfig",
        CLUSTER,
        "Kubeconfig file on the controller for the cluster, or a list of files with colons between; Ansible Vault may "
        "encrypt it.",
        form=paths,
        connects=True,
    ),
    Variable(
        "cluster_context",
        CLUSTER,
        "Context of that kubeconfig.",
        default_text="its current context",
        connects=True,
    ),
    Variable(
        "cluster_api_url",
        CLUSTER,
        "Address of the API server, `https://host[:port]`, instead of a kubeconfig; "
        "requires `cluster_api_token` and `cluster_api_ca`.",
        form=https,
        connects=True,
    ),
    Variable("cluster_api_token", CLUSTER, "Bearer token for `cluster_api_url`.", secret=True, connects=True),
    Variable(
        "cluster_api_ca",
        CLUSTER,
        "CA certificate (PEM text) of `cluster_api_url`.",
        form=pem,
        connects=True,
    ),
)
"""How a cluster that nothing here makes is reached: providers with such clusters have these."""
