# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of Istio is removed after Helm, on a real API server."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.leftovers import remove_leftovers

from .manifests import crd, namespace_of

FLEET = read_fleet({"west": {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "/k", "cluster_region": "eu"}})


def installed(group: str, release: str) -> dict[str, t.Any]:
    kind = crd(group)
    kind["metadata"]["annotations"] = {"meta.helm.sh/release-name": release}
    return kind


def test_a_crd_that_holds_objects_stays(connect: t.Callable[..., Kube], namespace: str) -> None:
    full, empty, theirs = (f"{name}-{namespace}.istio.io" for name in ("full", "empty", "theirs"))
    crds = [installed(full, "istio-base"), installed(empty, "istio-base"), installed(theirs, "operator")]
    widget = {"apiVersion": f"{full}/v1", "kind": "Widget", "metadata": {"name": "used", "namespace": namespace}}

    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace), *crds, widget])
            try:
                changes, kept = await remove_leftovers(kube, FLEET, crds=True, dry_run=False)
                assert kept == [f"CRD widgets.{full} holds {namespace}/used"]
                assert f"widgets.{empty}" in [c.name for c in changes if c.action == "removed"]
                left = {o["metadata"]["name"] for o in await kube.list("apiextensions.k8s.io/v1", crds[0]["kind"])}
                assert {f"widgets.{full}", f"widgets.{theirs}"} <= left and f"widgets.{empty}" not in left
                assert await kube.get(f"{full}/v1", "Widget", "used", namespace) is not None
            finally:
                await kube.remove(crds)

    asyncio.run(run())
