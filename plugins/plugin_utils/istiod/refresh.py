# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restart an istiod that keeps what it read of its remotes before they were what they are now.

istiod gives each endpoint its identity when it first reads the pod. It notices when a remote's mesh configuration
comes or changes later, but keeps the identities, and sidecars then refuse the remote's real certificates.

It also asks only once whether it serves a cluster, by the annotation of the control plane's namespace there, when it
reads the cluster's remote secret. For a cluster that becomes its remote later it does not write the root into new
namespaces.
"""

from __future__ import annotations

import asyncio
import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import parse_trust_domains
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import (
    istiod_name,
    mesh_config_name,
    remotes_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.served import SERVES, is_served, serves
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import LABEL, read_entries
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import debug_page, istiod_pods
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.restart import restart_istiod

__all__ = ["SERVED", "TRUST_DOMAIN", "refresh_istiod"]

TRUST_DOMAIN = "trust-domain"
SERVED = "remotes"
_MANAGER = "mesh.fleet-serves"
"""A field manager of its own: the rest of the Deployment is Helm's, and stays so."""


async def refresh_istiod(
    kube: Kube, fleet: Fleet, cluster: Cluster, *, dry_run: bool, seconds: float
) -> tuple[list[Change], dict[str, list[str]]]:
    """Restart the istiod of a primary where that is needed, and wait until the new one is ready.

    Returns:
        The changes, and by what it did not know (``TRUST_DOMAIN``, ``SERVED``) the remotes because of which it was
        restarted.
    Raises:
        FleetError: the new istiod is not ready in time.
    """
    if kube.absent:
        return [], {}
    remotes = remotes_of(fleet, cluster.name)
    deployment = await kube.get("apps/v1", "Deployment", istiod_name(fleet), fleet.namespace)
    recorded = annotations_of(deployment).get(SERVES, "")
    wanted = serves(cluster, remotes)
    if deployment is None or (not remotes and not recorded):
        return [], {}
    found = {
        TRUST_DOMAIN: await _with_other_domains(kube, fleet, remotes),
        SERVED: await _not_served(kube, fleet, cluster, remotes, recorded),
    }
    due = {why: names for why, names in found.items() if names}
    changes: list[Change] = []
    if due:
        changes += await restart_istiod(kube, fleet, next(iter(due)), dry_run=dry_run, seconds=seconds)
    if recorded != wanted:
        # Afterwards, so that a run that is interrupted restarts it again. It is no change that anybody waits for.
        metadata = {"name": istiod_name(fleet), "namespace": fleet.namespace, "annotations": {SERVES: wanted}}
        record = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
        changes += await kube.apply([record], manager=_MANAGER, dry_run=dry_run)
    return changes, due


async def _with_other_domains(kube: Kube, fleet: Fleet, remotes: t.Sequence[Cluster]) -> list[str]:
    if not remotes:
        return []
    known = await _known_domains(kube, fleet)
    outdated = [r for r in remotes if known.get(r.name, set()) - {fleet.trust_domain}]
    declared = await asyncio.gather(*(_declared_domain(fleet, remote) for remote in outdated))
    # Where the remote itself says something else, a restart would read the same again.
    return [r.name for r, domain in zip(outdated, declared, strict=True) if domain == fleet.trust_domain]


async def _not_served(
    kube: Kube, fleet: Fleet, cluster: Cluster, remotes: t.Sequence[Cluster], recorded: str
) -> list[str]:
    """The remotes that it watched already when they did not name it yet. A new one is read when it is peered."""
    new = [remote.name for remote in remotes if not is_served(cluster, remote.name, recorded)]
    if not new:
        return []
    secrets = await kube.list("v1", "Secret", fleet.namespace, {LABEL: "true"})
    held = {entry.cluster for entry in read_entries(secrets, fleet.name)}
    return [name for name in new if name in held]


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
