# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every kind of credentials works, or one message says what is wrong with it; no message holds a secret."""

from __future__ import annotations

import http.server
import json
import threading
import typing as t
from pathlib import Path

import pytest
from google.auth.compute_engine import _metadata

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.settings import Settings
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from .standin.server import StandIn

Json = dict[str, t.Any]
LIST = ("container", "projects.locations.clusters.list")
ALL = {"parent": "projects/shop-prod/locations/-"}
ROBOT = "fleet@shop-prod.iam.gserviceaccount.com"
SECRET = "c2VjcmV0LW9mLXRoZS1rZXk"
KEY: Json = {
    "type": "service_account",
    "client_email": ROBOT,
    "private_key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
    "token_uri": "https://oauth2.googleapis.com/token",
}


@pytest.fixture
def google(google_cloud: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Google's own names lead to the stand-in: the library knows no endpoint."""
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
        monkeypatch.setenv(name, google_cloud.environment[name])
    return google_cloud


Application = t.Callable[[t.Any], Google]


@pytest.fixture
def application(google: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Application:
    """A client whose application default credentials are a file with this in it."""

    def make(info: t.Any) -> Google:
        path = tmp_path / "adc.json"
        path.write_text(info if isinstance(info, str) else json.dumps(info))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        return Google(Settings.from_args({"project": "shop-prod", "endpoint": google.endpoint}), patience=60)

    return make


def methods(standin: StandIn) -> list[str]:
    """What was asked for. Where an account's tokens may be used, the library asks by itself, at some time."""
    asked = [entry["method"].rpartition(".")[2] for entry in standin.cloud.log]
    return [name for name in asked if name in ("token", "generateAccessToken", "list")]


# Workload identity federation: no key anywhere, another provider's token becomes one of Google's.


@pytest.fixture
def workload(google: StandIn, tmp_path: Path) -> t.Callable[..., Json]:
    subject = tmp_path / "subject"
    subject.write_text("token-of-another-provider")

    def make(robot: str = "") -> Json:
        return google.login.workload("token-of-another-provider", str(subject), robot=robot)

    return make


def test_a_workload_identity(google: StandIn, application: Application, workload: t.Callable[..., Json]) -> None:
    client = application(workload())
    assert methods(google) == []  # no request is sent before the first call
    assert client.call(*LIST, **ALL) == {}
    assert methods(google) == ["token", "list"]
    assert client.account.startswith("workload identity ci/providers/runner (GOOGLE_APPLICATION_CREDENTIALS ")
    assert client.token_expires() is not None


def test_a_workload_identity_that_acts_as_a_service_account(
    google: StandIn, application: Application, workload: t.Callable[..., Json]
) -> None:
    client = application(workload(ROBOT))
    assert client.call(*LIST, **ALL) == {}
    assert methods(google) == ["token", "generateAccessToken", "list"]
    assert f"as service account {ROBOT}" in client.account
    with google.cloud.lock:
        google.cloud.tokens.clear()
    assert client.call(*LIST, **ALL) == {}
    assert methods(google)[3:] == ["list", "token", "generateAccessToken", "list"]


def test_a_refused_workload_identity_is_reported(
    google: StandIn, application: Application, workload: t.Callable[..., Json], tmp_path: Path
) -> None:
    client, info = application(workload()), workload(ROBOT)
    audience = info["audience"]

    def said(client: Google) -> FleetError:
        with pytest.raises(FleetError) as caught:
            client.call(*LIST, cluster="west", **ALL)
        assert str(caught.value).startswith("west: ")
        assert "workload identity ci/providers/runner" in caught.value.means
        assert caught.value.next_step
        assert "token-of-another-provider" not in str(caught.value)
        return caught.value

    google.login.subjects[audience] = "somebody-else"
    assert "rejected by the attribute condition" in said(client).seen
    google.login.subjects.clear()
    assert "pool or provider is disabled or deleted" in said(client).seen
    (tmp_path / "subject").unlink()
    assert "was not found" in said(client).seen
    info["credential_source"]["format"] = {"type": "json", "subject_token_field_name": "id_token"}
    (tmp_path / "subject").write_text("no JSON: token-of-another-provider")
    assert "Google" in str(said(application(info)))
    google.cloud.fail(
        "iamcredentials.*",
        403,
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        times=-1,
    )
    (tmp_path / "subject").write_text("token-of-another-provider")
    error = said(application(workload(ROBOT)))
    assert "permission iam.serviceAccounts.getAccessToken is missing" in error.what
    assert "roles/iam.workloadIdentityUser" in error.next_step


# The machine's own account.


class _Machine(http.server.BaseHTTPRequestHandler):
    """A metadata server; its class holds its answers."""

    token = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        token = {"access_token": self.token, "expires_in": 3000, "token_type": "Bearer"}
        answers: dict[str, t.Any] = {"/computeMetadata/v1/universe/universe-domain": "googleapis.com"}
        for name in ("default", ROBOT):
            account = f"/computeMetadata/v1/instance/service-accounts/{name}/"
            answers |= {account: {"email": ROBOT, "scopes": [], "aliases": []}, f"{account}token": token}
        body = answers.get(path)
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(200 if body is not None else 404)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/text" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """The test looks at the client."""


@pytest.fixture
def machine(google: StandIn, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[type[_Machine]]:
    class Own(_Machine):
        token = google.issue_token()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        # The variable GCE_METADATA_HOST is read when the library is imported.
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", f"127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield Own
        server.shutdown()


def test_the_machines_account(google: StandIn, machine: type[_Machine]) -> None:
    args = {"project": "shop-prod", "auth_kind": "machineaccount", "endpoint": google.endpoint}
    client = Google(Settings.from_args(args), patience=60)
    assert client.call(*LIST, **ALL) == {}
    with google.cloud.lock:
        google.cloud.tokens.clear()
    # The metadata server has the same token in store, for most of an hour: asking again would be in vain.
    with pytest.raises(GoogleError) as caught:
        client.call(*LIST, cluster="west", **ALL)
    assert str(caught.value).startswith(f"west: Google does not accept service account {ROBOT} of this machine")
    assert machine.token not in str(caught.value)
    machine.token = google.issue_token()
    assert client.call(*LIST, **ALL) == {}


# What is no credential.


@pytest.mark.parametrize(
    ("info", "seen"),
    [
        ("", "is not a valid json file"),
        (f"$ANSIBLE_VAULT;1.1;AES256\n{SECRET}", "is not a valid json file"),
        ([KEY], ""),
        ("null", ""),
        ({"secret": SECRET}, "does not have a valid type"),
        ({**KEY, "type": "robot"}, "does not have a valid type"),
        (KEY, "Failed to load service account credentials"),
        ({**KEY, "client_email": None}, ""),
        ({"type": "service_account", "private_key": SECRET}, "Failed to load service account credentials"),
        ({"type": "authorized_user", "client_secret": SECRET}, "Failed to load authorized user credentials"),
        ({"type": "external_account", "audience": SECRET}, ""),
        ({"type": "external_account", "audience": "a", "credential_source": SECRET}, ""),
        ({"type": "impersonated_service_account", "source_credentials": {"client_secret": SECRET}}, ""),
    ],
)
def test_default_credentials_that_are_none(application: Application, info: t.Any, seen: str, tmp_path: Path) -> None:
    with pytest.raises(FleetError) as caught:
        application(info).call(*LIST, **ALL)
    assert caught.value.what == "the credentials for Google Cloud cannot be used"
    assert f"GOOGLE_APPLICATION_CREDENTIALS: {tmp_path}/adc.json" in caught.value.seen
    assert seen in caught.value.seen
    assert caught.value.next_step
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("how", ["file", "contents", "GCP_SERVICE_ACCOUNT_FILE", "GCP_SERVICE_ACCOUNT_CONTENTS"])
@pytest.mark.parametrize(
    ("info", "seen"),
    [
        (f"key: {SECRET}", "is not JSON"),
        (f"$ANSIBLE_VAULT;1.1;AES256\n{SECRET}", "is not JSON"),
        (f'["{SECRET}"]', "is JSON, but no object"),
        ({"client_secret": SECRET}, "has no client_email, private_key, token_uri"),
        ({**KEY, "client_email": ""}, "has no client_email"),
        (KEY, "its private_key is not a key in PEM"),
        ({**KEY, "private_key": 7, "client_secret": SECRET}, "its private_key is not a key in PEM"),
        ({"type": "authorized_user", "refresh_token": SECRET}, "holds credentials of type authorized_user"),
        ({"type": "external_account", "audience": SECRET}, "holds credentials of type external_account"),
    ],
)
def test_a_key_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, info: str | Json, seen: str
) -> None:
    text, path = info if isinstance(info, str) else json.dumps(info), tmp_path / "key.json"
    path.write_text(text)
    args: Json = {"project": "shop-prod"}
    if how.startswith("GCP_"):
        monkeypatch.setenv(how, str(path) if how.endswith("FILE") else text)
    else:
        args[f"service_account_{how}"] = str(path) if how == "file" else text
    with pytest.raises(FleetError) as caught:
        Google(Settings.from_args(args))
    where = how if how.startswith("GCP_") else f"gke_service_account_{how}"
    assert caught.value.what == "the service account's key cannot be used"
    assert caught.value.seen.startswith(where)
    assert (str(path) in caught.value.seen) == how.lower().endswith("file")
    assert seen in caught.value.seen
    assert caught.value.next_step
    assert SECRET not in str(caught.value)


def test_a_key_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "key.p12").write_bytes(b"\x30\x82\xff\xfe")
    for path, what in (
        (tmp_path, "cannot be read"),
        (tmp_path / "none", "cannot be read"),
        (tmp_path / "key.p12", "cannot be used"),
    ):
        with pytest.raises(FleetError, match=what) as caught:
            Google(Settings.from_args({"project": "shop-prod", "service_account_file": str(path)}))
        assert f"gke_service_account_file: {path}" in caught.value.seen
