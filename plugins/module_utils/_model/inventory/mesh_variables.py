# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables ``fleet_*`` and ``mesh_*``: the fleet and its mesh."""

from __future__ import annotations

from .values import cidr, dns_name, hub, label, network, path, tag, version
from .variable import CLUSTER, FLEET, Variable

__all__ = ["MESH"]

MESH = (
    Variable(
        "fleet_name",
        FLEET,
        "Name of the fleet. State, containers and networks carry it, so two fleets stand side by side.",
        default="local",
        form=label,
    ),
    Variable(
        "fleet_dir",
        FLEET,
        "Folder on the controller under which each fleet keeps its kubeconfigs and state.",
        default_text="`$XDG_STATE_HOME/mesh.fleet`, or `~/.local/state/mesh.fleet`",
        form=path,
    ),
    Variable(
        "fleet_pod_range",
        FLEET,
        "IPv4 range from which each cluster that we make is given a /16 for its pods.",
        default="10.16.0.0/12",
        form=cidr,
    ),
    Variable(
        "fleet_service_range",
        FLEET,
        "IPv4 range from which each cluster that we make is given a /16 for its services.",
        default="10.112.0.0/12",
        form=cidr,
    ),
    Variable(
        "fleet_engine_network",
        FLEET,
        "IPv4 range of the container network that the nodes of local clusters share. "
        "Pod and service ranges are kept out of it.",
        default_text="a free /22 of 10.90.0.0/16",
        form=cidr,
    ),
    Variable(
        "mesh_id",
        FLEET,
        "Istio's mesh ID.",
        default_text="the value of `fleet_name`",
        means="fleet_name",
        form=label,
    ),
    Variable(
        "mesh_trust_domain",
        FLEET,
        "SPIFFE trust domain: the first part of every workload's identity. Where Google runs the control plane it is "
        "`<gke_fleet_project>.svc.id.goog`, whatever stands here.",
        default="cluster.local",
        form=dns_name,
    ),
    Variable(
        "mesh_istio_version",
        FLEET,
        "Istio version of the control planes and gateways, x.y.z. Where Google runs the control plane, Google chooses.",
        default="1.31.1",
        form=version,
    ),
    Variable("mesh_revision", FLEET, "Istio revision of our control planes.", default="default", form=label),
    Variable("mesh_namespace", FLEET, "Namespace of our control planes.", default="istio-system", form=label),
    Variable(
        "mesh_hub",
        FLEET,
        "Registry and path of Istio's images, without scheme.",
        default_text="where the artifacts come from",
        form=hub,
    ),
    Variable("mesh_tag", FLEET, "Tag of Istio's images.", default_text="the value of `mesh_istio_version`", form=tag),
    Variable(
        "mesh_network",
        CLUSTER,
        "Clusters whose pods reach each other directly share a network. `flat`: all of them; "
        "`per_cluster`: each has its own; any other word names one. Between networks traffic crosses gateways. "
        "Clusters whose control plane Google runs share one.",
        default="flat",
        form=network,
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
)
