# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Multi-primary on GKE, one VPC: inventories/gke from the first API call to the verified call between clusters, with
all that it offers by choice: exported services with mutual TLS, and the front door.

Only Google's control plane is replaced: the stand-in answers for it, by Google's own discovery documents. The clusters
that it "creates" are two clusters of this machine: their API servers, certificates and nodes are real, and they accept
the token that it issues. It also plays Google's controllers within them: exported services and the front door.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import subprocess
import urllib.request

import pytest

from .google import ADDRESS, BEHIND, CLUSTERSET, MESH, PROJECT, Google
from .local_fleet import STATE
from .mesh import calls, proof
from .playbooks import ROOT, changed
from .waiting import until_equal

CLUSTERS = 2
INGRESS = "multiclusteringresses.networking.gke.io"


PROBE = "spiffe://gke.mesh/ns/mesh-verify/sa/verify-probe"
CALLER = "spiffe://gke.mesh/ns/istio-apps/sa/sample-caller-sa"


@pytest.fixture(scope="module", autouse=True)
def choices(google: Google) -> None:
    google.choose("exports", "front_door")


def answered(path: str) -> dict[tuple[str, str], str]:
    """The identity that each cluster saw of its caller, by both, of the last verify's calls that went so."""
    found = calls(MESH).items()
    return {(caller, callee): call["identity"] for (caller, callee, _service), call in found if call["path"] == path}


def services(google: Google, cluster: str) -> list[str]:
    return [s["metadata"]["name"] for s in google.objects(cluster, "services", "-A")]


def derived(google: Google) -> dict[str, list[str]]:
    """The front door's services by cluster, without the hash at the end of their names."""
    found = {name: [s for s in services(google, name) if s.startswith("mci-")] for name in BEHIND}
    return {name: [s.rpartition("-svc-")[0] for s in names] for name, names in found.items()}


def test_check_mode_asks_and_makes_nothing(google: Google) -> None:
    assert changed(google.play("site", "--check", "--diff")) > 0
    assert google.clusters() == {}
    assert not (STATE / MESH / "trust").exists()
    assert google.asked()


def test_from_the_first_call_to_the_verified_one(google: Google) -> None:
    google.play("site", "-vvv", "--diff")
    assert {name: cluster["status"] for name, cluster in google.clusters().items()} == dict.fromkeys(BEHIND, "RUNNING")
    assert google.memberships() == set(BEHIND)
    for name, real in BEHIND.items():
        assert google.clusters()[name]["endpoint"] == f"{google.fleet.address(real)}:6443"
    made = calls(MESH)
    assert set(made) >= {
        ("west", "north", "probe-north"),
        ("north", "west", "probe-west"),
        ("west", "north", "sample-producer"),
    }
    identities = {call["identity"] for names, call in made.items() if names[-1] == "sample-producer"}
    assert identities == {CALLER}


def test_each_cluster_has_the_page_behind_its_gateway(google: Google) -> None:
    pages = proof(MESH)["pages"]
    assert set(pages) == set(BEHIND)
    for page in pages.values():
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(page, timeout=60) as got:
            text = got.read().decode()
        # The caller runs in both clusters, which are on one network: a gateway takes either.
        assert any(f'"cluster": "{name}"' in text for name in BEHIND)


def test_an_exported_service_is_called_by_the_name_of_the_set(google: Google) -> None:
    assert set(google.resources("/features/")) == {"multiclusterservicediscovery", "multiclusteringress"}
    addresses = {}
    for name in BEHIND:
        (imported,) = google.objects(name, "serviceimports.net.gke.io", "-n", "istio-apps")
        assert imported["metadata"]["name"] == "sample-producer"
        assert imported["spec"]["type"] == "ClusterSetIP"
        (addresses[name],) = imported["spec"]["ips"]
        google.is_answered_by(name, CLUSTERSET, "north")
    assert addresses["west"] != addresses["north"]
    # With the mesh's certificates, by the name alone: the caller says no other.
    assert answered("exported, mutual TLS") == {("west", "north"): PROBE, ("north", "north"): PROBE}
    said = google.message("west")
    assert said["request"]["target"] == CLUSTERSET.rstrip("/")
    assert (said["answer"]["cluster"], said["answer"]["identity"]["uri"]) == ("north", CALLER)
    exports = [name for name in BEHIND if google.objects(name, "serviceexports.net.gke.io", "-A")]
    assert exports == ["north"]


