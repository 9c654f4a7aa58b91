# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two clusters of a service project on the network of a host project."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    cluster_specs,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment

HOST = "shop-net"
MARK = "made by mesh.fleet for fleet shop"


def shared_clusters(**more: t.Any) -> dict[str, ClusterSpec]:
    base = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "team-a", "gke_network": "corp"}
    own = {"west": {"cluster_region": "us-west1"}, "north": {"cluster_region": "europe-north1"}}
    hosts = {host: {**base, "gke_network_project": HOST, **v, **more.get(host, {})} for host, v in own.items()}
    fleet = read_fleet(hosts, environment())
    return cluster_specs(fleet, members(fleet))
