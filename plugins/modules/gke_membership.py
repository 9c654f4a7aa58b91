# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_membership
short_description: Register GKE clusters in the Google fleet
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Registers all GKE clusters of the play in the fleet of C(gke_fleet_project) (a cluster's own project by default) at the same time.
  - A cluster that is a member already stays as it is, under whatever name and whoever registered it.
  - The name of a membership is C(gke_membership) (the cluster's name by default), its location C(gke_membership_location) (the region).
  - Runs once for the fleet (C(run_once)). Reads all memberships by one request.
options:
  state:
    description: V(absent) unregisters those of the play's clusters that this inventory registered.
    type: str
    choices: [present, absent]
    default: present
  enable_apis:
    description:
      - Whether M(mesh.fleet.gke_access) may enable APIs. Used in check mode only; if V(true), a disabled API counts as one that
        a run would have enabled. Otherwise it is an error, as in a run.
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
memberships:
  description: By host, the full name of its membership.
  returned: success
  type: dict
  sample: {west: projects/shop-prod/locations/us-west1/memberships/west}
kept:
  description: Memberships that were not removed, and why.
  returned: success
  type: list
  elements: str
requests:
  description: Number of requests to Google.
  returned: success
  type: int
"""
