# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one return shape of all actions."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import (
    CHANGED,
    UNCHANGED,
    Change,
    as_planned,
    failed_result,
    result,
)

ONE = FleetError("it is gone", cluster="west", obj="Pod a/b", seen="404")
TWO = FleetError("it is full", cluster="west", next_step="make room")


def test_what_changed_is_listed_and_shown_as_a_diff() -> None:
    changes = [
        Change("west", "ConfigMap", "a", CHANGED, namespace="shop", before="x", after="y"),
        Change("west", "ConfigMap", "b", UNCHANGED, namespace="shop"),
    ]
    made = result(changes, summary="two objects", edges=[1])
    assert (made["changed"], made["msg"], made["stage_line"]) == (True, "two objects", "two objects")
    assert [o["action"] for o in made["objects"]] == ["changed", "unchanged"]
    assert [d["before_header"] for d in made["diff"]] == ["west ConfigMap shop/a"]
    assert (made["edges"], made["problems"]) == ([1], {})
    assert not {"failures", "warnings"} & set(made)
    assert "diff" not in result(changes, with_diff=False)
    assert result(changes[1:])["changed"] is False
    assert [o["name"] for o in result(changes, with_unchanged=False)["objects"]] == ["a"]


def test_errors_are_reported_by_cluster_as_text_and_for_machines() -> None:
    made = result(errors={"west": [ONE, TWO], "north": FleetError("no answer")}, warnings=["mind the gap"])
    assert made["failures"] == {"west": f"{ONE}\n{TWO}", "north": "no answer"}
    assert made["problems"] == {
        "west": [
            {"what": "it is gone", "cluster": "west", "object": "Pod a/b", "seen": "404"},
            {"what": "it is full", "cluster": "west", "next": "make room"},
        ],
        "north": [{"what": "no answer"}],
    }
    assert made["warnings"] == ["mind the gap"]
    assert result(errors={})["failures"] == {}


def test_what_is_missing_is_a_warning_once_and_fails_nothing() -> None:
    made = result(errors={"north": ONE}, missing={"west": [ONE, TWO], "north": TWO}, warnings=["mind the gap"])
    assert made["missing"] == {"west": f"{ONE}\n{TWO}", "north": str(TWO)}
    assert made["failures"] == {"north": str(ONE)}
    assert made["warnings"] == ["mind the gap", str(ONE), str(TWO)]
    assert made["problems"]["north"] == [ONE.as_dict(), TWO.as_dict()]
    assert "missing" not in result(errors={}, missing={})


def test_a_failed_task_has_the_same_problems() -> None:
    made = failed_result({"west": ONE}, msg=str(ONE), stage_line="1 problem")
    assert (made["failed"], made["changed"], made["msg"], made["stage_line"]) == (True, False, str(ONE), "1 problem")
    assert made["problems"] == result(errors={"west": ONE})["problems"]


def test_what_is_not_there_yet_is_called_planned() -> None:
    changed = Change("west", "ConfigMap", "a", CHANGED)
    assert as_planned([changed], check=True) == " (planned)"
    assert as_planned([changed], check=False) == ""
    assert as_planned([Change("west", "ConfigMap", "a", UNCHANGED)], check=True) == ""
