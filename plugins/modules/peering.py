# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: peering
short_description: Let clusters of the fleet watch each other
version_added: "0.1.0"
description:
  - Gives every istiod the remote secrets that the peering graph asks for, equal to those of C(istioctl create-remote-secret),
    and waits until it has synced them.
  - Runs once for the fleet (C(run_once)). Each watched cluster is read once and each watcher is written once, however many
    edges there are. Only edges that start or end at a cluster of the play are touched.
  - All keys of a watcher lie in the Secret C(istio-remote-secrets). One that C(istioctl) made is taken over in place, because
    istiod would drop the cluster for a moment if its key moved. A Secret of somebody else is left alone, and so is its edge.
  - What concerns one cluster does not fail the task; it is in RV(failures), and the role fails that host.
options:
  state:
    description:
      - V(present) makes the edges of the play's clusters what the inventory says, and removes those that it no longer names.
      - V(absent) removes the edges of the play's clusters in both directions.
    type: str
    choices: [present, absent]
    default: present
  token:
    description:
      - V(bound) is a token that ends and is renewed by a later run; V(static) is that of a token Secret, which never ends.
    type: str
    choices: [bound, static]
    default: bound
  token_lifetime:
    description: Seconds that a bound token is asked for. The API server may shorten it; what it says counts.
    type: int
    default: 2592000
  token_renew_before:
    description:
      - Seconds of validity below which a bound token is renewed, at most a third of its whole life.
      - Read from the live token, without a request.
    type: int
    default: 864000
  timeout:
    description: Seconds until every istiod must have synced its clusters.
    type: int
    default: 30
  wait:
    description: Whether to wait for that. Without it nothing proves that the edges work.
    type: bool
    default: true
  restart_blocked_istiod:
    description:
      - Whether to restart an istiod whose queue of remote secrets does not move. Istio 1.31 hangs, as a rule for good, when
        a cluster is removed whose API never answered this istiod; remote secrets written after that are not taken in.
      - It is a rolling restart of its Deployment, shown as a change, with a warning that says what was seen.
    type: bool
    default: true
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
requirements:
  - kubernetes-asyncio
"""

EXAMPLES = r"""
- name: Let clusters watch each other
  mesh.fleet.peering:
    token: bound
  run_once: true
  register: peered

- name: Take the clusters of the play out of the graph
  mesh.fleet.peering:
    state: absent
  run_once: true
"""

RETURN = r"""
changed:
  description: Whether anything was changed, or would be in check mode.
  returned: always
  type: bool
stage_line:
  description: One line that says what came of it, as the C(stages) callback shows it.
  returned: success
  type: str
  sample: "2 edges: 2 added, 0 renewed, 0 removed · all synced"
objects:
  description: What became of each Secret.
  returned: success
  type: list
  elements: dict
edges:
  description: Every edge of the run, with C(watcher), C(watched), C(action), C(why) and C(in_place).
  returned: success
  type: list
  elements: dict
failures:
  description: By cluster, what failed, as text.
  returned: success
  type: dict
problems:
  description: By cluster, the same as a list of C(what), C(cluster), C(object), C(seen), C(means) and C(next).
  returned: success
  type: dict
problem:
  description: What failed for the whole fleet, with the same keys.
  returned: failure
  type: dict
"""
