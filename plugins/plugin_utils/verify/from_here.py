# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of a front door from this machine, at its address and in the name of a route, whether DNS knows it or not."""

from __future__ import annotations

import http.client
import socket
import ssl
import time

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer, sample_said
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.name_calls import NameCall

__all__ = ["call_from_here"]

_LONGEST = 64 * 1024
"""Bytes of an answer that are read."""


class _Named(http.client.HTTPSConnection):
    """HTTPS to an address, for a name: the certificate must be for it.

    Raises OSError, TypeError (it is not ASCII) or ValueError where ``trusted`` cannot be read.
    """

    def __init__(self, where: str, name: str, trusted: str, timeout: float, *, public: bool) -> None:
        self._context = ssl.create_default_context(cadata=trusted)
        if public:
            self._context.load_default_certs()
        # The certificate itself is trusted, whoever issued it.
        self._context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        super().__init__(where, timeout=timeout, context=self._context)
        self._name = name

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=self._name)


def call_from_here(call: NameCall, timeout_ms: int, trusted: str = "", *, public: bool = False) -> Answer:
    """The same call from this machine, without a proxy; what it prints is what a probe would.

    Args:
        trusted: for a call by HTTPS, the certificates of which the answering server must have one, as PEM.
        public: whether certificates of this machine's authorities will do as well.
    """
    scheme, _sep, url = call.url.partition("://")
    where, _slash, path = url.partition("/")
    began = time.monotonic()
    seconds = timeout_ms / 1000
    connection: http.client.HTTPConnection
    if scheme == "https":
        try:
            connection = _Named(where, call.host, trusted, seconds, public=public)
        except (OSError, TypeError, ValueError) as error:
            what = f"the front door's certificates on this machine cannot be read: {error}"
            return Answer(False, 0, 0.0, "", "", what)
    else:
        connection = http.client.HTTPConnection(where, timeout=seconds)
    try:
        headers = {"Accept": "application/json", "Connection": "close", **({"Host": call.host} if call.host else {})}
        connection.request("GET", f"/{path}", headers=headers)
        answer = connection.getresponse()
        status, body = answer.status, answer.read(_LONGEST).decode("utf-8", "replace")
        location = answer.getheader("location") or ""
    except (OSError, http.client.HTTPException) as error:
        return Answer(False, 0, 0.0, "", "", str(error) or type(error).__name__)
    finally:
        connection.close()
    said = sample_said(body)
    cluster = str((said or {}).get("cluster") or "")
    latency = (time.monotonic() - began) * 1000
    text = body[:600] if said is None else ""
    what = f"status {status}: {text}" if text else ""
    return Answer(status < 400, status, latency, cluster, "", what, said=text, location=location)
