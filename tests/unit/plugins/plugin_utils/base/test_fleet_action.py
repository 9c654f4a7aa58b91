# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import errno
import importlib
import types
import typing as t

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction

Run = t.Callable[[BaseException | None], dict[str, t.Any]]


def outcome(raised: BaseException | None, task_vars: dict[str, t.Any]) -> t.Any:
    """The result, or ``raised`` if there is one."""
    if isinstance(raised, BaseException):
        raise raised
    return result(summary=task_vars["inventory_hostname"])


WRITERS = (
    "apps",
    "control_plane",
    "gateways",
    "helm_release",
    "objects",
    "peering",
    "services",
    "trust",
    "verify",
)


class Plain(FleetAction):
    raised: BaseException | None = None

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> t.Any:
        return outcome(self.raised, task_vars)


class Async(FleetAction):
    raised: BaseException | None = None

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> t.Any:
        return outcome(self.raised, task_vars)


@pytest.fixture(params=[Plain, Async])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs an action that raises what it is given, without a task of Ansible's around it."""
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(ActionBase, "validate_argument_spec", lambda self, argument_spec: (None, {}))

    def once(raised: BaseException | None) -> dict[str, t.Any]:
        action = request.param.__new__(request.param)
        action.raised = raised
        action._task = types.SimpleNamespace(run_once=False)
        return t.cast("dict[str, t.Any]", action.run(None, {"inventory_hostname": "west"}))

    return once


def test_the_result_is_the_actions(run: Run) -> None:
    done = run(None)
    assert (done["msg"], done["problems"]) == ("west", {})
    assert "failed" not in done


@pytest.mark.parametrize("cluster", ["west", ""])
def test_an_error_fails_the_task_with_a_problem(run: Run, cluster: str) -> None:
    error = FleetError("it refused", cluster=cluster, seen="403")
    done = run(error)
    assert (done["failed"], done["msg"]) == (True, str(error))
    assert done["problems"] == {cluster: [error.as_dict()]}


def test_a_full_disk_is_a_problem_of_the_machine(run: Run) -> None:
    done = run(OSError(errno.ENOSPC, "No space left on device"))
    assert done["failed"]
    ((problem,),) = done["problems"].values()
    assert problem["what"] == "this machine refused" and "No space left" in problem["seen"]


def test_wrong_arguments_fail_with_ansibles_own_message(run: Run) -> None:
    done = run(AnsibleActionFail("state is wrong"))
    assert done["failed"] and "state is wrong" in done["msg"]


def test_a_fault_of_ours_is_a_problem_of_the_host(run: Run, defects: list[str]) -> None:
    done = run(KeyError("x"))
    assert done["failed"]
    ((problem,),) = [done["problems"]["west"]]
    assert "does not expect" in problem["what"] and "KeyError" in problem["seen"]
    assert len(defects) == 1
    defects.clear()


def test_an_end_of_the_program_is_no_result(run: Run) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(KeyboardInterrupt())


@pytest.mark.parametrize("name", WRITERS)
def test_an_action_that_writes_to_clusters_does_it_alone(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.mesh.fleet.plugins.action.{name}")
    assert module.ActionModule.CHANGES_CLUSTERS


def test_text_of_a_cluster_is_shown_and_not_obeyed(run: Run) -> None:
    done = run(FleetError("it refused", cluster="west", seen="no\x1b]52;c;cm0=\x07"))
    assert "\x1b" not in str(done) + done["msg"] + done["problems"]["west"][0]["seen"]
    assert r"no\x1b]52;c;cm0=\x07" in done["msg"]


@pytest.mark.parametrize("method", ["display", "warning"])
def test_progress_and_warnings_are_shown_and_not_obeyed(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(Display, method, lambda self, text: shown.append(text))
    action = Plain.__new__(Plain)
    (action.say if method == "display" else action.warn)("west: \x1b[2Jall good")
    assert shown == [r"west: \x1b[2Jall good"]
