# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import collections
import errno
import importlib
import json
import os
import subprocess
import threading
import types
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.template import Templar, trust_as_template
from ansible.utils.display import Display

from ansible_collections.mesh.fleet.plugins.module_utils import waits
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base import fleet_action
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


class Paths(FleetAction):
    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {"directory": {"type": "path"}, "root": {}, "helm": {}, "other": {}}
    PATHS = ("root",)
    PROGRAMS = ("helm",)

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> t.Any:
        return {"msg": args}


def test_an_action_gets_absolute_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    given = dict.fromkeys(Paths.ARGUMENT_SPEC, "./x")
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(ActionBase, "validate_argument_spec", lambda self, argument_spec: (None, given))
    action = Paths.__new__(Paths)
    action._task = types.SimpleNamespace(run_once=False)
    done = action.run(None, {"inventory_hostname": "west", "inventory_dir": "/inv"})
    assert done["msg"] == {"directory": "/inv/x", "root": "/inv/x", "helm": "/inv/x", "other": "./x"}


def test_the_artifacts_folder_is_the_inventorys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    action = Paths.__new__(Paths)
    action._templar = Templar(loader=DataLoader(), variables={"name": "made"})
    known = {"inventory_dir": "/inv/second", "groups": {"mesh_clusters": ["a"]}}
    known["hostvars"] = {"a": {"inventory_dir": "/inv"}}
    for nothing in ({}, {"artifacts_directory": ""}, {"artifacts_directory": None}):
        assert action.artifacts_folder({**known, **nothing}) == tmp_path / "mesh.fleet" / "artifacts"
    template = trust_as_template("{{ name }}")
    assert action.artifacts_folder({**known, "artifacts_directory": template}) == Path("/inv/made")
    assert action.artifacts_folder({**known, "artifacts_directory": "/srv/made"}) == Path("/srv/made")


def test_the_result_is_the_actions(run: Run) -> None:
    done = run(None)
    assert (done["msg"], done["problems"]) == ("west", {})
    assert "failed" not in done


def test_a_slice_never_runs_what_needs_the_whole_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(ActionBase, "validate_argument_spec", lambda self, argument_spec: (None, {}))
    action = Plain.__new__(Plain)
    known = {"inventory_hostname": "west", "awx_job_template_name": "shop", "awx_workflow_job_name": "shop"}
    for name, failed in (("trust", True), ("control_plane", False)):
        action._task = types.SimpleNamespace(run_once=False, action=f"mesh.fleet.{name}")
        assert bool(action.run(None, known).get("failed")) is failed


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


LOOKUP = """
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        with open(terms[0], "a") as stream:
            stream.write(f"{terms[1]} {variables['inventory_hostname']}\\n")
        return [terms[2]]
"""
OF_EACH_HOST = {
    "cluster_api_url": "https://127.0.0.1:1",
    "cluster_peer_endpoint": "https://192.0.2.1:443",
    "cluster_api_token": "sesame",
    "cluster_context": "there",
}
HOSTS = [f"c{i}" for i in range(6)]


