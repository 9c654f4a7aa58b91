# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_access
short_description: Enable APIs and grant roles that the Google fleet needs
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Enables the required APIs of the fleet project if O(enable_apis) is true; otherwise it fails and names the disabled ones.
  - Grants the roles that Google's controllers need for O(features). It changes no binding of anybody else, and writes no policy
    that is right already. If somebody else changes the policy between its read and its write, both changes are kept.
  - First makes those of Google's service accounts that IAM does not know yet. Clusters of other projects get roles in these projects.
  - Records what it grants in the fleet's folder on the controller (C(google/grants.json)), because a role binding has no label.
  - Runs once for the fleet (C(run_once)).
options:
  state:
    description:
      - V(absent) revokes the roles that this controller granted and that neither an enabled feature nor a remaining member
        needs. Run it after the play's clusters have left. APIs stay enabled, because others may use them.
    type: str
    choices: [present, absent]
    default: present
  features:
    description: Features whose APIs and roles are needed. Empty means those that the inventory asks for.
    type: list
    elements: str
    choices: [servicemesh, multiclusterservicediscovery, multiclusteringress]
    default: []
  front_door:
    description: Whether the inventory has a front door. Used if O(features) is empty.
    type: bool
    default: false
  enable_apis:
    description: Whether to enable APIs. Otherwise a disabled API is an error.
    type: bool
    default: false
  apis:
    description: Further APIs to enable in the fleet project, for example V(monitoring.googleapis.com).
    type: list
    elements: str
    default: []
  bindings:
    description: Further role bindings to grant.
    type: list
    elements: dict
    default: []
    suboptions:
      role:
        description: Name of the role, for example V(roles/compute.networkViewer).
        type: str
        required: true
      member:
        description: Who gets the role, for example V(group:mesh@shop.example).
        type: str
        required: true
      project:
        description: The project. Empty means the fleet project.
        type: str
        default: ""
  unrecorded:
    description:
      - With O(state=absent), revoke also roles of which this controller has no record, because somebody else or another
        controller granted them.
    type: bool
    default: false
  timeout:
    description: Seconds in which the APIs must be enabled.
    type: int
    default: 600
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: Enable and grant what multi-cluster services and ingress need
  mesh.fleet.gke_access:
    features: [multiclusterservicediscovery, multiclusteringress]
    enable_apis: true
  run_once: true

- name: Revoke roles that no member needs any more
  mesh.fleet.gke_access:
    state: absent
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
features:
  description: The features whose APIs and roles were checked.
  returned: success
  type: list
  elements: str
bindings:
  description: The bindings that exist now, or with O(state=absent) were removed, as C(project), C(role) and C(member).
  returned: success
  type: list
  elements: dict
kept:
  description: With O(state=absent), roles that were not revoked, and why.
  returned: success
  type: list
  elements: str
requests:
  description: Number of requests to Google.
  returned: success
  type: int
"""
