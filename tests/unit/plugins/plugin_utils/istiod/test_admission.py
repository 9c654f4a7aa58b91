# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which pods an action's options say that a cluster gets."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import EASTWEST, INGRESS
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.admission import said_of_pods

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
