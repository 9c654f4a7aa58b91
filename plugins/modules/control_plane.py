#!/usr/bin/python
# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: control_plane
short_description: Istio's control plane of one cluster
version_added: 0.1.0
description:
  - Installs the charts base and istiod in the cluster that the host is; in a remote, what stands for istiod there.
  - Helm's own records are read and compared with what is wanted, values and chart content. Helm is started through
    P(kubernetes.core.helm#module) only for a release that has to change.
  - A Helm operation that was cut off is forgotten once it is 30 seconds old, and done again.
  - Everything about the fleet is read from the inventory group C(mesh_clusters), whatever C(--limit) says.
options:
  state:
    description:
      - V(present) installs or changes; V(absent) uninstalls what this collection installed, removes what istiod left
        behind, and the namespace if this collection made it and nothing of others is in it.
      - V(checked) changes nothing. It looks at the istiods of the whole fleet and fails when one is more than one
        minor version away from what the inventory asks for. It is meant to run once.
      - V(refreshed) restarts the istiod of a primary once when it knows pods of its remotes under another trust domain
        than the remotes' own mesh configuration says, because that came after istiod had read the pods.
    type: str
    choices: [present, absent, checked, refreshed]
    default: present
  clusters:
    description: Skip hosts that are not of this kind. Remotes are installed after the primaries.
    type: str
    choices: [all, primaries, remotes]
    default: all
  hub:
    description: Registry and path of Istio's images. Empty leaves the chart's own.
    type: str
    default: ""
  tag:
    description: Tag of Istio's images. Empty is the fleet's C(mesh_istio_version).
    type: str
    default: ""
  replicas:
    description: Number of istiods, which turns autoscaling off. 0 leaves the chart's own.
    type: int
    default: 0
  dns_capture:
    description: Let sidecars answer names that no cluster DNS knows.
    type: bool
    default: true
  base_values:
    description: Values for chart base, merged last.
    type: dict
    default: {}
  values:
    description: Values for istiod's chart, merged over what the inventory says; deeply, but lists are replaced.
    type: dict
    default: {}
  istiod_values:
    description: Values for istiod's chart, merged after O(values).
    type: dict
    default: {}
  require_cacerts:
    description: Fail when the Secret C(cacerts) is missing or incomplete, because istiod would make a root of its own.
    type: bool
    default: true
  take_over:
    description: Change or remove releases that something else installed.
    type: bool
    default: false
  remove_crds:
    description: With O(state=absent), remove the CRDs that chart base installed, as far as they hold no objects.
    type: bool
    default: true
  timeout:
    description: Seconds for one operation of Helm, and for istiod to become ready.
    type: int
    default: 180
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_helm
  - mesh.fleet.fleet_helm.charts
"""

EXAMPLES = r"""
- name: The version fits what runs in the fleet
  mesh.fleet.control_plane:
    state: checked
  run_once: true

- name: A control plane of two istiods with access logs
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
restarted_for:
  description: With O(state=refreshed), the remotes because of which istiod was restarted.
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
  description: The version that was asked for.
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
  description: What was left in the cluster, and why.
  returned: O(state=absent)
  type: list
  elements: str
"""
