# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_membership
short_description: GKE clusters as members of the Google fleet
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Registers every GKE cluster of the play in the fleet of C(gke_fleet_project) (its own project by default), side by side.
  - A cluster that is a member already, whoever registered it and under whatever name, stays as it is.
  - The membership is called C(gke_membership) (the cluster's name by default) and lies in C(gke_membership_location) (its region).
  - Runs once for the fleet (C(run_once)). All memberships are read by one request.
options:
  state:
    description: V(absent) unregisters the play's clusters, where this inventory has registered them.
    type: str
    choices: [present, absent]
    default: present
  enable_apis:
    description:
      - Whether the APIs may be switched on, as said to M(mesh.fleet.gke_access). Counts in check mode alone, where one that is off
        is then taken for one that a run has switched on before; without it that is an error, as it is in a run.
    type: bool
    default: false
  timeout:
    description: Seconds for the registration of one cluster.
    type: int
    default: 600
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: Register the clusters
  mesh.fleet.gke_membership:
  run_once: true
  register: registered
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
memberships:
  description: By host, the full name of its membership.
  returned: success
  type: dict
  sample: {west: projects/shop-prod/locations/us-west1/memberships/west}
kept:
  description: Memberships that were left alone, and why.
  returned: success
  type: list
  elements: str
requests:
  description: How many requests were sent to Google.
  returned: success
  type: int
"""
