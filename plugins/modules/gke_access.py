# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_access
short_description: APIs and roles that the Google fleet needs
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Switches on the APIs of the fleet project that are off, where O(enable_apis) allows it; else it fails and names them.
  - Grants the roles that Google's controllers need for O(features). No binding of anybody else is touched, and a policy that is
    right is not written. A change by somebody else between our read and our write is noticed, and both are kept.
  - Google's own accounts that IAM does not know yet are made first. Clusters of other projects get their roles in those.
  - What it grants is recorded in the fleet's folder on the controller (C(google/grants.json)), as a role carries no label.
  - Runs once for the fleet (C(run_once)).
options:
  state:
    description:
      - V(absent), after the play's clusters have left, takes back the roles that this controller granted and that neither a
        feature which is on nor a member which stays needs. APIs stay on, others may use them.
    type: str
    choices: [present, absent]
    default: present
  features:
    description: Features whose needs are met. Empty means those that the inventory asks for.
    type: list
    elements: str
    choices: [servicemesh, multiclusterservicediscovery, multiclusteringress]
    default: []
  front_door:
    description: Whether the inventory has a front door. Counts where O(features) is empty.
    type: bool
    default: false
  enable_apis:
    description: Whether APIs may be switched on. Without it one that is off is an error.
    type: bool
    default: false
  apis:
    description: More APIs of the fleet project, for example V(monitoring.googleapis.com).
    type: list
    elements: str
    default: []
  bindings:
    description: More members of roles.
    type: list
    elements: dict
    default: []
    suboptions:
      role:
        description: Name of the role, for example V(roles/compute.networkViewer).
        type: str
        required: true
      member:
        description: Who gets it, for example V(group:mesh@shop.example).
        type: str
        required: true
      project:
        description: The project. Empty takes the fleet project.
        type: str
        default: ""
  unrecorded:
    description:
      - With O(state=absent), take back also what this controller has no record of. It was granted by somebody else, or from
        another controller.
    type: bool
    default: false
  timeout:
    description: Seconds until the APIs must be on.
    type: int
    default: 600
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: What multi-cluster services and ingress need
  mesh.fleet.gke_access:
    features: [multiclusterservicediscovery, multiclusteringress]
    enable_apis: true
  run_once: true

- name: Nobody is left, so nobody needs them
  mesh.fleet.gke_access:
    state: absent
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
features:
  description: The features whose needs were met.
  returned: success
  type: list
  elements: str
bindings:
  description: The bindings that are there now, or with O(state=absent) are gone, as C(project), C(role), C(member).
  returned: success
  type: list
  elements: dict
kept:
  description: With O(state=absent), roles that were not taken back, and why.
  returned: success
  type: list
  elements: str
requests:
  description: How many requests were sent to Google.
  returned: success
  type: int
"""
