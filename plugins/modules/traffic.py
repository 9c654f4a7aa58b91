# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic
short_description: Apply the policies of calls to services
version_added: "0.3.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Makes of the policies in C(mesh_traffic) the VirtualServices, DestinationRules, ServiceEntries and Services that each cluster of the
    play must hold, applies what differs, and removes what an earlier run made and no policy wants any more.
  - P(mesh.fleet.traffic_objects#filter) documents what a policy may say.
  - Nothing is touched if a policy is wrong by itself, or does not fit the services, ports, pods and namespaces of the clusters.
  - Subsets are applied before the routes that name them, and removed after these, also across clusters whose gateways the calls pass.
    In between it waits until the proxies have what was applied.
  - Routes whose subsets are not there in every cluster that they need stay as they were; that is a failure of their cluster.
  - A VirtualService, DestinationRule or ServiceEntry of somebody else's for the same host is a failure of that cluster, which names its
    owner. It is left alone, and so is what this action made for that host there. See O(adopt).
  - One for a pattern of hosts that fits stands beside the policy's, as Istio takes the one for the host itself; a warning names it. If Istio
    takes a DestinationRule first for some callers, and the policy has subsets, that is a failure too.
  - What is for callers of a remote is in its primary.
  - Runs once for the fleet (C(run_once)). It reads all clusters, and writes those of the play.
options:
  adopt:
    description:
      - Whether VirtualServices and DestinationRules of others for the same host are taken over, if they say the same as the policy - every
        call goes to the same pods, with the same weights, limits and time-outs; names do not matter.
      - Ours are applied first, so that there is no gap. One that says something else is a failure that names the difference.
    type: bool
    default: false
  peered:
    description:
      - With O(state=absent), whether other clusters may call those of the play still. Then it is done in the same order as a change, and
        subsets and global names that routes of other clusters need stay, with a warning that names them.
      - Without it nothing stays, and proxies that are late hold back nothing.
    type: bool
    default: true
  state:
    description: V(absent) removes all objects that this action made in the clusters of the play.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description: Whether to wait until proxies have what was applied.
    type: bool
    default: true
  timeout:
    description: Seconds for each wait until proxies have what was applied.
    type: int
    default: 60
extends_documentation_fragment:
  - mesh.fleet.fleet_action
"""

EXAMPLES = r"""
- name: Apply the policies that the inventory names
  mesh.fleet.traffic:
  run_once: true
  register: applied
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
  description: Each object of the run that was applied or removed, as C(cluster), C(kind), C(namespace), C(name) and C(action).
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
addresses:
  description: By global name its addresses, the same in every cluster; in check mode those of new names may be others in the end.
  returned: success
  type: dict
policies:
  description: Each policy, as C(service) and the clusters of its callers (C(from)).
  returned: success
  type: list
  elements: dict
warnings:
  description:
    - Parts of the calls that no pod would get yet, regions that nobody knows, and callers whose primary is not part of the run.
    - By cluster what no policy wants there any more and stays, as other clusters may need it, with what to do.
  returned: when there are any
  type: list
  elements: str
"""
