# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of a route: a real connection, with the route's host in the request and in the handshake."""

from __future__ import annotations

import http.server
import json
import pathlib
import socket
import ssl
import threading
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.ingress_calls import IngressCall
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.ingress import call_once
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.ingress.test_certificates import pair


class Gateway(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked for."""

    def do_GET(self) -> None:
        body = json.dumps({"cluster": "west", "host": self.headers["Host"], "path": self.path}).encode()
        self.send_response(301 if self.path == "/moved" else 200)
        if self.path == "/moved":
            self.send_header("Location", "https://shop.example/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: t.Any) -> None:
        """Tests print nothing."""


@pytest.fixture
def serve(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[..., int]]:
    servers = []

    def start(host: str = "") -> int:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
        if host:
            made = pair(host)
            file = tmp_path / "pair.pem"
            file.write_text(made.certificate + made.key)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(file)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return int(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def call(port: int, **more: t.Any) -> IngressCall:
    return IngressCall("west", "127.0.0.1", port, "shop.example", more.pop("path", "/"), "web.shop", **more)


def test_http_has_the_routes_host(serve: t.Callable[..., int]) -> None:
    reply = call_once(call(serve(), path="/pay"), 5000)
    assert (reply.status, reply.cluster, reply.error) == (200, "west", "")
    assert json.loads(reply.said) == {"cluster": "west", "host": "shop.example", "path": "/pay"}
    assert call_once(call(serve(), path="/moved"), 5000).location == "https://shop.example/", "nothing is followed"


def test_https_tells_for_whom_the_certificate_is(serve: t.Callable[..., int]) -> None:
    reply = call_once(call(serve("other.example"), https=True), 5000)
    assert (reply.status, reply.names) == (200, ("other.example",))


def test_no_answer_is_told_from_no_connection(serve: t.Callable[..., int]) -> None:
    plain = call_once(call(serve(), https=True), 5000)
    assert plain.error and not plain.unreached
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    refused = call_once(call(port), 5000)
    assert "refused the connection" in refused.error and not refused.unreached
    nowhere = IngressCall("west", "no-such-host.invalid", 80, "", "/", "web.shop")
    assert call_once(nowhere, 5000).unreached
