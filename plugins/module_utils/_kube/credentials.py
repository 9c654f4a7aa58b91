# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The credentials of a kubeconfig's user: token, token file, client certificate, or what a credential plugin gives."""

from __future__ import annotations

import base64
import dataclasses
import typing as t

from ..errors import FleetError
from .endpoint import bearer
from .exec_plugin import ExecPlugin
from .kubeconfig import Kubeconfig

__all__ = ["Credential", "credentials", "valid_token"]


@dataclasses.dataclass(frozen=True)
class Credential:
    """The header Authorization, if there is one, and who gives another one."""

    headers: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    expires: float = 0.0
    """When it ends, in seconds since the epoch; 0 if that is not known."""
    plugin: ExecPlugin | None = None


def valid_token(token: str, cluster: str, source: str) -> str:
    """A token without white space around it, as editors and ``echo`` leave it.

    Raises:
        FleetError: it cannot be sent; ``source`` says where it is from.
    """
    token = token.strip()
    if all("!" <= character <= "~" for character in token):
        return token
    raise FleetError(
        "its token cannot be sent to an API server",
        cluster=cluster,
        seen=f"{source}: white space or a character other than ASCII within the token",
        means="it was broken into lines, or something else than a token was copied with it",
        next_step="copy the token again, in one line",
    )


async def credentials(
    user: dict[str, t.Any],
    pem: dict[str, bytes],
    config: Kubeconfig,
    found: t.Mapping[str, t.Any],
) -> Credential:
    """A user's credential; a plugin's client certificate goes into ``pem``.

    Raises:
        FleetError: a file cannot be read, the plugin fails, or the user has the old ``auth-provider``.
    """
    cluster, path = config.cluster, config.source
    token = str(user.get("token") or "")
    if user.get("tokenFile"):
        token = config.content({"tokenFile": user["tokenFile"]}, "tokenFile").decode(errors="replace").strip() or token
    if not token and user.get("exec"):
        plugin = ExecPlugin(user["exec"], cluster, found, pem.get("ca", b""))
        login = await plugin.login()
        if login.certificate:
            pem["cert"], pem["key"] = login.certificate.encode(), login.key.encode()
        if login.token or login.certificate:
            headers = bearer(valid_token(login.token, cluster, "its credential plugin"))
            return Credential(headers, login.expires, plugin)
    token = valid_token(token, cluster, path)
    if token:
        return Credential(bearer(token))
    if user.get("username") and user.get("password"):
        pair = base64.b64encode(f"{user['username']}:{user['password']}".encode()).decode()
        return Credential({"Authorization": f"Basic {pair}"})
    if user.get("auth-provider"):
        old = user["auth-provider"]
        name = old.get("name") if isinstance(old, dict) else None
        raise FleetError(
            "its kubeconfig logs in by an auth-provider, which is not supported",
            cluster=cluster,
            seen=f"{path}: auth-provider {name or 'without a name'}",
            means="Kubernetes replaced auth-provider by credential plugins: an exec section of the user",
            next_step="get a kubeconfig with a credential plugin, as gke-gcloud-auth-plugin, kubelogin (Azure) or "
            "kubectl oidc-login",
        )
    return Credential()
