# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose credentials they are, and what it means when Google gives or accepts no token: never with the token."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ...errors import FleetError
from ..errors import GoogleError
from ..meanings import permission_in
from .settings import Settings

__all__ = ["account_of", "given_token_refused", "login_failed", "token_refused"]

_NEW_TOKEN = (
    "set {variable} anew (gcloud auth print-access-token), or give credentials that renew themselves: "
    "gke_service_account_file or gcloud auth application-default login; then run again"
)


def given_token_refused(variable: str, *, cluster: str = "", obj: str = "", seen: str = "") -> GoogleError:
    """A refused access token that the user gave: a run cannot replace it.

    Args:
        variable: which holds it; "" when that is not known.
    """
    return GoogleError(
        f"{_given_token(variable)} is not accepted",
        status=401,
        reason="UNAUTHENTICATED",
        cluster=cluster,
        obj=obj,
        seen=seen,
        means="it has expired or was revoked, and an access token cannot be renewed by a run",
        next_step=_NEW_TOKEN.format(variable=variable or "GCP_ACCESS_TOKEN"),
    )


def token_refused(credentials: t.Any, settings: Settings, *, cluster: str, obj: str, seen: str) -> GoogleError:
    """A token is refused, and its replacement as well, or there is no replacement."""
    if settings.auth_kind == "accesstoken":
        return given_token_refused(settings.source, cluster=cluster, obj=obj, seen=seen)
    return GoogleError(
        f"Google does not accept {account_of(credentials, settings)}",
        status=401,
        reason="UNAUTHENTICATED",
        cluster=cluster,
        obj=obj,
        seen=seen,
        means="a new token is refused too: the account was disabled or deleted, or may not be used from here",
        next_step=f"{_advice(credentials, settings)}; then run again",
    )


def login_failed(error: Exception, credentials: t.Any, settings: Settings, cluster: str) -> FleetError:
    """google-auth could not get or renew a token."""
    if settings.auth_kind == "accesstoken":
        return given_token_refused(settings.source, cluster=cluster)
    account, seen = account_of(credentials, settings), _message(error)
    permission = permission_in(seen)
    if permission.startswith("iam.serviceAccounts."):
        return FleetError(
            f"permission {permission} is missing",
            cluster=cluster,
            seen=seen,
            means=f"these credentials may not act as that service account: {account}",
            next_step="grant roles/iam.serviceAccountTokenCreator on it (a workload identity: "
            "roles/iam.workloadIdentityUser); then run again",
        )
    return FleetError(
        "Google gave no token",
        cluster=cluster,
        seen=seen,
        means=f"the credentials of kind {settings.auth_kind} are wrong, revoked or out of reach: {account}",
        next_step=f"{_advice(credentials, settings)}; then run again",
    )


def _message(error: Exception) -> str:
    """The library's message, and that of Google's answer, which the library puts behind it."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    words = [str(error.args[0] if error.args else error)]
    with contextlib.suppress(IndexError, ValueError, TypeError, AttributeError):
        body = error.args[1] if isinstance(error.args[1], dict) else json.loads(error.args[1])
        answer = body.get("error")
        words.append(str(answer["message"] if isinstance(answer, dict) else body.get("error_description") or ""))
    return " ".join(": ".join(dict.fromkeys(word for word in words if word)).split())[:300]


def _given_token(variable: str) -> str:
    return f"the access token in {variable or 'gke_access_token or GCP_ACCESS_TOKEN'}"


def account_of(credentials: t.Any, settings: Settings) -> str:
    """Whose google-auth's credentials are: kind, name and origin."""
    if settings.auth_kind == "accesstoken":
        return _given_token(settings.source)
    email = str(getattr(credentials, "service_account_email", None) or "")
    whose = f"service account {email}" if "@" in email else ""
    if settings.auth_kind == "serviceaccount":
        return f"{whose or 'the service account'} (key in {settings.source or 'gke_service_account_file'})"
    if settings.auth_kind == "machineaccount" or _is(credentials, "compute_engine"):
        return f"{whose or 'the service account'} of this machine"
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    origin = f"GOOGLE_APPLICATION_CREDENTIALS {named}" if named else "application default credentials"
    if _is(credentials, "impersonated_credentials"):
        return f"{whose}, impersonated ({origin})"
    if _is(credentials, "identity_pool", "aws", "pluggable", "external_account", "external_account_authorized_user"):
        pool = _pool(credentials)
        return f"workload identity {pool or 'federation'}{' as ' + whose if whose else ''} ({origin})"
    if whose:
        return f"{whose} ({origin})"
    user = str(getattr(credentials, "account", None) or "")
    return f"the user's login{' ' + user if user else ''} ({origin})"


def _advice(credentials: t.Any, settings: Settings) -> str:
    """What to check when these give no token, or when Google refuses a new one too."""
    if settings.auth_kind == "serviceaccount" or _is(credentials, "service_account"):
        return "check that the service account and its key still exist and are enabled; or make a new key"
    if settings.auth_kind == "machineaccount" or _is(credentials, "compute_engine"):
        return "check that this is a machine of Google Cloud, and that its service account exists and is enabled"
    if _is(credentials, "identity_pool", "aws", "pluggable", "external_account", "external_account_authorized_user"):
        return "check that the workload identity pool, its provider and what their file names exist and are enabled"
    if _is(credentials, "impersonated_credentials"):
        return "check that the impersonated service account still exists and is enabled"
    return "run `gcloud auth application-default login`"


def _is(credentials: t.Any, *modules: str) -> bool:
    """By the name of the class's module: importing all of them would slow down every run."""
    there = type(credentials).__module__.split(".")
    return any(name in there for name in modules)


def _pool(credentials: t.Any) -> str:
    """Pool and provider of a federated identity: the end of its audience."""
    try:
        audience = str(credentials.info.get("audience") or "")
    except (AttributeError, TypeError):
        return ""
    return audience.partition("Pools/")[2]
