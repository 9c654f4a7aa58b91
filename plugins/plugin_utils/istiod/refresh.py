# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restart an istiod that still knows its remotes' pods under the trust domain that their mesh configuration had before.

istiod gives each endpoint its identity when it first reads the pod. It notices when a remote's mesh configuration
comes or changes later, but keeps the identities, and sidecars then refuse the remote's real certificates.
"""

from __future__ import annotations

import asyncio

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import parse_trust_domains
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import mesh_config_name, remotes_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import debug_page, istiod_pods
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.restart import restart_istiod

__all__ = ["refresh_istiod"]


async def refresh_istiod(
    kube: Kube, fleet: Fleet, cluster: Cluster, *, dry_run: bool, seconds: float
) -> tuple[list[Change], list[str]]:
    """Restart the istiod of a primary where that is needed, and wait until the new one is ready.

    Returns:
        The changes, and the remotes because of which it was restarted.
    Raises:
        FleetError: the new istiod is not ready in time.
    """
    remotes = remotes_of(fleet, cluster.name)
    if not remotes or kube.absent:
        return [], []
    known = await _known_domains(kube, fleet)
    outdated = [r for r in remotes if known.get(r.name, set()) - {fleet.trust_domain}]
    declared = await asyncio.gather(*(_declared_domain(fleet, remote) for remote in outdated))
    # Where the remote itself says something else, a restart would read the same again.
    due = [r.name for r, domain in zip(outdated, declared, strict=True) if domain == fleet.trust_domain]
    if not due:
        return [], []
    changes = await restart_istiod(kube, fleet, "trust-domain", dry_run=dry_run, seconds=seconds)
    return changes, due


async def _known_domains(kube: Kube, fleet: Fleet) -> dict[str, set[str]]:
    """By cluster, the trust domains under which the istiods of this cluster know its pods."""
    try:
        pods = await istiod_pods(kube, fleet.namespace, fleet.revision)
    except FleetError:
        return {}
    pages = await asyncio.gather(*(debug_page(kube, fleet.namespace, pod, "endpointShardz") for pod in pods))
    known: dict[str, set[str]] = {}
    for page in pages:
        for name, domains in parse_trust_domains(page).items():
            known.setdefault(name, set()).update(domains)
    return known


async def _declared_domain(fleet: Fleet, remote: Cluster) -> str:
    """The trust domain in a remote's own mesh configuration; "" where it cannot be read."""
    try:
        async with Kube.connect(remote.connection, cluster=remote.name, absent_ok=True) as kube:
            config = await kube.get("v1", "ConfigMap", mesh_config_name(fleet), fleet.namespace)
    except FleetError:
        return ""
    try:
        mesh = yaml.safe_load(((config or {}).get("data") or {}).get("mesh") or "") or {}
    except yaml.YAMLError:
        return ""
    return str(mesh.get("trustDomain") or "") if isinstance(mesh, dict) else ""
