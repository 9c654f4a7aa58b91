# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: peering
short_description: Let clusters of the fleet watch each other
version_added: "0.1.0"
description:
  - Gives every istiod the remote secrets that the peering graph requires, equal to those of C(istioctl create-remote-secret),
    and waits until it has synced them.
  - Runs once for the fleet (C(run_once)). It reads each watched cluster once and writes each watcher once, however many
    edges there are. It changes only edges that start or end at a cluster of the play.
  - All keys of a watcher are in the Secret C(istio-remote-secrets). A Secret that C(istioctl) made is adopted in place, because
    istiod would drop the cluster for a moment if its key moved. A Secret of somebody else is not changed, and neither is its edge.
  - A remote secret has the CA that verifies the address in it, which may be that of a balancer in front of the API server, or none
    where the certificate is a public one. An address with a path is refused, because a proxy takes no service account token.
  - A failure of one cluster does not fail the task; it is in RV(failures), and the role fails that host. Its peers go on without
    the edges that cannot be made, which are in RV(missing).
  - No new edge is made to or from a cluster that failed earlier in this run of Ansible, nor between clusters whose roots differ.
options:
  state:
    description:
      - V(present) makes the edges of the play's clusters what the inventory says. It removes edges between clusters that the
        inventory names. Edges to others stay, and are in RV(missing), because a part of the inventory may be missing; see O(forget).
      - V(absent) removes the edges of the play's clusters in both directions.
    type: str
    choices: [present, absent]
    default: present
  token:
    description:
      - A V(static) token is that of a token Secret, as C(istioctl) makes it, and never ends. It needs nothing that renews it, and
        deleting its Secret revokes it.
      - A V(bound) token ends, and only a later run renews it. It needs a schedule of runs, see O(run_every). Where API servers
        limit a token's life, that is every few hours.
      - A token of the other kind is replaced in place, without a gap.
      - Whichever it is, a token that its cluster refuses is replaced. Each run asks the watched clusters about the live tokens.
    type: str
    choices: [bound, static]
    default: static
  forget:
    description:
      - Names of clusters that left the fleet, which the inventory does not name any more. The edges to them are removed.
      - Such a cluster keeps the tokens of the clusters that it watched. A warning says how to end them.
    type: list
    elements: str
    default: []
  token_lifetime:
    description: Seconds of validity to request for a bound token. The API server may shorten it; the run uses the token's real end.
    type: int
    default: 2592000
  token_renew_before:
    description:
      - Seconds of validity below which a bound token is renewed, at most a third of its whole life.
      - The validity is read from the live token, without a request.
    type: int
    default: 864000
  run_every:
    description:
      - Seconds between two scheduled runs. A bound token that would not live for two of these intervals is renewed, and a warning
        says which schedule is needed when tokens live too short for this one.
    type: int
    default: 604800
  timeout:
    description: Seconds in which every istiod must have synced its clusters.
    type: int
    default: 30
  wait:
    description: Whether to wait until every istiod has synced. Without it nothing proves that the edges work.
    type: bool
    default: true
  restart_blocked_istiod:
    description:
      - Whether to restart an istiod whose queue of remote secrets hangs. In Istio 1.31 it usually hangs for good when a cluster
        is removed whose API never answered this istiod; istiod then reads no remote secret that is written later.
      - Also an istiod that still has pods of a removed cluster behind global names, which Istio 1.31 keeps until then.
      - It is a rolling restart of the Deployment, shown as a change, with a warning that says what was seen.
    type: bool
    default: true
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
requirements:
  - aiohttp
"""

EXAMPLES = r"""
- name: Let clusters watch each other
  mesh.fleet.peering:
    token: bound
    run_every: 86400
  run_once: true
  register: peered

- name: Remove the clusters of the play from the graph
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
  description: The result in one line, as the C(stages) callback shows it.
  returned: success
  type: str
  sample: "2 edges: 2 added, 0 renewed, 0 removed · all synced"
objects:
  description: Each object that was written or removed, with its C(action).
  returned: success
  type: list
  elements: dict
edges:
  description:
    - Every edge of the run, with C(watcher), C(watched), C(action), C(why), C(in_place), and C(token_ends), which is empty for a
      token that never ends.
    - The action V(withheld) is that of an edge that must not be made, see RV(missing).
    - The action V(unnamed) is that of an edge to a cluster that the inventory does not name. It stays.
  returned: success
  type: list
  elements: dict
failures:
  description: By cluster, why it failed, as text. The task itself succeeds, so that the other clusters go on; the role fails these.
  returned: success
  type: dict
missing:
  description:
    - By cluster, the edges without which it goes on, or which it has to clusters that the inventory does not name, and why, as text.
    - Each text is a warning too, and ends in the recap.
    - The role keeps it until nothing else is left to do; then C(playbooks/whole.yml) fails these clusters.
  returned: when something is missing
  type: dict
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
"""
