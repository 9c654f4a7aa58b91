# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kind_network
short_description: Connect the pod networks of a fleet's kind clusters
version_added: 0.1.0
description:
  - Sets up the pod network of every node of the fleet. Pods of clusters with the same C(mesh_network) reach each other
    directly; connections between pods of different networks are refused at once.
  - Installs a small load balancer in each cluster, which gives Services of type LoadBalancer an address that every
    cluster and the controller reach.
  - Waits until every node is Ready and, after a crash, until its pods have started again.
  - Runs once for the fleet (C(run_once)), after M(mesh.fleet.kind_cluster).
options:
  state:
    description:
      - V(absent) removes the fleet's network, and its state folder if all its clusters are of provider C(kind) and
        M(mesh.fleet.kind_cluster) marked the folder when it was new. The root in it stays. If no fleet is left, it restores
        the machine's settings. It does nothing while a cluster of the fleet exists.
      - If the play contains all kind clusters of the fleet, it first removes orphans too, that is, clusters of the fleet that
        the inventory no longer names.
    type: str
    choices: [present, absent]
    default: present
  files:
    description: Folder C(files) of role kind_cluster.
    type: path
    required: true
  image:
    description: An image with Python that the node image holds, for the load balancer.
    type: str
    default: ""
  timeout:
    description: Seconds to wait for a node to be Ready.
    type: int
    default: 180
  remove_orphans:
    description:
      - Whether to remove orphans, that is, clusters of this fleet on this machine that the inventory does not name.
      - Otherwise a warning names them, and they stay until the whole fleet is removed.
    type: bool
    default: false
  remove_root:
    description: With O(state=absent), whether the state folder goes with the fleet's root and the password of its key.
    type: bool
    default: false
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_local
  - mesh.fleet.fleet_local.kind
"""

EXAMPLES = r"""
- name: Connect the pod networks
  mesh.fleet.kind_network:
    files: "{{ role_path }}/files"
    image: "{{ artifacts_python_image }}"
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
  sample: ""
objects:
  description: Each object of the run, as C(cluster), C(kind), C(name) and C(action).
  returned: success
  type: list
  elements: dict
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
"""
