# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write what AWX gets of the playbooks: awx/job_templates.yml and awx/project/*.yml, by ``python tests/awx_data.py``.

The questions of the surveys come from the roles' argument_specs. A test fails while files and specs differ.
"""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "awx"
JOB_TEMPLATES = FOLDER / "job_templates.yml"
PROJECT = FOLDER / "project"

Data = dict[str, t.Any]

ASKED: dict[str, tuple[str, ...]] = {
    "preflight": ("preflight_google",),
    "site": ("apps_restart_unsidecared", "apps_restart_outdated"),
    "clusters": ("gke_cluster_timeout",),
    "gke_fleet": ("gke_fleet_timeout",),
    "trust": ("trust_renew_before",),
    "control_plane": ("control_plane_timeout",),
    "peering": ("peering_forget", "peering_token_renew_before", "peering_timeout"),
    "gateways": ("gateways_timeout",),
    "apps": ("apps_restart_unsidecared", "apps_restart_outdated"),
    "services": ("services_timeout",),
    "traffic": ("traffic_adopt", "traffic_timeout"),
    "federation": ("federation_timeout",),
    "ingress": (),
    "front_door": ("front_door_release_address", "front_door_timeout"),
    "verify": ("verify_requests", "verify_timeout"),
    "report": (),
    "upgrade": (),
    "rotate": (),
    "teardown": ("trust_remove_root", "gke_cluster_delete"),
}
"""The playbooks that become job templates, those that there are, and the variables of roles that each asks for.

An answer wins over the inventory, so only what is said for one run is asked; no answer leaves the inventory's value.
"""
SUBJECTS = {
    "preflight": "Checks the inventory before anything is touched",
    "site": "The whole rollout, and its proof",
    "clusters": "Makes the clusters, or uses existing ones",
    "gke_fleet": "Makes GKE clusters one Google fleet",
    "trust": "One root, an intermediate CA for each cluster",
    "control_plane": "Istio in each cluster",
    "peering": "Lets clusters watch each other, and renews tokens",
    "gateways": "East-west and ingress gateways",
    "apps": "Apps of the inventory, and the sample",
    "services": "Exports services to other clusters",
    "traffic": "Policies of calls to services",
    "federation": "Calls between meshes of different teams",
    "ingress": "Services by host and path for callers outside",
    "front_door": "One address for the world",
    "verify": "Proves the mesh by real calls",
    "report": "A page that shows the mesh as it is",
    "upgrade": "Another version of Istio",
    "rotate": "Another root",
    "teardown": "Removes the mesh",
}
CONFIRMED = "teardown_fleet"
"""What teardown asks for, before all else: the fleet's name, which ``awx/project/teardown.yml`` compares."""

_HEAD = """---
# Made by `python tests/awx_data.py`: playbooks, and questions from the argument_specs of their roles; do not edit.
"""
_WRAPPER = """---
# AWX lists no playbook of an installed collection, so the project has one that imports it.
- name: {subject}
  import_playbook: mesh.fleet.{playbook} # noqa: fqcn[action-core] - AWX looks for this line as it is
"""
_CONFIRMATION = """---
# AWX lists no playbook of an installed collection, so the project has one that imports it.
- name: Ask which fleet is meant
  hosts: mesh_clusters
  gather_facts: false
  strategy: linear
  tasks:
    - name: Refuse to remove another fleet than the one that was named
      ansible.builtin.fail:
        msg: >-
          this inventory is that of the fleet {{{{ fleet_name | default('local') }}}}, and
          {{{{ {confirmed} | default('none', true) }}}} was named: nothing was removed. Name it in {confirmed}
      when: {confirmed} | default('', true) != fleet_name | default('local')
      run_once: true
      tags: [always]

- name: {subject}
  import_playbook: mesh.fleet.{playbook} # noqa: fqcn[action-core] - AWX looks for this line as it is
"""


def playbooks() -> list[str]:
    """Those that become job templates."""
    return [name for name in ASKED if (ROOT / "playbooks" / f"{name}.yml").is_file()]


def specs() -> dict[str, Data]:
    """Every option of the entry points ``main``, by name."""
    found: dict[str, Data] = {}
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        found |= yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"].get("options") or {}
    return found


