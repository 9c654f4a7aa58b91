# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which pods an action's options say that a cluster gets."""

from __future__ import annotations

import asyncio
import types
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import EASTWEST, INGRESS
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.admission import check_admission, said_of_pods
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.cni_agent import Agent

EVERY, EAST, OUTER = {"a": 1}, {"b": 2}, {"c": 3}
ARGS: dict[str, t.Any] = {
    "cni_values": {"e": 5},
    "gateways_values": EVERY,
    "gateways_eastwest_values": EAST,
    "gateways_ingress_values": OUTER,
    "gateways_namespace": "edge",
    "gateways_eastwest": "auto",
    "gateways_ingress": True,
    "sample": {},
    "sample_namespace": "shop",
}


def said(network: str = "one", **args: t.Any) -> t.Any:
    base = {"cluster_provider": "kubeconfig"}
    hosts = {"west": {**base, "mesh_network": "one"}, "north": {**base, "mesh_network": network}}
    fleet = read_fleet(hosts)
    return said_of_pods({**ARGS, **args}, fleet, fleet.clusters["west"], {"d": 4})


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ({}, {INGRESS: (EVERY, OUTER)}),
        ({"gateways_ingress": False}, {}),
        ({"gateways_ingress": ["north"], "gateways_eastwest": "always"}, {EASTWEST: (EVERY, EAST)}),
        ({"gateways_ingress": ["west"], "network": "two"}, {EASTWEST: (EVERY, EAST), INGRESS: (EVERY, OUTER)}),
        ({"gateways_ingress": "no", "gateways_eastwest": "never", "network": "two"}, {}),
    ],
)
def test_each_wanted_gateway_has_its_own_values(args: dict[str, t.Any], wanted: dict[str, t.Any]) -> None:
    found = said(**args)
    assert found.cni_values == {"e": 5}
    assert (found.gateways, found.gateways_namespace, found.istiod_values) == (wanted, "edge", ({"d": 4},))


@pytest.mark.parametrize(
    ("sample", "namespace"),
    [
        ({}, ""),
        ({"caller": "none", "producer": ["north"]}, ""),
        ({"caller": "none", "producer": ["west"]}, "shop"),
        ({"caller": "all"}, "shop"),
    ],
)
def test_the_sample_is_asked_about_where_it_is_wanted(sample: dict[str, t.Any], namespace: str) -> None:
    assert said(sample=sample).sample_namespace == namespace


class Cluster:
    """A cluster that takes every pod, and has no Secrets."""

    absent = False

    def __init__(self) -> None:
        self.read: list[str] = []
        self.transport = types.SimpleNamespace(request=self.request)

    async def request(self, *_: t.Any, **__: t.Any) -> dict[str, t.Any]:
        return {}

    async def get(self, _api: str, kind: str, name: str, _namespace: str = "") -> dict[str, t.Any] | None:
        self.read.append(kind)
        return {"metadata": {"name": name}} if kind == "Namespace" else None


@pytest.mark.parametrize("secrets", [True, False])
def test_secrets_are_read_only_for_who_says_what_is_missing(secrets: bool) -> None:
    fleet = read_fleet({"west": {"cluster_provider": "kubeconfig", "mesh_pods": {"image_pull_secrets": ["pull"]}}})
    west, kube = fleet.clusters["west"], Cluster()
    pods = said_of_pods(ARGS, fleet, west)
    ran = check_admission(t.cast("t.Any", kube), fleet, west, Agent("", wanted=False), pods, secrets=secrets)
    assert bool(asyncio.run(ran)) is secrets
    assert ("Secret" in kube.read) is secrets
