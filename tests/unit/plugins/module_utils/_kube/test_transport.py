# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kept connection that ends before an answer: the request is sent again, and one that never came about is not."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import types
import typing as t

import aiohttp
import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.connect import resolve
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.transport import Transport
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection

BODY = b'{"kind": "Status"}'
HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER by which closing resets."""


class Server:
    """Ends some connections at their second request, which it reads whole."""

    def __init__(self, *, ends: int, reset: bool) -> None:
        self.ends, self.reset = ends, reset
        self.heard: list[str] = []
        """The method of each request."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in (1, 2, 3):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            await reader.readexactly(len(b"{}"))
            self.heard.append(head.decode().partition(" ")[0])
            if number > 1 and self.ends:
                self.ends -= 1
                if self.reset:
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                break
            writer.write(HEAD + BODY)
        writer.close()


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("method", ["PATCH", "POST", "PUT"])
def test_a_write_on_a_kept_connection_is_repeated(method: str, reset: bool) -> None:
    async def run() -> None:
        server = Server(ends=1, reset=reset)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        transport = Transport(await resolve(Connection(server=url, token="x"), "west"), "west", 60)
        try:
            for _number in (1, 2):
                assert await transport.request(method, "/pods", body={}) == {"kind": "Status"}
        finally:
            await transport.close()
            listening.close()
        assert server.heard == [method] * 3

    asyncio.run(run())


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


KEY = t.cast("t.Any", types.SimpleNamespace(ssl=True, host="west.example", port=443))
WRITING = "Can not write request body"


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (aiohttp.ServerDisconnectedError(), 4),
        (aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer"), 4),
        (aiohttp.ClientOSError(errno.EPIPE, "Broken pipe"), 4),
        (caused(aiohttp.ClientOSError(None, WRITING), aiohttp.ClientConnectionResetError("closing")), 4),
        (aiohttp.ClientOSError(errno.EHOSTUNREACH, "No route to host"), 1),
        (aiohttp.ClientConnectorError(KEY, ConnectionResetError(errno.ECONNRESET, "reset")), 1),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "refused")), 1),
        (caused(aiohttp.ClientConnectorError(KEY, OSError(errno.EPIPE, "x")), ConnectionResetError()), 1),
    ],
)
def test_only_what_was_cut_is_tried_again(monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int) -> None:
    asked: list[str] = []

    async def once(_self: Transport, method: str, *_: t.Any) -> t.Any:
        asked.append(method)
        raise error

    async def run() -> None:
        transport = Transport(await resolve(Connection(server="https://west.example", token="x"), "west"), "west", 60)
        try:
            await transport.request("PATCH", "/pods", body={})
        finally:
            await transport.close()

    monkeypatch.setattr(Transport, "_once", once)
    with pytest.raises(ApiError):
        asyncio.run(run())
    assert len(asked) == tries
