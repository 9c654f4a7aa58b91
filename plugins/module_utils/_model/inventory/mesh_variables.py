# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables ``fleet_*`` and ``mesh_*``: the fleet and its mesh."""

from __future__ import annotations

from .pods import pod_settings
from .values import cidr, cidr6, dns_name, hub, label, network, path, tag, version
from .variable import CLUSTER, FLEET, Variable

__all__ = ["MESH"]

MESH = (
    Variable(
        "fleet_name",
        FLEET,
        "Name of the fleet. Its state folder, containers and networks are named after it, so one machine can hold "
        "several fleets.",
        default="local",
        form=label,
    ),
    Variable(
        "fleet_dir",
        FLEET,
        "Folder on the controller in which each fleet has a folder with its kubeconfigs and state.",
        default_text="`$XDG_STATE_HOME/mesh.fleet`, or `~/.local/state/mesh.fleet`",
        form=path,
    ),
    Variable(
        "fleet_pod_range",
        FLEET,
        "IPv4 range from which each cluster that this collection makes gets a /16 for its pods.",
        default="10.16.0.0/12",
        form=cidr,
    ),
    Variable(
        "fleet_service_range",
        FLEET,
        "IPv4 range from which each cluster that this collection makes gets a /16 for its services.",
        default="10.112.0.0/12",
        form=cidr,
    ),
    Variable(
        "fleet_engine_network",
        FLEET,
        "IPv4 range of the container network that the nodes of local clusters share. "
        "Pod and service ranges never overlap it.",
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
        "SPIFFE trust domain: the first part of every workload's identity. If Google runs the control plane, it is "
        "always `<gke_fleet_project>.svc.id.goog`.",
        default="cluster.local",
        form=dns_name,
    ),
    Variable(
        "mesh_istio_version",
        FLEET,
        "Istio version of the control planes and gateways, x.y.z. Google chooses that of the control planes that it "
        "runs.",
        default="1.31.1",
        form=version,
    ),
    Variable(
        "mesh_revision",
        FLEET,
        "Istio revision of the control planes that this collection installs.",
        default="default",
        form=label,
    ),
    Variable(
        "mesh_namespace",
        FLEET,
        "Namespace of the control planes that this collection installs.",
        default="istio-system",
        form=label,
    ),
    Variable(
        "mesh_state_cluster",
        FLEET,
        "The cluster that keeps what must not be lost: the root's key (encrypted), and the requests and keys for a "
        "corporate CA. It is in a Secret in namespace `mesh-fleet`, where a run on any machine finds it. Without it, "
        "the controller's disk keeps it. When the value changes, the next run of `trust` moves the state.",
        default_text="none: `trust_dir` on the controller",
    ),
    Variable(
        "mesh_take_over",
        CLUSTER,
        "Whether a run may change and remove in the cluster what others made, or another fleet, where it has the name "
        "of something that a run makes; and what earlier versions made, which recorded no fleet. It applies to every "
        "role; set it for one run.",
        type="bool",
        default=False,
    ),
    Variable(
        "mesh_hub",
        FLEET,
        "Registry and path of Istio's images, without scheme.",
        default_text="that of the artifacts",
        form=hub,
    ),
    Variable("mesh_tag", FLEET, "Tag of Istio's images.", default_text="the value of `mesh_istio_version`", form=tag),
    Variable(
        "mesh_network",
        CLUSTER,
        "The network of the cluster: pods of one network reach each other directly, and between networks traffic "
        "passes east-west gateways. `flat`: one network for all clusters; `per_cluster`: one for each; any other word "
        "is a network's name. Clusters whose control plane Google runs must share one.",
        default="flat",
        form=network,
    ),
    Variable(
        "mesh_role",
        CLUSTER,
        "A `primary` has its own istiod; the istiod of its `mesh_primary` serves a `remote`.",
        default="primary",
        choices=("primary", "remote"),
    ),
    Variable(
        "mesh_primary",
        CLUSTER,
        "The primary that serves a remote.",
        default_text="none; required for a remote",
    ),
    Variable(
        "mesh_control_plane",
        CLUSTER,
        "`istiod`: this collection installs it; `managed`: Google runs it (Cloud Service Mesh, on GKE).",
        default="istiod",
        choices=("istiod", "managed"),
    ),
    Variable(
        "mesh_cni",
        CLUSTER,
        "Whether Istio's CNI agent, on each node, sets up the network of pods with a sidecar. Without it a privileged "
        "init container does that in each pod, which PodSecurity levels `baseline` and `restricted` refuse. The agent "
        "is installed unless the cluster has one; with it, all pods of a run pass level `restricted`. A remote and "
        "its primary have the same value. On OpenShift, `false` says that something else installs the agent.",
        type="bool",
        default_text="`true` if `cluster_platform` is `openshift`, else `false`",
    ),
    Variable(
        "mesh_pods",
        CLUSTER,
        "What the cluster's nodes and policies demand of pods: `node_selector`, `tolerations` and `image_pull_secrets` "
        "(names of Secrets, in each namespace) of the probe, the sample, istiod and gateways; `resources` (`requests`, "
        "`limits`) of the probe and the sample. Helm values of your own win.",
        type="dict",
        default={},
        form=pod_settings,
    ),
    Variable(
        "mesh_peers",
        CLUSTER,
        "Names of the clusters that a primary watches and calls. If Google runs the control plane: all others with "
        "such a control plane, or `[]` for none.",
        type="list",
        default_text="every other cluster",
    ),
    Variable(
        "mesh_exports",
        FLEET,
        "Services that other clusters may call: `{service: name.namespace, to: all}`. "
        "`to` may also be a list of clusters. With `mtls: true` sidecars call the name in `clusterset.local` with the "
        "mesh's certificates, as they always do in clusters that are not on GKE.",
        type="list",
        default=(),
    ),
    Variable(
        "mesh_unexported_services",
        FLEET,
        "From where a service is reached that is not in `mesh_exports`: from everywhere in the mesh, or from its own "
        "cluster only. The latter is a setting of our istiods (multi-cluster services), which restarts them.",
        choices=("everywhere", "own_cluster"),
        default="everywhere",
    ),
    Variable(
        "mesh_global_range",
        FLEET,
        "IPv4 range of the addresses of global names: each name has one, the same in every cluster. Nothing else may "
        "use an address of it: no pods, services or nodes; nor Istio, which gives out 240.240.0.0/16.",
        default="240.241.0.0/16",
        form=cidr,
    ),
    Variable(
        "mesh_global_range_ipv6",
        FLEET,
        "IPv6 range of the addresses that global names have besides, where an istiod serves both families "
        "(`ISTIO_DUAL_STACK`).",
        default="fd6d:6573:68f1::/112",
        form=cidr6,
    ),
    Variable(
        "mesh_federation",
        FLEET,
        "Meshes of other teams, with roots and trust domains of their own, and which services each of them may call: "
        "`{peers: [{trust_domain: east.example, bundle: FILE, names: global or own, exports: [{service: "
        "name.namespace, callers: [namespace/account]}]}]}`, as docs/federation.md describes it. `{peers: []}` "
        "prepares a mesh for peers to come.",
        type="dict",
        default={},
    ),
    Variable(
        "mesh_traffic",
        FLEET,
        "What calls to services get: a list of policies, as docs/traffic.md describes them.",
        type="list",
        default=(),
    ),
)
