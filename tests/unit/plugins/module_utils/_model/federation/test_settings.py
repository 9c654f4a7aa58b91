# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variable ``mesh_federation``."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.settings import (
    Export,
    Peer,
    is_federated,
    read_peers,
)

EAST = {"trust_domain": "east.mesh", "bundle": "east.json"}


def test_peers_and_what_they_may_call() -> None:
    exports = [{"service": "till.shop", "callers": ["web/front", "app/back"]}, {"service": "stock.shop"}]
    peers, problems = read_peers({"peers": [{**EAST, "exports": exports}]}, "west.mesh")
    assert problems == []
    wanted = (Export("till", "shop", ("app/back", "web/front")), Export("stock", "shop"))
    assert peers == [Peer("east.mesh", "east.json", wanted)]
    assert [one.host for one in wanted] == ["till.shop.global", "stock.shop.global"]


def test_a_peers_services_have_its_own_names_by_choice() -> None:
    peers, problems = read_peers({"peers": [EAST, {**EAST, "trust_domain": "north.mesh", "names": "own"}]}, "west.mesh")
    assert problems == []
    assert [one.name_here("till.shop.global") for one in peers] == ["till.shop.global", "till.shop.north.mesh"]


@pytest.mark.parametrize("domain", ["svc", "com", "svc.cluster.local", "data.svc"])
def test_a_peer_takes_no_names_of_clusters(domain: str) -> None:
    given = {**EAST, "trust_domain": domain}
    assert read_peers({"peers": [given]}, "west.mesh")[1] == []
    (problem,) = read_peers({"peers": [{**given, "names": "own"}]}, "west.mesh")[1]
    assert problem.variable == "mesh_federation.peers[0].names"
    assert f"is not for the trust domain {domain}" in problem.message
    assert "names: global" in problem.hint


def test_a_mesh_may_be_prepared_for_peers() -> None:
    assert (is_federated({"peers": []}), is_federated({}), is_federated(None)) == (True, False, False)
    assert read_peers({"peers": []}, "west.mesh") == ([], [])
    assert read_peers({}, "cluster.local") == ([], [])


@pytest.mark.parametrize(
    ("given", "own", "message"),
    [
        ([EAST], "west.mesh", "is not a dictionary"),
        ({"peer": []}, "west.mesh", "is not a dictionary"),
        ({"peers": [EAST]}, "cluster.local", "needs a trust domain"),
    ],
)
def test_what_is_wrong_with_the_whole_is_said_once(given: t.Any, own: str, message: str) -> None:
    _peers, (problem,) = read_peers(given, own)
    assert problem.variable == "mesh_federation"
    assert message in problem.message
    assert problem.hint


NORTH = {"trust_domain": "north.mesh"}
TILL = {"service": "till.shop"}


def exporting(*exports: t.Any) -> dict[str, t.Any]:
    return {**EAST, "exports": list(exports)}


@pytest.mark.parametrize(
    ("peer", "where", "message"),
    [
        ({**EAST, "trust_domain": "west.mesh"}, "[1].trust_domain", "is our own trust domain"),
        (NORTH, "[1].trust_domain", "is a trust domain that an earlier peer has"),
        ("east.mesh", "[1]", "is not a dictionary"),
        ({}, "[1].trust_domain", "is missing"),
        ({**EAST, "export": []}, "[1].export", "is unknown"),
        ({"trust_domain": "*"}, "[1].trust_domain", "DNS name"),
        ({**EAST, "bundle": ["a.json"]}, "[1].bundle", "is no file"),
        ({**EAST, "names": "mine"}, "[1].names", "is none of its choices"),
        ({**EAST, "names": ["own"]}, "[1].names", "is none of its choices"),
        ({**EAST, "exports": TILL}, "[1].exports", "is no list of exports"),
        (exporting(TILL, "cash.shop"), "[1].exports[1]", "is not a dictionary"),
        (exporting(TILL, {"callers": []}), "[1].exports[1].service", "is missing"),
        (exporting(TILL, {"service": "cash"}), "[1].exports[1].service", "is not name.namespace"),
        (exporting({**TILL, "caller": []}), "[1].exports[0].caller", "is unknown"),
        (exporting({**TILL, "callers": "a/b"}), "[1].exports[0].callers", "is no list of callers"),
        (exporting({**TILL, "callers": ["a/b", "*"]}), "[1].exports[0].callers[1]", "is not namespace/account"),
        (exporting(TILL, TILL), "[1].exports[1].service", "is exported to east.mesh twice"),
    ],
)
def test_what_is_wrong_with_a_peer_names_its_place(peer: t.Any, where: str, message: str) -> None:
    _peers, (problem,) = read_peers({"peers": [NORTH, peer]}, "west.mesh")
    assert problem.variable == f"mesh_federation.peers{where}"
    assert message in problem.message
    assert problem.hint
