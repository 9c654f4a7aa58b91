# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: services
short_description: Services that other clusters may call
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Exports the services of C(mesh_exports) from every cluster of the play that runs them, and waits until they have arrived in
    the clusters that may call them, where their name is C(name.namespace.svc.clusterset.local).
  - On GKE that is multi-cluster services, a ServiceExport of C(net.gke.io), and the ServiceImport that Google makes of it. Google
    brings an import to every cluster of the set that has the namespace; C(to) says where it is waited for.
  - An import that lacks the pods of an exporting cluster is one of RV(warnings), or the failure of that cluster where its ServiceExport
    (conditions, Events) says why.
  - Clusters of other providers are named in RV(not_served). A Service without pods of its own (ExternalName) is refused.
  - Runs once for the fleet (C(run_once)). An export that somebody else made is left alone.
options:
  state:
    description: V(absent) removes all exports that we made.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description: Whether to wait for the imports.
    type: bool
    default: true
  timeout:
    description: Seconds until every import must be there. The first one takes Google up to five minutes.
    type: int
    default: 600
extends_documentation_fragment:
  - mesh.fleet.fleet_action
"""

EXAMPLES = r"""
- name: Export what the inventory names
  mesh.fleet.services:
  run_once: true
  register: exported
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
exports:
  description: Each service with C(host), its name for all clusters, and C(from), the clusters that export it.
  returned: success
  type: list
  elements: dict
imports:
  description: What arrived, as C(service), C(cluster), C(address), and C(without) where pods of exporting clusters are not in it.
  returned: success
  type: list
  elements: dict
not_served:
  description: By cluster, why it takes no part.
  returned: success
  type: dict
warnings:
  description: Services that nobody has, that clusters offer with different ports, or that arrived without the pods of a cluster.
  returned: when there are any
  type: list
  elements: str
"""
