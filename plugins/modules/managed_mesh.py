# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_mesh
short_description: Wait for control planes that Google runs, and connect their clusters
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Waits until Google's control plane is active in every cluster of the play with C(mesh_control_plane=managed), and returns
    its implementation and its conditions.
  - Connects those clusters by the ConfigMap C(asm-options) in C(istio-system), which replaces remote secrets.
    C(multicluster_mode) is C(connected), or C(disconnected) for a cluster with C(mesh_peers=[]).
  - Never changes an object with C(istio.io/owned-by=mesh.googleapis.com).
  - Runs once for the fleet (C(run_once)), after C(gke_fleet_feature).
options:
  state:
    description:
      - V(absent) removes our setting from C(asm-options).
      - V(checked) changes nothing. A cluster in which an istiod runs is in RV(failures), because Google's control plane cannot run
        in the same cluster.
    type: str
    choices: [present, absent, checked]
    default: present
  memberships:
    description:
      - By host, the full name of the membership, as M(mesh.fleet.gke_membership) returns it. For other hosts it is the one that
        the inventory names.
    type: dict
    default: {}
  seen:
    description: What M(mesh.fleet.gke_fleet_feature) returned as C(mesh_states). If all are active in it, Google is not asked again.
    type: dict
    default: {}
  enable_apis:
    description:
      - Whether M(mesh.fleet.gke_access) may enable APIs. Used in check mode only; if V(true), a disabled API counts as one that
        a run would have enabled. Otherwise it is an error, as in a run.
    type: bool
    default: false
  timeout:
    description: Seconds in which every control plane must be active.
    type: int
    default: 900
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: Wait for the control planes that Google runs
  mesh.fleet.managed_mesh:
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
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
control_planes:
  description: By host, C(state), C(implementation) (V(TRAFFIC_DIRECTOR), or V(ISTIOD), which is deprecated) and C(conditions).
  returned: success
  type: dict
"""
