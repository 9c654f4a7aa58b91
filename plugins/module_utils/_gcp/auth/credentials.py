# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""google-auth's credentials of every kind, from the settings; what is wrong with them, in one message."""

from __future__ import annotations

import json
import os
import typing as t

import google.auth
from google.auth import compute_engine
from google.auth import credentials as auth_credentials
from google.auth import exceptions as auth_errors
from google.oauth2 import credentials as oauth2
from google.oauth2 import service_account

from ...errors import FleetError
from .settings import Settings

__all__ = ["make_credentials"]


def make_credentials(settings: Settings) -> t.Any:
    """google-auth's credentials for the settings; no request is sent yet, except to find them.

    Raises FleetError when there are none, or when they cannot be read; never with their content.
    """
    kind = settings.auth_kind
    if kind == "accesstoken":
        if not settings.access_token:
            raise _none("auth_kind is accesstoken, but there is no token", "set gke_access_token or GCP_ACCESS_TOKEN")
        return oauth2.Credentials(token=settings.access_token)
    if kind == "machineaccount":
        return compute_engine.Credentials(settings.service_account_email or "default", scopes=list(settings.scopes))
    if kind == "serviceaccount":
        return _service_account(settings)
    return _application(settings)


def _application(settings: Settings) -> t.Any:
    """Application default credentials: a user's, a key, a workload identity, an impersonation, or the machine's."""
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    try:
        # Scopes come afterwards: with them, the library would log workload identities in to find a project.
        found, _project = google.auth.default()
        return auth_credentials.with_scopes_if_required(found, list(settings.scopes))
    except (auth_errors.GoogleAuthError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # Its first words alone: what the library adds to them may hold a piece of a key.
        words = error.args[0] if error.args and isinstance(error, auth_errors.GoogleAuthError) else type(error).__name__
        said = " ".join(str(words).split())[:300]
        if named and os.path.exists(named):
            raise _none(
                "the credentials for Google Cloud cannot be used",
                "give the JSON as Google made it (a key, gcloud auth application-default login, or "
                "gcloud iam workload-identity-pools create-cred-config), or unset GOOGLE_APPLICATION_CREDENTIALS",
                f"GOOGLE_APPLICATION_CREDENTIALS: {named}: {said}",
            ) from error
        raise _none(
            "no credentials for Google Cloud were found",
            "run `gcloud auth application-default login`, or set GCP_SERVICE_ACCOUNT_FILE or GCP_ACCESS_TOKEN",
            said,
        ) from error


def _service_account(settings: Settings) -> t.Any:
    where = settings.source or "the given key"
    if settings.service_account_file and not settings.service_account_contents:
        where = f"{where}: {settings.service_account_file}"
    try:
        if settings.service_account_contents:
            text = settings.service_account_contents
        elif settings.service_account_file:
            with open(settings.service_account_file, encoding="utf-8") as handle:
                text = handle.read()
        else:
            raise _none(
                "auth_kind is serviceaccount, but there is no key",
                "set gke_service_account_file or GCP_SERVICE_ACCOUNT_FILE",
            )
    except OSError as error:
        raise _none(
            "the service account's key cannot be read", "name a key file that exists", f"{where}: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise _unusable(f"{where} is not text") from error
    info = _key_of(text, where)
    try:
        return service_account.Credentials.from_service_account_info(info, scopes=list(settings.scopes))
    except (ValueError, TypeError, AttributeError, auth_errors.GoogleAuthError) as error:
        # The library's own words may hold a piece of the key.
        raise _unusable(f"{where}: its private_key is not a key in PEM") from error


_NEEDS = ("client_email", "private_key", "token_uri")


def _key_of(text: str, where: str) -> dict[str, t.Any]:
    """The key's JSON, when it is one of a service account."""
    try:
        info = json.loads(text)
    except ValueError as error:
        raise _unusable(f"{where} is not JSON") from error
    if not isinstance(info, dict):
        raise _unusable(f"{where} is JSON, but no object")
    kind = str(info.get("type") or "")
    if kind != "service_account" and kind:
        raise _none(
            "the service account's key cannot be used",
            "name that file in GOOGLE_APPLICATION_CREDENTIALS, with gke_auth_kind: application; or give a key",
            f"{where} holds credentials of type {kind[:60]}",
            "they are valid, but of another kind than a service account's key",
        )
    missing = [name for name in _NEEDS if not info.get(name)]
    if missing:
        raise _unusable(f"{where} has no {', '.join(missing)}")
    return info


def _unusable(seen: str) -> FleetError:
    return _none(
        "the service account's key cannot be used",
        "give the JSON key as Google made it (gcloud iam service-accounts keys create)",
        seen,
    )


def _none(what: str, next_step: str, seen: str = "", means: str = "") -> FleetError:
    return FleetError(what, seen=seen, means=means, next_step=next_step)
