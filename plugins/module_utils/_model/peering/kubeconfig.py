# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kubeconfig inside a remote secret, and the claims of its token."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import typing as t

try:
    import yaml
except ImportError:  # Ansible always has it; a module_utils file must import without it
    yaml = t.cast("t.Any", None)

__all__ = ["RemoteAccess", "Token", "parse", "read_token", "render"]


@dataclasses.dataclass(frozen=True)
class RemoteAccess:
    """How one istiod reaches another cluster's API server. ``token`` is secret; ``repr`` leaves it out."""

    cluster: str
    server: str
    ca: str
    """PEM in base64, as kubeconfigs and Secrets hold it; "" for the roots that the image of istiod trusts."""
    token: str = dataclasses.field(repr=False)
    tls_server_name: str = ""
    checked_otherwise: bool = False
    """Whether it names a file of CAs, or no certificate is checked: never of our making."""


@dataclasses.dataclass(frozen=True)
class Token:
    """The claims of a service account token (a JWT)."""

    expires: float | None
    """Seconds since the epoch; None for a token that never expires, which is that of a token Secret."""
    issued: float | None
    """Seconds since the epoch."""
    account: str
    """``namespace/name`` of the service account."""
    account_uid: str
    secret: str
    """Name of the token Secret it belongs to; "" for a bound token."""


def render(access: RemoteAccess) -> str:
    """The kubeconfig that ``istioctl create-remote-secret`` writes; equal access gives equal bytes.

    istiod compares bytes and reconnects when they differ, so this does not depend on a library's formatting.
    """
    name = json.dumps(access.cluster)  # YAML would read a name such as on or 7 as a boolean or number
    lines = ["apiVersion: v1", "clusters:", "- cluster:"]
    if access.ca:
        lines.append(f"    certificate-authority-data: {access.ca}")
    lines.append(f"    server: {json.dumps(access.server)}")
    if access.tls_server_name:
        lines.append(f"    tls-server-name: {json.dumps(access.tls_server_name)}")
    lines += [
        f"  name: {name}",
        "contexts:",
        "- context:",
        f"    cluster: {name}",
        f"    user: {name}",
        f"  name: {name}",
        f"current-context: {name}",
        "kind: Config",
        "users:",
        f"- name: {name}",
        "  user:",
        f"    token: {json.dumps(access.token)}",
        "",
    ]
    return "\n".join(lines)


def parse(text: str, cluster: str) -> RemoteAccess | None:
    """Read a kubeconfig of this form, whoever wrote it; None when istiod would not find ``cluster`` in it."""
    if yaml is None:
        raise RuntimeError("PyYAML is needed to read remote secrets")
    try:
        document = yaml.safe_load(text)
        current = document["current-context"]
        context = _named(document["contexts"], current)["context"]
        target = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
        return RemoteAccess(
            cluster=cluster,
            server=str(target["server"]),
            ca=str(target.get("certificate-authority-data") or ""),
            token=str(user.get("token") or ""),
            tls_server_name=str(target.get("tls-server-name") or ""),
            checked_otherwise=bool(target.get("insecure-skip-tls-verify") or target.get("certificate-authority")),
        )
    except (yaml.YAMLError, KeyError, TypeError, LookupError, AttributeError):
        return None


def _named(entries: t.Any, name: t.Any) -> dict[str, t.Any]:
    for entry in entries:
        if entry["name"] == name:
            return t.cast("dict[str, t.Any]", entry)
    raise LookupError(name)


def read_token(token: str) -> Token | None:
    """Read the claims of a service account token, without checking its signature; None if it is no such token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, UnicodeDecodeError):
        return None
    if not isinstance(claims, dict):
        return None
    expires, issued = claims.get("exp"), claims.get("iat")
    bound = claims.get("kubernetes.io")
    if isinstance(bound, dict):
        account = bound.get("serviceaccount") or {}
        name = f"{bound.get('namespace', '')}/{account.get('name', '')}"
        uid = str(account.get("uid", ""))
    else:
        prefix = "kubernetes.io/serviceaccount/"
        name = f"{claims.get(prefix + 'namespace', '')}/{claims.get(prefix + 'service-account.name', '')}"
        uid = str(claims.get(prefix + "service-account.uid", ""))
    return Token(
        expires=float(expires) if isinstance(expires, (int, float)) else None,
        issued=float(issued) if isinstance(issued, (int, float)) else None,
        account=name,
        account_uid=uid,
        secret=str(claims.get("kubernetes.io/serviceaccount/secret.name", "")),
    )
