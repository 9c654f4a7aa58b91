# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: front_door
short_description: One address in front of all clusters
version_added: "0.1.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Routes hosts and paths behind one address to services of the clusters, and waits until the routes are applied.
  - RV(not_served) names clusters that it cannot lead to. With GKE clusters in the fleet, it leads to these alone.
  - On GKE it uses multi-cluster ingress, that is MultiClusterService and MultiClusterIngress in C(gke_config_cluster), with selector and
    ports of the live Service. Objects in an earlier config cluster are removed once the new one has its address.
  - Before clusters of this machine it is a container with Envoy on the network of the nodes; before other clusters Envoy is on machines
    of the user's, and its files are written to C(front_door) of the fleet's folder. It leads to the ingress gateways, and
    behind each to pods of its own cluster, by a Gateway, a VirtualService and a Service. Callers get to their region's clusters first,
    then to those nearest to the container, and to the next one when health checks fail. Another configuration is loaded without ending connections.
  - Checks everything before it makes anything. Never overwrites objects of somebody else.
  - When Google refuses a change, it keeps the old address and routes and reports the refusal in Events only. The wait therefore ends
    when Google has processed the last change and no Warning about it is left. A refusal fails the task with Google's words, also if
    this run changed nothing.
  - Goes on without clusters that do not answer, and keeps what it has for them. RV(warnings) names each. One of the play that answers, but
    refuses the account or is not trusted, is one of RV(failures). On GKE the config cluster has to answer.
  - Runs once for the fleet (C(run_once)). Removes objects of earlier runs that O(routes) does not need any more.
options:
  state:
    description:
      - V(absent) removes the front door. On GKE, if the config cluster, which holds it, is in the play. Elsewhere it stays for clusters
        that are not in the play, and leads to those of the play no longer.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the front door.
    type: str
    default: front-door
  routes:
    description:
      - Routes, each with C(host) (any by default), C(path) (C(/) by default; with everything below it), C(service)
        (C(name.namespace)), C(port) (the Service's first by default), C(clusters) (all by default) and C(health), the C(path)
        and the C(port) of the pods for the health check.
      - A request that matches no route goes to the one without host and path; without one, Google takes the first, and Envoy answers 404.
      - On GKE all services must be in one namespace.
    type: list
    elements: dict
    default: []
  certificates:
    description:
      - Names of certificates, for HTTPS. On GKE, SSL certificates of the fleet project; requires O(address).
      - Elsewhere Secrets of type C(kubernetes.io/tls) in a namespace of the services, in any of the clusters.
    type: list
    elements: str
    default: []
  address:
    description:
      - On GKE, name of a reserved address, which is reserved if it does not exist; or an IP.
      - On this machine, an IP of the fleet's container network. Empty means any address.
    type: str
    default: ""
  addresses:
    description:
      - Of Envoy on machines of the user's, their names or IPs, or those of what stands before them. RV(stage_line) names them when files
        have changed. M(mesh.fleet.verify) calls them.
      - With an IPv6 address among them Envoy listens by IPv6 too, which each machine must have then.
      - What files of an earlier run need stays in the clusters and in the files until each of them has the current ones. Without addresses it
        stays until a run that changes no file. A warning says so.
      - Behind a name each IP is asked. A load balancer is one sample of the machines behind it, so list these themselves, or beside it.
    type: list
    elements: str
    default: []
  regions:
    description:
      - By region, the ranges of its callers' addresses. Not on GKE, where Google knows. Pods of the fleet are known by themselves.
    type: dict
    default: {}
  region_header:
    description: Name of a header in which a CDN names the caller's region.
    type: str
    default: ""
  region_header_from:
    description: Ranges of the CDN's addresses. From others the header does not count.
    type: list
    elements: str
    default: []
  engine:
    description: The container engine of clusters of this machine.
    type: str
    choices: [auto, podman, docker]
    default: auto
  release_address:
    description: With O(state=absent), also release O(address) if this action reserved it.
    type: bool
    default: false
  gateways_stay:
    description:
      - With O(state=absent), whether the ingress gateways of the play's clusters go on running. While machines of the user's may have files of
        an earlier run, what these lead to stays in the clusters, and a warning says so. Where the gateways go as well, it serves nobody, and nothing
        is kept.
    type: bool
    default: true
  https_redirect:
    description: Whether HTTP requests are redirected to HTTPS. Requires O(certificates).
    type: bool
    default: false
  wait:
    description: Whether to wait until the routes are applied. If not, and in check mode, a present refusal is one of RV(warnings).
    type: bool
    default: true
  timeout:
    description:
      - Seconds in which Google must have applied the front door, or removed it. Google needs up to ten minutes.
      - On this machine, seconds in which its routes must be healthy, two minutes at most.
    type: int
    default: 900
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: A public address for the shop
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
address:
  description: The public address.
  returned: success
  type: str
  sample: 34.120.1.9
routes:
  description:
    - Each route as C(host), C(path), C(service) and C(clusters), those that run the service. A cluster that could not be read is among them
      if the front door goes on to lead there.
  returned: success
  type: list
  elements: dict
round_trips:
  description:
    - By cluster, the milliseconds of a TCP connect from the front door to its gateway, which decide the order of clusters. One that was never
      measured is missing. A recorded time stays until a new one differs by more than 5 ms and a fifth.
  returned: success, of a front door of this machine
  type: dict
  sample: {west: 0.21, east: 38.4}
not_served:
  description: By cluster, why it is not served.
  returned: success
  type: dict
warnings:
  description: Services that differ between clusters, clusters that could not be read, or not be searched for objects of earlier runs, and
    what Google refuses if O(wait) is false, or in a cluster that could not be read.
  returned: when there are any
  type: list
  elements: str
"""
