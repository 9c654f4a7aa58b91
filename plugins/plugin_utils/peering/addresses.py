# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clusters have an API address that their watchers cannot reach, told before anything is made."""

from __future__ import annotations

import os
import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.addresses import peer_server
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["unreachable_addresses"]

_LOADER: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def unreachable_addresses(fleet: Fleet) -> dict[str, FleetError]:
    """By cluster that exists already and that another one must watch, why its API address is no address for that.

    A kubeconfig that cannot be read is left to the check that connects.
    """
    documents: dict[str, t.Any] = {}
    found: dict[str, FleetError] = {}
    for name, cluster in fleet.clusters.items():
        if not provider_of(cluster).exists(cluster.variables):
            continue
        path = "" if cluster.connection.server else os.path.expanduser(cluster.connection.kubeconfig)
        if path and path not in documents:
            documents[path] = _read(path)
        document = documents.get(path)
        if path and not cluster.peer_endpoint and document is None:
            continue
        try:
            peer_server(cluster, document)
        except FleetError as error:
            if _is_watched(fleet, name):
                found[name] = error
        except (AttributeError, TypeError):
            pass  # no kubeconfig: whoever connects says so
    return found


def _is_watched(fleet: Fleet, name: str) -> bool:
    theirs = control_plane_of(fleet, fleet.clusters[name])
    planes = (control_plane_of(fleet, cluster) for other, cluster in fleet.clusters.items() if other != name)
    return any(mine.has_istiod and mine.watches(theirs) for mine in planes)


def _read(path: str) -> t.Any:
    try:
        with open(path, encoding="utf-8") as stream:
            return yaml.load(stream, Loader=_LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return None
