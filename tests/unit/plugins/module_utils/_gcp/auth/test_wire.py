# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A request carries our token, whatever the user's netrc holds for that host."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.auth.wire import new_session


class Answer(http.server.BaseHTTPRequestHandler):
    """Says OK, and keeps who asked."""

    heard: str | None = None

    def do_GET(self) -> None:
        type(self).heard = self.headers["Authorization"]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_no_password_of_netrc_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password of-the-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        headers = {"Authorization": "Bearer own"}
        new_session().get(f"http://127.0.0.1:{server.server_port}/", headers=headers, timeout=30)
        thread.join(30)
    assert Answer.heard == "Bearer own"
