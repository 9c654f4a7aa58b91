# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door's configuration in a real Envoy, before two servers that stand where gateways do.

Callers of this machine's loopback have addresses to choose from, so each region has one.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import http.client
import http.server
import json
import socket
import ssl
import subprocess
import threading
import typing as t
import urllib.request
from pathlib import Path
from types import MappingProxyType

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor, Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_admin import (
    as_loaded,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    BOOTSTRAP,
    Certificate,
    EnvoyDoor,
    as_static,
    render,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import (
    Gateway,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import (
    VERSION_HOST,
    version_in,
    version_said,
    with_version,
)
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from tests.e2e.waiting import until

from .authority import Authority

ENVOYS = sorted(artifacts_dir().glob("store/envoy-*/envoy"))
pytestmark = pytest.mark.skipif(not ENVOYS, reason="artifacts of this machine have Envoy within images only")

SHOP, PAY = Route("web", "shop", host="shop.example"), Route("pay", "shop", host="shop.example", path="/pay")
EU, US, CDN, STRANGER = "127.0.1.1", "127.0.2.1", "127.0.3.1", "127.0.4.1"
REGIONS = {"eu": ("127.0.1.0/24", "::1/128"), "us": ("127.0.2.0/24",)}
DOOR = FrontDoor("front-door", (SHOP,), region_header="x-region", trusted=("127.0.3.0/24",))


class Server:
    """Answers with its name, as long as it runs.

    Calls below the path ``held`` are taken, and wait for what was ``freed`` when they came; of a path that ends with
    ``/long`` the answer has begun then.
    """

    def __init__(self, name: str, port: int = 0) -> None:
        self.held, self.freed = "", threading.Event()
        self.asked = asked = list[str]()
        mine = self

        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                asked.append(f"{self.command} {self.path}")
                held, freed = mine.held and self.path.startswith(mine.held), mine.freed
                if held and self.path.endswith("/long"):
                    self.send_response(200)
                    self.send_header("content-length", "12")
                    self.end_headers()
                    self.wfile.write(b"begins")
                    freed.wait()
                    self.wfile.write(b", ends")
                    return
                if held:
                    freed.wait()
                said = f"{name} {self.path} {self.headers.get('x-mesh-fleet-health', '')}".encode()
                self.send_response(200)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: t.Any) -> None:
                """Says nothing."""

        class Open(http.server.ThreadingHTTPServer):
            daemon_threads = True
            live: t.ClassVar[set[socket.socket]] = set()

            def process_request(self, request: t.Any, client_address: t.Any) -> None:
                self.live.add(request)
                super().process_request(request, client_address)

        self.server = Open(("127.0.0.1", port), Answer)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.freed.set()
        self.server.shutdown()
        self.server.server_close()
        for one in self.server.live:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Running:
    """Envoy with a folder of ours."""

    def __init__(
        self, path: Path, door: FrontDoor = DOOR, further: t.Mapping[str, tuple[Gateway, ...]] = MappingProxyType({})
    ) -> None:
        self.folder = FrontDoorFolder(path)
        self.servers = {name: Server(name) for name in ("west", "east")}
        gateways = (
            Gateway("east", ("127.0.0.1",), self.servers["east"].port, "us"),
            Gateway("west", ("127.0.0.1",), self.servers["west"].port, "eu"),
        )
        certificate, key = Authority().issue("shop.example", server=True, hosts=["shop.example"])
        self.trusted = certificate.decode()
        self.folder.write_keys("shop-1", self.trusted, key.decode())
        self.envoy = EnvoyDoor(
            {**dict.fromkeys(("web.shop", "pay.shop"), gateways), **further},
            certificates=(Certificate("shop", str(self.folder.path / "keys" / "shop-1")),),
            regions=REGIONS,
            folder=str(self.folder.path),
            http_port=free_port(),
            https_port=free_port(),
            admin_port=free_port(),
            bind="127.0.0.1",
            bind_ipv6="::1",
        )
        self.put(door)
        words = [str(ENVOYS[-1]), "-c", str(self.folder.path / BOOTSTRAP), "--concurrency", "1", "-l", "error"]
        self.process = subprocess.Popen([*words, "--disable-hot-restart"], stderr=subprocess.DEVNULL)

    def put(self, door: FrontDoor) -> dict[str, t.Any]:
        files = with_version(door.name, render(door, self.envoy))
        for name in sorted(files, key=lambda name: (name != "clusters.yaml", name == "listeners.yaml", name)):
            if self.folder.read(name) != files[name]:
                self.folder.write(name, files[name])
        return files

    def until_loaded(self, files: t.Mapping[str, t.Any]) -> None:
        def loaded() -> bool:
            try:
                page = f"http://127.0.0.1:{self.envoy.admin_port}/stats?format=json&filter=version_text"
                with urllib.request.urlopen(page, timeout=5) as answer:
                    return as_loaded(files, json.load(answer)) == []
            except OSError:
                return False

        until(loaded, "Envoy to load its files", timeout=30)

    def connect(self, source: str, https: bool = False) -> http.client.HTTPConnection:
        port = self.envoy.https_port if https else self.envoy.http_port
        made = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
        if https:
            context = ssl.create_default_context(cadata=self.trusted)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            plain = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
            made.sock = context.wrap_socket(plain, server_hostname="shop.example")
        return made

    def ask(self, source: str, path: str = "/", https: bool = False, **headers: str) -> tuple[int, str]:
        with contextlib.closing(self.connect(source, https)) as connection:
            named = {"Host": "shop.example", **{k.replace("_", "-"): v for k, v in headers.items()}}
            connection.request("GET", path, headers=named)
            answer = connection.getresponse()
            return answer.status, answer.read().decode() or str(answer.getheader("location"))

    def who(self, source: str, **headers: str) -> str:
        return self.ask(source, **headers)[1].split()[0]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        for server in self.servers.values():
            server.stop()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("door"))
    try:
        running.until_loaded(with_version(DOOR.name, render(DOOR, running.envoy)))
        until(lambda: running.who(EU) == "west" and running.who(US) == "east", "healthy gateways", timeout=30)
        yield running
    finally:
        running.stop()


