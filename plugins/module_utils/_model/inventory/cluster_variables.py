# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables ``cluster_*``: a cluster, wherever it comes from."""

from __future__ import annotations

from .values import cidr, cidrs, https, labels, locality, path, pem
from .variable import CLUSTER, Variable

__all__ = ["CLUSTERS", "CONNECTION"]

CLUSTERS = (
    Variable(
        "cluster_region",
        CLUSTER,
        "Region, for locality: `us-west1`. Needed for every cluster.",
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
        "IPv4 range of the pods. Tell it for existing clusters too, so that overlaps are found.",
        default_text="for a cluster that we make a /16 of `fleet_pod_range`, in the order of the hosts",
        form=cidr,
    ),
    Variable(
        "cluster_service_cidr",
        CLUSTER,
        "IPv4 range of the services. Tell it for existing clusters too.",
        default_text="for a cluster that we make a /16 of `fleet_service_range`, in the order of the hosts",
        form=cidr,
    ),
    Variable(
        "cluster_peer_endpoint",
        CLUSTER,
        "Address of the API server for the other clusters' istiods, `https://host[:port]`; never loopback.",
        default_text="that of the cluster's own connection",
        form=https,
    ),
    Variable(
        "cluster_egress",
        CLUSTER,
        "IPv4 ranges from which its pods come to addresses outside their network. GKE clusters with authorized "
        "networks that it watches let them through; `[]` for nothing to add.",
        default_text="the Cloud NAT of private nodes that we make; a cluster elsewhere must tell where that is needed",
        type="list",
        form=cidrs,
    ),
    Variable(
        "cluster_labels",
        CLUSTER,
        "Labels that select clusters in policies.",
        type="dict",
        default={},
        form=labels,
    ),
)
"""Of every cluster, beside ``cluster_provider``, which the registry of providers knows."""

CONNECTION = (
    Variable(
        "cluster_kubeconfig",
        CLUSTER,
        "Kubeconfig file on the controller that leads to the cluster.",
        form=path,
    ),
    Variable(
        "cluster_context",
        CLUSTER,
        "Context of that kubeconfig.",
        default_text="its current context",
    ),
    Variable(
        "cluster_api_url",
        CLUSTER,
        "Address of the API server, `https://host[:port]`, instead of a kubeconfig; "
        "needs `cluster_api_token` and `cluster_api_ca`.",
        form=https,
    ),
    Variable("cluster_api_token", CLUSTER, "Bearer token for `cluster_api_url`.", secret=True),
    Variable(
        "cluster_api_ca",
        CLUSTER,
        "CA certificate (PEM text) of `cluster_api_url`.",
        form=pem,
    ),
)
"""How a cluster that nothing here makes is reached: providers with such clusters have these."""
