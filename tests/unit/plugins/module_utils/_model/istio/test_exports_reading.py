# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which settings make an istiod read ServiceExports."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.exports_reading import (
    exports_all,
    is_running,
    reads_exports,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import _exports_values

APIS = ["multicluster.x-k8s.io/v1beta1", "multicluster.x-k8s.io/v1alpha1"]
BOTH = {"ENABLE_MCS_SERVICE_DISCOVERY": "true", "ENABLE_MCS_HOST": "true"}


def istiod(box: str = "discovery", replicas: int = 1, **settings: str) -> dict[str, t.Any]:
    env = [{"name": name, "value": value} for name, value in settings.items()]
    containers = [{"name": box, "env": env}, {"name": "other"}]
    return {"spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}}}


def test_both_settings_are_needed() -> None:
    assert reads_exports(istiod(**BOTH), APIS)
    assert reads_exports(istiod(**dict.fromkeys(BOTH, "1")), APIS)
    for name in BOTH:
        assert not reads_exports(istiod(**{**BOTH, name: "false"}), APIS)
        assert not reads_exports(istiod(**{key: value for key, value in BOTH.items() if key != name}), APIS)
    # What Go does not take for true is an error there, and the default holds.
    assert not reads_exports(istiod(**dict.fromkeys(BOTH, "yes")), APIS)
    assert not reads_exports(istiod("other", **BOTH), APIS), "settings of a container beside it are not istiod's"


@pytest.mark.parametrize("setting", [{"MCS_API_VERSION": "v2"}, {"MCS_API_GROUP": "net.gke.io"}])
def test_kinds_that_the_cluster_lacks_are_not_read(setting: dict[str, str]) -> None:
    assert not reads_exports(istiod(**BOTH, **setting), APIS)


def test_istiods_of_ours_read_them() -> None:
    for api in APIS:
        env = _exports_values(api)["pilot"]["env"]
        assert reads_exports(istiod(**env), [api])
        assert not exports_all(istiod(**env))
    assert exports_all(istiod(**BOTH, ENABLE_MCS_AUTO_EXPORT="true"))


def test_one_that_still_has_pods_runs() -> None:
    assert is_running(istiod())
    assert not is_running(istiod(replicas=0))
    assert is_running({**istiod(replicas=0), "status": {"replicas": 1}})
