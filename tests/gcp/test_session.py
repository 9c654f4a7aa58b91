# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The client: credentials, refusals in words, retries, operations; and what the stand-in checks."""

from __future__ import annotations

import ast
import json
import time
import typing as t
from pathlib import Path

import pytest
import requests

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import (
    _ENVIRONMENT,
    GOOGLE_OPTIONS,
    Settings,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .caller import Caller
from .standin.errors import Refused
from .standin.server import StandIn

LIST = ("container", "projects.locations.clusters.list")
ALL = {"parent": "projects/shop-prod/locations/-"}


@pytest.fixture
def google(options: dict[str, t.Any]) -> Google:
    return Google(Settings.from_args(options), patience=60)


def network(google: Google) -> dict[str, t.Any]:
    return google.call("compute", "networks.insert", project="shop-prod", body={"name": "mesh"})


# Credentials.


def test_environment_is_google_clouds() -> None:
    env = {"GCP_PROJECT": "p", "GCP_AUTH_KIND": "accesstoken", "GCP_ACCESS_TOKEN": "x", "GCP_SCOPES": "a,b"}
    found = Settings.from_args({}, env)
    assert (found.project, found.auth_kind, found.access_token, found.scopes) == ("p", "accesstoken", "x", ("a", "b"))
    assert Settings.from_args({"project": "q"}, env).project == "q"
    assert "x" not in repr(found).replace("auth_kind", "").replace("accesstoken", "")


def test_options_and_fallbacks_are_those_of_google_cloud() -> None:
    """Read from that collection's own argument spec."""
    from ansible_collections.google.cloud.plugins.module_utils import gcp_utils

    theirs: dict[str, tuple[str, list[str]]] = {}
    for call in ast.walk(ast.parse(Path(gcp_utils.__file__).read_text())):
        if isinstance(call, ast.keyword) and isinstance(call.value, ast.Call):
            inner = {k.arg: k.value for k in call.value.keywords}
            if "fallback" in inner and call.arg:
                names = ast.literal_eval(inner["fallback"].elts[1])
                kinds = ast.literal_eval(inner["choices"]) if "choices" in inner else []
                theirs[call.arg] = (names[0], sorted(kinds))
    assert set(theirs) >= {"project", "auth_kind", "service_account_contents"}
    theirs.pop("env_type")  # alters their User-Agent, no more
    ours = {
        name: (_ENVIRONMENT[name], sorted(set(option.get("choices") or []) - {""}))
        for name, option in GOOGLE_OPTIONS.items()
        if name in theirs
    }
    assert ours == theirs


@pytest.fixture
def proxied(google_cloud: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Google's own names lead to the stand-in: google-auth knows no endpoint."""
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
        monkeypatch.setenv(name, google_cloud.environment[name])
    return google_cloud


def application(standin: StandIn, folder: Path, monkeypatch: pytest.MonkeyPatch, info: dict[str, t.Any]) -> Google:
    path = folder / "adc.json"
    path.write_text(json.dumps(info))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    return Google(Settings.from_args({"project": "shop-prod", "endpoint": standin.endpoint}), patience=60)


def test_default_credentials_of_a_user(proxied: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    google = application(proxied, tmp_path, monkeypatch, proxied.user())
    assert google.call(*LIST, **ALL) == {}
    assert google.token_expires() is not None
    revoked = application(proxied, tmp_path, monkeypatch, proxied.user())
    proxied.login.refresh_tokens.clear()
    with pytest.raises(FleetError) as caught:
        revoked.call(*LIST, **ALL)
    assert "Google gave no token" in str(caught.value)
    assert "expired or revoked" in caught.value.seen
    assert "gcloud auth application-default login" in caught.value.next_step


def test_default_credentials_that_act_as_a_service_account(
    proxied: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = "fleet@shop-prod.iam.gserviceaccount.com"
    info = {
        "type": "impersonated_service_account",
        "source_credentials": proxied.user(),
        "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
        f"{robot}:generateAccessToken",
        "delegates": [],
    }
    google = application(proxied, tmp_path, monkeypatch, info)
    assert google.call(*LIST, **ALL) == {}
    asked = [e for e in proxied.cloud.log if e["method"].endswith("generateAccessToken")]
    assert len(asked) == 1
    assert robot in asked[0]["path"]
    assert asked[0]["body"]["scope"] == ["https://www.googleapis.com/auth/cloud-platform"]
    proxied.cloud.fail(
        "iamcredentials.*",
        403,
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        times=-1,
    )
    with pytest.raises(FleetError) as caught:
        application(proxied, tmp_path, monkeypatch, info).call(*LIST, **ALL)
    assert "permission iam.serviceAccounts.getAccessToken is missing" in str(caught.value)
    assert "roles/iam.serviceAccountTokenCreator" in caught.value.next_step


@pytest.mark.parametrize(
    "how", ["file", "contents", "text", "GCP_SERVICE_ACCOUNT_FILE", "GCP_SERVICE_ACCOUNT_CONTENTS"]
)
def test_a_service_account_by_every_way(
    google_cloud: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    info = google_cloud.service_account()
    text, path = json.dumps(info), tmp_path / "key.json"
    path.write_text(text)
    args: dict[str, t.Any] = {"project": "shop-prod", "endpoint": google_cloud.endpoint}
    if how.startswith("GCP_"):
        monkeypatch.setenv(how, str(path) if how.endswith("FILE") else text)
    else:
        name = "service_account_file" if how == "file" else "service_account_contents"
        args[name] = {"file": str(path), "contents": info, "text": text}[how]
    assert Google(Settings.from_args(args), patience=60).call(*LIST, **ALL) == {}


def test_a_revoked_key_is_named_but_not_shown(google_cloud: StandIn) -> None:
    info = google_cloud.service_account()
    google_cloud.service_account()  # a new key: the old one is revoked
    args = {"project": "shop-prod", "service_account_contents": info, "endpoint": google_cloud.endpoint}
    with pytest.raises(FleetError) as caught:
        Google(Settings.from_args(args), patience=60).call(*LIST, **ALL)
    assert "Invalid JWT Signature" in caught.value.seen
    assert "PRIVATE KEY" not in str(caught.value)


def test_the_credential_that_is_set_decides_the_kind() -> None:
    assert Settings.from_args({"project": "p"}, {}).auth_kind == "application"
    assert Settings.from_args({"project": "p", "access_token": "x"}, {}).auth_kind == "accesstoken"
    assert Settings.from_args({"project": "p", "service_account_file": "f"}, {}).auth_kind == "serviceaccount"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "no Google Cloud project"),
        ({"project": "123456789012"}, "is given by its number"),
        ({"project": "p", "auth_kind": "password"}, "auth_kind 'password' is unknown"),
        ({"project": "p", "auth_kind": "accesstoken"}, "there is no token"),
        ({"project": "p", "auth_kind": "serviceaccount"}, "there is no key"),
        ({"project": "p", "service_account_file": "/nowhere/key.json"}, "key cannot be read"),
        ({"project": "p", "service_account_contents": "{not json"}, "key cannot be used"),
    ],
)
def test_missing_credentials_are_named(args: dict[str, t.Any], said: str) -> None:
    with pytest.raises(FleetError) as caught:
        Google(Settings.from_args(args, {}))
    assert said in str(caught.value)
    assert caught.value.next_step


def test_no_default_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(FleetError) as caught:
        Google(Settings.from_args({"project": "p"}, {}))
    assert "no credentials for Google Cloud" in str(caught.value)


def test_a_service_account_logs_in_and_its_token_is_renewed(google_cloud: StandIn) -> None:
    info = google_cloud.service_account()
    args = {"project": "shop-prod", "service_account_contents": info, "endpoint": google_cloud.endpoint}
    google = Google(Settings.from_args(args), patience=60)
    assert google.call(*LIST, **ALL) == {}
    first = google.token()
    assert google.token() == first
    assert google.token_expires() is not None
    # Google stops accepting the token: the client gets another one by itself.
    google_cloud.cloud.tokens.clear()
    assert google.call(*LIST, **ALL) == {}
    assert google.token() != first


def test_an_expired_token_is_reported_but_not_shown(google: Google, google_cloud: StandIn) -> None:
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


def test_a_page_of_a_proxy_is_no_answer_of_google(google: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Refused, "body", lambda _refused, _service: "<html>No such page</html>")
    name = "projects/shop-prod/locations/us-west1/clusters/west"
    with pytest.raises(GoogleError) as caught:
        google.call("container", "projects.locations.clusters.get", name=name, absent=True)
    assert caught.value.status == 404
    assert "No such page" in caught.value.seen


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_errors_that_pass_are_retried(google: Google, google_cloud: StandIn, status: int) -> None:
    google_cloud.cloud.fail("container.*.list", status, times=2)
    assert google.call(*LIST, **ALL) == {}
    assert google.requests == 3


@pytest.mark.parametrize(("status", "reason"), [(403, "rateLimitExceeded"), (429, "RATE_LIMIT_EXCEEDED")])
def test_requests_that_come_too_fast_are_no_lack_of_quota(
    google: Google, options: dict[str, t.Any], google_cloud: StandIn, status: int, reason: str
) -> None:
    said = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'"
    fault = google_cloud.cloud.fail("container.*.list", status, said, reason=reason, times=1)
    assert google.call(*LIST, **ALL) == {}
    assert google.requests == 2
    fault.times = -1
    with pytest.raises(GoogleError, match="Google asks for fewer requests"):
        Google(Settings.from_args(options), patience=0.1).call(*LIST, **ALL)


def test_where_a_permission_is_explained(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.deny("container.clusters.list")
    with pytest.raises(GoogleError, match="roles/gke_cluster/README"):
        google.call(*LIST, **ALL)
    with pytest.raises(GoogleError, match="roles/gke_fleet/README"):
        google.call("gkehub", "projects.locations.memberships.list", parent="projects/shop-prod/locations/-")


def test_retry_after_is_kept(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.list", 429, retry_after=1.5)
    began = time.monotonic()
    google.call(*LIST, **ALL)
    assert time.monotonic() - began >= 1.5


def test_errors_that_stay_end_in_time(options: dict[str, t.Any], google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("container.*.list", 503, times=-1)
    with pytest.raises(GoogleError) as caught:
        Google(Settings.from_args(options), patience=1).call(*LIST, **ALL)
    assert caught.value.status == 503


def test_no_server() -> None:
    settings = Settings.from_args({"project": "p", "access_token": "x", "endpoint": "http://127.0.0.1:9"}, {})
    with pytest.raises(FleetError) as caught:
        Google(settings, patience=0.1).call(*LIST, **ALL)
    assert "does not answer" in str(caught.value)


# Operations and pages.


def test_an_operation_is_awaited(google: Google) -> None:
    assert google.wait("compute", network(google), 60, interval=0.1)["status"] == "DONE"
    assert google.call("compute", "networks.get", project="shop-prod", network="mesh")["name"] == "mesh"


def test_a_failed_operation_says_why(google: Google, google_cloud: StandIn) -> None:
    google_cloud.cloud.fail("compute.networks.insert", 0, "no room left")
    with pytest.raises(GoogleError) as caught:
        google.wait("compute", network(google), 60, interval=0.1)
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
    Caller(google_cloud).settle()
    google_cloud.cloud.page = 3
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
        ("GET", "/container.googleapis.com/v1/projects/p/aggregated/usableSubnetworks", 501),
    ],
)
def test_requests_are_checked(google_cloud: StandIn, verb: str, path: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {google_cloud.environment['GCP_ACCESS_TOKEN']}"}
    answer = requests.request(verb, google_cloud.endpoint + path, headers=headers, timeout=60)
    assert answer.status_code == status, answer.text


def test_a_proxy_for_google_alone(google_cloud: StandIn) -> None:
    headers = {"Authorization": f"Bearer {google_cloud.environment['GCP_ACCESS_TOKEN']}"}
    proxies = {"https": google_cloud.endpoint}
    url = "https://compute.googleapis.com/compute/v1/projects/p/global/networks"
    answer = requests.get(url, headers=headers, proxies=proxies, verify=str(google_cloud.ca_file), timeout=60)
    assert json.loads(answer.text)["kind"] == "compute#networkList"
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get("https://example.com/", proxies=proxies, verify=str(google_cloud.ca_file), timeout=60)
