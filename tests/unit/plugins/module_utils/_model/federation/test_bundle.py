# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bundles: what they say, what is refused of a file that another team sent, and when one is written again."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.bundle import (
    Bundle,
    Gateway,
    Offer,
    OfferedPort,
    as_text,
    read_bundle,
    refreshed,
    usable,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    certificate_pem,
    fingerprint,
    key_pem,
    new_key,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .test_peer_roots import NOW, OWN_ROOT, THEIRS

DAY = datetime.timedelta(days=1)
OFFER = Offer("till.shop.global", (OfferedPort(80, "http", "HTTP"),), (THEIRS,), ("east-net",))
BUNDLE = Bundle(
    trust_domain="east.mesh",
    receiver="west.mesh",
    namespace="istio-system",
    made=NOW,
    expires=NOW + 90 * DAY,
    roots=(OWN_ROOT.certificate,),
    gateways=(Gateway("east-net", "203.0.113.7", 15443), Gateway("other", "gateway.example", 15443)),
    services=(OFFER,),
)


def test_a_bundle_says_what_was_written() -> None:
    text = as_text(BUNDLE)
    assert read_bundle(text, "f") == BUNDLE
    assert "PRIVATE" not in text
    assert [one.address for one in BUNDLE.gateways_of(OFFER)] == ["203.0.113.7"]
    assert BUNDLE.days_left(NOW) == 90


def changed(*path: str | int, value: t.Any = None) -> str:
    data = json.loads(as_text(BUNDLE))
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "-----BEGIN CERTIFICATE-----",
        changed("format", value="another/1"),
        changed("roots", value=[]),
        changed("roots", 0, "pem", value=["x"]),
        changed("expires", value="tomorrow"),
        changed("expires", value="2030-01-01T00:00:00"),
        changed("gateways", 0, "address", value="127.0.0.1"),
        changed("gateways", 0, "address", value="169.254.169.254"),
        changed("gateways", 0, "port", value="15443"),
        changed("services", 0, "host", value="kubernetes.default.svc.cluster.local"),
        changed("services", 0, "host", value="*.global"),
        changed("services", 0, "identities", value=["spiffe://west.mesh/ns/shop/sa/till"]),
        changed("services", 0, "identities", value=["*"]),
        changed("services", 0, "identities", value=[]),
        changed("services", 0, "ports", 0, "protocol", value="UDP"),
        changed("namespace", value="*"),
        changed("roots", 0, "sha256", value="00" * 32),
        changed("roots", 0, "pem", value=[*certificate_pem(OWN_ROOT.certificate).splitlines()] * 2),
        changed("gateways", value="east"),
        changed("services", value=["till"]),
        "[" * 200_000,
    ],
)
def test_what_is_no_bundle_is_refused_in_one_message(text: str) -> None:
    with pytest.raises(FleetError, match="no bundle of a mesh") as caught:
        read_bundle(text, "/mail/east.json")
    assert caught.value.obj == "/mail/east.json"
    assert caught.value.seen
    assert "ask the peer" in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" \n", "it is empty"),
        ("{", "it is no JSON: line 1, column 2"),
        ("[]", "it is no JSON object"),
        ("[" * 200_000, "nested without end"),
        (certificate_pem(OWN_ROOT.certificate), "a certificate alone"),
        (changed("gateways", value="east"), "gateways is no list of objects"),
        (changed("roots", 0, "sha256", value="00:00"), "sha256 00:00 is not that of the root beside it, "),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_words(text: str, said: str) -> None:
    with pytest.raises(FleetError) as caught:
        read_bundle(text, "f")
    assert said in caught.value.seen


def test_a_private_key_is_no_bundle_and_is_not_shown() -> None:
    secret = key_pem(new_key())
    with pytest.raises(FleetError, match="holds a private key") as caught:
        read_bundle(secret, "/mail/east.json")
    assert "delete the file" in caught.value.next_step
    assert secret.splitlines()[1] not in str(caught.value)


def test_a_root_that_has_ended_is_named() -> None:
    ended = OWN_ROOT.certificate.not_valid_after_utc + DAY
    later = dataclasses.replace(BUNDLE, expires=ended + 90 * DAY)
    with pytest.raises(FleetError, match="has expired") as caught:
        usable(later, "east.mesh", "west.mesh", ended + DAY, "f")
    assert f"its root SHA256 {fingerprint(OWN_ROOT.certificate)} ended on" in caught.value.seen


@pytest.mark.parametrize(
    ("change", "domain", "message"),
    [
        ({"trust_domain": "west.mesh"}, "east.mesh", "has our own trust domain"),
        ({"trust_domain": "north.mesh"}, "east.mesh", "is another mesh's"),
        ({"receiver": "south.mesh"}, "east.mesh", "is for another mesh"),
        ({"expires": NOW - DAY}, "east.mesh", "has expired"),
    ],
)
def test_a_bundle_that_is_not_for_us_is_refused(change: dict[str, t.Any], domain: str, message: str) -> None:
    usable(BUNDLE, "east.mesh", "west.mesh", NOW, "f")
    with pytest.raises(FleetError, match=message) as caught:
        usable(dataclasses.replace(BUNDLE, **change), domain, "west.mesh", NOW, "f")
    assert caught.value.next_step


def test_a_bundle_is_written_again_when_it_must() -> None:
    life = 90 * DAY
    new = dataclasses.replace(BUNDLE, made=NOW + 44 * DAY)
    assert refreshed(new, BUNDLE, NOW + 44 * DAY, life) == BUNDLE
    later = NOW + 46 * DAY
    assert refreshed(new, BUNDLE, later, life).expires == later + life
    other = dataclasses.replace(new, services=())
    assert refreshed(other, BUNDLE, NOW, life).services == ()
    assert refreshed(new, None, NOW, life).made == NOW
