# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose credentials these are, in words: for messages, and nothing secret in them."""

from __future__ import annotations

import os
import typing as t

from .credentials import Settings

__all__ = ["account_of", "handed", "renewed_by"]


def handed(variable: str) -> str:
    """An access token that somebody gave us."""
    return f"the access token in {variable or 'gke_access_token or GCP_ACCESS_TOKEN'}"


def account_of(credentials: t.Any, settings: Settings) -> str:
    """Kind, name and origin of google-auth's credentials."""
    if settings.auth_kind == "accesstoken":
        return handed(settings.told_by)
    email = str(getattr(credentials, "service_account_email", None) or "")
    whose = f"service account {email}" if "@" in email else ""
    if settings.auth_kind == "serviceaccount":
        return f"{whose or 'the service account'} (key in {settings.told_by or 'gke_service_account_file'})"
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


def renewed_by(credentials: t.Any, settings: Settings) -> str:
    """What to do when these give no token, or when a new one is refused too."""
    if settings.auth_kind == "serviceaccount" or _is(credentials, "service_account"):
        return "look whether the service account still exists and is enabled, and whether its key is; make a new key"
    if settings.auth_kind == "machineaccount" or _is(credentials, "compute_engine"):
        return "look whether this is a machine of Google Cloud whose service account exists and is enabled"
    if _is(credentials, "identity_pool", "aws", "pluggable", "external_account", "external_account_authorized_user"):
        return (
            "look whether the workload identity pool and its provider are enabled, and what their file names is there"
        )
    if _is(credentials, "impersonated_credentials"):
        return "look whether the impersonated service account still exists and is enabled"
    return "run `gcloud auth application-default login`"


def _is(credentials: t.Any, *modules: str) -> bool:
    """By the module of the class: importing them all for a name would cost each run."""
    there = type(credentials).__module__.split(".")
    return any(name in there for name in modules)


def _pool(credentials: t.Any) -> str:
    """Pool and provider of a federated identity: the end of its audience."""
    try:
        audience = str(credentials.info.get("audience") or "")
    except (AttributeError, TypeError):
        return ""
    return audience.partition("Pools/")[2]
