# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tags of the real playbooks and roles: what they run, what they leave out, and what is said of it.

Only the actions are others: each writes down that it ran.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
# Of a fleet with all kinds of clusters every stage has something to do.
INVENTORY = {
    "mesh_clusters": {
        "vars": {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "fleet_name": "all",
            "mesh_id": "all",
            "gke_project": "a-project",
            "gke_cluster_delete": True,
        },
        "hosts": {
            "own": {"cluster_provider": "kubeconfig"},
            "here": {"cluster_provider": "kind"},
            "google": {"cluster_provider": "gke"},
        },
    }
}
ACTION = """
import json
import os
from ansible.plugins.action import ActionBase

EMPTY = {name: {} for name in ("failures", "missing", "subnets", "dual_stack", "memberships", "mesh_states")}
EMPTY |= {name: [] for name in ("networks", "firewalls", "stale")}


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        name = self._task.action.rpartition(".")[2]
        with open(os.environ["RAN"], "a") as file:
            print(name, file=file)
        with open(os.environ["RAN"] + "." + name, "w") as file:
            json.dump(self._task.args, file)
        return {**super().run(tmp, task_vars), **EMPTY, "egress": {}, "changed": False}
"""
# The actions of each stage.
STAGES = {
    "preflight": {"preflight", "artifacts", "gke_preflight"},
    "clusters": {"artifacts", "kind_cluster", "kind_network", "gke_network", "gke_nat", "gke_cluster"},
    "gke_fleet": {"managed_mesh", "gke_access", "gke_membership", "gke_fleet_feature"},
    "trust": {"trust"},
    "control_plane": {"control_plane", "gateways"},
    "peering": {"peering"},
    "gateways": {"gateways"},
    "apps": {"apps"},
    "services": {"services"},
    "traffic": {"traffic"},
    "federation": {"federation"},
    "ingress": {"ingress"},
    "front_door": {"front_door"},
    "verify": {"verify"},
    "report": {"report"},
}
ALWAYS = {"preflight"}
"""Part of preflight reads the inventory whatever the tags are."""
LINES = {"gke_fleet": "google fleet", "front_door": "front door"}
"""The stages whose line begins with another word than their tag."""


class Ran(t.NamedTuple):
    actions: set[str]
    said: dict[str, str]
    """What each stage's line says, without its duration."""


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection with actions that do nothing."""
    top = tmp_path_factory.mktemp("collections")
    here = top / "ansible_collections" / "mesh" / "fleet"
    (here / "plugins" / "action").mkdir(parents=True)
    for name in ("roles", "playbooks", "meta", "galaxy.yml"):
        (here / name).symlink_to(ROOT / name)
    for part in (ROOT / "plugins").iterdir():
        if part.name not in ("action", "__pycache__"):
            (here / "plugins" / part.name).symlink_to(part)
    for part in (ROOT / "plugins" / "action").glob("*.py"):
        (here / "plugins" / "action" / part.name).write_text(ACTION, encoding="utf-8")
    (top / "hosts.yml").write_text(yaml.safe_dump(INVENTORY), encoding="utf-8")
    return top


@pytest.fixture
def run(collections: Path, tmp_path: Path) -> t.Callable[..., Ran]:
    def ran(playbook: str, *arguments: str, **environment: str) -> Ran:
        done = subprocess.run(
            ["ansible-playbook", "-i", str(collections / "hosts.yml"), f"mesh.fleet.{playbook}", *arguments],
            cwd=tmp_path,
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
                "ANSIBLE_COLLECTIONS_PATH": str(collections),
                "ANSIBLE_STDOUT_CALLBACK": "mesh.fleet.stages",
                "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
                "ANSIBLE_NOCOLOR": "1",
                "RAN": str(tmp_path / "ran"),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        lines = done.stdout.partition("\n\n")[0]
        assert "inventory" not in lines, "nothing is said of a play that refuses nothing"
        found = re.findall(r"^(\w+(?: \w+)?) +(skipped|ok|\d+ changed)(?: +\d.*)?$", lines, re.MULTILINE)
        path = tmp_path / "ran"
        return Ran(set(path.read_text(encoding="utf-8").split()) if path.exists() else set(), dict(found))

    return ran


def stages_of(playbook: str) -> list[str]:
    """The stages that a playbook imports."""
    plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8"))
    names = [Path(play["ansible.builtin.import_playbook"]).stem for play in plays]
    return [name for name in names if name not in ("whole", "clusters_named")]


def test_site_has_the_stages_that_are_tried_here() -> None:
    assert stages_of("site") == list(STAGES)


def test_without_tags_every_stage_runs(run: t.Callable[..., Ran]) -> None:
    ran = run("site")
    assert ran.actions == set.union(*STAGES.values())
    assert set(ran.said) == {LINES.get(stage, stage) for stage in STAGES}
    assert "skipped" not in ran.said.values()


@pytest.mark.parametrize("stage", STAGES)
def test_a_tag_runs_its_stage_alone(stage: str, run: t.Callable[..., Ran]) -> None:
    everywhere = stage in ("clusters", "gke_fleet")
    ran = run("site", "--tags", stage, *(() if everywhere else ("--limit", "own")))
    assert ran.actions == STAGES[stage] | ALWAYS
    expected = {LINES.get(other, other): "ok" if other in (stage, *ALWAYS) else "skipped" for other in STAGES}
    assert ran.said == expected


@pytest.mark.parametrize("half", [0, 1])
def test_a_tag_that_is_skipped_leaves_its_stage_out(half: int, run: t.Callable[..., Ran]) -> None:
    left_out = list(STAGES)[half::2]
    ran = run("site", "--skip-tags", ",".join(left_out))
    assert ran.actions == set.union(*(actions for name, actions in STAGES.items() if name not in left_out))
    assert ran.said == {LINES.get(name, name): "skipped" if name in left_out else "ok" for name in STAGES}


# The playbooks that are no stage of site.yml.
OTHERS = {
    "artifacts": "artifacts",
    "artifacts_removal": "artifacts",
    "demo": "demo",
    "render": ",".join(["render", *STAGES]),
    "teardown": ",".join([*STAGES, "demo"]),
}


def test_every_playbook_is_tried() -> None:
    named = {p.stem for p in (ROOT / "playbooks").glob("*.yml")}
    # tests/awx tries awx.yml, which has no stage.
    assert named - {"site", "clusters_named", "whole", "awx"} == set(STAGES) | set(OTHERS)


@pytest.mark.parametrize("playbook", OTHERS)
def test_another_playbook_is_skipped_by_its_tags(playbook: str, run: t.Callable[..., Ran]) -> None:
    ran = run(playbook, "--skip-tags", OTHERS[playbook])
    assert not ran.actions
    assert set(ran.said.values()) == {"skipped"}


def test_render_has_every_stage_that_applies_objects() -> None:
    """Of stage gke_fleet only what goes into clusters; verify's probes are there to be called, and a page is none."""
    plays = yaml.safe_load((ROOT / "playbooks" / "render.yml").read_text(encoding="utf-8"))
    stages = {stage for stage in STAGES if stage not in ("preflight", "clusters", "gke_fleet", "verify", "report")}
    imported = {
        Path(play["ansible.builtin.import_playbook"]).stem: play["vars"]["__render_stage"]
        for play in plays[1:]
        if "ansible.builtin.import_playbook" in play
    }
    assert imported == {stage: stage for stage in stages}


