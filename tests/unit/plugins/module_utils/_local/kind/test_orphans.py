# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose clusters are found on a machine, recognised by names, networks and the mark inside a node."""

from __future__ import annotations

import asyncio
import json
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.command import Done
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.machine import Machine
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.fleet import KindFleet
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.orphans import KIND_LABEL, find_orphans


class Nodes(Engine):
    """An engine with these nodes: network and mark by container."""

    def __init__(self, nodes: dict[str, tuple[str, str]]) -> None:
        super().__init__("podman", t.cast(Machine, types.SimpleNamespace(root=True)))
        self.nodes = nodes

    async def run(self, *argv: str, what: str = "", **options: t.Any) -> Done:
        if argv[0] == "ps":
            assert f"label={KIND_LABEL}" in argv and "--all" in argv
            return Done(0, "\n".join(self.nodes), "")
        if argv[:2] == ("container", "inspect"):
            networks = {name: {} for name in [self.nodes[argv[2]][0]] if name}
            return Done(0, json.dumps([{"Name": argv[2], "NetworkSettings": {"Networks": networks}}]), "")
        assert argv[0] == "cp"
        mark = self.nodes[argv[1].partition(":")[0]][1]
        return Done(0 if mark else 1, json.dumps({"fleet": mark}), "")


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ({"shop-west-control-plane": ("mesh-fleet-shop", "shop")}, []),
        ({"shop-old-control-plane": ("mesh-fleet-shop", "shop")}, ["old"]),
        ({"shop-half-made-control-plane": ("mesh-fleet-shop", "")}, ["half-made"]),
        ({"shop-between-control-plane": ("", "shop")}, ["between"]),
        ({"shop-two-west-control-plane": ("mesh-fleet-shop-two", "shop-two")}, []),
        ({"shop-nobodys-control-plane": ("", "")}, []),
        ({"shop-someones-control-plane": ("kind", "")}, []),
        ({"kind-control-plane": ("kind", ""), "shop-old-worker": ("mesh-fleet-shop", "")}, []),
        ({"shop--control-plane": ("mesh-fleet-shop", "")}, []),
        (
            {
                "kind-control-plane": ("kind", ""),
                "shop-apart-control-plane": ("kind", ""),
                "shop-old-control-plane": ("mesh-fleet-shop", "shop"),
            },
            ["old"],
        ),
        ({}, []),
    ],
)
def test_only_what_is_surely_of_this_fleet_and_not_named(nodes: dict[str, tuple[str, str]], found: list[str]) -> None:
    fleet = KindFleet("shop", Path("/nowhere"), Nodes(nodes), "kind")
    orphans = asyncio.run(find_orphans(fleet, {"west"}))
    assert [cluster.name for cluster in orphans] == found
