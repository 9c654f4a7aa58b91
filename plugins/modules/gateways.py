#!/usr/bin/python
# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gateways
short_description: Install Istio's gateways in one cluster
version_added: 0.1.0
description:
  - Installs the chart gateway as C(istio-eastwestgateway) and C(istio-ingressgateway) as O(eastwest) and O(ingress) say, writes
    the mesh's Gateway objects in primaries, and waits for ready pods and for what C(service.type) gives. Of type LoadBalancer that
    is an address, an IP or a hostname.
  - In a remote, first waits until its primary can inject sidecars there; in a cluster whose control plane Google runs, until
    Google's does.
  - A cluster with C(mesh_control_plane=managed) gets no east-west gateway, because Google's control plane supports none. Its
    gateways are never in C(istio-system), which is Google's.
  - Uninstalls a gateway that this collection installed and that is no longer wanted. Others stay. Removes the objects of a gateway
    of this fleet also where Helm's records of it are lost.
  - Makes objects of a gateway that are missing again, and puts right those that somebody changed or scaled to 0. Leaves what
    controllers and autoscalers set, and labels and annotations.
options:
  state:
    description: Whether gateways should be there.
    type: str
    choices: [present, absent]
    default: present
  gateways:
    description: V(for_remotes) means only the gateway through which a primary serves its remotes; other clusters are skipped.
    type: str
    choices: [all, for_remotes]
    default: all
  eastwest:
    description:
      - Which clusters get an east-west gateway.
      - V(auto) means every cluster if the fleet has more than one network, and every primary that serves remotes.
      - V(never) still keeps the gateway through which a primary serves its remotes.
    type: str
    choices: [auto, always, never]
    default: auto
  ingress:
    description: Whether clusters get an ingress gateway; true, false, or a list of cluster names.
    type: raw
    default: true
  namespace:
    description:
      - Namespace of the gateways. Empty means the control plane's, or C(istio-ingress) if Google runs it.
      - O(state=absent) removes it if this action made it and it holds no objects of others.
    type: str
    default: ""
  replicas:
    description: Number of pods of each gateway, without autoscaling. 0 keeps the chart's autoscaling.
    type: int
    default: 0
  values:
    description: Values for all gateways, merged over those from the inventory.
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
    description: Seconds for each wait, and for one operation of Helm; five times as many in an Autopilot cluster (C(gke_mode)).
    type: int
    default: 180
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_helm
  - mesh.fleet.fleet_helm.charts
"""

EXAMPLES = r"""
- name: East-west gateways where needed, and ingress gateways in two clusters
  mesh.fleet.gateways:
    ingress: [west, north]
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
objects:
  description: Each Helm release and object of the run.
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
      description: The namespace, or an empty string.
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
  description:
    - Address by gateway. Of a Service of type C(NodePort) that of a node, of type C(ClusterIP) the one within the cluster. Empty
      without a Service.
  returned: O(state=present)
  type: dict
  sample: {istio-eastwestgateway: 34.82.1.9}
services:
  description: By gateway, where its Service is reached.
  returned: O(state=present)
  type: dict
  contains:
    type:
      description: Type of the Service; C(None) where there is none.
      type: str
    hosts:
      description: Addresses; of type C(NodePort) those of the nodes that are ready.
      type: list
      elements: str
    ports:
      description: By port of the Service, the port at these addresses.
      type: dict
  sample: {istio-ingressgateway: {type: NodePort, hosts: [10.0.0.4], ports: {"80": 31080}}}
"""
