# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory plugin by ``ansible-inventory``, against a stand-in with two projects and their fleets."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings

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
        google.wait("container", operation, 60, interval=0.05)
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
            clients[home].wait("gkehub", operation, 60, interval=0.05)


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
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=900)
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
    # Google names the project by its number there; here it is the ID throughout.
    assert google["membership"] == "projects/shop-prod/locations/us-west1/memberships/west"
    assert google["fleet_project"] == "shop-prod"
    assert google["membership_labels"] == {"env": "prod"}


def test_the_google_fleet_becomes_a_variable_of_the_roles(ask: Ask) -> None:
    hosts = ask(projects=["shop-prod", "shop-edge"]).hosts
    names = ("gke_project", "gke_fleet_project", "gke_membership", "gke_membership_location")
    found = {host: tuple(variables.get(name) for name in names) for host, variables in hosts.items()}
    assert found["west"] == ("shop-prod", "shop-prod", "west", "us-west1")
    assert found["edge"] == ("shop-edge", "shop-prod", "edge", "us-west1")
    # Not a member yet, of whatever project: it is to join the one fleet that there is.
    assert found["north"] == ("shop-prod", "shop-prod", None, None)
    assert found["lonely"] == ("shop-edge", "shop-prod", None, None)
    assert "gke_fleet_project" not in ask(memberships=False).hosts["north"]


def test_what_the_plugin_says_is_a_fleet_for_preflight(ask: Ask, tmp_path: Path, standin: StandIn) -> None:
    # Each stand-in cluster has the same ranges: networks of their own keep them apart.
    ask(projects=["shop-prod", "shop-edge"], compose={"mesh_network": "google_cluster.name"})
    own = {
        "cluster_provider": "kubeconfig",
        "cluster_kubeconfig": "/own",
        "cluster_region": "eu-de",
        "mesh_network": "own",
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"mesh_clusters": {"hosts": {"fra": own}}}))
    inventories = ["-i", str(tmp_path / "google.mesh_fleet.yml"), "-i", str(tmp_path / "own.yaml")]
    task = {"name": "Check", "mesh.fleet.preflight": {}, "run_once": True}
    play = [{"name": "Play", "hosts": "mesh_clusters", "gather_facts": False, "tasks": [task]}]
    (tmp_path / "play.yaml").write_text(yaml.safe_dump(play))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GCP_", "GOOGLE_", "MESH_FLEET_"))}
    done = subprocess.run(
        ["ansible-playbook", *inventories, str(tmp_path / "play.yaml")],
        cwd=ROOT,
        env={**clean, **standin.environment, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 clusters" in done.stdout


def test_no_credential_becomes_a_variable(ask: Ask, standin: StandIn) -> None:
    said = ask(access_token=standin.environment["GCP_ACCESS_TOKEN"])
    assert said.hosts
    assert standin.environment["GCP_ACCESS_TOKEN"] not in said.out + said.err


def test_only_members_of_another_project_become_hosts(ask: Ask) -> None:
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


def test_the_cache_holds_no_credential(ask: Ask, standin: StandIn, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("cache")
    key = "container/projects/shop-prod/locations/us-west1-a/clusters/west"
    token = standin.environment["GCP_ACCESS_TOKEN"]
    with standin.cloud.lock:
        standin.cloud.resources[key]["masterAuth"] = {"clusterCaCertificate": "Q0EgQ0EgQ0E=", "clientKey": "c2VjcmV0"}
    ask(cache=True, cache_plugin="ansible.builtin.jsonfile", cache_connection=str(place), access_token=token)
    kept = "".join(path.read_text() for path in place.rglob("*") if path.is_file())
    assert "west" in kept
    for secret in (token, "Q0EgQ0EgQ0E=", "c2VjcmV0", "masterAuth"):
        assert secret not in kept


def test_a_cluster_that_cannot_be_used_is_no_host_and_is_named(ask: Ask, standin: StandIn) -> None:
    key = "container/projects/shop-prod/locations/us-west1-a/clusters/batch"
    try:
        for state in ("ERROR", "PROVISIONING"):
            standin.cloud.resources[key]["status"] = state
            said = ask(labels={"team": "data"})
            assert said.hosts == {}
            assert f"no hosts because of their status: batch {state}; see option statuses" in " ".join(said.err.split())
            assert "batch" not in ask(labels={"mesh_id": "shop"}).err
            assert ask(statuses=[]).hosts["batch"]["google_cluster"]["status"] == state
        standin.cloud.resources[key]["status"] = "RECONCILING"
        assert "batch" in ask().hosts
    finally:
        standin.cloud.resources[key]["status"] = "RUNNING"


def test_a_partial_answer_is_no_inventory(ask: Ask, standin: StandIn, tmp_path_factory: pytest.TempPathFactory) -> None:
    both = {"projects": ["shop-prod", "shop-edge"]}
    place = tmp_path_factory.mktemp("cache")
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(place)}
    standin.cloud.fail(
        "container.projects.locations.clusters.list",
        403,
        'Required "container.clusters.list" permission(s) for "projects/shop-edge".',
        path="projects/shop-edge/",
        times=-1,
    )
    # Where Google says that the caller has it, the refusal would be waited for.
    standin.cloud.fail("cloudresourcemanager.projects.testIamPermissions", 403, "denied", path="shop-edge", times=-1)
    try:
        line = one_line(ask(**both))
        assert "container.clusters.list" in line and "in project shop-edge" in line
        said = ask(**both, **cache, skip_unreachable=True)
        assert set(said.hosts) == {"west", "north", "batch"}
        assert "project shop-edge is left out: permission container.clusters.list is missing" in " ".join(
            said.err.split()
        )
    finally:
        standin.cloud.faults.clear()
    assert len(ask(**both, **cache, skip_unreachable=True).hosts) == 5  # that answer was not kept


def test_a_place_that_does_not_answer_is_named(ask: Ask, standin: StandIn) -> None:
    standin.cloud.unreachable.add("us-west1-b")
    try:
        assert "Google does not answer for us-west1-b" in one_line(ask(projects=["shop-edge"], memberships=False))
    finally:
        standin.cloud.unreachable.clear()


def examples() -> list[dict[str, t.Any]]:
    from ansible_collections.mesh.fleet.plugins.inventory import mesh_fleet

    found: list[dict[str, t.Any]] = yaml.safe_load(mesh_fleet.EXAMPLES)
    return found


@pytest.mark.parametrize("example", examples(), ids=range(len(examples())))
def test_the_examples_work(ask: Ask, example: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    if "cache_connection" in example:
        example = {**example, "cache_connection": str(tmp_path_factory.mktemp("cache"))}
    said = ask(**{k: v for k, v in example.items() if k != "plugin"})
    assert said.code == 0
    assert "WARNING" not in said.err
    assert said.hosts or "labels" in example


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
        ({"lables": {"mesh_id": "shop"}}, {}, ("option lables is unknown", "did you mean labels?")),
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
