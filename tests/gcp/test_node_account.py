# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service account that is made for a fleet's nodes: with one role, left alone, and gone with the fleet."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.grants import Grants
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.node_account import RECORD, ROLE, NodeAccount
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import node_account
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .cluster_runs import HOSTS, fleet_of, wanted_of
from .standin.server import StandIn

EMAIL = "mesh-shop-nodes@shop-prod.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{EMAIL}"


@pytest.fixture
def made(options: dict[str, t.Any], tmp_path: Path) -> t.Callable[..., NodeAccount]:
    def make(*, dry_run: bool = False) -> NodeAccount:
        google = Google(Settings.from_args(options), patience=5)
        return NodeAccount(google, EMAIL, "ours", Grants(str(tmp_path), RECORD), dry_run=dry_run, longest=0.1)

    return make


def roles(standin: StandIn) -> list[str]:
    bindings = (standin.cloud.policies.get("shop-prod") or {}).get("bindings") or []
    return [b["role"] for b in bindings if MEMBER in b["members"]]


def what(changes: list[t.Any]) -> list[tuple[str, str]]:
    return [(change.kind, change.action) for change in changes]


def test_made_with_one_role_and_left_alone(made: t.Callable[..., NodeAccount], google_cloud: StandIn) -> None:
    assert what(made(dry_run=True).present()) == [("ServiceAccount", "created")]
    assert google_cloud.cloud.accounts == {}
    assert what(made().present()) == [("ServiceAccount", "created"), ("Role", "changed")]
    assert roles(google_cloud) == [ROLE]
    assert what(made().present()) == [("ServiceAccount", "unchanged"), ("Role", "unchanged")]
    assert what(made().absent()) == [("Role", "removed"), ("ServiceAccount", "removed")]
    assert (google_cloud.cloud.accounts, roles(google_cloud)) == ({EMAIL: None}, [])
    assert made().absent() == []


def test_an_account_of_others_is_not_taken(made: t.Callable[..., NodeAccount], google_cloud: StandIn) -> None:
    google_cloud.cloud.accounts[EMAIL] = {"description": "theirs"}
    with pytest.raises(FleetError) as caught:
        made().present()
    assert caught.value.what == "a service account of this name exists that this fleet did not make"
    assert made().absent() == []
    assert (google_cloud.cloud.accounts[EMAIL], roles(google_cloud)) == ({"description": "theirs"}, [])


def test_a_role_that_others_granted_stays(made: t.Callable[..., NodeAccount], google_cloud: StandIn) -> None:
    google_cloud.cloud.accounts[EMAIL] = {"description": "ours"}
    google_cloud.cloud.policies["shop-prod"] = {
        "version": 1, "etag": "x", "bindings": [{"role": ROLE, "members": [MEMBER]}],
    }  # fmt: skip
    assert what(made().present()) == [("ServiceAccount", "unchanged"), ("Role", "unchanged")]
    assert what(made().absent()) == [("ServiceAccount", "removed")]
    assert roles(google_cloud) == [ROLE]


def test_the_word_stands_for_an_address_of_the_clusters_project() -> None:
    fleet = fleet_of({**HOSTS, "north": {**HOSTS["north"], "gke_mode": "autopilot"}}, gke_node_service_account="fleet")
    assert {w.account for w in wanted_of(fleet).values()} == {EMAIL}
    assert {w.account for w in wanted_of(fleet_of()).values()} == {""}
    one = fleet_of({"west": HOSTS["west"]}, gke_node_pools=[{"name": "a", "node_service_account": "fleet"}])
    assert wanted_of(one)["west"].account == EMAIL


@pytest.mark.parametrize("fleet", ["a", "shop", "a-fleet-with-a-very-long-name", "x" * 63])
def test_its_name_is_one_that_google_accepts(fleet: str) -> None:
    name = node_account(fleet, "shop-prod").partition("@")[0]
    assert re.fullmatch(r"[a-z][-a-z0-9]{4,28}[a-z0-9]", name)
    assert node_account(fleet, "example.com:shop").endswith("@shop.example.com.iam.gserviceaccount.com")
