# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An istiod in each cluster, each on its own network, on clusters that exist already: calls cross the gateways.

The tests run in their order: the clusters get a mesh as if they were somebody's own, and lose it without a trace.
"""

from __future__ import annotations

import functools
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import typing as t
import urllib.request

import pytest
import yaml

from . import playbooks
from .browser import ensure_browser
from .door import Door
from .exported import check_exports
from .local_fleet import FLEETS, STATE, Fleet
from .mesh import SHARES, Objects, calls, differences, measured, objects, proof, watched
from .playbooks import ROOT, changed
from .traffic import CHECKS, Traffic
from .waiting import until, until_equal

OWN = f"{FLEETS}own"


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> Objects:
    fleet.make("per_cluster")
    return objects(fleet)


@pytest.fixture(scope="module")
def existing(before: Objects, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[pathlib.Path]:
    """An inventory in which the fleet's clusters are somebody's own; its certificates go with the tests."""
    shutil.rmtree(STATE / OWN, ignore_errors=True)
    folder = tmp_path_factory.mktemp("existing")
    shutil.copytree(ROOT / "inventories" / "local" / "group_vars", folder / "group_vars")
    common = {
        "fleet_name": OWN,
        "mesh_id": "own",
        "mesh_trust_domain": "own.mesh",
        "mesh_network": "per_cluster",
        "artifacts_parts": ["tools", "charts"],
    }
    inventory = {"mesh_clusters": {"vars": common, "hosts": fleet.as_existing()}}
    (folder / "fleet.yml").write_text(yaml.safe_dump(inventory))
    yield folder
    shutil.rmtree(STATE / OWN, ignore_errors=True)


def play(inventory: pathlib.Path, playbook: str, *arguments: str) -> str:
    """Run a playbook on an inventory of the test's own; what it said."""
    return playbooks.play(playbook, *arguments, inventories=[str(inventory)])


