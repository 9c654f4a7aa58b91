# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sample program, started for real on loopback ports."""

from __future__ import annotations

import datetime
import http.client
import http.server
import importlib.util
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PROGRAM = pathlib.Path(__file__).parents[4] / "roles" / "apps" / "files" / "sample"
XFCC = (
    'By=spiffe://shop.example/ns/istio-apps/sa/sample-producer-sa;Hash=aa11;Subject="O=a,\\"b\\";CN=x";'
    "URI=spiffe://shop.example/ns/istio-apps/sa/sample-caller-sa"
)


class Running(t.NamedTuple):
    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, data: t.Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, t.Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            body = data if data is None or isinstance(data, (str, bytes)) else json.dumps(data)
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            raw = answer.read()
            try:
                return answer.status, json.loads(raw)
            except ValueError:
                return answer.status, raw.decode()
        finally:
            connection.close()


def start(role: str, cluster: str, **env: str) -> Running:
    process = subprocess.Popen(
        [sys.executable, "-u", str(PROGRAM / "sample.py")],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "SAMPLE_ROLE": role,
            "SAMPLE_CLUSTER": cluster,
            "SAMPLE_ZONE": f"{cluster}-zone",
            "SAMPLE_REGION": f"{cluster}-region",
            "SAMPLE_POD": f"{role}-pod",
            "SAMPLE_VERSION": "v1",
            "SAMPLE_SERVICE_ACCOUNT": f"sample-{role}-sa",
            "SAMPLE_HOST": "127.0.0.1",
            "SAMPLE_PORT": "0",
            **env,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    note = json.loads(process.stdout.readline())["note"]
    return Running(process, int(note.rsplit(":", 1)[1]))


def stop(running: Running) -> None:
    running.process.kill()
    running.process.communicate()


@pytest.fixture(scope="module")
def producer() -> t.Iterator[Running]:
    running = start("producer", "east")
    yield running
    stop(running)


@pytest.fixture(scope="module")
def caller(producer: Running) -> t.Iterator[Running]:
    running = start(
        "caller",
        "west",
        SAMPLE_TARGET=producer.url,
        SAMPLE_TARGETS="localhost sample-producer.no-such-namespace.invalid",
    )
    yield running
    stop(running)


@pytest.fixture(scope="module")
def exchange() -> t.Any:
    spec = importlib.util.spec_from_file_location("sample_exchange", PROGRAM / "exchange.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_health(producer: Running, caller: Running) -> None:
    for running in (producer, caller):
        for probe in ("liveness", "readiness"):
            assert running.ask("GET", f"/actuator/health/{probe}") == (200, {"status": "UP"})


def test_producer_says_where_it_answers_and_who_called(producer: Running) -> None:
    status, answer = producer.ask(
        "POST",
        "/producer/messages",
        {"id": "7", "payload": "hé", "delay": 120, "status": 418},
        {"x-forwarded-client-cert": XFCC},
    )
    assert status == 418
    assert answer["timing"].pop("took_ms") >= 120
    assert answer["timing"].pop("answered_at")
    assert answer == {
        "id": "7",
        "payload": "hé",
        "delay": 120,
        "status": 418,
        "role": "producer",
        "cluster": "east",
        "region": "east-region",
        "zone": "east-zone",
        "namespace": "",
        "pod": "producer-pod",
        "version": "v1",
        "service_account": "sample-producer-sa",
        "identity": {
            "by": "spiffe://shop.example/ns/istio-apps/sa/sample-producer-sa",
            "uri": "spiffe://shop.example/ns/istio-apps/sa/sample-caller-sa",
        },
        "x_forwarded_client_cert": XFCC,
        "timing": {},
    }


@pytest.mark.parametrize("status", [200, 201, 204, 205, 304, 302, 404, 500, 503, 599])
def test_producer_obeys_the_status(producer: Running, status: int) -> None:
    assert producer.ask("POST", "/producer/messages", {"status": status})[0] == status


def await_status(running: Running, status: int) -> None:
    """A signal is handled soon, and not at once."""
    deadline = time.monotonic() + 60
    while running.ask("POST", "/producer/messages", {})[0] != status:
        assert time.monotonic() < deadline


def test_a_signal_breaks_the_producer_and_another_mends_it() -> None:
    running = start("producer", "east")
    try:
        running.process.send_signal(signal.SIGUSR1)
        await_status(running, 500)
        status, answer = running.ask("POST", "/producer/messages", {"status": 201})
        assert (status, answer["cluster"], answer["status"]) == (500, "east", 201)
        assert running.ask("GET", "/actuator/health/readiness")[0] == 200, "Kubernetes must go on to send it calls"
        running.process.send_signal(signal.SIGUSR2)
        await_status(running, 200)
    finally:
        stop(running)


def test_get_answers_the_same_document(producer: Running) -> None:
    status, answer = producer.ask("GET", "/")
    assert (status, answer["cluster"], answer["identity"]) == (200, "east", {"by": "", "uri": ""})


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"delay": -1}, "delay: a whole number from 0 to 60000, not -1"),
        ({"delay": 60001}, "delay: a whole number from 0 to 60000, not 60001"),
        ({"delay": True}, "delay: a whole number from 0 to 60000, not true"),
        ({"delay": "5"}, 'delay: a whole number from 0 to 60000, not "5"'),
        ({"delay": float("nan")}, "delay: a whole number from 0 to 60000, not NaN"),
        ({"status": 199}, "status: a whole number from 200 to 599, not 199"),
        ({"status": 600}, "status: a whole number from 200 to 599, not 600"),
        ({"payload": 3}, "payload: a text of at most 10000 characters"),
        ({"payload": "x" * 10001}, "payload: a text of at most 10000 characters"),
        ({"dely": 3}, "dely: no such field; known are id, payload, delay, status"),
        ([], "body: a JSON object"),
        ("{", "body: JSON such as"),
        ("[" * 60000, "body: JSON such as"),
        (b"\xff\xfe", "body: JSON such as"),
    ],
)
def test_bad_input_is_named(producer: Running, caller: Running, body: t.Any, says: str) -> None:
    for running, path in ((producer, "/producer/messages"), (caller, "/caller/messages")):
        status, answer = running.ask("POST", path, body)
        assert status == 400
        assert answer["error"].startswith(says)
        assert set(answer) == {"error", "field", "expected"}


