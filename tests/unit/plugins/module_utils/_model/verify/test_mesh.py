# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report and metrics get of each cluster."""

from __future__ import annotations

import json

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import RemoteCluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import Life
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts, HeldToken, IstiodFacts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.mesh import mesh_document
from tests.report_data import verified

from ..trust.authorities import DAY, NOW, ROOT, WEST, crl_of, issuer_of
from .test_checks import FLEET, whole


def test_each_cluster_has_what_was_read() -> None:
    west = whole("west", "east")
    west.tokens = [HeldToken("east", True, Life(1800000000.0)), HeldToken("other", False, None, refused=True)]
    found = mesh_document(FLEET, {"west": west, "east": Facts("east", problem="it does not answer")})
    assert found["west"]["versions"] == {"istiod": "1.31.1"}
    assert found["west"]["eastwest"] == "192.0.2.9"
    assert found["west"]["watches"] == {"east": {"declared": True, "secret": True, "state": "synced"}}
    assert found["west"]["tokens"] == [
        {"cluster": "east", "ends": "2027-01-15T08:00:00+00:00", "ours": True, "refused": False},
        {"cluster": "other", "ends": None, "ours": False, "refused": True},
    ]
    assert set(found["west"]["certificates"]) == {"intermediate CA"}, "there was no leaf"
    assert len(found["west"]["root"].split(":")) == 32
    assert found["east"]["problem"] == "it does not answer"
    assert found["east"]["watches"] == {"west": {"declared": True, "secret": False, "state": "unknown"}}


def test_the_worst_word_of_several_istiods_counts() -> None:
    west = whole("west", "east")
    west.istiods.append(IstiodFacts("istiod-y", {"east": RemoteCluster("east", "syncing", "s")}))
    assert mesh_document(FLEET, {"west": west})["west"]["watches"]["east"]["state"] == "syncing"
    west.istiods[1].clusters.clear()
    assert mesh_document(FLEET, {"west": west})["west"]["watches"]["east"]["state"] == "not listed"


def test_no_certificate_and_no_token_is_in_it() -> None:
    west = whole("west", "east")
    text = json.dumps(mesh_document(FLEET, {"west": west}))
    assert "BEGIN" not in text
    west.cacerts = {"ca-cert.pem": "no certificate", "root-cert.pem": "nor this"}
    found = mesh_document(FLEET, {"west": west})["west"]
    assert (found["certificates"], found["root"]) == ({}, "")


def test_the_revocation_list_that_ends_first_counts() -> None:
    west = whole("west", "east")
    before = mesh_document(FLEET, {"west": west})["west"]["certificates"]
    lists = crl_of(ROOT, ends=NOW + 9 * DAY) + crl_of(issuer_of(WEST), ends=NOW + 5 * DAY)
    west.cacerts = {**(west.cacerts or {}), "ca-crl.pem": lists}
    found = mesh_document(FLEET, {"west": west})["west"]["certificates"]
    assert found == {**before, "revocation lists": (NOW + 5 * DAY).isoformat()}
    west.cacerts["ca-crl.pem"] = "no list"
    assert mesh_document(FLEET, {"west": west})["west"]["certificates"] == before


def test_a_version_is_the_tag_of_an_image() -> None:
    west = whole("west", "east")
    west.versions = {"a": "pilot:1.31.1@sha256:00", "b": "pilot"}
    assert mesh_document(FLEET, {"west": west})["west"]["versions"] == {"a": "1.31.1", "b": "pilot"}


def test_the_data_of_other_tests_has_the_same_keys() -> None:
    sample = verified(2)["mesh"]["fra"]
    real = mesh_document(FLEET, {"west": whole("west", "east")})["west"]
    assert set(sample) == set(real)
    assert set(sample["watches"]["iad"]) == set(real["watches"]["east"])
