# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tokens that Google refuses before they expire: renewed once for all requests, or reported in one message."""

from __future__ import annotations

import concurrent.futures
import threading
import time
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth import login as login_module
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .standin.server import StandIn

LIST = ("container", "projects.locations.clusters.list")
ALL = {"parent": "projects/shop-prod/locations/-"}
ROBOT = "fleet@shop-prod.iam.gserviceaccount.com"


@pytest.fixture
def robot(google_cloud: StandIn) -> Google:
    """A client with the key of a service account."""
    args = {
        "project": "shop-prod",
        "service_account_contents": google_cloud.service_account(ROBOT),
        "endpoint": google_cloud.endpoint,
    }
    return Google(Settings.from_args(args), patience=60)


def revoke(standin: StandIn) -> None:
    """No token that was issued until now is good any more."""
    with standin.cloud.lock:
        standin.cloud.tokens.clear()


def logins(standin: StandIn) -> int:
    return len([entry for entry in standin.cloud.log if entry["method"] == "oauth2.token"])


def test_a_change_is_repeated_with_a_new_token_and_made_once(robot: Google, google_cloud: StandIn) -> None:
    robot.call(*LIST, **ALL)
    revoke(google_cloud)
    operation = robot.call("compute", "networks.insert", project="shop-prod", body={"name": "mesh"})
    assert robot.wait("compute", operation, 10, interval=0.1)["status"] == "DONE"
    sent = [entry["status"] for entry in google_cloud.cloud.log if entry["method"] == "compute.networks.insert"]
    assert sent == [401, 200]
    assert logins(google_cloud) == 2


def test_fifty_that_are_refused_at_once_log_in_once(robot: Google, google_cloud: StandIn) -> None:
    robot.call(*LIST, **ALL)
    revoke(google_cloud)
    together = threading.Barrier(50)

    def ask(_number: int) -> dict[str, t.Any]:
        together.wait(30)
        return robot.of("shop-prod").call(*LIST, **ALL)

    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        assert list(threads.map(ask, range(50))) == [{}] * 50
    assert logins(google_cloud) == 2


def test_fifty_that_begin_at_once_log_in_once(robot: Google, google_cloud: StandIn) -> None:
    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        assert list(threads.map(lambda _number: robot.call(*LIST, **ALL), range(50))) == [{}] * 50
    assert logins(google_cloud) == 1


def test_new_tokens_that_are_refused_too_end_in_one_message(robot: Google, google_cloud: StandIn) -> None:
    robot.call(*LIST, **ALL)
    revoke(google_cloud)
    google_cloud.cloud.on_token.append(google_cloud.cloud.tokens.discard)
    for _again in range(5):
        with pytest.raises(GoogleError) as caught:
            robot.call(*LIST, cluster="west", **ALL)
        said = caught.value
        assert said.status == 401
        assert str(said).startswith(f"west: Google does not accept service account {ROBOT} (key in gke_service_account")
        assert "container.projects.locations.clusters.list" in said.seen
        assert "a new token is refused too" in said.means
        assert "make a new key" in said.next_step
        assert not [token for token in google_cloud.cloud.issued if token in str(said)]
    # The first message cost one login; a token that was never accepted is not renewed again.
    assert logins(google_cloud) == 2


def test_an_account_that_is_enabled_again_works(robot: Google, google_cloud: StandIn) -> None:
    robot.call(*LIST, **ALL)
    revoke(google_cloud)
    google_cloud.cloud.on_token.append(google_cloud.cloud.tokens.discard)
    with pytest.raises(GoogleError):
        robot.call(*LIST, **ALL)
    google_cloud.cloud.on_token.clear()
    google_cloud.cloud.add_token(robot.token())
    robot.call(*LIST, **ALL)
    revoke(google_cloud)
    assert robot.call(*LIST, **ALL) == {}


@pytest.mark.parametrize("variable", ["gke_access_token", "GCP_ACCESS_TOKEN"])
def test_a_given_token_that_is_refused_is_named_by_its_variable(
    google_cloud: StandIn, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    args = {"project": "shop-prod", "endpoint": google_cloud.endpoint}
    if variable == "GCP_ACCESS_TOKEN":
        monkeypatch.setenv(variable, "given.by-a-person")
    else:
        args["access_token"] = "given.by-a-person"
    with pytest.raises(GoogleError) as caught:
        Google(Settings.from_args(args), patience=60).call(*LIST, cluster="west", **ALL)
    assert str(caught.value).startswith(f"west: the access token in {variable} is not accepted")
    assert "cannot be renewed" in caught.value.means
    assert f"set {variable} anew" in caught.value.next_step
    assert "given.by-a-person" not in str(caught.value)
    assert [entry["status"] for entry in google_cloud.cloud.log] == [401]


def test_a_key_that_is_revoked_during_the_run(robot: Google, google_cloud: StandIn) -> None:
    robot.call(*LIST, **ALL)
    google_cloud.login.keys.clear()
    revoke(google_cloud)
    with pytest.raises(FleetError) as caught:
        robot.call(*LIST, cluster="west", **ALL)
    assert str(caught.value).startswith("west: Google gave no token")
    assert "account not found" in caught.value.seen
    assert ROBOT in caught.value.means


def test_fifty_that_cannot_be_helped_ask_once(robot: Google, google_cloud: StandIn) -> None:
    robot.call(*LIST, **ALL)
    token, login = robot.token(), robot._login
    google_cloud.login.keys.clear()
    waiting = threading.Semaphore(0)

    class Clock:
        """Notes when a thread has come."""

        @staticmethod
        def monotonic() -> float:
            waiting.release()
            return time.monotonic()

    def ask(number: int) -> str:
        with pytest.raises(FleetError) as caught:
            login.renew(token, f"cluster-{number}")
        return str(caught.value).partition(" ")[0]

    with pytest.MonkeyPatch.context() as patch, concurrent.futures.ThreadPoolExecutor(50) as threads:
        patch.setattr(login_module, "time", Clock)
        with login._turn:
            asked = [threads.submit(ask, number) for number in range(50)]
            assert all(waiting.acquire(timeout=60) for _thread in asked)
        assert [one.result() for one in asked] == [f"cluster-{number}:" for number in range(50)]
    assert logins(google_cloud) == 2


def test_an_expired_token_is_renewed_before_its_use(robot: Google, google_cloud: StandIn) -> None:
    # The library renews a token some minutes before its end.
    google_cloud.login.expires_in = 100.0
    robot.call(*LIST, **ALL)
    robot.call(*LIST, **ALL)
    assert [entry["status"] for entry in google_cloud.cloud.log if entry["method"].endswith("list")] == [200, 200]
    assert logins(google_cloud) == 2
