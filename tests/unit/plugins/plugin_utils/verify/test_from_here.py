# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A call from this machine has the host of its route, and its answer reads as a probe's."""

from __future__ import annotations

import http.server
import json
import threading
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.name_calls import CONTROLLER, NameCall
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.from_here import call_from_here


class Sample(http.server.BaseHTTPRequestHandler):
    """Answers as the sample does, with the Host header that it got."""

    def do_GET(self) -> None:
        body = json.dumps({"cluster": self.headers["host"]}).encode() if self.path == "/" else b"default backend - 404"
        self.send_response(200 if self.path == "/" else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: t.Any) -> None:
        """Quiet."""


def test_a_call_from_here_has_the_host_of_its_route() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Sample) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        made = [
            call_from_here(NameCall("front door", CONTROLLER, url + path, "", "web.shop", (), host), 5000)
            for path, host in (("", "api.example"), ("pay", ""))
        ]
        server.shutdown()
    assert [(one.status, one.cluster, one.said) for one in made] == [
        (200, "api.example", ""),
        (404, "", "default backend - 404"),
    ]
    closed = call_from_here(NameCall("front door", CONTROLLER, url, "", "web.shop", ()), 500)
    assert (closed.ok, closed.status) == (False, 0)
    assert closed.what


@pytest.mark.parametrize("trusted", ["no PEM", "Zürich", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"])
def test_certificates_that_cannot_be_read_are_told(trusted: str) -> None:
    call = NameCall("front door", CONTROLLER, "https://127.0.0.1:1/", "shop", "web.shop", (), "shop.example")
    told = call_from_here(call, 500, trusted)
    assert (told.ok, told.status) == (False, 0)
    assert "the front door's certificates on this machine cannot be read: " in told.what
