# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: front_door
short_description: One address for the world in front of all clusters
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Leads hosts and paths to services of the clusters behind one address, and waits until they are taken.
  - On GKE that is multi-cluster ingress, that is MultiClusterService and MultiClusterIngress in C(gke_config_cluster). Selector and ports
    are taken from the live Service. What an earlier config cluster still has is removed once the new one's address is there.
  - Everything that may be wrong is looked at before anything is made. Objects of somebody else are not written over.
  - Google keeps the old address and routes when it refuses a change, and says so in Events alone. So the wait ends when Google has worked
    on the door after its last change and no Warning is left about it. A refusal fails the task with Google's words, also where nothing
    was changed.
  - Runs once for the fleet (C(run_once)). Objects of an earlier run that are not wanted any more go.
options:
  state:
    description: V(absent) takes the front door away, unless the cluster in which it lies is not in the play.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Its name.
    type: str
    default: front-door
  routes:
    description:
      - What leads where, as C(host) (any by default), C(path) (C(/) by default; all below it is meant too), C(service)
        (C(name.namespace)), C(port) (the Service's first by default), C(clusters) (all by default) and C(health)
        (C(path), and C(port) of the pods, of the request that tells a healthy backend).
      - A request that matches no route goes to the one without host and path, else to the first.
      - All services are of one namespace.
    type: list
    elements: dict
    default: []
  certificates:
    description: Names of certificates that Google has, for HTTPS. Needs O(address).
    type: list
    elements: str
    default: []
  address:
    description: Name of the reserved address, which is reserved when it is not there; or an IP. Empty takes what comes.
    type: str
    default: ""
  release_address:
    description: With O(state=absent), also give back O(address), where we reserved it.
    type: bool
    default: false
  https_redirect:
    description: Whether HTTP is answered with a redirect to HTTPS. Needs O(certificates).
    type: bool
    default: false
  wait:
    description: Whether to wait until it is taken. Without, as in check mode, what is refused already is one of RV(warnings).
    type: bool
    default: true
  timeout:
    description: Seconds until Google has taken it, or has taken down what goes. That takes up to ten minutes.
    type: int
    default: 900
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: The shop for everybody
  mesh.fleet.front_door:
    routes:
      - host: shop.example
        path: /
        service: web.shop
        health: {path: /healthz}
      - host: shop.example
        path: /pay
        service: pay.shop
        clusters: [west]
    certificates: [shop-2026]
    https_redirect: true
    address: shop
  run_once: true
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
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
address:
  description: The address that answers.
  returned: success
  type: str
  sample: 34.120.1.9
routes:
  description: Each route as C(host), C(path), C(service) and C(clusters), those that have the service.
  returned: success
  type: list
  elements: dict
not_served:
  description: By cluster, why it takes no part.
  returned: success
  type: dict
warnings:
  description: Services that differ between clusters, clusters that could not be asked for what is left of an earlier door, and what is
    refused where nobody waits.
  returned: when there are any
  type: list
  elements: str
"""
