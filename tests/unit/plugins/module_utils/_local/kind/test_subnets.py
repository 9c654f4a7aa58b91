# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses of a local fleet never overlap."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.subnets import (
    choose_subnet,
    container_range,
    load_balancer_block,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

POOL = "10.90.0.0/16"


@st.composite
def networks(draw: st.DrawFn) -> str:
    prefix = draw(st.integers(min_value=16, max_value=26))
    address = draw(st.integers(min_value=int(ipaddress.IPv4Address("10.88.0.0")), max_value=0x0A5C0000))
    return str(ipaddress.IPv4Network((address, prefix), strict=False))


@given(used=st.lists(networks(), max_size=30))
def test_what_is_chosen_is_inside_and_free(used: list[str]) -> None:
    candidates = ipaddress.IPv4Network(POOL).subnets(new_prefix=22)
    if all(any(s.overlaps(ipaddress.IPv4Network(n)) for n in used) for s in candidates):
        with pytest.raises(FleetError, match="set fleet_engine_network to a range that is free here"):
            choose_subnet(POOL, used)
        return
    chosen = ipaddress.IPv4Network(choose_subnet(POOL, used))
    assert chosen.subnet_of(ipaddress.IPv4Network(POOL))
    assert not any(chosen.overlaps(ipaddress.IPv4Network(n)) for n in used)


@given(fleets=st.integers(min_value=1, max_value=20))
def test_fleets_side_by_side_get_networks_of_their_own(fleets: int) -> None:
    used: list[str] = []
    for _number in range(fleets):
        used.append(choose_subnet(POOL, used))
    assert len(set(used)) == fleets


def test_a_range_of_the_users_own_is_used_whole() -> None:
    assert choose_subnet("192.168.7.0/24", []) == "192.168.7.0/24"
    with pytest.raises(FleetError, match=r"no free network in 192\.168\.7\.0/24"):
        choose_subnet("192.168.7.0/24", ["192.168.0.0/16"])


@given(prefix=st.integers(min_value=20, max_value=27), data=st.data())
def test_blocks_overlap_neither_each_other_nor_containers(prefix: int, data: st.DataObject) -> None:
    subnet = ipaddress.IPv4Network(("10.90.0.0", prefix))
    numbers = st.integers(min_value=0, max_value=300)
    one, other = data.draw(numbers), data.draw(numbers)
    room = 2 ** max(0, 29 - prefix - 1) - 1
    if max(one, other) >= room:
        with pytest.raises(FleetError, match="set fleet_engine_network to a larger range"):
            load_balancer_block(str(subnet), max(one, other))
        return
    blocks = [ipaddress.IPv4Network(load_balancer_block(str(subnet), n)) for n in (one, other)]
    containers = ipaddress.IPv4Network(container_range(str(subnet)))
    for block in blocks:
        assert block.subnet_of(subnet)
        assert not block.overlaps(containers)
        assert subnet.broadcast_address not in block
    assert (one == other) == blocks[0].overlaps(blocks[1])
