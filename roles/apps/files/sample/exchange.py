# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The messages of the sample pair: their checks, one call, and its failure in words."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
import typing as t
from urllib.parse import urlsplit

MAX_BODY = 64 * 1024
MAX_DELAY_MS = 60_000
MAX_TIMEOUT_MS = 65_000


class BadInput(Exception):
    """A client's mistake: the field, what was expected, and the HTTP status of the answer."""

    def __init__(self, field: str, expected: str, status: int = 400) -> None:
        super().__init__(f"{field}: {expected}")
        self.field, self.expected, self.status = field, expected, status


def whole(data: t.Mapping[str, t.Any], field: str, default: int, low: int, high: int) -> int:
    """A whole number of the request, or BadInput."""
    value = data.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadInput(field, f"a whole number from {low} to {high}, not {json.dumps(value)[:60]}")
    return value


def text(data: t.Mapping[str, t.Any], field: str, default: str, longest: int) -> str:
    value = data.get(field, default)
    if not isinstance(value, str) or len(value) > longest:
        raise BadInput(field, f"a text of at most {longest} characters")
    return value


def message(data: t.Mapping[str, t.Any], known: t.Container[str] = ()) -> dict[str, t.Any]:
    """A checked ``{id, payload, delay, status}``."""
    fields = ("id", "payload", "delay", "status")
    for key in data:
        if key not in fields and key not in known:
            raise BadInput(str(key)[:60], "no such field; known are " + ", ".join(fields))
    return {
        "id": text(data, "id", "", 100) or os.urandom(8).hex(),
        "payload": text(data, "payload", "", 10_000),
        "delay": whole(data, "delay", 0, 0, MAX_DELAY_MS),
        "status": whole(data, "status", 200, 200, 599),
    }


