# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters in Google Cloud; the details are in ``google/``."""

from __future__ import annotations

import typing as t

from ..inventory.cluster_variables import CONNECTION
from ..inventory.fleet import Fleet
from ..inventory.problems import Problem
from ..inventory.variable import Variable
from .base import Hosts, Provider, Values
from .google import checks, fleet_checks
from .google.login_variables import LOGIN
from .google.variables import GKE, text

__all__ = ["Gke"]


_ON_DEMAND = 5
"""Autopilot makes a node for a pod that finds none, which takes minutes; more of them where a zone has no room."""


class Gke(Provider):
    """Role ``gke_cluster`` makes them; one with a kubeconfig or an address in the inventory exists already."""

    name: t.ClassVar[str] = "gke"
    description: t.ClassVar[str] = "made in Google Cloud"
    role: t.ClassVar[str] = "gke_cluster"
    fleet_role: t.ClassVar[str] = "gke_fleet"
    prefix: t.ClassVar[str] = "gke_"
    variables: t.ClassVar[tuple[Variable, ...]] = (*CONNECTION, *GKE, *LOGIN)
    of_roles: t.ClassVar[frozenset[str]] = frozenset(
        {
            "gke_cluster_delete",
            "gke_cluster_interval",
            "gke_cluster_timeout",
            "gke_fleet_apis",
            "gke_fleet_bindings",
            "gke_fleet_features",
            "gke_fleet_mesh_timeout",
            "gke_fleet_revoke",
            "gke_fleet_timeout",
        }
    )
    control_planes: t.ClassVar[tuple[str, ...]] = ("istiod", "managed")
    multicluster: t.ClassVar[bool] = True
    front_door: t.ClassVar[str] = "google"
    platform: t.ClassVar[str] = "gke"
    edge: t.ClassVar[str] = "module_utils._gcp.clusters.connections"

    def exists(self, variables: Values) -> bool:
        return checks.is_elsewhere(variables)

    def further_ranges(self, fleet: Fleet) -> list[tuple[str, str, str]]:
        return checks.further_ranges(fleet)

    def patience(self, variables: Values) -> int:
        return _ON_DEMAND if text(variables, "gke_mode") == "autopilot" else 1

    def check_name(self, host: str, variables: Values) -> list[Problem]:
        return checks.check_name(host)

    def check_cluster(self, host: str, variables: Values, environment: t.Mapping[str, str]) -> list[Problem]:
        return checks.check_cluster(host, variables, environment)

    def check_fleet(self, hosts: Hosts, fleet: Fleet | None) -> list[Problem]:
        together = checks.check_fleet(fleet) if fleet else []
        return [*checks.check_peer_endpoints(hosts), *together, *fleet_checks.check(hosts)]

    def check_front_door(self, hosts: Hosts) -> list[Problem]:
        return fleet_checks.check_front_door(hosts)
