# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of a front door by HTTPS: which are made, and what a certificate that does not hold means."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    FrontDoor,
    read_front_door,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.https_calls import (
    https_calls,
    judge_https,
    without_host,
)

FLEET = read_fleet(
    {
        "west": {"cluster_provider": "gke", "gke_project": "p", "cluster_region": "us-west1"},
        "north": {"cluster_provider": "gke", "gke_project": "p", "cluster_region": "europe-north1"},
    }
)
ROUTES = [
    {"service": "web.shop", "host": "shop.example"},
    {"service": "pay.shop", "host": "*.shop.example", "path": "/pay/", "clusters": ["north"]},
    {"service": "all.shop"},
]
READY = {"web.shop": ["west", "north"], "pay.shop": ["west", "north"]}


def door(*certificates: str) -> FrontDoor:
    return read_front_door("front-door", ROUTES, FLEET.clusters, certificates=list(certificates))[0]


def test_each_route_with_a_host_is_called_in_its_name() -> None:
    calls = https_calls(FLEET, door("shop"), "2001:db8::7", READY, ["west", "north"])
    assert [(c.caller, c.url, c.host, c.may_answer) for c in calls] == [
        ("west", "https://[2001:db8::7]/", "shop.example", ("west",)),
        ("west", "https://[2001:db8::7]/pay", "mesh-verify.shop.example", ("north",)),
        ("north", "https://[2001:db8::7]/", "shop.example", ("north",)),
        ("north", "https://[2001:db8::7]/pay", "mesh-verify.shop.example", ("north",)),
    ]
    assert calls[0].name == "https://shop.example/ at 2001:db8::7"
    assert [check.name for check in without_host(door("shop"))] == ["all.shop"]


def test_without_certificates_there_is_no_https() -> None:
    assert https_calls(FLEET, door(), "192.0.2.7", READY, ["west"]) == []
    assert without_host(door()) == []


(CALL, *_OTHERS) = https_calls(FLEET, door("shop"), "192.0.2.7", READY, ["west"])


def refused(words: str) -> Answer:
    return Answer(False, 0, 3.0, "", "", f"the certificate of 192.0.2.7 does not hold: {words}")


def test_who_answers_is_judged_as_by_http() -> None:
    call, why = judge_https(CALL, Answer(True, 200, 3.0, "west", ""))
    assert (call.ok, call.callee, why) == (True, "west", "")
    call, why = judge_https(CALL, Answer(True, 200, 3.0, "north", ""))
    assert not call.ok and "past west" in call.means and why == ""
    call, _why = judge_https(CALL, Answer(False, 0, 3.0, "", "", "192.0.2.7 refused the connection on port 443"))
    assert not call.ok and "nothing answers" in call.means


@pytest.mark.parametrize(
    "words", ["certificate has expired", "Hostname mismatch, certificate is not valid for 'shop.example'."]
)
def test_a_certificate_that_holds_for_nobody_fails(words: str) -> None:
    call, why = judge_https(CALL, refused(words))
    assert not call.ok and why == "" and "front_door_certificates" in call.next_step


@pytest.mark.parametrize(
    "words",
    ["self-signed certificate in certificate chain", "unable to get local issuer certificate"],
)
def test_one_of_a_ca_that_the_image_does_not_know_proves_nothing(words: str) -> None:
    call, why = judge_https(CALL, refused(words))
    assert call.ok and not call.next_step, "it is not asked again"
    assert words in why
