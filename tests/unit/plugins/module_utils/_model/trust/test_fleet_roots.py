# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which root is the fleet's, by what its clusters hold."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions, fleet_roots
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.decisions import ClusterTrust
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .authorities import OTHER, POLICY, ROOT, WEST

EMPTY = ClusterTrust("new")
FIRST = ClusterTrust("west", WEST.data)
SECOND = ClusterTrust("east", decisions.issue("east", ROOT, POLICY).data)
FOREIGN = ClusterTrust("odd", decisions.issue("odd", OTHER, POLICY).data)


def test_one_root_is_the_fleets_whoever_wrote_it() -> None:
    assert fleet_roots.the_live_root([EMPTY]) is None
    found = fleet_roots.the_live_root([EMPTY, FIRST, SECOND])
    assert found == fleet_roots.LiveRoot(ROOT.certificate, ("west", "east"))
    assert "in west, east" in str(found)


def test_of_two_roots_none_is_the_fleets() -> None:
    # The most frequent one is not: a fleet of two may have lost its second cluster to a new root.
    with pytest.raises(FleetError, match="more than one root") as refused:
        fleet_roots.the_live_root([FIRST, SECOND, FOREIGN])
    for authority in (ROOT, OTHER):
        assert certificates.fingerprint(authority.certificate) in refused.value.seen


def test_in_a_rotation_the_root_is_the_one_that_signed() -> None:
    both = certificates.certificate_pem(OTHER.certificate, ROOT.certificate)
    rotating = ClusterTrust("west", {**WEST.data, "root-cert.pem": both})
    found = fleet_roots.the_live_root([rotating])
    assert found is not None
    assert found.certificate == ROOT.certificate
    # A root that is sent along has signed itself, which says nothing.
    whole = {**WEST.data, "root-cert.pem": both, "cert-chain.pem": WEST.certificate + both}
    assert [live.certificate for live in fleet_roots.live_roots([ClusterTrust("west", whole)])] == [ROOT.certificate]


def test_what_is_missing_is_no_root_and_a_bundle_alone_is_one() -> None:
    assert fleet_roots.live_roots([ClusterTrust("west", {}), ClusterTrust("east", {"root-cert.pem": " "})]) == []
    (found,) = fleet_roots.live_roots([ClusterTrust("west", {"root-cert.pem": WEST.root, "ca-cert.pem": ""})])
    assert (found.certificate, found.clusters) == (ROOT.certificate, ("west",))


def test_an_unreadable_root_is_not_taken_for_none() -> None:
    broken = ClusterTrust("west", {**WEST.data, "root-cert.pem": "-----BEGIN CERTIFICATE-----"})
    with pytest.raises(FleetError) as refused:
        fleet_roots.the_live_root([SECOND, broken])
    assert refused.value.cluster == "west"


def test_a_first_one_under_a_root_that_no_other_has() -> None:
    fleet_roots.refuse_another_root([EMPTY], OTHER.certificate)
    # One cluster that has another root is refused by itself, and stops no other.
    fleet_roots.refuse_another_root([FIRST, FOREIGN], OTHER.certificate)
    with pytest.raises(FleetError, match="the other clusters have another root") as refused:
        fleet_roots.refuse_another_root([EMPTY, FIRST, SECOND], OTHER.certificate)
    assert "in west, east" in refused.value.seen


def test_an_istiod_without_cacerts_has_a_root_of_its_own() -> None:
    alone = ClusterTrust("old", None, istiod=True, published_root=WEST.root)
    assert fleet_roots.self_signed([FIRST, EMPTY, alone]) == [alone]
    gone = ClusterTrust("gone", None, published_root=WEST.root)
    signed = ClusterTrust("signed", WEST.data, istiod=True, published_root=WEST.root)
    starting = ClusterTrust("starting", None, istiod=True, published_root="\n")
    assert fleet_roots.self_signed([gone, signed, starting]) == []
