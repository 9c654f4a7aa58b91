# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A credential that is refused during the work: a new one is requested once, and the request is repeated."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import ssl
import time
import typing as t

import aiohttp
import pytest
from aiohttp import web

from ansible_collections.mesh.fleet.plugins.module_utils._kube.connect import resolve
from ansible_collections.mesh.fleet.plugins.module_utils._kube.endpoint import Endpoint, bearer
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.exec_plugin import Login
from ansible_collections.mesh.fleet.plugins.module_utils._kube.transport import Transport
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError


class Server:
    """An API server that accepts one token, and a provider that returns tokens."""

    def __init__(self) -> None:
        self.good = "Bearer token-1"
        self.given = self.asked = 0
        self.seen: list[tuple[str, str, bytes]] = []
        """Method, credential and body of each request."""
        self.troubles: list[FleetError] = []
        self.url = ""
        self.ahead = datetime.timedelta()

    def lookup(self, *, refused: str = "") -> Connection:
        self.asked += 1
        for trouble in self.troubles:
            raise trouble
        self.given += 1
        return Connection(server=self.url, token=f"token-{self.given}", account="the account fleet")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        self.seen.append((request.method, given, await request.read()))
        if given != self.good:
            return web.json_response(
                {"kind": "Status", "reason": "Unauthorized", "message": "Unauthorized"}, status=401
            )
        if request.headers.get("Upgrade") == "websocket":
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_str("hello")
            await socket.close()
            return socket
        if request.query.get("watch"):
            return web.Response(
                text="".join(f'{{"type": "{kind}", "object": {{"metadata": {{}}}}}}\n' for kind in ("ADDED", "DELETED"))
            )
        date = email.utils.format_datetime(datetime.datetime.now(datetime.UTC) + self.ahead, usegmt=True)
        return web.json_response({"method": request.method}, headers={"Date": date})


Work = t.Callable[[Server, Transport], t.Coroutine[t.Any, t.Any, None]]


def over(work: Work) -> None:
    async def run() -> None:
        server = Server()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        transport = Transport(await resolve(Connection(lookup=server.lookup), "west"), "west", 60)
        try:
            await work(server, transport)
        finally:
            await transport.close()
            await runner.cleanup()

    asyncio.run(run())


async def watched(transport: Transport) -> list[str]:
    return [event["type"] async for event in transport.lines("/pods", {"watch": "true"}, obj="Pod")]


async def greeted(transport: Transport) -> str:
    async with await transport.socket("/exec", [], []) as socket:
        return str((await socket.receive()).data)


def test_a_change_is_sent_again_with_its_body() -> None:
    async def work(server: Server, transport: Transport) -> None:
        assert await transport.request("POST", "/pods", body={"a": 1}) == {"method": "POST"}
        server.good = "Bearer token-2"
        assert await transport.request("POST", "/pods", body={"a": 2}) == {"method": "POST"}
        assert server.seen[1:] == [
            ("POST", "Bearer token-1", b'{"a": 2}'),
            ("POST", "Bearer token-2", b'{"a": 2}'),
        ]

    over(work)


def test_a_watch_and_a_socket_are_opened_again() -> None:
    async def work(server: Server, transport: Transport) -> None:
        assert await watched(transport) == ["ADDED", "DELETED"]
        server.good = "Bearer token-2"
        assert await watched(transport) == ["ADDED", "DELETED"]
        server.good = "Bearer token-3"
        assert await greeted(transport) == "hello"
        assert server.given == 3
        assert [given for _method, given, _body in server.seen] == [
            f"Bearer token-{number}" for number in (1, 1, 2, 2, 3)
        ]

    over(work)


@pytest.mark.parametrize("hours", [-1, 0, 2])
def test_a_clock_that_differs_is_seen(hours: int) -> None:
    async def work(server: Server, transport: Transport) -> None:
        server.ahead = datetime.timedelta(hours=hours)
        await transport.request("GET", "/version")
        assert abs(transport.ahead - server.ahead) < datetime.timedelta(seconds=5)

    over(work)


def test_all_at_once_ask_once() -> None:
    async def work(server: Server, transport: Transport) -> None:
        server.good = "Bearer token-2"
        await asyncio.gather(
            *[transport.request("GET", "/pods") for _time in range(40)],
            *[watched(transport) for _time in range(5)],
            *[greeted(transport) for _time in range(5)],
        )
        assert server.given == 2

    over(work)


