# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check mode of every Google action reports what then happens: from nothing, without a change, with one, for removal.

One play calls them all, first with ``--check --diff`` and then with ``--diff``; each action must report the same both
times, and the check must have written nothing.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from .caller import Caller
from .standin.server import StandIn

Json = dict[str, t.Any]

PROJECT = "shop-prod"
SHARED: Json = {
    "fleet_name": "shop",
    "cluster_provider": "gke",
    "gke_project": PROJECT,
    "gke_enable_apis": True,
    "mesh_exports": [{"service": "orders.shop", "to": "all"}],
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
}
HOSTS: Json = {
    "west": {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"},
    "north": {"cluster_region": "europe-north1", "mesh_control_plane": "managed"},
}
MORE: Json = {
    "gke_labels": {"team": "core"},
    "gke_release_channel": "stable",
    "front_door_routes": [{"service": "web.shop"}],
}
OFF = (
    "cloudresourcemanager",
    "compute",
    "container",
    "gkehub",
    "mesh",
    "multiclusteringress",
    "multiclusterservicediscovery",
)
FRONT = "{{ (front_door_routes | default([])) | length > 0 }}"
MEMBERS = "{{ members.memberships | default({}) }}"
PRESENT: Json = {
    "gke_network": {"enable_apis": True},
    "gke_nat": {"enable_apis": True},
    "gke_cluster": {"enable_apis": True, "interval": 0.05},
    "gke_access": {"front_door": FRONT, "enable_apis": True},
    "gke_membership": {"enable_apis": True},
    "gke_fleet_feature": {"front_door": FRONT, "memberships": MEMBERS, "enable_apis": True, "timeout": 120},
}
ABSENT: Json = {
    "gke_fleet_feature": {"state": "absent"},
    "gke_membership": {"state": "absent"},
    "gke_access": {"state": "absent"},
    "gke_cluster": {"state": "absent", "delete": True, "interval": 0.05},
    "gke_nat": {"state": "absent"},
    "gke_network": {"state": "absent"},
}
REGISTERED = {"gke_membership": "members", "gke_network": "network"}
STEPS: dict[str, tuple[Json, Json]] = {
    "nothing is there": (PRESENT, {}),
    "all is there": (PRESENT, {}),
    "something is changed": (PRESENT, MORE),
    "all goes": (ABSENT, MORE),
}


@dataclasses.dataclass
class Told:
    """What an action said: whether it changed anything, its objects and differences, and APIs that it switched on.

    APIs are separate, because the first action switches them on, and in check mode none does.
    """

    changed: bool
    objects: list[Json]
    apis: list[str]
    diff: t.Any


@dataclasses.dataclass
class Run:
    """One step: what each action reported in check mode and then, and what check mode wrote."""

    planned: dict[str, Told]
    then: dict[str, Told]
    written: list[str]
    network: Json


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, Run]:
    """All steps, in their order."""
    folder = tmp_path_factory.mktemp("check")
    found = {}
    # Every list comes in pages of one: who reads the first page only does not find what is there.
    with StandIn(folder / "standin", duration=0.02, page=1) as standin:
        # A project that is as new as can be: every API is off.
        standin.cloud.disabled |= {f"{name}.googleapis.com" for name in OFF}
        for name, (actions, more) in STEPS.items():
            before = len(standin.cloud.log)
            planned = play(folder, root, standin, actions, more, "--check")
            written = [e["method"] for e in standin.cloud.log[before:] if changes(e)]
            network = planned.pop("network")
            then = {}
            if actions is PRESENT and network["networks"]:
                then = play(folder, root, standin, {"gke_network": actions["gke_network"]}, more)
                make(standin, network)
            then |= play(folder, root, standin, {k: v for k, v in actions.items() if k not in then}, more)
            then.pop("network")
            if actions is ABSENT:
                remove(standin, network)
            found[name] = Run(planned, then, written, network)
    return found


def changes(entry: Json) -> bool:
    return entry["verb"] != "GET" and not entry["method"].endswith("getIamPolicy")


def play(folder: Path, root: Path, standin: StandIn, actions: Json, more: Json, *arguments: str) -> Json:
    """What each action reported, by its name; and ``network``, gke_network's plan."""
    inventory = {"mesh_clusters": {"vars": {**SHARED, **more, "fleet_dir": str(folder / "state")}, "hosts": HOSTS}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    tasks = [
        {"name": name, f"mesh.fleet.{name}": options, "run_once": True, "register": REGISTERED.get(name, "other")}
        for name, options in actions.items()
    ]
    (folder / "play.yml").write_text(
        yaml.safe_dump([{"hosts": "mesh_clusters", "gather_facts": False, "tasks": tasks}], sort_keys=False)
    )
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("GCP_", "GOOGLE_"))},
        **standin.environment,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_STATE_HOME": str(folder / "xdg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(root / "collections"),
    }
    command = ["ansible-playbook", "-i", str(folder / "inventory.yml"), str(folder / "play.yml"), "--diff", *arguments]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    data = json.loads(done.stdout[done.stdout.index("{\n") :])
    found: Json = {}
    for task in data["plays"][0]["tasks"]:
        (result,) = task["hosts"].values()
        name = task["task"]["name"]
        assert not result.get("failures"), result["failures"]
        apis = [o["name"] for o in result["objects"] if o["kind"] == "API" and o["action"] != "unchanged"]
        objects = [o for o in result["objects"] if o["kind"] != "API"]
        acted = any(o["action"] != "unchanged" for o in result["objects"])
        assert result["changed"] == acted, name
        diff = [d for d in result.get("diff") or [] if not d["before_header"].startswith(" API ")]
        found[name] = Told(any(o["action"] != "unchanged" for o in objects), objects, apis, diff)
        if name == "gke_network":
            found["network"] = {key: result[key] for key in ("networks", "subnets", "firewalls")}
    return found


