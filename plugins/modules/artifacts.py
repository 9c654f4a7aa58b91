# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: artifacts
short_description: Bring the programs, charts and images that a fleet is made of
version_added: 0.1.0
description:
  - Fetches what makers release (O(source=upstream)) or builds the same from package registries (O(source=registries)).
  - Each artifact is made once for a key over its own inputs, several at a time, and shows itself as it starts and as it
    ends. What a failed or killed run had finished is kept; a half artifact is never taken for a whole one.
  - Links to what is current lie in C(bin) and C(charts) of O(directory). Role P(mesh.fleet.artifacts#role) gives all
    arguments; run it once (C(run_once)).
  - As root on Debian or Ubuntu missing packages are installed. Elsewhere one message lists them.
options:
  state:
    description:
      - V(absent) removes what builds left in O(directory) and the images that were built for it, and nothing else. While
        a cluster runs from one of the images it refuses, and names the containers.
    type: str
    choices: [present, absent]
    default: present
  source:
    description:
      - V(auto) takes V(upstream) where the registry of O(node_image) answers within 5 seconds, else V(registries), and
        stays with what it chose first.
    type: str
    choices: [auto, upstream, registries]
    default: auto
  directory:
    description: Folder of the artifacts; C($XDG_CACHE_HOME/mesh.fleet/artifacts) when empty.
    type: path
    default: ""
  files:
    description: Folder C(files) of the role. Needed with O(state=present).
    type: path
    default: ""
  versions:
    description: Versions by name, as in the role's C(vars/main.yml). Needed with O(state=present).
    type: dict
    default: {}
  checksums:
    description: SHA-256 by file name. A released file without one is checked against the sum published beside it.
    type: dict
    default: {}
  downloads:
    description: Address of a mirror that holds every released binary under its plain name, with C(<name>.sha256) beside it.
    type: str
    default: ""
  charts:
    description: Istio's chart repository, or a mirror of it. Needed with O(state=present).
    type: str
    default: ""
  hub:
    description: Prefix of Istio's images, or of a mirror of them. Needed with O(state=present).
    type: str
    default: ""
  node_image:
    description: The published kind node image, or a mirror of it. Needed with O(state=present).
    type: str
    default: ""
  sample_image:
    description: An image with Python. Needed with O(state=present).
    type: str
    default: ""
  parts:
    description: What to bring. V(node) is the node image, which clusters of provider C(kind) need, and takes an engine.
    type: list
    elements: str
    choices: [tools, charts, node]
    default: [tools, charts]
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_local
"""

EXAMPLES = r"""
- name: Bring what the local fleet is made of
  ansible.builtin.import_role:
    name: mesh.fleet.artifacts

- name: Take the artifacts away
  mesh.fleet.artifacts:
    state: absent
  run_once: true
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
  sample: "artifacts from registries"
objects:
  description: What became of each thing, with C(cluster), C(kind), C(name) and C(action).
  returned: success
  type: list
  elements: dict
problems:
  description:
    - By cluster, a list of what went wrong, each with C(what), C(cluster), C(object), C(seen), C(means) and C(next), those that are known.
    - An empty name stands for the whole fleet.
  returned: always
  type: dict
ansible_facts:
  description:
    - C(artifacts_bin), C(artifacts_charts_dir), C(artifacts_node_image), C(artifacts_istio_hub), C(artifacts_istio_tag),
      C(artifacts_python_image), C(artifacts_engine_found) and C(artifacts_source_found).
  returned: success, with O(state=present)
  type: dict
"""
