# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: objects
short_description: Apply any Kubernetes objects to one cluster, all at once
version_added: 0.1.0
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Applies a list of objects to this host's cluster, concurrently, by server-side apply with the field manager C(mesh.fleet).
    Namespaces and CRDs are applied first, workloads last.
  - A field that an earlier run set and this one leaves out is removed.
  - A field that belongs to another manager is an error that names the manager. Nothing is forced.
  - One error names all objects that failed; the others are applied.
options:
  objects:
    description:
      - A list of manifests, or YAML text with one or more documents. The list may contain such texts too.
      - Every object gets the label C(mesh.fleet/fleet) with the value of C(fleet_name).
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
      - Delete objects of O(prune_kinds), in all namespaces, that have all of these labels, are of this fleet (C(mesh.fleet/fleet))
        and are not in O(objects).
        With O(state=absent), delete all that have them.
      - Requires O(prune_kinds).
    type: dict
    default: {}
  prune_kinds:
    description: Kinds of which O(prune) deletes objects, as V(v1/Secret) or V(apps/v1/Deployment).
    type: list
    elements: str
    default: []
  take_over:
    description: Field managers whose fields may be taken over, for example V(kubectl-client-side-apply).
    type: list
    elements: str
    default: []
  wait:
    description:
      - Wait until workloads, pods, nodes and CRDs are ready, jobs complete, and load balancers have an address.
      - With O(state=absent), and for O(prune), wait until deleted objects are gone.
      - Check mode does not wait.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait, for all objects at the same time.
    type: int
    default: 120
  kubeconfig:
    description:
      - A kubeconfig to use in place of the connection to this host's cluster, or a list of files with colons between.
      - Ansible Vault may encrypt it.
    type: path
    default: ""
  context:
    description: Context of O(kubeconfig), with which it is used only; empty means the current one.
    type: str
    default: ""
extends_documentation_fragment:
  - mesh.fleet.fleet_action
"""

EXAMPLES = r"""
- name: Apply what every cluster gets
  mesh.fleet.objects:
    objects: "{{ lookup('ansible.builtin.template', 'objects.yml.j2') }}"
    labels:
      example.com/set: base
    prune:
      example.com/set: base
    prune_kinds: [v1/ConfigMap, apps/v1/Deployment]
    wait: true

- name: Delete a namespace, and wait until it is gone
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
  description: The result in one line.
  returned: always
  type: str
  sample: "west 12 objects: 3 created, 1 changed"
stage_line:
  description: The result in one line, as the C(stages) callback shows it.
  returned: success
  type: str
objects:
  description: Each object of the run, as C(cluster), C(kind), C(namespace), C(name) and C(action).
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
