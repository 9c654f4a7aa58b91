# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: services
short_description: Export services to other clusters
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Exports the services of C(mesh_exports) from every cluster that runs them, under the name
    C(name.namespace.svc.clusterset.local), to the clusters that may call them.
  - On GKE it uses Google's multi-cluster services. It makes a ServiceExport of C(net.gke.io), and Google makes the ServiceImport, in
    every cluster of the Google fleet that has the namespace. C(to) names the clusters in which it waits for the import. With
    C(mtls) it makes a ServiceEntry and a VirtualService of that name, so that sidecars call it with the mesh's certificates.
  - In clusters of other providers it makes the upstream objects (C(multicluster.x-k8s.io)), a ServiceExport where the service runs,
    and a ServiceImport in the clusters of C(to) and in those that export it, merged by the rules of KEP-1645. The name has one
    address in the whole fleet, of RV(imports) and C(mesh_global_range). Sidecars know it by a ServiceEntry and a VirtualService, and
    always call it with the mesh's certificates. The kinds themselves are made where they are missing, and brought up to date where
    the fleet made them (O(kinds)).
  - Of such clusters it reads all of the fleet and writes those of the play. What a cluster that does not answer may export stays.
  - Where another controller of these kinds runs (Submariner, Cilium, or GKE in a cluster of provider C(kubeconfig)), it makes the
    ServiceExport and waits for that controller's ServiceImport.
  - An import without the pods of an exporting cluster is one of RV(warnings), or a failure of that cluster if its ServiceExport
    (conditions, Events) gives a reason.
  - A Service without pods of its own (ExternalName) is refused.
  - Runs once for the fleet (C(run_once)). An export that somebody else made stays as it is, and a service that another fleet
    exports or imports in the same cluster is refused there.
  - Of a ServiceExport of C(multicluster.x-k8s.io) that a user made for a service of C(mesh_exports), it writes the conditions C(Valid)
    and C(Conflict), unless another controller writes its status. It takes them back when nothing is exported by it any more.
options:
  state:
    description:
      - V(absent) removes all that this action made in the clusters of the play; the kinds too, where it made them and nobody else's
        objects are left.
    type: str
    choices: [present, absent]
    default: present
  kinds:
    description:
      - Folder with the CustomResourceDefinitions of ServiceExport and ServiceImport (C(*.yaml)), which are made in clusters that
        need these kinds and have none.
    type: path
    default: ""
  dns:
    description:
      - Whether the DNS of clusters that are not on GKE (CoreDNS) serves the names too, for pods without a sidecar. Those reach a
        service that runs in their own cluster. Elsewhere the name resolves to an address that only sidecars know.
    type: bool
    default: false
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
  description:
    - Each object that was created, changed or removed, as C(cluster), C(kind), C(namespace), C(name) and C(action); in check mode each
      that would be.
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
  description:
    - What is imported, by C(service) and C(address), each with the C(clusters) that have it so, and C(without), the exporting clusters
      whose pods it lacks there.
  returned: success
  type: list
  elements: dict
warnings:
  description:
    - Services that no cluster runs, that differ between clusters, or whose import lacks the pods of a cluster; and what C(to) cannot
      limit.
  returned: when there are any
  type: list
  elements: str
"""
