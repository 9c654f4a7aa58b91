# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The client: credentials, refusals in words, retries, operations; and the stand-in's own honesty."""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.credentials import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.session import Google, GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .standin.server import StandIn

LIST = ("container", "projects.locations.clusters.list")
ALL = {"parent": "projects/shop-prod/locations/-"}


@pytest.fixture
def google(options: dict[str, t.Any]) -> Google:
    return Google(Settings.from_args(options), patience=5)


def network(google: Google) -> dict[str, t.Any]:
    return google.call("compute", "networks.insert", project="shop-prod", body={"name": "mesh"})


# Credentials.


def test_environment_is_google_clouds() -> None:
    env = {"GCP_PROJECT": "p", "GCP_AUTH_KIND": "accesstoken", "GCP_ACCESS_TOKEN": "x", "GCP_SCOPES": "a,b"}
    found = Settings.from_args({}, env)
    assert (found.project, found.auth_kind, found.access_token, found.scopes) == ("p", "accesstoken", "x", ("a", "b"))
    assert Settings.from_args({"project": "q"}, env).project == "q"
    assert "x" not in repr(found).replace("auth_kind", "").replace("accesstoken", "")


def test_the_credential_that_is_there_tells_the_kind() -> None:
    assert Settings.from_args({"project": "p"}, {}).auth_kind == "application"
    assert Settings.from_args({"project": "p", "access_token": "x"}, {}).auth_kind == "accesstoken"
    assert Settings.from_args({"project": "p", "service_account_file": "f"}, {}).auth_kind == "serviceaccount"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "no Google Cloud project"),
        ({"project": "p", "auth_kind": "password"}, "auth_kind 'password' is unknown"),
        ({"project": "p", "auth_kind": "accesstoken"}, "there is no token"),
        ({"project": "p", "auth_kind": "serviceaccount"}, "there is no key"),
        ({"project": "p", "service_account_file": "/nowhere/key.json"}, "key cannot be read"),
        ({"project": "p", "service_account_contents": "{not json"}, "key cannot be used"),
    ],
)
def test_missing_credentials_are_named(clean_environment: None, args: dict[str, t.Any], said: str) -> None:
    with pytest.raises(FleetError) as caught:
        Google(Settings.from_args(args, {}))
    assert said in str(caught.value)
    assert caught.value.next_step