ONLINE = {"artifacts", "gke_preflight"}
"""What preflight asks machines and Google for; a run that renders asks nobody."""


def test_render_runs_them_all(run: t.Callable[..., Ran]) -> None:
    others = ("clusters", "gke_fleet", "verify", "report")
    stages = {name: actions for name, actions in STAGES.items() if name not in others}
    assert run("render").actions == set.union(*stages.values()) - ONLINE | {"managed_mesh", "render"}


@pytest.mark.parametrize("playbook", ["artifacts", "artifacts_removal"])
def test_another_playbook_runs_by_its_tags(playbook: str, run: t.Callable[..., Ran]) -> None:
    ran = run(playbook, "--tags", OTHERS[playbook])
    assert ran.actions == {"artifacts"}
    assert set(ran.said.values()) == {"ok"}


# What teardown removes by each tag; of preflight nothing is to be undone, and a report of what was stays.
REMOVED = {
    **{name: actions for name, actions in STAGES.items() if name not in ("preflight", "report")},
    "clusters": STAGES["clusters"] - {"artifacts"},
    "control_plane": {"control_plane"},
    "demo": {"demo"},
}


@pytest.mark.parametrize("stage", REMOVED)
def test_teardown_removes_a_stage_by_its_tag(stage: str, run: t.Callable[..., Ran]) -> None:
    assert run("teardown", "--tags", stage).actions == REMOVED[stage]


@pytest.mark.parametrize(
    ("tags", "stay"),
    [
        ("", False),
        ("--tags=front_door,gateways", False),
        ("--tags=front_door,control_plane", False),
        ("--skip-tags=gateways", False),
        ("--tags=front_door", True),
        ("--skip-tags=gateways,control_plane", True),
    ],
)
def test_a_front_door_knows_whether_gateways_stay(
    tags: str, stay: bool, run: t.Callable[..., Ran], tmp_path: Path
) -> None:
    """What machines with files of before lead to is kept for gateways that serve it, and goes with them."""
    run("teardown", "--limit", "own", *filter(None, [tags]))
    given = json.loads((tmp_path / "ran.front_door").read_text(encoding="utf-8"))
    assert (given["state"], given["gateways_stay"]) == ("absent", stay)


def test_a_local_cluster_is_deleted_as_a_whole(run: t.Callable[..., Ran]) -> None:
    ran = run("teardown", "--limit", "here", "--skip-tags", "gke_fleet")
    assert ran.actions == {"kind_cluster", "kind_network", "peering", "traffic"}, "others forget it"


@pytest.mark.parametrize("tags", ["--tags", "--skip-tags"])
def test_a_local_cluster_stays_if_tags_leave_it(tags: str, run: t.Callable[..., Ran]) -> None:
    removed = {stage: actions for stage, actions in REMOVED.items() if stage not in ("clusters", "gke_fleet")}
    ran = run("teardown", "--limit", "here", tags, ",".join(removed) if tags == "--tags" else "clusters,gke_fleet")
    assert ran.actions == set.union(*removed.values())


def test_clusters_here_that_go_are_forgotten(run: t.Callable[..., Ran], tmp_path: Path) -> None:
    """By peers before, by the record of addresses after: then it is known that they hold none."""
    run("teardown", "--limit", "here")
    ran = (tmp_path / "ran").read_text(encoding="utf-8").split()
    assert ran.index("peering") < ran.index("kind_cluster") < ran.index("traffic")
    (tmp_path / "ran").unlink()
    assert "traffic" not in run("teardown", "--limit", "here,own", "--tags", "clusters").actions, "own stays"


def test_strategy_free_runs_once_what_runs_once(run: t.Callable[..., Ran], tmp_path: Path) -> None:
    run("site", "--tags", "peering,trust", "--skip-tags", "preflight", ANSIBLE_STRATEGY="free")
    assert sorted((tmp_path / "ran").read_text(encoding="utf-8").split()) == ["peering", "trust"]
