# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters that kind makes on this machine."""

from __future__ import annotations

import os.path
import typing as t

from ..inventory.connection import Connection
from ..inventory.problems import Problem
from .base import Provider, Values, text

__all__ = ["Kind"]

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
