# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the east-west gateways expose, as Istio's objects: services to other networks, istiod to its remotes."""

from __future__ import annotations

import typing as t

from ..control_planes.registry import control_plane_of, own_networks
from ..inventory.fleet import Cluster, Fleet
from .helm_values import EASTWEST, istiod_name, remotes_of
from .ownership import owner_labels

__all__ = ["ISTIOD_GATEWAY", "cross_network_gateway", "expose_istiod"]

ISTIOD_GATEWAY = "istiod-gateway"

Manifest = dict[str, t.Any]


def _gateway(fleet: Fleet, name: str, servers: list[Manifest]) -> Manifest:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": fleet.namespace, "labels": owner_labels("gateways", fleet.name)},
        "spec": {"selector": {"istio": EASTWEST.removeprefix("istio-")}, "servers": servers},
    }


def cross_network_gateway(fleet: Fleet, cluster: Cluster) -> list[Manifest]:
    """Port 15443 of the east-west gateways: forwards mesh TLS to services by its SNI, also to global names.

    Only primaries hold configuration: a remote's gateway is configured by its primary. Where only other meshes call,
    the cluster's own names are not forwarded.
    """
    networks = len(own_networks(fleet))
    if not control_plane_of(fleet, cluster).has_istiod or not (networks > 1 or fleet.federated):
        return []
    return [
        _gateway(
            fleet,
            "cross-network-gateway",
            [
                {
                    "port": {"number": 15443, "name": "tls", "protocol": "TLS"},
                    "tls": {"mode": "AUTO_PASSTHROUGH"},
                    "hosts": ["*.local", "*.global"] if networks > 1 else ["*.global"],
                }
            ],
        )
    ]


def expose_istiod(fleet: Fleet, cluster: Cluster) -> list[Manifest]:
    """What exposes a primary's istiod to the remotes it serves: ports 15012 (xDS) and 15017 (injection)."""
    if not remotes_of(fleet, cluster.name):
        return []
    ports = (("tls-istiod", 15012, 15012), ("tls-istiodwebhook", 15017, 443))
    host = f"{istiod_name(fleet)}.{fleet.namespace}.svc.cluster.local"
    servers = [
        {
            "port": {"name": name, "number": port, "protocol": "TLS"},
            "tls": {"mode": "PASSTHROUGH"},
            "hosts": ["*"],
        }
        for name, port, _target in ports
    ]
    routes = [
        {
            "match": [{"port": port, "sniHosts": ["*"]}],
            "route": [{"destination": {"host": host, "port": {"number": target}}}],
        }
        for _name, port, target in ports
    ]
    return [
        _gateway(fleet, ISTIOD_GATEWAY, servers),
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {
                "name": "istiod-vs",
                "namespace": fleet.namespace,
                "labels": owner_labels("gateways", fleet.name),
            },
            "spec": {"hosts": ["*"], "gateways": [ISTIOD_GATEWAY], "tls": routes},
        },
    ]
