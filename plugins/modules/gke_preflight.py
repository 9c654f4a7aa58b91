# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gke_preflight
short_description: What would stop a run at Google, before anything is made
version_added: "0.3.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Finds out by reading what a run would make in each project, and asks Google whether it will let it. All problems are reported
    together, each with its project and the command or variable that mends it. Nothing is written.
  - Compared are APIs that must be on; the permissions of the requests that this very run would send; the nodes' service accounts;
    quotas of the regions; machine types of the zones; the version of Kubernetes that a release channel gives, with the versions that
    Istio supports; membership of another Google fleet; and policies of the organisation (C(compute.requireShieldedVm),
    C(compute.vmExternalIpAccess), C(gcp.restrictNonCmekServices), C(gcp.resourceLocations)).
  - For clusters that are made, and those that are not members of the Google fleet yet, it looks at the firewall of their VPC as Google
    evaluates it, with the rules that the run makes. Rules of the VPC and of firewall policies (hierarchical, global, regional) that deny
    calls between pods, the webhook of istiod, ports of east-west gateways, or health checks are problems. One that depends on what
    nobody here can judge, as secure tags, is a warning. This costs one request for each region of a VPC.
  - What these credentials may not read is named once, as a warning, and is not compared.
  - Where nothing is to be made, it sends one request a project, for the list of its clusters, which the run uses later; and one for the
    number of the fleet's project.
  - Without GKE clusters in the play it does nothing.
options:
  front_door:
    description: Whether multi-cluster ingress will be in front of the clusters.
    type: bool
    default: false
  enable_apis:
    description: Whether the run may enable APIs. Then those that are disabled are no problem, if the credentials may enable them.
    type: bool
    default: false
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_google
"""

EXAMPLES = r"""
- name: See what would stop a run at Google
  mesh.fleet.gke_preflight:
    enable_apis: "{{ gke_enable_apis | default(false) }}"
  run_once: true
"""

RETURN = r"""
msg:
  description: All problems, if there are any.
  returned: always
  type: str
stage_line:
  description: The number of problems.
  returned: always
  type: str
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
requests:
  description: Number of requests to Google.
  returned: when there are GKE clusters in the play
  type: int
"""
