# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Conditions of others. Real controllers write them in tests/api/test_ingress_ready.py."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.status import (
    UNSEEN,
    certificate_failed,
    certificate_ready,
    gateway_ready,
    newest_request,
    request_says,
    route_ready,
)

Values = dict[str, t.Any]


def condition(kind: str, status: str = "True", generation: int = 2, reason: str = "Because") -> Values:
    return {"type": kind, "status": status, "observedGeneration": generation, "reason": reason, "message": "so it is"}


def conditions(*kinds: str, **more: t.Any) -> list[Values]:
    return [condition(kind, **more) for kind in kinds]


def gateway(top: list[Values], **listeners: list[Values]) -> Values:
    told = [{"name": name, "conditions": some} for name, some in listeners.items() if some]
    return {
        "metadata": {"name": "shop", "namespace": "istio-system", "generation": 2},
        "spec": {"listeners": [{"name": name} for name in listeners]},
        "status": {"conditions": top, "listeners": told},
    }


GOOD = conditions("Accepted", "Programmed")
HEARD = conditions("Accepted", "Programmed", "ResolvedRefs")


def test_a_gateway_is_ready_with_all_its_listeners() -> None:
    assert gateway_ready(gateway(GOOD, http=HEARD)) == (True, "accepted and programmed")
    assert gateway_ready(None) == (False, "it does not exist")


@pytest.mark.parametrize(
    ("live", "seen"),
    [
        (gateway([], http=[]), UNSEEN),
        (gateway(conditions("Accepted", "Programmed", generation=1), http=HEARD), UNSEEN),
        (gateway(conditions("Accepted", "Programmed", status="Unknown", generation=0), http=HEARD), UNSEEN),
        (gateway(conditions("Accepted"), http=HEARD), f"Programmed: {UNSEEN}"),
        (
            gateway([condition("Accepted"), condition("Programmed", "False")], http=HEARD),
            "Programmed is False: Because",
        ),
        (gateway(GOOD, http=HEARD, https=[]), f"listener https: {UNSEEN}"),
        (gateway(GOOD, http=conditions("Accepted", "Programmed", "ResolvedRefs", generation=1)), UNSEEN),
        (
            gateway(
                GOOD, http=HEARD, https=[*GOOD, condition("ResolvedRefs", "False", reason="InvalidCertificateRef")]
            ),
            "listener https: ResolvedRefs is False: InvalidCertificateRef: so it is",
        ),
    ],
)
def test_a_gateway_that_is_not_ready_says_why(live: Values, seen: str) -> None:
    done, said = gateway_ready(live)
    assert not done
    assert seen in said


def route(*parents: Values, refs: int = 1) -> Values:
    wanted = [{"name": "shop", "namespace": "istio-system"}, {"name": "shop", "sectionName": "http"}][:refs]
    return {
        "metadata": {"name": "shop", "namespace": "istio-system", "generation": 2},
        "spec": {"parentRefs": wanted},
        "status": {"parents": list(parents)},
    }


def parent(*some: Values, **more: str) -> Values:
    return {"parentRef": {"name": "shop", **more}, "controllerName": "istio.io/gateway-controller", "conditions": some}


TAKEN = conditions("Accepted", "ResolvedRefs")


def test_a_route_is_ready_where_each_of_its_gateways_took_it() -> None:
    assert route_ready(route(parent(*TAKEN)))[0], "the route's own namespace is the parent's by default"
    assert route_ready(route(parent(*TAKEN), parent(*TAKEN, sectionName="http"), refs=2))[0]
    assert route_ready(route(parent(condition("Accepted", "False")), parent(*TAKEN)))[0], "one controller serves it"
    assert route_ready(None) == (False, "it does not exist")


@pytest.mark.parametrize(
    ("live", "seen"),
    [
        (route(), UNSEEN),
        (route(parent(*TAKEN, namespace="other")), UNSEEN),
        (route(parent(*TAKEN, name="other")), UNSEEN),
        (route(parent(*conditions("Accepted", "ResolvedRefs", generation=1))), UNSEEN),
        (route(parent(*TAKEN), refs=2), UNSEEN),
        (route(parent(condition("Accepted"))), f"ResolvedRefs: {UNSEEN}"),
        (
            route(parent(condition("Accepted"), condition("ResolvedRefs", "False", reason="BackendNotFound"))),
            "ResolvedRefs is False: BackendNotFound: so it is",
        ),
    ],
)
def test_a_route_that_is_not_ready_says_why(live: Values, seen: str) -> None:
    assert route_ready(live) == (False, seen)


def certificate(*some: Values) -> Values:
    return {"metadata": {"generation": 2}, "status": {"conditions": some}}


def test_a_certificate_is_ready_as_it_is_now() -> None:
    assert certificate_ready(certificate(condition("Ready"))) == (True, "Ready is True: Because: so it is")
    assert certificate_ready(certificate(condition("Ready", generation=1))) == (False, UNSEEN)
    assert certificate_ready(certificate(condition("Ready", "False"))) == (False, "Ready is False: Because: so it is")
    assert certificate_ready({"metadata": {"generation": 1}}) == (False, UNSEEN)
    assert certificate_ready(None) == (False, "it does not exist")


def test_a_certificate_has_failed_when_it_is_not_issued_any_more() -> None:
    failed = condition("Issuing", "False", reason="Failed")
    assert certificate_failed(certificate(failed)) == "Issuing is False: Failed: so it is"
    assert certificate_failed(certificate(condition("Ready", "False"), failed)) != ""
    for going_on in (
        condition("Issuing"),
        condition("Issuing", "False", reason="Issued"),
        condition("Issuing", "False", generation=1, reason="Failed"),
    ):
        assert certificate_failed(certificate(going_on)) == ""
    assert certificate_failed(None) == ""


def request(name: str, of: str, made: str, *some: Values) -> Values:
    owner = {"kind": "Certificate", "name": of}
    meta = {"name": name, "creationTimestamp": made, "ownerReferences": [owner]}
    return {"metadata": meta, "status": {"conditions": list(some)}}


def test_the_newest_request_of_a_certificate_counts() -> None:
    old, new = request("shop-1", "shop", "2026-01-01T00:00:00Z"), request("shop-2", "shop", "2026-01-02T00:00:00Z")
    other = request("pay-1", "pay", "2026-01-03T00:00:00Z")
    assert newest_request([new, old, other, {"metadata": {"name": "by-hand"}}], "shop") == new
    assert newest_request([other], "shop") is None


@pytest.mark.parametrize(
    ("some", "said"),
    [
        ([], "nobody has approved it"),
        ([condition("Approved")], "no issuer has answered"),
        ([condition("Approved"), condition("Ready", "False", reason="Pending")], "Ready is False: Pending: so it is"),
        ([condition("Ready", "False"), condition("Denied", reason="Policy")], "Denied is True: Policy: so it is"),
        ([condition("Ready", "False"), condition("InvalidRequest")], "InvalidRequest is True: Because: so it is"),
    ],
)
def test_a_request_says_what_it_waits_for(some: list[Values], said: str) -> None:
    assert request_says(request("shop-1", "shop", "2026-01-01T00:00:00Z", *some)) == said
