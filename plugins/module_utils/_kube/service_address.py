# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a Service is reached, by its type: a load balancer, ports of the nodes, or an address within the cluster."""

from __future__ import annotations

import dataclasses
import typing as t

from .conditions import Live, addresses_of, load_balancer_address, node_ready

__all__ = ["CLUSTER_IP", "LOAD_BALANCER", "NODE_PORT", "NO_SERVICE", "ServiceAddress", "has_address", "service_address"]

LOAD_BALANCER, NODE_PORT, CLUSTER_IP, NO_SERVICE = "LoadBalancer", "NodePort", "ClusterIP", "None"


@dataclasses.dataclass(frozen=True)
class ServiceAddress:
    """Hosts and ports at which a Service is reached."""

    type: str
    """A Service's type, or :data:`NO_SERVICE`."""
    hosts: tuple[str, ...] = ()
    """IPs or hostnames. Of type NodePort: of the ready nodes, their external ones if they have any."""
    ports: t.Mapping[int, int] = dataclasses.field(default_factory=dict)
    """By the Service's port, the port at ``hosts``."""

    @property
    def host(self) -> str:
        return self.hosts[0] if self.hosts else ""

    def at(self, port: int) -> str:
        """``host:port`` for one port of the Service, without the port where it is 80; "" where it has no address."""
        if not self.hosts or port not in self.ports:
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.ports[port] == 80 else f"{host}:{self.ports[port]}"

    def described(self) -> str:
        """One line for people; "" where an address is still to come."""
        if self.type == NO_SERVICE:
            return "without a Service"
        if self.type == CLUSTER_IP:
            return f"{self.host} (within the cluster)" if self.host else "ClusterIP (without an address)"
        if self.type == NODE_PORT:
            ports = ", ".join(f"{port}→{at}" for port, at in self.ports.items())
            return f"nodes {', '.join(self.hosts[:3]) or '(none ready)'} ({ports})"
        return self.host


def service_address(service: Live, nodes: t.Sequence[t.Mapping[str, t.Any]] = ()) -> ServiceAddress:
    """Where ``service`` is reached; ``nodes`` of the cluster are needed for type NodePort only."""
    if service is None:
        return ServiceAddress(NO_SERVICE)
    spec = service.get("spec") or {}
    kind = str(spec.get("type") or CLUSTER_IP)
    ports = {int(p["port"]): int(p["port"]) for p in spec.get("ports") or []}
    outside = (addresses_of(service) if kind == LOAD_BALANCER else []) or [
        str(ip) for ip in spec.get("externalIPs") or []
    ]
    if kind == LOAD_BALANCER or outside:
        return ServiceAddress(LOAD_BALANCER, tuple(outside), ports)
    if kind == NODE_PORT:
        opened = {int(p["port"]): int(p["nodePort"]) for p in spec.get("ports") or [] if p.get("nodePort")}
        return ServiceAddress(NODE_PORT, tuple(_hosts(nodes)), opened)
    ips = [str(ip) for ip in spec.get("clusterIPs") or [spec.get("clusterIP")] if ip and ip != "None"]
    return ServiceAddress(kind, tuple(ips), ports)


def _hosts(nodes: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    found = []
    for node in nodes:
        if not node_ready(node)[0]:
            continue
        addresses = (node.get("status") or {}).get("addresses") or []
        by_type = {str(a.get("type")): str(a.get("address")) for a in reversed(addresses)}
        host = by_type.get("ExternalIP") or by_type.get("InternalIP") or ""
        if host:
            found.append(host)
    return found


def has_address(service: Live) -> tuple[bool, str]:
    """Condition: the Service has what its type gives it. Only a load balancer's address may take long."""
    if service is not None:
        spec = service.get("spec") or {}
        if spec.get("type") != LOAD_BALANCER or spec.get("externalIPs"):
            found = service_address(service)
            if found.type == NODE_PORT and len(found.ports) < len(spec.get("ports") or []):
                return False, "its ports have no node ports yet"
            return True, found.described()
    return load_balancer_address(service)
