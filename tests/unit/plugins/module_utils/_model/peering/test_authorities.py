# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which CA an API address is verified."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.authorities import (
    PUBLISHED,
    SYSTEM,
    Authority,
    Choice,
    Shown,
    choose,
    known_authorities,
)


def block(content: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n"


OURS, THEIRS = block("AAAA"), block("BBBB")
KNOWN = known_authorities(OURS, THEIRS, "cluster_api_ca")
PUBLISHED_CA, USED_CA, SYSTEM_CA = (one.data for one in KNOWN)


def chosen(shown: t.Sequence[Shown] = (), reached: t.Sequence[Authority] = ()) -> Choice:
    return choose("west", "https://h:6443", KNOWN, shown, reached)


def test_the_published_ca_is_tried_first_and_each_once() -> None:
    assert [one.name for one in KNOWN] == [PUBLISHED, "cluster_api_ca", SYSTEM]
    assert SYSTEM_CA == "", "a kubeconfig without a CA"
    same = [one.name for one in known_authorities(OURS, "words\n" + OURS.replace("\n", "\r\n"), "")]
    assert same == [PUBLISHED, SYSTEM] == [one.name for one in known_authorities(OURS, "", "")]


def test_what_stands_beside_certificates_gets_into_no_secret() -> None:
    _ours, theirs, _system = known_authorities(OURS, f"# für uns\n{THEIRS}-----BEGIN PRIVATE KEY-----\nx", "")
    assert theirs.pem == THEIRS


def test_what_the_address_shows_decides() -> None:
    assert chosen([Shown(KNOWN[0])], KNOWN[1:2]) == Choice(PUBLISHED_CA)
    refused = [Shown(KNOWN[0], "unable to get local issuer certificate")]
    assert chosen([*refused, Shown(KNOWN[1])]) == Choice(USED_CA)
    assert chosen([*refused, Shown(KNOWN[1], "no"), Shown(KNOWN[2])]) == Choice("")


def test_unseen_it_is_our_connections_ca_and_others_may_stay() -> None:
    assert chosen() == Choice(PUBLISHED_CA, (USED_CA, SYSTEM_CA))
    assert chosen(reached=KNOWN[1:2]) == Choice(USED_CA, (PUBLISHED_CA, SYSTEM_CA))
    assert chosen(reached=KNOWN[2:]) == Choice(SYSTEM_CA, (PUBLISHED_CA, USED_CA))


def test_a_certificate_that_none_verifies_is_refused() -> None:
    found = chosen([Shown(one, "self-signed certificate") for one in KNOWN])
    assert (found.ca, found.others) == (PUBLISHED_CA, (USED_CA, SYSTEM_CA))
    text = str(found.refusal)
    assert f"https://h:6443: by {PUBLISHED}: self-signed certificate; by cluster_api_ca: self-signed" in text
    assert "set cluster_peer_endpoint to the address of the API server itself" in text
    assert "context west-peer" in text


def test_a_name_that_the_certificate_lacks_is_no_matter_of_cas() -> None:
    found = chosen([Shown(KNOWN[0], "no"), Shown(KNOWN[1], "IP address mismatch", of_name=True)])
    assert "its certificate does not cover the address" in str(found.refusal)
    assert "https://h:6443: IP address mismatch" in str(found.refusal)
