# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kind_cluster
short_description: Make, restart or remove the kind cluster of a host
version_added: 0.1.0
description:
  - Makes the Kubernetes cluster of this host with kind, with the pod and service ranges, the region, the zone and the
    labels from the inventory. Run it on every host whose C(cluster_provider) is C(kind); it works on all at the same time.
  - Restarts a node that does not run, after a crash or a reboot, with its address and its data. Recreates a node whose
    creation was interrupted.
  - Writes C(<fleet_dir>/<fleet_name>/kubeconfigs/<host>.yaml), mode 0600, with a context C(<host>) for the controller and
    C(<host>-peer) for other clusters.
  - Never changes containers, networks and kubeconfigs that the fleet did not make. If one has a name that the fleet needs,
    that is an error.
  - Detects settings that only this machine needs (docs/local-fleet.md), and applies them on this machine only.
options:
  state:
    description: Whether the cluster should exist.
    type: str
    choices: [present, absent]
    default: present
  image:
    description: The node image; required to make a cluster.
    type: str
    default: ""
  remove_root:
    description:
      - With O(state=absent), whether a cluster goes that keeps the fleet's root, as C(mesh_state_cluster) says.
      - Otherwise it is not deleted.
    type: bool
    default: false
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_local
  - mesh.fleet.fleet_local.kind
"""

EXAMPLES = r"""
- name: Make the kind cluster
  mesh.fleet.kind_cluster:
    bin: "{{ artifacts_bin }}"
    image: "{{ artifacts_node_image }}"

- name: Remove it
  mesh.fleet.kind_cluster:
    state: absent
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
  sample: "west created and ready"
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
