# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/traffic.md and ansible-doc say what the reader of policies knows, and every snippet of the page works."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import objects_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint import Findings, lint
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import parse_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check
from tests import traffic_page
from tests.policies import REVIEWS

from .plugins.module_utils._model.fleets import TWO, fleet

Values = dict[str, t.Any]
BLOCKS = [
    yaml.safe_load(block)
    for block in re.findall(r"```yaml\n(.*?)```", traffic_page.PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
]
POLICIES = [block for block in BLOCKS if isinstance(block, list) and "service" in block[0]]
OBJECTS = [block for block in BLOCKS if isinstance(block, dict) and "kind" in block]
VARIABLES = [block for block in BLOCKS if isinstance(block, dict) and "kind" not in block]
PLAYS = [block for block in BLOCKS if isinstance(block, list) and "hosts" in block[0]]
TASKS = [block for block in BLOCKS if isinstance(block, list) and "mesh.fleet.objects" in block[0]]


def test_the_page_and_ansible_doc_show_what_a_policy_may_say() -> None:
    again = "run python tests/traffic_page.py"
    assert traffic_page.PAGE.read_text(encoding="utf-8") == traffic_page.page(), again
    assert traffic_page.PLUGIN.read_text(encoding="utf-8") == traffic_page.plugin(), again


def test_every_block_of_the_page_is_tried_here() -> None:
    assert (len(POLICIES), len(OBJECTS), len(VARIABLES), len(PLAYS), len(TASKS)) == (5, 2, 1, 1, 1)
    assert len(BLOCKS) == 10


@pytest.mark.parametrize("policies", POLICIES, ids=lambda policies: str(policies[0]["service"]))
def test_a_policy_of_the_page_is_sound(policies: list[Values]) -> None:
    two = fleet(TWO)
    read = parse_policies(policies, two.clusters)
    assert lint(two, read) == Findings()
    assert objects_of(two, read)["west"]


def test_the_variables_of_the_page_pass_preflight() -> None:
    (variables,) = VARIABLES
    own = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "none.yaml", "cluster_region": "eu-de"}
    assert check({name: {**own, **variables} for name in TWO}) == []


def test_the_objects_of_the_page_are_made_of_its_first_policy() -> None:
    two = fleet(TWO)
    assert POLICIES[0] == [REVIEWS]
    assert objects_of(two, parse_policies(POLICIES[0], two.clusters)) == {"west": OBJECTS, "east": []}


def run(root: Path, folder: Path, play: list[Values], *args: str) -> subprocess.CompletedProcess[str]:
    """A playbook over clusters west and east, which nobody calls."""
    hosts = {name: {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "none.yaml"} for name in TWO}
    (folder / "hosts.yml").write_text(json.dumps({"mesh_clusters": {"hosts": hosts}}), encoding="utf-8")
    (folder / "play.yml").write_text(yaml.safe_dump(play), encoding="utf-8")
    return subprocess.run(
        ["ansible-playbook", "-i", str(folder / "hosts.yml"), str(folder / "play.yml"), *args],
        cwd=root, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_the_playbook_of_the_page_writes_files_for_gitops(root: Path, tmp_path: Path) -> None:
    (tmp_path / "traffic.yml").write_text(yaml.safe_dump(POLICIES[0] + POLICIES[2]), encoding="utf-8")
    done = run(root, tmp_path, PLAYS[0])
    assert done.returncode == 0, done.stdout + done.stderr
    two = fleet(TWO)
    wanted = objects_of(two, parse_policies(POLICIES[0] + POLICIES[2], two.clusters))
    for name, objects in wanted.items():
        text = (tmp_path / f"rendered-{name}.yml").read_text(encoding="utf-8")
        assert list(yaml.safe_load_all(text)) == objects
        assert "&id" not in text
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("rendered-*.yml")}
    assert run(root, tmp_path, PLAYS[0]).returncode == 0
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("rendered-*.yml")}


def test_the_playbook_of_the_page_names_what_is_wrong(root: Path, tmp_path: Path) -> None:
    (tmp_path / "traffic.yml").write_text(yaml.safe_dump([{"service": "a.b", "timeot": "5s"}]), encoding="utf-8")
    done = run(root, tmp_path, PLAYS[0])
    assert done.returncode == 2
    assert "policies[0] (a.b) timeot is unknown: did you mean timeout?" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_tasks_of_the_page_give_subsets_before_routes(root: Path, tmp_path: Path) -> None:
    first, second, third = [json.dumps(task["mesh.fleet.objects"]["objects"]) for task in TASKS[0]]
    assert (first, "selectattr" in second) == (third, True)
    shown = [
        {"name": "Show", "ansible.builtin.debug": {"msg": task["mesh.fleet.objects"]["objects"]}} for task in TASKS[0]
    ]
    play = [{"hosts": "west", "gather_facts": False, "vars": {"mesh_traffic": POLICIES[0]}, "tasks": shown}]
    done = run(root, tmp_path, play)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"DestinationRule|VirtualService", re.sub(r'"name": [^\n]*', "", done.stdout)) == [
        "DestinationRule",
        "VirtualService",
        "DestinationRule",
    ]
