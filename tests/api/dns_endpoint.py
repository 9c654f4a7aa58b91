# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's DNS endpoint before a real API server: a name of its own, a certificate that is not the cluster's, and a
look at each caller's token and rights before the API server sees the request.

The name is nowhere in DNS. A client comes to it as it comes to any name behind a proxy: by ``HTTPS_PROXY``.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import typing as t
from pathlib import Path

from .authority import Authority
from .control_plane import ControlPlane

__all__ = ["NAME", "DnsEndpoint"]

NAME = "gke-0a1b2c3d4e5f-100000000000.us-west1.gke.goog"
PERMISSION = "container.clusters.connect"
_WHERE = "projects/shop-prod/locations/us-west1-a/clusters/west"

Json = dict[str, t.Any]


class DnsEndpoint:
    """Use as a context manager.

    Args:
        directory: where ``ca.pem`` goes, the authority that the test's clients are to trust.
        plane: the API server behind it.
        good: tokens that Google takes.
        able: those of them whose accounts have the permission to come in.
    """

    def __init__(self, directory: Path, plane: ControlPlane, good: set[str], able: set[str]) -> None:
        self.plane, self.good, self.able = plane, good, able
        self.statuses: list[int] = []
        """What was answered to each request; 0 where the API server did."""
        public = Authority("public-ca")
        self.ca_file = directory / "public-ca.pem"
        self.ca_file.write_bytes(public.pem)
        chain = directory / "front.pem"
        chain.touch(mode=0o600)
        chain.write_bytes(b"".join(public.issue(NAME, hosts=[NAME])))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(chain)
        self._behind = ssl.create_default_context(cadata=plane.ca_pem)
        self._behind.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._door = self._proxy = 0
        self._servers: tuple[asyncio.Server, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """With this a client finds the name, and trusts who answers."""
        return {"HTTPS_PROXY": f"http://127.0.0.1:{self._proxy}", "SSL_CERT_FILE": str(self.ca_file)}

    def __enter__(self) -> t.Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(60)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for server in self._servers:
            server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _start(self) -> None:
        door = await asyncio.start_server(self._request, "127.0.0.1", 0, ssl=self._tls)
        proxy = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self._servers = (door, proxy)
        self._door, self._proxy = (server.sockets[0].getsockname()[1] for server in self._servers)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The proxy: a way to the name, and to nothing else."""
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(f"CONNECT {NAME}:443 ".encode()):
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        inner = await asyncio.open_connection("127.0.0.1", self._door)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, inner[1]), _copy(inner[0], writer))

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of a client; the connection ends with it, so that each next one is looked at too."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        lines = head.rstrip("\r\n").split("\r\n")
        given = {name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines[1:])}
        refused = self._refusal(given.get("authorization", "").removeprefix("Bearer "))
        self.statuses.append(refused["error"]["code"] if refused else 0)
        if refused:
            body = json.dumps(refused).encode()
            status = f"HTTP/1.1 {refused['error']['code']} Refused\r\nContent-Type: application/json; charset=UTF-8\r\n"
            writer.write(f"{status}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
            writer.close()
            return
        port = int(self.plane.server.rpartition(":")[2])
        inner = await asyncio.open_connection("127.0.0.1", port, ssl=self._behind)
        kept = [line for line in lines if not line.lower().startswith("connection:")]
        inner[1].write("\r\n".join([*kept, "Connection: close", "", ""]).encode("latin-1"))
        await asyncio.gather(_copy(reader, inner[1]), _copy(inner[0], writer))

    def _refusal(self, token: str) -> Json | None:
        """Google's answer to a caller who may not come in."""
        if token not in self.good:
            return _error(401, "Request had invalid authentication credentials.", "UNAUTHENTICATED")
        if token not in self.able:
            words = f"Permission '{PERMISSION}' denied on resource '{_WHERE}' (or it may not exist)."
            return _error(403, words, "PERMISSION_DENIED")
        return None


def _error(code: int, message: str, status: str) -> Json:
    return {"error": {"code": code, "message": message, "status": status}}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side ends it."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
