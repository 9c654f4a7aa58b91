# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: artifacts
short_description: Download or build the programs, charts and images that a fleet needs
version_added: 0.1.0
description:
  - Downloads released artifacts (O(source=upstream)) or builds the same from package registries (O(source=registries)).
  - Makes each artifact once per hash of its inputs, several at a time, and prints its start and its end. A later run keeps what
    a failed or killed run finished, and never uses an incomplete artifact.
  - Links to the current artifacts are in C(bin) and C(charts) of O(directory). Role P(mesh.fleet.artifacts#role) sets all
    arguments; run it once (C(run_once)).
  - Installs missing packages if it runs as root on Debian or Ubuntu. Otherwise one error lists them.
options:
  state:
    description:
      - V(absent) removes what builds wrote to O(directory) and the images that were built for it, and nothing else. It fails
        and names the containers while a cluster runs from one of the images.
      - V(checked) changes nothing. It fails with one list of what a run lacks, Helm and Istio's charts, and what to bring, if they
        are neither here nor to be had from here. It reads C(control_plane_helm), C(control_plane_charts) and their like of
        gateways and apps.
    type: str
    choices: [present, absent, checked]
    default: present
  source:
    description:
      - V(auto) is V(upstream) if what would be downloaded can be reached within 5 seconds, else V(registries). With V(node) in
        O(parts), the registry of O(node_image) is asked. Later runs keep the first choice.
    type: str
    choices: [auto, upstream, registries]
    default: auto
  directory:
    description: Folder of the artifacts; empty means C($XDG_CACHE_HOME/mesh.fleet/artifacts).
    type: path
    default: ""
  files:
    description: Folder C(files) of the role. Required with O(state=present).
    type: path
    default: ""
  versions:
    description: Versions by name, as in the role's C(vars/main.yml). Required with O(state=present).
    type: dict
    default: {}
  istio:
    description: Version of Istio's charts, images and istioctl from upstream, V(mesh_istio_version). Empty means that of O(versions).
    type: str
    default: ""
  checksums:
    description: SHA-256 by file name. A released file without one is checked against its published checksum.
    type: dict
    default: {}
  downloads:
    description: Address of a mirror that holds every released binary under its plain name, and its C(<name>.sha256).
    type: str
    default: ""
  charts:
    description:
      - Istio's chart repository, a mirror of it, a folder of a registry (C(oci://)), or a folder of this machine.
      - Required with O(state=present).
    type: str
    default: ""
  hub:
    description: Prefix of Istio's images, or of a mirror of them. Required with O(state=present).
    type: str
    default: ""
  node_image:
    description: The published kind node image, or a mirror of it. Required with O(state=present).
    type: str
    default: ""
  sample_image:
    description: An image with Python. Required with O(state=present).
    type: str
    default: ""
  parts:
    description:
      - Which artifacts to make; with none, nothing is downloaded or built.
      - V(helm) is made where none is on PATH. V(tools) has it in any case, with istioctl and, from upstream, kubectl.
      - V(node) is the node image, which clusters of provider C(kind) need; it requires an engine.
    type: list
    elements: str
    choices: [helm, tools, charts, node]
    default: [tools, charts]
  group:
    description: The group of the clusters; for O(state=checked).
    type: str
    default: mesh_clusters
author: The mesh.fleet authors (@mesh-fleet)
extends_documentation_fragment:
  - mesh.fleet.fleet_action
  - mesh.fleet.fleet_local
"""

EXAMPLES = r"""
- name: Make what the local fleet needs
  ansible.builtin.import_role:
    name: mesh.fleet.artifacts

- name: Remove the artifacts
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
  description: The result in one line, as the C(stages) callback shows it.
  returned: success
  type: str
  sample: "artifacts from registries"
objects:
  description: Each object of the run, as C(cluster), C(kind), C(name) and C(action).
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
      C(artifacts_python_image), C(artifacts_engine_found) and C(artifacts_source_found); those of O(parts) alone.
  returned: success, with O(state=present)
  type: dict
"""
