# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program that makes a series of calls, against a real server."""

from __future__ import annotations

import collections
import http.server
import json
import os
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.measuring import series_command

SAMPLE = Path(__file__).parents[6] / "roles/apps/files/sample"


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.under_way = self.most = 0
        self.first_takes = 0.02
        self.times: list[float] = []
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.asked.append((self.path, self.headers.get("x-user")))
            number = len(self.server.asked)
            self.server.under_way += 1
            self.server.times.append(time.monotonic())
            self.server.most = max(self.server.most, self.server.under_way)
        time.sleep(self.server.first_takes if number == 1 else 0.02)
        with self.server.lock:
            self.server.under_way -= 1
        answered = number % 4
        self.send_response(200 if answered else 503)
        if answered:
            self.send_header("x-envoy-upstream-service-time", "3")
        body = b"fine" if answered else b"no healthy upstream"
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: t.Any) -> None:
        pass


@pytest.fixture
def server() -> t.Iterator[Server]:
    with Server() as found:
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield found
        found.shutdown()


def run(url: str, **given: t.Any) -> list[dict[str, t.Any]]:
    defaults = {"count": 40, "rate": 1000.0, "side_by_side": 4, "timeout_ms": 5000, "seconds": 20.0}
    command = series_command(url, {"x-user": "ann"}, **{**defaults, **given})
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(SAMPLE)}, capture_output=True, text=True, timeout=60, check=True
    )
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def test_each_end_is_told_once_with_its_times(server: Server) -> None:
    found = run(f"http://127.0.0.1:{server.server_port}/healthz")
    ends = {(one["status"], one["answered"]): (len(one["ms"]), one["text"]) for one in found}
    assert ends == {(200, True): (30, ""), (503, False): (10, ends[503, False][1])}
    assert "no healthy upstream" in ends[503, False][1]
    assert collections.Counter(server.asked) == {("/healthz", "ann"): 40}
    assert 1 < server.most <= 4


def test_never_faster_than_it_may_nor_longer(server: Server) -> None:
    began = time.monotonic()
    assert sum(len(one["ms"]) for one in run(f"http://127.0.0.1:{server.server_port}/", count=20, rate=40.0)) == 20
    assert time.monotonic() - began >= 19 / 40
    assert len(run(f"http://127.0.0.1:{server.server_port}/", count=1000, rate=20.0, seconds=0.5)[0]["ms"]) < 20


def test_no_burst_makes_up_for_a_slow_answer(server: Server) -> None:
    server.first_takes = 0.5
    run(f"http://127.0.0.1:{server.server_port}/", count=9, rate=10.0, side_by_side=1)
    assert server.times[-1] - server.times[1] >= 0.6


def test_one_at_a_time(server: Server) -> None:
    run(f"http://127.0.0.1:{server.server_port}/", count=10, side_by_side=1)
    assert server.most == 1


def test_a_call_without_an_answer_is_told(server: Server) -> None:
    port = server.server_port
    server.shutdown()
    server.server_close()
    (found,) = run(f"http://127.0.0.1:{port}/", count=5)
    assert (found["status"], found["answered"], len(found["ms"])) == (0, False, 5)
    assert "refused" in found["text"]
