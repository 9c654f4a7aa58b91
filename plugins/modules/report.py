# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write one page that shows the fleet as it is
version_added: "0.2.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - Writes C(report.html), one page that needs no server, no network and no script, and C(graph.svg).
  - It shows clusters with regions, networks, gateways and versions; who watches whom and what istiods say of it; how long certificates and
    tokens are valid; exported services; policies with declared and measured shares; the calls of verify; and what the last run changed,
    and what failed in it.
  - It asks no cluster. What it shows is the inventory, the results of M(mesh.fleet.verify), and the record of the last run, which every
    action of this collection writes to C(runs) in the fleet's folder. After a run that failed half-way it shows what is known so far, and says so.
  - Large fleets have a matrix in place of a graph of clusters.
  - No secret is on the page, and text from clusters is shown as text.
  - Runs once for the fleet (C(run_once)). Check mode writes nothing.
options:
  state:
    description: V(absent) removes the page, the graph, and the records of runs.
    type: str
    choices: [present, absent]
    default: present
  templates:
    description: Folder of the page's template and style sheet.
    type: path
    required: true
  directory:
    description: Folder of the page. Empty means C(report) in the fleet's folder.
    type: path
    default: ""
  verify_directory:
    description: Where verify wrote its results. Empty means C(verify) in the fleet's folder.
    type: path
    default: ""
requirements:
  - pygraphviz, for the graph
extends_documentation_fragment:
  - mesh.fleet.fleet_action
"""

EXAMPLES = r"""
- name: Write a page of the fleet
  mesh.fleet.report:
    templates: "{{ role_path }}/templates"
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
directory:
  description: Folder of the page.
  returned: success
  type: str
page:
  description: The page.
  returned: when it was written
  type: str
graph:
  description: The graph; empty when it could not be drawn.
  returned: when the page was written
  type: str
warnings:
  description: Why the graph could not be drawn.
  returned: when it could not
  type: list
  elements: str
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
"""
