# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: render
short_description: Write what the stages of a run would apply to files
version_added: "0.2.0"
author: The mesh.fleet authors (@mesh-fleet)
description:
  - The last step of the playbook C(mesh.fleet.render). The plays before it run the stages; their tasks record what they would apply,
    and neither change nor ask a cluster. Helm releases are recorded as the objects that they consist of.
  - Writes a folder for each cluster, with one file for each stage that has something to apply, and a page C(README.md) that says what is
    in no file and what to do instead.
  - Envoy's files of a front door on machines of the user's are in a folder C(front_door_<fleet_name>), where files say all addresses.
  - An object that several stages apply is in the file of the first of them.
  - What holds a secret is in no file; nor is what only a live cluster knows. A secret is the data of a Secret, and in other objects
    a private key, a JSON web token, a bearer or basic credential, a login in an address, and what a key C(password), C(token) or
    C(client-key-data) is set to. Nothing else is recognised.
  - The same inventory gives the same bytes.
  - Only files that this action wrote for this fleet, which their first line names, are replaced and removed; those of clusters that left
    the inventory are removed.
  - Runs once for the fleet (C(run_once)), for all clusters and stages, without C(--limit) and tags. If a cluster failed, no file is changed.
options:
  state:
    description: V(absent) removes the files.
    type: str
    choices: [present, absent]
    default: present
  directory:
    description: Folder of the files. A relative path begins at the inventory's folder.
    type: path
    default: rendered
extends_documentation_fragment:
  - mesh.fleet.fleet_action
"""

EXAMPLES = r"""
# Plays that render stages come before it: see playbooks/render.yml.
- name: Write what the stages recorded
  mesh.fleet.render:
    directory: gitops
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
  description: Each file, as C(cluster), C(kind), C(namespace), C(name) and C(action).
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
directory:
  description: Where the files are.
  returned: success
  type: str
left_out:
  description: What is in no file, as C(cluster), C(stage), C(object), C(why), and C(instead), what to do about it.
  returned: success
  type: list
  elements: dict
warnings:
  description: What is in no file, once for each object.
  returned: when there are any
  type: list
  elements: str
"""
