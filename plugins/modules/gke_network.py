# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_network
short_description: What the VPC of the fleet's GKE clusters lacks
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Compares the VPC, the subnets with their secondary ranges and the firewall rules that the GKE clusters of the inventory need
    with what is there, by three requests a project, and returns what is missing as arguments of C(google.cloud)'s modules.
  - Those modules make it, each only where needed. They have no check mode, so in check mode the change is reported here.
  - The project is the clusters' own, or the host project of a Shared VPC (C(gke_network_project)). Before anything is to be made
    there, Google is asked whether the clusters' projects are attached, their accounts have the roles they need
    (C(gke_network_roles)), and these credentials may make it; else RV(failures) names what is missing and who has to do it.
  - Ranges come from the model. One that overlaps a foreign subnet of the same VPC is refused with the variable's name.
options:
  state:
    description:
      - V(absent) returns what this fleet made and does not need any more. A VPC that holds something of others is not
        among it; RV(failures) names what that is. Roles that this fleet granted in a host project are taken back,
        unless clusters of others need them.
    type: str
    choices: [present, absent]
    default: present
  front_door:
    description: Whether multi-cluster ingress is before the clusters. Google's load balancers need a firewall rule in a host project.
    type: bool
    default: false
  enable_apis:
    description: Whether the APIs of Compute Engine and GKE may be switched on where they are off; else the run names them and stops.
    type: bool
    default: false
  timeout:
    description: Seconds to wait until an API that was switched on answers.
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
  description: What happened, in one line.
  returned: always
  type: str
stage_line:
  description: The same line, for the progress display.
  returned: success
  type: str
objects:
  description: Each object with what happened to it, as C(cluster), C(kind), C(namespace), C(name), C(action).
  returned: success
  type: list
  elements: dict
failures:
  description: By cluster, why it failed, as text. The task itself succeeds, so that the other clusters go on; the role fails these.
  returned: success
  type: dict
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
requests:
  description: How many requests were sent to Google.
  returned: success
  type: int
networks:
  description: VPCs to make or remove.
  returned: success
  type: list
  elements: dict
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
  description: Firewall rules of this fleet that others take the place of, to remove.
  returned: success
  type: list
  elements: dict
"""