def test_refused_again_it_ends() -> None:
    async def work(server: Server, transport: Transport) -> None:
        server.good = "Bearer none"
        for _time in range(3):
            with pytest.raises(ApiError) as caught:
                await transport.request("GET", "/pods", obj="Pod", action="list")
            assert (caught.value.status, caught.value.obj) == (401, "Pod")
            assert caught.value.what == "list failed: the API server does not accept the account fleet"
            assert caught.value.seen == f"{server.url}: 401 Unauthorized"
        with pytest.raises(ApiError, match="watch failed: the API server does not accept the account fleet"):
            await watched(transport)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await greeted(transport)
        assert server.given == 2
        assert len(server.seen) == 2 + 1 + 1 + 1 + 1

    over(work)


def test_the_reason_of_the_provider_is_reported() -> None:
    async def work(server: Server, transport: Transport) -> None:
        server.good = "Bearer none"
        deleted = FleetError("no token", seen="account not found", means="it was deleted", next_step="make it")
        server.troubles = [deleted]
        waits = [transport.request("GET", "/pods", obj="Pod") for _time in range(20)]
        errors = await asyncio.gather(*waits, watched(transport), return_exceptions=True)
        assert len(errors) == 21
        for error in errors:
            assert isinstance(error, ApiError)
            assert (error.status, error.cluster, error.obj, error.what) == (401, "west", "Pod", "no token")
            assert error.seen == f"{server.url}: 401 Unauthorized; account not found"
            assert (error.means, error.next_step) == ("it was deleted", "make it")
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await greeted(transport)

    over(work)


def test_requests_that_waited_for_a_failed_renewal_fail_alike() -> None:
    async def work(server: Server, transport: Transport) -> None:
        server.troubles = [FleetError("no token")]
        endpoint = transport.endpoint
        async with endpoint._turn:
            waiting = [asyncio.create_task(endpoint.another("Bearer token-1")) for _time in range(20)]
            await asyncio.sleep(0)  # each comes as far as the lock
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert errors == server.troubles * 20
        assert server.asked == 2
        server.troubles = []
        assert await endpoint.another("Bearer token-1")

    over(work)


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("https://west.example", ""),
        ("http://127.0.0.1:8001", ""),
        ("http://[::1]:8001", ""),
        ("http://localhost:8001", ""),
        ("http://west.example", "http://west.example is not TLS"),
        ("http://192.0.2.1", "http://192.0.2.1 is not TLS"),
    ],
)
def test_whether_the_server_is_verified(server: str, why: str) -> None:
    endpoint = asyncio.run(resolve(Connection(server=server, token="x"), "west"))
    assert endpoint.unverified == why
    if endpoint.tls:
        endpoint.tls.check_hostname, endpoint.tls.verify_mode = False, ssl.CERT_NONE
        assert endpoint.unverified == "insecure-skip-tls-verify is set in its kubeconfig"


class Giver:
    """A plugin, or a lookup, that gives one token after the other, each until its end; and what was refused."""

    def __init__(self, ends: float = 0.0) -> None:
        self.ends = ends
        self.asked: list[str | None] = []

    async def login(self, *, refused: str | None = None) -> Login:
        self.asked.append(refused)
        return Login(f"token-{len(self.asked)}", expires=self.ends)

    def lookup(self, *, refused: str | None = None) -> Connection:
        self.asked.append(refused)
        return Connection(token=f"token-{len(self.asked)}", expires=self.ends, account="the account fleet")


def endpoint(giver: Giver, kind: str, *, headers: dict[str, str], expires: float = 0.0) -> Endpoint:
    found: dict[str, t.Any] = {"lookup": giver.lookup} if kind == "lookup" else {"plugin": giver if kind else None}
    return Endpoint("https://west.example", None, dict(headers), expires=expires, **found)


OLD = {"Authorization": "Bearer old"}


