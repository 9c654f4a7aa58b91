# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a provider is: where clusters come from, and all that depends on it."""

from __future__ import annotations

import typing as t

from ..inventory.cluster_variables import CLUSTERS, CONNECTION
from ..inventory.connection import Connection
from ..inventory.fleet import Fleet
from ..inventory.mesh_variables import MESH
from ..inventory.problems import Problem
from ..inventory.variable import Reader, Variable

__all__ = ["Hosts", "Provider", "Values", "text"]

Values = t.Mapping[str, t.Any]
"""The variables of one host."""
Hosts = t.Mapping[str, Values]

_SMALLEST = 28
"""kubeadm wants ten addresses of a service range; fewer than sixteen pods are no cluster either."""
_LARGEST_SERVICES = 12
"""What kube-apiserver refuses to exceed."""

text = Reader.of(*MESH, *CLUSTERS, *CONNECTION).text
"""A value of a cluster as text, with its default; "" where there is neither."""


class Provider:
    """A provider of clusters; one that is unknown is treated as this.

    A new one is a subclass in a file beside this one, registered in ``registry.py``. What it says in more lines than
    are easily read has a folder of its own, as ``google``.
    """

    name: t.ClassVar[str] = ""
    """The value of ``cluster_provider``."""
    description: t.ClassVar[str] = ""
    """Where its clusters come from, for the documentation: a few words."""
    role: t.ClassVar[str] = ""
    """The role that makes its clusters, and deletes them by its tasks file ``absent``; "" where none does."""
    fleet_role: t.ClassVar[str] = ""
    """The role that makes its clusters members of a fleet that the provider itself keeps; "" for none."""
    prefix: t.ClassVar[str] = ""
    """Beginning of its own variables; "" where it has none. An unknown variable that begins so is refused."""
    variables: t.ClassVar[tuple[Variable, ...]] = ()
    """Variables that only its clusters, and those of other providers that list them, may set; those of the fleet may
    stand on every cluster."""
    of_roles: t.ClassVar[frozenset[str]] = frozenset()
    """Variables of roles that begin with its prefix: the roles' own specifications check them."""
    local: t.ClassVar[bool] = False
    """Whether its clusters are made on this machine: they share its capacity and its container network, and are
    removed as a whole."""
    gives_ranges: t.ClassVar[bool] = False
    """Whether its clusters are given pod and service ranges, because a role makes them."""
    control_planes: t.ClassVar[tuple[str, ...]] = ("istiod",)
    """Values of ``mesh_control_plane`` that its clusters may have."""
    multicluster: t.ClassVar[bool] = False
    """Whether services of its clusters can be exported, and a front door can lead to them."""
    platform: t.ClassVar[str] = ""
    """``global.platform`` of Istio's charts; "" for none."""
    edge: t.ClassVar[str] = ""
    """The module of this collection, below ``plugins``, that asks the provider how its clusters are reached; "" where
    the inventory knows it. ``plugin_utils/base/provider_edge.py`` imports it for fleets with such a cluster only."""

    def exists(self, variables: Values) -> bool:
        """Whether a cluster is there before the first run, so that it must answer before anything is touched."""
        return True

    def connection(self, host: str, variables: Values, directory: str) -> Connection:
        """How a cluster is reached, as far as the inventory says it.

        Args:
            host: its name.
            variables: its variables.
            directory: where its fleet keeps kubeconfigs and state.
        """
        return Connection(
            kubeconfig=text(variables, "cluster_kubeconfig"),
            context=text(variables, "cluster_context"),
            server=text(variables, "cluster_api_url"),
            token=text(variables, "cluster_api_token"),
            ca_pem=text(variables, "cluster_api_ca"),
        )

    def wrong_size(self, kind: str, prefix: int) -> tuple[str, str] | None:
        """What is wrong with the size of a range, and what would be right.

        Args:
            kind: pod or service.
            prefix: the range's prefix length.
        """
        if prefix > _SMALLEST:
            return "is too small", f"at least a /{_SMALLEST}"
        if kind == "service" and prefix < _LARGEST_SERVICES:
            return "is too large", f"kube-apiserver takes at most a /{_LARGEST_SERVICES}"
        return None

    # Checks, of values that are right in themselves.

    def check_name(self, host: str, variables: Values) -> list[Problem]:
        """A name that is a DNS-1123 label, but not one for a cluster of this provider."""
        return []

    def check_cluster(self, host: str, variables: Values, environment: t.Mapping[str, str]) -> list[Problem]:
        """What is missing or impossible in one of its clusters; ``environment`` are the environment variables."""
        return []

    def check_fleet(self, hosts: Hosts, fleet: Fleet | None) -> list[Problem]:
        """What is impossible of clusters together.

        Args:
            hosts: all hosts, of whatever provider.
            fleet: the same as a fleet; None where their ranges do not make one.
        """
        return []

    def check_front_door(self, hosts: Hosts) -> list[Problem]:
        """What is impossible behind one front door; ``hosts`` are those that it leads to, of whatever provider."""
        return []
