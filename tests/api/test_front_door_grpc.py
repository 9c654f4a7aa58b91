# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of gRPC through a front door: a real client, two real Envoys and a real server.

The second Envoy stands where an ingress gateway does. It takes HTTP/2 alone, so whatever arrives there is HTTP/2.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import socket
import subprocess
import threading
import typing as t
import urllib.request
from pathlib import Path

import grpc
import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    FrontDoor,
    HealthCheck,
    Route,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_admin import health_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import render
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import (
    Gateway,
    address,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import with_version
from tests.e2e.waiting import until_equal

from .test_front_door_envoy import DOOR, ENVOYS, EU, Running, free_port

pytestmark = pytest.mark.skipif(not ENVOYS, reason="artifacts of this machine have Envoy within images only")

CALLS = Route("calls", "shop", host="calls.example", health=HealthCheck("/healthz"))
WITH_CALLS = dataclasses.replace(DOOR, routes=(*DOOR.routes, CALLS))
_TYPE = "type.googleapis.com/envoy.extensions"


class Shop:
    """A server of gRPC. A stream begins at once, and ends when ``sold`` is set."""

    def __init__(self) -> None:
        self.sold = threading.Event()
        methods = {
            "Buy": grpc.unary_unary_rpc_method_handler(self.buy),
            "Watch": grpc.unary_stream_rpc_method_handler(self.watch),
        }
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", methods),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def buy(self, what: bytes, context: grpc.ServicerContext) -> bytes:
        if what == b"nothing":
            context.abort(grpc.StatusCode.NOT_FOUND, "the shop has none")
        context.set_trailing_metadata((("shop-left", "7"),))
        return b"bought " + what

    def watch(self, what: bytes, context: grpc.ServicerContext) -> t.Iterator[bytes]:
        yield b"begins"
        self.sold.wait()
        context.set_trailing_metadata((("shop-left", "0"),))
        yield b"sold " + what

    def stop(self) -> None:
        self.sold.set()
        self.server.stop(None).wait()


class Way:
    """Hands on the bytes of connections, until it is frozen: then it takes them, and nothing comes out."""

    def __init__(self, port: int) -> None:
        self.frozen, self.to = threading.Event(), port
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listening.getsockname()[1])
        self.open: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _from = self.listening.accept()
                self.open.append(caller)
                try:
                    callee = socket.create_connection(("127.0.0.1", self.to))
                except ConnectionRefusedError:
                    caller.close()  # the gateway does not listen yet
                    continue
                self.open.append(callee)
                for ends in ((caller, callee), (callee, caller)):
                    threading.Thread(target=self._hand_on, args=ends, daemon=True).start()

    def _hand_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := one.recv(65536):
                if not self.frozen.is_set():
                    other.sendall(some)
            if not self.frozen.is_set():
                other.shutdown(socket.SHUT_WR)

    def leads(self) -> bool:
        """Whether somebody listens at its end."""
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.to)):
            return True
        return False

    def stop(self) -> None:
        self.listening.close()
        for one in self.open:
            one.close()


