# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A provider: where clusters come from, and everything that depends on it."""

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
"""kubeadm needs ten addresses of a service range; a cluster with fewer than sixteen pods is of no use either."""
_LARGEST_SERVICES = 12
"""The largest service range that kube-apiserver accepts."""

text = Reader.of(*MESH, *CLUSTERS, *CONNECTION).text
"""A value of a cluster as text, with its default; "" where there is neither."""


class Provider:
    """A provider of clusters; the base class stands for one that is unknown.

    A new provider is a subclass in a file of this folder, registered in ``registry.py``. Details that would make that
    file long have a folder of their own, as ``google``.
    """

    name: t.ClassVar[str] = ""
    """The value of ``cluster_provider``."""
    description: t.ClassVar[str] = ""
    """Where its clusters come from, in a few words, for the documentation."""
    role: t.ClassVar[str] = ""
    """The role that makes its clusters, and deletes them by its tasks file ``absent``; "" for clusters that exist
    already. Clusters that a role makes get pod and service ranges from the fleet's ranges."""
    fleet_role: t.ClassVar[str] = ""
    """The role that makes its clusters members of a fleet that the provider itself keeps; "" for none."""
    prefix: t.ClassVar[str] = ""
    """Prefix of its own variables; "" if it has none. ``preflight`` refuses unknown variables with this prefix."""
    variables: t.ClassVar[tuple[Variable, ...]] = ()
    """Its variables. Those with scope CLUSTER are refused on clusters of providers that do not list them."""
    of_roles: t.ClassVar[frozenset[str]] = frozenset()
    """Variables of roles with its prefix: the roles' own specifications check them."""
    local: t.ClassVar[bool] = False
    """Whether its clusters are on this machine: they share its capacity and a container network, and teardown removes
    them as a whole."""
    control_planes: t.ClassVar[tuple[str, ...]] = ("istiod",)
    """The values of ``mesh_control_plane`` that are valid for its clusters."""
    multicluster: t.ClassVar[bool] = False
    """Whether it has multi-cluster services of its own; elsewhere the services stage makes them."""
    front_door: t.ClassVar[str] = ""
    """What a front door is before its clusters: ``google``, a load balancer of Google's; ``engine``, a container of
    this machine; ``files``, Envoy on machines of the user's, who gets its files; "" where there is none."""
    platform: t.ClassVar[str] = ""
    """``global.platform`` of Istio's charts; "" for none."""
    edge: t.ClassVar[str] = ""
    """The module of this collection, below ``plugins``, that asks the provider how its clusters are reached; "" if the
    inventory says that. ``plugin_utils/base/provider_edge.py`` imports it for fleets with such a cluster only."""

    def exists(self, variables: Values) -> bool:
        """Whether a cluster exists before the first run: ``preflight`` connects to it then."""
        return not self.role

    def connection(self, host: str, variables: Values, directory: str) -> Connection:
        """How a cluster is reached, as far as the inventory says so.

        Args:
            host: its name.
            variables: its variables.
            directory: the folder with the kubeconfigs and the state of its fleet.
        """
        return Connection(
            kubeconfig=text(variables, "cluster_kubeconfig"),
            context=text(variables, "cluster_context"),
            server=text(variables, "cluster_api_url"),
            token=text(variables, "cluster_api_token"),
            ca_pem=text(variables, "cluster_api_ca"),
        )

    def wrong_size(self, kind: str, prefix: int) -> tuple[str, str] | None:
        """What is wrong with the size of a range, and what would be valid; None if it is.

        Args:
            kind: pod or service.
            prefix: the range's prefix length.
        """
        if prefix > _SMALLEST:
            return "is too small", f"at least a /{_SMALLEST}"
        if kind == "service" and prefix < _LARGEST_SERVICES:
            return "is too large", f"kube-apiserver accepts at most a /{_LARGEST_SERVICES}"
        return None

    def further_ranges(self, fleet: Fleet) -> list[tuple[str, str, str]]:
        """Of its clusters, what they have besides ranges of pods and services: cluster, what it is, and IPv4 CIDR."""
        return []

    def patience(self, variables: Values) -> int:
        """How many times longer than elsewhere pods of a cluster may need to start: there nodes are made for them."""
        return 1

    # Checks. Each value is valid by itself.

    def check_name(self, host: str, variables: Values) -> list[Problem]:
        """Problems of a cluster's name, which is a DNS-1123 label."""
        return []

    def check_cluster(self, host: str, variables: Values, environment: t.Mapping[str, str]) -> list[Problem]:
        """Problems of one of its clusters; ``environment`` holds environment variables."""
        return []

    def check_fleet(self, hosts: Hosts, fleet: Fleet | None) -> list[Problem]:
        """Problems of its clusters together.

        Args:
            hosts: the hosts of all providers.
            fleet: the fleet of these hosts; None if their ranges are invalid.
        """
        return []

    def check_front_door(self, hosts: Hosts) -> list[Problem]:
        """Problems of its clusters behind one front door; ``hosts`` of all providers are those that it leads to."""
        return []
