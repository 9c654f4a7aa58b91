# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to one API server; every failure leaves as a FleetError."""

from __future__ import annotations

import asyncio
import json
import typing as t
from urllib.parse import urlsplit

import aiohttp

from .connect import Endpoint
from .errors import ApiError, from_response, from_transport

__all__ = ["Transport"]

_BROKEN = (aiohttp.ClientError, OSError, TimeoutError)
_READ_TIMEOUT = 65.0
"""Seconds for an answer: an API server itself gives up after 60."""
_RETRIES = 4


class Transport:
    """An HTTP session with one API server."""

    def __init__(self, endpoint: Endpoint, cluster: str, timeout: float) -> None:
        """Args: ``timeout`` in seconds, to connect."""
        self.endpoint = endpoint
        self.cluster = cluster
        self.timeout = timeout
        host = urlsplit(endpoint.server).hostname or ""
        self._session = aiohttp.ClientSession(
            # No limit here: a watch holds its connection; what sends many requests bounds itself.
            connector=aiohttp.TCPConnector(limit=0, ssl=endpoint.tls if endpoint.tls else True),
            headers={"User-Agent": "mesh.fleet", "Accept": "application/json", **endpoint.headers},
            # As kubectl does it: proxies of the environment, never for this machine.
            trust_env=host not in ("localhost", "::1") and not host.startswith("127."),
            # Objects may be larger than aiohttp's default buffer; etcd's limit is 1.5 MiB.
            read_bufsize=2**21,
        )

    async def close(self) -> None:
        await self._session.close()

    async def _fresh(self) -> None:
        """Before a request: a run may last longer than a cloud's token."""
        if await self.endpoint.renew():
            self._session.headers.update(self.endpoint.headers)

    def _extra(self) -> dict[str, t.Any]:
        extra: dict[str, t.Any] = {}
        if self.endpoint.server_name:
            extra["server_hostname"] = self.endpoint.server_name
        if self.endpoint.proxy:
            extra["proxy"] = self.endpoint.proxy
        return extra

    def broken(self, error: BaseException, *, obj: str, action: str) -> ApiError:
        return from_transport(
            error, server=self.endpoint.server, cluster=self.cluster, obj=obj, action=action, timeout=self.timeout
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: t.Mapping[str, str] | None = None,
        body: t.Any = None,
        content_type: str = "application/json",
        obj: str = "",
        action: str = "read",
        secret: bool = False,
    ) -> t.Any:
        """Send one request and return the decoded JSON (or the text, when it is not JSON).

        A server that asks to come back (429, 503 with Retry-After) and a kept connection that turns out
        to be closed are retried a few times: every request made here may be repeated.

        Raises:
            ApiError: anything but a success.
        """
        await self._fresh()
        for attempt in range(_RETRIES):
            last = attempt == _RETRIES - 1
            try:
                return await self._once(method, path, params, body, content_type, obj, action, secret)
            except ApiError as error:
                if last or error.retry_after is None or error.status not in (429, 503):
                    raise
                await asyncio.sleep(min(error.retry_after, 10.0))  # the server said for how long
            except (aiohttp.ServerDisconnectedError, ConnectionResetError) as error:
                if last:
                    raise self.broken(error, obj=obj, action=action) from None
            except _BROKEN as error:
                raise self.broken(error, obj=obj, action=action) from None
        raise AssertionError("unreachable")

    async def _once(
        self,
        method: str,
        path: str,
        params: t.Mapping[str, str] | None,
        body: t.Any,
        content_type: str,
        obj: str,
        action: str,
        secret: bool,
    ) -> t.Any:
        async with self._session.request(
            method,
            self.endpoint.server + path,
            params=params,
            # JSON is YAML: an apply patch may be sent as such.
            data=None if body is None else json.dumps(body).encode(),
            headers=None if body is None else {"Content-Type": content_type},
            timeout=aiohttp.ClientTimeout(total=None, connect=self.timeout, sock_read=_READ_TIMEOUT),
            **self._extra(),
        ) as response:
            raw = await response.read()
            answer: t.Any = raw.decode(errors="replace")
            if "json" in response.headers.get("Content-Type", ""):
                answer = json.loads(raw)
            if response.status < 300:
                return answer
            raise from_response(
                response.status,
                answer,
                cluster=self.cluster,
                obj=obj,
                action=action,
                secret=secret,
                retry_after=response.headers.get("Retry-After"),
            )

    async def lines(self, path: str, params: t.Mapping[str, str], *, obj: str) -> t.AsyncIterator[dict[str, t.Any]]:
        """Events of a watch, one JSON document a line, until the server ends it."""
        await self._fresh()
        try:
            async with self._session.get(
                self.endpoint.server + path,
                params=params,
                timeout=aiohttp.ClientTimeout(total=None, connect=self.timeout),
                **self._extra(),
            ) as response:
                if response.status >= 300:
                    raise from_response(
                        response.status, await response.text(), cluster=self.cluster, obj=obj, action="watch"
                    )
                async for line in response.content:
                    if line.strip():
                        yield json.loads(line)
        except _BROKEN as error:
            raise self.broken(error, obj=obj, action="watch") from None

    async def socket(self, path: str, params: t.Sequence[tuple[str, str]], protocols: t.Sequence[str]) -> t.Any:
        """Open a websocket (aiohttp's ClientWebSocketResponse); a refusal is its WSServerHandshakeError."""
        await self._fresh()
        return await self._session.ws_connect(
            self.endpoint.server + path,
            params=params,
            protocols=protocols,
            max_msg_size=0,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            **self._extra(),
        )
