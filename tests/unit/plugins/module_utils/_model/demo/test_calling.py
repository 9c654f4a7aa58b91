# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command in the caller's pod, really run against the sample program's own code, and what is read of it."""

from __future__ import annotations

import http.server
import json
import pathlib
import subprocess
import sys
import threading
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.demo import calling
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.calling import (
    Call,
    Order,
    calls_of,
    command,
    counted,
    ejected,
    errors_in,
    gap,
)

SAMPLE = pathlib.Path(__file__).parents[6] / "roles" / "apps" / "files" / "sample"


class Producer(http.server.BaseHTTPRequestHandler):
    """Answers by turns from two clusters, the first time with 500; by header x-user as version v2."""

    count = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        Producer.count += 1
        version = "v2" if self.headers.get("x-user") == "ann" else "v1"
        body = json.dumps({"cluster": "west" if Producer.count < 4 else "east", "version": version}).encode()
        self.send_response(500 if Producer.count == 1 else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: t.Any) -> None:
        pass


@pytest.fixture
def url() -> t.Iterator[str]:
    Producer.count = 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Producer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/producer/messages"
    server.shutdown()
    server.server_close()


def run(order: Order, url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Call], bool]:
    monkeypatch.setattr(calling, "URL", url)
    _python, *rest = command(order)
    rest = [part.replace("/app", str(SAMPLE)) for part in rest]
    return calls_of(subprocess.run([sys.executable, *rest], capture_output=True, text=True, check=True).stdout)


def test_calls_end_when_the_others_answer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, ended = run(Order(every=0, last=3, by=("east",), seen=(("west", "far"),), most=30), url, monkeypatch)
    assert ended
    assert [(one.status, one.cluster) for one in made] == [(500, "west"), *[(200, "west")] * 2, *[(200, "east")] * 3]
    assert counted(made) == {"east": 3, "west": 2}
    assert errors_in(made) == {"500 from west": 1}


def test_calls_end_by_time_and_say_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, ended = run(Order(every=0.01, last=2, by=("far",), most=0.3), url, monkeypatch)
    assert made and not ended


def test_calls_of_each_kind_are_counted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, ended = run(Order(count=4, headers=({"x-user": "ann"}, {})), url, monkeypatch)
    assert ended
    assert sorted((one.user, one.version) for one in made) == [("", "v1")] * 4 + [("ann", "v2")] * 4


def test_nobody_there_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ended = run(Order(count=1), "http://127.0.0.1:1/producer/messages", monkeypatch)
    assert (made[0].status, made[0].ok) == (0, False)
    assert "refused the connection" in next(iter(errors_in(made)))


@pytest.mark.parametrize("printed", ["", "Traceback", "{}", '{"calls": [[1]], "ended": true}'])
def test_other_output_is_refused(printed: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        calls_of(printed)


def answer(at: float, cluster: str, status: int = 200) -> Call:
    return Call(at, 0.5, status, cluster, "v1", "")


def test_the_gap_is_from_the_last_to_the_first_after_it() -> None:
    made = [answer(0, "west"), answer(1, "east"), answer(2, "west"), answer(3, "west", 500), answer(4, "east")]
    assert gap(made, ["west"], ["east"]) == 2
    assert gap(made, ["far"], ["east"]) is None
    assert gap(made[:3], ["west"], ["east"]) is None


def test_ejected_pods_are_read_of_the_proxys_own_page() -> None:
    host = "outbound|8080||sample-producer.mesh-demo.svc.cluster.local"
    page = "\n".join(
        [
            f"{host}::10.0.0.1:8080::health_flags::/failed_outlier_check",
            f"{host}::10.0.0.2:8080::health_flags::healthy",
            f"{host}::10.0.0.1:8080::cx_total::3",
            "outbound|8080||other.shop.svc.cluster.local::10.0.0.9:8080::health_flags::/failed_outlier_check",
            "outbound|8080|v1|sample-producer.mesh-demo.svc.cluster.local::10.0.0.1:8080::health_flags::healthy",
        ]
    )
    assert ejected(page) == ["10.0.0.1:8080"]
    assert ejected(f"{host}::[fd00::1]:8080::health_flags::/failed_outlier_check") == ["[fd00::1]:8080"]
    assert ejected("") == []