def test_limits_of_the_request(producer: Running) -> None:
    assert producer.ask("POST", "/producer/messages", "x" * 65537)[0] == 413
    assert producer.ask("POST", "/producer/messages")[0] == 400  # http.client sends content-length: 0
    status, answer = producer.ask("GET", "/producer/messages")
    assert (status, answer["error"]) == (405, "method: /producer/messages answers POST only")
    assert producer.ask("GET", "/nowhere")[0] == 404
    assert producer.ask("POST", "/caller/messages", {})[0] == 404
    assert producer.ask("PUT", "/", {})[0] == 501
    with socket.create_connection(("127.0.0.1", producer.port), timeout=60) as raw:
        raw.sendall(b"POST /producer/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 411 ")


def test_a_connection_is_kept(producer: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", producer.port, timeout=60)
    for status in (200, 204, 304, 205, 500, 200):
        connection.request("POST", "/producer/messages", json.dumps({"status": status}))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert not answer.will_close
    connection.close()


def test_caller_to_producer(caller: Running, producer: Running) -> None:
    status, answer = caller.ask("POST", "/caller/messages", {"payload": "hello", "delay": 60, "status": 201})
    assert status == 200
    assert answer["ok"] is True
    assert answer["status"] == 201
    assert answer["latency_ms"] >= 60
    assert answer["problem"] is None
    assert answer["caller"]["cluster"] == "west"
    assert answer["answer"]["cluster"] == "east"
    assert answer["answer"]["payload"] == "hello"
    assert answer["request"]["target"] == producer.url
    assert answer["answer"]["id"] == answer["request"]["id"]


def test_a_status_that_was_asked_for_is_no_problem_of_the_way(caller: Running) -> None:
    status, answer = caller.ask("POST", "/caller/messages", {"status": 503})
    assert status == 200
    assert (answer["ok"], answer["status"], answer["problem"]) == (False, 503, None)


def test_failures_are_described_in_words(caller: Running) -> None:
    host = "sample-producer.no-such-namespace.invalid"
    status, answer = caller.ask("POST", "/caller/messages", {"target": f"http://{host}:8080"})
    assert status == 502
    assert answer["problem"]["what"] == f"{host} could not be resolved: no Service of that name in this cluster"

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        status, answer = caller.ask("POST", "/caller/messages", {"target": f"http://127.0.0.1:{port}"})
    assert (status, answer["status"]) == (502, 0)
    assert answer["problem"]["what"] == f"127.0.0.1 refused the connection on port {port}"

    status, answer = caller.ask("POST", "/caller/messages", {"delay": 60000, "timeout": 150})
    assert status == 504
    assert answer["problem"]["what"] == "no answer from 127.0.0.1 within 150 ms"
    assert 140 <= answer["latency_ms"] < 30000


@pytest.mark.parametrize(
    ("raw", "status", "what"),
    [
        (b"", 502, "127.0.0.1 closed the connection before a complete answer (RemoteDisconnected)"),
        (b"nonsense\r\n\r\n", 502, "127.0.0.1 closed the connection before a complete answer (BadStatusLine)"),
        (
            b"HTTP/1.1 503 x\r\ncontent-length: 19\r\n\r\nno healthy upstream",
            502,
            "the mesh has no healthy pod of 127.0.0.1 to send to",
        ),
    ],
)
def test_answers_of_something_else(caller: Running, raw: bytes, status: int, what: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def once() -> None:
            connection, _peer = listener.accept()
            with connection:
                received = b""
                while not received.endswith(b"}"):  # closing with something unread would reset the connection
                    received += connection.recv(65536)
                connection.sendall(raw)

        thread = threading.Thread(target=once)
        thread.start()
        got, answer = caller.ask(
            "POST", "/caller/messages", {"target": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        )
        thread.join()
    assert (got, answer["problem"]["what"]) == (status, what)


@pytest.mark.parametrize(
    "target",
    [
        "https://127.0.0.1",
        "http://169.254.169.254/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "ftp://127.0.0.1",
        "http://",
        "http://[",
        "127.0.0.1",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nhost: x",
        "http://127.0.0.1.evil.example",
    ],
)
def test_the_caller_is_no_way_to_any_address(caller: Running, target: str) -> None:
    status, answer = caller.ask("POST", "/caller/messages", {"target": target})
    assert (status, answer["field"]) == (400, "target")


def test_page_needs_no_other_file(caller: Running) -> None:
    status, page = caller.ask("GET", "/")
    assert status == 200
    assert '"cluster": "west"' in page
    assert "{/*start*/}" not in page
    assert "src=" not in page and "@import" not in page and "url(" not in page


def test_programs_get_the_document_where_people_get_the_page(caller: Running) -> None:
    status, answer = caller.ask("GET", "/", headers={"accept": "application/json"})
    assert (status, answer["role"], answer["cluster"]) == (200, "caller", "west")
    status, page = caller.ask("GET", "/", headers={"accept": "text/html,application/json;q=0.9"})
    assert page.startswith("<!doctype html>")


def test_page_cannot_be_broken_by_a_name() -> None:
    running = start("caller", "</script><b>")
    try:
        assert "</script><b>" not in running.ask("GET", "/")[1]
    finally:
        stop(running)


def test_probe_has_both_apis(producer: Running) -> None:
    running = start("probe", "west", SAMPLE_TARGETS="*")
    try:
        assert running.ask("POST", "/producer/messages", {})[0] == 200
        status, answer = running.ask("POST", "/caller/messages", {"target": producer.url})
        assert (status, answer["answer"]["cluster"]) == (200, "east")
    finally:
        stop(running)


def test_sigterm_finishes_what_is_inside() -> None:
    running = start("producer", "east")
    body = b'{"payload": "hello"}'
    head = f"POST /producer/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as inside:
        inside.sendall(head.encode())
        assert inside.recv(100).startswith(b"HTTP/1.1 100 ")  # it is let in, and has not sent its body
        running.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while running.ask("GET", "/actuator/health/readiness")[0] != 503:
            assert time.monotonic() < deadline
        assert running.ask("POST", "/producer/messages", {})[0] == 200, "others learn only later that it goes"
        inside.sendall(body)
        assert inside.recv(100).startswith(b"HTTP/1.1 200 ")
    assert running.process.wait(120) == 0
    running.process.communicate()


def test_call_command(producer: Running) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM / "sample.py"), "call", producer.url, "--count", "3"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    counted = json.loads(done.stdout)
    assert (done.returncode, counted["sent"], counted["failed"], counted["clusters"]) == (0, 3, 0, {"east": 3})


def test_a_wrong_configuration_is_refused() -> None:
    for env, says in (({"SAMPLE_ROLE": "boss"}, "SAMPLE_ROLE is 'boss'"), ({"SAMPLE_PORT": "x"}, "cannot listen on")):
        done = subprocess.run(
            [sys.executable, str(PROGRAM / "sample.py")],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 1
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def test_identity_of_the_nearest_hop(exchange: t.Any) -> None:
    assert exchange.identity("") == {}
    assert exchange.identity("URI=spiffe://far/a," + XFCC)["uri"].endswith("sample-caller-sa")
    assert exchange.identity(XFCC)["hash"] == "aa11"
    assert exchange.identity('By="spiffe://a;b,c";URI=spiffe://u')["by"] == "spiffe://a;b,c"


@pytest.fixture
def secure(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[int]:
    """The port of a server with a certificate of ``shop.example``, which this process trusts; it repeats the Host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    both = tmp_path / "server.pem"
    both.write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (tmp_path / "trusted.pem").write_bytes(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"host": self.headers["host"], "path": self.path}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: t.Any) -> None:
            """The test looks at the answer."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_https_to_an_address_is_for_the_name_of_the_host(exchange: t.Any, secure: int) -> None:
    """As verify calls a front door."""
    url = f"https://127.0.0.1:{secure}/a?b=c"
    good = exchange.call("GET", url, None, 10_000, {"host": "shop.example"})
    assert (good["ok"], good["answer"]) == (True, {"host": "shop.example", "path": "/a?b=c"})
    for headers in ({"host": "mall.example"}, None):
        bad = exchange.call("GET", url, None, 10_000, headers)
        assert (bad["ok"], bad["status"]) == (False, 0)
        assert "does not hold" in bad["problem"]["what"] and "mismatch" in bad["problem"]["what"]


def test_a_certificate_of_an_unknown_ca_does_not_hold(
    exchange: t.Any, secure: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    bad = exchange.call("GET", f"https://127.0.0.1:{secure}/", None, 10_000, {"host": "shop.example"})
    assert "does not hold: self-signed certificate" in bad["problem"]["what"]
