# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Role gke_fleet by ansible-playbook against the stand-in: interrupted, run again, with others, removed."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from .role_runs import Playbook, changed
from .standin.server import StandIn

PROJECT = "shop-prod"
IMPORTER = f"serviceAccount:{PROJECT}.svc.id.goog[gke-mcs/gke-mcs-importer]"
VIEWER = {"role": "roles/compute.networkViewer", "member": IMPORTER}


class FleetPlaybook(Playbook):
    """The role over two clusters that are there."""

    role = "gke_fleet"

    def __init__(self, folder: Path, root: Path, standin: StandIn) -> None:
        super().__init__(folder, root, standin)
        shared = {
            "mesh_exports": [{"service": "orders.shop", "to": "all"}],
            "front_door_routes": [{"service": "web.shop"}],
            "gke_fleet_timeout": 120,
        }
        self.hosts = {
            "west": {"cluster_region": "us-west1", "cluster_zone": "us-west1-a", **shared},
            "north": {"cluster_region": "europe-north1", **shared},
        }
        for name, place in (("west", "us-west1-a"), ("north", "europe-north1"), ("theirs", "us-west1")):
            path = f"container/projects/{PROJECT}/locations/{place}/clusters/{name}"
            standin.cloud.resources[path] = {"name": name, "location": place, "status": "RUNNING"}

    @property
    def record(self) -> list[dict[str, str]]:
        path = self.folder / "state" / "shop" / "google" / "grants.json"
        return t.cast("list[dict[str, str]]", json.loads(path.read_text())) if path.exists() else []


@pytest.fixture
def playbook(tmp_path: Path, root: Path, google_cloud: StandIn) -> FleetPlaybook:
    return FleetPlaybook(tmp_path, root, google_cloud)


def held(standin: StandIn) -> set[str]:
    """Names of what is in the Google fleet."""
    return {key.rpartition("/")[2] for key in standin.cloud.resources if key.startswith("gkehub/")}


def roles(standin: StandIn) -> dict[str, list[str]]:
    policy = standin.cloud.policies.get(PROJECT) or {}
    return {b["role"]: b["members"] for b in policy.get("bindings") or []}


BOTH = {"west", "north", "multiclusterservicediscovery", "multiclusteringress"}


@pytest.mark.slow
def test_an_interrupted_run_is_completed_and_removed(playbook: FleetPlaybook, google_cloud: StandIn) -> None:
    planned, _stats, said = playbook("--check")
    assert planned == 0, said
    assert held(google_cloud) == set()
    assert playbook.record == []

    google_cloud.cloud.fail("gkehub.*.features.create", 0, "internal error")
    code, _stats, said = playbook()
    assert code != 0
    assert "internal error" in said
    assert held(google_cloud) == {"west", "north"}

    code, _stats, said = playbook()
    assert code == 0, said
    assert held(google_cloud) == BOTH
    assert {b["role"] for b in playbook.record} == {"roles/compute.networkViewer", "roles/container.admin"}
    code, stats, said = playbook()
    assert (code, changed(stats)) == (0, 0), said

    # North is the first of the inventory, so the config cluster: it stays.
    code, _stats, said = playbook("--limit", "west", tasks_from="absent")
    assert code == 0, said
    assert held(google_cloud) == BOTH - {"west"}
    assert "still needed" in said
    assert set(roles(google_cloud)) == {"roles/compute.networkViewer", "roles/container.admin"}

    code, _stats, said = playbook("--check", tasks_from="absent")
    assert code == 0, said
    assert held(google_cloud) == BOTH - {"west"}
    code, _stats, said = playbook(tasks_from="absent")
    assert code == 0, said
    assert (held(google_cloud), roles(google_cloud), playbook.record) == (set(), {}, [])
    code, stats, said = playbook(tasks_from="absent")
    assert (code, changed(stats)) == (0, 0), said


@pytest.mark.slow
def test_what_others_made_or_need_stays(playbook: FleetPlaybook, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    cloud.policies[PROJECT] = {"etag": "BwA=", "bindings": [{"role": VIEWER["role"], "members": [VIEWER["member"]]}]}
    name = f"projects/{PROJECT}/locations/us-west1/memberships/theirs"
    link = f"//container.googleapis.com/projects/{PROJECT}/locations/us-west1/clusters/theirs"
    cloud.resources[f"gkehub/{name}"] = {
        "name": name,
        "endpoint": {"gkeCluster": {"resourceLink": link}},
        "state": {"code": "READY"},
    }
    code, _stats, said = playbook()
    assert code == 0, said
    assert {b["role"] for b in playbook.record} == {"roles/container.admin"}

    # Theirs stays in the fleet, and with it one feature, and its role. Ingress goes with its config cluster.
    code, _stats, said = playbook(tasks_from="absent")
    assert code == 0, said
    assert held(google_cloud) == {"theirs", "multiclusterservicediscovery"}
    assert roles(google_cloud) == {VIEWER["role"]: [VIEWER["member"]]}

    # When they have left too, what existed before us still stays.
    cloud.resources = {key: v for key, v in cloud.resources.items() if not key.startswith("gkehub/")}
    code, _stats, said = playbook(tasks_from="absent")
    assert code == 0, said
    assert roles(google_cloud) == {VIEWER["role"]: [VIEWER["member"]]}
    code, _stats, said = playbook("-e", "gke_fleet_revoke=true", tasks_from="absent")
    assert code == 0, said
    assert roles(google_cloud) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (lambda cloud: cloud.disabled.add("multiclusteringress.googleapis.com"), "gke_enable_apis: true"),
        (lambda cloud: cloud.deny("resourcemanager.projects.setIamPolicy", "*setIamPolicy"), "projects.setIamPolicy"),
    ],
    ids=["api", "permission"],
)
def test_missing_requirements_are_named_before_registration(
    playbook: FleetPlaybook, google_cloud: StandIn, trouble: t.Callable[[t.Any], None], words: str
) -> None:
    trouble(google_cloud.cloud)
    code, _stats, said = playbook()
    assert code != 0
    assert words in said
    assert held(google_cloud) == set()
    assert playbook.record == []


@pytest.mark.slow
def test_a_check_knows_whether_the_fleets_api_will_be_on(playbook: FleetPlaybook, google_cloud: StandIn) -> None:
    google_cloud.cloud.disabled.add("gkehub.googleapis.com")
    for variables in playbook.hosts.values():
        # Memberships alone need no look at APIs beforehand.
        variables |= {"mesh_exports": [], "front_door_routes": []}
    for how in (("--check",), ()):
        code, _stats, said = playbook(*how)
        assert code != 0, how
        assert "API gkehub.googleapis.com is disabled in project shop-prod" in said
    # A cluster that is still to be made, with a control plane that Google is to run.
    playbook.hosts["west"] |= {"gke_name": "new", "mesh_control_plane": "managed"}
    code, stats, said = playbook("--check", "-e", "gke_enable_apis=true")
    assert (code, changed(stats) > 0) == (0, True), said
    # Where the API is off there are no members: nothing to remove, and nothing to switch on for that.
    code, stats, said = playbook("--limit", "north", tasks_from="absent")
    assert (code, changed(stats)) == (0, 0), said
    assert google_cloud.cloud.disabled == {"gkehub.googleapis.com"}
