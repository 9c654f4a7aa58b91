# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_nat
short_description: Cloud NAT for the private nodes of the fleet
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Makes one Cloud Router with NAT for each VPC and region that holds private nodes of the fleet and has none. C(google.cloud)
    has no module for it.
  - On a Shared VPC it is in the host project; where these credentials may not make it there, RV(failures) says what is missing, and a
    cluster with C(cluster_egress) needs none.
  - A router of others that has NAT for the same VPC and region serves as well, and is never changed.
  - Where clusters of another VPC have authorized networks that must let these nodes through, an address is reserved for the
    NAT, so that it is known before the clusters are made; a router of this fleet that took any address is changed to it.
options:
  state:
    description: V(absent) removes the routers and addresses that this fleet made, in regions where none of its clusters stays.
    type: str
    choices: [present, absent]
    default: present
  enable_apis:
    description: Whether the APIs of Compute Engine and GKE may be switched on where they are off; else the run names them and stops.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for Google.
    type: int
    default: 300
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: Let private nodes reach the internet
  mesh.fleet.gke_nat:
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
requests:
  description: How many requests were sent to Google.
  returned: success
  type: int
egress:
  description: The addresses, as lists of ranges, of each NAT that others must know, by C(project/network/region).
  returned: success
  type: dict
"""
