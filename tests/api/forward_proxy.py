# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A proxy that speaks CONNECT and SOCKS 5, with TLS or without; a balancer that ends TLS; a gate that answers for the
server behind it; and a server that writes down what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import typing as t

import aiohttp
from aiohttp import web

__all__ = ["Answer", "Proxy", "balancer", "gate", "recorder"]

Answer = tuple[int, str, str]
"""Status, content type and body."""

_WAY = "127.0.0.1"


class Proxy:
    """Use with ``async with``. Whatever is asked for, the way leads to ``port`` of this machine.

    Args:
        port: of the server behind it.
        tls: for a proxy that is reached by HTTPS.
        refuse: let nobody through.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, *, refuse: bool = False) -> None:
        self._behind, self._tls, self._refuse = port, tls, refuse
        self.asked: list[str] = []
        """``host:port`` that clients asked for."""
        self.port = 0

    async def __aenter__(self) -> t.Self:
        self._server = await asyncio.start_server(self._serve, _WAY, 0, ssl=self._tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(1)
            done = await (self._socks(reader, writer) if first == b"\x05" else self._connect(first, reader, writer))
            if done:
                inner = await asyncio.open_connection(_WAY, self._behind)
                await asyncio.gather(_copy(reader, inner[1]), _copy(inner[0], writer))
        writer.close()

    async def _connect(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = first + await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split()[1].decode())
        writer.write(b"HTTP/1.1 407 No\r\n\r\n" if self._refuse else b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()
        return not self._refuse

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x00")
        *_command, kind = await reader.readexactly(4)
        assert kind == 3, "the proxy is to resolve the name"
        host = await reader.readexactly((await reader.readexactly(1))[0])
        (port,) = struct.unpack("!H", await reader.readexactly(2))
        self.asked.append(f"{host.decode()}:{port}")
        writer.write(bytes([5, 2 if self._refuse else 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        await writer.drain()
        return not self._refuse


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def balancer(port: int, own: ssl.SSLContext, behind: ssl.SSLContext) -> t.AsyncIterator[str]:
    """The URL of a balancer that shows a certificate of its own, in front of the server at ``port``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection(_WAY, port, ssl=behind)
        await asyncio.gather(_copy(reader, inner[1]), _copy(inner[0], writer))

    server = await asyncio.start_server(serve, _WAY, 0, ssl=own)
    async with server:
        yield f"https://{_WAY}:{server.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def recorder(answer: str, heard: list[str]) -> t.AsyncIterator[int]:
    """The port of a server that adds each request to ``heard`` and sends ``answer``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line[16:]) for line in head.splitlines() if line.startswith("Content-Length: ")), 0)
        heard.append(head + (await reader.readexactly(length)).decode())
        writer.write(answer.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "0.0.0.0", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@contextlib.asynccontextmanager
async def gate(
    server: str,
    behind: ssl.SSLContext,
    answer: t.Callable[[str, str], Answer | None],
    hides: t.Container[str] = (),
) -> t.AsyncIterator[str]:
    """The URL of a proxy that passes requests to ``server``, or answers them itself.

    Args:
        answer: called with method and path; None passes the request on.
        hides: headers of answers that it does not pass on.
    """
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=behind)) as session:

        async def serve(request: web.Request) -> web.StreamResponse:
            own = answer(request.method, request.path)
            if own is not None:
                status, kind, body = own
                return web.Response(status=status, text=body, headers={"Content-Type": kind})
            sent = {k: v for k, v in request.headers.items() if k in ("Authorization", "Accept", "Content-Type")}
            there = server + request.raw_path
            content = await request.read() or None
            async with session.request(
                request.method, there, headers=sent, data=content, skip_auto_headers=["Content-Type"]
            ) as found:
                kept = {k: v for k, v in found.headers.items() if k in ("Content-Type", "Audit-Id") and k not in hides}
                passed = web.StreamResponse(status=found.status, headers=kept)
                await passed.prepare(request)
                async for data in found.content.iter_any():
                    await passed.write(data)
                return passed

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", serve)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, _WAY, 0).start()
            yield f"http://{_WAY}:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
