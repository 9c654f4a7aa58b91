# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revocation lists reach every cluster of ours, and no chain without one is written beside them."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import decisions
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import ClusterTrust
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.revocation_plans import (
    CrlPlan,
    limited_chains,
    plan_crls,
    unreached_chains,
    waiting_chains,
    with_lists,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import CRL, SigningChain
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .authorities import DAY, NOW, OTHER, POLICY, ROOT, WEST, crl_of, issuer_of

EAST = decisions.issue("east", ROOT, POLICY)
LISTS = {"/crl": "".join(crl_of(a) for a in (ROOT, issuer_of(WEST), issuer_of(EAST)))}
NEWER = {"/crl": "".join(crl_of(a, begins=NOW - DAY / 2) for a in (ROOT, issuer_of(WEST), issuer_of(EAST)))}
SILENT = {"north": FleetError("does not answer")}


def live(name: str, chain: SigningChain, crl: str = "", **more: bool | str) -> ClusterTrust:
    return ClusterTrust(name, data=dataclasses.replace(chain, crl=crl).data, **more)  # type: ignore[arg-type]


def planned(west: ClusterTrust, *, given: dict[str, str] | None = None, **more: dict[str, FleetError]) -> CrlPlan:
    return plan_crls(
        LISTS if given is None else given, {"west": west}, {"east": live("east", EAST)}, more.get("unread", {}), {}, NOW
    )


def test_they_are_written_once_and_again_when_they_differ() -> None:
    plan = planned(live("west", WEST))
    assert plan.writes.keys() == plan.listed == {"west"}, "the cluster outside the play is read, and not written"
    held = plan.writes["west"].crl
    assert plan.writes["west"] == dataclasses.replace(WEST, crl=held) and plan.days == 30
    assert planned(live("west", WEST, held)).writes == {}
    assert planned(live("west", WEST, held), given=NEWER).listed == {"west"}


@pytest.mark.parametrize(("minutes", "refused"), [(12 * 60, False), (12 * 60 + 1, False), (12 * 60 + 2, True)])
def test_no_list_is_written_that_has_not_begun_there(minutes: int, refused: bool) -> None:
    behind = dataclasses.replace(live("west", WEST), ahead=-datetime.timedelta(minutes=minutes))
    clusters = {"west": behind, "east": live("east", EAST)}
    plan = plan_crls(NEWER, clusters, {}, {}, {}, NOW)
    assert set(plan.refused) == ({"west"} if refused else set())
    assert plan.writes.keys() == plan.listed == {"east"} | ({"west"} - set(plan.refused))
    if refused:
        assert "2026-05-31 23:58 UTC; the list begins at 2026-06-01 00:00" in plan.refused["west"].seen


def test_the_cas_of_clusters_outside_the_play_count() -> None:
    with pytest.raises(FleetError, match="L=east"):
        planned(live("west", WEST), given={"/crl": "".join(crl_of(a) for a in (ROOT, issuer_of(WEST)))})


def test_what_istiod_does_not_read_or_is_somebody_elses_is_left() -> None:
    tls = dataclasses.replace(live("west", WEST), tls_form=True)
    theirs = dataclasses.replace(live("west", WEST), owner="vault")
    for found, said in ((tls, "its proxies accept certificates that were revoked"), (theirs, "of vault")):
        plan = planned(found)
        assert plan.writes == {} and any(said in warning for warning in plan.warnings)
    assert planned(dataclasses.replace(theirs, take_over=True)).listed == {"west"}


def test_beside_a_silent_primary_only_newer_ones_of_the_same_cas() -> None:
    """Its CAs are not known: with a first list, its calls would be refused from then on."""
    first = planned(live("west", WEST), unread=SILENT)
    error = first.refused["west"]
    assert first.writes == {} and first.listed == set() and error.cluster == "west"
    assert error.what == "no first CRLs are written to it as long as a primary does not answer"
    assert error.seen == "north: does not answer"
    held = planned(live("west", WEST)).writes["west"].crl
    plan = planned(live("west", WEST, held), given=NEWER, unread=SILENT)
    assert plan.listed == {"west"} and "north: did not answer" in plan.warnings[-1] and plan.refused == {}
    more = held + crl_of(OTHER)
    error = planned(live("west", WEST, more), given=NEWER, unread=SILENT).refused["west"]
    assert error.what == "no other CRLs are written to it as long as a primary does not answer"


@pytest.mark.parametrize("held", ["", "rubbish"])
def test_who_has_no_lists_beside_silence_stops_no_others(held: str) -> None:
    """Else theirs would end, and all calls be refused."""
    has = planned(live("west", WEST)).writes["west"].crl
    clusters = {"west": live("west", WEST, has), "east": live("east", EAST, held)}
    plan = plan_crls(NEWER, clusters, {}, SILENT, {}, NOW)
    assert plan.writes.keys() == plan.listed == {"west"} and plan.refused.keys() == {"east"}


def test_a_list_that_has_ended_stops_nothing_beside_silence() -> None:
    """What its CA signed is refused already: the others' lists would end too."""
    held = planned(live("west", WEST)).writes["west"].crl
    ended = crl_of(OTHER, begins=NOW - 3 * DAY, ends=NOW - DAY)
    plan = planned(live("west", WEST, held + ended), given=NEWER, unread=SILENT)
    assert plan.listed == {"west"} and ended not in plan.writes["west"].crl
    assert planned(live("west", WEST, ended), given=NEWER, unread=SILENT).listed == {"west"}, "it had some"


def test_beside_silence_a_list_may_name_its_key_at_last() -> None:
    held = "".join(crl_of(one, key_id=False) for one in (ROOT, issuer_of(WEST), issuer_of(EAST)))
    assert planned(live("west", WEST, held), unread=SILENT).listed == {"west"}, "it is of the same CAs"


def test_broken_certificates_count_as_silence() -> None:
    others = {"east": ClusterTrust("east", data={"ca-cert.pem": "rubbish"})}
    plan = plan_crls(LISTS, {"west": live("west", WEST)}, others, {}, {}, NOW)
    assert "east: cacerts is incomplete" in plan.refused["west"].seen


def test_without_any_what_is_there_stays_also_with_a_new_chain() -> None:
    held = LISTS["/crl"]
    known = {"west": live("west", WEST, held)}
    assert plan_crls({}, known, {}, SILENT, {}, NOW).writes == {}
    plan = plan_crls({}, known, {}, {}, {"west": WEST}, NOW)
    assert plan.writes == {"west": dataclasses.replace(WEST, crl=held)} and not plan.listed


def test_lists_that_nobody_renews_are_warned_of() -> None:
    sooner = crl_of(ROOT, ends=NOW + 3 * DAY)
    known = {"west": live("west", WEST, LISTS["/crl"]), "east": live("east", EAST, sooner)}
    known["north"] = live("north", WEST)
    plan = plan_crls({}, known, {}, {}, {}, NOW)
    (said,) = plan.warnings
    assert plan.days == 3 and said.startswith("cacerts of west, east: ") and "the first ends in 3 days" in said
    assert "name generated" in said and "take ca-crl.pem out" in said
    later = plan_crls({}, known, {}, {}, {}, NOW + 5 * DAY)
    assert later.days == -2 and "ended 2 days ago" in later.warnings[0]
    theirs = {"west": live("west", WEST, LISTS["/crl"], owner="vault"), "east": live("east", EAST, "rubbish")}
    assert plan_crls({}, theirs, {}, {}, {}, NOW) == CrlPlan()


def test_a_new_chain_waits_for_its_list() -> None:
    renewed = decisions.issue("west", ROOT, POLICY)
    known = {"west": live("west", WEST, LISTS["/crl"]), "east": live("east", EAST)}
    for given in ({}, LISTS):
        (error,) = list(waiting_chains(given, known, {"west": renewed}).values())
        assert error.cluster == "west" and "L=west" in error.seen and "trust_crl" in error.next_step
    assert waiting_chains({"/crl": LISTS["/crl"] + crl_of(issuer_of(renewed))}, known, {"west": renewed}) == {}
    # Those of another cluster: its proxies would refuse this one's calls.
    other = {"east": known["east"], "west": known["west"]}
    north = decisions.issue("north", ROOT, POLICY)
    assert "Secret cacerts of west" in waiting_chains({}, other, {"north": north})["north"].obj
    assert waiting_chains({}, {"east": known["east"]}, {"north": north}) == {}, "nobody has any"
    assert waiting_chains(LISTS, known, {}) == {}


def test_a_new_chain_waits_for_clusters_outside_the_play() -> None:
    renewed = decisions.issue("west", ROOT, POLICY)
    has = LISTS["/crl"] + crl_of(issuer_of(renewed))
    others = {
        "east": live("east", EAST, LISTS["/crl"]),
        "north": live("north", EAST, has),
        "south": live("south", EAST),
    }
    error = limited_chains(others, ["west"], {"west": renewed})["west"]
    assert error.cluster == "west" and "of east has" in error.seen and "--limit west,east:" in error.next_step
    del others["east"]
    assert limited_chains(others, ["west"], {"west": renewed}) == {}, "what has no lists refuses nothing"
    broken = {"east": live("east", EAST, "rubbish")}
    assert limited_chains(broken, ["west"], {"west": renewed}) == {}


def test_a_new_chain_waits_for_who_gets_no_lists() -> None:
    renewed = decisions.issue("west", ROOT, POLICY)
    known = {
        "west": live("west", WEST, LISTS["/crl"]),
        "east": live("east", EAST, LISTS["/crl"]),
        "north": live("north", EAST, LISTS["/crl"] + crl_of(issuer_of(renewed))),
        "south": live("south", EAST),
        "broken": live("broken", EAST, "rubbish"),
    }
    assert unreached_chains({}, known, {"west": renewed}) == {}
    assert unreached_chains({"west": "no space"}, known, {"west": renewed}) == {}, "it has its list with its chain"
    others = dict.fromkeys(("north", "south", "broken"), "no space")
    assert unreached_chains(others, known, {"west": renewed}) == {}, "these refuse nothing"
    error = unreached_chains({**others, "east": "no space", "silent": "no answer"}, known, {"west": renewed})["west"]
    assert error.seen == "east: no space; silent: no answer" and error.cluster == "west"


def test_a_present_chain_takes_lists_that_cover_it() -> None:
    assert with_lists(live("west", WEST), LISTS["/crl"]) == dataclasses.replace(WEST, crl=LISTS["/crl"])
    assert with_lists(live("west", WEST), crl_of(ROOT)) is None
    assert with_lists(ClusterTrust("west"), LISTS["/crl"]) is None


def test_lists_that_cannot_be_read() -> None:
    known = {"west": ClusterTrust("west", data={**WEST.data, CRL: "rubbish"})}
    assert waiting_chains({}, known, {"west": WEST}), "istiod would not take a chain beside it"
    with pytest.raises(FleetError, match="no certificate revocation list"):
        waiting_chains({"/crl": "rubbish"}, known, {"west": WEST})