def test_envoy_itself_takes_the_configuration(door: Running, tmp_path: Path) -> None:
    for good in (True, False):
        static = as_static(with_version(DOOR.name, render(DOOR, door.envoy)))
        if not good:
            static["static_resources"]["clusters"][0]["nonsense"] = 1
        (tmp_path / "all.json").write_text(json.dumps(static))
        words = [str(ENVOYS[-1]), "--mode", "validate", "-c", str(tmp_path / "all.json"), "-l", "error"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is good, done.stderr


def test_callers_by_ipv6_are_led_to_their_region(tmp_path: Path) -> None:
    reached = dataclasses.replace(DOOR, addresses=("2001:db8::1",))
    running = Running(tmp_path, reached, {"named.shop": (Gateway("west", ("gateway.invalid",)),)})
    try:
        named = dataclasses.replace(reached, routes=(SHOP, Route("named", "shop", host="named.example")))
        static = as_static(with_version(DOOR.name, render(named, running.envoy)))
        (tmp_path / "all.json").write_text(json.dumps(static))
        words = [str(ENVOYS[-1]), "--mode", "validate", "-c", str(tmp_path / "all.json"), "-l", "error"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        running.until_loaded(with_version(DOOR.name, render(reached, running.envoy)))
        until(lambda: running.who(EU) == "west" and running.who(US) == "east", "healthy gateways", timeout=30)
        connection = http.client.HTTPConnection("::1", running.envoy.http_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/", headers={"Host": "shop.example"})
            assert connection.getresponse().read().decode().startswith("west")
    finally:
        running.stop()


def test_callers_are_led_to_their_region(door: Running) -> None:
    assert [door.who(EU), door.who(US)] == ["west", "east"]
    assert [door.who(CDN, x_region="eu"), door.who(CDN, x_region="us")] == ["west", "east"]
    # A header that a stranger sets, or a caller of a known region, says nothing.
    assert [door.who(STRANGER, x_region="eu"), door.who(US, x_region="eu")] == ["east", "east"]


def test_a_caller_cannot_play_the_health_check(door: Running) -> None:
    assert door.ask(EU, x_mesh_fleet_health="web.shop") == (200, "west / ")


def test_another_spelling_of_a_path_is_the_same_path(door: Running) -> None:
    with_pay = dataclasses.replace(DOOR, routes=(Route("web", "shop", host="shop.example", path="/open"),))
    door.until_loaded(door.put(with_pay))
    assert door.ask(EU, "/open/../closed")[0] == 404
    assert door.ask(EU, "//open/x") == (200, "west /open/x ")
    assert door.ask(EU, "/opened")[0] == 404
    door.until_loaded(door.put(DOOR))


def test_https_http2_and_the_redirect(door: Running) -> None:
    assert door.ask(EU, https=True)[1].startswith("west")
    context = ssl.create_default_context(cadata=door.trusted)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", door.envoy.https_port), 10) as plain,
        context.wrap_socket(plain, server_hostname="shop.example") as secured,
    ):
        assert secured.selected_alpn_protocol() == "h2"
    door.until_loaded(door.put(dataclasses.replace(DOOR, https_redirect=True)))
    assert door.ask(EU, "/x?y=1") == (301, "https://shop.example/x?y=1")
    assert door.ask(EU, https=True)[0] == 200
    door.until_loaded(door.put(DOOR))


def test_envoy_says_which_files_it_has(door: Running) -> None:
    def has(source: str, https: bool = False) -> str:
        status, text = door.ask(source, https=https, Host=VERSION_HOST)
        return version_said(text) if status == 200 else ""

    def written() -> str:
        return version_in(door.folder.read("routes-http-any.yaml"))

    first = written()
    assert first and {has(EU), has(STRANGER), has(STRANGER, https=True), has(CDN, https=True)} == {first}
    assert door.ask(EU, "/other", Host=VERSION_HOST)[0] == 404
    changed = dataclasses.replace(DOOR, routes=(SHOP, Route("web", "shop")), https_redirect=True)
    door.until_loaded(door.put(changed))
    assert has(EU) == written() != first, "whatever the routes take, and however they redirect"
    door.until_loaded(door.put(DOOR))
    assert has(EU) == written() == first


def test_other_routes_end_no_connection_and_lose_no_call(door: Running) -> None:
    over, failed, made = threading.Event(), list[str](), list[int]()

    def call() -> None:
        # One connection for all calls: it would be closed if its listener were replaced.
        with contextlib.closing(door.connect(EU)) as connection:
            while not over.is_set():
                try:
                    connection.request("GET", "/", headers={"Host": "shop.example"})
                    answer = connection.getresponse()
                    said = answer.read().decode()
                    made.append(answer.status)
                    if answer.status != 200 or not said.startswith("west") or answer.getheader("connection"):
                        failed.append(f"{answer.status} {said} {answer.getheader('connection')}")
                except OSError as error:
                    failed.append(repr(error))
                    return

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        calling = pool.submit(call)
        try:
            for routes in ((SHOP, PAY), (SHOP,), (PAY, SHOP), (SHOP,)):
                before = len(made)
                door.until_loaded(door.put(dataclasses.replace(DOOR, routes=routes)))
                until(lambda before=before: len(made) > before or bool(failed), "calls to go on", timeout=30)
        finally:
            over.set()
        calling.result()
    assert failed == [] and len(made) > 4


@contextlib.contextmanager
def held(door: Running, path: str, *names: str) -> t.Iterator[None]:
    """Servers that take calls below a path, and do not answer them meanwhile. Envoy's patience is short."""
    patient, some = door.envoy, [door.servers[name] for name in names]
    door.envoy = dataclasses.replace(patient, patience="0.5s")
    try:
        door.until_loaded(door.put(DOOR))
        for server in some:
            server.held = path
        yield
    finally:
        for server in some:
            server.held = ""
            server.freed.set()
            server.freed = threading.Event()
        door.envoy = patient
        door.until_loaded(door.put(DOOR))


def test_a_frozen_cluster_costs_a_call_its_patience_alone(door: Running) -> None:
    # It takes calls and health checks, and answers none. The first call is led on before any check has failed.
    with held(door, "/", "west"):
        assert door.ask(EU, "/frozen") == (200, "east /frozen ")
        assert "GET /frozen" in door.servers["west"].asked
    until(lambda: door.who(EU) == "west", "west to answer again", timeout=30)


def test_slow_answers_arrive_and_only_safe_calls_are_repeated(door: Running) -> None:
    asked = {name: server.asked for name, server in door.servers.items()}
    with held(door, "/held", "west", "east"), contextlib.ExitStack() as stack:
        calls = {}
        for method, path in (("GET", "/held/long"), ("POST", "/held/post"), ("GET", "/held/slow")):
            calls[path] = stack.enter_context(contextlib.closing(door.connect(EU)))
            calls[path].request(method, path, headers={"Host": "shop.example"})
            until(lambda seen=f"{method} {path}": seen in asked["west"], f"west to take {path}", timeout=30)
        download = calls["/held/long"].getresponse()
        assert download.read(6) == b"begins"
        # Only what west has taken by now is answered, so no other try.
        first, door.servers["west"].freed = door.servers["west"].freed, threading.Event()
        # The others began before this one, so they have lasted as long.
        until(lambda: "GET /held/slow" in asked["east"], "the slow call to be sent to east too", timeout=30)
        first.set()
        slow, post = calls["/held/slow"].getresponse(), calls["/held/post"].getresponse()
        assert (slow.status, slow.read()) == (200, b"west /held/slow ")
        assert (post.status, post.read()) == (200, b"west /held/post ")
        assert download.read() == b", ends"
    everywhere = asked["west"] + asked["east"]
    assert [everywhere.count("POST /held/post"), everywhere.count("GET /held/long")] == [1, 1]


def test_many_calls_at_once_are_led_on(door: Running) -> None:
    dead = door.servers["west"]
    dead.stop()
    try:
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            assert set(pool.map(lambda _call: door.ask(EU)[0], range(200))) == {200}
    finally:
        door.servers["west"] = Server("west", dead.port)
    until(lambda: door.who(EU) == "west", "west to answer again", timeout=30)


def test_the_next_cluster_answers_until_the_dead_one_is_back(door: Running) -> None:
    dead = door.servers["west"]
    dead.stop()
    # The first call after it is led on, before any health check has failed.
    assert {door.who(EU) for _call in range(20)} == {"east"}
    door.servers["west"] = Server("west", dead.port)
    until(lambda: door.who(EU) == "west", "west to answer again", timeout=30)
    assert door.who(US) == "east"


def test_without_a_healthy_cluster_a_call_fails_at_once(door: Running) -> None:
    for server in door.servers.values():
        server.stop()
    assert door.ask(EU)[0] == 503