def calls_of(root: Path, folder: Path, module: str, *, check: bool = True, once: bool = False) -> list[str]:
    """The calls of lookups, each "variable host", in a run of one task of ours on six clusters."""
    (folder / "lookup_plugins").mkdir()
    (folder / "lookup_plugins" / "counted.py").write_text(LOOKUP)
    seen = folder / "calls"
    values = {
        name: f"{{{{ lookup('counted', '{seen}', '{name}', '{value}') }}}}" for name, value in OF_EACH_HOST.items()
    }
    group = {"cluster_provider": "kubeconfig", "cluster_region": "eu-de", "ansible_connection": "local", **values}
    (folder / "hosts.json").write_text(
        json.dumps({"mesh_clusters": {"vars": group, "hosts": {host: {} for host in HOSTS}}})
    )
    name, _brace, options = module.partition(" ")
    task = {name: json.loads(options or "{}"), "name": "One", "check_mode": check, "run_once": once}
    play = {"name": "Count", "hosts": "mesh_clusters", "gather_facts": False, "tasks": [task]}
    (folder / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(folder / "hosts.json"), str(folder / "play.yml")],
        cwd=root,
        env={**os.environ, "FLEET_DIR": str(folder), "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    # Each task has done its work until it connected: nothing listens there.
    assert "cannot be read" not in done.stdout and "Traceback" not in done.stdout, done.stdout
    assert once or done.stdout.count("https://127.0.0.1:1") >= len(HOSTS), done.stdout
    return seen.read_text().splitlines()


_OBJECTS = 'mesh.fleet.objects {"objects": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}}'


@pytest.mark.parametrize("check", [True, False])
def test_a_lookup_of_a_host_is_evaluated_for_its_own_task_only(root: Path, tmp_path: Path, check: bool) -> None:
    calls = calls_of(root, tmp_path, _OBJECTS, check=check)
    # Also where a task looks for other runs first, and does its work then. The first that changes anything holds all
    # clusters of the play for the run.
    most = 1 if check else 2
    assert collections.Counter(calls) <= collections.Counter({f"{n} {h}": most for n in OF_EACH_HOST for h in HOSTS})
    assert {f"cluster_api_token {host}" for host in HOSTS} <= set(calls)


def test_preflight_evaluates_each_lookup_once(root: Path, tmp_path: Path) -> None:
    calls = calls_of(root, tmp_path, 'mesh.fleet.preflight {"part": "data"}', once=True)
    assert sorted(calls) == sorted(f"{name} {host}" for name in OF_EACH_HOST for host in HOSTS)


def test_where_nodes_are_made_for_pods_a_run_waits_longer() -> None:
    base = {"cluster_provider": "gke", "gke_project": "shop-prod", "cluster_region": "us-west1"}
    clusters = read_fleet({"west": base, "north": {**base, "gke_mode": "autopilot"}}, {}).clusters
    given = {"timeout": 180, "other": 3}
    assert FleetAction.patient(given, clusters["west"], "timeout") == given
    assert FleetAction.patient(given, clusters["north"], "timeout") == {"timeout": 900, "other": 3}


@pytest.mark.parametrize("name", ["control_plane", "gateways", "apps"])
def test_what_waits_for_pods_waits_longer_there(name: str) -> None:
    """Each of these actions waits until pods that it made are ready."""
    module = importlib.import_module(f"ansible_collections.mesh.fleet.plugins.action.{name}")
    assert "self.patient(args, cluster, " in Path(str(module.__file__)).read_text(encoding="utf-8")


class Recorded(FleetAction):
    directory = ""

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        self._directory = self.directory  # as fleet() does
        return result(summary="done")


@pytest.mark.parametrize(
    ("task", "args", "lines"),
    [
        ({}, {}, ["done"]),
        ({"no_log": True}, {}, [""]),
        ({"check_mode": True}, {}, []),
        ({}, {"state": "absent"}, []),
        ({"action": "mesh.fleet.preflight"}, {}, []),
    ],
)
def test_the_run_is_recorded(
    task: dict[str, t.Any], args: dict[str, t.Any], lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what only asks or removes; what a task's user hides is hidden here too; preflight makes no folder."""
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(ActionBase, "validate_argument_spec", lambda self, argument_spec: (None, args))
    action = Recorded.__new__(Recorded)
    action.directory = str(tmp_path / "fleet")
    plain = {"run_once": False, "check_mode": False, "no_log": False, "action": "mesh.fleet.trust"}
    action._task = types.SimpleNamespace(**{**plain, **task})
    monkeypatch.setattr(action, "folder", lambda task_vars: str(tmp_path))
    action.run(None, {"inventory_hostname": "west"})
    found = [json.loads(line) for path in tmp_path.rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert [one["line"] for one in found] == lines
    assert [one["host"] for one in found] == ["west"] * len(lines)
    assert (tmp_path / "fleet").exists() == bool(lines)


class Waiting(FleetAction):
    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        with waits.waiting("west: Deployment istiod") as wait:
            wait.seen = "0 of 1"
            raise FleetError("it does not become ready")


@pytest.mark.parametrize(("least", "told"), [(0.0, [("west: Deployment istiod", "0 of 1")]), (10.0, [])])
def test_a_result_has_the_long_waits(
    least: float, told: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that of a task that failed: of such a one people ask what it waited for."""
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(ActionBase, "validate_argument_spec", lambda self, argument_spec: (None, {}))
    monkeypatch.setattr(waits, "LONG", least)
    action = Waiting.__new__(Waiting)
    action._task = types.SimpleNamespace(run_once=False)
    done = action.run(None, {"inventory_hostname": "west"})
    assert done["failed"]
    assert [(one["what"], one["seen"]) for one in done.get("waited", [])] == told


class Talking(FleetAction):
    def __init__(self) -> None:
        self.heard = threading.Event()

    def say(self, text: str) -> None:
        assert "west: Deployment istiod" in text
        self.heard.set()

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        with waits.waiting("west: Deployment istiod") as wait:
            wait.since -= 60
            return {"said": self.heard.wait(60)}


def test_a_task_says_what_it_waits_for_if_no_callback_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(ActionBase, "validate_argument_spec", lambda self, argument_spec: (None, {}))
    monkeypatch.setattr(fleet_action, "WAITS", str(tmp_path))
    action = Talking()
    action._task = types.SimpleNamespace(run_once=False)
    assert action.run(None, {"inventory_hostname": "west"})["said"]
