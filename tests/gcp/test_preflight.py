# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What preflight finds out at Google before anything is made: each thing, everything at once, and what it costs."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.grants import Grants
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.node_account import RECORD, NodeAccount
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api import settling
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.findings import Findings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.memberships import Memberships
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import ExistingNetwork, plan_network
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import marker
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.clusters import Part
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.preflight import Foresight

from .caller import Caller
from .cluster_runs import HOSTS, WEST, Run, fleet_of, make, new_run, wanted_of
from .role_runs import Playbook, changed
from .standin.limits import default_account
from .standin.server import StandIn

Vars = dict[str, t.Any]
PROJECT = "shop-prod"
EMAIL = "nodes@shop-prod.iam.gserviceaccount.com"


class Look:
    """One look ahead over the inventory of the test, as the action does it."""

    def __init__(self, standin: StandIn, options: Vars) -> None:
        self.standin, self.options = standin, options
        self.hosts: dict[str, Vars] = {name: {**v, "gke_network": "mesh"} for name, v in HOSTS.items()}
        self.more: Vars = {}
        self.enable_apis = False

    def __call__(self) -> Findings:
        fleet = fleet_of(self.hosts, **self.more)
        self.standin.cloud.log.clear()
        new_run()
        found = list(wanted_of(fleet).values())
        parts = []
        for networks in (False, True):
            by_project: dict[str, list[t.Any]] = {}
            for w in found:
                by_project.setdefault(w.network_project if networks else w.member.project, []).append(w)
            parts.append([Part(p, mine, mine, self._google(p)) for p, mine in by_project.items()])
        foresight = Foresight(fleet, *parts, front_door=False, enable_apis=self.enable_apis)
        findings, self.live = foresight.look()
        return findings

    def _google(self, project: str) -> Google:
        return Google(Settings.from_args({**self.options, "project": project}), patience=5)

    @property
    def asked(self) -> list[str]:
        return [entry["method"] for entry in self.standin.cloud.log]


@pytest.fixture
def look(google_cloud: StandIn, options: Vars) -> Look:
    return Look(google_cloud, options)


def said(found: Findings) -> str:
    return "\n".join(map(str, found.problems))


def test_nothing_stops_a_run_in_a_project_that_has_all(look: Look) -> None:
    found = look()
    assert said(found) == ""
    assert [w for w in found.warnings if "vCPU" not in w] == []
    assert {e["verb"] for e in look.standin.cloud.log} <= {"GET", "POST"}
    assert look.standin.cloud.resources == {}


def test_an_unchanged_project_costs_two_requests(look: Look, google_cloud: StandIn, options: Vars) -> None:
    look.hosts = {name: {**v, "gke_network": "default"} for name, v in HOSTS.items()}
    made = make(Run(options), google_cloud)
    fleet = fleet_of()
    hub = Memberships(made.google, fleet.name, timeout=30, interval=0.1)
    assert not hub.register(list(members(fleet).values()))[2]
    assert said(look()) == ""
    assert look.asked == ["container.projects.locations.clusters.list", "cloudresourcemanager.projects.get"]
    assert len(look.live[PROJECT]) == len(HOSTS)


