# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rolling restart of istiod, where nothing else helps: the new one is ready before the old one ends."""

from __future__ import annotations

import datetime

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["restart_istiod"]

_MANAGER = "mesh.fleet-restart"
"""A field manager of its own: the rest of the Deployment is Helm's, and stays so."""


async def restart_istiod(kube: Kube, fleet: Fleet, why: str, *, dry_run: bool, seconds: float) -> list[Change]:
    """Restart it and wait; ``why`` ends the name of the annotation with the time and reason of the last one.

    Raises FleetError when the new istiod is not ready in ``seconds``.
    """
    name = istiod_name(fleet)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    again = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": fleet.namespace},
        "spec": {"template": {"metadata": {"annotations": {f"mesh.fleet/restarted-for-{why}": now}}}},
    }
    changes = await kube.apply([again], manager=_MANAGER, dry_run=dry_run)
    if not dry_run:
        await kube.wait_deployment(name, fleet.namespace, timeout=seconds, least=1)
    return changes
