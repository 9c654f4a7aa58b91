#!/usr/bin/python
# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_release
short_description: Install Helm releases in one cluster, and start Helm only for changes
version_added: 0.1.0
description:
  - Installs or upgrades a list of releases, in their order. Reads Helm's records, compares values and chart content, and
    starts Helm only for a release that must change. Does not wait for the objects of a chart.
  - Compares the objects of each release with the manifest in Helm's record. Makes those that are missing again, and puts right what
    people changed, which C(--check --diff) shows with their names. Leaves what controllers and autoscalers set, and labels and annotations.
  - Reads the record again after Helm. A change that did not come is a failure.
  - Helm gets the values as JSON, so that C("1234e56") stays a string.
options:
  releases:
    description: The releases, in the order of their installation. They are uninstalled in reverse order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The release's name.
        type: str
        required: true
      namespace:
        description: Its namespace, which must exist.
        type: str
        required: true
      chart:
        description:
          - Folder, archive, C(oci://) address, or the chart's name in O(releases[].repo).
          - Without O(releases[].repo), a folder or file of that name beside the inventory is the chart, as Helm has it.
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
        description: All values of the release.
        type: dict
        default: {}
  state:
    description: Whether the releases should be there.
    type: str
    choices: [present, absent]
    default: present
  cluster:
    description: A cluster of the fleet. Empty means this host.
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
"""