def test_everything_that_is_missing_is_named_at_once(look: Look, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    cloud.disabled.add("gkehub.googleapis.com")
    for permission in ("container.clusters.create", "compute.networks.create", "container.clusterRoleBindings.create"):
        cloud.deny(permission, method="nothing", path=f"projects/{PROJECT}")
    cloud.accounts[default_account(cloud, PROJECT)] = {"disabled": True}
    cloud.quotas[PROJECT, "europe-north1", "SSD_TOTAL_GB"] = (250.0, 0.0)
    cloud.quotas[PROJECT, "us-west1", "CPUS"] = (8.0, 6.0)
    cloud.no_machines.add(("us-west1-a", "e2-standard-4"))
    cloud.channels["REGULAR"] = "1.31.2-gke.1"
    cloud.org_policies[PROJECT, "constraints/gcp.resourceLocations"] = {
        "listPolicy": {"allowedValues": ["in:us-locations"]}
    }
    found = look()
    text = said(found)
    for words in (
        "API gkehub.googleapis.com is disabled",
        f"gcloud services enable gkehub.googleapis.com --project {PROJECT}",
        "3 permissions that this run uses are missing",
        "container.clusterRoleBindings.create",
        "--role=roles/container.admin",
        "--role=roles/compute.networkAdmin",
        "the nodes' service account is disabled",
        "gcloud iam service-accounts enable",
        "quota SSD_TOTAL_GB in region europe-north1 is too small",
        "the inventory asks for 300, 250 of 250 are left",
        "quota CPUS in region us-west1 is too small",
        "machine type e2-standard-4 is not to be had",
        "not in us-west1-a",
        "Kubernetes 1.31.2-gke.1 is not supported by the mesh",
        "set gke_release_channel: rapid",
        "a policy of the organisation forbids it: gcp.resourceLocations",
    ):
        assert words in text
    assert cloud.resources == {}
    assert not any(e["method"].endswith((".create", ".insert", ".setIamPolicy", ".batchEnable")) for e in cloud.log)


def test_what_the_run_itself_may_mend_is_no_problem(look: Look, google_cloud: StandIn) -> None:
    google_cloud.cloud.disabled |= {"gkehub.googleapis.com", "compute.googleapis.com", "container.googleapis.com"}
    look.enable_apis = True
    assert said(look()) == ""
    google_cloud.cloud.deny("serviceusage.services.enable", method="nothing", path=f"projects/{PROJECT}")
    text = said(look())
    assert "serviceusage.services.enable" in text
    assert "roles/serviceusage.serviceUsageAdmin" in text


def test_permissions_are_those_of_this_run_alone(look: Look, google_cloud: StandIn, options: Vars) -> None:
    look.hosts = {name: {**v, "gke_network": "default"} for name, v in HOSTS.items()}
    make(Run(options), google_cloud)
    for permission in ("container.clusters.create", "compute.networks.create", "container.clusters.update"):
        google_cloud.cloud.deny(permission, method="nothing", path=f"projects/{PROJECT}")
    assert said(look()) == ""
    look.more = {"gke_release_channel": "rapid"}
    text = said(look())
    assert "1 permission that this run uses is missing" in text
    assert "container.clusters.update" in text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (None, "the nodes' service account does not exist"),
        ({"disabled": True}, "the nodes' service account is disabled"),
    ],
)
def test_the_nodes_service_account_is_looked_for(
    look: Look, google_cloud: StandIn, state: Vars | None, words: str
) -> None:
    google_cloud.cloud.accounts[default_account(google_cloud.cloud, PROJECT)] = state
    assert words in said(look())


def test_accounts_that_the_inventory_names_are_looked_for(look: Look, google_cloud: StandIn) -> None:
    google_cloud.cloud.accounts[EMAIL] = None
    look.more = {"gke_node_service_account": EMAIL}
    assert f"service account {EMAIL}: the nodes' service account does not exist" in said(look())
    look.hosts = {"north": {"cluster_region": "europe-north1", "gke_mode": "autopilot", "gke_network": "mesh"}}
    assert f"service account {EMAIL}: the nodes' service account does not exist" in said(look())


def test_an_account_that_may_not_be_seen_is_not_waited_for(
    look: Look, google_cloud: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "SECONDS", 3.0)
    own = google_cloud.cloud.number(PROJECT)
    google_cloud.cloud.deny("iam.serviceAccounts.get", method="iam.*", path=f"/v1/projects/{own}/")
    elsewhere = "nodes@other-team.iam.gserviceaccount.com"
    look.more = {"gke_node_service_account": elsewhere}
    google_cloud.cloud.deny("iam.serviceAccounts.get", method="iam.*", path="/v1/projects/other-team")
    found = look()
    assert said(found) == ""
    assert any(f"not known to these credentials: service account {elsewhere}" in w for w in found.warnings)
    assert look.asked.count("iam.projects.serviceAccounts.get") == 1
    # Its number and its name are the same project, in which the caller holds the permission.
    look.more = {"gke_node_service_account": default_account(google_cloud.cloud, PROJECT)}
    look()
    assert look.asked.count("iam.projects.serviceAccounts.get") == 1


def test_who_makes_nodes_must_be_allowed_to_use_their_account(look: Look, google_cloud: StandIn) -> None:
    google_cloud.cloud.deny("iam.serviceAccounts.actAs", method="nothing")
    text = said(look())
    assert "these credentials may not make nodes with it" in text
    assert "roles/iam.serviceAccountUser" in text


