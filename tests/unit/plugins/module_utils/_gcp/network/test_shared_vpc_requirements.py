# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared VPC: whose rules serve, who needs NAT, which roles are taken back, and what a refusal says."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.firewall import covered, rules
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.nat import in_need
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc import Sharing
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc_requirements import (
    service_project_bindings,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import ExistingNetwork, plan_network
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    cluster_specs,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment

Json = dict[str, t.Any]
HOST, MARK = "shop-net", "made by mesh.fleet for fleet shop"
OURS = service_project_bindings(HOST, "42")


def shared(**more: t.Any) -> dict[str, ClusterSpec]:
    base = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "team-a", "gke_network": "corp"}
    own = {"west": {"cluster_region": "us-west1"}, "north": {"cluster_region": "europe-north1"}}
    hosts = {host: {**base, "gke_network_project": HOST, **v, **more.get(host, {})} for host, v in own.items()}
    fleet = read_fleet(hosts, environment())
    return cluster_specs(fleet, members(fleet))


class FakeGoogle:
    """Answers by method; what it has no answer for is refused."""

    def __init__(self, answers: dict[str, Json], project: str = HOST, asked: list[str] | None = None) -> None:
        self.answers, self.project, self.requests = answers, project, 0
        self.asked = [] if asked is None else asked

    def of(self, project: str) -> FakeGoogle:
        return FakeGoogle(self.answers, project, self.asked)

    def call(self, service: str, method: str, *, obj: str = "", **params: t.Any) -> Json:
        self.requests += 1
        self.asked.append(method)
        if method not in self.answers:
            raise GoogleError("permission is missing", status=403, obj=obj, means=f"no role in {self.project}")
        return self.answers[method]


def sharing(google: FakeGoogle, folder: Path, *, dry: bool = False, said: list[str] | None = None) -> Sharing:
    return Sharing(
        t.cast("t.Any", google),
        roles="granted",
        directory=str(folder / "shop"),
        enable_apis=False,
        timeout=5,
        dry_run=dry,
        say=[].append if said is None else said.append,
    )


def cluster(name: str, network: str = f"projects/{HOST}/global/networks/corp") -> Json:
    return {"name": name, "location": "us-west1", "networkConfig": {"network": network}}


@pytest.mark.parametrize(
    ("clusters", "dry", "stay"),
    [
        ({}, False, ""),
        ({"clusters": [cluster("old", "projects/team-a/global/networks/default")]}, False, ""),
        ({"clusters": [cluster("others")]}, False, "cluster others needs them"),
        ({"missingZones": ["us-east1"]}, False, "us-east1, which Google does not tell, needs them"),
        # In check mode those that go are still there.
        ({"clusters": [cluster("west")]}, True, ""),
        ({"clusters": [cluster("west"), cluster("others")]}, True, "cluster others needs them"),
    ],
)
def test_roles_stay_while_clusters_of_others_need_them(tmp_path: Path, clusters: Json, dry: bool, stay: str) -> None:
    held = [{"role": b.role, "members": [b.member]} for b in OURS]
    google = FakeGoogle(
        {
            "projects.get": {"projectNumber": "42"},
            "projects.locations.clusters.list": clusters,
            "projects.getIamPolicy": {"bindings": held},
            "projects.setIamPolicy": {},
        }
    )
    said: list[str] = []
    asked = sharing(google, tmp_path, dry=dry, said=said)
    asked.record.add(OURS)
    changes = asked.taken_back([shared()["west"]])
    assert [c.action for c in changes] == ([] if stay else ["removed"] * 3)
    assert all(line.endswith(stay) for line in said) and bool(said) == bool(stay)
    assert bool(asked.record.read()) == (dry or bool(stay))
    assert google.requests == len(google.asked)


def test_nothing_is_asked_where_nothing_was_granted(tmp_path: Path) -> None:
    google = FakeGoogle({})
    assert sharing(google, tmp_path).taken_back([shared()["west"]]) == []
    assert google.asked == []


APIS_ON: Json = {
    "services": [
        {"name": f"projects/42/services/{api}.googleapis.com", "state": "ENABLED"} for api in ("compute", "container")
    ]
}


def test_roles_that_these_credentials_may_not_grant(tmp_path: Path) -> None:
    google = FakeGoogle({"services.batchGet": APIS_ON, "projects.getXpnHost": {"name": HOST}})
    failed, changes = sharing(google, tmp_path).prepared(shared().values())
    assert (set(failed), changes) == ({"west", "north"}, [])
    assert failed["west"].means == f"the account has no role in project {HOST} that allows it"
    assert f"administrator of project {HOST} grant {OURS[0].role} to {OURS[0].member}" in failed["west"].next_step
    assert google.requests == len(google.asked)


def test_another_host_project_is_told_also_where_the_right_one_may_not_be_looked_at(tmp_path: Path) -> None:
    google = FakeGoogle({"services.batchGet": APIS_ON, "projects.getXpnHost": {"name": "old-net"}})
    failed, _changes = sharing(google, tmp_path).prepared([shared()["west"]])
    assert failed["west"].seen == "its host project is old-net"


def test_a_rule_of_ours_that_goes_does_not_stand_for_the_one_that_comes() -> None:
    clusters = list(shared().values())
    (pods, _webhooks) = rules("corp", clusters, MARK, ours=False, doors=False)
    # As it was while a cluster was taken over: for all machines of the VPC.
    old = {
        "name": pods["name"].removesuffix("-nodes"),
        "description": MARK,
        "network": f"x/projects/{HOST}/global/networks/corp",
        "sourceRanges": ["10.0.0.0/8"],
        "allowed": [{"IPProtocol": "all"}],
    }
    live = ExistingNetwork({"corp": {"description": "of others"}}, {}, {old["name"]: old})
    plan, _failed = plan_network(clusters, [w.host for w in clusters], live, MARK)
    assert [rule["name"] for rule in plan.stale] == [old["name"]]
    assert pods["name"] in [rule["name"] for rule in plan.firewalls]
    theirs = ExistingNetwork(live.networks, {}, {"inside": {**old, "name": "inside", "description": "of others"}})
    assert plan_network(clusters, [w.host for w in clusters], theirs, MARK)[0].firewalls == []


@pytest.mark.parametrize(
    ("ports", "serves"), [("15017", True), ("15000-15100", True), ("15018-15100", False), ("443", False)]
)
def test_a_port_among_others_serves(ports: str, serves: bool) -> None:
    (_pods, webhooks) = rules("corp", list(shared().values()), MARK, ours=False, doors=False)
    allowed = [{"IPProtocol": "tcp", "ports": ["22", ports]}]
    assert covered(webhooks, [{"network": "corp", "sourceRanges": ["10.0.0.0/8"], "allowed": allowed}]) is serves


def test_who_needs_nat() -> None:
    found = shared(north={"gke_private_nodes": False})
    assert in_need(found.values(), []) == [found["west"]]
    assert in_need(found.values(), ["west"]) == []
    own = shared(west={"gke_network_project": ""})["west"]
    assert in_need([own], ["west"]) == [own]
