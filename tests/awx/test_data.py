# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lists of the folder awx have nothing that AWX or a module does not know, and leave nothing out."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest
import yaml

from tests import awx_data

from . import rules
from .conftest import ROOT

LISTS = {
    "controller_organizations": "organization",
    "controller_execution_environments": "execution_environment",
    "controller_projects": "project",
    "controller_inventories": "inventory",
    "controller_inventory_sources": "inventory_source",
    "controller_credential_types": "credential_type",
    "controller_credentials": "credential",
    "controller_instance_groups": "instance_group",
    "controller_notifications": "notification_template",
    "controller_templates": "job_template",
    "controller_workflows": "workflow_job_template",
    "controller_schedules": "schedule",
}
DATA: dict[str, t.Any] = {}
for _path in sorted((ROOT / "awx").glob("*.yml")):
    DATA |= yaml.safe_load(_path.read_text(encoding="utf-8"))


def test_every_list_is_there_and_plain() -> None:
    assert {name for name in DATA if name.startswith("controller_")} == set(LISTS)
    for name in LISTS:
        assert all(isinstance(one, dict) and "name" in one for one in DATA[name]), name


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """Options of each module of awx.awx, from its documentation."""
    modules = [f"awx.awx.{name}" for name in LISTS.values()]
    done = subprocess.run(["ansible-doc", "--json", *modules], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.rpartition(".")[2]: set(one["doc"]["options"]) for name, one in json.loads(done.stdout).items()}


def test_entries_have_options_of_their_modules_alone(options: dict[str, set[str]]) -> None:
    for name, module in LISTS.items():
        for one in DATA[name]:
            assert set(one) - {"awx_when"} <= options[module], one["name"]


def test_the_playbook_passes_on_all_that_entries_say() -> None:
    """What a list says and no task passes on would be said in vain."""
    passed: dict[str, set[str]] = {}
    for play in yaml.safe_load((ROOT / "playbooks" / "awx.yml").read_text(encoding="utf-8")):
        for task in play["tasks"]:
            for name, given in task.items():
                if name.startswith("awx.awx."):
                    passed.setdefault(name.rpartition(".")[2], set()).update(given)
    for name, module in LISTS.items():
        said = {key for one in DATA[name] for key in one} - {"awx_when", "workflow_nodes"}
        assert said <= passed[module], name


def test_each_object_carries_the_mark() -> None:
    for name in set(LISTS) - {"controller_instance_groups"}:
        assert all(one["description"].endswith("{{ awx_mark }}") for one in DATA[name]), name
    assert all(
        "mesh.fleet/awx: {{ awx_name }}\n" in one["pod_spec_override"] for one in DATA["controller_instance_groups"]
    )


def test_jobs_of_pods_get_no_token_of_their_cluster() -> None:
    for one in DATA["controller_instance_groups"]:
        assert (
            yaml.safe_load(one["pod_spec_override"].replace("{{", "").replace("}}", ""))["spec"][
                "automountServiceAccountToken"
            ]
            is False
        )


def test_surveys_ask_what_roles_know() -> None:
    known = awx_data.specs()
    for one in DATA["controller_templates"]:
        for question in one.get("survey_spec", {}).get("spec", []):
            if question["variable"] == awx_data.CONFIRMED:
                assert question["required"] is True
                continue
            assert question["variable"] in known
            # No answer, and the inventory's value stays.
            assert (question["required"], question["default"]) == (False, "")
            assert "C(" not in question["question_description"]
        if one["survey_enabled"]:
            assert rules.survey(one["survey_spec"]) == ""


def test_awx_finds_the_playbooks_of_the_project() -> None:
    assert rules.playbooks(awx_data.PROJECT) == sorted(f"{name}.yml" for name in awx_data.playbooks())
    assert not rules.playbooks(ROOT / "roles")


def test_every_stage_of_the_rollout_is_a_job_template() -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text(encoding="utf-8"))
    stages = {play["ansible.builtin.import_playbook"].removesuffix(".yml") for play in plays} - {"whole"}
    assert stages <= set(awx_data.playbooks())
