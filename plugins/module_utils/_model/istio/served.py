# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an istiod's Deployment records of the remotes that named its cluster when it was started last."""

from __future__ import annotations

import typing as t

from ..inventory.fleet import Cluster

__all__ = ["SERVES", "is_served", "serves"]

SERVES = "mesh.fleet/serves"
"""Annotation of the Deployment: the cluster's name, and its remotes."""


def serves(cluster: Cluster, remotes: t.Iterable[Cluster]) -> str:
    """The annotation's value: ``west: edge,rim``. By its own former name an istiod serves nobody."""
    return f"{cluster.name}: {','.join(sorted(remote.name for remote in remotes))}"


def is_served(cluster: Cluster, remote: str, recorded: str) -> bool:
    """Whether ``remote`` is in what was recorded of the cluster by its present name."""
    name, _colon, listed = recorded.partition(": ")
    return name == cluster.name and remote in listed.split(",")
