# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who we are to Google: the options, environment variables and kinds that google.cloud's users know."""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

try:
    import google.auth
    from google.auth import compute_engine
    from google.auth import exceptions as auth_errors
    from google.oauth2 import credentials as oauth2
    from google.oauth2 import service_account
except ImportError:
    # session.py says so to the user, before anything here is called.
    pass

__all__ = ["GOOGLE_OPTIONS", "SCOPES", "Settings", "make_credentials"]

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
    "project": "GCP_PROJECT",
    "auth_kind": "GCP_AUTH_KIND",
    "service_account_file": "GCP_SERVICE_ACCOUNT_FILE",
    "service_account_contents": "GCP_SERVICE_ACCOUNT_CONTENTS",
    "service_account_email": "GCP_SERVICE_ACCOUNT_EMAIL",
    "access_token": "GCP_ACCESS_TOKEN",
    "scopes": "GCP_SCOPES",
    "endpoint": "MESH_FLEET_GOOGLE_ENDPOINT",
}


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
        )


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
    try:
        found, _project = google.auth.default(scopes=list(settings.scopes))
    except (auth_errors.GoogleAuthError, OSError) as error:
        raise _none(
            "no credentials for Google Cloud were found",
            "run `gcloud auth application-default login`, or set GCP_SERVICE_ACCOUNT_FILE or GCP_ACCESS_TOKEN",
            " ".join(str(error).split())[:200],
        ) from error
    return found


def _service_account(settings: Settings) -> t.Any:
    where = settings.service_account_file or "the given content"
    try:
        if settings.service_account_contents:
            info = json.loads(settings.service_account_contents)
        elif settings.service_account_file:
            with open(settings.service_account_file, encoding="utf-8") as handle:
                info = json.load(handle)
        else:
            raise _none(
                "auth_kind is serviceaccount, but there is no key",
                "set gke_service_account_file or GCP_SERVICE_ACCOUNT_FILE",
            )
        return service_account.Credentials.from_service_account_info(info, scopes=list(settings.scopes))
    except OSError as error:
        raise _none("the service account's key cannot be read", "name a key file that exists", str(error)) from error
    except (ValueError, AttributeError, auth_errors.GoogleAuthError) as error:
        # The library's own words may hold a piece of the key.
        raise _none(
            "the service account's key cannot be used", "give the JSON key as Google made it", f"{where}"
        ) from error


def _none(what: str, next_step: str, seen: str = "") -> FleetError:
    return FleetError(what, seen=seen, next_step=next_step)
