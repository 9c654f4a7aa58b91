# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters that kind makes on this machine."""

from __future__ import annotations

import os.path
import typing as t

from ..inventory.connection import Connection
from ..inventory.fleet import Cluster
from ..inventory.problems import Problem
from .base import Provider, Values, text

__all__ = ["Kind", "label_words", "node_labels"]

NODE_LABELS = "mesh.fleet/node-labels"
"""Annotation of a node: the names of the labels that we gave it."""

_LONGEST_HOSTNAME = 63
_SMALLEST_PODS = 24
"""kubeadm allocates a range of this size to each node."""
_LARGEST_PODS = 8
"""kubeadm allows at most 16 bits between this and the range of a node."""


class Kind(Provider):
    """Role ``kind_cluster`` makes them, and writes their kubeconfigs."""

    name: t.ClassVar[str] = "kind"
    description: t.ClassVar[str] = "made on this machine"
    role: t.ClassVar[str] = "kind_cluster"
    local: t.ClassVar[bool] = True
    front_door: t.ClassVar[str] = "engine"

    def connection(self, host: str, variables: Values, directory: str) -> Connection:
        return Connection(kubeconfig=os.path.join(directory, "kubeconfigs", f"{host}.yaml"), context=host)

    def wrong_size(self, kind: str, prefix: int) -> tuple[str, str] | None:
        if kind == "pod" and prefix > _SMALLEST_PODS:
            return "is too small", f"a node needs a /{_SMALLEST_PODS} of it"
        if kind == "pod" and prefix < _LARGEST_PODS:
            return "is too large", f"at most a /{_LARGEST_PODS}"
        return super().wrong_size(kind, prefix)

    def check_name(self, host: str, variables: Values) -> list[Problem]:
        node = f"{text(variables, 'fleet_name')}-{host}-control-plane"
        over = len(node) - _LONGEST_HOSTNAME
        if over <= 0:
            return []
        message = f"its node would be named {node}, {over} characters too long for a host name"
        return [Problem(host, "", "", message, f"shorten the cluster's name or fleet_name by {over}")]


def node_labels(cluster: Cluster) -> dict[str, str]:
    """The labels of a cluster's node: region, zone, and the user's own."""
    place = {"topology.kubernetes.io/region": cluster.region, "topology.kubernetes.io/zone": cluster.zone}
    return {key: value for key, value in {**place, **cluster.labels}.items() if value}


def label_words(wanted: t.Mapping[str, str], ours: str) -> tuple[list[str], str]:
    """What ``kubectl label`` gets, so that a node has these labels and none of those that we gave it before.

    Args:
        wanted: :func:`node_labels`.
        ours: the annotation NODE_LABELS of the node, "" where there is none.

    Returns:
        The words, and the annotation as it has to be then.
    """
    gone = [name for name in ours.split(",") if name and name not in wanted]
    words = [*(f"{name}={value}" for name, value in sorted(wanted.items())), *(f"{name}-" for name in gone)]
    return words, ",".join(sorted(wanted))
