# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: federation
short_description: Federate the mesh with meshes of other teams
version_added: "0.3.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Works on what C(mesh_federation) says - meshes with roots and trust domains of their own, and the services that each of them may call.
  - Writes a bundle for each peer, a file with trust domain, roots, addresses of gateways, and the services that are exported to that peer.
  - Makes of each exported service, and of each service in a peer's bundle, a ServiceEntry of a name in C(.global), with an address that is
    the same in all clusters. A peer's services may also be called under its trust domain, which a DestinationRule maps to the name that the
    peer knows.
  - Makes mutual TLS the rule in the whole mesh, and refuses every call of a peer to what is not exported to it.
  - The roots of peers are set by P(mesh.fleet.control_plane#module), as copies that are good for the peer's trust domain alone.
  - Runs once for the fleet (C(run_once)). It reads all clusters, and writes those of the play.
options:
  state:
    description: V(absent) removes all objects that this action made in the clusters of the play.
    type: str
    choices: [present, absent]
    default: present
  directory:
    description: Folder for the bundles of this mesh; empty for C(federation) in the fleet's state folder.
    type: str
    default: ""
  lifetime:
    description: How long a bundle of this mesh is good, such as V(90d).
    type: str
    default: 90d
  istiod_stays:
    description:
      - With O(state=absent), whether the istiods of the clusters go on running. While one of them trusts a peer's root, the policy that
        refuses all calls of that peer stays, with mutual TLS for the whole mesh, and a warning says how that ends.
    type: bool
    default: true
  timeout:
    description: Seconds for other runs to let this one write the record of addresses.
    type: int
    default: 60
extends_documentation_fragment:
  - mesh.fleet.fleet_action
"""

EXAMPLES = r"""
- name: Federate the mesh with those that the inventory names
  mesh.fleet.federation:
  run_once: true
  register: federated
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
peers:
  description:
    - Each peer, as C(trust_domain) and C(exports); once its bundle is there also C(roots) (SHA-256), C(imports) and C(days_left).
  returned: success
  type: list
  elements: dict
bundles:
  description: By the peer's trust domain, the file that is for it.
  returned: success
  type: dict
warnings:
  description: Peers whose bundle is not there or ends soon, exported services that run nowhere, and roots without a name constraint.
  returned: when there are any
  type: list
  elements: str
"""
