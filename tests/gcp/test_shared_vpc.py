# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared VPC: what is checked before a cluster is made, what others made, what Google refuses nevertheless."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.bindings import bindings_for
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api import settling
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.settling import note_change
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.clusters import Clusters
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.differences import body, compare
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.inventory_hosts import Filter, hosts_of
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.memberships import Memberships
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.mesh_status import status_of
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.firewall import covered, rules
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.nat import plan_nat
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc import SharedVpc, missing_permissions
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc_requirements import (
    is_forbidden,
    missing_parts,
    unreadable,
    with_role_advice,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    marker,
    our_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import (
    DISCOVERY,
    SERVICEMESH,
    host_projects,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .cluster_runs import fleet_of, wanted_of
from .standin.cloud import DEFAULT_TOKEN, Cloud
from .standin.fleet import follow
from .standin.server import StandIn

HOST = "shop-net"
AGENT_USER, USER = "roles/container.hostServiceAgentUser", "roles/compute.networkUser"
MARK = "made by mesh.fleet for fleet shop"
Json = dict[str, t.Any]


def shared(**more: t.Any) -> dict[str, ClusterSpec]:
    return wanted_of(fleet_of(gke_network="corp", gke_network_project=HOST, **more))


def client(standin: StandIn, project: str = HOST) -> Google:
    options = {"project": project, "access_token": DEFAULT_TOKEN, "endpoint": standin.endpoint}
    return Google(Settings.from_args(options), patience=5)


class Ask:
    """Whether clusters may be on the host project's network; what is said on the way."""

    def __init__(self, standin: StandIn, folder: Path) -> None:
        self.standin, self.folder = standin, folder
        self.said: list[str] = []
        self.google = client(standin)

    def __call__(self, roles: str = "checked", *, apis: bool = False, dry: bool = False) -> dict[str, FleetError]:
        asked = SharedVpc(
            self.google,
            roles=roles,
            directory=str(self.folder),
            enable_apis=apis,
            timeout=5,
            dry_run=dry,
            say=self.said.append,
        )
        failed, self.changes = asked.prepare(shared().values())
        return failed


@pytest.fixture
def ask(google_cloud: StandIn, tmp_path: Path) -> Ask:
    return Ask(google_cloud, tmp_path / "fleet")


def accounts(cloud: Cloud, project: str = "shop-prod") -> tuple[str, str]:
    number = cloud.number(project)
    return (
        f"serviceAccount:service-{number}@container-engine-robot.iam.gserviceaccount.com",
        f"serviceAccount:{number}@cloudservices.gserviceaccount.com",
    )


def permit(cloud: Cloud) -> None:
    robot, apis = accounts(cloud)
    cloud.attach("shop-prod", HOST)
    cloud.grant(HOST, AGENT_USER, robot)
    cloud.grant(HOST, USER, robot, apis)


# -- before anything is made -------------------------------------------------------------------


def test_checks_of_a_shared_vpc_cost_four_requests(ask: Ask) -> None:
    permit(ask.standin.cloud)
    assert ask() == {}
    assert (ask.changes, ask.said) == ([], [])
    assert ask.google.requests == len(ask.standin.cloud.log) == 4
    ask.standin.cloud.log.clear()
    own = wanted_of(fleet_of(gke_network_project="shop-prod")).values()
    asked = SharedVpc(ask.google, roles="checked", directory="", enable_apis=False, timeout=5, dry_run=False)
    assert asked.prepare(own) == ({}, [])
    assert ask.standin.cloud.log == []


def test_another_host_project_is_named(ask: Ask) -> None:
    ask.standin.cloud.attach("shop-prod", "old-net")
    ask.standin.cloud.hosts.add(HOST)
    error = ask()["west"]
    assert error.what == "project shop-prod is not attached to project shop-net"
    assert error.seen == "its host project is old-net"
    assert "associated-projects add shop-prod --host-project shop-net" in error.next_step
    assert "shared-vpc enable" not in error.next_step


@pytest.mark.parametrize(
    ("role", "holds"),
    [("roles/owner", True), ("roles/compute.networkAdmin", False), ("roles/viewer", False)],
)
def test_a_wider_role_is_enough(ask: Ask, role: str, holds: bool) -> None:
    ask.standin.cloud.attach("shop-prod", HOST)
    ask.standin.cloud.grant(HOST, role, *accounts(ask.standin.cloud))
    assert (ask() == {}) == holds


def test_a_role_that_holds_only_at_times_does_not_count(ask: Ask) -> None:
    permit(ask.standin.cloud)
    for binding in ask.standin.cloud.policies[HOST]["bindings"]:
        binding["condition"] = {"title": "until May", "expression": "request.time < timestamp('2027-05-01T00:00:00Z')"}
    error = ask()["north"]
    assert error.seen.count("roles/") == 3
    assert "subnet europe-north1/corp-north" in error.next_step
    assert "gke_network_roles: granted" in error.next_step


def test_roles_that_are_trusted_are_not_looked_at(ask: Ask) -> None:
    ask.standin.cloud.attach("shop-prod", HOST)
    assert ask("trusted") == {}
    assert not any("IamPolicy" in entry["method"] for entry in ask.standin.cloud.log)


@pytest.mark.parametrize("method", ["getIamPolicy", "batchGet", "getXpnHost"])
def test_what_may_not_be_looked_at_is_left_to_google(ask: Ask, method: str) -> None:
    permit(ask.standin.cloud)
    ask.standin.cloud.deny("some.thing.get", f"*.{method}")
    assert ask() == {}
    assert any("not known to these credentials: " in line for line in ask.said)


def test_an_api_that_is_off_in_the_host_project(ask: Ask) -> None:
    permit(ask.standin.cloud)
    ask.standin.cloud.disabled_in[HOST] = {"container.googleapis.com"}
    error = ask()["west"]
    assert error.what == "API container.googleapis.com is disabled"
    assert "gcloud services enable container.googleapis.com --project shop-net" in error.next_step
    assert ask(apis=True, dry=True) == {}
    assert [(c.name, c.action) for c in ask.changes] == [("container.googleapis.com", "created")]
    assert ask.standin.cloud.disabled_in[HOST]
    assert ask(apis=True) == {}
    assert not ask.standin.cloud.disabled_in[HOST]


def test_the_api_of_policies_may_be_off(ask: Ask) -> None:
    permit(ask.standin.cloud)
    off = {"status": 403, "message": "Cloud Resource Manager API is off", "reason": "SERVICE_DISABLED", "times": -1}
    ask.standin.cloud.fail("cloudresourcemanager.*", **off)
    assert ask() == {}
    assert missing_permissions(ask.google, ["compute.networks.create"]) == []


def test_permissions_that_the_caller_lacks(google_cloud: StandIn) -> None:
    wanted = ["compute.networks.create", "compute.firewalls.create"]
    assert missing_permissions(client(google_cloud), wanted) == []
    google_cloud.cloud.deny(wanted[1], "compute.firewalls.insert", path=f"projects/{HOST}")
    assert missing_permissions(client(google_cloud), wanted) == wanted[1:]
    assert missing_permissions(client(google_cloud, "shop-prod"), wanted) == []


# -- the cluster -------------------------------------------------------------------------------


def network(cloud: Cloud, clusters: t.Iterable[ClusterSpec]) -> None:
    link = f"https://www.googleapis.com/compute/v1/projects/{HOST}/global/networks/corp"
    cloud.resources[f"compute/projects/{HOST}/global/networks/corp"] = {"name": "corp", "selfLink": link}
    for w in clusters:
        ranges = ((w.pod_range, w.pod_cidr), (w.service_range, w.service_cidr))
        cloud.resources[f"compute/{w.subnetwork_path}"] = {
            "name": w.subnetwork,
            "network": link,
            "ipCidrRange": w.node_cidr,
            "secondaryIpRanges": [{"rangeName": name, "ipCidrRange": cidr} for name, cidr in ranges],
        }


def run(standin: StandIn, clusters: dict[str, ClusterSpec]) -> dict[str, t.Any]:
    fleet = fleet_of()
    made = Clusters(client(standin, "shop-prod"), our_labels(fleet), marker(fleet), timeout=5, interval=0.05)
    made.read()
    return made.present(clusters.values())


def test_a_cluster_names_the_host_projects_network_and_ranges(google_cloud: StandIn) -> None:
    clusters = shared(gke_pod_range_name="gke-p")
    network(google_cloud.cloud, clusters.values())
    permit(google_cloud.cloud)
    asked = body(clusters["west"], MARK)["cluster"]
    assert asked["network"] == "projects/shop-net/global/networks/corp"
    assert asked["subnetwork"] == "projects/shop-net/regions/us-west1/subnetworks/corp-west"
    assert asked["ipAllocationPolicy"]["clusterSecondaryRangeName"] == "gke-p"
    assert asked["ipAllocationPolicy"]["servicesSecondaryRangeName"] == "services"
    assert all(outcome[0].action == "created" for outcome in run(google_cloud, clusters).values())
    assert all(outcome[0].action == "unchanged" for outcome in run(google_cloud, clusters).values())
    # A cluster does not move to a VPC of its own project.
    live = google_cloud.cloud.get("container/projects/shop-prod/locations/us-west1-a/clusters/west")
    (moved,) = compare(wanted_of(fleet_of(gke_network="corp"))["west"], live)
    assert (moved.variable, moved.before, moved.after, moved.step) == ("gke_network_project", HOST, "shop-prod", None)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("attachment", 'Project "shop-prod" does not have an associated Shared-VPC host project.'),
        (AGENT_USER, 'required "container.hostServiceAgent.use" permission(s) for "projects/shop-net"'),
        (USER, "Google Compute Engine: Required 'compute.subnetworks.get' permission for 'projects/shop-net/regions"),
    ],
)
def test_googles_refusal_is_reported_with_what_to_do(google_cloud: StandIn, missing: str, words: str) -> None:
    cloud = google_cloud.cloud
    clusters = {"west": shared()["west"]}
    network(cloud, clusters.values())
    permit(cloud)
    if missing == "attachment":
        cloud.attached.clear()
    else:
        bindings = cloud.policies[HOST]["bindings"]
        cloud.policies[HOST]["bindings"] = [b for b in bindings if b["role"] != missing]
    error = run(google_cloud, clusters)["west"]
    assert words in error.seen
    assert error.means == "project shop-prod may not use the network of host project shop-net"
    for member in accounts(cloud):
        assert f"{USER} for {member}" in error.next_step
    assert f"{AGENT_USER} for {accounts(cloud)[0]}" in error.next_step


