# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ingress
short_description: Let callers outside the mesh reach its services by host and path
version_added: "0.3.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Makes of each host of O(routes) the objects by which the clusters' ingress gateways serve it, Istio's or those of the Kubernetes
    Gateway API, with a certificate for HTTPS if one is given.
  - Objects are in the gateway's namespace, except HTTPRoutes, which are beside their services. Those of somebody else stay, and are refused by
    name. What the routes no longer ask for is removed.
  - A cluster in which something is missing keeps what it has, and is reported with all that is wrong there.
  - Waits until cert-manager has issued the certificates and istiod has taken the objects of the Gateway API, as their conditions say. In check
    mode it waits for nothing.
  - A remote has no objects of its own; its primary's configure its gateway.
  - Runs once for the fleet (C(run_once)). It reads all clusters, and writes those of the play.
options:
  state:
    description: V(absent) removes all objects that this action made in the clusters of the play.
    type: str
    choices: [present, absent]
    default: present
  routes:
    description:
      - The routes, each with C(service) (C(name.namespace)) and what it needs of C(host) (any by default; also C(*.shop.example)), C(path)
        (C(/) by default; with all that is below it), C(port) (the Service's first by default), C(clusters) (all with an ingress gateway by
        default), C(api) (C(istio) by default, or C(gateway)), C(https_redirect), and one of C(certificate_secret), C(certificate) and
        C(certificate_issuer).
      - All routes of a host have the same C(api), certificate and C(https_redirect).
    type: list
    elements: raw
    default: []
  certificates:
    description:
      - Certificates by name, each with C(certificate) (PEM, with those that issued it after it) and C(key) (PEM).
    type: dict
    default: {}
  gateways_ingress:
    description: Which clusters get an ingress gateway, as C(gateways_ingress) of role C(gateways).
    type: raw
    default: true
  gateways_namespace:
    description: Namespace of the gateways, as C(gateways_namespace) of role C(gateways).
    type: str
    default: ""
  timeout:
    description:
      - Seconds in which cert-manager must have issued every certificate, and istiod taken every Gateway and HTTPRoute. V(0) waits for neither.
      - A host gets its Gateway, redirect and routes once its certificate is there. Until then it is served as before.
    type: int
    default: 180
extends_documentation_fragment:
  - mesh.fleet.fleet_action
"""

EXAMPLES = r"""
- name: Serve the shop
  mesh.fleet.ingress:
    routes:
      - {host: shop.example, service: web.shop, certificate_secret: shop-tls, https_redirect: true}
      - {host: shop.example, path: /pay, service: pay.bank, port: 8080, certificate_secret: shop-tls, https_redirect: true}
  run_once: true
  register: served
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
  description: Each object of the run that was applied or removed, as C(cluster), C(kind), C(namespace), C(name) and C(action).
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
served:
  description: By cluster, the hosts that its gateway serves, with the gateway's address where it has one.
  returned: success
  type: dict
warnings:
  description: What a run in check mode has not seen yet, hosts that somebody else's Gateway has too, certificates that cert-manager could not renew, and
    that no cluster has an ingress gateway.
  returned: when there are any
  type: list
  elements: str
"""
