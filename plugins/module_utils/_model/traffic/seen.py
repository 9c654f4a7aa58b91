# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was read of the clusters, as far as policies depend on it: services, pods, namespaces."""

from __future__ import annotations

import dataclasses
import typing as t

from ...metadata import labels_of
from ..istio.ownership import MANAGER, has_our_labels

__all__ = ["TRAFFIC", "ClusterSeen", "Port", "Seen", "SeenPod", "SeenService", "is_stub", "ports_of", "see"]

TRAFFIC = "traffic"
"""What objects that a policy makes say in the label ``mesh.fleet/part-of``."""
_PROTOCOLS = (
    "grpc-web",
    "grpc",
    "http2",
    "http",
    "https",
    "mongo",
    "mysql",
    "redis",
    "tcp",
    "tls",
    "udp",
)
"""What Istio knows by the name of a port, up to a dash, or by ``appProtocol``."""
_HTTP2 = ("grpc-web", "grpc", "http2")
_HTTP = (*_HTTP2, "http")
_KUBERNETES = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http"}


@dataclasses.dataclass(frozen=True)
class Port:
    """A port of a Service; ``target`` is the pods' port by number or name, 0 for the same number."""

    number: int
    name: str = ""
    app_protocol: str = ""
    protocol: str = "TCP"
    target: int | str = 0

    @property
    def spoken(self) -> str:
        """What Istio takes it to speak; "" where it must guess by the first bytes of a connection."""
        if self.protocol != "TCP":
            return self.protocol.lower()
        said = (self.app_protocol or self.name).lower()
        said = _KUBERNETES.get(said, said)
        for protocol in _PROTOCOLS:
            if said == protocol or (not self.app_protocol and said.startswith(f"{protocol}-")):
                return protocol
        return ""

    @property
    def is_http(self) -> bool:
        return self.spoken in _HTTP

    @property
    def speaks_http2(self) -> bool:
        """Whether it says so; Istio takes all of these for HTTP/2."""
        return self.spoken in _HTTP2


@dataclasses.dataclass(frozen=True)
class SeenService:
    """A Service; ``ours`` if a policy made it, so that a name resolves where no pods are."""

    name: str
    namespace: str
    ports: tuple[Port, ...] = ()
    selector: tuple[tuple[str, str], ...] = ()
    headless: bool = False
    ours: bool = False

    def selects(self, pod: SeenPod) -> bool:
        """Whether a pod is one of its own; a Service without selector has none that can be known."""
        return bool(self.selector) and pod.namespace == self.namespace and set(self.selector) <= set(pod.labels)


@dataclasses.dataclass(frozen=True)
class SeenPod:
    """A pod, by its labels, sorted."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class ClusterSeen:
    """One cluster; ``pods`` and ``namespaces`` are None where they were not read."""

    services: t.Mapping[tuple[str, str], SeenService] = dataclasses.field(default_factory=dict)
    pods: t.Mapping[str, t.Sequence[SeenPod]] | None = None
    """By namespace."""
    namespaces: frozenset[str] | None = None

    def service(self, name: str, namespace: str) -> SeenService | None:
        """The Service that was there before any policy."""
        found = self.services.get((name, namespace))
        return None if found is None or found.ours else found

    def pods_of(self, service: SeenService) -> list[SeenPod]:
        """The pods of a Service."""
        return [pod for pod in (self.pods or {}).get(service.namespace, ()) if service.selects(pod)]


Seen = t.Mapping[str, ClusterSeen]
"""What was read, by cluster: those that could not be read are missing."""


def see(
    live: t.Mapping[str, t.Iterable[t.Mapping[str, t.Any]]], fleet: str, part: str = TRAFFIC
) -> dict[str, ClusterSeen]:
    """What clusters hold, of the objects that they have.

    Args:
        live: by cluster its Services, Pods and Namespaces; other objects are ignored. Where no cluster has a pod, pods
            were not read.
        fleet: the fleet's name, by whose label our own Services are known.
        part: what the Services that policies made say in the label ``mesh.fleet/part-of``.
    """
    objects = {cluster: list(own) for cluster, own in live.items()}
    with_pods = any(obj.get("kind") == "Pod" for own in objects.values() for obj in own)
    return {cluster: _see(own, fleet, part, with_pods) for cluster, own in objects.items()}


def is_stub(service: t.Mapping[str, t.Any], fleet: str, part: str = TRAFFIC) -> bool:
    """Whether a policy made a Service, and nobody else has written what it says.

    An app that comes to the cluster later brings a Service of this name. Applied over ours it keeps our labels, and is
    theirs.
    """
    written = (service.get("metadata") or {}).get("managedFields") or []
    others = any(
        one.get("manager") != MANAGER and not one.get("subresource") and "f:spec" in (one.get("fieldsV1") or {})
        for one in written
    )
    return has_our_labels(service, fleet, part) and not others


def _see(objects: t.Iterable[t.Mapping[str, t.Any]], fleet: str, part: str, with_pods: bool) -> ClusterSeen:
    services: dict[tuple[str, str], SeenService] = {}
    pods: dict[str, list[SeenPod]] = {}
    namespaces: set[str] = set()
    for obj in objects:
        meta = obj.get("metadata") or {}
        name, namespace = str(meta.get("name")), str(meta.get("namespace") or "")
        if obj.get("kind") == "Service":
            services[name, namespace] = _service(obj, name, namespace, is_stub(obj, fleet, part))
        elif obj.get("kind") == "Pod":
            pods.setdefault(namespace, []).append(SeenPod(namespace, _sorted(labels_of(obj))))
        elif obj.get("kind") == "Namespace":
            namespaces.add(name)
    return ClusterSeen(services, pods if with_pods else None, frozenset(namespaces) if namespaces else None)


def _sorted(labels: t.Mapping[str, t.Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(key), str(value)) for key, value in labels.items()))


def _service(obj: t.Mapping[str, t.Any], name: str, namespace: str, ours: bool) -> SeenService:
    spec = obj.get("spec") or {}
    selector = _sorted(spec.get("selector") or {})
    return SeenService(name, namespace, ports_of(obj), selector, spec.get("clusterIP") == "None", ours)


def ports_of(service: t.Mapping[str, t.Any]) -> tuple[Port, ...]:
    """The ports of a live Service."""
    return tuple(
        Port(
            int(port["port"]),
            str(port.get("name") or ""),
            str(port.get("appProtocol") or ""),
            str(port.get("protocol") or "TCP"),
            port.get("targetPort") or 0,
        )
        for port in (service.get("spec") or {}).get("ports") or []
    )
