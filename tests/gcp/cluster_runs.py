# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs over GKE clusters as the action makes them, and two clusters to run over."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.clusters import Clusters
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    cluster_specs,
    marker,
    our_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.paths import cache_dir
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment

from .standin.server import StandIn

Vars = dict[str, t.Any]
HOSTS: dict[str, Vars] = {
    "west": {"cluster_region": "us-west1", "cluster_zone": "us-west1-a"},
    "north": {"cluster_region": "europe-north1"},
}
WEST = "container/projects/shop-prod/locations/us-west1-a/clusters/west"


def new_run() -> None:
    """What follows is another run: nothing of what this process has read before is known."""
    for path in (cache_dir() / "google").glob("*.json"):
        path.unlink()


def fleet_of(hosts: t.Mapping[str, Vars] | None = None, **more: t.Any) -> Fleet:
    base = {
        "fleet_name": "shop",
        "cluster_provider": "gke",
        "gke_project": "shop-prod",
        "gke_network": "default",
        **more,
    }
    return read_fleet({h: {**base, **v} for h, v in (hosts or HOSTS).items()}, environment())


def wanted_of(fleet: Fleet) -> dict[str, ClusterSpec]:
    return cluster_specs(fleet, members(fleet))


class Run:
    """The clusters of one project, as one run of the action sees them."""

    def __init__(self, options: dict[str, t.Any]) -> None:
        self.options = options
        self.patience = 60.0
        self.said: list[str] = []
        """Lines of progress."""

    def __call__(
        self, fleet: Fleet | None = None, *, absent: bool = False, dry: bool = False, timeout: float = 120
    ) -> dict[str, list[Change] | FleetError]:
        fleet = fleet or fleet_of()
        self.google = Google(Settings.from_args(self.options), patience=self.patience)
        clusters = Clusters(
            self.google,
            our_labels(fleet),
            marker(fleet),
            timeout=timeout,
            dry_run=dry,
            interval=0.1,
            say=self.said.append,
        )
        clusters.read()
        chosen = wanted_of(fleet).values()
        return clusters.absent(chosen) if absent else clusters.present(chosen)


def actions(found: dict[str, list[Change] | FleetError]) -> dict[str, str]:
    return {
        host: outcome.what if isinstance(outcome, FleetError) else outcome[0].action for host, outcome in found.items()
    }


def failure(found: dict[str, list[Change] | FleetError], host: str = "west") -> FleetError:
    outcome = found[host]
    assert isinstance(outcome, FleetError)
    return outcome


def make(run: Run, standin: StandIn, fleet: Fleet | None = None) -> Run:
    """The clusters, with the ranges that the model gave them: network "default" has no secondary ranges here."""
    fleet = fleet or fleet_of()
    assert set(actions(run(fleet)).values()) == {"created"}
    for cluster in standin.cloud.resources.values():
        wants = wanted_of(fleet)[cluster["name"]]
        cluster |= {"clusterIpv4Cidr": wants.pod_cidr, "servicesIpv4Cidr": wants.service_cidr}
        cluster["networkConfig"]["subnetwork"] = f"projects/shop-prod/regions/x/subnetworks/{wants.subnetwork}"
    return run
