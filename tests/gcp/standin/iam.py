# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Service accounts: made and deleted, and tokens for those who may impersonate them."""

from __future__ import annotations

import datetime
import re
import secrets
import typing as t

from .cloud import Cloud, Fault
from .discovery import Refused

__all__ = ["HANDLERS"]

Json = dict[str, t.Any]
_LONGEST_SECONDS = 3600.0


def access_token(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    seconds = float(str(body.get("lifetime") or "3600s").removesuffix("s"))
    if not body.get("scope") or seconds > _LONGEST_SECONDS:
        raise Refused(400, "The oauth2 scopes or the lifetime are not allowed.")
    token = f"{secrets.token_hex(3)}.{secrets.token_hex(8)}"
    cloud.add_token(token, seconds)
    for hook in cloud.on_token:
        hook(token)
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return {"accessToken": token, "expireTime": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}


def account_create(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    name, project = str(body.get("accountId") or ""), path["projectsId"]
    if not re.fullmatch(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", name):
        raise Refused(400, f'The account ID "{name}" does not have a length between 6 and 30.')
    email = f"{name}@{project}.iam.gserviceaccount.com"
    if cloud.accounts.get(email):
        raise Refused(409, f"Service account {name} already exists within project projects/{project}.")
    cloud.accounts[email] = {"uniqueId": f"{next(cloud.count):021d}", **(body.get("serviceAccount") or {})}
    return {"name": f"projects/{project}/serviceAccounts/{email}", "email": email, **(cloud.accounts[email] or {})}


def account_delete(cloud: Cloud, path: Json, params: Json, body: Json, fault: Fault | None) -> Json:
    email = path["serviceAccountsId"]
    if not cloud.accounts.get(email):
        raise Refused(404, f"Unknown service account: {email}")
    cloud.accounts[email] = None
    return {}


HANDLERS: dict[str, t.Callable[..., Json]] = {
    "iam.projects.serviceAccounts.create": account_create,
    "iam.projects.serviceAccounts.delete": account_delete,
    "iamcredentials.projects.serviceAccounts.generateAccessToken": access_token,
}