@pytest.mark.parametrize(
    ("constraint", "policy", "variables", "words"),
    [
        ("compute.requireShieldedVm", {"booleanPolicy": {"enforced": True}}, {"gke_secure_boot": False}, "secure"),
        ("compute.vmExternalIpAccess", {"listPolicy": {"allValues": "DENY"}}, {"gke_private_nodes": False}, "public"),
        ("gcp.restrictNonCmekServices", {"listPolicy": {"deniedValues": ["container.googleapis.com"]}}, {}, "key"),
        ("gcp.resourceLocations", {"listPolicy": {"allowedValues": ["in:europe-locations"]}}, {}, "us-west1"),
    ],
)
def test_policies_of_the_organisation_are_compared(
    look: Look, google_cloud: StandIn, constraint: str, policy: Vars, variables: Vars, words: str
) -> None:
    google_cloud.cloud.org_policies[PROJECT, f"constraints/{constraint}"] = policy
    look.more = variables
    text = said(look())
    assert f"a policy of the organisation forbids it: {constraint}" in text
    assert words in text


def test_policies_that_may_not_be_read_are_said_once(look: Look, google_cloud: StandIn) -> None:
    google_cloud.cloud.deny("orgpolicy.policy.get", method="*getEffectiveOrgPolicy")
    found = look()
    assert said(found) == ""
    (line,) = [w for w in found.warnings if "not known" in w]
    assert line == f"project {PROJECT}: not known to these credentials: policies of the organisation"


def test_a_cluster_of_another_google_fleet_is_refused(look: Look, google_cloud: StandIn, options: Vars) -> None:
    look.hosts = {name: {**v, "gke_network": "default"} for name, v in HOSTS.items()}
    make(Run(options), google_cloud)
    theirs = {"endpoint": {"gkeCluster": {"resourceLink": f"//container.googleapis.com/{WEST.partition('/')[2]}"}}}
    google_cloud.cloud.resources["gkehub/projects/other-fleet/locations/us-west1/memberships/west"] = theirs
    number = google_cloud.cloud.number("other-fleet")
    (problem,) = look().problems
    assert (problem.cluster, problem.what) == ("west", "it is a member of another Google fleet")
    assert f"set gke_fleet_project: {number}" in problem.next_step
    assert "memberships unregister west --gke-cluster=us-west1-a/west" in problem.next_step


def test_the_mesh_api_of_each_clusters_project_is_looked_for(look: Look, google_cloud: StandIn) -> None:
    look.hosts["west"]["gke_project"] = "team-a"
    look.more = {"mesh_control_plane": "managed", "gke_fleet_project": PROJECT}
    google_cloud.cloud.disabled_in["team-a"] = {"mesh.googleapis.com"}
    assert "gcloud services enable mesh.googleapis.com --project team-a" in said(look())


def test_versions_of_existing_clusters_are_compared_too(look: Look, google_cloud: StandIn, options: Vars) -> None:
    look.hosts = {name: {**v, "gke_network": "default"} for name, v in HOSTS.items()}
    make(Run(options), google_cloud)
    google_cloud.cloud.resources[WEST]["currentMasterVersion"] = "1.30.1-gke.1"
    found = look()
    assert said(found) == ""
    assert "west: it has Kubernetes 1.30.1-gke.1, and Istio 1.31.1 supports Kubernetes 1.32 to 1.36" in found.warnings


def test_small_nodes_are_a_warning(look: Look) -> None:
    look.more = {"gke_machine_type": "e2-standard-2"}
    found = look()
    assert said(found) == ""
    assert any("nodes of type e2-standard-2 have 2 vCPUs" in w for w in found.warnings)


def test_quotas_count_what_autoscaling_may_add_as_a_warning(look: Look, google_cloud: StandIn) -> None:
    look.more = {"gke_node_count_max": 50}
    google_cloud.cloud.quotas[PROJECT, "us-west1", "CPUS"] = (100.0, 0.0)
    found = look()
    assert said(found) == ""
    assert any("quota CPUS in region us-west1 is too small for all nodes" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (lambda cloud: cloud.unbilled.add(PROJECT), "billing is off in project shop-prod"),
        (lambda cloud: cloud.perimeters.add(PROJECT), "VPC Service Controls keep this machine out"),
        (lambda cloud: setattr(cloud, "no_quota_project", True), "the login has no quota project"),
    ],
)
def test_what_stops_every_request_is_said_once(
    look: Look, google_cloud: StandIn, trouble: t.Callable[[t.Any], None], words: str
) -> None:
    trouble(google_cloud.cloud)
    found = look()
    assert said(found).count(words) == 1


