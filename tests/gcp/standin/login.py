# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where credentials become tokens: Google's token endpoint, for service accounts and for users' refresh tokens, and its
security token service, for identities of other providers (workload identity federation)."""

from __future__ import annotations

import base64
import json
import time
import typing as t
import urllib.parse

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

__all__ = ["LOGINS", "Login", "LoginRefused"]

Json = dict[str, t.Any]

LOGINS = {("oauth2.googleapis.com", "/token"): "oauth2.token", ("sts.googleapis.com", "/v1/token"): "sts.token"}
"""Host and path of each, and its name in the log."""
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
_POOL = "//iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{pool}/providers/{provider}"
_AUDIENCES = (
    "https://oauth2.googleapis.com/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://accounts.google.com/o/oauth2/token",
)
_SKEW_SECONDS = 300
_LONGEST_SECONDS = 3600


class LoginRefused(Exception):
    """The endpoint's own form of an error, which is OAuth's and not that of Google's APIs."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.status, self.body = status, {"error": error, "error_description": description}


class Login:
    """Service accounts and users that may have tokens.

    Args:
        issue: makes a token that is good for so many seconds.
    """

    def __init__(self, issue: t.Callable[[float], str]) -> None:
        self.issue = issue
        self.expires_in = 3600.0
        """Seconds that a token is good for."""
        self.keys: dict[str, tuple[str, rsa.RSAPublicKey]] = {}
        """Of each service account: the key's id and its public half."""
        self.refresh_tokens: set[str] = set()
        self.subjects: dict[str, str] = {}
        """By audience of each workload identity provider, a token that it accepts."""

    # -- who may have one ----------------------------------------------------------------------

    def service_account(self, email: str, token_uri: str) -> Json:
        """A new key for a service account, as the JSON that Google gives; an older key of it ends."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        identity = f"{time.monotonic_ns():040x}"
        self.keys[email] = identity, key.public_key()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": email.partition("@")[2].partition(".")[0],
            "private_key_id": identity,
            "private_key": pem.decode(),
            "client_email": email,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
        }

    def user(self, refresh_token: str, token_uri: str) -> Json:
        """What ``gcloud auth application-default login`` writes, for a user whom the endpoint then knows."""
        self.refresh_tokens.add(refresh_token)
        return {
            "type": "authorized_user",
            "client_id": "stand-in.apps.googleusercontent.com",
            "client_secret": "not-a-secret",
            "refresh_token": refresh_token,
            "token_uri": token_uri,
        }

    def workload(self, subject: str, path: str, *, pool: str = "ci", provider: str = "runner", robot: str = "") -> Json:
        """What ``gcloud iam workload-identity-pools create-cred-config`` writes.

        Args:
            subject: the token of the other provider that is let in.
            path: the file in which the workload finds it.
            robot: the service account that the workload acts as; "" for none.
        """
        audience = _POOL.format(number="100000000000", pool=pool, provider=provider)
        self.subjects[audience] = subject
        found = {
            "universe_domain": "googleapis.com",
            "type": "external_account",
            "audience": audience,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"file": path},
        }
        if robot:
            base = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
            found["service_account_impersonation_url"] = f"{base}/{robot}:generateAccessToken"
        return found

    # -- one login -----------------------------------------------------------------------------

    def answer(self, raw: bytes, uri: str) -> Json:
        """The body for one ``POST`` to an endpoint of LOGINS; LoginRefused for one that Google would refuse.

        Args:
            raw: the request's body, a form.
            uri: this endpoint's own address, an audience beside Google's.
        """
        form = {k: v[-1] for k, v in urllib.parse.parse_qs(raw.decode("ascii", "replace")).items()}
        kind = form.get("grant_type")
        if kind == JWT_GRANT:
            self._check_assertion(form.get("assertion", ""), uri)
        elif kind == "refresh_token":
            if form.get("refresh_token") not in self.refresh_tokens:
                raise LoginRefused("invalid_grant", "Token has been expired or revoked.")
        elif kind == EXCHANGE_GRANT:
            self._check_exchange(form)
        else:
            raise LoginRefused("unsupported_grant_type", f"Invalid grant_type: {kind or ''}")
        seconds = self.expires_in
        found: Json = {"access_token": self.issue(seconds), "expires_in": int(seconds), "token_type": "Bearer"}
        return {**found, "issued_token_type": _ACCESS_TOKEN} if kind == EXCHANGE_GRANT else found

    def _check_exchange(self, form: dict[str, str]) -> None:
        for name in ("audience", "subject_token", "subject_token_type", "requested_token_type", "scope"):
            if not form.get(name):
                raise LoginRefused("invalid_request", f"Invalid value for {name}.")
        wanted = self.subjects.get(form["audience"])
        if wanted is None:
            raise LoginRefused(
                "invalid_target",
                'The target service indicated by the "audience" parameters is invalid. This might either be because '
                "the pool or provider is disabled or deleted or because it doesn't exist.",
            )
        if form["subject_token"] != wanted:
            raise LoginRefused("invalid_grant", "The given credential is rejected by the attribute condition.")

    def _check_assertion(self, assertion: str, uri: str) -> None:
        try:
            signed, _dot, signature = assertion.rpartition(".")
            header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
            proof = _decoded(signature)
        except ValueError:
            raise LoginRefused("invalid_grant", "Invalid JWT: not a signed JWT.") from None
        identity, public = self.keys.get(str(claims.get("iss")), ("", None))
        if public is None:
            raise LoginRefused("invalid_grant", "Invalid grant: account not found")
        if header.get("alg") != "RS256" or header.get("kid") not in (None, identity):
            raise LoginRefused("invalid_grant", "Invalid JWT Signature.")
        try:
            public.verify(proof, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise LoginRefused("invalid_grant", "Invalid JWT Signature.") from None
        if claims.get("aud") not in (*_AUDIENCES, uri):
            raise LoginRefused("invalid_grant", "Invalid JWT: Failed audience check.")
        if not str(claims.get("scope") or "").strip():
            raise LoginRefused("invalid_scope", "Empty or missing scope not allowed.")
        begin, end, now = float(claims.get("iat", 0)), float(claims.get("exp", 0)), time.time()
        if begin > now + _SKEW_SECONDS or end < now or end - begin > _LONGEST_SECONDS:
            raise LoginRefused(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim.",
            )


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