def page(address: str) -> int | str:
    """The status of a page, or why there is none."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return int(answer.status)
    except OSError as error:
        return str(error)


def test_check_mode_shows_what_would_be_made(before: Objects, fleet: Fleet, existing: pathlib.Path) -> None:
    said = play(existing, "site", "--check", "--diff")
    assert changed(said) > 0
    assert "PRIVATE KEY" not in said
    until_equal(lambda: differences(fleet, before), {}, "what check mode made")
    assert not (STATE / OWN / "trust").exists()


def test_calls_cross_the_gateways(fleet: Fleet, existing: pathlib.Path) -> None:
    said = play(existing, "site", "-vvv", "--diff")
    assert "PRIVATE KEY" not in said
    assert "eyJhbGci" not in said  # the first letters of every token of Kubernetes
    made = calls(OWN)
    for call in (("west", "east", "probe-east"), ("east", "west", "probe-west")):
        assert made[call]["path"] == "gateway"
    (sample,) = [call for names, call in made.items() if names[-1] == "sample-producer"]
    assert sample["identity"] == "spiffe://own.mesh/ns/istio-apps/sa/sample-caller-sa"
    assert {part: share["declared"] for part, share in measured(OWN).items()} == SHARES
    for watcher, other in (("west", "east"), ("east", "west")):
        wanted = [[other, "synced"]]
        until_equal(functools.partial(watched, fleet, watcher), wanted, f"the clusters that {watcher}'s istiod watches")
    until_equal(lambda: "sample-caller" in fleet.istioctl("west", "proxy-status"), True, "west's istiod serves")


def test_nothing_to_do_changes_nothing(existing: pathlib.Path) -> None:
    assert changed(play(existing, "site")) == 0


def test_a_front_doors_files_serve_on_another_machine(
    fleet: Fleet, existing: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    door = Door(fleet, tmp_path)
    door.put_certificate()
    files = STATE / OWN / "front_door"
    assert f"files in {files}: 1 route" in play(existing, "front_door", *door.given, "-v")
    door.start_elsewhere(files)
    try:
        # The first of the inventory, which is written in the order of the alphabet.
        until_equal(door.who, "east", "the cluster behind the front door")
        door.gateway("east", 0)
        until_equal(door.who, "west", "the cluster that takes over")
        door.gateway("east", 1)
        until_equal(door.who, "east", "the cluster that is back")
    finally:
        door.stop_elsewhere()
    door.ask_for([])
    play(existing, "front_door", *door.given)
    assert not files.exists()
    door.remove_certificate()


def test_a_person_opens_the_page(existing: pathlib.Path) -> None:
    ensure_browser()
    address = proof(OWN)["pages"]["west"]
    until_equal(lambda: page(address), 200, f"the status of {address}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/e2e/test_sample_page.py"],
        cwd=ROOT,
        env={**os.environ, "SAMPLE_URL": address, "SAMPLE_PRODUCERS": "west,east"},  # by the policy of the inventory
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.fixture(scope="module")
def traffic(fleet: Fleet, existing: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Traffic]:
    run = functools.partial(play, existing)
    with Traffic(fleet, run, tmp_path_factory.mktemp("traffic"), same_network=False).opened() as made:
        yield made


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_calls_are_as_the_policies_say(traffic: Traffic, check: t.Callable[[Traffic], None]) -> None:
    check(traffic)


def test_exported_services_have_a_name(traffic: Traffic) -> None:
    check_exports(traffic, OWN, confined=True)


def test_policies_go(traffic: Traffic) -> None:
    traffic.close()


def shown() -> list[list[str]]:
    """The commands of the walk-through's page: each with its playbook and further arguments."""
    text = (ROOT / "docs" / "demo.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert all(words[:3] == ["ansible-playbook", "-i", "inventories/local"] for words in commands)
    return [[pathlib.Path(words[3]).stem, *words[4:]] for words in commands]


def test_the_walk_through_shows_and_leaves_nothing(fleet: Fleet, existing: pathlib.Path) -> None:
    found = objects(fleet)
    said = play(existing, *shown()[0])
    assert said.count("✓ as expected") == 5 and "✗" not in said
    assert changed(said) == 0
    assert "10 of 10 calls: 504 after 1." in said
    until_equal(lambda: differences(fleet, found), {}, "what a walk-through leaves")


def begun(existing: pathlib.Path) -> playbooks.Run:
    """A walk-through whose producer is about to break."""
    run = playbooks.Run("demo", "-e", "{demo_scenes: [ejection]}", inventories=[str(existing)])
    until(lambda: "after 3 errors" in run.said or run.over, "the scene begins")
    assert not run.over, run.said
    return run


def test_an_interrupted_walk_through_leaves_nothing(fleet: Fleet, existing: pathlib.Path) -> None:
    found = objects(fleet)
    run = begun(existing)
    run.process.send_signal(signal.SIGINT)
    assert run.end() != 0
    assert fleet.kubectl("west", "get", "namespaces", "mesh-demo", "--ignore-not-found") == "", "Ansible waits for it"
    until_equal(lambda: differences(fleet, found), {}, "what an interrupted walk-through leaves")


@pytest.mark.parametrize("remedy", ["the next run", "the command of the page"])
def test_what_a_killed_run_left_is_removed(remedy: str, fleet: Fleet, existing: pathlib.Path) -> None:
    found = objects(fleet)
    run = begun(existing)
    # The worker first: it would clear up alone.
    for child in pathlib.Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    run.kill()
    # As it is left by one that was killed in the middle of the scene.
    broken = ("exec", "deployment/sample-producer-v1", "-c", "sample-producer", "--", "python3", "-c")
    fleet.kubectl("west", "-n", "mesh-demo", *broken, "import os, signal; os.kill(1, signal.SIGUSR1)")
    _whole, alone, cleared = shown()
    if remedy == "the next run":
        assert play(existing, *alone).count("✓ as expected") == 2
    else:
        assert changed(play(existing, *cleared)) > 0
    until_equal(lambda: differences(fleet, found), {}, f"what {remedy} leaves of a killed one")


def test_teardown_leaves_no_object_behind(before: Objects, fleet: Fleet, existing: pathlib.Path) -> None:
    play(existing, "teardown")
    until_equal(lambda: differences(fleet, before), {}, "what the mesh leaves behind")
