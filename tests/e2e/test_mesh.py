# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole site.yml on two clusters: as clusters that exist already, on two networks, and with one istiod for both.

The tests stand on each other, in their order: the clusters are made once, get a mesh as if they were somebody's own,
lose it without a trace, and get another one in which east is a remote of west.
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

from . import playbooks
from .browser import ensure_browser
from .local_fleet import CACHE, FLEETS, STATE, Fleet
from .playbooks import ROOT, changed
from .waiting import until_equal

# Kinds that live by themselves: what a cluster writes while nobody does anything.
UNSTEADY = ("events", "leases", "endpointslices", "endpoints", "events.events.k8s.io", "controllerrevisions")
OWN = f"{FLEETS}own"


@pytest.fixture(scope="module")
def fleet(new_fleet: t.Callable[[str], Fleet]) -> Fleet:
    fleet = new_fleet("mesh")
    fleet.network = "per_cluster"
    return fleet


@pytest.fixture(scope="module")
def existing(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[pathlib.Path]:
    """An inventory in which the fleet's clusters are somebody's own; its certificates go with the tests."""
    shutil.rmtree(STATE / OWN, ignore_errors=True)
    folder = tmp_path_factory.mktemp("existing")
    shutil.copytree(ROOT / "inventories" / "local" / "group_vars", folder / "group_vars")
    hosts = {
        name: {
            "cluster_kubeconfig": str(fleet.state / "kubeconfigs" / f"{name}.yaml"),
            "cluster_context": name,
            "cluster_peer_endpoint": f"https://{fleet.address(name)}:6443",
            "cluster_region": region,
        }
        for name, region in (("west", "us-west1"), ("east", "europe-north1"))
    }
    common = {
        "fleet_name": OWN,
        "mesh_id": "own",
        "mesh_trust_domain": "own.mesh",
        "mesh_network": "per_cluster",
        "cluster_provider": "kubeconfig",
        "artifacts_parts": ["tools", "charts"],
    }
    (folder / "fleet.yml").write_text(yaml.safe_dump({"mesh_clusters": {"vars": common, "hosts": hosts}}))
    yield folder
    shutil.rmtree(STATE / OWN, ignore_errors=True)


def play(inventory: pathlib.Path, playbook: str, *arguments: str) -> str:
    """Run a playbook on an inventory of the test's own; what it said."""
    return playbooks.play(playbook, *arguments, inventories=[str(inventory)])


def objects(fleet: Fleet, cluster: str) -> set[str]:
    """Every object of a cluster, as ``kind/namespace/name``; pods without the random part of their names."""
    kinds = [
        kind
        for scope in ("true", "false")
        for kind in fleet.kubectl(
            cluster, "api-resources", "--verbs=list", f"--namespaced={scope}", "-o", "name"
        ).split()
        if kind.split(".")[0] not in UNSTEADY and kind not in UNSTEADY and "metrics" not in kind
    ]
    listed = fleet.kubectl(cluster, "get", ",".join(kinds), "--all-namespaces", "-o", "json", "--ignore-not-found")
    found = set()
    for item in json.loads(listed)["items"]:
        meta = item["metadata"]
        # A new cluster's controllers make accounts for themselves one by one, some of them after the node is Ready.
        account = (item["kind"], meta.get("namespace")) == ("ServiceAccount", "kube-system")
        if meta.get("ownerReferences") or (account and not meta.get("labels")):
            continue
        found.add(f"{item['kind']}/{meta.get('namespace', '')}/{meta['name']}")
    return found


def differences(fleet: Fleet, before: dict[str, set[str]]) -> dict[str, list[str]]:
    """What was not there before, or is not there any more. Nothing is in it where all is as it was."""
    found = {cluster: sorted(objects(fleet, cluster) ^ before[cluster]) for cluster in before}
    return {cluster: differing for cluster, differing in found.items() if differing}


def proof(name: str) -> dict[str, t.Any]:
    """What the last ``verify`` of a fleet wrote."""
    return dict(json.loads((STATE / name / "verify" / "verify.json").read_text()))


def istioctl(fleet: Fleet, cluster: str, *arguments: str) -> str:
    path = fleet.state / "kubeconfigs" / f"{cluster}.yaml"
    done = subprocess.run(
        [str(CACHE / "bin" / "istioctl"), "--kubeconfig", str(path), *arguments],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def watched(fleet: Fleet, watcher: str) -> list[list[str]]:
    """The remote clusters that the istiod of ``watcher`` tells of, and whether it has synced them."""
    rows = [line.split() for line in istioctl(fleet, watcher, "remote-clusters").splitlines()]
    return [[row[0], *(word for word in row if word == "synced")] for row in rows if row[:1] in (["west"], ["east"])]


def page(address: str) -> int | str:
    """The status of a page, or why there is none."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return int(answer.status)
    except OSError as error:
        return str(error)


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> dict[str, set[str]]:
    fleet.play("clusters")
    return {cluster: objects(fleet, cluster) for cluster in ("west", "east")}


def test_check_mode_tells_what_would_be_made(before: dict[str, set[str]], fleet: Fleet, existing: pathlib.Path) -> None:
    said = play(existing, "site", "--check", "--diff")
    assert changed(said) > 0
    assert "PRIVATE KEY" not in said
    until_equal(lambda: differences(fleet, before), {}, "what check mode made")
    assert not (STATE / OWN / "trust").exists()


def test_existing_clusters_on_two_networks(before: dict[str, set[str]], fleet: Fleet, existing: pathlib.Path) -> None:
    said = play(existing, "site", "-vvv", "--diff")
    assert "PRIVATE KEY" not in said
    assert "eyJhbGci" not in said  # the first letters of every token of Kubernetes
    seen = proof(OWN)
    assert seen["ok"], seen
    pairs = {(c["caller"], c["callee"], c["service"]): c for c in seen["calls"]}
    for pair in (("west", "east", "probe-east"), ("east", "west", "probe-west"), ("west", "east", "sample-producer")):
        assert pairs[pair]["path"] == "gateway"
    assert pairs["west", "east", "sample-producer"]["identity"] == "spiffe://own.mesh/ns/istio-apps/sa/sample-caller-sa"
    for watcher, other in (("west", "east"), ("east", "west")):
        until_equal(
            lambda w=watcher: [row for row in watched(fleet, w) if row[0] != w],
            [[other, "synced"]],
            f"whom {watcher}'s istiod watches",
        )
    until_equal(lambda: "sample-caller" in istioctl(fleet, "west", "proxy-status"), True, "west's istiod serves")


def test_nothing_to_do_changes_nothing(before: dict[str, set[str]], existing: pathlib.Path) -> None:
    assert changed(play(existing, "site")) == 0


def test_a_person_opens_the_page(before: dict[str, set[str]]) -> None:
    ensure_browser()
    address = proof(OWN)["pages"]["west"]
    until_equal(lambda: page(address), 200, f"the status of {address}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/e2e/test_sample_page.py"],
        cwd=ROOT,
        env={**os.environ, "SAMPLE_URL": address},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-4000:]


def test_teardown_leaves_no_object_behind(before: dict[str, set[str]], fleet: Fleet, existing: pathlib.Path) -> None:
    play(existing, "teardown")
    until_equal(lambda: differences(fleet, before), {}, "what the mesh leaves behind")


def test_primary_and_remote(before: dict[str, set[str]], fleet: Fleet, tmp_path: pathlib.Path) -> None:
    remote = tmp_path / "remote.yml"
    hosts = {"east": {"mesh_role": "remote", "mesh_primary": "west"}}
    remote.write_text(yaml.safe_dump({"mesh_clusters": {"hosts": hosts}}))
    fleet.play("site", "-i", str(remote))
    seen = proof(fleet.name)
    assert seen["ok"], seen
    assert {(c["caller"], c["callee"]) for c in seen["calls"] if c["ok"]} >= {("west", "east"), ("east", "west")}
    assert fleet.kubectl("east", "get", "deployments", "-n", "istio-system", "-l", "app=istiod", "-o", "name") == ""
    assert changed(fleet.play("site", "-i", str(remote))) == 0


def test_the_clusters_go(fleet: Fleet) -> None:
    fleet.play("teardown")
    assert fleet.names() == []
    assert not fleet.state.exists()
