# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions of the istiods that run in the fleet, and whether a wanted one goes beside them."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import clusters_with_istiod
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.versions import skew
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each

__all__ = ["check_skew", "running_versions"]

_CONTAINER = "discovery"


async def running_versions(kube: Reader, fleet: Fleet) -> dict[str, str]:
    """Image tag by istiod Deployment, of every revision in this cluster."""
    found = {}
    for deployment in await kube.list("apps/v1", "Deployment", namespace=fleet.namespace, labels={"app": "istiod"}):
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            if container["name"] == _CONTAINER:
                found[deployment["metadata"]["name"]] = str(container["image"]).rsplit("/", 1)[-1]
    return found


async def check_skew(fleet: Fleet, tag: str) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Refuse a version that is more than one minor away from what runs anywhere in the fleet.

    Returns:
        What runs, by cluster, and the clusters that did not answer.
    Raises:
        FleetError: the skew is too large.
    """
    wanted = tag or fleet.istio_version

    async def look(name: str) -> dict[str, str]:
        async with Kube.connect(fleet.clusters[name].connection, cluster=name, absent_ok=True) as kube:
            return await running_versions(kube, fleet)

    # Google chooses the version of what it runs.
    primaries = [cluster.name for cluster in clusters_with_istiod(fleet)]
    answers, silent = await on_each(primaries, look)
    found = {name: versions for name, versions in answers.items() if versions}
    for name, versions in found.items():
        for deployment, image in versions.items():
            if skew(wanted, image) > 1:
                raise FleetError(
                    f"Istio {wanted} is more than one minor version away from what runs here",
                    cluster=name,
                    obj=f"Deployment {fleet.namespace}/{deployment}",
                    seen=image,
                    means="Istio supports one minor version between control planes, and between them and proxies",
                    next_step="set mesh_istio_version to the next minor version, roll it out, and go on from there",
                )
    return found, list(silent)
