# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run does with a cluster's intermediate CA."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .authorities import DAY, NOW, OTHER, POLICY, ROOT, WEST


def decided(live: decisions.ClusterTrust, **changes: t.Any) -> decisions.Decision:
    return decisions.decide(live, ROOT.certificate, dataclasses.replace(POLICY, **changes))


def test_missing_is_issued_valid_kept_and_ending_renewed() -> None:
    live = decisions.ClusterTrust("west", WEST.data)
    assert decided(decisions.ClusterTrust("west")).action == decisions.ISSUE
    assert decided(live) == decisions.Decision(
        "west", decisions.KEEP, 730, certificates.fingerprint(certificates.parse_certificates(WEST.certificate)[0])
    )
    assert decided(live, now=NOW + 699 * DAY).action == decisions.KEEP
    soon = decided(live, now=NOW + 719 * DAY)
    assert (soon.action, soon.days) == (decisions.RENEW, 11)
    assert decided(live, now=NOW + 740 * DAY).action == decisions.RENEW


def test_what_somebody_else_wrote_is_renewed_by_consent_alone() -> None:
    live = decisions.ClusterTrust("west", WEST.data, owner="kubectl-create")
    assert decided(live).warning == ""
    left = decided(live, now=NOW + 719 * DAY)
    assert left.action == decisions.KEEP
    assert "ends in 11 days" in left.warning and "of kubectl-create" in left.warning
    assert "mesh_take_over: true for west" in left.warning
    taken = decided(dataclasses.replace(live, take_over=True), now=NOW + 719 * DAY)
    assert (taken.action, taken.warning) == (decisions.RENEW, "")
    last_hours = decided(live, now=NOW + 730 * DAY - datetime.timedelta(hours=5))
    assert last_hours.action == decisions.KEEP and "ends in 0 days" in last_hours.warning


def test_what_somebody_else_let_end_fails() -> None:
    live = decisions.ClusterTrust("west", WEST.data, owner="kubectl-create")
    with pytest.raises(FleetError, match="has ended") as refused:
        decided(live, now=NOW + 740 * DAY)
    assert refused.value.seen == "it is of kubectl-create, and ended 10 days ago"
    assert "mesh_take_over: true" in refused.value.next_step
    assert decided(dataclasses.replace(live, take_over=True), now=NOW + 740 * DAY).action == decisions.RENEW


@pytest.mark.parametrize("owner", ["cert-manager-certificates-issuing", ""])
@pytest.mark.parametrize("take_over", [False, True])
def test_a_secret_of_type_tls_is_left_to_who_wrote_it(owner: str, take_over: bool) -> None:
    live = decisions.ClusterTrust("west", WEST.data, owner=owner, take_over=take_over, tls_form=True)
    assert (decided(live).action, decided(live).warning) == (decisions.KEEP, "")
    left = decided(live, now=NOW + 719 * DAY)
    assert left.action == decisions.KEEP
    assert "kubernetes.io/tls" in left.warning and owner in left.warning and "cert-manager" in left.warning
    with pytest.raises(FleetError, match="has ended") as refused:
        decided(live, now=NOW + 740 * DAY)
    assert "delete it and run again" in refused.value.next_step


def test_one_that_ends_with_its_root_is_not_renewed_each_run() -> None:
    chain = decisions.issue("west", ROOT, dataclasses.replace(POLICY, now=NOW + 3000 * DAY))
    late = decided(decisions.ClusterTrust("west", chain.data), now=NOW + 3640 * DAY)
    assert late.action == decisions.KEEP
    assert "rotate the root" in late.warning


def test_what_is_there_must_be_right_but_may_have_ended() -> None:
    foreign = decisions.issue("west", OTHER, POLICY)
    with pytest.raises(FleetError, match="its root differs from the fleet's") as refused:
        decided(decisions.ClusterTrust("west", foreign.data))
    assert (refused.value.cluster, refused.value.obj) == ("west", "Secret istio-system/cacerts")
    ended = decided(decisions.ClusterTrust("west", WEST.data), now=NOW + 731 * DAY)
    assert (ended.action, ended.days) == (decisions.RENEW, -1)
    broken = f"{certificates.BEGIN}\nx\n{certificates.END}"
    assert "delete the Secret and run again" in _refused({**WEST.data, "ca-cert.pem": broken}).next_step
    assert "trust_root: provided" in refused.value.next_step
    wrong = {**WEST.data, "ca-key.pem": foreign.key}
    for days in (0, 731):
        with pytest.raises(FleetError, match="is not the key of"):
            decided(decisions.ClusterTrust("west", wrong), now=NOW + days * DAY)


def _refused(data: t.Mapping[str, str]) -> FleetError:
    with pytest.raises(FleetError) as refused:
        decided(decisions.ClusterTrust("west", data))
    return refused.value


def test_a_fresh_chain_is_verified_before_it_is_used() -> None:
    with pytest.raises(FleetError, match="a name constraint of the chain excludes"):
        decisions.issue("west", ROOT, dataclasses.replace(POLICY, trust_domain="bank.example"))
    with pytest.raises(FleetError, match="a signature in the chain is not valid"):
        decisions.issue("west", certificates.Authority(ROOT.certificate, OTHER.key), POLICY)


