# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_mesh
short_description: Control planes that Google runs
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Waits until Google's control plane is active in every cluster of the play with C(mesh_control_plane=managed), tells which
    implementation it is, and says its conditions in words.
  - Lets those clusters see each other by the ConfigMap C(asm-options) in C(istio-system), which replaces remote secrets.
    C(multicluster_mode) is C(connected), or C(disconnected) for a cluster with C(mesh_peers=[]).
  - Nothing that carries C(istio.io/owned-by=mesh.googleapis.com) is ever touched.
  - Runs once for the fleet (C(run_once)), after C(gke_fleet_feature).
options:
  state:
    description:
      - V(absent) takes our setting out of C(asm-options).
      - V(checked) changes nothing. A cluster in which another istiod runs is in RV(failures), because Google's control plane goes
        beside none.
    type: str
    choices: [present, absent, checked]
    default: present
  memberships:
    description:
      - By host, the full name of the membership, as C(gke_membership) returns it. A host that is missing here has the one that
        the inventory names.
    type: dict
    default: {}
  seen:
    description: What C(gke_fleet_feature) returned as C(mesh_states). Where all are active in it, Google is not asked again.
    type: dict
    default: {}
  enable_apis:
    description:
      - Whether the APIs may be switched on, as said to M(mesh.fleet.gke_access). Counts in check mode alone, where one that is off
        is then taken for one that a run has switched on before; without it that is an error, as it is in a run.
    type: bool
    default: false
  timeout:
    description: Seconds until every control plane must be active.
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
control_planes:
  description: By host, C(state), C(implementation) (V(TRAFFIC_DIRECTOR), or V(ISTIOD), which is deprecated) and C(conditions).
  returned: success
  type: dict
"""
