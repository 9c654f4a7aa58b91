# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables ``gke_*``: who we are to Google."""

from __future__ import annotations

from ...inventory import values
from ...inventory.variable import CLUSTER, Variable

__all__ = ["LOGIN"]

LOGIN = (
    Variable(
        "gke_auth_kind",
        CLUSTER,
        "Who we are to Google, as in google.cloud: `application` (default credentials: a user's login, or what "
        "`GOOGLE_APPLICATION_CREDENTIALS` names, workload identity federation and impersonation among them), "
        "`serviceaccount`, `machineaccount`, `accesstoken`.",
        default_text="`GCP_AUTH_KIND`; else what is given decides, and without anything `application`",
        choices=("application", "serviceaccount", "machineaccount", "accesstoken"),
    ),
    Variable(
        "gke_service_account_file",
        CLUSTER,
        "Key file (JSON) of a service account.",
        default_text="`GCP_SERVICE_ACCOUNT_FILE`",
        form=values.path,
    ),
    Variable(
        "gke_service_account_contents",
        CLUSTER,
        "The text of such a key, or the key itself as a dictionary.",
        default_text="`GCP_SERVICE_ACCOUNT_CONTENTS`",
        or_dict=True,
        secret=True,
    ),
    Variable(
        "gke_service_account_email",
        CLUSTER,
        "Service account of the machine, for `machineaccount`.",
        default_text="`GCP_SERVICE_ACCOUNT_EMAIL`, or the machine's default",
    ),
    Variable(
        "gke_access_token",
        CLUSTER,
        "OAuth access token. Good for an hour at most, and never renewed, so for short runs only.",
        default_text="`GCP_ACCESS_TOKEN`",
        secret=True,
    ),
)
