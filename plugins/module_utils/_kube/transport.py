# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to one API server; every failure leaves as a FleetError."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import email.utils
import errno
import json
import os
import typing as t

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from ..errors import FleetError
from ..open_files import allow_many
from ..proxies import is_socks, proxy_of, without_login
from .absence import asked_by, is_foreign, is_proof_of_absence
from .endpoint import Endpoint, Shown
from .errors import ApiError, from_response, from_transport, not_an_answer
from .impersonation import impersonation_headers
from .webhooks import BETWEEN_TRIES, WEBHOOK_SECONDS, webhook_is_silent

__all__ = ["Socket", "Transport"]

Socket: t.TypeAlias = "aiohttp.ClientWebSocketResponse[bool]"

_BROKEN = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError)
_READ_TIMEOUT = 65.0
"""Seconds for an answer: an API server itself gives up after 60."""
_RETRIES = 4
_AT_ONCE = 32
"""Requests to one API server at a time, however many are asked for: a connection each, and a place in the server's
queues. Others wait, without a limit of time of their own."""
_WRITES = ("PATCH", "POST")
_READ_BUFFER = 2**21
"""Objects may be larger than aiohttp's default buffer; etcd's limit is 1.5 MiB."""


class _NotJson:
    """What says that it is JSON, and is not."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class Transport:
    """An HTTP session with one API server."""

    def __init__(self, endpoint: Endpoint, cluster: str, timeout: float) -> None:
        """Args: ``timeout`` in seconds, to connect."""
        self.endpoint = endpoint
        self.cluster = cluster
        self.timeout = timeout
        self.webhook_seconds = WEBHOOK_SECONDS
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._ahead = datetime.timedelta(0)
        allow_many()
        self._proxy = endpoint.proxy or proxy_of(endpoint.server, os.environ)
        watched = aiohttp.TraceConfig()
        watched.on_request_redirect.append(self._redirected)
        self._session = aiohttp.ClientSession(
            connector=self._connector(),
            headers=[
                ("User-Agent", "mesh.fleet"),
                ("Accept", "application/json"),
                *impersonation_headers(endpoint.impersonation),
            ],
            # The environment names the proxy, see above, and nothing else: aiohttp would send passwords of ~/.netrc.
            trust_env=False,
            read_bufsize=_READ_BUFFER,
            trace_configs=[watched],
        )

    def _connector(self) -> aiohttp.TCPConnector:
        # No limit here: a watch holds its connection. Requests are bounded by themselves.
        options: dict[str, t.Any] = {"limit": 0}
        if not is_socks(self._proxy):
            return aiohttp.TCPConnector(**options)
        shown = without_login(self._proxy)
        if self.endpoint.server_name:
            raise FleetError(
                "its kubeconfig has a tls-server-name, which is not supported with a SOCKS proxy",
                cluster=self.cluster,
                seen=f"{shown}, tls-server-name {self.endpoint.server_name}",
                next_step="use a server address that is in the API server's certificate, or an http:// proxy",
            )
        try:
            from .socks import SocksConnector
        except ImportError as error:
            raise FleetError(
                "a Python package for SOCKS proxies is missing",
                cluster=self.cluster,
                seen=f"{shown}: {error}",
                next_step="pip install aiohttp-socks",
            ) from None
        # The package knows one spelling.
        url = self._proxy.replace("socks5h://", "socks5://", 1)
        return SocksConnector.from_url(url, rdns=True, **options)

    async def _redirected(self, _session: t.Any, _context: t.Any, params: aiohttp.TraceRequestRedirectParams) -> None:
        """No request goes on to another address: it may hold a Secret, and a credential.

        Raises:
            ApiError: always.
        """
        answer = params.response
        raise ApiError(
            "the API server's address answers with a redirect",
            status=answer.status,
            cluster=self.cluster,
            seen=f"{self.endpoint.server}: {answer.status} to {without_login(answer.headers.get('Location', ''))}",
            means="what answers is not the API server: a load balancer or a login page in front of it",
            next_step="if you trust that address, make it the kubeconfig's server address (or cluster_api_url)",
        )

    async def close(self) -> None:
        await self._session.close()

    @property
    def ahead(self) -> datetime.timedelta:
        """By how much the server's clock is ahead of this machine's, by its last answer; negative when it is behind."""
        return self._ahead

    def server_time(self) -> datetime.datetime:
        """What the server's clock says now, by its last answer, to a second; this machine's before there was one."""
        return datetime.datetime.now(datetime.UTC) + self._ahead

    async def _fresh(self) -> Shown:
        """The credential for the next request: a run may last longer than a cloud's token."""
        await self.endpoint.renew()
        return self.endpoint.shown

    async def _another(self, used: Shown, refusal: ApiError) -> Shown:
        """After a 401, which means that nothing was done: another credential than the one ``used``.

        Raises:
            ApiError: there is none; ``refusal``, with the reason where it is known.
        """
        try:
            found = await self.endpoint.another(used.name)
        except FleetError as error:
            raise refusal.because(error) from error
        if not found:
            raise refusal
        return self.endpoint.shown

    def _extra(self, shown: Shown) -> dict[str, t.Any]:
        extra: dict[str, t.Any] = {"ssl": shown.tls or True}
        if self.endpoint.server_name:
            extra["server_hostname"] = self.endpoint.server_name
        if self._proxy and not is_socks(self._proxy):
            extra["proxy"] = self._proxy
        return extra

    def broken(self, error: BaseException, *, obj: str, action: str) -> ApiError:
        return from_transport(
            error,
            server=self.endpoint.server,
            cluster=self.cluster,
            obj=obj,
            action=action,
            timeout=self.timeout,
            public_ca=self.endpoint.public_ca,
            looked_up=self.endpoint.lookup is not None,
            proxy=without_login(self._proxy),
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: t.Mapping[str, str] | None = None,
        body: t.Mapping[str, t.Any] | None = None,
        content_type: str = "application/json",
        obj: str = "",
        action: str = "read",
        secret: bool = False,
        text: bool = False,
    ) -> t.Any:
        """Send one request and return the object that is the answer.

        A server that asks to come back (429, 503 with Retry-After) and a kept connection that turns out to be closed or
        reset are retried a few times: every request made here may be repeated. What an admission webhook
        refused by silence is asked again for ``webhook_seconds``: a control plane that rolls answers a moment later.

        Args:
            text: whether the answer may be text, as a log is.

        Raises:
            ApiError: anything but a success, and what is no answer of an API server. Its status is 404 only where the
                API server itself says that it has no such thing.
        """
        shown = await self._fresh()
        renewed, tries, silent_since = False, 0, 0.0
        while True:
            tries += 1
            last = tries >= _RETRIES
            try:
                return await self._once(method, path, shown, params, body, content_type, obj, action, secret, text)
            except ApiError as error:
                if error.status == 401 and not renewed:
                    renewed, tries, shown = True, 0, await self._another(shown, error)
                    continue
                if error.status == 404 and not error.proven:
                    raise await self._judged(error, path, shown) from None
                if error.status == 500 and webhook_is_silent(error.seen):
                    now = asyncio.get_running_loop().time()
                    silent_since = silent_since or now
                    if now - silent_since < self.webhook_seconds:
                        await asyncio.sleep(BETWEEN_TRIES)
                        continue
                    error.seen += f" (the same for {now - silent_since:.0f} s)"
                if last or error.retry_after is None or error.status not in (429, 503):
                    raise
                await asyncio.sleep(min(error.retry_after, 10.0))  # as long as the server asked for
            except _BROKEN as error:
                if last or not _was_cut(error):
                    raise self.broken(error, obj=obj, action=action) from None

    async def _once(
        self,
        method: str,
        path: str,
        shown: Shown,
        params: t.Mapping[str, str] | None,
        body: t.Mapping[str, t.Any] | None,
        content_type: str,
        obj: str,
        action: str,
        secret: bool,
        text: bool,
    ) -> t.Any:
        async with (
            self._slots,
            self._session.request(
                method,
                self.endpoint.server + path,
                params=params,
                # JSON is YAML: an apply patch may be sent as such.
                data=None if body is None else json.dumps(body).encode(),
                headers=shown.headers if body is None else {**shown.headers, "Content-Type": content_type},
                timeout=aiohttp.ClientTimeout(total=None, connect=self.timeout, sock_read=_READ_TIMEOUT),
                **self._extra(shown),
            ) as response,
        ):
            self._ahead = _ahead(response.headers.get("Date", ""))
            answer = _decoded(await response.read(), response.headers.get("Content-Type", ""))
            if response.status >= 300:
                raise self._refused(response, answer, path, obj, action, secret)
            if not isinstance(answer, dict) and not (text and isinstance(answer, str)):
                raise self._strange(answer, obj, action)
            self.endpoint.accepted(shown.name)
            return answer

    def _refused(
        self, response: aiohttp.ClientResponse, answer: t.Any, path: str, obj: str, action: str, secret: bool = False
    ) -> ApiError:
        audited = "Audit-Id" in response.headers
        before_it = bool(response.status == 403 and self.endpoint.required_permission)
        if response.status != 404 and not before_it and is_foreign(response.status, answer, audited=audited):
            said = f"{response.status} {_shortened(answer)}"
            return self._strange(said, obj, action, forbids=response.status == 403)
        refusal = from_response(
            response.status,
            answer,
            cluster=self.cluster,
            obj=obj,
            action=action,
            secret=secret,
            retry_after=response.headers.get("Retry-After"),
            account=self.endpoint.account,
            required_permission=self.endpoint.required_permission,
        )
        refusal.proven = response.status != 404 or is_proof_of_absence(
            answer, path, audited=audited, writes=response.method in _WRITES
        )
        if refusal.status == 401 and self.endpoint.lookup:
            refusal.seen = f"{self.endpoint.server}: {refusal.seen}"  # an address that nobody has written down
        return refusal

    async def _judged(self, refusal: ApiError, path: str, shown: Shown) -> ApiError:
        """A 404 that proves nothing by itself: as it is if discovery lists no such kind, else a stranger's answer."""
        asked = asked_by(path)
        if asked is not None:
            listed = asked.is_unserved(await self._found(asked.listing, shown))
            if listed or (listed is False and asked.is_unknown(await self._found(asked.prefix, shown))):
                refusal.proven = True
                return refusal
        return self._strange(refusal.seen, refusal.obj, refusal.action)

    async def _found(self, path: str, shown: Shown) -> t.Any:
        """What is at a path; None where that is nothing good."""
        try:
            return await self._once("GET", path, shown, None, None, "", path, "discover", False, False)
        except (ApiError, *_BROKEN):
            return None

    def _strange(self, answer: t.Any, obj: str, action: str, *, forbids: bool = False) -> ApiError:
        return not_an_answer(
            answer, server=self.endpoint.server, cluster=self.cluster, obj=obj, action=action, forbids=forbids
        )

    async def lines(self, path: str, params: t.Mapping[str, str], *, obj: str) -> t.AsyncIterator[dict[str, t.Any]]:
        """Events of a watch, one JSON document a line, until the server ends it.

        Raises:
            ApiError: a refusal, a broken connection, and what is no event.
        """
        shown, renewed = await self._fresh(), False
        while True:
            try:
                async with self._session.get(
                    self.endpoint.server + path,
                    params=params,
                    headers=shown.headers,
                    timeout=aiohttp.ClientTimeout(total=None, connect=self.timeout),
                    **self._extra(shown),
                ) as response:
                    if response.status < 300:
                        self.endpoint.accepted(shown.name)
                        async for line in _lines(response):
                            event = _decoded(line, "json")
                            if not _is_event(event):
                                raise self._strange(event, obj, "watch")
                            yield event
                        return
                    answer = _decoded(await response.read(), response.headers.get("Content-Type", ""))
                    refusal = self._refused(response, answer, path, obj, "watch")
            except _BROKEN as error:
                raise self.broken(error, obj=obj, action="watch") from None
            if refusal.status == 404 and not refusal.proven:
                raise await self._judged(refusal, path, shown)
            if refusal.status != 401 or renewed:
                raise refusal
            renewed, shown = True, await self._another(shown, refusal)

    async def socket(self, path: str, params: t.Sequence[tuple[str, str]], protocols: t.Sequence[str]) -> Socket:
        """Open a websocket; a refusal is aiohttp's WSServerHandshakeError."""
        shown = await self._fresh()
        try:
            return await self._open(path, params, protocols, shown)
        except aiohttp.WSServerHandshakeError as error:
            if error.status != 401:
                raise
            # Why there is no other credential is reported with the reason of this refusal, see execs.py.
            with contextlib.suppress(FleetError):
                if await self.endpoint.another(shown.name):
                    return await self._open(path, params, protocols, self.endpoint.shown)
            raise

    async def _open(
        self,
        path: str,
        params: t.Sequence[tuple[str, str]],
        protocols: t.Sequence[str],
        shown: Shown,
    ) -> Socket:
        opened: Socket = await self._session.ws_connect(
            self.endpoint.server + path,
            params=params,
            protocols=protocols,
            headers=shown.headers,
            max_msg_size=0,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            **self._extra(shown),
        )
        self.endpoint.accepted(shown.name)
        return opened