def test_a_role_that_was_just_granted_is_waited_for(google_cloud: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SECONDS", 60.0)
    clusters = {"west": shared()["west"]}
    network(google_cloud.cloud, clusters.values())
    permit(google_cloud.cloud)
    words = "Google Compute Engine: Required 'compute.networks.get' permission for 'projects/shop-net/global'."
    google_cloud.cloud.fail("container.*.clusters.create", 403, words, times=2)
    assert isinstance(run(google_cloud, clusters)["west"], FleetError)
    note_change(HOST)
    assert run(google_cloud, clusters)["west"][0].action == "created"


# -- rules of others ---------------------------------------------------------------------------

ALL: Json = {"network": "x/networks/corp", "sourceRanges": ["10.0.0.0/8"], "allowed": [{"IPProtocol": "all"}]}


@pytest.mark.parametrize(
    ("live", "serves"),
    [
        (ALL, True),
        ({**ALL, "allowed": [{"IPProtocol": p} for p in ("tcp", "udp", "icmp")]}, True),
        ({**ALL, "targetTags": ["mesh-shop", "db"]}, True),
        ({**ALL, "sourceRanges": ["10.16.0.0/16", "10.17.0.0/16", "2001:db8::/32"]}, True),
        ({**ALL, "allowed": [{"IPProtocol": "tcp"}]}, False),
        ({**ALL, "allowed": [{"IPProtocol": p, "ports": ["443"]} for p in ("tcp", "udp", "icmp")]}, False),
        ({**ALL, "targetTags": ["db"]}, False),
        ({**ALL, "sourceRanges": ["10.16.0.0/16"]}, False),
        ({**ALL, "network": "x/networks/other"}, False),
        ({**ALL, "disabled": True}, False),
        ({**ALL, "direction": "EGRESS"}, False),
        ({**ALL, "allowed": None, "denied": [{"IPProtocol": "all"}]}, False),
        ({**ALL, "targetServiceAccounts": ["a@shop-net.iam.gserviceaccount.com"]}, False),
    ],
)
def test_a_rule_of_others_serves_that_lets_all_of_it_through(live: Json, serves: bool) -> None:
    pods, _webhooks = rules("corp", list(shared().values()), MARK, ours=False, load_balancers=False)
    assert covered(pods, [{**ALL, "network": "x/networks/other"}, live]) is serves


def test_load_balancers_reach_a_shared_vpc_by_a_rule_of_ours() -> None:
    (*_others, doors) = rules("corp", list(shared().values()), MARK, ours=False, load_balancers=True)
    assert doors["name"] == "corp-mesh-shop-doors-nodes"
    assert doors["source_ranges"] == ["130.211.0.0/22", "35.191.0.0/16"]
    assert doors["target_tags"] == ["mesh-shop"]
    # In a VPC of the clusters' own project Google makes it by itself.
    own = list(wanted_of(fleet_of(gke_network="corp")).values())
    assert len(rules("corp", own, MARK, ours=False, load_balancers=True)) == 2


# -- what Google runs --------------------------------------------------------------------------


def test_googles_controllers_get_their_roles_in_the_host_project() -> None:
    fleet = fleet_of({"west": {"gke_project": "team-a"}, "north": {"gke_project": "team-b"}}, gke_network_project=HOST)
    networks = host_projects(w.member for w in wanted_of(fleet).values())
    assert networks == {"team-a": HOST, "team-b": HOST}
    found = bindings_for([DISCOVERY, SERVICEMESH], ["team-a", "team-b"], "team-a", "42", networks)
    agent = "serviceAccount:service-42@gcp-sa-{}.iam.gserviceaccount.com"
    assert {(b.role, b.member) for b in found if b.project == HOST} == {
        ("roles/compute.networkViewer", "serviceAccount:team-a.svc.id.goog[gke-mcs/gke-mcs-importer]"),
        ("roles/compute.networkViewer", "serviceAccount:team-b.svc.id.goog[gke-mcs/gke-mcs-importer]"),
        ("roles/multiclusterservicediscovery.serviceAgent", agent.format("mcsd")),
        ("roles/anthosservicemesh.serviceAgent", agent.format("servicemesh")),
    }
    # A host project that is the fleet project too has them by itself.
    of_host = bindings_for([DISCOVERY], ["team-a"], HOST, "42", {"team-a": HOST})
    assert {b.role for b in of_host if b.project == HOST} == {"roles/compute.networkViewer"}
    assert len(of_host) == len(set(of_host))


def test_roles_that_others_have_to_grant_are_named() -> None:
    wanted = bindings_for([DISCOVERY], ["team-a"], "team-a", "42", {"team-a": HOST})
    error = GoogleError("no", status=403, obj=f"IAM policy of project {HOST}")
    said = with_role_advice(error, [b for b in wanted if b.project == HOST]).next_step
    assert "roles/compute.networkViewer to serviceAccount:team-a.svc.id.goog[gke-mcs/gke-mcs-importer]" in said
    assert "service-42@gcp-sa-mcsd.iam.gserviceaccount.com, and set gke_network_roles: trusted" in said
    elsewhere = GoogleError("no", status=403, obj="IAM policy of project team-a", next_step="as before")
    assert with_role_advice(elsewhere, [b for b in wanted if b.project == HOST]).next_step == "as before"


def test_a_managed_control_plane_reports_a_missing_host_role(google_cloud: StandIn) -> None:
    cloud = google_cloud.cloud
    west = wanted_of(fleet_of({"west": {"cluster_region": "us-west1"}}, gke_network_project=HOST))["west"]
    config = {"network": west.network_path}
    cloud.resources[f"container/{west.path}"] = {"name": "west", "status": "RUNNING", "networkConfig": config}
    hub = Memberships(client(google_cloud, "shop-prod"), "shop", timeout=5, dry_run=False)
    _changes, names, failed = hub.register([west.member])
    assert failed == {}
    wanted = bindings_for([SERVICEMESH], ["shop-prod"], "shop-prod", cloud.number("shop-prod"), {"shop-prod": HOST})
    spec = {"mesh": {"management": "MANAGEMENT_AUTOMATIC"}}
    item: Json = {"name": "projects/shop-prod/locations/global/features/servicemesh"}
    item["membershipSpecs"] = {names["west"]: spec}
    follow(cloud, item)
    status = status_of(item, names["west"])
    assert (status.state, status.hopeless) == ("FAILED_PRECONDITION", True)
    assert "roles/anthosservicemesh.serviceAgent in the Shared VPC's host project" in status.described
    (binding,) = wanted
    cloud.grant(binding.project, binding.role, binding.member)
    follow(cloud, item)
    assert status_of(item, names["west"]).active


# -- the whole of a host project ---------------------------------------------------------------


def test_what_a_cluster_lacks_is_reported_for_it_alone() -> None:
    clusters = shared()
    pods, webhooks = rules("corp", list(clusters.values()), MARK, ours=False, load_balancers=False)
    live = {"old": {**ALL, "sourceRanges": [clusters["west"].pod_cidr, clusters["west"].node_cidr]}}
    assert missing_parts(clusters["west"], [], {}, [pods, webhooks], live) == []
    lacks = missing_parts(clusters["north"], [], {}, [pods, webhooks], live)
    assert [text.partition(":")[0] for text in lacks] == [
        "firewall rule corp-mesh-shop-pods-nodes",
        "firewall rule corp-mesh-shop-webhooks-nodes",
    ]


def test_an_address_that_is_not_reserved_is_not_known() -> None:
    west = shared()["west"]
    plan = plan_nat({west.place: west}, {west.place}, {}, {}, MARK)
    assert plan.missing_parts("corp", "us-west1") == [
        "address us-west1/corp-us-west1-nat",
        "router us-west1/corp-us-west1 with NAT for all subnets, made",
    ]
    plan.drop([west.place])
    assert (plan.addresses, plan.routers, plan.egress) == ([], [], {})


def test_an_api_that_is_off_is_no_missing_permission() -> None:
    off = GoogleError("off", status=403, reason="SERVICE_DISABLED")
    assert not is_forbidden(off)
    error = GoogleError("no", status=403, reason="forbidden")
    assert is_forbidden(error)
    assert "roles/compute.networkViewer" in unreadable(error, HOST).next_step


def test_a_cluster_that_is_found_on_a_shared_vpc_says_so() -> None:
    west = shared()["west"]
    config = {"network": west.network_path, "subnetwork": west.subnetwork_path}
    live: Json = {"name": "west", "location": "us-west1-a", "network": "corp", "networkConfig": config}
    answers = {"shop-prod": {"clusters": [live], "memberships": [], "followed": False}}
    (found,) = hosts_of(answers, Filter())
    names = ("gke_project", "gke_network_project", "gke_network", "gke_subnetwork")
    assert [found.variables[name] for name in names] == ["shop-prod", HOST, "corp", "corp-west"]
    live["networkConfig"] = {name: path.replace(HOST, "shop-prod") for name, path in config.items()}
    (own,) = hosts_of(answers, Filter())
    assert "gke_network_project" not in own.variables
    assert own.variables["gke_subnetwork"] == "corp-west"
