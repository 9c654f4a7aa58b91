# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import collections
import concurrent.futures
import json
import os
import stat
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest
from ansible.parsing.vault import EncryptedString

from ansible_collections.mesh.fleet.plugins.plugin_utils.base.run_values import RunValues

ASKS = "{{ lookup('x') }}"
RAW = {"mesh_network": ASKS, "cluster_api_token": ASKS, "cluster_kubeconfig": ASKS, "gke_access_token": ASKS}


class Task:
    """What one task, a process, knows of values; and how often it evaluated one."""

    def __init__(self, folder: Path) -> None:
        self.known = RunValues(str(folder))
        self.calls = 0

    def get(self, raw: t.Mapping[str, t.Any], name: str = "mesh_network", host: str = "west", **context: t.Any) -> int:
        def evaluate() -> t.Any:
            self.calls += 1
            return [self.calls, "ü", {"a": None}]

        return t.cast("int", self.known.get(host, name, raw, context, evaluate)[0])


def evaluations(folder: Path, *raws: t.Mapping[str, t.Any], name: str = "mesh_network") -> int:
    """How often the tasks of one run evaluate a value, when each finds other raw variables."""
    calls = 0
    for raw in raws:
        task = Task(folder)
        task.get(raw, name)
        calls += task.calls
    return calls


def test_a_lookup_is_evaluated_by_one_task(tmp_path: Path) -> None:
    first, second = Task(tmp_path), Task(tmp_path)
    found = [
        first.known.get("west", "mesh_network", RAW, {}, lambda: {"a": ["ü", None, 1.5, True]}) for _time in range(2)
    ]
    assert [*found, second.known.get("west", "mesh_network", RAW, {}, lambda: 1 / 0)] == [
        {"a": ["ü", None, 1.5, True]}
    ] * 3
    assert second.get(RAW, host="east") == 1


@pytest.mark.parametrize("name", ["cluster_api_token", "cluster_kubeconfig", "gke_access_token", "gateways_values"])
def test_what_opens_a_cluster_is_never_stored(name: str, tmp_path: Path) -> None:
    raw = {**RAW, "gateways_values": ASKS}
    assert evaluations(tmp_path, raw, raw, name=name) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["{{ place }}-net", "net", "{{ lookups }}", "{{ place | default('x') }}"])
def test_a_template_that_asks_nothing_is_not_stored(text: str, tmp_path: Path) -> None:
    raw = {"mesh_network": text, "place": "here", "text": "lookup"}
    assert evaluations(tmp_path, raw, raw) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["{{ query('x') }}", "{{ q('x') }}", ["a", {"b": [ASKS]}], "{{ far }}"])
def test_a_lookup_is_found_wherever_it_is(text: t.Any, tmp_path: Path) -> None:
    raw = {"mesh_network": text, "far": {"deep": ["{{ further }}"]}, "further": "{% if true %}" + ASKS}
    assert evaluations(tmp_path, raw, {**raw}) == 1


@pytest.mark.parametrize(
    ("changed", "times"),
    [
        ({"place": "there"}, 2),
        ({"mesh_network": "{{ lookup('y') }}"}, 2),
        ({"new": 1}, 2),
        ({"password": EncryptedString(ciphertext="b")}, 2),
        ({"__peering_missing": "x"}, 1),
        ({"__named": "x"}, 2),
        ({"ansible_facts": {"os": "b"}, "ansible_os": "b"}, 1),
    ],
)
def test_changed_variables_of_its_host_ask_again(changed: dict[str, t.Any], times: int, tmp_path: Path) -> None:
    raw = {
        "mesh_network": "{{ lookup('x', place, __named) }}",
        "place": "here",
        "password": EncryptedString(ciphertext="a"),
        "ansible_facts": {"os": "a"},
        "ansible_os": "a",
    }
    assert evaluations(tmp_path, raw, {**raw, **changed}) == times
    # A task that finds what the first one found gets the first one's value.
    assert evaluations(tmp_path, raw) == 0


