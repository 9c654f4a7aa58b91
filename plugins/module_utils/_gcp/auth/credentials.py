# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who we are to Google: the options, environment variables and kinds that google.cloud's users know."""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t

from ..._model.providers.google.variables import PROJECT_VARIABLE
from ...errors import FleetError

try:
    import google.auth
    from google.auth import compute_engine
    from google.auth import credentials as auth_credentials
    from google.auth import exceptions as auth_errors
    from google.oauth2 import credentials as oauth2
    from google.oauth2 import service_account
except ImportError:
    # session.py says so to the user, before anything here is called.
    pass

__all__ = ["GOOGLE_OPTIONS", "SCOPES", "Settings", "make_credentials", "project_environment"]

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
KINDS = ("application", "serviceaccount", "machineaccount", "accesstoken")

GOOGLE_OPTIONS: t.Mapping[str, dict[str, t.Any]] = {
    "project": {"type": "str", "default": ""},
    "auth_kind": {"type": "str", "choices": ["", *KINDS], "default": ""},
    "service_account_file": {"type": "path", "default": ""},
    "service_account_contents": {"type": "raw", "no_log": True, "default": ""},
    "service_account_email": {"type": "str", "default": ""},
    "access_token": {"type": "str", "no_log": True, "default": ""},
    "scopes": {"type": "list", "elements": "str", "default": []},
    "endpoint": {"type": "str", "default": ""},
}
"""Argument spec that every action over Google shares; its documentation is the fragment fleet_google."""

_ENVIRONMENT = {
    "project": PROJECT_VARIABLE,
    "auth_kind": "GCP_AUTH_KIND",
    "service_account_file": "GCP_SERVICE_ACCOUNT_FILE",
    "service_account_contents": "GCP_SERVICE_ACCOUNT_CONTENTS",
    "service_account_email": "GCP_SERVICE_ACCOUNT_EMAIL",
    "access_token": "GCP_ACCESS_TOKEN",
    "scopes": "GCP_SCOPES",
    "endpoint": "MESH_FLEET_GOOGLE_ENDPOINT",
}


def project_environment(args: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The environment variable that a task's option ``project`` replaces."""
    return {PROJECT_VARIABLE: args["project"]} if args["project"] else {}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a client needs. Secrets are left out of ``repr``.

    ``endpoint`` replaces ``https://``: a service is then found at ``<endpoint>/<its host>/``. For tests.
    """

    project: str
    auth_kind: str = "application"
    service_account_file: str = ""
    service_account_contents: str = dataclasses.field(default="", repr=False)
    service_account_email: str = ""
    access_token: str = dataclasses.field(default="", repr=False)
    scopes: tuple[str, ...] = SCOPES
    endpoint: str = ""
    told_by: str = ""
    """The variable that holds the credential, for messages; "" where the library looks for one."""

    @classmethod
    def from_args(cls, args: t.Mapping[str, t.Any], environ: t.Mapping[str, str] | None = None) -> Settings:
        """From task arguments; an empty one falls back to google.cloud's environment variable.

        Without a kind, the credential that is there decides; without any, application default credentials.
        """
        env = os.environ if environ is None else environ
        got = {name: args.get(name) or env.get(variable, "") for name, variable in _ENVIRONMENT.items()}
        contents = got["service_account_contents"]
        if isinstance(contents, t.Mapping):
            contents = json.dumps(contents)
        scopes = got["scopes"]
        if isinstance(scopes, str):
            scopes = [part for part in scopes.replace(",", " ").split() if part]
        kind = got["auth_kind"]
        if not kind and got["access_token"]:
            kind = "accesstoken"
        elif not kind and (contents or got["service_account_file"]):
            kind = "serviceaccount"
        if kind and kind not in KINDS:
            raise FleetError(f"auth_kind {kind!r} is unknown", next_step=f"one of: {', '.join(KINDS)}")
        if not got["project"]:
            raise FleetError(
                "no Google Cloud project is named", next_step="set gke_project in the inventory, or GCP_PROJECT"
            )
        if str(got["project"]).isdigit():
            # Names of workload pools and links of clusters hold the ID: one form of it throughout.
            raise FleetError(
                "the Google Cloud project is given by its number",
                seen=str(got["project"]),
                next_step="give its ID in gke_project or GCP_PROJECT (`gcloud projects list` shows both)",
            )
        return cls(
            project=str(got["project"]),
            auth_kind=kind or "application",
            service_account_file=os.path.expanduser(str(got["service_account_file"])),
            service_account_contents=str(contents),
            service_account_email=str(got["service_account_email"]),
            access_token=str(got["access_token"]),
            scopes=tuple(scopes) or SCOPES,
            endpoint=str(got["endpoint"]),
            told_by=_told_by(kind, args, got),
        )


_HELD_IN: t.Mapping[str, tuple[str, ...]] = {
    "accesstoken": ("access_token",),
    "serviceaccount": ("service_account_contents", "service_account_file"),
}
"""Options that hold the credential of a kind; the first one that is set wins."""


def _told_by(kind: str, args: t.Mapping[str, t.Any], got: t.Mapping[str, t.Any]) -> str:
    for option in _HELD_IN.get(kind, ()):
        if got[option]:
            return f"gke_{option}" if args.get(option) else _ENVIRONMENT[option]
    return ""


def make_credentials(settings: Settings) -> t.Any:
    """google-auth's credentials for the settings; nothing is asked of Google yet, except where to find them.

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
        # Scopes come afterwards: with them, the library would log workload identities in to look for a project.
        found, _project = google.auth.default()
        return auth_credentials.with_scopes_if_required(found, list(settings.scopes))
    except (auth_errors.GoogleAuthError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # Its first words alone: the library hands on behind them what may hold a piece of a key.
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
    where = settings.told_by or "the given key"
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
            "they are good, but of another kind than a service account's key",
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
