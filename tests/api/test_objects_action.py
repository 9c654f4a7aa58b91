# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action C(objects), run by Ansible itself against a real API server."""

from __future__ import annotations

import dataclasses
import json
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from . import control_plane
from .manifests import config_map, namespace_of, secret
from .plays import run_plays

VALUE = "a-value-that-nobody-may-see"


@dataclasses.dataclass
class Played:
    code: int
    text: str
    result: dict[str, t.Any]


class Player:
    """Runs one task on host ``west`` and gives back its registered result and all that was printed."""

    def __init__(self, where: Path, kubeconfig: Path) -> None:
        self.where = where
        self.fleet = {
            "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
            "hosts": {
                "west": {
                    "cluster_provider": "kubeconfig",
                    "cluster_kubeconfig": str(kubeconfig),
                    "cluster_context": "admin",
                    "cluster_region": "us-west1",
                }
            },
        }

    def __call__(self, *flags: str, **args: t.Any) -> Played:
        out = self.where / "result.json"
        out.unlink(missing_ok=True)
        tasks = [
            {"name": "The task", "mesh.fleet.objects": args, "register": "outcome"},
            {
                "name": "Keep its result",
                "ansible.builtin.copy": {"content": "{{ outcome | ansible.builtin.to_json }}", "dest": str(out)},
                "check_mode": False,
                "diff": False,
            },
        ]
        environment = {
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "XDG_STATE_HOME": str(self.where / "state"),
        }
        play = {"hosts": "mesh_clusters", "gather_facts": False, "tasks": tasks}
        ran = run_plays(self.where, self.fleet, play, *flags, environment=environment)
        return Played(ran.code, ran.output, json.loads(out.read_text()) if out.exists() else {})


@pytest.fixture
def play(tmp_path: Path, plane: control_plane.ControlPlane) -> Player:
    return Player(tmp_path, plane.kubeconfig)


def test_from_check_to_absent(play: Player, namespace: str) -> None:
    text = "---\n".join(yaml.safe_dump(o) for o in (namespace_of(namespace), config_map(namespace, size="1")))
    objects = [text, secret(namespace, VALUE)]
    planned = play("--check", "--diff", "-vvv", objects=objects)
    assert planned.code == 0
    assert planned.result["changed"]
    assert [o["action"] for o in planned.result["objects"]] == ["created"] * 3
    made = play("--diff", "-vvv", objects=objects, labels={"example.com/set": namespace})
    assert made.result["stage_line"] == "west 3 objects: 3 created"
    assert "size: '1'" in made.text
    assert "(masked, 36 characters" in made.text
    again = play(objects=objects, labels={"example.com/set": namespace})
    assert not again.result["changed"]
    assert again.result["stage_line"] == "west 3 objects: nothing changed"
    less = play(
        "--diff",
        objects=[text],
        labels={"example.com/set": namespace},
        prune={"example.com/set": namespace},
        prune_kinds=["v1/Secret", "v1/ConfigMap"],
        wait=True,
    )
    assert less.result["stage_line"] == "west 3 objects: 1 removed"
    gone = play(objects=[config_map(namespace)], state="absent", wait=True)
    assert gone.result["stage_line"] == "west 1 object: 1 removed"
    assert not play(objects=[config_map(namespace)], state="absent").result["changed"]
    for played in (planned, made, again, less, gone):
        assert VALUE not in played.text + json.dumps(played.result)


def test_errors_are_reported_completely(play: Player, namespace: str) -> None:
    failed = play(objects=[namespace_of(namespace), config_map(namespace, "Bad_1"), config_map("not-there-at-all")])
    assert failed.code != 0
    assert "2 of 2 objects could not be applied" in failed.text
    assert "Bad_1" in failed.text
    assert "not-there-at-all" in failed.text
    assert "a: [1" not in failed.text
    assert "objects is not YAML" in play(objects="a: [1\nb: }").text
    assert "prune_kinds need each other" in play(prune={"a": "b"}).text
    assert "no kind" in play(prune={"a": "b"}, prune_kinds=["Secret"]).text


def test_waits_for_what_can_be_ready(play: Player, namespace: str) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "entry", "namespace": namespace},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }
    failed = play(objects=[namespace_of(namespace), service], wait=True, wait_timeout=1)
    assert failed.code != 0
    assert f"west Service {namespace}/entry: not as expected after 1 s" in failed.text
    assert "no address yet" in failed.text


def test_check_mode_before_the_cluster_exists(tmp_path: Path, namespace: str) -> None:
    play = Player(tmp_path, tmp_path / "not-yet.yaml")
    planned = play("--check", objects=[namespace_of(namespace)])
    assert planned.code == 0
    assert planned.result["objects"][0]["action"] == "created"
    failed = play(objects=[namespace_of(namespace)])
    assert failed.code != 0
    assert "its kubeconfig does not exist" in failed.text
