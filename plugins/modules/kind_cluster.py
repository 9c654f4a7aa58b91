# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kind_cluster
short_description: Make, revive or remove the kind cluster of a host
version_added: 0.1.0
description:
  - Makes the Kubernetes cluster of this host through kind, with the pod and service ranges, the region, the zone and the
    labels that the inventory gives it. Run it on every host whose C(cluster_provider) is C(kind); they work side by side.
  - A node that does not run, after a crash or a reboot, is started again with its address, and keeps what it holds. A
    node whose creation was cut off is made anew.
  - Writes C(<fleet_dir>/<fleet_name>/kubeconfigs/<host>.yaml), mode 0600, with a context C(<host>) for the controller and
    C(<host>-peer) for other clusters.
  - Containers, networks and kubeconfigs that the fleet did not make are never touched; one that bears a name the fleet
    needs is an error that says so.
  - Settings that this machine needs and others do not (docs/local-fleet.md) are found out, and used only here.
options:
  state:
    description: Whether the cluster shall be there.
    type: str
    choices: [present, absent]
    default: present
  image:
    description: The node image; needed to make a cluster.
    type: str
    default: ""
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
  description: One line that says what came of it, as the C(stages) callback shows it.
  returned: success
  type: str
  sample: "west created and ready"
objects:
  description: What became of each thing, with C(cluster), C(kind), C(name) and C(action).
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
