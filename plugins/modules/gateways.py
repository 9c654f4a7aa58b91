#!/usr/bin/python
# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gateways
short_description: Istio's gateways of one cluster
version_added: 0.1.0
description:
  - Installs the chart gateway as C(istio-eastwestgateway) and C(istio-ingressgateway) where they are wanted, writes the
    mesh's Gateway objects in primaries, and waits for ready pods and for an address, which may be an IP or a hostname.
  - In a remote, first waits until its primary can inject there; where Google runs the control plane, until that does.
  - A cluster with C(mesh_control_plane=managed) gets no east-west gateway, because Google's control plane serves none, and its
    gateways are never in C(istio-system), which is Google's.
  - A gateway that this collection installed and that is no longer wanted is uninstalled; others stay.
options:
  state:
    description: Whether gateways should be there.
    type: str
    choices: [present, absent]
    default: present
  gateways:
    description: V(for_remotes) is only the gateway that a primary serves remotes through, other clusters are skipped.
    type: str
    choices: [all, for_remotes]
    default: all
  eastwest:
    description:
      - Which clusters get an east-west gateway.
      - V(auto) is every cluster when the fleet has more than one network, and every primary that serves remotes.
      - V(never) still keeps the one that remotes are served through.
    type: str
    choices: [auto, always, never]
    default: auto
  ingress:
    description: Whether clusters get an ingress gateway; true, false, or a list of cluster names.
    type: raw
    default: true
  namespace:
    description:
      - Namespace of the gateways. Empty is the control plane's, and C(istio-ingress) where Google runs that.
      - One that was not there before is removed by O(state=absent), unless it holds something of others.
    type: str
    default: ""
  replicas:
    description: Number of pods of each gateway, which turns autoscaling off. 0 leaves the chart's own.
    type: int
    default: 0
  values:
    description: Values for all gateways, merged over what the inventory says.
    type: dict
    default: {}
  eastwest_values:
    description: Values for the east-west gateway, merged last.
    type: dict
    default: {}
  ingress_values:
    description: Values for the ingress gateway, merged last.
    type: dict
    default: {}
  timeout:
    description: Seconds for each wait, and for one operation of Helm.
    type: int
    default: 180
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_helm
  - mesh.fleet.fleet_helm.charts
"""

EXAMPLES = r"""
- name: Gateways between networks, and for the world in two clusters
  mesh.fleet.gateways:
    ingress: [west, north]
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
objects:
  description: What became of each release and object.
  returned: success
  type: list
  elements: dict
  contains:
    cluster:
      description: The cluster.
      type: str
    kind:
      description: The kind; C(Release) for a Helm release.
      type: str
    namespace:
      description: The namespace, empty for what has none.
      type: str
    name:
      description: The name.
      type: str
    action:
      description: One of C(created), C(changed), C(removed), C(unchanged).
      type: str
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
addresses:
  description: Address by gateway.
  returned: O(state=present)
  type: dict
  sample: {istio-eastwestgateway: 34.82.1.9}
"""
