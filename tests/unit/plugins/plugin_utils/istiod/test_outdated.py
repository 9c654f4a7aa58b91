# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When teardown names workloads that keep a sidecar."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.outdated import say_what_is_injected

HOSTS = {
    "west": {"cluster_provider": "kubeconfig", "fleet_name": "shop"},
    "edge": {"cluster_provider": "kubeconfig", "mesh_role": "remote", "mesh_primary": "west"},
}


class Cluster:
    """A cluster where a pod has a sidecar, and these Deployments run in istio-system."""

    absent = False

    def __init__(self, name: str, *deployments: str) -> None:
        env = [{"name": "ISTIO_META_CLUSTER_ID", "value": name}]
        spec = {"containers": [{"name": "istio-proxy", "env": env}]}
        self.pod = {"metadata": {"namespace": "default", "name": "kept"}, "spec": spec}
        self.deployments = [("istio-system", one) for one in deployments]

    async def get(self, _api: str, _kind: str, name: str, namespace: str) -> dict[str, t.Any] | None:
        return {"metadata": {"name": name}} if (namespace, name) in self.deployments else None

    async def list(self, *_: str, **__: t.Any) -> list[dict[str, t.Any]]:
        return [self.pod]


def said(name: str, *deployments: str) -> list[str]:
    fleet = read_fleet(HOSTS)
    kube = t.cast("t.Any", Cluster(name, *deployments))
    return asyncio.run(say_what_is_injected(kube, fleet, fleet.clusters[name]))


def test_sidecars_are_named_where_their_istiod_is_gone() -> None:
    for name in HOSTS:
        (warning,) = said(name, "istiod-other")
        assert warning.startswith(f"{name}: pods still have sidecars of the mesh that was removed: Pod default/kept")


def test_an_istiod_that_stays_goes_on_serving_its_sidecars() -> None:
    """A release that is kept, or another fleet's with the same revision."""
    assert said("west", "istiod") == []
