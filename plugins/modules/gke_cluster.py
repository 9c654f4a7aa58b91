# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_cluster
short_description: Make, change or delete GKE clusters
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Makes the GKE cluster of each host of the play whose C(cluster_provider) is C(gke), as its C(gke_*) variables describe it;
    the README of role C(gke_cluster) lists them.
  - On a Shared VPC (C(gke_network_project)), makes a cluster only if Google confirms that its project may use the network; the
    README lists what that requires.
  - A cluster is zonal with C(cluster_zone), else regional; Standard with one node pool named C(nodes) or those of
    C(gke_node_pools), or Autopilot.
  - Reads all clusters of a project by one request, and makes or changes them at the same time. If one fails, the others finish.
  - Compares only what the inventory describes. Google's defaults and additions of others stay.
  - "Changed in place: C(gke_endpoint), C(gke_authorized_networks), C(gke_release_channel), C(gke_labels), workload identity,
    C(gke_private_nodes), and of a pool C(gke_node_count), C(gke_node_count_max), C(gke_node_total_min), C(gke_node_total_max),
    C(gke_node_labels) and taints. A missing pool is made; a pool that the inventory does not name stays as it is."
  - C(gke_machine_type), C(gke_disk_size) and private nodes need new nodes, which Google makes one after another. So do
    C(gke_network_policy), C(gke_node_local_dns), C(gke_intranode_visibility) and C(gke_shielded_nodes), in all pools of the cluster.
    That is refused with the variable's name, unless C(gke_recreate_nodes) is true for the host and each pool makes new nodes before it takes
    old ones away. Zones that the cluster or a pool leaves need C(gke_recreate_nodes) too, since their nodes end.
  - Further fields are in docs/gke-fields.md of the collection. What the inventory says of them is compared and changed in place, or refused
    with the field's name; what it does not say is left alone. A cluster that was just made is looked at again if it says any, since Google may
    accept a request and not heed all of it.
  - With C(gke_node_service_account=fleet) makes the service account C(mesh-<fleet_name>-nodes) in the project, with the role that nodes need
    and no other, before the first cluster or pool that has it; and removes it with the fleet's last cluster there.
  - A cluster of C(gke_deletion_protection) is never deleted.
  - In an Autopilot cluster with an istiod of ours, also an adopted one, pods may have NET_ADMIN, which Istio's init container needs.
  - "Refused with the variable's name, because the cluster or pool would have to be recreated: C(gke_mode), C(gke_network),
    C(gke_network_project), C(gke_subnetwork), C(cluster_pod_cidr), C(cluster_service_cidr), C(gke_control_plane_cidr),
    C(gke_dataplane_v2), C(gke_spot), C(cluster_zone)."
  - A cluster that this fleet did not make is changed only if C(gke_adopt) is true for its host, and never deleted. Of an adopted
    cluster only what the inventory sets is changed, and labels, workload identity and global access, which a mesh needs.
  - Waits for a cluster that Google is making or changing; one in state ERROR or DEGRADED fails with Google's reason.
options:
  state:
    description: V(absent) deletes the clusters of the play that this fleet made.
    type: str
    choices: [present, absent]
    default: present
  remove_root:
    description:
      - With O(state=absent), whether a cluster goes that keeps the fleet's root, as C(mesh_state_cluster) says.
      - Otherwise nothing is deleted.
    type: bool
    default: false
  delete:
    description: Must be V(true) for O(state=absent) to delete anything.
    type: bool
    default: false
  egress:
    description:
      - Addresses of Cloud NATs, as M(mesh.fleet.gke_nat) returns them. Nodes of other VPCs connect from them, so authorized
        networks must contain them; needed only in that case.
    type: dict
    default: {}
  forget:
    description:
      - Clusters that left the fleet and that the inventory does not name any more. Authorized networks that an earlier run wrote for such
        clusters stay, and are in RV(missing), until this option names them; a part of the inventory may be missing.
    type: list
    elements: str
    default: []
  enable_apis:
    description: Whether to enable the APIs of Compute Engine and GKE if they are disabled; otherwise the task fails and names them.
    type: bool
    default: false
  timeout:
    description: Seconds for each operation of a cluster. Google continues after that, and a rerun waits for it again.
    type: int
    default: 2700
  interval:
    description: The longest pause between two polls of an operation, in seconds.
    type: float
    default: 10.0
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: Make the clusters of the fleet
  mesh.fleet.gke_cluster:
    project: shop-prod
  run_once: true
  register: made

- name: Delete the clusters of the play
  mesh.fleet.gke_cluster:
    state: absent
    delete: true
  run_once: true
"""

RETURN = r"""
msg:
  description: The result in one line.
  returned: always
  type: str
stage_line:
  description: The result in one line, as the C(stages) callback shows it.
  returned: success
  type: str
objects:
  description: Each object of the run, as C(cluster), C(kind), C(namespace), C(name) and C(action).
  returned: success
  type: list
  elements: dict
failures:
  description: By cluster, why it failed, as text. The task itself succeeds, so that the other clusters go on; the role fails these.
  returned: success
  type: dict
missing:
  description:
    - By cluster, the authorized networks that it has for clusters which the inventory does not name, and why, as text.
    - Each text is a warning too, and ends in the recap.
    - The role keeps it until nothing else is left to do; then C(playbooks/whole.yml) fails these clusters.
  returned: when something stays for such clusters
  type: dict
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
requests:
  description: Number of requests to Google.
  returned: success
  type: int
"""
