# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: demo
short_description: Show on a fleet what policies of calls do
version_added: "0.3.0"
description:
  - Makes the namespace C(mesh-demo) in every cluster of the play, with a sample caller and a sample producer in it, and touches nothing
    else.
  - Plays scenes with them. For each it applies a policy as in O(mesh.fleet.traffic#module:state), does something, makes real calls,
    and prints what was done, what was expected and what was measured.
  - The scenes are a delay past a timeout; a producer that answers 500, is ejected and comes back; a whole cluster's pods that go;
    a header that sends one user to another version.
  - Removes all of it however it ends, on Ctrl-C too. What is left of a run that was killed, the next run removes before it begins, and so
    does V(absent).
  - Runs once for the fleet (C(run_once)). What did not come as expected does not fail the task; it is in RV(failures), and the role
    fails the hosts it concerns.
options:
  state:
    description: V(absent) removes what a run left that was killed.
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
  callers:
    description: The cluster whose callers see pods fail. Empty means the first one that calls another.
    type: str
    default: ""
  scenes:
    description: The scenes to play. Their order is always the same.
    type: list
    elements: str
    choices: [timeout, ejection, failover, header]
    default: [timeout, ejection, failover, header]
  timeout:
    description: Seconds for each wait, such as that for pods to be ready or for calls to go elsewhere.
    type: int
    default: 120
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
requirements:
  - aiohttp
"""

EXAMPLES = r"""
- name: Show what a timeout and a breaker do
  mesh.fleet.demo:
    program: "{{ role_path }}/../apps/files/sample"
    scenes: [timeout, ejection]
  run_once: true
  register: shown
"""

RETURN = r"""
changed:
  description: Always false with V(present), for everything is as before; whether something was removed with V(absent).
  returned: always
  type: bool
stage_line:
  description: The result in one line, as the C(stages) callback shows it.
  returned: success
  type: str
  sample: "5 of 5 as expected · nothing is left"
scenes:
  description: What was measured, first without a policy, then in each scene, with C(ok), the texts and the figures.
  returned: success, unless in check mode
  type: list
  elements: dict
objects:
  description: Each object that V(absent) removed, with its C(action).
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
"""