def gateway_of(port: int, shop: int) -> dict[str, t.Any]:
    """Envoy's configuration of a gateway that takes HTTP/2 alone."""
    routes = [
        {"match": {"path": "/healthz"}, "direct_response": {"status": 200}},
        {"match": {"prefix": "/"}, "route": {"cluster": "shop", "timeout": "0s"}},
    ]
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "codec_type": "HTTP2",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["calls.example"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{_TYPE}.filters.http.router.v3.Router"}}],
    }
    endpoint = {"endpoint": {"address": address("127.0.0.1", shop)}}
    options = {
        "@type": f"{_TYPE}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    cluster = {
        "name": "shop",
        "load_assignment": {"cluster_name": "shop", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }
    listener = {
        "name": "gateway",
        "address": address("127.0.0.1", port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


class Calls:
    """A front door before a gateway before a server of gRPC."""

    def __init__(self, path: Path) -> None:
        self.shop, port = Shop(), free_port()
        (path / "gateway.json").write_text(json.dumps(gateway_of(port, self.shop.port)))
        words = [str(ENVOYS[-1]), "-c", str(path / "gateway.json"), "--concurrency", "1", "-l", "error"]
        self.gateway = subprocess.Popen([*words, "--disable-hot-restart"], stderr=subprocess.DEVNULL)
        self.way = Way(port)
        gateways = (Gateway("west", ("127.0.0.1",), self.way.port, "eu", http2=True),)
        self.door = Running(path / "door", WITH_CALLS, {CALLS.service: gateways})
        at = f"127.0.0.1:{self.door.envoy.http_port}"
        self.channel = grpc.insecure_channel(
            at, options=[("grpc.default_authority", CALLS.host), ("grpc.enable_http_proxy", 0)]
        )
        self.buy = self.channel.unary_unary("/shop.Shop/Buy")
        self.watch = self.channel.unary_stream("/shop.Shop/Watch")

    def until_loaded(self, door: FrontDoor = WITH_CALLS) -> None:
        self.door.until_loaded(with_version(door.name, render(door, self.door.envoy)))

    def health(self) -> t.Any:
        page = f"http://127.0.0.1:{self.door.envoy.admin_port}/clusters?format=json"
        with urllib.request.urlopen(page, timeout=5) as answer:
            return health_of(WITH_CALLS, json.load(answer))[CALLS.service]

    def stop(self) -> None:
        self.channel.close()
        self.door.stop()
        self.way.stop()
        self.gateway.terminate()
        self.gateway.wait()
        self.shop.stop()


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Calls]:
    made = Calls(tmp_path_factory.mktemp("calls"))
    try:
        made.until_loaded()
        until_equal(made.way.leads, True, "the gateway to listen", timeout=30)
        yield made
    finally:
        made.stop()


def test_a_health_check_speaks_http2_too(calls: Calls) -> None:
    until_equal(lambda: list(calls.health().healthy), ["west"], "the gateway to be healthy", timeout=30)


def test_answers_arrive_with_trailers_and_status(calls: Calls) -> None:
    said, call = calls.buy.with_call(b"tea", timeout=30)
    assert (said, call.code(), dict(call.trailing_metadata())["shop-left"]) == (b"bought tea", grpc.StatusCode.OK, "7")
    with pytest.raises(grpc.RpcError) as refused:
        calls.buy(b"nothing", timeout=30)
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.NOT_FOUND, "the shop has none")


def test_a_stream_outlasts_the_time_of_other_calls(calls: Calls) -> None:
    usual = calls.door.envoy
    calls.door.envoy = dataclasses.replace(usual, longest="0.5s")
    held = calls.door.servers["west"]
    try:
        calls.door.until_loaded(calls.door.put(WITH_CALLS))
        stream = calls.watch(b"tea", timeout=60)
        assert next(stream) == b"begins"
        held.held = "/held"  # and no health check
        # It begins after the stream, and its time is over before the stream goes on.
        with contextlib.closing(calls.door.connect(EU)) as connection:
            connection.request("POST", "/held", headers={"Host": "shop.example"})
            assert connection.getresponse().status == 504
        calls.shop.sold.set()
        assert [*stream] == [b"sold tea"]
        assert dict(stream.trailing_metadata())["shop-left"] == "0"
    finally:
        held.held = ""
        held.freed.set()
        held.freed, calls.shop.sold = threading.Event(), threading.Event()
        calls.door.envoy = usual
        calls.door.until_loaded(calls.door.put(WITH_CALLS))


def test_a_stream_of_a_frozen_gateway_ends(calls: Calls) -> None:
    stream = calls.watch(b"tea", timeout=60)
    assert next(stream) == b"begins"
    calls.way.frozen.set()
    with pytest.raises(grpc.RpcError) as ended:
        next(stream)
    # Which code a client makes of a stream that was reset, is its own affair.
    assert ended.value.code() != grpc.StatusCode.DEADLINE_EXCEEDED, "its caller learns of it before its patience ends"
