# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may use the stand-in: valid and invalid tokens, and how to get one."""

from __future__ import annotations

import time
import typing as t

import pytest
import requests
from google.auth import crypt, jwt

from .caller import Caller, error
from .standin.server import StandIn

Json = dict[str, t.Any]


@pytest.fixture
def ask(google_cloud: StandIn) -> Caller:
    return Caller(google_cloud)


@pytest.mark.parametrize(
    ("token", "reason"),
    [("", "CREDENTIALS_MISSING"), ("made-up", "ACCESS_TOKEN_TYPE_UNSUPPORTED"), (None, "ACCESS_TOKEN_EXPIRED")],
)
def test_tokens_that_do_not_count(ask: Caller, token: str | None, reason: str) -> None:
    ask.token = ask.standin.issue_token(0.0) if token is None else token
    found = error(ask("GET", "/v1/projects/p/locations/-/clusters"), 401)
    assert found["status"] == "UNAUTHENTICATED"
    (info,) = found["details"]
    assert (info["reason"], info["domain"]) == (reason, "googleapis.com")


def assertion(standin: StandIn, key: Json, lasts: float = 600, **claims: t.Any) -> str:
    now = time.time()
    base = {"iss": key["client_email"], "aud": standin.token_uri, "scope": "x", "iat": now, "exp": now + lasts}
    wanted = {k: v for k, v in {**base, **claims}.items() if v is not None}
    return bytes(jwt.encode(crypt.RSASigner.from_service_account_info(key), wanted)).decode()


def login(standin: StandIn, form: dict[str, str]) -> requests.Response:
    return requests.post(standin.token_uri, data=form, timeout=60)


GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def test_a_signed_assertion_becomes_a_token_that_ends(ask: Caller) -> None:
    key = ask.standin.service_account()
    ask.standin.login.expires_in = 600.0
    found = login(ask.standin, {"grant_type": GRANT, "assertion": assertion(ask.standin, key)}).json()
    assert (found["expires_in"], found["token_type"]) == (600, "Bearer")
    ask.token = found["access_token"]
    assert ask("GET", "/v1/projects/p/locations/-/clusters").status_code == 200
    ask.standin.cloud.ends[ask.token] = time.monotonic()
    assert ask("GET", "/v1/projects/p/locations/-/clusters").status_code == 401


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"iss": "nobody@p.iam.gserviceaccount.com"}, "account not found"),
        ({"aud": "https://example.com/token"}, "Failed audience check"),
        ({"scope": None}, "Empty or missing scope"),
        ({"exp": 1}, "short-lived token"),
        ({"lasts": 9000}, "short-lived token"),
    ],
)
def test_a_wrong_assertion_is_refused(ask: Caller, claims: Json, said: str) -> None:
    key = ask.standin.service_account()
    answer = login(ask.standin, {"grant_type": GRANT, "assertion": assertion(ask.standin, key, **claims)})
    assert answer.status_code == 400
    assert said in answer.json()["error_description"]


def test_an_assertion_that_another_key_signed_is_refused(ask: Caller) -> None:
    old = ask.standin.service_account()
    ask.standin.service_account()
    for key in (old, {**old, "private_key_id": ask.standin.login.keys[old["client_email"]][0]}):
        answer = login(ask.standin, {"grant_type": GRANT, "assertion": assertion(ask.standin, key)})
        assert answer.json() == {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    for form in ({"grant_type": GRANT, "assertion": "a.b"}, {"grant_type": "password"}):
        assert login(ask.standin, form).status_code == 400


def test_a_users_refresh_token(ask: Caller) -> None:
    user = ask.standin.user()
    form = {"grant_type": "refresh_token", "refresh_token": user["refresh_token"], "client_id": user["client_id"]}
    assert login(ask.standin, form).json()["access_token"] in ask.standin.cloud.tokens
    ask.standin.login.refresh_tokens.clear()
    assert login(ask.standin, form).json()["error"] == "invalid_grant"
