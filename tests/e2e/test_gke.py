# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""inventories/gke from the first API call to the verified cross-cluster call, only Google's control plane replaced.

The stand-in answers for Google, by Google's own discovery documents. The clusters that it "creates" are two clusters
of this machine: their API servers, certificates and nodes are real, and they accept the token that it issues.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t
import urllib.request

import pytest
import yaml

from .local_fleet import ROOT, STATE, Fleet, changed

PROJECT = "shop-prod"
MESH = "gcpmesh"
"""Name of the fleet in Google Cloud; ``gcp`` is that of the clusters behind it."""
CLUSTERS = 2
BEHIND = {"west": "west", "north": "east"}


class Google:
    """A stand-in in a process of its own, before the clusters of ``fleet``."""

    def __init__(self, fleet: Fleet, folder: pathlib.Path) -> None:
        kubeconfigs = {name: str(fleet.state / "kubeconfigs" / f"{real}.yaml") for name, real in BEHIND.items()}
        (folder / "clusters.json").write_text(json.dumps(kubeconfigs))
        arguments = ["--directory", str(folder), "--clusters", str(folder / "clusters.json"), "--duration", "0.5"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.gcp.standin", *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.environment: dict[str, str] = json.loads(self.process.stdout.readline())
        # Google's hosts by the proxy, the clusters without: Python knows no ranges here.
        own = [fleet.address(real) for real in BEHIND.values()]
        self.environment["NO_PROXY"] = ",".join([self.environment["NO_PROXY"], *own])

    def ask(self, what: str, method: str = "GET") -> t.Any:
        request = urllib.request.Request(
            f"{self.environment['MESH_FLEET_GOOGLE_ENDPOINT']}/standin/{what}", method=method
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return json.load(answer)

    def clusters(self) -> dict[str, dict[str, t.Any]]:
        found = {k: v for k, v in self.ask("resources").items() if k.startswith("container/") and "/clusters/" in k}
        return {v["name"]: v for k, v in found.items() if "/nodePools/" not in k}

    def memberships(self) -> set[str]:
        return {key.rpartition("/")[2] for key in self.ask("resources") if "/memberships/" in key}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture(scope="module")
def fleet(new_fleet: t.Callable[[str], Fleet]) -> Fleet:
    fleet = new_fleet("gcp")
    fleet.play("clusters")
    return fleet


@pytest.fixture(scope="module")
def google(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Google]:
    shutil.rmtree(STATE / MESH, ignore_errors=True)
    running = Google(fleet, tmp_path_factory.mktemp("google"))
    yield running
    running.stop()
    shutil.rmtree(STATE / MESH, ignore_errors=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """What holds for clusters of this machine alone, beside inventories/gke: images, small requests, short waits."""
    folder = tmp_path_factory.mktemp("machine")
    values = folder / "group_vars" / "mesh_clusters"
    values.mkdir(parents=True)
    shutil.copy(ROOT / "inventories/local/group_vars/mesh_clusters/machine.yml", values)
    sample = {"apps_sample_image": "{{ __local_artifacts.sample_image }}", "gke_cluster_interval": 0.2}
    (values / "sample.yml").write_text(yaml.safe_dump(sample))
    (folder / "machine.yml").write_text("mesh_clusters: {}\n")
    return folder


Play = t.Callable[..., str]


@pytest.fixture
def play(google: Google, machine: pathlib.Path) -> Play:
    def run(playbook: str, *arguments: str, good: bool = True) -> str:
        inventories = ["-i", "inventories/gke", "-i", str(machine / "machine.yml")]
        done = subprocess.run(
            ["ansible-playbook", *inventories, "-e", f"fleet_name={MESH}", f"playbooks/{playbook}.yml", *arguments],
            cwd=ROOT,
            env={
                **{
                    k: v
                    for k, v in os.environ.items()
                    if not k.startswith(("GCP_", "GOOGLE_", "K8S_AUTH_", "KUBECONFIG"))
                },
                **google.environment,
                "GCP_PROJECT": PROJECT,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "ANSIBLE_NOCOLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is good, said
        assert google.environment["GCP_ACCESS_TOKEN"] not in said
        assert "Traceback" not in said
        return said

    return run


def test_check_mode_asks_and_makes_nothing(google: Google, play: Play) -> None:
    assert changed(play("site", "--check", "--diff")) > 0
    assert google.clusters() == {}
    assert not (STATE / MESH / "trust").exists()
    assert {entry["verb"] for entry in google.ask("log")} == {"GET"}


def test_from_the_first_call_to_the_verified_one(google: Google, play: Play, fleet: Fleet) -> None:
    play("site", "-vvv", "--diff")
    assert {name: cluster["status"] for name, cluster in google.clusters().items()} == dict.fromkeys(BEHIND, "RUNNING")
    assert google.memberships() == set(BEHIND)
    for name, real in BEHIND.items():
        assert google.clusters()[name]["endpoint"] == f"{fleet.address(real)}:6443"
    seen = json.loads((STATE / MESH / "verify" / "verify.json").read_text())
    assert seen["ok"], seen
    good = {(c["caller"], c["callee"], c["service"]) for c in seen["calls"] if c["ok"]}
    assert good >= {
        ("west", "north", "probe-north"),
        ("north", "west", "probe-west"),
        ("west", "north", "sample-producer"),
    }
    identity = {c["identity"] for c in seen["calls"] if c["service"] == "sample-producer"}
    assert identity == {"spiffe://gke.mesh/ns/istio-apps/sa/sample-caller-sa"}


def test_no_kubeconfig_and_no_token_is_left_on_the_controller(google: Google) -> None:
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "mesh.fleet" / "google"
    assert not (STATE / MESH / "kubeconfigs").exists()
    for path in [*(STATE / MESH).rglob("*"), *cache.rglob("*")]:
        if path.is_file():
            assert google.environment["GCP_ACCESS_TOKEN"].encode() not in path.read_bytes(), path


def test_nothing_to_do_changes_nothing_and_asks_little(google: Google, play: Play) -> None:
    google.ask("log", "DELETE")
    assert changed(play("site")) == 0
    log = google.ask("log")
    assert {entry["verb"] for entry in log} == {"GET"}
    assert len(log) <= 2 * CLUSTERS + 5, [entry["method"] for entry in log]


def test_the_fleet_as_an_inventory(google: Google, tmp_path: pathlib.Path) -> None:
    (tmp_path / "google.mesh_fleet.yml").write_text(f"plugin: mesh.fleet.mesh_fleet\nprojects: [{PROJECT}]\n")
    done = subprocess.run(
        ["ansible-inventory", "-i", str(tmp_path), "--graph"],
        cwd=ROOT,
        env={**os.environ, **google.environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    hosts = {line.rpartition("--")[2] for line in done.stdout.splitlines() if line.startswith("  |  |--")}
    assert hosts == set(BEHIND)


def test_a_token_that_ended_is_told_as_such(google: Google, play: Play) -> None:
    good = google.environment["GCP_ACCESS_TOKEN"]
    google.environment["GCP_ACCESS_TOKEN"] = "ended0.0123456789abcdef"
    try:
        said = play("trust", good=False)
    finally:
        google.environment["GCP_ACCESS_TOKEN"] = good
    assert "GCP_ACCESS_TOKEN" in said


def test_clusters_are_deleted_only_when_told_so(google: Google, play: Play, fleet: Fleet) -> None:
    play("teardown")
    assert set(google.clusters()) == set(BEHIND)
    assert fleet.kubectl("west", "get", "namespace", "istio-system", "--ignore-not-found", "-o", "name") == ""
    play("teardown", "-e", "gke_cluster_delete=true")
    assert (google.clusters(), google.memberships()) == ({}, set())
    assert not [key for key in google.ask("resources") if MESH in key and key.startswith("compute/")]


def test_the_clusters_behind_it_go(fleet: Fleet) -> None:
    fleet.play("teardown")
    assert fleet.names() == []
