# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kubeconfig for Helm that says what our own client uses: Helm cannot reach another cluster than it."""

from __future__ import annotations

import base64
import json
import ssl
import typing as t

from ..endpoint import Endpoint

__all__ = ["kubeconfig_of"]

_FILES = {"ca": "certificate-authority-data", "cert": "client-certificate-data", "key": "client-key-data"}
_NAME = "fleet"


def kubeconfig_of(endpoint: Endpoint) -> str:
    """The text of a kubeconfig with one context; it holds the credential as it is now, and starts no plugin."""
    pem = {_FILES[key]: base64.b64encode(value).decode() for key, value in endpoint.pem.items() if value}
    user = {
        **_login(endpoint),
        **endpoint.impersonation,
        **{key: value for key, value in pem.items() if key != _FILES["ca"]},
    }
    cluster: dict[str, t.Any] = {"server": endpoint.server}
    if endpoint.tls is not None and endpoint.tls.verify_mode is ssl.CERT_NONE:
        cluster["insecure-skip-tls-verify"] = True
    elif _FILES["ca"] in pem:
        cluster[_FILES["ca"]] = pem[_FILES["ca"]]
    if endpoint.server_name:
        cluster["tls-server-name"] = endpoint.server_name
    if endpoint.proxy:
        cluster["proxy-url"] = endpoint.proxy
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": _NAME,
            "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME}}],
            "clusters": [{"name": _NAME, "cluster": cluster}],
            "users": [{"name": _NAME, "user": user}],
        }
    )


def _login(endpoint: Endpoint) -> dict[str, t.Any]:
    """What the headers of our requests say, in a kubeconfig's words."""
    scheme, _space, value = endpoint.headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer":
        return {"token": value}
    if scheme == "Basic":
        name, _colon, password = base64.b64decode(value).decode().partition(":")
        return {"username": name, "password": password}
    return {}