def test_what_a_task_adds_counts_where_it_is_used(tmp_path: Path) -> None:
    raw = {"mesh_network": "{{ lookup('x', added) }}", "mesh_id": ASKS}
    for name, calls in (("mesh_network", 2), ("mesh_id", 1)):
        first, second = Task(tmp_path), Task(tmp_path)
        first.get(raw, name, added="a")
        second.get(raw, name, added="b")
        assert (name, first.calls + second.calls) == (name, calls)


@pytest.mark.parametrize(
    "text",
    ["{{ lookup('x', hostvars['east'].place) }}", "{{ lookup('x', far) }}", "{{ lookup('x', vars['a' ~ 'b']) }}"],
)
def test_what_may_read_variables_of_others_is_not_stored(text: str, tmp_path: Path) -> None:
    raw = {"mesh_network": text, "far": "{{ hostvars['east'].place }}"}
    assert evaluations(tmp_path, raw, raw) == 2
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_can_compare_is_not_stored(tmp_path: Path) -> None:
    raw = {"mesh_network": ASKS, "strange": object()}
    assert evaluations(tmp_path, raw, raw) == 2


def test_a_value_that_is_no_json_is_not_stored(tmp_path: Path) -> None:
    known = RunValues(str(tmp_path))
    values = iter([{1}, {2}])
    found = [known.get("west", "mesh_network", RAW, {}, lambda: next(values)) for _task in range(2)]
    assert found == [{1}, {2}]