def question(name: str, spec: t.Mapping[str, t.Any]) -> Data:
    """A question of a survey for an option of a role; no answer is an answer."""
    text = spec["description"]
    first = text if isinstance(text, str) else " ".join(text)
    default = spec.get("default")
    kinds = {"int": "integer", "float": "float", "bool": "multiplechoice"}
    kind = "multiplechoice" if spec.get("choices") else kinds.get(spec["type"], "text")
    asked: Data = {
        "question_name": name,
        "question_description": _plain(first) + (f" Else the inventory's value, or {default}." if default else ""),
        "variable": name,
        "type": kind,
        "required": False,
        "default": "",
    }
    if kind == "multiplechoice":
        asked["choices"] = [str(choice) for choice in spec.get("choices") or ("false", "true")]
    elif kind in ("integer", "float"):
        asked |= {"min": 0, "max": 2**31 - 1}
    else:
        asked |= {"min": 0, "max": 1024}
    return asked


def _plain(text: str) -> str:
    """Without Ansible's marks for code and options."""
    for mark in ("C(", "O(", "V("):
        while mark in text:
            before, _mark, after = text.partition(mark)
            inner, _end, rest = after.partition(")")
            text = f"{before}{inner}{rest}"
    return text


def survey(playbook: str) -> Data:
    """The survey of a job template, in AWX's own form; without questions it is empty."""
    known = specs()
    questions = [question(name, known[name]) for name in ASKED[playbook]]
    if playbook == "teardown":
        first = {
            "question_name": "Name of the fleet to remove",
            "question_description": "fleet_name of the inventory. Anything else, and nothing is removed.",
            "variable": CONFIRMED,
            "type": "text",
            "required": True,
            "default": "",
            "min": 1,
            "max": 63,
        }
        questions.insert(0, first)
    return {"name": "", "description": "", "spec": questions} if questions else {}


def job_template(playbook: str) -> Data:
    """One entry of ``controller_templates``."""
    sys.path.insert(0, str(ROOT / "collections"))
    from ansible_collections.mesh.fleet.plugins.module_utils._model.awx.slices import may_be_sliced

    asked = survey(playbook)
    entry: Data = {
        "name": f"{{{{ awx_name }}}} {playbook}",
        "description": f"{SUBJECTS[playbook]} {{{{ awx_mark }}}}",
        "organization": "{{ awx_organization }}",
        "job_type": "run",
        "inventory": "{{ awx_name }}",
        "project": "{{ awx_name }}",
        "playbook": f"{playbook}.yml",
        "execution_environment": "{{ awx_name }}",
        "credentials": "{{ awx_credentials }}",
        "instance_groups": ["{{ awx_name }}"],
        "ask_limit_on_launch": True,
        "ask_tags_on_launch": True,
        "ask_skip_tags_on_launch": True,
        "ask_job_type_on_launch": True,
        "ask_diff_mode_on_launch": True,
        "ask_verbosity_on_launch": True,
        "allow_simultaneous": False,
        "job_slice_count": "{{ awx_slices }}" if may_be_sliced(playbook) else 1,
        "survey_enabled": bool(asked),
        "notification_templates_error": "{{ awx_notification_templates }}",
    }
    return entry | ({"survey_spec": asked} if asked else {})


def job_templates() -> str:
    """awx/job_templates.yml, as it should be."""
    data = {"controller_templates": [job_template(name) for name in playbooks()]}
    return _HEAD + yaml.dump(data, Dumper=_Indented, sort_keys=False, width=150, allow_unicode=True)


class _Indented(yaml.SafeDumper):
    """Indents the entries of lists, as the other files do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def wrapper(playbook: str) -> str:
    """A playbook of the project, as it should be."""
    text = _CONFIRMATION if playbook == "teardown" else _WRAPPER
    return text.format(subject=SUBJECTS[playbook], playbook=playbook, confirmed=CONFIRMED)


def files() -> dict[Path, str]:
    """All files that are made here, by path."""
    return {JOB_TEMPLATES: job_templates()} | {PROJECT / f"{name}.yml": wrapper(name) for name in playbooks()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
