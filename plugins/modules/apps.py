# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apps
short_description: Apps of the fleet in one cluster
version_added: 0.1.0
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Brings the apps of the inventory and the sample pair to the cluster that the host is, all their objects in one go.
  - Namespaces get injection by the fleet's revision, or by Google's control plane where that runs the cluster. There, nothing
    that starts pods is applied before it injects. A Service without pods in this cluster gets a stub where it may
    be called.
  - Waits until the workloads are ready, and checks that their pods have a sidecar where one is wanted.
  - What carries the label of this action and is no longer wanted is removed. Volume claims and CRDs are left.
options:
  state:
    description: V(absent) removes every app of ours from the cluster, and the namespaces that were made for them.
    type: str
    choices: [present, absent]
    default: present
  apps:
    description:
      - The apps of the whole fleet, see O(mesh.fleet.apps#role:main:apps_list).
    type: list
    elements: raw
    default: []
  sample:
    description: Role of the sample (C(caller), C(producer), C(probe)) to V(all), V(none) or a list of clusters.
    type: dict
    default: {}
  sample_program:
    description: Folder of the sample's program. Needed with O(sample).
    type: path
    default: ""
  sample_image:
    description: An image with C(python3), 3.11 or newer, on its PATH.
    type: str
    default: docker.io/library/python:3.14-slim
  sample_namespace:
    description: Namespace of the sample.
    type: str
    default: istio-apps
  sample_replicas:
    description: Pods of each part of the sample.
    type: int
    default: 1
  sample_expose:
    description: Whether the ingress gateway shows the caller's page. V(auto) does so where there is such a gateway.
    type: str
    choices: [auto, always, never]
    default: auto
  sample_hosts:
    description: Host names of that page.
    type: list
    elements: str
    default: ["*"]
  ingress_namespace:
    description: Namespace of the ingress gateway. Empty means the default of M(mesh.fleet.gateways).
    type: str
    default: ""
  sample_wait_timeout:
    description: Seconds to wait for the sample's pods.
    type: int
    default: 180
  restart_unsidecared:
    description: Make pods anew that should have a sidecar and have none; otherwise they are an error.
    type: bool
    default: false
  remove_timeout:
    description: Seconds to wait until what is removed is gone.
    type: int
    default: 120
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_helm
"""

EXAMPLES = r"""
- name: One app in one cluster, callable from all that watch it
  mesh.fleet.apps:
    apps:
      - name: shop
        clusters: [west]
        manifests: "{{ lookup('ansible.builtin.file', 'shop.yml') | ansible.builtin.from_yaml_all }}"

- name: Take all apps away
  mesh.fleet.apps:
    state: absent
"""

RETURN = r"""
stage_line:
  description: What runs in the cluster, in one line.
  returned: success
  type: str
  sample: west sample-caller, 1 stub
apps:
  description: Names of the apps that run in this cluster.
  returned: success
  type: list
  elements: str
stubs:
  description: The stub Services of this cluster, C(namespace/name).
  returned: success
  type: list
  elements: str
kept:
  description: What was not removed, and why.
  returned: success
  type: list
  elements: str
objects:
  description: Each object with what happened to it, as C(cluster), C(kind), C(namespace), C(name), C(action).
  returned: success
  type: list
  elements: dict
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
"""
