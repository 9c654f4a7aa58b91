# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What it means when there is no token, or when the one there is is refused: never with the token."""

from __future__ import annotations

import contextlib
import json

from ...errors import FleetError
from ..errors import GoogleError, permission_in
from .credentials import Settings
from .identity import handed

__all__ = ["handed_refused", "login_failed", "refused"]

_NEW_TOKEN = (
    "set {variable} anew (gcloud auth print-access-token), or give credentials that renew themselves: "
    "gke_service_account_file or gcloud auth application-default login; then run again"
)


def handed_refused(variable: str, *, cluster: str = "", obj: str = "", seen: str = "") -> GoogleError:
    """An access token that somebody gave us is refused: nobody but its giver can replace it.

    Args:
        variable: which holds it; "" when that is not known.
    """
    return GoogleError(
        f"{handed(variable)} is not accepted",
        status=401,
        reason="UNAUTHENTICATED",
        cluster=cluster,
        obj=obj,
        seen=seen,
        means="it has expired or was revoked, and an access token cannot be renewed by a run",
        next_step=_NEW_TOKEN.format(variable=variable or "GCP_ACCESS_TOKEN"),
    )


def refused(account: str, advice: str, *, cluster: str = "", obj: str = "", seen: str = "") -> GoogleError:
    """A token is refused, and the one that was got for it as well.

    Args:
        account: whose token, as :func:`account_of` says it.
        advice: what to look at.
    """
    return GoogleError(
        f"Google does not accept {account}",
        status=401,
        reason="UNAUTHENTICATED",
        cluster=cluster,
        obj=obj,
        seen=seen,
        means="a new token was got, and refused too: the account was disabled or deleted, or may not be used from here",
        next_step=f"{advice}; then run again",
    )


def login_failed(error: Exception, settings: Settings, account: str, advice: str, cluster: str) -> FleetError:
    """google-auth could not get or renew a token.

    Args:
        account: for whom, as :func:`account_of` says it.
        advice: what to look at.
    """
    if settings.auth_kind == "accesstoken":
        return handed_refused(settings.told_by, cluster=cluster)
    said = _said(error)
    permission = permission_in(said)
    if permission.startswith("iam.serviceAccounts."):
        return FleetError(
            f"permission {permission} is missing",
            cluster=cluster,
            seen=said,
            means=f"these credentials may not act as that service account: {account}",
            next_step="grant roles/iam.serviceAccountTokenCreator on it (a workload identity: "
            "roles/iam.workloadIdentityUser); then run again",
        )
    return FleetError(
        "Google gave no token",
        cluster=cluster,
        seen=said,
        means=f"the credentials of kind {settings.auth_kind} are wrong, revoked or out of reach: {account}",
        next_step=f"{advice}; then run again",
    )


def _said(error: Exception) -> str:
    """The library's words, and those of Google's answer, which it hands on behind them."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    words = [str(error.args[0] if error.args else error)]
    with contextlib.suppress(IndexError, ValueError, TypeError, AttributeError):
        body = error.args[1] if isinstance(error.args[1], dict) else json.loads(error.args[1])
        told = body.get("error")
        words.append(str(told["message"] if isinstance(told, dict) else body.get("error_description") or ""))
    return " ".join(": ".join(dict.fromkeys(word for word in words if word)).split())[:300]
