# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: objects
short_description: Any Kubernetes objects in one cluster, all at once
version_added: 0.1.0
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Applies a list of objects to the cluster that the host is, concurrently, by server-side apply with the field
    manager C(mesh.fleet). Namespaces and CRDs go first, workloads last.
  - An object is applied whole. A field that an earlier run set and this one leaves out is removed.
  - A field that belongs to another manager is an error that names it. Nothing is forced.
  - All objects that failed are named in one error; the others are applied.
options:
  objects:
    description:
      - A list of manifests, or a text of YAML with one or many documents; such texts may also stand in the list.
      - Every object gets the label C(app.kubernetes.io/managed-by=mesh.fleet).
    type: raw
    default: []
  state:
    description: V(absent) deletes the objects, namespaces and CRDs last.
    type: str
    choices: [present, absent]
    default: present
  labels:
    description: Labels to put on every object.
    type: dict
    default: {}
  prune:
    description:
      - Delete objects of O(prune_kinds), in all namespaces, that carry all of these labels and are not in O(objects).
        With O(state=absent) all of them.
      - Needs O(prune_kinds).
    type: dict
    default: {}
  prune_kinds:
    description: Kinds to look at for O(prune), as V(v1/Secret) or V(apps/v1/Deployment).
    type: list
    elements: str
    default: []
  take_over:
    description: Field managers whose fields may be taken, for example V(kubectl-client-side-apply).
    type: list
    elements: str
    default: []
  wait:
    description:
      - Wait until workloads, pods, nodes and CRDs are ready, jobs complete, and load balancers have an address.
      - With O(state=absent), and for O(prune), wait until what is deleted is gone.
      - Not in check mode.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait, for all objects at the same time.
    type: int
    default: 120
  kubeconfig:
    description: Another kubeconfig than that of the host's cluster. Empty takes the fleet's.
    type: path
    default: ""
  context:
    description: Its context; empty takes the current one. Used with O(kubeconfig) alone.
    type: str
    default: ""
extends_documentation_fragment:
  - mesh.fleet.fleet_action
"""

EXAMPLES = r"""
- name: What every cluster gets
  mesh.fleet.objects:
    objects: "{{ lookup('ansible.builtin.template', 'objects.yml.j2') }}"
    labels:
      example.com/set: base
    prune:
      example.com/set: base
    prune_kinds: [v1/ConfigMap, apps/v1/Deployment]
    wait: true

- name: Take one namespace away, and wait until it is gone
  mesh.fleet.objects:
    state: absent
    objects:
      - apiVersion: v1
        kind: Namespace
        metadata:
          name: shop
    wait: true
"""

RETURN = r"""
msg:
  description: What happened, in one line.
  returned: always
  type: str
  sample: "west 12 objects: 3 created, 1 changed"
stage_line:
  description: The same line, for the progress display.
  returned: success
  type: str
objects:
  description: Each object with what happened to it, as C(cluster), C(kind), C(namespace), C(name), C(action).
  returned: success
  type: list
  elements: dict
  sample:
    - cluster: west
      kind: ConfigMap
      namespace: shop
      name: settings
      action: created
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
"""