def test_an_error_is_passed_on_and_not_stored(tmp_path: Path) -> None:
    known = RunValues(str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        known.get("west", "mesh_network", RAW, {}, lambda: 1 / 0)
    assert evaluations(tmp_path, RAW, RAW) == 1


def test_without_a_folder_each_task_evaluates(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert evaluations(tmp_path / "file", RAW, RAW) == 2


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        evaluations(tmp_path / "run", RAW)
    finally:
        os.umask(before)
    modes = {path.name.partition(".")[2]: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "run").iterdir()}
    assert modes == {"json": 0o600, "lock": 0o600}
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700


def test_a_damaged_file_is_evaluated_again(tmp_path: Path) -> None:
    evaluations(tmp_path, RAW)
    (path,) = tmp_path.glob("*.json")
    path.write_text("[1")
    assert evaluations(tmp_path, RAW, RAW) == 1


def test_others_wait_for_the_task_that_evaluates(tmp_path: Path) -> None:
    begun, twice = threading.Event(), threading.Event()

    def slow() -> str:
        if begun.is_set():
            twice.set()
        begun.set()
        # Comes at once when the other one does not wait.
        assert not twice.wait(0.5)
        return "net"

    def task() -> t.Any:
        return RunValues(str(tmp_path)).get("west", "mesh_network", RAW, {}, slow)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(task)
        assert begun.wait(60)
        second = pool.submit(task)
        assert [first.result(60), second.result(60)] == ["net", "net"]


HOSTS = {f"c{i}": {"number": i} for i in range(10)}
SHAPES = {
    "cluster_provider": "kubeconfig",
    "fleet_name": "shop",
    "mesh_id": "shop",
    "mesh_trust_domain": "shop.example",
    "mesh_istio_version": "1.31.1",
    "mesh_revision": "default",
    "mesh_namespace": "istio-system",
    "mesh_network": "flat",
    "mesh_role": "primary",
    "mesh_control_plane": "istiod",
    "mesh_take_over": "false",
    "mesh_cni": "false",
    "cluster_region": "eu-de",
    "cluster_zone": "eu-de-1",
    "cluster_platform": "k3s",
    "cluster_pod_cidr": "10.' ~ number ~ '.0.0/16",
    "cluster_service_cidr": "10.' ~ (100 + number) ~ '.0.0/16",
}
"""Variables that make the mesh, all by lookup."""
STAGES = (
    'mesh.fleet.preflight {"part": "cluster"}',
    'mesh.fleet.control_plane {"clusters": "primaries", "charts": "x"}',
    'mesh.fleet.gateways {"eastwest": "always"}',
    "mesh.fleet.apps {}",
)
"""Stages of which each host has a task of its own; nothing answers where they connect."""


def counted(seen: Path, name: str, value: str) -> str:
    return f"{{{{ lookup('pipe', 'echo {name} ' ~ inventory_hostname ~ ' >> {seen}; echo {value}') }}}}"


def play(root: Path, folder: Path, tasks: list[dict[str, t.Any]], **more: t.Any) -> tuple[list[str], str]:
    """The calls of lookups, each "variable host", in a run of Ansible over ten hosts, and what it printed."""
    seen = folder / "calls"
    values = {name: counted(seen, name, value) for name, value in SHAPES.items()}
    values["cluster_api_token"] = counted(seen, "cluster_api_token", "sesame")
    group = {**values, "cluster_api_url": "https://127.0.0.1:1", "cluster_api_ca": "x", "ansible_connection": "local"}
    group |= {"cluster_labels": {"tier": counted(seen, "cluster_labels", "front")}}
    (folder / "hosts.json").write_text(json.dumps({"mesh_clusters": {"vars": group, "hosts": HOSTS}}))
    plays = {"name": "Count", "hosts": "mesh_clusters", "gather_facts": False, "tasks": tasks, **more}
    (folder / "play.yml").write_text(json.dumps([plays]))
    (folder / "local").mkdir()
    done = subprocess.run(
        ["ansible-playbook", "-f", "10", "-i", str(folder / "hosts.json"), str(folder / "play.yml")],
        cwd=root,
        env={**os.environ, "NO_COLOR": "1", "ANSIBLE_LOCAL_TEMP": str(folder / "local"), "XDG_STATE_HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    assert "Traceback" not in done.stdout and "does not expect" not in done.stdout, done.stdout
    # Nothing of it stays.
    assert list((folder / "local").iterdir()) == []
    return seen.read_text().splitlines(), done.stdout


def stage(text: str, **more: t.Any) -> dict[str, t.Any]:
    name, _space, options = text.partition(" ")
    return {name: json.loads(options or "{}"), "name": name, "ignore_errors": True, **more}


@pytest.mark.parametrize("more", [{}, {"strategy": "free"}, {"serial": 4}], ids=["linear", "free", "serial"])
def test_a_run_evaluates_each_lookup_of_a_host_once(root: Path, tmp_path: Path, more: dict[str, t.Any]) -> None:
    once = [] if more else [stage("mesh.fleet.preflight", run_once=True), {"assert": {"that": True}, "register": "__x"}]
    calls, printed = play(root, tmp_path, [*once, *map(stage, STAGES)], **more)
    count = collections.Counter(calls)
    shapes = {name: count.pop(f"{name} {host}", 0) for host in HOSTS for name in [*SHAPES, "cluster_labels"]}
    assert set(shapes.values()) == {1}, printed
    # How a cluster is reached is evaluated by the tasks of its own host, by a task of the whole fleet, and by the first
    # one that changes anything, which holds all clusters of the play for the run.
    assert set(count) == {f"cluster_api_token {host}" for host in HOSTS}
    assert max(count.values()) <= len(once) + len(STAGES) + 1


def test_variables_set_between_tasks_are_heard(root: Path, tmp_path: Path) -> None:
    (tmp_path / "set.yml").write_text("number: 70\n")
    tasks = [
        stage(STAGES[2]),
        {"include_vars": str(tmp_path / "set.yml"), "when": "inventory_hostname == 'c1'"},
        stage(STAGES[2]),
    ]
    calls, _printed = play(root, tmp_path, tasks)
    count = collections.Counter(calls)
    assert [count[f"cluster_pod_cidr {host}"] for host in HOSTS] == [2 if host == "c1" else 1 for host in HOSTS]


def test_a_play_asks_once_whether_the_fleet_has_its_stage(root: Path, tmp_path: Path) -> None:
    seen = tmp_path / "calls"
    group = {"cluster_provider": counted(seen, "cluster_provider", "kubeconfig"), "ansible_connection": "local"}
    (tmp_path / "hosts.json").write_text(json.dumps({"mesh_clusters": {"vars": group, "hosts": HOSTS}}))
    subprocess.run(
        ["ansible-playbook", "-i", str(tmp_path / "hosts.json"), "playbooks/gke_fleet.yml"],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=900,
    )
    assert sorted(seen.read_text().splitlines()) == sorted(f"cluster_provider {host}" for host in HOSTS)
