# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import asyncio
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import EASTWEST, INGRESS
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.address import await_address


class Silent:
    """A cluster in which no Service gets an address."""

    cluster = "west"

    async def wait(self, *_: t.Any, **_more: t.Any) -> t.Any:
        raise NotInTime("not as expected", cluster="west", seen="no address")

    async def list(self, *_: t.Any, **_more: t.Any) -> list[t.Any]:
        return []


@pytest.mark.parametrize(("name", "offered"), [(INGRESS, True), (EASTWEST, False)])
def test_only_an_ingress_gateway_can_be_done_without(name: str, offered: bool) -> None:
    with pytest.raises(FleetError) as error:
        asyncio.run(await_address(t.cast("t.Any", Silent()), "istio-system", name, 1))
    assert ("gateways_ingress: false" in error.value.next_step) is offered
    assert "service.type" in error.value.next_step
