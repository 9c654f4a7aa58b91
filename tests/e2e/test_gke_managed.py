# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""inventories/gke with control planes that Google runs: one run from no cluster to the verified call between two.

The stand-in plays those control planes with real istiods, labelled as Google's are. What it made there is looked at
before and after: none of it may have been touched by us.
"""

from __future__ import annotations

import json
import typing as t

import pytest

from .google import BEHIND, CLUSTERSET, MESH, PROJECT, TRAFFIC, Google
from .local_fleet import STATE, Fleet, changed, until

MANAGED = ("-e", "mesh_control_plane=managed", "-e", json.dumps(TRAFFIC))
OURS = "managed-by=mesh.fleet"
GOOGLES = "istio.io/owned-by=mesh.googleapis.com"
KINDS = (
    "namespaces,configmaps,secrets,services,serviceaccounts,deployments,roles,rolebindings,clusterroles,"
    "clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations,"
    "controlplanerevisions.mesh.cloud.google.com"
)
IDENTITY = f"spiffe://{PROJECT}.svc.id.goog/ns/istio-apps/sa/sample-caller-sa"


@pytest.fixture(scope="module")
def google(google_clusters: Fleet, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Google]:
    running = Google(google_clusters, tmp_path_factory.mktemp("google"))
    yield running
    running.stop()


def versions(google: Google) -> dict[tuple[str, str, str, str], str]:
    """Of every object that Google's controllers made: its UID and generation of content."""
    found = {}
    for name in BEHIND:
        for obj in google.objects(name, KINDS, "-A", "-l", GOOGLES):
            meta = obj["metadata"]
            managers = {m["manager"] for m in meta.get("managedFields") or []}
            assert "mesh.fleet" not in managers, (name, obj["kind"], meta["name"])
            found[name, obj["kind"], meta.get("namespace", ""), meta["name"]] = meta["resourceVersion"]
    return found


def mesh_states(google: Google) -> dict[str, str]:
    feature = google.resources("/features/").get("servicemesh") or {}
    planes = {
        k.rpartition("/")[2]: v["servicemesh"]["controlPlaneManagement"]
        for k, v in (feature.get("membershipStates") or {}).items()
    }
    return {name: f"{p['state']} {p.get('implementation', '')}".strip() for name, p in planes.items()}


def test_one_run_from_nothing_to_the_verified_call(google: Google) -> None:
    google.play("site", *MANAGED, "--diff")
    assert mesh_states(google) == dict.fromkeys(BEHIND, "ACTIVE TRAFFIC_DIRECTOR")
    seen = json.loads((STATE / MESH / "verify" / "verify.json").read_text())
    assert seen["ok"], seen
    good = {(c["caller"], c["callee"], c["service"]) for c in seen["calls"] if c["ok"]}
    assert good >= {
        ("west", "north", "probe-north"),
        ("north", "west", "probe-west"),
        ("west", "north", "sample-producer"),
    }
    assert {c["identity"] for c in seen["calls"] if c["service"] == "sample-producer"} == {IDENTITY}
    assert google.call("west", CLUSTERSET).get("cluster") == "north"


def test_no_control_plane_of_ours_and_no_secret_of_ours(google: Google) -> None:
    for name in BEHIND:
        (options,) = google.objects(
            name, "configmaps", "-n", "istio-system", "--field-selector", "metadata.name=asm-options"
        )
        assert options["data"] == {"ASM_OPTS": "CNI=on", "multicluster_mode": "connected"}
        secrets = google.objects(name, "secrets", "-A", "-l", "istio/multiCluster=true")
        assert [s["metadata"]["labels"]["istio.io/owned-by"] for s in secrets] == ["mesh.googleapis.com"]
        releases = google.objects(name, "secrets", "-n", "istio-system", "-l", "owner=helm")
        assert releases == []
        assert google.objects(name, "deployments", "-n", "istio-system", "-l", f"app.kubernetes.io/{OURS}") == []


def test_nothing_to_do_changes_nothing(google: Google) -> None:
    before = versions(google)
    google.ask("log", "DELETE")
    assert changed(google.play("site", *MANAGED)) == 0
    asked = google.asked()
    assert len(asked) <= 2 * len(BEHIND) + 5, asked
    assert versions(google) == before


def test_disconnected_clusters_do_not_see_each_other(google: Google) -> None:
    alone = json.dumps({"mesh_peers": []})
    google.play("gke_fleet", *MANAGED, "-e", alone)
    until(
        lambda: not any(google.objects(name, "secrets", "-A", "-l", "istio/multiCluster=true") for name in BEHIND),
        "Google's control planes to part",
        20,
    )
    until(
        lambda: "problem" in google.call("west", "http://sample-producer.istio-apps:8080/"),
        "the call to the other cluster to end",
        30,
    )
    assert changed(google.play("gke_fleet", *MANAGED)) > 0
    until(
        lambda: google.call("west", "http://sample-producer.istio-apps:8080/").get("cluster") == "north",
        "the call to the other cluster to be answered again",
        30,
    )


def test_what_is_googles_stays_untouched_when_the_mesh_goes(google: Google) -> None:
    before = versions(google)
    google.play("teardown", *MANAGED)
    after = versions(google)
    parted = {key for key in before if key[1] == "Secret" and key[3].startswith("istio-remote-secret-")}
    until(lambda: not parted & set(versions(google)), "Google's control planes to part", 20)
    kept = {key: version for key, version in before.items() if key not in parted}
    assert {key: version for key, version in after.items() if key not in parted} == kept
    for name in BEHIND:
        left = google.objects(
            name, "namespaces,configmaps,secrets,services,deployments", "-A", "-l", f"app.kubernetes.io/{OURS}"
        )
        # What makes load balancers for clusters of this machine is ours too, and stands for GKE's own.
        ours = [o for o in left if o["metadata"].get("namespace") != "kube-system"]
        assert [(o["kind"], o["metadata"]["name"]) for o in ours] == []
        (options,) = google.objects(
            name, "configmaps", "-n", "istio-system", "--field-selector", "metadata.name=asm-options"
        )
        assert options["data"] == {"ASM_OPTS": "CNI=on"}
    assert mesh_states(google) == dict.fromkeys(BEHIND, "ACTIVE TRAFFIC_DIRECTOR")


def test_members_leave_before_their_clusters_go(google: Google) -> None:
    google.play("teardown", *MANAGED, "-e", "gke_cluster_delete=true")
    assert (google.clusters(), google.memberships(), google.resources("/features/")) == ({}, set(), {})
    until(
        lambda: not any(google.objects(n, "deployments", "-n", "istio-system", "-l", GOOGLES) for n in BEHIND),
        "what Google ran to end",
        60,
    )


def test_the_clusters_behind_it_go(google_clusters: Fleet) -> None:
    google_clusters.play("teardown")
    assert google_clusters.names() == []
