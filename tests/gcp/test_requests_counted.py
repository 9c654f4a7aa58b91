# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run that changes nothing asks Google, counted: no more than 2 requests a cluster and 5 a project."""

from __future__ import annotations

import json
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.action.gke_cluster import ActionModule
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.bindings import bindings_for
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.roles import grant, project_number
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.clusters import Clusters
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.features import Features
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.memberships import Memberships
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.nat import needing_nat, plan_nat, ways_out
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import ExistingNetwork, plan_network
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    Place,
    marker,
    our_labels,
    with_egress,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import (
    INGRESS,
    host_projects,
    members,
    needed_features,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.clusters import Part, with_mesh_label

from .cluster_runs import Run, actions, fleet_of, make, wanted_of
from .role_runs import Playbook, changed
from .standin.server import StandIn
from .test_shared_vpc_role import HOST, permit

Vars = dict[str, t.Any]
PROJECT = "shop-prod"
DOOR: Vars = {"front_door": True}
STAGES: list[tuple[str, Vars]] = [
    ("gke_preflight", DOOR),
    ("gke_network", DOOR),
    ("gke_nat", {}),
    ("gke_cluster", {"egress": "{{ done_gke_nat.egress }}"}),
    ("gke_access", DOOR),
    ("gke_membership", {}),
    ("gke_fleet_feature", {**DOOR, "memberships": "{{ done_gke_membership.memberships }}"}),
]
"""The tasks of preflight, gke_cluster and gke_fleet that ask Google."""
SERVED: Vars = {
    "mesh_exports": [{"service": "orders.shop", "to": "all"}],
    "front_door_routes": [{"service": "web.shop"}],
}
PLACES: dict[str, Vars] = {
    "north": {"cluster_region": "europe-north1"},
    "west": {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"},
}


class Standing:
    """A fleet in which everything is as wanted, and the playbook that goes over it again."""

    def __init__(self, playbook: Playbook, options: Vars, hosts: dict[str, Vars], **shared: t.Any) -> None:
        self.playbook, self.cloud, self.options = playbook, playbook.standin.cloud, options
        playbook.hosts = {name: {**v, **SERVED, **shared} for name, v in hosts.items()}
        playbook.tasks = [
            {"name": name, f"mesh.fleet.{name}": arguments, "run_once": True, "register": f"done_{name}"}
            for name, arguments in STAGES
        ]
        self.egress: dict[Place, list[str]] = {}
        self.make()

    def make(self) -> None:
        fleet = fleet_of(self.playbook.hosts, gke_network="")
        google = Google(Settings.from_args(self.options), patience=5)
        wanted = list(wanted_of(fleet).values())
        for project in dict.fromkeys(w.network_project for w in wanted):
            self._network(fleet, [w for w in wanted if w.network_project == project])
        for project in dict.fromkeys(w.member.project for w in wanted):
            own = [with_egress(w, self.egress) for w in wanted if w.member.project == project]
            part = with_mesh_label(Part(project, own, own, google.of(project)), lambda one: project_number(google, one))
            clusters = Clusters(part.google, our_labels(fleet), marker(fleet), timeout=60, interval=0.1)
            clusters.read()
            assert set(actions(clusters.present(part.play)).values()) == {"created"}
        every = members(fleet)
        assert not Memberships(google, fleet.name, timeout=60, interval=0.1).register(list(every.values()))[2]
        features = needed_features(fleet, front_door=True)
        projects = {m.project for m in every.values()}
        networks = host_projects(every.values())
        grant(google, bindings_for(features, projects, google.project, project_number(google), networks), dry_run=False)
        managed = [m.name for m in every.values() if m.managed]
        config = next(iter(every.values())).name if INGRESS in features else ""
        hub = Features(google, fleet.name, timeout=60, interval=0.1)
        hub.enable(features, managed=managed, config_membership=config)

    def _network(self, fleet: Fleet, wanted: list[t.Any]) -> None:
        """What google.cloud's modules make of the plan, in Compute Engine's words."""
        nothing = ExistingNetwork({}, {}, {})
        plan, failed = plan_network(wanted, {w.host for w in wanted}, nothing, marker(fleet), load_balancers=True)
        assert not failed
        root = f"compute/projects/{wanted[0].network_project}"
        for network in plan.networks:
            self._put(f"{root}/global/networks/{network['name']}", {"description": network["description"]})
        for subnet in plan.subnets.values():
            second = [
                {"rangeName": r["range_name"], "ipCidrRange": r["ip_cidr_range"]} for r in subnet["secondary_ip_ranges"]
            ]
            found = {"description": marker(fleet), "ipCidrRange": subnet["ip_cidr_range"], "secondaryIpRanges": second}
            link = self._link(f"{root}/global/networks/{subnet['network']}")
            self._put(f"{root}/regions/{subnet['region']}/subnetworks/{subnet['name']}", {**found, "network": link})
        for rule in plan.firewalls:
            allowed = [
                {"IPProtocol": a["ip_protocol"], **({"ports": a["ports"]} if "ports" in a else {})}
                for a in rule["allowed"]
            ]
            found = {"description": marker(fleet), "sourceRanges": rule["source_ranges"], "allowed": allowed}
            link = self._link(f"{root}/global/networks/{rule['network']}")
            tags = {"targetTags": rule["target_tags"]} if "target_tags" in rule else {}
            self._put(f"{root}/global/firewalls/{rule['name']}", {**found, **tags, "network": link})
        other = ways_out(fleet)
        needing = needing_nat(wanted, other)
        places, fixed = {w.place: w for w in needing}, {place for w in wanted for place in w.nats}
        routers, addresses = {}, {}
        plan = plan_nat(places, fixed, {}, {}, marker(fleet), needing, other, wanted)
        for number, (region, name) in enumerate(plan.addresses):
            key = f"{root}/regions/{region}/addresses/{name}"
            self._put(key, {"description": marker(fleet), "address": f"203.0.113.{number}", "status": "IN_USE"})
            addresses[region, name] = self.cloud.resources[key]
        for step in plan.routers:
            key = f"{root}/regions/{step.region}/routers/{step.body['name']}"
            self._put(key, step.body)
            routers[step.region, step.body["name"]] = self.cloud.resources[key]
        self.egress |= plan_nat(places, fixed, routers, addresses, marker(fleet), needing, other, wanted).egress

    def _put(self, key: str, found: Vars) -> None:
        self.cloud.resources[key] = {"name": key.rpartition("/")[2], "selfLink": self._link(key), **found}

    @staticmethod
    def _link(key: str) -> str:
        return f"https://www.googleapis.com/compute/v1/{key.partition('/')[2]}"

    def again(self) -> list[str]:
        """What an unchanged run asked: methods and paths."""
        before = json.dumps(self.cloud.resources, sort_keys=True)
        self.cloud.log.clear()
        code, stats, said = self.playbook()
        assert (code, changed(stats)) == (0, 0), said
        assert json.dumps(self.cloud.resources, sort_keys=True) == before
        return [f"{entry['method']} {entry['path']}" for entry in self.cloud.log]


@pytest.fixture
def playbook(tmp_path: Path, root: Path, google_cloud: StandIn) -> Playbook:
    return Playbook(tmp_path, root, google_cloud)


def asked_by_the_front_door(asked: list[str]) -> int:
    """Its stage asks for its address, unless that was among those that were listed already."""
    return 0 if any(one.startswith("compute.addresses.aggregatedList ") for one in asked) else 1


@pytest.mark.parametrize(
    ("shared", "projects"),
    [
        ({}, 1),
        ({"mesh_control_plane": "managed"}, 1),
        ({"gke_authorized_networks": ["192.0.2.0/24"], "mesh_network": "per_cluster"}, 1),
        ({"gke_network_project": HOST, "gke_network": "shared"}, 2),
    ],
    ids=["istiod", "managed", "authorized", "shared-vpc"],
)
def test_an_unchanged_run_asks_little(playbook: Playbook, options: Vars, shared: Vars, projects: int) -> None:
    if projects > 1:
        permit(playbook.standin.cloud, PROJECT)
    asked = Standing(playbook, options, PLACES, **shared).again()
    assert len(asked) + asked_by_the_front_door(asked) <= 2 * len(PLACES) + 5 * projects, asked
    # Nobody is asked the same twice.
    assert len(set(asked)) == len(asked), asked


@pytest.mark.parametrize("now", ["as it was", "changed", "busy", "gone", "asked for more"])
def test_what_preflight_saw_is_not_acted_upon(google_cloud: StandIn, options: Vars, now: str) -> None:
    """Only where nothing is to be done: for everything else the clusters are read again first."""
    make(Run(options), google_cloud)
    fleet = fleet_of(gke_cost_allocation=True) if now == "asked for more" else fleet_of()
    google = Google(Settings.from_args(options), patience=5)
    clusters = Clusters(google, our_labels(fleet), marker(fleet), timeout=60, interval=0.1, dry_run=True)
    clusters.read()
    place = ("us-west1-a", "west")
    if now == "changed":
        clusters.live[place]["resourceLabels"].pop("mesh_id")
    elif now == "busy":
        clusters.live[place]["status"] = "RECONCILING"
    elif now == "gone":
        del clusters.live[place]
    wanted = list(wanted_of(fleet).values())
    part = Part(PROJECT, wanted, wanted, google)
    action = t.cast("ActionModule", types.SimpleNamespace(_keep_unnamed=ActionModule._keep_unnamed))
    sent = google.requests
    same = ActionModule._unchanged(action, fleet, part, clusters, {"forget": []}, {}, [], {})
    assert (same is not None) == (now == "as it was")
    assert google.requests == sent
