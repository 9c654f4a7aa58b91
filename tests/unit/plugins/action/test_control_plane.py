# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""At which address a remote finds its primary."""

from __future__ import annotations

import asyncio
import contextlib
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.action import control_plane
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

HOSTS = {
    "west": {"cluster_provider": "kubeconfig"},
    "edge": {"cluster_provider": "kubeconfig", "mesh_role": "remote", "mesh_primary": "west"},
}


def address(monkeypatch: pytest.MonkeyPatch, service: dict[str, t.Any] | None) -> str:
    fleet = read_fleet(HOSTS, Environment())

    @contextlib.asynccontextmanager
    async def connect(*_: t.Any, **__: t.Any) -> t.AsyncIterator[None]:
        yield None

    async def find(*_: t.Any) -> dict[str, t.Any]:
        return {} if service is None else {"istio-eastwestgateway": service}

    monkeypatch.setattr(control_plane.Kube, "connect", connect)
    monkeypatch.setattr(control_plane, "find_gateways", find)
    action = t.cast("control_plane.ActionModule", types.SimpleNamespace(check_mode=False))
    return asyncio.run(control_plane.ActionModule._primary_address(action, fleet, fleet.clusters["edge"]))


def service(kind: str, *ips: str) -> dict[str, t.Any]:
    given = {"ingress": [{"ip": ip} for ip in ips]}
    return {"spec": {"type": kind, "clusterIP": "10.96.0.9"}, "status": {"loadBalancer": given}}


def test_a_remote_gets_the_load_balancers_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address(monkeypatch, service("LoadBalancer", "192.0.2.1")) == "192.0.2.1"


@pytest.mark.parametrize(
    ("live", "seen"),
    [
        (service("NodePort"), "it is of type NodePort"),
        (service("ClusterIP"), "it is of type ClusterIP"),
        (service("LoadBalancer"), "it has no load balancer address"),
        (None, "there is none"),
    ],
)
def test_without_one_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, live: dict[str, t.Any] | None, seen: str
) -> None:
    with pytest.raises(FleetError) as caught:
        address(monkeypatch, live)
    assert caught.value.seen == seen
    assert "control_plane_primary_address" in caught.value.next_step
    assert ("run again" in caught.value.next_step) is ("type" not in seen), "a rerun gives such a type no address"
