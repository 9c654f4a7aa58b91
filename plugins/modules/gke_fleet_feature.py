# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_fleet_feature
short_description: Features of the Google fleet
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Switches features of GKE Hub on, gives them what the inventory says, and waits until they are active.
  - With C(servicemesh), Google runs the control planes of the play's clusters with C(mesh_control_plane=managed). Settings of
    other members stay as they are.
  - With C(multiclusteringress), C(gke_config_cluster) (the first GKE cluster by default) becomes the config cluster. Another one
    that is in use is replaced only where C(gke_config_cluster) is set and this inventory switched the feature on, as that
    interrupts every front door of the project.
  - Where somebody else is at a feature in the same moment, it waits, and goes on from what is there then.
  - Runs once for the fleet (C(run_once)). All features are read by one request.
options:
  state:
    description:
      - V(absent) takes the play's clusters out; a feature that this inventory switched on and that nobody is left in goes.
        C(multiclusteringress) goes with its config cluster.
    type: str
    choices: [present, absent]
    default: present
  features:
    description: Which ones. Empty means those that the inventory asks for; with O(state=absent) all three.
    type: list
    elements: str
    choices: [servicemesh, multiclusterservicediscovery, multiclusteringress]
    default: []
  front_door:
    description: Whether the inventory has a front door. Counts where O(features) is empty.
    type: bool
    default: false
  memberships:
    description:
      - By host, the full name of the membership, as C(gke_membership) returns it. A host that is missing here has the one that
        the inventory names.
    type: dict
    default: {}
  wait:
    description: Whether to wait until they are active.
    type: bool
    default: true
  enable_apis:
    description:
      - Whether the APIs may be switched on, as said to M(mesh.fleet.gke_access). Counts in check mode alone, where one that is off
        is then taken for one that a run has switched on before; without it that is an error, as it is in a run.
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
- name: Let services be called across clusters
  mesh.fleet.gke_fleet_feature:
    features: [multiclusterservicediscovery]
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
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
states:
  description: By feature, what it says of itself.
  returned: success
  type: dict
  sample: {multiclusterservicediscovery: active}
mesh_states:
  description: By membership, what C(servicemesh) said of the play's managed clusters when it was read; empty where it was changed.
  returned: success
  type: dict
warnings:
  description: What multi-cluster services and ingress say against members of this inventory.
  returned: when there are any
  type: list
  elements: str
kept:
  description: Features that were left on, and why.
  returned: success
  type: list
  elements: str
requests:
  description: How many requests were sent to Google.
  returned: success
  type: int
"""
