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
    assert "is no trust domain for names of its own" in problem.message
    assert "names: global" in problem.hint


def test_a_mesh_may_be_prepared_for_peers() -> None:
    assert (is_federated({"peers": []}), is_federated({}), is_federated(None)) == (True, False, False)
    assert read_peers({"peers": []}, "west.mesh") == ([], [])
    assert read_peers({}, "cluster.local") == ([], [])


@pytest.mark.parametrize(
    ("given", "own", "message"),
    [
        ([EAST], "west.mesh", "not a dictionary"),
        ({"peer": []}, "west.mesh", "not a dictionary"),
        ({"peers": [EAST]}, "cluster.local", "needs a trust domain"),
        ({"peers": [EAST]}, "east.mesh", "our own trust domain"),
        ({"peers": [EAST, EAST]}, "west.mesh", "that another peer has"),
        ({"peers": ["east.mesh"]}, "west.mesh", "is not a peer"),
        ({"peers": [{**EAST, "export": []}]}, "west.mesh", "is not a peer"),
        ({"peers": [{"trust_domain": "*"}]}, "west.mesh", "DNS name"),
        ({"peers": [{**EAST, "names": "mine"}]}, "west.mesh", "none of its choices"),
        ({"peers": [{**EAST, "names": ["own"]}]}, "west.mesh", "none of its choices"),
        ({"peers": [{**EAST, "exports": ["till.shop"]}]}, "west.mesh", "is not an export"),
        ({"peers": [{**EAST, "exports": [{"service": "till"}]}]}, "west.mesh", "is not an export"),
        ({"peers": [{**EAST, "exports": [{"service": "till.shop", "callers": ["*"]}]}]}, "west.mesh", "not an export"),
        ({"peers": [{**EAST, "exports": [{"service": "till.shop"}] * 2}]}, "west.mesh", "twice"),
    ],
)
def test_what_is_wrong_is_said_once(given: t.Any, own: str, message: str) -> None:
    _peers, problems = read_peers(given, own)
    assert len(problems) == 1
    assert message in problems[0].message
    assert problems[0].hint
