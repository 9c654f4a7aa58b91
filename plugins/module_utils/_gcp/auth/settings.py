# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who we are to Google: the options and environment variables that google.cloud's users know."""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t

from ..._model.providers.google.variables import PROJECT_VARIABLE
from ...errors import FleetError

__all__ = ["GOOGLE_OPTIONS", "SCOPES", "Settings", "project_environment"]

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
    """Project, credential and endpoint of a client. Secrets are left out of ``repr``.

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
    source: str = ""
    """The variable that holds the credential, for messages; "" where google-auth looks for one."""

    @classmethod
    def from_args(cls, args: t.Mapping[str, t.Any], environ: t.Mapping[str, str] | None = None) -> Settings:
        """From task arguments; an empty one falls back to google.cloud's environment variable.

        Without a kind, the credential that is set decides; without any, application default credentials.

        Raises FleetError for an unknown kind, and for a project that is missing or given by its number.
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
            source=_source(kind, args, got),
        )


_HELD_IN: t.Mapping[str, tuple[str, ...]] = {
    "accesstoken": ("access_token",),
    "serviceaccount": ("service_account_contents", "service_account_file"),
}
"""Options that hold the credential of a kind; the first one that is set wins."""


def _source(kind: str, args: t.Mapping[str, t.Any], got: t.Mapping[str, t.Any]) -> str:
    for option in _HELD_IN.get(kind, ()):
        if got[option]:
            return f"gke_{option}" if args.get(option) else _ENVIRONMENT[option]
    return ""
