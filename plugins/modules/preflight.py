# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check a fleet before anything is changed
version_added: 0.1.0
author: The mesh.fleet authors (@mesh-fleet)
description:
  - O(part=data) checks the variables of every cluster of the inventory and reports all problems together, each with
    cluster, variable, value, what is wrong and what would be right. It connects to nothing. It checks the whole inventory, whatever
    C(--limit) selects, with the contents of C(mesh_exports), C(mesh_federation), C(front_door_routes) and C(ingress_routes); the certificates
    that these use (C(ingress_certificates)) are checked if the run comes to the stage C(ingress). Run it once (C(run_once)). Ten thousand
    clusters take seconds. It also refuses a configuration of Ansible that ignores an inventory source which fails
    (C(INVENTORY_ANY_UNPARSED_IS_FAILED) must be true).
  - O(part=machine) checks that this machine has memory, disk and limits for those local clusters of the play that do
    not exist yet. Run it once.
  - O(part=keys) checks that there is a vault password if this machine must keep private keys of the play's clusters. Run
    it once.
  - O(part=cluster) checks that the API server of an existing cluster (provider C(kubeconfig)) answers and accepts the
    credentials; of a GKE cluster, that Google accepts them. A cluster that an earlier run made is asked too, if it stands, because the
    inventory may ask for what cannot be done there. An existing cluster
    says by dry runs whether its PodSecurity refuses istiod, gateways, Istio's CNI agent, or pods with a sidecar. Run it on every cluster.
  - In RV(problems), C(object) is the variable, C(seen) its value and C(next) what would be right. Secrets are not shown.
options:
  part:
    description: What to check.
    type: str
    choices: [data, machine, keys, cluster]
    default: data
  group:
    description: The inventory group whose hosts are the clusters of the fleet.
    type: str
    default: mesh_clusters
  memory_per_cluster:
    description: With O(part=machine), GiB of memory that a local cluster needs.
    type: float
    default: 1.2
  disk:
    description: With O(part=machine), GiB that must be free, by folder.
    type: dict
    default: {}
  disk_per_cluster:
    description: With O(part=machine), GiB that each local cluster needs, by folder; added to O(disk).
    type: dict
    default: {}
  open_files:
    description: With O(part=machine), open files that a process of a container must be allowed; V(0) means no check.
    type: int
    default: 0
  inotify_per_cluster:
    description: With O(part=machine), inotify instances that a local cluster needs; V(0) means no check.
    type: int
    default: 0
  istiod_values:
    description: With O(part=cluster), your values of istiod's chart in the order in which they are merged.
    type: list
    elements: dict
    default: []
  cni_values:
    description: With O(part=cluster), C(control_plane_cni_values) of role C(control_plane).
    type: dict
    default: {}
  cni_namespace:
    description: With O(part=cluster), C(control_plane_cni_namespace).
    type: str
    default: kube-system
  sample_namespace:
    description: With O(part=cluster), the namespace of the sample.
    type: str
    default: istio-apps
  sample:
    description: "With O(part=cluster), C(apps_sample) of role C(apps): where it names the cluster, O(sample_namespace) must take its pods."
    type: dict
    default: {}
  gateways_eastwest:
    description: With O(part=cluster), C(gateways_eastwest) of role C(gateways); the namespace must take the pods of a gateway that is wanted.
    type: str
    choices: [auto, always, never]
    default: auto
  gateways_ingress:
    description: With O(part=cluster), C(gateways_ingress) of role C(gateways), a boolean or a list of clusters.
    type: raw
    default: true
  gateways_values:
    description: With O(part=cluster), C(gateways_values) of role C(gateways).
    type: dict
    default: {}
  gateways_eastwest_values:
    description: With O(part=cluster), C(gateways_eastwest_values) of role C(gateways).
    type: dict
    default: {}
  gateways_ingress_values:
    description: With O(part=cluster), C(gateways_ingress_values) of role C(gateways).
    type: dict
    default: {}
  gateways_namespace:
    description: With O(part=cluster), C(gateways_namespace) of role C(gateways).
    type: str
    default: ""
  root:
    description: With O(part=keys), C(trust_root) of role C(trust).
    type: str
    default: generated
  directory:
    description: With O(part=keys), C(trust_dir). With O(root=external), no password is needed if it holds the key of every cluster.
    type: str
    default: ""
  vault_password_file:
    description: With O(part=keys), C(trust_vault_password_file).
    type: str
    default: ""
  vault_password_create:
    description: With O(part=keys), C(trust_vault_password_create).
    type: bool
    default: false
  timeout:
    description: With O(part=cluster), seconds to connect.
    type: float
    default: 10.0
extends_documentation_fragment:
  - mesh.fleet.fleet_action.reads
"""

EXAMPLES = r"""
- name: Check the data of the whole fleet
  mesh.fleet.preflight:
  run_once: true

- name: Check that this machine can hold the clusters
  mesh.fleet.preflight:
    part: machine
    disk_per_cluster:
      /var/lib/containers: 3
  run_once: true

- name: Check that private keys can be encrypted
  mesh.fleet.preflight:
    part: keys
    vault_password_create: true
  run_once: true

- name: Check that existing clusters answer
  mesh.fleet.preflight:
    part: cluster
"""

RETURN = r"""
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
msg:
  description: The fleet in one line, or all problems as a table.
  returned: always
  type: str
  sample: 4 clusters, 12 directed peers, 2 networks joined by gateways
version:
  description: Version of the API server; empty for a cluster that this collection makes.
  returned: with O(part=cluster)
  type: str
  sample: v1.35.4
uid:
  description: UID of the namespace C(kube-system), which shows that two hosts are one cluster.
  returned: with O(part=cluster)
  type: str
"""
