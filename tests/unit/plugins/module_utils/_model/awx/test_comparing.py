# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.awx.comparing import is_as_wanted

Data = dict[str, t.Any]
URL = "/api/v2/job_templates/7/"
WANTED: Data = {
    "name": "mesh site",
    "organization": "mesh",
    "awx_when": True,
    "playbook": "site.yml",
    "inventory": "mesh",
    "extra_vars": {"a": 1},
    "credentials": ["one", "two"],
    "instance_groups": ["mesh"],
    "survey_spec": {"name": "", "description": "", "spec": []},
}
THERE: Data = {
    "name": "mesh site",
    "url": URL,
    "organization": 1,
    "playbook": "site.yml",
    "inventory": 3,
    "extra_vars": '{"a": 1}',
    "summary_fields": {"inventory": {"name": "mesh"}, "credentials": [{"name": "two"}, {"name": "one"}]},
}
MORE = {f"{URL}instance_groups/": [{"name": "mesh"}], f"{URL}survey_spec/": [WANTED["survey_spec"]]}


def test_an_object_as_wanted_needs_nothing() -> None:
    assert is_as_wanted(WANTED, THERE, MORE)


def test_an_object_that_is_missing_is_not_as_wanted() -> None:
    assert not is_as_wanted(WANTED, None, MORE)


@pytest.mark.parametrize(
    ("there", "more"),
    [
        ({"playbook": "other.yml"}, {}),
        ({"extra_vars": "---"}, {}),
        ({"extra_vars": '{"a": 2}'}, {}),
        ({"summary_fields": {**THERE["summary_fields"], "inventory": {"name": "other"}}}, {}),
        ({"summary_fields": {"credentials": THERE["summary_fields"]["credentials"]}}, {}),
        ({"summary_fields": {"inventory": {"name": "mesh"}}}, {}),
        ({}, {f"{URL}instance_groups/": []}),
        ({}, {f"{URL}survey_spec/": [{}]}),
    ],
)
def test_each_difference_counts(there: Data, more: dict[str, list[Data]]) -> None:
    assert not is_as_wanted(WANTED, {**THERE, **there}, {**MORE, **more})


def test_what_was_not_asked_for_counts_as_different() -> None:
    assert not is_as_wanted(WANTED, THERE, {})


FLOW = "/api/v2/workflow_job_templates/9/"
FIRST = "/api/v2/workflow_approval_templates/4/"
NODES: list[Data] = [
    {
        "id": 1,
        "identifier": "approve",
        "success_nodes": [2],
        "failure_nodes": [],
        "always_nodes": [],
        "related": {"unified_job_template": FIRST},
    },
    {
        "id": 2,
        "identifier": "site",
        "success_nodes": [],
        "failure_nodes": [],
        "always_nodes": [],
        "related": {"unified_job_template": URL},
    },
]
ASK: Data = {"name": "ask", "description": "May it?", "timeout": 60}
WORKFLOW: Data = {
    "name": "rollout",
    "workflow_nodes": [
        {
            "identifier": "approve",
            "unified_job_template": {**ASK, "type": "workflow_approval"},
            "related": {"success_nodes": [{"identifier": "site"}]},
        },
        {"identifier": "site", "unified_job_template": {"name": "mesh site", "type": "job_template"}},
    ],
}
THERE_TOO: Data = {"name": "rollout", "url": FLOW, "summary_fields": {}}


def flow(nodes: t.Sequence[Data] = tuple(NODES), **more: list[Data]) -> bool:
    answers = {f"{FLOW}workflow_nodes/": nodes, FIRST: [ASK], URL: [THERE], **more}
    return is_as_wanted(WORKFLOW, THERE_TOO, answers)


def test_a_workflow_as_wanted_needs_nothing() -> None:
    assert flow()


@pytest.mark.parametrize(
    "nodes",
    [
        NODES[:1],
        [*NODES, {**NODES[1], "id": 3, "identifier": "more"}],
        [{**NODES[0], "success_nodes": []}, NODES[1]],
        [{**NODES[0], "failure_nodes": [2]}, NODES[1]],
        [NODES[0], {**NODES[1], "related": {}}],
        [NODES[0], {**NODES[1], "related": {"unified_job_template": FIRST}}],
    ],
)
def test_each_difference_of_nodes_counts(nodes: list[Data]) -> None:
    assert not flow(nodes)


def test_an_approval_that_somebody_edited_is_different() -> None:
    assert not flow(**{FIRST: [{**ASK, "timeout": 0}]})
