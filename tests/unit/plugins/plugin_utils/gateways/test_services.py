# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Service counts as a cluster's gateway."""

from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import FLEET_LABEL, PART_OF
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.services import find_gateways

EAST, IN = "istio-eastwestgateway", "istio-ingressgateway"


def service(namespace: str, name: str = EAST, *, ours: bool = True, fleet: str = "prod") -> dict[str, t.Any]:
    labels = {"istio": name.removeprefix("istio-"), **({PART_OF: "gateways"} if ours else {})}
    if fleet:
        labels[FLEET_LABEL] = fleet
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}}


@pytest.mark.parametrize(
    ("services", "found"),
    [
        ([service("istio-system")], {EAST: "istio-system"}),
        ([service("edge"), service("doors", IN)], {EAST: "edge", IN: "doors"}),
        ([service("edge"), service("istio-system", ours=False)], {EAST: "edge"}),
        ([service("a"), service("istio-system"), service("z")], {EAST: "istio-system"}),
        ([service("z"), service("a")], {EAST: "a"}),
        ([service("istio-system", ours=False)], {EAST: "istio-system"}),
        ([service("elsewhere", ours=False)], {}),
        ([service("a", fleet="staging"), service("edge")], {EAST: "edge"}),
        ([service("elsewhere", fleet="staging")], {}),
        ([service("edge", fleet="")], {EAST: "edge"}),
        ([service("istio-system", "another-gateway")], {}),
        ([], {}),
    ],
)
def test_ours_first_then_where_it_is_expected(services: list[dict[str, t.Any]], found: dict[str, str]) -> None:
    class Kube:
        async def list(self, _api: str, kind: str, *, labels: str) -> list[dict[str, t.Any]]:
            assert kind == "Service" and "eastwestgateway" in labels
            return services

    seen = asyncio.run(find_gateways(Kube(), "prod", "istio-system"))
    assert {name: one["metadata"]["namespace"] for name, one in seen.items()} == found