@pytest.mark.parametrize("kind", ["lookup", "plugin"])
@pytest.mark.parametrize(("left", "asked"), [(None, 0), (3600.0, 0), (-1.0, 1)])
def test_a_credential_is_renewed_when_it_has_ended(kind: str, left: float | None, asked: int) -> None:
    giver = Giver(time.time() + 9999)
    held = endpoint(giver, kind, headers=OLD, expires=0.0 if left is None else time.time() + left)
    asyncio.run(held.renew())
    assert giver.asked == [None] * asked
    assert held.headers == ({"Authorization": "Bearer token-1"} if asked else OLD)
    if asked:
        assert held.expires == giver.ends
        assert held.account == ("the account fleet" if kind == "lookup" else "")
        asyncio.run(held.renew())
        assert len(giver.asked) == 1


@pytest.mark.parametrize("kind", ["lookup", "plugin"])
def test_another_credential_is_asked_for_with_the_one_refused(kind: str) -> None:
    giver = Giver(7.0)
    held = endpoint(giver, kind, headers=OLD)
    assert asyncio.run(held.another("Bearer old"))
    assert (giver.asked, held.headers, held.expires) == (["old"], bearer("token-1"), 7.0)
    # A request that was sent with the old one has the new one already.
    assert asyncio.run(held.another("Bearer old")) and len(giver.asked) == 1
    # A new one that is refused before it was accepted is not renewed again; afterwards it is.
    assert not asyncio.run(held.another("Bearer token-1")) and len(giver.asked) == 1
    held.accepted("Bearer token-1")
    assert asyncio.run(held.another("Bearer token-1"))
    assert giver.asked == ["old", "token-1"]


def test_without_somebody_to_ask_there_is_no_other_credential() -> None:
    alone = endpoint(Giver(), "", headers=OLD, expires=1.0)
    asyncio.run(alone.renew())
    assert alone.headers == OLD
    assert not asyncio.run(alone.another("Bearer old"))
    assert not asyncio.run(endpoint(Giver(), "", headers={}).another("")), "a certificate of the kubeconfig's own"
    assert bearer("") == {}


def test_a_plugins_certificate_changes_the_connection() -> None:
    made: list[t.Mapping[str, bytes]] = []

    def tls_of(pem: t.Mapping[str, bytes]) -> t.Any:
        made.append(pem)
        return f"context {len(made)}"

    class Certificates(Giver):
        async def login(self, *, refused: str | None = None) -> Login:
            self.asked.append(refused)
            return Login(certificate="C2", key="K2")

    pem, first = {"ca": b"CA", "cert": b"C1", "key": b"K1"}, t.cast(t.Any, "context 0")
    held = Endpoint("https://west.example", first, pem=pem, tls_of=tls_of, plugin=t.cast(t.Any, Certificates()))
    assert (held.shown.headers, held.shown.tls, held.shown.name) == ({}, "context 0", "C1")
    assert asyncio.run(held.another("C1"))
    assert made == [{"ca": b"CA", "cert": b"C2", "key": b"K2"}] and held.pem == made[0]
    assert (held.shown.tls, held.shown.name) == ("context 1", "C2")
    assert not asyncio.run(held.another("C2")), "not accepted yet"
    # A token changes no connection, and what cannot be made anew stays.
    token = Endpoint("https://west.example", first, pem=pem, tls_of=tls_of, plugin=t.cast(t.Any, Giver()))
    assert asyncio.run(token.another("C1")) and token.shown.name == "Bearer token-1"
    fixed = Endpoint("https://west.example", first, pem=pem, plugin=t.cast(t.Any, Certificates()))
    assert not asyncio.run(fixed.another("C1"))
    assert (token.tls, fixed.tls, len(made)) == (first, first, 1)
    binary = Endpoint("https://west.example", None, pem={"cert": b"\xff"})
    assert binary.shown.name == "\ufffd"
    assert token.shown.headers == token.headers and token.shown.headers is not token.headers


def test_nothing_secret_of_an_endpoint_is_printed() -> None:
    held = Endpoint("https://west.example", None, bearer("secret-1"), pem={"key": b"secret-2"})
    assert "secret" not in repr(held) and "Lock" not in repr(held) and "Renewal" not in repr(held)
    bare, other = Endpoint("https://west.example", None), Endpoint("https://west.example", None)
    assert (bare.headers, bare.impersonation, bare.pem) == ({}, {}, {})
    assert (bare.public_ca, bare.expires, bare.lookup, bare.plugin) == (False, 0, None, None)
    assert bare == other, "how it is renewed is no difference"
    assert "secret" not in repr(held.shown)
    assert "secret" not in repr(Endpoint("https://west.example", None, pem={"cert": b"secret"}).shown)
