#!/usr/bin/python
# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: control_plane
short_description: Install Istio's control plane in one cluster
version_added: 0.1.0
description:
  - Installs the charts base and istiod in this host's cluster; in a remote, what replaces istiod there. With C(mesh_cni) also chart
    cni, unless the cluster has Istio's CNI agent of others; without it, uninstalls that of this fleet.
  - Asks by dry runs, before it writes anything, whether the cluster's PodSecurity would refuse istiod, gateways, the agent, or pods
    with a sidecar in the namespaces of the probe and the sample.
  - Reads Helm's records and compares values and chart content. Starts Helm only for a release that must change.
  - Compares the objects of each release with the manifest in Helm's record. Makes those that are missing again, and puts right those
    that somebody changed, which C(--check --diff) shows with their names. Leaves what istiod, controllers and autoscalers set, and
    labels and annotations.
  - Repeats a Helm operation that was interrupted, once it is 30 seconds old.
  - Reads the whole fleet from the inventory group C(mesh_clusters), whatever C(--limit) selects.
options:
  state:
    description:
      - V(present) installs or changes. V(absent) uninstalls what this collection installed, and removes what istiod left
        behind, and the namespace if this collection made it and it holds no objects of others.
      - V(checked) changes nothing. It reads the istiods of the whole fleet and fails if the version of one differs by more
        than one minor version from that of the inventory. Run it once (C(run_once)).
      - V(refreshed) restarts the istiod of a primary once if it knows pods of its remotes under another trust domain than
        the remotes' mesh configuration names, because that was written after istiod had read the pods.
    type: str
    choices: [present, absent, checked, refreshed]
    default: present
  clusters:
    description: Which hosts to work on; others are skipped. Install remotes after the primaries.
    type: str
    choices: [all, primaries, remotes]
    default: all
  hub:
    description: Registry and path of Istio's images. Empty means the chart's default.
    type: str
    default: ""
  tag:
    description: Tag of Istio's images. Empty means the fleet's C(mesh_istio_version).
    type: str
    default: ""
  replicas:
    description: Number of istiod pods, without autoscaling. 0 keeps the chart's autoscaling.
    type: int
    default: 0
  primary_address:
    description:
      - Address (IP or hostname) at which a remote reaches the istiod of its primary, at ports 15012 and 15017.
      - Empty means the load balancer's address of the primary's east-west gateway.
    type: str
    default: ""
  dns_capture:
    description: Whether sidecars resolve names of the mesh that the cluster's DNS does not know.
    type: bool
    default: true
  base_values:
    description: Values for chart base, merged last.
    type: dict
    default: {}
  values:
    description: Values for istiod's chart, merged over those from the inventory; dictionaries are merged, lists replaced.
    type: dict
    default: {}
  istiod_values:
    description: Values for istiod's chart, merged after O(values).
    type: dict
    default: {}
  cni_values:
    description: Values for chart cni, merged last.
    type: dict
    default: {}
  cni_namespace:
    description: Namespace of Istio's CNI agent. It must allow privileged pods, as C(kube-system) mostly does.
    type: str
    default: kube-system
  sample_namespace:
    description: Namespace of the sample, in which pods with a sidecar must be allowed.
    type: str
    default: istio-apps
  sample:
    description: "C(apps_sample) of role C(apps): where it names the cluster, O(sample_namespace) must take its pods."
    type: dict
    default: {}
  gateways_eastwest:
    description: C(gateways_eastwest) of role C(gateways); the namespace must take the pods of a gateway that is wanted.
    type: str
    choices: [auto, always, never]
    default: auto
  gateways_ingress:
    description: C(gateways_ingress) of role C(gateways), a boolean or a list of clusters.
    type: raw
    default: true
  gateways_values:
    description: C(gateways_values) of role C(gateways).
    type: dict
    default: {}
  gateways_eastwest_values:
    description: C(gateways_eastwest_values) of role C(gateways).
    type: dict
    default: {}
  gateways_ingress_values:
    description: C(gateways_ingress_values) of role C(gateways).
    type: dict
    default: {}
  gateways_namespace:
    description: C(gateways_namespace) of role C(gateways).
    type: str
    default: ""
  require_cacerts:
    description: Whether to fail if the Secret C(cacerts) is missing or incomplete, because istiod would then make its own root.
    type: bool
    default: true
  remove_crds:
    description: With O(state=absent), whether to remove the CRDs of chart base that hold no objects.
    type: bool
    default: true
  timeout:
    description: Seconds for one operation of Helm, and in which istiod must be ready; five times as many in an Autopilot cluster
      (C(gke_mode)), which makes nodes for pods first.
    type: int
    default: 180
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_helm
  - mesh.fleet.fleet_helm.charts
"""

EXAMPLES = r"""
- name: Check that the version fits those that run in the fleet
  mesh.fleet.control_plane:
    state: checked
  run_once: true

- name: Install a control plane of two istiod pods with access logs
  mesh.fleet.control_plane:
    replicas: 2
    values:
      meshConfig:
        accessLogFile: /dev/stdout
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
restarted_for:
  description: With O(state=refreshed), the remotes for which istiod was restarted, to learn their trust domain or to serve them.
  returned: success
  type: list
  elements: str
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
version:
  description: The version from the inventory.
  returned: O(state=present)
  type: str
primary:
  description: The cluster whose istiod serves this one.
  returned: O(state=present)
  type: str
running:
  description: Images of istiods by cluster and Deployment.
  returned: O(state=checked)
  type: dict
silent:
  description: Clusters that did not answer.
  returned: O(state=checked)
  type: list
  elements: str
kept:
  description: What was not removed, and why.
  returned: O(state=absent)
  type: list
  elements: str
"""
