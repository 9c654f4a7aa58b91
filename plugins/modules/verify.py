# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Prove that the fleet is one mesh
version_added: "0.1.0"
description:
  - Puts a probe into every cluster of the play and calls, from each, every other one by a plain service name.
  - Checks that the answer comes from that cluster and names the caller's identity, and that pairs which the peering graph
    keeps apart cannot call each other.
  - Compares what istiods, proxies and objects report; synced clusters, endpoints, gateways, roots, certificates, labels, names,
    and the tokens by which istiods read other clusters.
  - A control plane that Google runs has no istiod to ask. Checks that need one are skipped there, and the result says so. Calls
    between such clusters are made; their identities are those that Google's CA signs, C(<fleet project>.svc.id.goog).
  - Measures each policy of C(mesh_traffic) from each cluster that it is for, by GET requests of the probe. Which pods get them is
    what the probe's sidecar counts, so nothing is assumed of what a service answers. Each declared share has an exact binomial test;
    together they call a right fleet wrong in at most one of 1,000 runs.
  - Calls the exported services of C(mesh_exports) by their names in C(clusterset.local), from each cluster that they are for, and
    the front door's address with each of its routes, from each cluster and from the controller. The result says which cluster
    answered; of the front door it must be the nearest that has a ready pod. Answers that do not name their cluster, as those of
    the sample do, prove only that the name is served.
  - Runs once for the fleet (C(run_once)). A failed check does not fail the task; it is in RV(failures), and the role fails
    the hosts it concerns. Writes C(verify.json), C(junit.xml) and C(table.txt).
options:
  state:
    description: V(absent) removes the probes.
    type: str
    choices: [present, absent]
    default: present
  program:
    description: Folder of the sample program on the controller.
    type: path
    required: true
  image:
    description: An image with C(python3), 3.11 or newer, on its PATH.
    type: str
    default: docker.io/library/python:3.14-slim
  sample_namespace:
    description: Namespace of the sample pair, which is called too if it runs.
    type: str
    default: istio-apps
  gateways_namespace:
    description: Namespace of the gateways. Empty means the default of role C(gateways).
    type: str
    default: ""
  directory:
    description: Folder for the results. Empty means C(verify) in the fleet's folder.
    type: path
    default: ""
  timeout:
    description:
      - Seconds in which every call and every check must succeed. The probes have as many seconds to start, before that.
      - Three times as many if Google runs a control plane of the fleet, which learns of new services slowly.
    type: int
    default: 90
  call_timeout:
    description: Seconds for one call.
    type: float
    default: 3.0
  signer_days:
    description: Days that each cluster's intermediate CA must still be valid.
    type: int
    default: 7
  leaf_hours:
    description: Hours that each proxy's certificate must still be valid.
    type: int
    default: 1
  peering_run_every:
    description: Seconds between two scheduled runs of peering. A token that ends before the next one is a failed check.
    type: int
    default: 604800
  root:
    description: Where the fleet's root comes from, as O(mesh.fleet.trust#module:root).
    type: str
    default: generated
  root_cert:
    description: The root's certificate, as O(mesh.fleet.trust#module:root_cert).
    type: str
    default: ""
  trust_directory:
    description:
      - The trust folder; empty means C(trust) in the fleet's folder. The root in it is the fleet's, and a cluster with another one fails.
      - If it holds none, roots are compared with each other, and none is called the right one.
    type: str
    default: ""
  federation_directory:
    description: The folder with this mesh's bundles for its peers, as O(mesh.fleet.federation#module:directory).
    type: str
    default: ""
  front_door_name:
    description: Name of the front door, as O(mesh.fleet.front_door#module:name).
    type: str
    default: front-door
  front_door_routes:
    description: Its routes, as O(mesh.fleet.front_door#module:routes). Without any, it is not called.
    type: list
    elements: dict
    default: []
  ingress_routes:
    description: Routes into the mesh, as O(mesh.fleet.ingress#module:routes). The controller calls each at every gateway that serves it.
    type: list
    elements: raw
    default: []
  front_door_certificates:
    description:
      - Its certificates, as O(mesh.fleet.front_door#module:certificates). With any, each route with a host is called by HTTPS too, from each
        cluster.
    type: list
    elements: str
    default: []
  front_door_addresses:
    description:
      - Where it answers on machines of the user's, as O(mesh.fleet.front_door#module:addresses). The controller calls each address, and asks it
        which files Envoy has loaded. An address that does not answer the controller is a failed check, as are other files than those of the
        fleet's folder. A cluster whose pods do not reach it is named as not called.
    type: list
    elements: str
    default: []
  front_door_timeout:
    description: Seconds in which it must answer from every cluster. A load balancer of Google's takes minutes after it has its address; before
      clusters of this machine a run waits two minutes at most.
    type: int
    default: 600
  requests:
    description:
      - GET requests, from each cluster, that measure a policy of C(mesh_traffic) which spreads calls; fewer for others.
      - The key C(verify) of a policy says it for that one. V(0) measures those policies alone that say it.
    type: int
    default: 400
  requests_per_second:
    description: How many of these one service gets in a second, at most, copies included, from all clusters together. Above 0.
    type: float
    default: 100.0
  requests_seconds:
    description: Seconds, for each cluster, in which such requests begin. A policy for which none are left is not measured, and named.
    type: float
    default: 300.0
  metrics_file:
    description:
      - Also write the results in Prometheus' text format to this file, for the textfile collector of its node exporter; days that
        certificates and tokens have left, edges synced, calls, shares of policies, versions. Empty writes none.
      - The name ends with C(.prom), and the folder exists. The file is replaced as a whole, and everybody may read it (0644).
    type: path
    default: ""
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
requirements:
  - aiohttp
  - cryptography
"""

EXAMPLES = r"""
- name: Prove the mesh
  mesh.fleet.verify:
    program: "{{ role_path }}/../apps/files/sample"
  run_once: true
  register: proof
"""

RETURN = r"""
changed:
  description: Whether a probe was changed, or would be in check mode.
  returned: always
  type: bool
stage_line:
  description: The result in one line, as the C(stages) callback shows it.
  returned: success
  type: str
  sample: "2/2 calls · identities as expected · 21 checks"
objects:
  description: Each object that was written or removed, with its C(action).
  returned: success
  type: list
  elements: dict
table:
  description: The lines of a table of calls, with service, answer, identity seen and path; then those of measured policies.
  returned: success
  type: list
  elements: str
verify:
  description:
    - The content of C(verify.json). In check mode C(ok) is null, because nothing is proved.
    - C(mesh) has what was read of each cluster.
    - C(traffic) has the test with its level, by policy and cluster what is declared, what was counted and how calls ended, and what was not measured.
  returned: success
  type: dict
directory:
  description: Folder of the results.
  returned: success
  type: str
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
"""
