# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared VPC: which roles are revoked, and what is reported before anything is made."""

from __future__ import annotations

import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc import SharedVpc
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc_requirements import (
    service_project_bindings,
)

from .shared_clusters import HOST, shared_clusters

Json = dict[str, t.Any]
OURS = service_project_bindings(HOST, "42")


@pytest.fixture(autouse=True)
def a_run_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that another test has asked is known."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class FakeGoogle:
    """Answers by method; refuses what it has no answer for."""

    settings = types.SimpleNamespace(endpoint="")

    def __init__(self, answers: dict[str, Json], project: str = HOST, asked: list[str] | None = None) -> None:
        self.answers, self.project, self.requests = answers, project, 0
        self.asked = [] if asked is None else asked

    def of(self, project: str) -> FakeGoogle:
        return FakeGoogle(self.answers, project, self.asked)

    def call(self, service: str, method: str, *, obj: str = "", **params: t.Any) -> Json:
        self.requests += 1
        self.asked.append(method)
        if method not in self.answers:
            raise GoogleError("permission is missing", status=403, obj=obj, means=f"no role in {self.project}")
        return self.answers[method]


def host_project(google: FakeGoogle, folder: Path, *, dry: bool = False, said: list[str] | None = None) -> SharedVpc:
    return SharedVpc(
        t.cast("t.Any", google),
        roles="granted",
        directory=str(folder / "shop"),
        enable_apis=False,
        timeout=5,
        dry_run=dry,
        say=[].append if said is None else said.append,
    )


def cluster(name: str, network: str = f"projects/{HOST}/global/networks/corp") -> Json:
    return {"name": name, "location": "us-west1", "networkConfig": {"network": network}}


@pytest.mark.parametrize(
    ("clusters", "dry", "stay"),
    [
        ({}, False, ""),
        ({"clusters": [cluster("old", "projects/team-a/global/networks/default")]}, False, ""),
        ({"clusters": [cluster("others")]}, False, "cluster others needs them"),
        ({"missingZones": ["us-east1"]}, False, "Google does not answer for us-east1, where a cluster may need them"),
        # In check mode the leaving clusters still exist.
        ({"clusters": [cluster("west")]}, True, ""),
        ({"clusters": [cluster("west"), cluster("others")]}, True, "cluster others needs them"),
    ],
)
def test_roles_stay_while_clusters_of_others_need_them(tmp_path: Path, clusters: Json, dry: bool, stay: str) -> None:
    held = [{"role": b.role, "members": [b.member]} for b in OURS]
    google = FakeGoogle(
        {
            "projects.get": {"projectNumber": "42"},
            "projects.locations.clusters.list": clusters,
            "projects.getIamPolicy": {"bindings": held},
            "projects.setIamPolicy": {},
        }
    )
    said: list[str] = []
    shared_vpc = host_project(google, tmp_path, dry=dry, said=said)
    shared_vpc.record.add(OURS)
    changes = shared_vpc.revoke_roles([shared_clusters()["west"]])
    assert [c.action for c in changes] == ([] if stay else ["removed"] * 3)
    assert all(line.endswith(stay) for line in said) and bool(said) == bool(stay)
    assert bool(shared_vpc.record.read()) == (dry or bool(stay))
    assert google.requests == len(google.asked)


def test_no_request_is_sent_where_nothing_was_granted(tmp_path: Path) -> None:
    google = FakeGoogle({})
    assert host_project(google, tmp_path).revoke_roles([shared_clusters()["west"]]) == []
    assert google.asked == []


APIS_ON: Json = {
    "services": [
        {"name": f"projects/42/services/{api}.googleapis.com", "state": "ENABLED"} for api in ("compute", "container")
    ]
}


def test_roles_that_these_credentials_may_not_grant(tmp_path: Path) -> None:
    google = FakeGoogle({"services.batchGet": APIS_ON, "projects.getXpnHost": {"name": HOST}})
    failed, changes = host_project(google, tmp_path).prepare(shared_clusters().values())
    assert (set(failed), changes) == ({"west", "north"}, [])
    assert failed["west"].means == f"the account has no role in project {HOST} that allows it"
    assert f"administrator of project {HOST} grant {OURS[0].role} to {OURS[0].member}" in failed["west"].next_step
    assert google.requests == len(google.asked)


def test_another_host_project_is_reported(tmp_path: Path) -> None:
    google = FakeGoogle({"services.batchGet": APIS_ON, "projects.getXpnHost": {"name": "old-net"}})
    failed, _changes = host_project(google, tmp_path).prepare([shared_clusters()["west"]])
    assert failed["west"].seen == "its host project is old-net"
