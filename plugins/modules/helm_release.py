#!/usr/bin/python
# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_release
short_description: Helm releases of one cluster, at the price of a comparison
version_added: 0.1.0
description:
  - Brings a list of releases to what they should be, in their order. Helm's own records are read and compared with
    what is wanted, values and chart content; Helm is started through P(kubernetes.core.helm#module) only for a
    release that has to change. It does not wait for what a chart makes.
  - A chart of which only templates changed, under the same version and without any values, is not upgraded.
options:
  releases:
    description: The releases, in the order in which they are installed. They are uninstalled in reverse.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The release's name.
        type: str
        required: true
      namespace:
        description: Its namespace, which has to exist.
        type: str
        required: true
      chart:
        description: Folder, archive, C(oci://) address, or the chart's name in O(releases[].repo).
        type: str
        default: ""
      version:
        description: The chart's version, for a chart from a repository.
        type: str
        default: ""
      repo:
        description: Address of a chart repository.
        type: str
        default: ""
      values:
        description: The release's values, complete.
        type: dict
        default: {}
  state:
    description: Whether the releases should be there.
    type: str
    choices: [present, absent]
    default: present
  cluster:
    description: A cluster of the fleet. Empty is the host.
    type: str
    default: ""
  timeout:
    description: Seconds for one operation of Helm.
    type: int
    default: 180
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_helm
"""

EXAMPLES = r"""
- name: A chart of our own
  mesh.fleet.helm_release:
    releases:
      - name: shop
        namespace: shop
        chart: charts/shop
        values:
          replicas: 2
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
"""
