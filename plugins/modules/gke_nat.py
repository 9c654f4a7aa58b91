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
  - Makes one Cloud Router with NAT for each VPC and region that contains private nodes of the fleet and has no NAT.
    C(google.cloud) has no module for it.
  - On a Shared VPC it is in the host project. If these credentials may not make it there, RV(failures) names what is missing. A
    cluster with C(cluster_egress) needs no NAT.
  - If routers of somebody else already have NAT for the VPC and region, those are used and never changed. NAT for the primary ranges
    of subnets is enough, unless C(networkConfig.defaultSnatStatus.disabled) in C(gke_cluster_fields) lets pods keep their addresses.
    For a cluster that none of them serves, a router with NAT for its subnet alone is made, unless it has C(cluster_egress).
  - If authorized networks of clusters in another VPC must admit these nodes, it reserves an address for the NAT, which is then
    known before the clusters are made. A router of this fleet with another address is changed to it.
options:
  state:
    description: V(absent) removes the routers and addresses that this fleet made, in regions where it has no clusters any more.
    type: str
    choices: [present, absent]
    default: present
  enable_apis:
    description: Whether to enable the APIs of Compute Engine and GKE if they are disabled; otherwise the task fails and names them.
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
- name: Give private nodes access to the internet
  mesh.fleet.gke_nat:
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
requests:
  description: Number of requests to Google.
  returned: success
  type: int
egress:
  description: By C(project/network/region), the addresses of each NAT that authorized networks must contain, as a list of ranges.
  returned: success
  type: dict
"""
