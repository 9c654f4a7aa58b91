# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_network
short_description: Compare the network that GKE clusters need with the network that exists
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Compares the VPC, the subnets with their secondary ranges and the firewall rules that the GKE clusters of the inventory need
    with those that exist, by three requests for each project. Returns what is missing as arguments of C(google.cloud)'s modules.
  - Those modules then make it. They have no check mode; in check mode this action reports the change instead.
  - The project is the clusters' own, or the host project of a Shared VPC (C(gke_network_project)). If anything must be made
    there, it first asks Google whether the clusters' projects are attached, whether their accounts have the roles they need
    (C(gke_network_roles)), and whether these credentials have the required permissions. RV(failures) names what is missing and
    who can provide it.
  - Ranges come from the inventory or are computed. A range that overlaps a foreign subnet of the VPC is refused with the variable's name.
options:
  state:
    description:
      - V(absent) returns what this fleet made and does not need any more. A VPC that contains something of others stays;
        RV(failures) names what that is. It also revokes roles that this fleet granted in a host project, unless clusters of
        others need them.
      - V(dual_stack) gives subnets that this fleet made IPv6 ranges where C(gke_stack_type) asks for them, which C(google.cloud)'s
        module cannot. It then compares as V(present), because firewall rules need the ranges.
    type: str
    choices: [present, dual_stack, absent]
    default: present
  front_door:
    description: Whether the fleet has a front door (multi-cluster ingress). Google's load balancers need a firewall rule in a host project.
    type: bool
    default: false
  forget:
    description:
      - Clusters that left the fleet and that the inventory does not name any more, or names of their subnets. What firewall rules of this
        fleet allow for such clusters stays, and is in RV(missing), until this option names them or their subnet is deleted; a part of the
        inventory may be missing.
    type: list
    elements: str
    default: []
  enable_apis:
    description: Whether to enable the APIs of Compute Engine and GKE if they are disabled; otherwise the task fails and names them.
    type: bool
    default: false
  timeout:
    description: Seconds to wait until an enabled API answers.
    type: int
    default: 300
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: Compare the network
  mesh.fleet.gke_network:
  run_once: true
  register: network

- name: Make the VPC
  google.cloud.gcp_compute_network:
    project: "{{ item.project }}"
    name: "{{ item.name }}"
    description: "{{ item.description }}"
    auto_create_subnetworks: false
  loop: "{{ network.networks }}"
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
    - By cluster, the VPC whose firewall rules stay as they are for clusters which the inventory does not name, and why, as text.
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
networks:
  description: VPCs to make or remove.
  returned: success
  type: list
  elements: dict
dual_stack:
  description: By cluster, subnets that this fleet makes or made and that are to get IPv6 ranges.
  returned: success
  type: dict
subnets:
  description: By host, its subnet to make or remove.
  returned: success
  type: dict
firewalls:
  description: Firewall rules to make, change or remove.
  returned: success
  type: list
  elements: dict
stale:
  description: Firewall rules of this fleet to remove, because others replace them.
  returned: success
  type: list
  elements: dict
"""
