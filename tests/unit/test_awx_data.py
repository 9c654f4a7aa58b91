# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Job templates, surveys and the playbooks of AWX's project are as playbooks and the roles' argument_specs say."""

from __future__ import annotations

from tests import awx_data


def test_the_files_are_as_playbooks_and_specs_say() -> None:
    for path, text in awx_data.files().items():
        assert path.is_file() and path.read_text(encoding="utf-8") == text, "run python tests/awx_data.py"
    assert set(awx_data.PROJECT.glob("*.yml")) <= set(awx_data.files())


def test_a_question_has_type_and_choices_of_its_option() -> None:
    said = {"description": ["Whether C(a) is, as O(b) says.", "More."], "default": 7}
    asked = awx_data.question("x_count", {**said, "type": "int"})
    assert asked["type"] == "integer"
    assert asked["question_description"] == "Whether a is, as b says. More. Else the inventory's value, or 7."
    assert awx_data.question("x_on", {**said, "type": "bool"})["choices"] == ["false", "true"]
    assert awx_data.question("x_way", {**said, "type": "str", "choices": ["a", "b"]})["choices"] == ["a", "b"]
    assert awx_data.question("x_names", {**said, "type": "list"})["type"] == "text"


def test_teardown_asks_for_the_fleet_first() -> None:
    first = awx_data.survey("teardown")["spec"][0]
    assert (first["variable"], first["required"]) == (awx_data.CONFIRMED, True)
    assert awx_data.survey("report") == {}


def test_only_stages_of_one_cluster_are_sliced() -> None:
    counts = {name: awx_data.job_template(name)["job_slice_count"] for name in awx_data.playbooks()}
    assert {name for name, count in counts.items() if count != 1} == {"control_plane"}
