# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apps
short_description: Apply the apps of the fleet to one cluster
version_added: 0.1.0
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Applies the apps of the inventory and the sample pair to this host's cluster, all their objects at once.
  - Namespaces get the injection label of the fleet's revision, or of Google's control plane if that runs in the cluster; workloads
    are then applied only once it injects. A service that has no pods in this cluster gets a stub Service here if pods here may
    call it.
  - Waits until the workloads are ready, and checks that their pods have a sidecar if they should.
  - Makes objects of an app's chart that are missing again, and puts right what people changed of them.
  - Removes what has the label of this action and is no longer wanted. Volume claims and CRDs stay.
options:
  state:
    description: V(absent) removes every app that this action applied, and the namespaces that it made.
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
    description:
      - For each role of the sample (C(caller), C(producer), C(probe)) V(all), V(none) or a list of clusters.
      - "Or a dictionary of these by version, for example C({v1: [west], v2: [east]}). It is the label C(version) of the pods."
    type: dict
    default: {}
  sample_program:
    description: Folder of the sample's program. Required with O(sample).
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
  sample_target:
    description: The host that the caller calls where a message names none. Empty means the producer's plain name.
    type: str
    default: ""
  sample_expose:
    description: Whether the ingress gateway serves the caller's page; V(auto) if there are O(sample_hosts), and the cluster has one.
    type: str
    choices: [auto, always, never]
    default: auto
  sample_hosts:
    description: Host names of that page. V(*) serves it under the gateway's address too.
    type: list
    elements: str
    default: []
  ingress_namespace:
    description: Namespace of the ingress gateway. Empty means the default of M(mesh.fleet.gateways).
    type: str
    default: ""
  sample_wait_timeout:
    description: Seconds to wait for the sample's pods; five times as many in an Autopilot cluster (C(gke_mode)).
    type: int
    default: 180
  restart_outdated:
    description:
      - Whether to restart every workload of the cluster whose sidecar was injected with another network, cluster name or trust
        domain than the inventory has; otherwise a warning names them.
    type: bool
    default: false
  restart_unsidecared:
    description: Whether to recreate pods that should have a sidecar and have none; otherwise they are an error.
    type: bool
    default: false
  remove_timeout:
    description: Seconds to wait until removed objects are gone.
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

- name: Remove all apps
  mesh.fleet.apps:
    state: absent
"""

RETURN = r"""
stage_line:
  description: The result in one line, as the C(stages) callback shows it.
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
  description: Each object of the run, as C(cluster), C(kind), C(namespace), C(name) and C(action).
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