def test_the_stand_in_refuses_what_preflight_warns_of(google_cloud: StandIn, options: Vars) -> None:
    cloud = google_cloud.cloud
    cloud.quotas[PROJECT, "us-west1", "SSD_TOTAL_GB"] = (50.0, 0.0)
    cloud.accounts[default_account(cloud, PROJECT)] = None
    outcome = Run(options)()
    assert "does not exist, or is disabled" in str(outcome["west"])
    cloud.accounts.clear()
    outcome = Run(options)()
    assert "a quota of the project is used up" in str(outcome["west"])
    cloud.quotas.clear()
    cloud.org_policies[PROJECT, "constraints/compute.requireShieldedVm"] = {"booleanPolicy": {"enforced": True}}
    outcome = Run(options)(fleet_of(gke_secure_boot=False))
    assert "a policy of the organisation forbids it: compute.requireShieldedVm" in str(outcome["west"])
    assert cloud.resources[WEST]["status"] == "ERROR"


class Alone(Playbook):
    """The action, as role preflight runs it, without what the role reads of this machine."""

    def prepared(self, *arguments: str, tasks_from: str = "main") -> tuple[list[str], dict[str, str]]:
        argv, env = super().prepared(*arguments, tasks_from=tasks_from)
        role = yaml.safe_load((self.root / "roles" / "preflight" / "tasks" / "main.yml").read_text())
        (task,) = [task for task in role if "mesh.fleet.gke_preflight" in task]
        plays = [{"hosts": "mesh_clusters", "gather_facts": False, "tasks": [task]}]
        (self.folder / "play.yml").write_text(yaml.safe_dump(plays))
        return [*argv, "-e", "preflight_google=true"], env


