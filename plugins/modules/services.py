# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: services
short_description: Export services of GKE clusters to other GKE clusters
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Serves GKE clusters only; RV(not_served) names clusters of other providers.
  - Exports the services of C(mesh_exports) from every cluster of the play that runs them, and waits until the clusters that may
    call them have imported them, under the name C(name.namespace.svc.clusterset.local).
  - It uses multi-cluster services; it makes a ServiceExport of C(net.gke.io), and Google makes the ServiceImport, in every cluster
    of the Google fleet that has the namespace. C(to) names the clusters in which it waits for the import.
  - With C(mtls) it makes a ServiceEntry and a VirtualService of that name, so that sidecars call it with the mesh's certificates.
  - An import without the pods of an exporting cluster is one of RV(warnings), or a failure of that cluster if its ServiceExport
    (conditions, Events) gives a reason.
  - A Service without pods of its own (ExternalName) is refused.
  - Runs once for the fleet (C(run_once)). An export that somebody else made stays as it is.
options:
  state:
    description: V(absent) removes all exports that this action made.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description: Whether to wait for the imports.
    type: bool
    default: true
  timeout:
    description: Seconds in which every import must exist. The first one of a fleet takes Google up to five minutes.
    type: int
    default: 600
extends_documentation_fragment:
  - mesh.fleet.fleet_action
"""

EXAMPLES = r"""
- name: Export the services that the inventory names
  mesh.fleet.services:
  run_once: true
  register: exported
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
exports:
  description: Each service, with its name for all clusters (C(host)) and the clusters that export it (C(from)).
  returned: success
  type: list
  elements: dict
imports:
  description: Each import, as C(service), C(cluster), C(address), and C(without), the exporting clusters whose pods it lacks.
  returned: success
  type: list
  elements: dict
not_served:
  description: By cluster, why it is not served.
  returned: success
  type: dict
warnings:
  description: Services that no cluster runs, that have different ports in different clusters, or whose import lacks the pods of a cluster.
  returned: when there are any
  type: list
  elements: str
"""