def test_the_front_door_has_the_reserved_address(google: Google) -> None:
    reserved = google.resources("/global/addresses/")[ADDRESS]
    (ingress,) = google.objects("west", INGRESS, "-n", "istio-apps")
    assert ingress["status"]["VIP"] == reserved["address"]
    assert reserved["status"] == "IN_USE"
    kinds = google.fleet.kubectl(BEHIND["north"], "get", "crd", "-o", "name")
    assert INGRESS not in kinds

    wanted = {name: ["mci-sample-caller"] for name in BEHIND}
    until_equal(functools.partial(derived, google), wanted, "the services that the ingress derives")


def test_the_nearest_cluster_answers_at_the_front_door(google: Google) -> None:
    doors = answered("front door")
    (here,) = [callee for caller, callee in doors if caller == "controller"]
    assert here in BEHIND
    assert set(doors) == {("west", "west"), ("north", "north"), ("controller", here)}


def test_no_kubeconfig_and_no_token_is_left_on_the_controller(google: Google) -> None:
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "mesh.fleet" / "google"
    assert not (STATE / MESH / "kubeconfigs").exists()
    for path in [*(STATE / MESH).rglob("*"), *cache.rglob("*")]:
        # Files of a run that goes on beside this one come and go.
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            assert google.environment["GCP_ACCESS_TOKEN"].encode() not in path.read_bytes(), path


def test_nothing_to_do_changes_nothing_and_asks_little(google: Google) -> None:
    google.ask("log", "DELETE")
    assert changed(google.play("site")) == 0
    asked = google.asked()
    assert len(asked) <= 2 * CLUSTERS + 5, asked


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


def test_an_expired_token_is_named(google: Google) -> None:
    good = google.environment["GCP_ACCESS_TOKEN"]
    google.environment["GCP_ACCESS_TOKEN"] = "ended0.0123456789abcdef"
    try:
        said = google.play("trust", good=False)
    finally:
        google.environment["GCP_ACCESS_TOKEN"] = good
    assert "GCP_ACCESS_TOKEN" in said


def left_by_google(google: Google, cluster: str) -> list[str]:
    """What only Google's controllers remove, and so a moment later than we do."""
    imports = google.objects(cluster, "serviceimports.net.gke.io", "-A")
    derived = [name for name in services(google, cluster) if name.startswith(("gke-mcs-", "mci-"))]
    return [i["metadata"]["name"] for i in imports] + derived


def test_clusters_are_deleted_only_on_request(google: Google) -> None:
    google.play("teardown")
    assert set(google.clusters()) == set(BEHIND)
    for name in BEHIND:
        assert "istio-system" not in [n["metadata"]["name"] for n in google.objects(name, "namespaces")]
        assert google.objects(name, "serviceexports.net.gke.io", "-A") == []
        until_equal(functools.partial(left_by_google, google, name), [], f"what Google's controllers leave in {name}")
    assert google.objects("west", f"{INGRESS},multiclusterservices.networking.gke.io", "-A") == []
    assert google.resources("/global/addresses/")[ADDRESS]["status"] == "RESERVED"
    google.play("teardown", "-e", "gke_cluster_delete=true", "-e", "front_door_release_address=true")
    assert (google.clusters(), google.memberships()) == ({}, set())
    assert not [key for key in google.ask("resources") if MESH in key and key.startswith("compute/")]
    assert google.resources("/global/addresses/") == {}
    assert google.resources("/features/") == {}