def test_no_default_credentials(clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(FleetError) as caught:
        Google(Settings.from_args({"project": "p"}, {}))
    assert "no credentials for Google Cloud" in str(caught.value)


def test_a_service_account_logs_in_and_its_token_is_renewed(google_cloud: StandIn) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    info = {
        "type": "service_account",
        "client_email": "fleet@shop-prod.iam.gserviceaccount.com",
        "private_key": pem,
        "token_uri": f"{google_cloud.endpoint}/oauth2.googleapis.com/token",
    }
    args = {"project": "shop-prod", "service_account_contents": info, "endpoint": google_cloud.endpoint}
    google = Google(Settings.from_args(args), patience=2)
    assert google.call(*LIST, **ALL) == {"clusters": []}
    first = google.token()
    assert google.token() == first
    assert google.token_expires() is not None
    # Google stops accepting the token: the client gets another one by itself.
    google_cloud.cloud.tokens.clear()
    assert google.call(*LIST, **ALL) == {"clusters": []}
    assert google.token() != first


def test_an_expired_token_is_said_without_showing_it(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.tokens.clear()
    with pytest.raises(FleetError) as caught:
        google.call(*LIST, **ALL)
    assert "expired" in str(caught.value)
    assert "standin." not in str(caught.value)


# Refusals.


def test_a_missing_permission_is_named(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.deny("container.clusters.list")
    with pytest.raises(GoogleError) as caught:
        google.call(*LIST, cluster="west", **ALL)
    assert str(caught.value).startswith("west: permission container.clusters.list is missing")


def test_a_disabled_api_is_named_with_its_variable(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.disabled.add("container.googleapis.com")
    with pytest.raises(GoogleError) as caught:
        google.call(*LIST, **ALL)
    assert "API container.googleapis.com is disabled in project shop-prod" in str(caught.value)
    assert "gke_enable_apis: true" in caught.value.next_step


def test_quota(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.list", 403, "Insufficient regional quota to satisfy request: resource CPUS")
    with pytest.raises(GoogleError) as caught:
        google.call(*LIST, **ALL)
    assert "quota" in caught.value.what
    assert "CPUS" in caught.value.seen


def test_not_found_may_be_an_answer(google: Google) -> None:
    name = "projects/shop-prod/locations/us-west1/clusters/west"
    assert google.call("container", "projects.locations.clusters.get", name=name, absent=True) == {}
    with pytest.raises(GoogleError) as caught:
        google.call("container", "projects.locations.clusters.get", name=name)
    assert caught.value.status == 404


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_trouble_that_passes_is_waited_out(google: Google, google_cloud: StandIn, status: int) -> None:
    google_cloud.cloud.fail("container.*.list", status, times=2)
    assert google.call(*LIST, **ALL) == {"clusters": []}
    assert google.requests == 3


def test_retry_after_is_kept(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.list", 429, retry_after=1.5)
    began = time.monotonic()
    google.call(*LIST, **ALL)
    assert time.monotonic() - began >= 1.5


def test_trouble_that_stays_ends_in_time(options: dict[str, t.Any], google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.list", 503, times=-1)
    with pytest.raises(GoogleError) as caught:
        Google(Settings.from_args(options), patience=1).call(*LIST, **ALL)
    assert caught.value.status == 503


def test_nobody_there() -> None:
    settings = Settings.from_args({"project": "p", "access_token": "x", "endpoint": "http://127.0.0.1:9"}, {})
    with pytest.raises(FleetError) as caught:
        Google(settings, patience=0.1).call(*LIST, **ALL)
    assert "does not answer" in str(caught.value)


# Operations and pages.


def test_an_operation_is_awaited(google: Google) -> None:
    assert google.wait("compute", network(google), 10, interval=0.1)["status"] == "DONE"
    assert google.call("compute", "networks.get", project="shop-prod", network="mesh")["name"] == "mesh"


def test_a_failed_operation_says_why(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("compute.networks.insert", 0, "no room left")
    with pytest.raises(GoogleError) as caught:
        google.wait("compute", network(google), 10, interval=0.1)
    assert "no room left" in str(caught.value)


def test_an_operation_that_never_ends(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("compute.networks.insert", 0, never=True)
    with pytest.raises(FleetError) as caught:
        google.wait("compute", network(google), 0.5, cluster="west", interval=0.1)
    assert "not done after 0.5 s" in str(caught.value)
    assert "RUNNING" in caught.value.seen


def test_pages_are_followed(google: Google, google_cloud: StandIn) -> None:
    for number in range(7):
        google.call("compute", "networks.insert", project="shop-prod", body={"name": f"n{number}"})
    google_cloud.cloud.page = 3
    time.sleep(0.1)
    assert len(google.pages("compute", "networks.list", "items", project="shop-prod")) == 7


# The stand-in is as strict as Google's documents are.


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"cluster": {"nam": "x"}}, "Unknown name \"nam\" at 'cluster'"),
        ({"cluster": {"name": 3}}, "Invalid value at 'cluster.name'"),
        ({"cluster": {"autopilot": {"enabled": "yes"}}}, "Invalid value at 'cluster.autopilot.enabled'"),
        ({"cluster": {"nodePools": {}}}, "Invalid value at 'cluster.nodePools'"),
        ({"cluster": {"releaseChannel": {"channel": "WEEKLY"}}}, "Invalid value at 'cluster.releaseChannel.channel'"),
        ({"cluster": {"resourceLabels": {"a": 1}}}, "Invalid value at 'cluster.resourceLabels.a'"),
    ],
)
def test_bodies_are_checked(google: Google, body: dict[str, t.Any], said: str) -> None:
    parent = "projects/shop-prod/locations/us-west1"
    with pytest.raises(GoogleError) as caught:
        google.call("container", "projects.locations.clusters.create", parent=parent, body=body)
    assert caught.value.status == 400
    assert said in caught.value.seen


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/container.googleapis.com/v1/projects/p/locations/l/clusterz", 404),
        ("PATCH", "/container.googleapis.com/v1/projects/p/locations/l/clusters/c", 404),
        ("GET", "/container.googleapis.com/v1/projects/p/locations/l/clusters?sort=name", 400),
        ("GET", "/compute.googleapis.com/compute/v1/projects/p/global/networks?maxResults=many", 400),
        ("GET", "/container.googleapis.com/v1/projects/p/locations/l/serverConfig", 501),
    ],
)
def test_requests_are_checked(google_cloud: StandIn, verb: str, path: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {google_cloud.environment['GCP_ACCESS_TOKEN']}"}
    answer = requests.request(verb, google_cloud.endpoint + path, headers=headers, timeout=10)
    assert answer.status_code == status, answer.text


def test_a_proxy_for_google_alone(google_cloud: StandIn) -> None:
    headers = {"Authorization": f"Bearer {google_cloud.environment['GCP_ACCESS_TOKEN']}"}
    proxies = {"https": google_cloud.endpoint}
    url = "https://compute.googleapis.com/compute/v1/projects/p/global/networks"
    answer = requests.get(url, headers=headers, proxies=proxies, verify=str(google_cloud.ca_file), timeout=10)
    assert json.loads(answer.text)["items"] == []
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://example.com/", proxies=proxies, verify=str(google_cloud.ca_file), timeout=10)
