# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory plugin by ``ansible-inventory``, before a stand-in with two projects and their fleets."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.credentials import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.session import Google

from .standin.server import StandIn

ROOT = Path(__file__).resolve().parent.parent.parent
CLUSTERS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("shop-prod", "us-west1-a", "west", {"mesh_id": "shop", "tier": "front"}),
    ("shop-prod", "europe-north1-a", "north", {"mesh_id": "shop", "tier": "back"}),
    ("shop-prod", "us-west1-a", "batch", {"team": "data"}),
    ("shop-edge", "us-west1-b", "edge", {"mesh_id": "shop"}),
    ("shop-edge", "us-west1-b", "lonely", {}),
)
MEMBERS = {"west": ("shop-prod", {"env": "prod"}), "edge": ("shop-prod", {})}


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("standin"), duration=0.01) as running:
        fill(running)
        yield running


def fill(standin: StandIn) -> None:
    """Make the clusters and memberships as a client does."""
    env = standin.environment
    clients = {
        project: Google(
            Settings(
                project, "accesstoken", access_token=env["GCP_ACCESS_TOKEN"], endpoint=env["MESH_FLEET_GOOGLE_ENDPOINT"]
            )
        )
        for project in ("shop-prod", "shop-edge")
    }
    for project, place, name, labels in CLUSTERS:
        google = clients[project]
        body = {"cluster": {"name": name, "initialNodeCount": 1, "resourceLabels": labels}}
        parent = f"projects/{project}/locations/{place}"
        operation = google.call("container", "projects.locations.clusters.create", parent=parent, body=body)
        google.wait("container", operation, 10, interval=0.05)
        if name in MEMBERS:
            home, own = MEMBERS[name]
            link = f"//container.googleapis.com/{parent}/clusters/{name}"
            operation = clients[home].call(
                "gkehub",
                "projects.locations.memberships.create",
                parent=f"projects/{home}/locations/us-west1",
                membershipId=name,
                body={"endpoint": {"gkeCluster": {"resourceLink": link}}, "labels": own},
            )
            clients[home].wait("gkehub", operation, 10, interval=0.05)


def plain(value: dict[str, t.Any]) -> t.Any:
    """Ansible marks text of a plugin: it is no template."""
    return value["__ansible_unsafe"] if set(value) == {"__ansible_unsafe"} else value


class Said(t.NamedTuple):
    code: int
    out: str
    err: str

    @property
    def hosts(self) -> dict[str, dict[str, t.Any]]:
        return t.cast("dict[str, dict[str, t.Any]]", self.data["_meta"].get("hostvars", {}))

    @property
    def data(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self.out, object_hook=plain))

    def group(self, name: str) -> list[str]:
        return sorted(self.data.get(name, {}).get("hosts", []))


Ask = t.Callable[..., Said]


@pytest.fixture
def ask(standin: StandIn, tmp_path: Path) -> Ask:
    """Write a plugin file with the options and run ``ansible-inventory`` on its folder."""

    def run(*arguments: str, environment: t.Mapping[str, str] | None = None, **options: t.Any) -> Said:
        (tmp_path / "google.mesh_fleet.yml").write_text(
            yaml.safe_dump({"plugin": "mesh.fleet.mesh_fleet", "projects": ["shop-prod"], **options})
        )
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GCP_", "GOOGLE_", "MESH_FLEET_"))}
        argv = ["ansible-inventory", "-i", str(tmp_path), *(arguments or ("--list",))]
        env = {**clean, **standin.environment, "ANSIBLE_NOCOLOR": "1", **(environment or {})}
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
        return Said(done.returncode, done.stdout, done.stderr)

    return run


def test_the_graph_shows_the_fleet(ask: Ask) -> None:
    said = ask("--graph")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[:3] == ["@all:", "  |--@ungrouped:", "  |--@mesh_clusters:"]
    assert sorted(lines[3:]) == ["  |  |--batch", "  |  |--edge", "  |  |--north", "  |  |--west"]


def test_host_variables_are_those_of_the_roles(ask: Ask) -> None:
    west = ask().hosts["west"]
    assert west["cluster_provider"] == "gke"
    assert (west["cluster_region"], west["cluster_zone"]) == ("us-west1", "us-west1-a")
    assert (west["gke_project"], west["gke_name"]) == ("shop-prod", "west")
    assert west["cluster_labels"] == {"mesh_id": "shop", "tier": "front"}
    assert west["cluster_pod_cidr"]
    assert west["ansible_connection"] == "local"
    google = west["google_cluster"]
    assert google["membership"].endswith("/locations/us-west1/memberships/west")
    assert google["membership_labels"] == {"env": "prod"}


def test_no_credential_becomes_a_variable(ask: Ask, standin: StandIn) -> None:
    said = ask(access_token=standin.environment["GCP_ACCESS_TOKEN"])
    assert said.hosts
    assert standin.environment["GCP_ACCESS_TOKEN"] not in said.out + said.err