def _was_cut(error: BaseException) -> bool:
    """Whether a connection that was there ended before an answer; not whether none came about."""
    if isinstance(error, (aiohttp.ServerDisconnectedError, ConnectionResetError)):
        return True
    if not isinstance(error, aiohttp.ClientOSError) or isinstance(error, aiohttp.ClientConnectorError):
        return False
    # aiohttp says so of a reset by its number, and of a body that was on its way by the cause.
    return error.errno in (errno.ECONNRESET, errno.EPIPE) or isinstance(error.__cause__, ConnectionResetError)


def _shortened(answer: t.Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, default=str)


def _ahead(date: str) -> datetime.timedelta:
    """By how much a server's clock is ahead of this machine's; a Date header has whole seconds."""
    try:
        theirs = email.utils.parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return datetime.timedelta(0)
    ahead = theirs.replace(tzinfo=datetime.UTC) - datetime.datetime.now(datetime.UTC)
    return ahead if abs(ahead) > datetime.timedelta(seconds=2) else datetime.timedelta(0)


async def _lines(response: aiohttp.ClientResponse) -> t.AsyncIterator[bytes]:
    while True:
        try:
            line = await response.content.readline()
        except (
            ValueError,
            HttpProcessingError,
        ) as error:  # aiohttp's words, by version, for what its buffer can't hold
            raise aiohttp.ClientPayloadError(f"a line of more than {2 * _READ_BUFFER} bytes") from error
        if not line:
            return
        if line.strip():
            yield line


def _is_event(event: t.Any) -> bool:
    inner = event.get("object") if isinstance(event, dict) else None
    if not isinstance(inner, dict) or not isinstance(event.get("type"), str):
        return False
    return event["type"] == "ERROR" or bool(isinstance(inner.get("metadata"), dict))


def _decoded(raw: bytes, content_type: str) -> t.Any:
    """A body, decoded where its type is JSON and it is, else as text."""
    text = raw.decode(errors="replace")
    if "json" in content_type:
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
        return _NotJson(text)
    return text
