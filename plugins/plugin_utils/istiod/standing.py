# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what preflight must know of a cluster that exists already."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.dns_domain import (
    PLACES,
    Dns,
    is_ready,
    said_domains,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.standing import Standing
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["read_standing"]

_T = t.TypeVar("_T")


async def read_standing(kube: Reader) -> Standing:
    """What the cluster has. What this account may not read is left out: the stages that need it say so."""
    namespaces, istiods, nodes, service, dns = await asyncio.gather(
        _allowed(kube.list("v1", "Namespace"), []),
        _allowed(kube.list("apps/v1", "Deployment", labels={"app": "istiod"}), []),
        _allowed(kube.list("v1", "Node"), []),
        _allowed(kube.get("v1", "Service", "kubernetes", "default"), None),
        _dns(kube),
    )
    if nodes and not said_domains(dns):
        # Such as Cloud DNS on GKE: then only kubelet, which writes it into pods, knows.
        up = next((node for node in nodes if is_ready(node)), None)
        name = str((up or nodes[0])["metadata"]["name"])
        asking = kube.get_path(f"/api/v1/nodes/{name}/proxy/configz") if up else None
        dns = dataclasses.replace(dns, node=name, kubelet=await _allowed(asking, None) if asking else None)
    return Standing(namespaces, istiods, nodes, service, dns)


async def _dns(kube: Reader) -> Dns:
    servers = await _allowed(kube.list("apps/v1", "Deployment", "kube-system", {"k8s-app": "kube-dns"}), [])
    configs = await asyncio.gather(*(_allowed(kube.list("v1", "ConfigMap", place), []) for place in PLACES))
    return Dns([config for some in configs for config in some], servers)


async def _allowed(reading: t.Awaitable[_T], otherwise: _T) -> _T:
    try:
        return await reading
    except FleetError:
        return otherwise
