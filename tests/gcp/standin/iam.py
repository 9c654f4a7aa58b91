# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tokens of service accounts for those who may impersonate them."""

from __future__ import annotations

import datetime
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


HANDLERS: dict[str, t.Callable[..., Json]] = {
    "iamcredentials.projects.serviceAccounts.generateAccessToken": access_token,
}
