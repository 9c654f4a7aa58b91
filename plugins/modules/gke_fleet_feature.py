# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_fleet_feature
short_description: Enable and configure features of the Google fleet
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Enables features of GKE Hub, configures them as the inventory describes, and waits until they are active.
  - With C(servicemesh), Google runs the control planes of the play's clusters with C(mesh_control_plane=managed). Settings of
    other members stay as they are.
  - With C(multiclusteringress), C(gke_config_cluster) (the first GKE cluster by default) becomes the config cluster. Another
    config cluster is replaced only if C(gke_config_cluster) is set and this inventory enabled the feature, because that
    interrupts every front door of the project.
  - If somebody else changes a feature at the same time, it waits and compares again.
  - Runs once for the fleet (C(run_once)). Reads all features by one request.
options:
  state:
    description:
      - V(absent) removes the play's clusters from the features, and disables a feature that this inventory enabled once no
        member uses it. C(multiclusteringress) is disabled with its config cluster.
    type: str
    choices: [present, absent]
    default: present
  features:
    description: The features. Empty means those that the inventory asks for; with O(state=absent) all three.
    type: list
    elements: str
    choices: [servicemesh, multiclusterservicediscovery, multiclusteringress]
    default: []
  front_door:
    description: Whether the inventory has a front door. Used if O(features) is empty.
    type: bool
    default: false
  memberships:
    description:
      - By host, the full name of the membership, as M(mesh.fleet.gke_membership) returns it. For other hosts it is the one that
        the inventory names.
    type: dict
    default: {}
  wait:
    description: Whether to wait until the features are active.
    type: bool
    default: true
  enable_apis:
    description:
      - Whether M(mesh.fleet.gke_access) may enable APIs. Used in check mode only; if V(true), a disabled API counts as one that
        a run would have enabled. Otherwise it is an error, as in a run.
    type: bool
    default: false
  timeout:
    description: Seconds for each operation, and for the wait.
    type: int
    default: 600
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: Enable multi-cluster services
  mesh.fleet.gke_fleet_feature:
    features: [multiclusterservicediscovery]
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
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
states:
  description: By feature, the state that Google reports.
  returned: success
  type: dict
  sample: {multiclusterservicediscovery: active}
mesh_states:
  description: By membership, the state of the play's managed clusters in C(servicemesh) when it was read; empty if the feature was changed.
  returned: success
  type: dict
warnings:
  description: Problems that multi-cluster services and ingress report about members of this inventory.
  returned: when there are any
  type: list
  elements: str
kept:
  description: Features that stayed enabled, and why.
  returned: success
  type: list
  elements: str
requests:
  description: Number of requests to Google.
  returned: success
  type: int
"""
