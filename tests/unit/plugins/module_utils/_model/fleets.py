# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fleets of existing clusters, for tests of what is derived from one."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet


def fleet(hosts: dict[str, dict[str, t.Any]], **shared: t.Any) -> Fleet:
    shared = {"cluster_provider": "kubeconfig", "mesh_id": "shop", "mesh_trust_domain": "shop.example", **shared}
    return read_fleet({name: {**shared, **values} for name, values in hosts.items()})


TWO = {"west": {}, "east": {}}
SERVED = {"fra": {}, "edge": {"mesh_role": "remote", "mesh_primary": "fra"}}
