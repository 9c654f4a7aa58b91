# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts of routes that somebody else serves at the same gateway, whichever of its labels theirs selects it by."""

from __future__ import annotations

import asyncio
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.objects import Place
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.ingress.needs import also_served

PLACE = Place("istio-system", "networking.istio.io/v1")
FLEET = read_fleet(
    {
        "west": {"cluster_provider": "kind"},
        "edge": {"cluster_provider": "kind", "mesh_role": "remote", "mesh_primary": "west"},
        "east": {"cluster_provider": "kind"},
    }
)


class Kube:
    """An API server with a Gateway of somebody else's, and a VirtualService by it."""

    cluster, absent = "west", False

    def __init__(self, selector: dict[str, str], hosts: list[str]) -> None:
        server = {"port": {"number": 80}, "hosts": hosts}
        meta = {"namespace": "shop", "name": "theirs"}
        self.held = {
            "Gateway": {"metadata": meta, "spec": {"selector": selector, "servers": [server]}},
            "VirtualService": {"metadata": meta, "spec": {"hosts": ["shop.example"], "gateways": ["theirs"]}},
        }

    async def list(self, api: str, kind: str) -> list[t.Any]:
        return [self.held[kind]] if api == PLACE.istio_api else []


@pytest.mark.parametrize(
    ("selector", "told"),
    [
        ({"istio": "ingressgateway"}, True),
        ({"app": "istio-ingressgateway"}, True),
        ({"app": "istio-ingressgateway", "istio": "ingressgateway"}, True),
        ({"istio": "ingressgateway", "topology.istio.io/cluster": "edge"}, True),
        ({}, True),
        ({"istio": "ingressgateway", "topology.istio.io/cluster": "east"}, False),
        ({"app": "theirs"}, False),
    ],
)
@pytest.mark.parametrize(("hosts", "kind"), [(["shop.example"], "Gateway"), (["*.example"], "VirtualService")])
def test_whoever_serves_a_host_too_is_told(selector: dict[str, str], told: bool, hosts: list[str], kind: str) -> None:
    sites = t.cast("t.Any", [types.SimpleNamespace(host="shop.example")])
    warnings = asyncio.run(also_served(t.cast("t.Any", Kube(selector, hosts)), sites, PLACE, FLEET))
    where = f"west: {kind} shop/theirs has the host shop.example of ingress_routes too: take it out of one of them"
    assert warnings == [where] * told
