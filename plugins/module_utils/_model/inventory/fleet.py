# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fleet and its clusters, as plain data.

``providers/reading.py`` makes it from an inventory. The fields have their defaults; ``Cluster.variables`` holds all
variables of the host as the inventory has them. Fields that only some tasks need of a few clusters are computed when
somebody reads them: their values may be lookups, which cost time and may need a vault.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from .connection import Connection
from .pods import NO_POD_SETTINGS, PodSettings

__all__ = ["OPENSHIFT", "ROLE_PRIMARY", "ROLE_REMOTE", "Cluster", "Fleet"]

ROLE_PRIMARY = "primary"
ROLE_REMOTE = "remote"
OPENSHIFT = "openshift"
"""The platform that chooses the user of each pod itself, and where sidecars need the CNI agent."""

_T = t.TypeVar("_T")


class _Later(t.Generic[_T]):
    """A field without default that is given as its value, or as a function that gives it when the field is read."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, cluster: t.Any, owner: type | None = None) -> _T:
        if cluster is None:
            raise AttributeError(self._name)  # this is how dataclasses learn that there is no default
        given = vars(cluster)[self._name]
        if callable(given):
            given = vars(cluster)[self._name] = given()
        return t.cast("_T", given)

    def __set__(self, cluster: t.Any, value: _T | t.Callable[[], _T]) -> None:
        vars(cluster)[self._name] = value


@dataclasses.dataclass(frozen=True)
class Cluster:
    """One host of the inventory group ``mesh_clusters``."""

    name: str
    provider: str
    network: str
    role: str
    primary: str
    """The primary that serves it; its own name for a primary."""
    control_plane: str
    peers: tuple[str, ...] | None
    """Clusters it watches; None means every other one."""
    pod_cidr: str
    service_cidr: str
    region: _Later[str] = _Later()
    zone: _Later[str] = _Later()
    connection: _Later[Connection] = _Later()
    peer_endpoint: _Later[str] = _Later()
    """API address for the other clusters' istiods; "" when it is the connection's own."""
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    take_over: bool = False
    """Whether a run may change and remove there what others made."""
    platform: str = ""
    """``global.platform`` of Istio's charts; "" for none."""
    cni: bool = False
    """Whether Istio's CNI agent sets up the network of pods with a sidecar."""
    pods: PodSettings = NO_POD_SETTINGS
    variables: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict, repr=False)

    def with_connection(self, connection: t.Callable[[], Connection]) -> Cluster:
        """The same cluster, reached by what ``connection`` returns when somebody asks for it."""
        changed = copy.copy(self)  # not dataclasses.replace(), which reads every field
        object.__setattr__(changed, "connection", connection)
        return changed


@dataclasses.dataclass(frozen=True)
class Fleet:
    """All clusters of one mesh and what they have in common."""

    name: str
    directory: str
    """Where this fleet keeps its kubeconfigs and state on the controller."""
    mesh_id: str
    trust_domain: str
    istio_version: str
    revision: str
    namespace: str
    clusters: t.Mapping[str, Cluster]
    hub: str = ""
    """Where Istio's images are; "" for where the artifacts come from."""
    tag: str = ""
    """Tag of Istio's images; "" for the Istio version."""
    engine_network: str = ""
    """Range of the container network of local clusters; "" when the engine chooses."""
    global_ranges: tuple[str, str] = ("", "")
    """IPv4 and IPv6 range of the addresses of global names."""
    state_cluster: str = ""
    """The cluster that keeps what must not be lost, as the root's key; "" for the controller."""
    federated: bool = False
    """Whether other meshes may call it, or it calls them."""
    confined: bool = False
    """Whether a service that is not exported is reached from its own cluster only."""

    def primaries(self) -> list[Cluster]:
        """Clusters with a control plane of their own, an istiod of ours or one that Google runs."""
        return [c for c in self.clusters.values() if c.role == ROLE_PRIMARY]

    def networks(self) -> dict[str, list[Cluster]]:
        """Clusters by network, in inventory order."""
        found: dict[str, list[Cluster]] = {}
        for cluster in self.clusters.values():
            found.setdefault(cluster.network, []).append(cluster)
        return found
