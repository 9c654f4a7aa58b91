# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revocation lists that a run signs: for whom, until when, and that nothing which was revoked is taken back."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.own_lists import (
    FORMER_DAYS,
    LIFETIME,
    SIGNED_HERE,
    authority_of,
    own_lists,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.revocation import (
    LEAST_DAYS,
    authorities,
    crl_days,
    judge,
    parse_crls,
    uncovered,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import SigningChain

from .authorities import DAY, NOW, POLICY, ROOT, WEST, crl_of, issuer_of


def plain(ca: certificates.Authority, *, crl_sign: bool) -> x509.Certificate:
    """Its certificate as another tool might make it, without an ID of its key."""
    found = ca.certificate
    usage = x509.KeyUsage(True, False, False, False, False, True, crl_sign, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(found.subject)
        .issuer_name(found.issuer)
        .public_key(found.public_key())
        .serial_number(9)
        .not_valid_before(NOW)
        .not_valid_after(NOW + 90 * DAY)
        .add_extension(usage, critical=True)
        .sign(ROOT.key, hashes.SHA256())
    )


EAST = decisions.issue("east", ROOT, POLICY)
CHAINS = {"west": WEST, "east": EAST}
WEST_NAME = issuer_of(WEST).certificate.subject
SIGNERS = [ROOT, issuer_of(WEST), issuer_of(EAST)]


def lists(
    held: str = "",
    *,
    given: t.Mapping[str, str] | None = None,
    chains: t.Mapping[str, SigningChain] | None = None,
    signers: t.Sequence[certificates.Authority] | None = None,
    later: datetime.timedelta = datetime.timedelta(),
    silent: bool = False,
) -> str:
    signers = SIGNERS if signers is None else signers
    chains = CHAINS if chains is None else chains
    made = own_lists(given or {}, [held, held], signers, authorities(chains.values()), NOW + later, silent=silent)
    assert made.signed == any(pem not in held for pem in blocks(made.text)), "whoever signs looks at the clocks first"
    return made.text


def blocks(text: str) -> list[str]:
    """Each list by itself."""
    return ["-----BEGIN" + pem for pem in text.split("-----BEGIN")[1:]]


def serials(text: str) -> list[int]:
    return [one.serial_number for crl in parse_crls(text, what="it") for one in crl]


def test_each_ca_of_the_mesh_has_one_that_is_good() -> None:
    good = judge({SIGNED_HERE: lists()}, CHAINS, NOW, signed_here=SIGNED_HERE)
    assert (good.days, good.warnings) == (LIFETIME.days, ())
    assert good.text.count("BEGIN X509 CRL") == 3


def test_a_run_that_changes_nothing_signs_nothing() -> None:
    first = lists()
    assert sorted(lists(first, later=14 * DAY).split("-----END")) == sorted(first.split("-----END"))
    again = lists(first, later=16 * DAY)
    assert judge({SIGNED_HERE: again}, CHAINS, NOW + 16 * DAY).days == LIFETIME.days


def test_what_was_revoked_stays_revoked() -> None:
    held = crl_of(ROOT, revoked=[7, 8])
    assert serials(lists(held)) == [7, 8], "a list that lasts is kept"
    assert sorted(serials(lists(held, later=29 * DAY))) == [7, 8]
    assert sorted(serials(lists(held, later=40 * DAY))) == [7, 8], "also when it has ended"


def test_of_several_that_clusters_hold_the_newest_counts() -> None:
    old, new = crl_of(ROOT, begins=NOW - 3 * DAY, revoked=[7]), crl_of(ROOT, begins=NOW - 2 * DAY, revoked=[7, 8])
    for held in (old + new, new + old):
        assert sorted(serials(lists(held))) == [7, 8]
        assert sorted(serials(lists(held, later=29 * DAY))) == [7, 8]


def test_a_list_that_has_not_begun_is_signed_anew() -> None:
    """A controller whose clock was ahead had signed it."""
    ahead = lists(later=3 * DAY)
    good = judge({SIGNED_HERE: lists(ahead)}, CHAINS, NOW, signed_here=SIGNED_HERE)
    assert good.days == LIFETIME.days and not set(blocks(ahead)) & set(blocks(good.text))
    first = lists(later=-DAY)
    assert sorted(blocks(lists(first + ahead))) == sorted(blocks(first)), "of what is held, what is valid now counts"
    west = {"west": WEST}
    assert lists(ahead, chains=west, signers=[ROOT, issuer_of(WEST)], silent=True).count("BEGIN") == 2


@pytest.mark.parametrize("key_id", [True, False])
def test_no_list_of_one_ca_hides_what_another_revoked(key_id: bool) -> None:
    """A user's list that is not named any more, and one of ours: a run with --limit may have written only one."""
    theirs = crl_of(ROOT, ends=NOW + 60 * DAY, revoked=[7, 8], key_id=key_id)
    older, newer = lists(later=-2 * DAY), crl_of(ROOT, begins=NOW - DAY / 2, revoked=[8, 9])
    for held in (older + theirs, theirs + older + newer, newer + theirs):
        text = lists(held)
        assert sorted(serials(text)) == sorted({7, 8} | ({9} if newer in held else set()))
        assert text.count("BEGIN X509 CRL") == 3 and judge({SIGNED_HERE: text}, CHAINS, NOW).warnings == ()
        assert sorted(blocks(lists(text + held))) == sorted(blocks(text)), "it has all of them"


@pytest.mark.parametrize("key_id", [True, False])
def test_no_held_list_beside_one_that_is_given(key_id: bool) -> None:
    given = {"root.pem": crl_of(ROOT, begins=NOW - 9 * DAY, revoked=[7], key_id=key_id)}
    others = lists(lists(), given=given)
    assert others.count("BEGIN X509 CRL") == 2
    good = judge({**given, SIGNED_HERE: others}, CHAINS, NOW, signed_here=SIGNED_HERE)
    assert serials(good.text) == [7] and good.text.count("BEGIN X509 CRL") == 3
    former = crl_of(issuer_of(decisions.issue("west", ROOT, POLICY)))
    assert former in lists(former) and former not in lists(former, given={"/crl": former}), "also of a key that is gone"


def test_a_list_that_names_no_key_is_signed_anew() -> None:
    """Beside a renewed CA of the same name it would be taken for that one's."""
    held = lists(given={"/crl": crl_of(issuer_of(WEST))}) + crl_of(issuer_of(WEST), revoked=[7], key_id=False)
    renewed = {"west": decisions.issue("west", ROOT, POLICY), "east": EAST}
    new = [ROOT, issuer_of(renewed["west"]), issuer_of(EAST)]
    text = lists(held, chains=renewed, signers=[*new, issuer_of(WEST)])
    assert serials(text) == [7] and text.count("BEGIN X509 CRL") == 4
    for later in (text, lists(lists(held), chains=renewed, signers=new)):
        assert judge({SIGNED_HERE: later}, renewed, NOW, signed_here=SIGNED_HERE).warnings == ()
    # Its key is gone.
    made = own_lists({}, [held], new, authorities(renewed.values()), NOW, silent=False)
    assert made.text.count("BEGIN X509 CRL") == 3 and serials(made.text) == []
    (said,) = made.warnings
    assert "L=west" in said and "is not kept" in said
    judge({SIGNED_HERE: made.text}, renewed, NOW, signed_here=SIGNED_HERE)


def test_a_ca_that_may_sign_no_list_gets_none() -> None:
    signer = issuer_of(WEST)
    old = certificates.Authority(plain(signer, crl_sign=False), signer.key)
    assert lists(signers=[old]) == "", "proxies would believe none of it"


def test_a_list_names_the_key_that_signed_it() -> None:
    signer = issuer_of(WEST)
    bare = certificates.Authority(plain(signer, crl_sign=True), signer.key)
    for one in (signer, bare):
        (crl,) = parse_crls(lists(signers=[one]), what="it")
        identifier = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        assert identifier == x509.SubjectKeyIdentifier.from_public_key(signer.certificate.public_key()).digest
        assert not any(extension.critical for extension in crl.extensions), (
            "what a proxy does not know it may pass over"
        )


def test_an_unreadable_one_hides_no_other() -> None:
    broken = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
    held = [broken, crl_of(ROOT, revoked=[7])]
    assert serials(own_lists({}, held, SIGNERS, authorities(CHAINS.values()), NOW, silent=False).text) == [7]


def test_what_is_given_counts_and_is_not_signed_beside() -> None:
    assert lists(given={"root.pem": crl_of(ROOT, revoked=[7])}).count("BEGIN X509 CRL") == 2


def test_a_renewed_ca_has_a_list_and_the_former_keeps_its_own() -> None:
    former = lists()
    renewed = {"west": decisions.issue("west", ROOT, POLICY), "east": EAST}
    both = lists(former, chains=renewed, signers=[ROOT, issuer_of(renewed["west"]), issuer_of(EAST)])
    assert both.count("BEGIN X509 CRL") == 4, "certificates of the former one live on for a day"
    good = judge({SIGNED_HERE: both}, renewed, NOW, signed_here=SIGNED_HERE)
    assert good.warnings == ()
    gone = lists(both, chains=renewed, signers=[ROOT, issuer_of(renewed["west"]), issuer_of(EAST)], later=31 * DAY)
    assert gone.count("BEGIN X509 CRL") == 3, "a list that has ended would have every call refused"


def test_a_former_one_may_have_had_another_name() -> None:
    """trust_organization was changed, or a corporate CA gave another subject: its certificates live on for a day."""
    policy = dataclasses.replace(POLICY, organization="Other")
    renewed = {"west": decisions.issue("west", ROOT, policy), "east": EAST}
    signers = [ROOT, issuer_of(renewed["west"]), issuer_of(EAST)]
    text = lists(chains=renewed, signers=[*signers, issuer_of(WEST)])
    later = lists(text, chains=renewed, signers=signers, later=DAY)
    assert sorted(blocks(later)) == sorted(blocks(text)) and text.count("BEGIN X509 CRL") == 4
    assert judge({SIGNED_HERE: later}, renewed, NOW + DAY, signed_here=SIGNED_HERE).warnings == ()


@pytest.mark.parametrize("organization", ["Istio", "Other"])
@pytest.mark.parametrize("age", [0, 8, 14, 15])
def test_a_former_one_goes_before_verify_fails(age: int, organization: str) -> None:
    """With a run each week, but never while what its CA signed is valid. It cannot be signed anew: its key is gone."""
    held, at = lists(later=-age * DAY), datetime.timedelta()
    policy = dataclasses.replace(POLICY, organization=organization)
    renewed = {"west": decisions.issue("west", ROOT, policy), "east": decisions.issue("east", ROOT, policy)}
    signers = [ROOT, issuer_of(renewed["west"]), issuer_of(renewed["east"])]
    before = lists(held, chains=renewed, signers=[*signers, issuer_of(WEST), issuer_of(EAST)])
    gone = []
    for day in range(36):
        at = day * DAY
        text = lists(before, chains=renewed, signers=signers, later=at) if day % 7 == 0 else before
        if before.count("BEGIN") == 5 and text.count("BEGIN") == 3:
            gone.append(day)
        before = text
        left = crl_days(parse_crls(text, what="it"), NOW + at)
        assert left is not None and left >= LEAST_DAYS
        assert uncovered(parse_crls(text, what="it"), authorities(renewed.values())) == []
    assert len(gone) == 1 and gone[0] > 1


@pytest.mark.parametrize("left", [FORMER_DAYS - 1, FORMER_DAYS])
def test_a_former_one_stays_while_a_ca_is_new(left: int) -> None:
    """Somebody deleted cacerts, so that its list was not signed anew before; certificates of it live on for a day."""
    held = lists(later=-(LIFETIME - left * DAY))
    renewed = {"west": decisions.issue("west", ROOT, POLICY), "east": EAST}
    signers = [ROOT, issuer_of(renewed["west"]), issuer_of(EAST)]
    (former,) = [pem for pem in blocks(held) if parse_crls(pem, what="it")[0].issuer == WEST_NAME]
    assert former in lists(held, chains=renewed, signers=signers)
    assert former in lists(held, chains=renewed, signers=signers, later=DAY)
    assert former not in lists(held, chains=renewed, signers=signers, later=2 * DAY)


def test_the_end_of_a_former_ones_list_is_expected() -> None:
    renewed = {"west": decisions.issue("west", ROOT, POLICY), "east": EAST}
    signers = [ROOT, issuer_of(renewed["west"]), issuer_of(EAST)]
    later = NOW + 29 * DAY
    both = lists(crl_of(issuer_of(WEST)), chains=renewed, signers=signers, later=29 * DAY)
    (said,) = judge({SIGNED_HERE: both}, renewed, later, signed_here=SIGNED_HERE).warnings
    assert "ends in 1 days, as expected" in said and "L=west" in said
    (said,) = judge({SIGNED_HERE: both}, renewed, later, signed_here=SIGNED_HERE, silent=True).warnings
    assert "if it is of a cluster that did not answer" in said
    assert not any("expected" in one for one in judge({"/crl": both}, renewed, later).warnings), "perhaps a peer's"


def test_without_a_key_a_list_that_is_there_is_kept() -> None:
    held = lists()
    assert lists(held, signers=[]).count("BEGIN X509 CRL") == 3
    assert lists(signers=[]) == ""


@pytest.mark.parametrize(("silent", "count"), [(True, 3), (False, 2)])
def test_lists_of_a_cluster_that_does_not_answer_are_kept(silent: bool, count: int) -> None:
    west, of = {"west": WEST}, [ROOT, issuer_of(WEST)]
    theirs = crl_of(issuer_of(EAST))
    assert lists(theirs, chains=west, signers=of, silent=silent).count("BEGIN") == count
    # One that a run signed goes in its last days: it may be of a former CA of another name.
    assert lists(lists(), chains=west, signers=of, silent=silent).count("BEGIN") == 3
    late = LIFETIME - LEAST_DAYS * DAY
    assert lists(lists(), chains=west, signers=of, silent=silent, later=late).count("BEGIN") == count


def test_a_list_that_cannot_be_read_is_replaced() -> None:
    assert lists("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n").count("BEGIN X509 CRL") == 3


def test_an_authority_is_a_pair() -> None:
    assert authority_of(WEST.data) is not None
    assert authority_of({**WEST.data, "ca-key.pem": EAST.key}) is None
    assert authority_of(None) is None and authority_of({}) is None
