# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What clusters have of an export, and what all of them offer."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.live_services import (
    LiveService,
    difference,
    in_cluster,
    merged,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.settings import Export
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port

EXPORT = Export("shop", "store")
FRA = LiveService({"app": "shop"}, (Port(80, "http", target=8080),), frozenset({"shop"}))
IAD = LiveService({"app": "shop", "tier": "web"}, (Port(80, "http", target=80), Port(90)), frozenset({"shop"}))


def test_a_cluster_has_the_selector_of_its_own_service() -> None:
    found = {"fra": FRA, "iad": IAD}
    mesh = merged(EXPORT, found)
    assert mesh.ports == (Port(80, "http", target=8080), Port(90)), "of all, the first cluster of the inventory first"
    own = in_cluster(mesh, found, "iad")
    assert (own.selector, own.ports) == (IAD.selector, IAD.ports)
    assert in_cluster(mesh, found, "without-it") == mesh


def test_services_that_differ_are_named() -> None:
    assert difference({}) == difference({"fra": FRA}) == ""
    assert difference({"fra": FRA, "ord": LiveService(FRA.selector, FRA.ports, frozenset())}) == ""
    assert difference({"fra": FRA, "iad": IAD}) == "selector and ports of its Service in fra and in iad differ"
    same = LiveService(FRA.selector, (Port(80, "http-web", target=8080),), FRA.accounts)
    assert difference({"fra": FRA, "ord": same}) == "", "a port's name is nothing that calls depend on"
    assert difference({"fra": same, "iad": LiveService(FRA.selector, IAD.ports, frozenset())}).startswith("ports of")