@pytest.mark.parametrize(("left", "action"), [(30, decisions.RENEW), (31, decisions.KEEP)])
def test_renewal_begins_on_the_day_that_is_asked_for(left: int, action: str) -> None:
    assert decided(decisions.ClusterTrust("west", WEST.data), now=NOW + (730 - left) * DAY).action == action


def test_an_ended_one_is_renewed_even_if_its_root_ends() -> None:
    chain = decisions.issue("west", ROOT, dataclasses.replace(POLICY, lifetime=3649.5 * DAY))
    live = decisions.ClusterTrust("west", chain.data)
    assert decided(live, now=NOW + 3649 * DAY).action == decisions.KEEP
    assert decided(live, now=NOW + 3649.6 * DAY).action == decisions.RENEW
    # A day more is worth a renewal.
    chain = decisions.issue("west", ROOT, dataclasses.replace(POLICY, lifetime=3648.5 * DAY))
    assert decided(decisions.ClusterTrust("west", chain.data), now=NOW + 3640 * DAY).action == decisions.RENEW


def test_a_self_signed_istiod_is_not_overwritten() -> None:
    other = certificates.certificate_pem(OTHER.certificate)
    with pytest.raises(FleetError, match="a live istiod uses another root") as refused:
        decided(decisions.ClusterTrust("west", None, istiod=True, published_root=other))
    assert refused.value.cluster == "west"
    assert certificates.fingerprint(OTHER.certificate) in refused.value.seen
    assert decided(decisions.ClusterTrust("west", None, istiod=False, published_root=other)).action == decisions.ISSUE
    ours = certificates.certificate_pem(ROOT.certificate)
    for published in (ours, "", "\n"):
        live = decisions.ClusterTrust("west", None, istiod=True, published_root=published)
        assert decided(live).action == decisions.ISSUE
    assert decided(decisions.ClusterTrust("west", None, published_root=other)).action == decisions.ISSUE


@pytest.mark.parametrize(("minutes", "side"), [(-60, "behind"), (-6, "behind"), (6, "ahead"), (60, "ahead")])
def test_nothing_is_signed_by_a_clock_that_differs(minutes: int, side: str) -> None:
    ahead = datetime.timedelta(minutes=minutes)
    for live, now in (
        (decisions.ClusterTrust("west"), NOW),
        (decisions.ClusterTrust("west", WEST.data), NOW + 719 * DAY),
    ):
        with pytest.raises(FleetError, match="its clock differs") as refused:
            decided(dataclasses.replace(live, ahead=ahead), now=now)
        assert f"{abs(minutes)} minutes {side}" in refused.value.seen
    # What is valid stays.
    assert decided(decisions.ClusterTrust("west", WEST.data, ahead=ahead)).action == decisions.KEEP


@pytest.mark.parametrize("minutes", [-5, -4, 4, 5])
def test_a_small_difference_is_within_what_is_backdated(minutes: int) -> None:
    ahead = datetime.timedelta(minutes=minutes)
    assert decided(decisions.ClusterTrust("west", ahead=ahead)).action == decisions.ISSUE
    chain = decisions.issue("west", ROOT, POLICY)
    for certificate in (*certificates.parse_certificates(chain.certificate), ROOT.certificate):
        assert certificate.not_valid_before_utc <= NOW + ahead - datetime.timedelta(minutes=5)


def test_a_rotation_under_way_keeps_its_bundle() -> None:
    both = WEST.root + certificates.certificate_pem(OTHER.certificate)
    live = decisions.ClusterTrust("west", {**WEST.data, "root-cert.pem": both})
    assert decided(live).action == decisions.KEEP
    assert decisions.issue("west", ROOT, POLICY, present=live.data).root == both
    assert decisions.bundle_with(ROOT.certificate, certificates.certificate_pem(OTHER.certificate)) == WEST.root


@pytest.mark.parametrize(
    ("text", "expected"), [("30d", 30 * DAY), ("12h", DAY / 2), ("1d12h", 1.5 * DAY), ("90m", DAY / 16)]
)
def test_lengths_of_time(text: str, expected: datetime.timedelta) -> None:
    assert decisions.duration(text, name="x") == expected


@pytest.mark.parametrize("text", ["", "30", "0d", "d", "30 d", "-1d", "1w", "99999999999d"])
def test_no_lengths_of_time(text: str) -> None:
    with pytest.raises(FleetError, match="trust_renew_before"):
        decisions.duration(text, name="trust_renew_before")


def test_the_line_is_the_one_a_person_reads() -> None:
    kept = [decisions.Decision(name, decisions.KEEP, 300) for name in ("a", "b", "c")]
    renewed = decisions.Decision("west", decisions.RENEW, 11)
    line = decisions.summary(ROOT.certificate, [renewed, *kept], failed=0, planned=False)
    assert line == f"root SHA256 {certificates.short(ROOT.certificate)}  west renewed (11 days left) · 3 unchanged"
    many = [decisions.Decision(n, decisions.ISSUE) for n in "abcde"]
    assert decisions.summary(None, many[:4], failed=0, planned=False).endswith("a, b, c, d signed")
    assert decisions.summary(None, many, failed=0, planned=False) == "no root made  5 signed"
    new = [decisions.Decision(n, decisions.ISSUE) for n in ("west", "east")]
    assert decisions.summary(None, new, failed=1, planned=True) == (
        "root would be made  west, east would be signed · 1 failed"
    )