@pytest.mark.slow
def test_a_run_names_everything_and_makes_nothing(tmp_path: Path, root: Path, google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    cloud.disabled |= {"gkehub.googleapis.com", "compute.googleapis.com", "container.googleapis.com"}
    cloud.deny("gkehub.memberships.create", method="nothing", path=f"projects/{PROJECT}")
    playbook = Alone(tmp_path, root, google_cloud)
    code, _stats, text = playbook()
    assert code != 0
    assert "2 problems, nothing was touched" in text
    assert "3 APIs are disabled" in text
    assert "gkehub.memberships.create" in text
    assert cloud.resources == {}
    cloud.disabled.clear()
    cloud.faults.clear()
    code, stats, text = playbook()
    assert (code, changed(stats)) == (0, 0), text


def test_an_account_that_the_run_makes_need_not_exist(look: Look, google_cloud: StandIn) -> None:
    look.more = {"gke_node_service_account": "fleet"}
    assert not [p for p in look().problems if "service account" in str(p)]
    look.more = {"gke_node_service_account": EMAIL}
    assert [p for p in look().problems if p.what == "the nodes' service account does not exist"]
    google_cloud.cloud.accounts[EMAIL] = {}
    assert not [p for p in look().problems if "service account" in str(p)]


class Refusing:
    """Takes permissions away that a run may ask for."""

    def __init__(self, standin: StandIn) -> None:
        self.cloud = standin.cloud

    def __call__(self, *permissions: str) -> None:
        self.cloud.faults.clear()
        for permission in permissions:
            self.cloud.deny(permission, method="nothing", path=f"projects/{PROJECT}")


@pytest.fixture
def refuse(google_cloud: StandIn) -> Refusing:
    return Refusing(google_cloud)


FLEETS = "mesh-shop-nodes@shop-prod.iam.gserviceaccount.com"
MAKING = ("iam.serviceAccounts.create", "iam.serviceAccounts.actAs", "resourcemanager.projects.setIamPolicy")


def missing(found: Findings) -> set[str]:
    return {one for p in found.problems if "permission" in p.what for one in p.seen.split(", ")}


def test_who_makes_an_account_needs_the_permissions(look: Look, refuse: Refusing) -> None:
    refuse(*MAKING)
    assert not missing(look()) & set(MAKING)
    look.more = {"gke_node_service_account": "fleet"}
    found = look()
    assert missing(found) == set(MAKING)
    assert "roles/iam.serviceAccountCreator" in said(found)
    assert "roles/iam.serviceAccountUser" in said(found)


def own_account(options: Vars) -> None:
    """The fleet's own account, made by an earlier run with its role."""
    google = Google(Settings.from_args(options), patience=5)
    grants = Grants(fleet_of().directory, RECORD)
    NodeAccount(google, FLEETS, marker(fleet_of()), grants, dry_run=False, longest=0.1).present()


def test_an_account_that_is_there_is_not_made_again(
    look: Look, refuse: Refusing, google_cloud: StandIn, options: Vars
) -> None:
    own_account(options)
    look.more = {"gke_node_service_account": "fleet"}
    refuse("iam.serviceAccounts.create", "resourcemanager.projects.setIamPolicy")
    assert said(look()) == ""
    # Its role is gone: it is granted again.
    google_cloud.cloud.policies[PROJECT]["bindings"] = []
    assert missing(look()) == {"resourcemanager.projects.setIamPolicy"}


def test_an_account_of_others_stops_the_run_before_it_begins(look: Look, google_cloud: StandIn) -> None:
    google_cloud.cloud.accounts[FLEETS] = {"description": "theirs"}
    look.more = {"gke_node_service_account": "fleet"}
    assert "a service account of this name exists that this fleet did not make" in said(look())


def test_a_new_pool_may_have_an_account_that_is_made(
    look: Look, refuse: Refusing, google_cloud: StandIn, options: Vars
) -> None:
    look.hosts = {name: {**v, "gke_network": "default"} for name, v in HOSTS.items()}
    make(Run(options), google_cloud)
    look.hosts["west"]["gke_node_pools"] = [{"name": "default"}, {"name": "more", "node_service_account": "fleet"}]
    found = look()
    assert not [p for p in found.problems if "service account" in str(p)], said(found)
    assert "iam.projects.serviceAccounts.get" in look.asked
    refuse(*MAKING)
    assert missing(look()) == set(MAKING)
    google_cloud.cloud.disabled.add("iam.googleapis.com")
    assert "iam.googleapis.com" in said(look())


@pytest.mark.parametrize(
    "permission",
    [
        "compute.firewalls.update",
        "compute.routers.update",
        "container.clusters.get",
        "container.clusters.update",
        "gkehub.features.update",
    ],
)
def test_who_makes_all_anew_need_not_be_allowed_to_change(look: Look, refuse: Refusing, permission: str) -> None:
    refuse(permission)
    assert said(look()) == ""


def test_who_changes_needs_the_permission_to_change(look: Look, refuse: Refusing, google_cloud: StandIn) -> None:
    ask = Caller(google_cloud)
    base = f"/compute/v1/projects/{PROJECT}"
    network = {"name": "mesh", "autoCreateSubnetworks": False, "description": marker(fleet_of())}
    ask.done("POST", f"{base}/global/networks", network)
    rule = {"name": "mesh-pods", "network": f"projects/{PROJECT}/global/networks/mesh"}
    rule |= {"description": marker(fleet_of()), "sourceRanges": ["10.9.0.0/16"], "allowed": [{"IPProtocol": "tcp"}]}
    names = {r["name"] for r in planned_rules(look)}
    for name in names:
        ask.done("POST", f"{base}/global/firewalls", {**rule, "name": name})
    refuse("compute.firewalls.create", "compute.networks.create")
    assert said(look()) == ""
    refuse("compute.firewalls.update")
    assert missing(look()) == {"compute.firewalls.update"}


def planned_rules(look: Look) -> list[Vars]:
    wanted = list(wanted_of(fleet_of(look.hosts)).values())
    return plan_network(wanted, {w.host for w in wanted}, ExistingNetwork({}, {}, {}), "x")[0].firewalls


def test_what_may_not_be_read_is_not_taken_for_missing(look: Look, google_cloud: StandIn) -> None:
    google_cloud.cloud.deny("compute.networks.list", method="compute.networks.list")
    google_cloud.cloud.deny("compute.networks.create", method="nothing", path=f"projects/{PROJECT}")
    assert missing(look()) == {"compute.networks.list"}


@pytest.mark.parametrize("version", ["latest", "-"])
def test_a_word_for_a_version_is_the_channels_default(look: Look, google_cloud: StandIn, version: str) -> None:
    look.more = {"gke_cluster_fields": {"initialClusterVersion": version}}
    assert said(look()) == ""
    google_cloud.cloud.channels["REGULAR"] = "1.31.2-gke.1"
    assert "Kubernetes 1.31.2-gke.1 is not supported by the mesh" in said(look())


def test_the_beginning_of_a_version_is_enough(look: Look) -> None:
    look.more = {"gke_cluster_fields": {"initialClusterVersion": "1.35"}}
    assert said(look()) == ""
    look.more = {"gke_cluster_fields": {"initialClusterVersion": "1.31"}}
    assert "Kubernetes 1.31 is not supported by the mesh" in said(look())