def test_a_member_from_another_project_comes_with_the_fleet_and_nothing_else_of_it(ask: Ask) -> None:
    assert set(ask().hosts) == {"west", "north", "batch", "edge"}
    assert set(ask(follow_memberships=False).hosts) == {"west", "north", "batch"}
    assert set(ask(projects=["shop-prod", "shop-edge"]).hosts) == {"west", "north", "batch", "edge", "lonely"}


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        ({"labels": {"mesh_id": "shop"}}, {"west", "north", "edge"}),
        ({"labels": {"mesh_id": "*", "tier": ["front", "back"]}}, {"west", "north"}),
        ({"locations": ["us-west1"]}, {"west", "batch", "edge"}),
        ({"locations": ["us-west1-b"]}, {"edge"}),
        ({"members_only": True}, {"west", "edge"}),
        ({"statuses": ["ERROR"]}, set()),
    ],
)
def test_filters(ask: Ask, options: dict[str, t.Any], hosts: set[str]) -> None:
    assert set(ask(**options).hosts) == hosts


def test_compose_groups_and_keyed_groups(ask: Ask) -> None:
    said = ask(
        compose={"mesh_network": "google_cluster.network"},
        groups={"shop": "cluster_labels.mesh_id is defined"},
        keyed_groups=[{"key": "cluster_region", "prefix": "region"}],
        hostname="google_cluster.name ~ '-' ~ cluster_region",
        group="others",
    )
    assert said.group("others") == ["batch-us-west1", "edge-us-west1", "north-europe-north1", "west-us-west1"]
    assert said.group("shop") == ["edge-us-west1", "north-europe-north1", "west-us-west1"]
    assert said.group("region_europe_north1") == ["north-europe-north1"]
    assert said.hosts["west-us-west1"]["mesh_network"] == "default"


def test_a_label_that_looks_like_a_template_is_text(ask: Ask, standin: StandIn) -> None:
    key = "container/projects/shop-prod/locations/us-west1-a/clusters/batch"
    with standin.cloud.lock:
        standin.cloud.resources[key]["resourceLabels"]["team"] = "{{ lookup('env', 'HOME') }}"
    try:
        assert ask().hosts["batch"]["cluster_labels"]["team"] == "{{ lookup('env', 'HOME') }}"
    finally:
        standin.cloud.resources[key]["resourceLabels"]["team"] = "data"


def test_other_clusters_stand_beside_them(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text("mesh_clusters: {hosts: {fra: {cluster_provider: kubeconfig}}}\n")
    assert ask().group("mesh_clusters") == ["batch", "edge", "fra", "north", "west"]


def test_the_cache_answers_without_google(ask: Ask, standin: StandIn, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("cache")
    options = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(place)}
    first = ask(**options).hosts
    before = len(standin.cloud.log)
    assert ask(**options).hosts == first
    assert len(standin.cloud.log) == before
    ask("--list", "--flush-cache", **options)
    assert len(standin.cloud.log) > before


def one_line(said: Said) -> str:
    """The plugin's own message, up to what Ansible adds."""
    assert "Traceback" not in said.err
    (line,) = [x for x in said.err.splitlines() if "Failed to parse inventory with 'auto' plugin: " in x]
    assert "; next: " in line, said.err
    return line


@pytest.mark.parametrize(
    ("options", "environment", "words"),
    [
        ({"projects": []}, {}, ("no Google Cloud project is named", "set projects in this file, or GCP_PROJECT")),
        ({}, {"GCP_ACCESS_TOKEN": "ended"}, ("expired", "GCP_ACCESS_TOKEN")),
        ({"hostname": "nothing.here"}, {}, ("hostname gives no name", "google_cluster.name")),
        ({"hostname": "google_cluster.project"}, {}, ('3 clusters would be the host "shop-prod"', "hostname: ")),
        ({"strict": True, "compose": {"x": "nothing.here"}}, {}, ("Could not set x", "correct it in this file")),
        ({"auth_kind": "serviceaccount", "service_account_file": "/no/key"}, {}, ("cannot be read", "key file")),
    ],
)
def test_errors_are_one_line_with_the_next_step(
    ask: Ask, options: dict[str, t.Any], environment: dict[str, str], words: tuple[str, ...]
) -> None:
    line = one_line(ask(environment=environment, **options))
    for word in words:
        assert word in line


def test_a_missing_permission_is_named(ask: Ask, standin: StandIn) -> None:
    standin.cloud.deny("gkehub.memberships.list", "gkehub.projects.locations.memberships.list")
    try:
        assert "gkehub.memberships.list" in one_line(ask())
        assert set(ask(memberships=False).hosts) == {"west", "north", "batch"}
    finally:
        standin.cloud.faults.clear()
