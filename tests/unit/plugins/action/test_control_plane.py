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


class Former:
    """The API server of a cluster whose istiod was uninstalled just now, or is somebody else's and stays."""

    def __init__(self, *deployments: str) -> None:
        self.deployments, self.awaited = deployments, list[str]()

    async def get(self, _api: str, _kind: str, name: str, _namespace: str) -> dict[str, t.Any] | None:
        return {"metadata": {"name": name}} if name in self.deployments else None

    async def list(self, *_: t.Any, **__: t.Any) -> list[dict[str, t.Any]]:
        return [{"metadata": {"name": "istiod-7d-x", "labels": {"istio.io/rev": "default"}}}]

    async def wait(self, _api: str, _kind: str, name: str, *_: t.Any, **__: t.Any) -> None:
        self.awaited.append(name)


@pytest.mark.parametrize(
    ("deployments", "check_mode", "awaited"),
    [((), False, ["istiod-7d-x"]), (("istiod",), False, []), ((), True, [])],
    ids=["uninstalled", "of somebody else", "check mode"],
)
def test_a_new_remote_is_done_when_its_istiod_is_gone(
    monkeypatch: pytest.MonkeyPatch, deployments: tuple[str, ...], check_mode: bool, awaited: list[str]
) -> None:
    """Peering then takes away what that istiod signs with."""

    async def nothing(*_: t.Any, **__: t.Any) -> list[t.Any]:
        return []

    monkeypatch.setattr(control_plane, "ensure_namespace", nothing)
    monkeypatch.setattr(control_plane, "other_users", nothing)
    monkeypatch.setattr(control_plane, "check_admission", nothing)
    monkeypatch.setattr(control_plane, "our_releases", nothing)
    monkeypatch.setattr(control_plane, "remove_endpoints", nothing)
    action = types.SimpleNamespace(
        check_mode=check_mode,
        releases=nothing,
        _wanted=lambda *_, **__: [],
        _wait_for_istiod_gone=control_plane.ActionModule._wait_for_istiod_gone,
    )
    fleet, kube = read_fleet(HOSTS, Environment()), Former(*deployments)
    args: dict[str, t.Any] = {"primary_address": "192.0.2.1", "helm": "", "timeout": 2, "tag": ""}
    args |= {
        "values": {},
        "istiod_values": {},
        "cni_values": {},
        "cni_namespace": "kube-system",
        "sample_namespace": "istio-apps",
    }
    args |= {"gateways_values": {}, "gateways_eastwest_values": {}, "gateways_ingress_values": {}}
    args |= {"gateways_namespace": "", "gateways_eastwest": "auto", "gateways_ingress": True, "sample": {}}
    present = control_plane.ActionModule._present(
        t.cast("t.Any", action), t.cast("t.Any", kube), fleet, fleet.clusters["edge"], args, {}
    )
    asyncio.run(present)
    assert kube.awaited == awaited