def make(standin: StandIn, network: Json) -> None:
    """What google.cloud's modules make of the plan."""
    ask = Caller(standin)
    base = f"/compute/v1/projects/{PROJECT}"
    for item in network["networks"]:
        ask.done("POST", f"{base}/global/networks", {"name": item["name"], "description": item["description"]})
    for item in network["subnets"].values():
        body = {
            "name": item["name"],
            "description": item["description"],
            "network": f"projects/{PROJECT}/global/networks/{item['network']}",
            "ipCidrRange": item["ip_cidr_range"],
            "secondaryIpRanges": [
                {"rangeName": r["range_name"], "ipCidrRange": r["ip_cidr_range"]} for r in item["secondary_ip_ranges"]
            ],
        }
        ask.done("POST", f"{base}/regions/{item['region']}/subnetworks", body)
    for item in network["firewalls"]:
        lists = {"source_ranges": "sourceRanges", "target_tags": "targetTags", "source_tags": "sourceTags"}
        body = {
            "name": item["name"],
            "description": item["description"],
            "network": f"projects/{PROJECT}/global/networks/{item['network']}",
            "allowed": [{"IPProtocol": a["ip_protocol"], "ports": a.get("ports") or []} for a in item["allowed"]],
            **{theirs: item[ours] for ours, theirs in lists.items() if item.get(ours)},
        }
        ask.done("POST", f"{base}/global/firewalls", body)


def remove(standin: StandIn, network: Json) -> None:
    ask = Caller(standin)
    base = f"/compute/v1/projects/{PROJECT}"
    for item in network["firewalls"]:
        ask.done("DELETE", f"{base}/global/firewalls/{item['name']}")
    for item in network["subnets"].values():
        ask.done("DELETE", f"{base}/regions/{item['region']}/subnetworks/{item['name']}")
    for item in network["networks"]:
        ask.done("DELETE", f"{base}/global/networks/{item['name']}")


def test_every_google_action_is_here(root: Path) -> None:
    own = {p.stem for p in (root / "plugins" / "action").glob("gke_*.py")} - {"gke_preflight"}  # which only reads
    assert own == set(PRESENT) == set(ABSENT)


@pytest.mark.parametrize("step", STEPS)
def test_the_check_writes_nothing(runs: dict[str, Run], step: str) -> None:
    assert runs[step].written == []


@pytest.mark.parametrize("action", [name for name in PRESENT if name != "gke_network"])
@pytest.mark.parametrize("step", STEPS)
def test_what_check_mode_reports_then_happens(runs: dict[str, Run], step: str, action: str) -> None:
    planned, then = runs[step].planned[action], runs[step].then[action]
    assert planned.objects == then.objects
    assert planned.changed == then.changed
    assert planned.diff == then.diff
    assert then.changed is not (step == "all is there" or (step, action) in STAY)


# What a step does not touch: the change is about clusters, roles and features; NAT and members stay.
STAY = {("something is changed", "gke_nat"), ("something is changed", "gke_membership")}


@pytest.mark.parametrize("step", STEPS)
def test_the_same_apis_are_switched_on(runs: dict[str, Run], step: str) -> None:
    planned, then = (
        {api for report in one.values() for api in report.apis} for one in (runs[step].planned, runs[step].then)
    )
    assert planned == then
    assert bool(then) == (step in ("nothing is there", "something is changed"))


@pytest.mark.parametrize("step", STEPS)
def test_the_network_is_reported_once_and_made_by_modules(runs: dict[str, Run], step: str) -> None:
    planned, then = runs[step].planned["gke_network"], runs[step].then["gke_network"]
    parts = runs[step].network
    named = [*parts["networks"], *parts["subnets"].values(), *parts["firewalls"]]
    assert sorted(o["name"] for o in planned.objects if o["action"] != "unchanged") == sorted(p["name"] for p in named)
    assert bool(named) == (step in ("nothing is there", "all goes"))
    side = "after" if step == "nothing is there" else "before"
    assert sorted(yaml.safe_load(d[side])["name"] for d in planned.diff) == sorted(p["name"] for p in named)
    assert not then.changed
