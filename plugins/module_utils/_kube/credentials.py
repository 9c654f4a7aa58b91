# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The credentials of a kubeconfig's user: token, token file, client certificate, or what a credential plugin gives."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import typing as t

from ..errors import FleetError
from .endpoint import bearer
from .masking import scrub

__all__ = ["credentials", "read_pem", "valid_token"]

_EXEC_TIMEOUT = 60.0
"""Seconds for a credential plugin: it may ask a cloud."""


def read_pem(section: t.Mapping[str, t.Any], key: str, base: str, cluster: str, path: str) -> bytes:
    """``<key>-data`` (base64), or the file that ``<key>`` names, or b""."""
    try:
        if section.get(f"{key}-data"):
            return base64.b64decode(str(section[f"{key}-data"]), validate=False)
        if section.get(key):
            with open(os.path.join(base, os.path.expanduser(str(section[key]))), "rb") as stream:
                return stream.read()
    except (OSError, binascii.Error) as error:
        raise FleetError(
            f"{key} of its kubeconfig cannot be read",
            cluster=cluster,
            seen=f"{path}: {error}",
            next_step="get a fresh kubeconfig of this cluster",
        ) from None
    return b""


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
    path: str,
    cluster: str,
    found: t.Mapping[str, t.Any],
) -> dict[str, str]:
    """The Authorization header; a plugin's client certificate goes into ``pem``.

    Raises:
        FleetError: a file cannot be read, the plugin fails, or the user has the old ``auth-provider``.
    """
    base, _file = os.path.split(path)
    token = str(user.get("token") or "")
    if user.get("tokenFile"):
        content = read_pem({"tokenFile": user["tokenFile"]}, "tokenFile", base, cluster, path)
        token = content.decode(errors="replace").strip() or token
    if not token and user.get("exec"):
        status = await _plugin(user["exec"], base, cluster, found)
        token = str(status.get("token") or "")
        if status.get("clientCertificateData"):
            pem["cert"] = str(status["clientCertificateData"]).encode()
            pem["key"] = str(status.get("clientKeyData") or "").encode()
    token = valid_token(token, cluster, path)
    if token:
        return bearer(token)
    if user.get("username") and user.get("password"):
        pair = base64.b64encode(f"{user['username']}:{user['password']}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
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
    return {}


async def _plugin(spec: dict[str, t.Any], base: str, cluster: str, found: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Run a credential plugin (client.authentication.k8s.io) and return its status."""
    command = str(spec.get("command") or "")
    version = str(spec.get("apiVersion") or "client.authentication.k8s.io/v1")
    if os.sep in command and not os.path.isabs(command):
        command = os.path.join(base, command)
    info: dict[str, t.Any] = {"interactive": False}
    if spec.get("provideClusterInfo"):
        info["cluster"] = {
            "server": found.get("server"),
            "certificate-authority-data": found.get("certificate-authority-data"),
        }
    env = dict(os.environ)  # all of it, as kubectl promises: a vendor's login may depend on any variable
    env.update({str(item["name"]): str(item["value"]) for item in spec.get("env") or []})
    env["KUBERNETES_EXEC_INFO"] = json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": info})

    def failed(seen: str, next_step: str) -> FleetError:
        return FleetError(
            f"its credential plugin {os.path.basename(command)} failed",
            cluster=cluster,
            seen=scrub(seen)[-400:],
            next_step=next_step,
        )

    try:
        process = await asyncio.create_subprocess_exec(
            command,
            *[str(arg) for arg in spec.get("args") or []],
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        hint = str(spec.get("installHint") or "").strip().splitlines()
        raise failed(f"{command}: {error.strerror}", hint[0] if hint else f"install {command}") from None
    try:
        out, err = await asyncio.wait_for(process.communicate(), _EXEC_TIMEOUT)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise failed(f"no answer in {_EXEC_TIMEOUT:g} s", "run it by hand: it may ask something") from None
    if process.returncode:
        raise failed(f"exit {process.returncode}: {err.decode(errors='replace').strip()}", "log in again")
    try:
        status = json.loads(out)["status"]
    except (ValueError, KeyError, TypeError):
        raise failed("its output is not an ExecCredential", "run it by hand and look at its output") from None
    return status if isinstance(status, dict) else {}
