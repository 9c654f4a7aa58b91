# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The client of an action over Google, and what it lists by region."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import GOOGLE_OPTIONS
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.connections import options
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.vpc import ExistingNetwork, networks_by_rules
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import ClusterSpec
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.variables import text

__all__ = ["client_of", "list_by_region", "read_network"]


def client_of(
    args: t.Mapping[str, t.Any], cluster: Cluster, project: str, say: t.Callable[[str], None] | None = None
) -> Google:
    """A client for ``project``, with the task's credentials, else those of the inventory's ``cluster``."""
    given = {name: args[name] for name in GOOGLE_OPTIONS if args.get(name)}
    google = Google.from_args({**options(cluster), **given, "project": project})
    # Where the inventory says nothing, the client's own time counts.
    if cluster.variables.get("gke_settle_timeout") is not None:
        google.settle_seconds = float(text(cluster.variables, "gke_settle_timeout"))
    if say is not None:
        google.say = say
    return google


def list_by_region(google: Google, kind: str) -> dict[tuple[str, str], dict[str, t.Any]]:
    """All of a kind of Compute Engine in the client's project, by region and name; ``kind`` is as in ``routers``."""
    places = google.pages("compute", f"{kind}.aggregatedList", "items", project=google.project)
    return {(place.rsplit("/", 1)[-1], item["name"]): item for place, inner in places for item in inner.get(kind) or []}


def read_network(google: Google, everybody: t.Sequence[ClusterSpec] = (), marker: str = "") -> ExistingNetwork:
    """What the client's project has: three requests, however many clusters; two where ours is in each VPC.

    Args:
        google: the client.
        everybody: the clusters on its networks, where only their VPCs are asked for; else all VPCs are.
        marker: description of what we make.
    """
    project = google.project
    firewalls = google.pages("compute", "firewalls.list", "items", project=project)
    networks = networks_by_rules(everybody, firewalls, marker) if everybody else None
    if networks is None:
        networks = {n["name"]: n for n in google.pages("compute", "networks.list", "items", project=project)}
    return ExistingNetwork(
        networks=networks,
        subnets=list_by_region(google, "subnetworks"),
        firewalls={f["name"]: f for f in firewalls},
    )
