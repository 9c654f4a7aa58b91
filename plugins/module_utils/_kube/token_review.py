# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an API server accepts a token: asked by a TokenReview, else by a request with the token itself."""

from __future__ import annotations

import dataclasses
import ssl
import urllib.parse

from .endpoint import Endpoint, bearer
from .errors import ApiError
from .tls import server_context
from .transport import Transport

__all__ = ["accepts"]

_GROUP = "authentication.k8s.io/v1"


async def accepts(transport: Transport, token: str) -> bool:
    """Whether the server knows the bearer of ``token``. True also where that cannot be found out.

    Raises:
        ApiError: it did not answer, or not as an API server does.
    """
    try:
        answer = await transport.request(
            "POST",
            f"/apis/{_GROUP}/tokenreviews",
            body={"apiVersion": _GROUP, "kind": "TokenReview", "spec": {"token": token}},
            obj="a token of its watchers",
            action="review",
            secret=True,
        )
    except ApiError as error:
        # The account may not ask, here or at what stands before the server; or the server does not know the question.
        if not error.forbidden and error.status != 404:
            raise
        return await _is_let_in(transport, token)
    return bool((answer.get("status") or {}).get("authenticated"))


async def _is_let_in(transport: Transport, token: str) -> bool:
    endpoint = transport.endpoint
    # What stands in front of an API server may accept its own credentials only, and istiods use another address.
    if endpoint.lookup is not None or urllib.parse.urlsplit(endpoint.server).path.strip("/"):
        return True
    asker = Transport(_with_token(endpoint, token), transport.cluster, transport.timeout)
    try:
        await asker.request("GET", "/version", obj="a token of its watchers", secret=True)
    except ApiError as error:
        if error.status == 0:
            raise
        return error.status != 401  # who may not read it was recognized
    finally:
        await asker.close()
    return True


def _with_token(endpoint: Endpoint, token: str) -> Endpoint:
    """The same server for somebody who has this token alone: without a client certificate, which would go first."""
    tls: ssl.SSLContext | None = None
    if endpoint.tls is not None:
        tls = server_context(endpoint.pem.get("ca", b""))
        tls.check_hostname, tls.verify_mode = endpoint.tls.check_hostname, endpoint.tls.verify_mode
    return dataclasses.replace(
        endpoint, tls=tls, headers=bearer(token), impersonation={}, expires=0.0, lookup=None, plugin=None
    )
