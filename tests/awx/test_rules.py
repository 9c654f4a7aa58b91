# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in refuses what AWX refuses."""

from __future__ import annotations

import typing as t

import pytest

from . import rules
from .standin import StandIn

Data = dict[str, t.Any]
FILE: Data = {
    "inputs": {"fields": [{"id": "text", "label": "Text", "type": "string"}], "required": ["text"]},
    "injectors": {"file": {"template": "{{ text }}"}, "env": {"MINE": "{{ tower.filename }}"}},
}
QUESTION: Data = {"question_name": "a", "variable": "a", "type": "text", "required": False, "default": ""}


def test_a_credential_type_that_awx_takes() -> None:
    assert rules.credential_type(FILE) == {}


@pytest.mark.parametrize(
    ("injectors", "said"),
    [
        ({"env": {"ANSIBLE_CONFIG": "{{ text }}"}}, "may affect Ansible configuration"),
        ({"env": {"MINE": "{{ tower.filename }}"}}, "undefined"),
        ({"file": {"template": "{{ other }}"}}, "undefined"),
        ({"file": {"template": "x", "template.two": "x"}}, "multi-file"),
        ({"files": {}}, "Additional properties"),
    ],
)
def test_injectors_that_awx_refuses(injectors: Data, said: str) -> None:
    assert said in str(rules.credential_type({**FILE, "injectors": injectors}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "list"}, "not one of the allowed question types"),
        ({"type": "integer", "default": "7"}, "expected to be int"),
        ({"type": "multiplechoice", "choices": [True]}, "list of strings"),
        ({"type": "multiplechoice", "choices": ["a"], "default": "b"}, "from the choices"),
        ({"variable": "a b"}, "duplicated"),
        ({"min": ""}, "expected to be integer"),
    ],
)
def test_questions_that_awx_refuses(change: Data, said: str) -> None:
    assert rules.survey({"name": "", "description": "", "spec": [QUESTION]}) == ""
    assert said in rules.survey({"name": "", "description": "", "spec": [{**QUESTION, **change}]})


@pytest.mark.parametrize(
    "text",
    [
        "RRULE:FREQ=DAILY;INTERVAL=1",
        "DTSTART:20260105T030000Z",
        "DTSTART:20260105T030000Z RRULE:FREQ=DAILY",
        "DTSTART:20260105T030000 RRULE:FREQ=DAILY;INTERVAL=1",
        "DTSTART:20260105T030000Z RRULE:FREQ=SECONDLY;INTERVAL=1",
    ],
)
def test_schedules_that_awx_refuses(text: str) -> None:
    assert rules.rrule("DTSTART:20260105T030000Z RRULE:FREQ=DAILY;INTERVAL=1") == {}
    assert rules.rrule(text)


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("projects", {"description": "x"}, "This field is required"),
        ("projects", {"name": "x", "scm_type": "hg"}, "not a valid choice"),
        ("projects", {"name": "x", "organization": 99}, "does not exist"),
        ("projects", {"name": "x", "scm_clean": "yes"}, "Not a valid boolean"),
        ("inventories", {"name": "x", "organization": None}, "may not be null"),
        ("organizations", {"name": "Default"}, "already exists"),
        ("job_templates", {"name": "x", "playbook": "site.yml"}, "must have an inventory"),
        ("instance_groups", {"name": "x", "is_container_group": True, "pod_spec_override": "a: b"}, "of a pod"),
        (
            "notification_templates",
            {"name": "x", "organization": 1, "notification_type": "webhook"},
            "Missing required",
        ),
    ],
)
def test_objects_that_awx_refuses(awx: StandIn, kind: str, body: Data, said: str) -> None:
    status, answer = awx.answer("POST", f"/api/v2/{kind}/", body)
    assert status == 400
    assert said in str(answer)


def test_fields_that_awx_does_not_have_are_seen(awx: StandIn) -> None:
    awx.answer("POST", "/api/v2/projects/", {"name": "x", "colour": "red"})
    assert awx.unknown == ["projects: colour"]
    awx.unknown.clear()


def test_a_field_is_read_as_written() -> None:
    assert rules.field("choice[,a,b]=") == rules.Field("choice", False, ("", "a", "b"), "", "")
    assert rules.field("@projects!") == rules.Field("link", True, (), None, "projects")
    assert rules.field("integer=3").default == 3
