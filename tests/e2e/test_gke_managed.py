# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""inventories/gke with control planes that Google runs: one run from no cluster to the verified call between two.

The stand-in plays those control planes with real istiods, labelled as Google's are. What it made there is looked at
before and after: none of it may have been touched by us.
"""

from __future__ import annotations

import functools
import hashlib
import json
import typing as t

from .google import BEHIND, CLUSTERSET, MESH, PROJECT, TRAFFIC, Google
from .local_fleet import Fleet
from .mesh import calls
from .playbooks import changed
from .waiting import until_equal

MANAGED = ("-e", "mesh_control_plane=managed", "-e", json.dumps(TRAFFIC))
OURS = "mesh.fleet/part-of"
GOOGLES = "istio.io/owned-by=mesh.googleapis.com"
KINDS = (
    "namespaces,configmaps,secrets,services,serviceaccounts,deployments,roles,rolebindings,clusterroles,"
    "clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations,"
    "controlplanerevisions.mesh.cloud.google.com"
)
COUNTERS = ("managedFields", "resourceVersion", "generation")
CONNECTED = {name: ["mesh.googleapis.com"] for name in BEHIND}
PARTED: dict[str, list[str]] = {name: [] for name in BEHIND}
ACTIVE = dict.fromkeys(BEHIND, "ACTIVE TRAFFIC_DIRECTOR")
PRODUCER = "http://sample-producer.istio-apps:8080/"
IDENTITY = f"spiffe://{PROJECT}.svc.id.goog/ns/istio-apps/sa/sample-caller-sa"


def contents(google: Google) -> dict[tuple[str, str, str, str], dict[str, t.Any]]:
    """Every object that Google's controllers made, as far as somebody else would have to change it.

    Kubernetes itself and istiod go on writing: status, the certificate of webhooks and whether they are needed, the
    generation and version that count all writes.
    """
    found = {}
    for name in BEHIND:
        for obj in google.objects(name, KINDS, "-A", "-l", GOOGLES, "--show-managed-fields"):
            meta = obj["metadata"]
            managers = {entry["manager"] for entry in meta.get("managedFields") or []}
            assert "mesh.fleet" not in managers, (name, obj["kind"], meta["name"])
            kept = {key: value for key, value in meta.items() if key not in COUNTERS}
            body = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
            if "data" in body:
                body["data"] = {key: hashlib.sha256(value.encode()).hexdigest() for key, value in body["data"].items()}
            for hook in body.get("webhooks") or []:
                hook["clientConfig"].pop("caBundle", None)
                hook.pop("failurePolicy", None)
            found[name, obj["kind"], meta.get("namespace", ""), meta["name"]] = {**body, "metadata": kept}
    return found


def remote_secrets(google: Google) -> dict[str, list[str]]:
    """Whose control plane sees others: owners of remote secrets by cluster."""
    found = {name: google.objects(name, "secrets", "-A", "-l", "istio/multiCluster=true") for name in BEHIND}
    return {
        name: [s["metadata"]["labels"].get("istio.io/owned-by") for s in secrets] for name, secrets in found.items()
    }


def deployments_of_google(google: Google) -> list[str]:
    found = [google.objects(name, "deployments", "-n", "istio-system", "-l", GOOGLES) for name in BEHIND]
    return [d["metadata"]["name"] for listed in found for d in listed]


def mesh_states(google: Google) -> dict[str, str]:
    feature = google.resources("/features/").get("servicemesh") or {}
    planes = {
        k.rpartition("/")[2]: v["servicemesh"]["controlPlaneManagement"]
        for k, v in (feature.get("membershipStates") or {}).items()
    }
    return {name: f"{p['state']} {p.get('implementation', '')}".strip() for name, p in planes.items()}


def test_one_run_from_nothing_to_the_verified_call(google: Google) -> None:
    google.play("site", *MANAGED, "--diff")
    until_equal(functools.partial(mesh_states, google), ACTIVE, "Google's control planes")
    made = calls(MESH)
    assert set(made) >= {
        ("west", "north", "probe-north"),
        ("north", "west", "probe-west"),
        ("west", "north", "sample-producer"),
    }
    identities = {call["identity"] for names, call in made.items() if names[-1] == "sample-producer"}
    assert identities == {IDENTITY}
    google.is_answered_by("west", CLUSTERSET, "north")
    # By the name of the set and without mutual TLS, nobody's identity is seen.
    exported = {names[:2]: call["identity"] for names, call in made.items() if call["path"] == "exported"}
    assert exported == {("west", "north"): "", ("north", "north"): ""}
    # Each route leads to one cluster, from wherever. The sample knows no /producer; such an answer names no cluster.
    doors = {(names[0], names[1], call["status"]) for names, call in made.items() if call["path"] == "front door"}
    web, api = "west", "sample-producer.istio-apps"
    assert doors == {(name, *to) for name in (*BEHIND, "controller") for to in ((web, 200), (api, 404))}


def test_no_control_plane_of_ours_and_no_secret_of_ours(google: Google) -> None:
    assert remote_secrets(google) == CONNECTED
    for name in BEHIND:
        (options,) = google.objects(
            name, "configmaps", "-n", "istio-system", "--field-selector", "metadata.name=asm-options"
        )
        assert options["data"] == {"ASM_OPTS": "CNI=on", "multicluster_mode": "connected"}
        releases = google.objects(name, "secrets", "-n", "istio-system", "-l", "owner=helm")
        assert releases == []
        assert google.objects(name, "deployments", "-n", "istio-system", "-l", OURS) == []


def test_nothing_to_do_changes_nothing(google: Google) -> None:
    before = contents(google)
    google.ask("log", "DELETE")
    assert changed(google.play("site", *MANAGED)) == 0
    asked = google.asked()
    assert len(asked) <= 2 * len(BEHIND) + 5, asked
    assert contents(google) == before


def test_disconnected_clusters_do_not_see_each_other(google: Google) -> None:
    alone = json.dumps({"mesh_peers": []})
    google.play("gke_fleet", *MANAGED, "-e", alone)
    until_equal(functools.partial(remote_secrets, google), PARTED, "Google's control planes, disconnected")
    until_equal(lambda: list(google.call("west", PRODUCER)), ["problem"], "what a call to the other cluster leads to")
    assert changed(google.play("gke_fleet", *MANAGED)) > 0
    until_equal(functools.partial(remote_secrets, google), CONNECTED, "Google's control planes, connected again")
    google.is_answered_by("west", PRODUCER, "north")


def test_what_is_googles_stays_untouched_when_the_mesh_goes(google: Google) -> None:
    before = contents(google)
    google.play("teardown", *MANAGED)
    until_equal(functools.partial(remote_secrets, google), PARTED, "Google's control planes, without the mesh")
    parted = [key for key in before if key[1] == "Secret" and key[3].startswith("istio-remote-secret-")]
    assert len(parted) == len(BEHIND)
    assert contents(google) == {key: value for key, value in before.items() if key not in parted}
    for name in BEHIND:
        left = google.objects(name, "namespaces,configmaps,secrets,services,deployments", "-A", "-l", OURS)
        # What makes load balancers for clusters of this machine is ours too, and stands for GKE's own.
        ours = [o for o in left if o["metadata"].get("namespace") != "kube-system"]
        assert [(o["kind"], o["metadata"]["name"]) for o in ours] == []
        (options,) = google.objects(
            name, "configmaps", "-n", "istio-system", "--field-selector", "metadata.name=asm-options"
        )
        assert options["data"] == {"ASM_OPTS": "CNI=on"}
    until_equal(functools.partial(mesh_states, google), ACTIVE, "Google's control planes")


def test_members_leave_before_their_clusters_go(google: Google) -> None:
    google.play("teardown", *MANAGED, "-e", "gke_cluster_delete=true")
    assert (google.clusters(), google.memberships(), google.resources("/features/")) == ({}, set(), {})
    until_equal(functools.partial(deployments_of_google, google), [], "what Google runs in clusters that are gone")


def test_the_clusters_behind_it_go(google_clusters: Fleet) -> None:
    google_clusters.play("teardown")
    assert google_clusters.names() == []
