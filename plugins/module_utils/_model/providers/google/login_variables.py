# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables ``gke_*`` for the credentials."""

from __future__ import annotations

from ...inventory import values
from ...inventory.variable import CLUSTER, Variable

__all__ = ["LOGIN"]

LOGIN = (
    Variable(
        "gke_auth_kind",
        CLUSTER,
        "Kind of the credentials, as in google.cloud: `application` (default credentials: a user's login, or the file "
        "in `GOOGLE_APPLICATION_CREDENTIALS`, also with workload identity federation or impersonation), "
        "`serviceaccount`, `machineaccount`, `accesstoken`.",
        default_text="`GCP_AUTH_KIND`; else the kind that the other variables imply, else `application`",
        choices=("application", "serviceaccount", "machineaccount", "accesstoken"),
        connects=True,
    ),
    Variable(
        "gke_service_account_file",
        CLUSTER,
        "Key file (JSON) of a service account.",
        default_text="`GCP_SERVICE_ACCOUNT_FILE`",
        form=values.path,
        connects=True,
    ),
    Variable(
        "gke_service_account_contents",
        CLUSTER,
        "The text of such a key, or the key itself as a dictionary.",
        default_text="`GCP_SERVICE_ACCOUNT_CONTENTS`",
        or_dict=True,
        secret=True,
        connects=True,
    ),
    Variable(
        "gke_service_account_email",
        CLUSTER,
        "Service account of the machine, for `machineaccount`.",
        default_text="`GCP_SERVICE_ACCOUNT_EMAIL`, or the machine's default",
        connects=True,
    ),
    Variable(
        "gke_access_token",
        CLUSTER,
        "OAuth access token. It is valid for an hour at most and cannot be renewed, so use it for short runs only.",
        default_text="`GCP_ACCESS_TOKEN`",
        secret=True,
        connects=True,
    ),
)