def target_url(url: str, allowed: t.Sequence[str]) -> str:
    """The target, if it is one that this caller may be asked to call; "*" in ``allowed`` permits any host.

    The page may stand open to the world, so it must not become a way to any address that the pod reaches.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput("target", "a URL such as http://sample-producer:8080") from None
    if parts.scheme != "http" or not parts.hostname or parts.username is not None or port == 0:
        raise BadInput("target", "a URL such as http://sample-producer:8080 (http: the sidecar adds mutual TLS)")
    if any(c <= " " or c == "\x7f" for c in url) or not url.isascii():
        raise BadInput("target", "a URL without spaces or control characters")
    if "*" not in allowed and parts.hostname not in allowed:
        raise BadInput("target", f"host {parts.hostname} is not among the allowed: {', '.join(allowed)}")
    return url.rstrip("/")


def identity(header: str) -> dict[str, str]:
    """``By``, ``URI``, ``Hash`` of the last element of x-forwarded-client-cert (the nearest hop).

    Values may be quoted and hold commas and semicolons inside the quotes.
    """
    elements: list[list[str]] = [[""]]
    quoted = escaped = False
    for char in header:
        if char == '"' and not escaped:
            quoted = not quoted
        elif char in ",;" and not quoted:
            elements.append([""]) if char == "," else elements[-1].append("")
            continue
        escaped = char == "\\" and not escaped
        elements[-1][-1] += char
    found: dict[str, str] = {}
    for pair in elements[-1]:
        key, equals, value = pair.strip().partition("=")
        name = key.lower()
        if equals and name in ("by", "uri", "hash") and name not in found:
            found[name] = value.strip('"')
    return found


class Failure(t.NamedTuple):
    """Why the upstream did not answer, in words, and the HTTP status for it."""

    status: int
    what: str
    means: str
    next: str


def in_words(error: BaseException, host: str, port: int, timeout_ms: int) -> Failure:
    if isinstance(error, socket.gaierror):
        return Failure(
            502,
            f"{host} could not be resolved: no Service of that name in this cluster",
            "plain DNS answers only for Services of the caller's own cluster",
            f"make a Service {host.split('.')[0]} in this cluster too (a stub without pods is enough)",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure(
            502,
            f"the certificate of {host} does not hold: {error.verify_message}",
            "it is for another name, has ended, or is of a CA that this image does not know",
            "look at it: openssl s_client -connect <address>:443 -servername <name>",
        )
    if isinstance(error, TimeoutError):
        return Failure(
            504,
            f"no answer from {host} within {timeout_ms} ms",
            "the producer is slower than the time allowed, or the way to it drops packets",
            "ask for a shorter delay or allow more time; for a lost way run the verify stage",
        )
    if isinstance(error, ConnectionRefusedError):
        return Failure(
            502,
            f"{host} refused the connection on port {port}",
            "the name resolves, but nothing listens there: no ready pods here, and no sidecar that routes elsewhere",
            "check that this pod has a sidecar and that the mesh knows pods of the Service in another cluster",
        )
    if isinstance(error, (ConnectionError, http.client.HTTPException)):
        return Failure(
            502,
            f"{host} closed the connection before a complete answer ({type(error).__name__})",
            "the other side stopped, does not speak HTTP, or demands mutual TLS that this pod does not speak",
            "check that this pod has a sidecar, and look at the log of the producer",
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    return Failure(
        502, f"{host} could not be reached on port {port}: {reason}", "there is no way to it", "check the target"
    )


def of_the_mesh(status: int, body: str, host: str) -> Failure | None:
    """What an answer means that a proxy gave instead of the upstream."""
    if "no healthy upstream" in body:
        return Failure(
            status,
            f"the mesh has no healthy pod of {host} to send to",
            "no cluster that this one watches runs ready pods of it, or all of them were ejected",
            "check the pods of the producer, and that its cluster is among the peers of this one",
        )
    if "upstream connect error" in body or "upstream request timeout" in body:
        return Failure(
            status,
            f"the sidecar could not complete the call to {host}",
            body.strip()[:300],
            "check the network between the clusters, and that both trust the same root",
        )
    if "RBAC: access denied" in body:
        return Failure(
            status, f"{host} does not admit this caller", "an AuthorizationPolicy denies it", "allow the identity"
        )
    return None


class _ForName(http.client.HTTPSConnection):
    """HTTPS to an address, in the name of a host: the certificate must be the host's.

    With ``trusted`` certificates (PEM) it must be one of them, or of one, whoever issued those.
    """

    def __init__(self, address: str, port: int, name: str, timeout: float, trusted: str) -> None:
        super().__init__(address, port, timeout=timeout)
        self.name, self.trusted = name, trusted

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        context = ssl.create_default_context(cadata=self.trusted or None)
        if self.trusted:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        self.sock = context.wrap_socket(self.sock, server_hostname=self.name)


def request(
    method: str, url: str, data: t.Any, timeout_ms: int, headers: t.Mapping[str, str] | None = None, trusted: str = ""
) -> tuple[int, dict[str, str], str]:
    """Send one request; the timeout holds for the whole of it, not for each read. Raises OSError, HTTPException.

    ``trusted`` are the certificates (PEM) that count by HTTPS, instead of those that the image knows.
    """
    parts = urlsplit(url)
    ends = time.monotonic() + timeout_ms / 1000
    host, seconds = t.cast(str, parts.hostname), timeout_ms / 1000
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = _ForName(host, parts.port or 443, (headers or {}).get("host") or host, seconds, trusted)
    else:
        connection = http.client.HTTPConnection(host, parts.port or 80, timeout=seconds)
    try:
        connection.connect()
        sock = connection.sock
        sock.settimeout(max(0.001, ends - time.monotonic()))
        body = None if data is None else json.dumps(data)
        sent = {
            "content-type": "application/json",
            "accept": "application/json",
            "connection": "close",
            **(headers or {}),
        }
        connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, sent)
        answer = connection.getresponse()
        sock.settimeout(max(0.001, ends - time.monotonic()))
        received = answer.read(4 * MAX_BODY).decode("utf-8", "replace")
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, received
    finally:
        connection.close()


def call(
    method: str, url: str, data: t.Any, timeout_ms: int, headers: t.Mapping[str, str] | None = None, trusted: str = ""
) -> dict[str, t.Any]:
    """One call and its outcome: ``status`` (0: none), ``latency_ms``, ``answer``, ``problem`` (None: none)."""
    parts = urlsplit(url)
    host, port = t.cast(str, parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    began = time.monotonic()
    status, body, failure = 0, "", None
    try:
        status, _headers, body = request(method, url, data, timeout_ms, headers, trusted)
    except (OSError, http.client.HTTPException) as error:
        failure = in_words(error, host, port, timeout_ms)
    latency = round((time.monotonic() - began) * 1000, 1)
    answer: t.Any = None
    if body:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            answer = {"text": body[:2000]}
            failure = failure or of_the_mesh(status, body, host)
    problem = failure and {"what": failure.what, "means": failure.means, "next": failure.next}
    reached = bool(status) and failure is None
    return {
        "ok": reached and status < 400,
        "status": status,
        "code": failure.status if failure else 200,
        "latency_ms": latency,
        "answer": answer,
        "problem": problem,
    }


def call_command(arguments: list[str]) -> int:
    """``call URL [--count N] [--timeout SECONDS]``: the outcomes as one JSON document; 1 when one failed."""
    import argparse

    parser = argparse.ArgumentParser(prog="sample.py call")
    parser.add_argument("url")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds for each call")
    given = parser.parse_args(arguments)
    try:
        url = target_url(given.url, ["*"])
    except BadInput as error:
        parser.error(str(error))
    outcomes = [call("GET", url, None, int(given.timeout * 1000)) for _number in range(given.count)]
    shares: dict[str, int] = {}
    for outcome in outcomes:
        outcome.pop("code")
        name = (outcome["answer"] or {}).get("cluster", "") if outcome["problem"] is None else ""
        shares[name] = shares.get(name, 0) + 1
    failed = sum(not outcome["ok"] for outcome in outcomes)
    print(json.dumps({"url": url, "sent": given.count, "failed": failed, "clusters": shares, "calls": outcomes}))
    return 1 if failed else 0
