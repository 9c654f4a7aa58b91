# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an API server (or the way to it) answers, turned into messages that a person can act on."""

from __future__ import annotations

import contextlib
import json
import math
import re
import ssl
import typing as t

import aiohttp

from ..errors import FleetError
from .masking import scrub

__all__ = ["ApiError", "conflicts", "from_response", "from_transport", "not_an_answer"]

_MANAGER = re.compile(r'conflict with "([^"]+)"')


class ApiError(FleetError):
    """A FleetError that remembers the HTTP status (0: no answer came) and the server's reason and causes."""

    def __init__(
        self,
        what: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: t.Sequence[t.Mapping[str, str]] = (),
        retry_after: float | None = None,
        cluster: str = "",
        obj: str = "",
        seen: str = "",
        means: str = "",
        next_step: str = "",
        action: str = "read",
    ) -> None:
        super().__init__(what, cluster=cluster, obj=obj, seen=seen, means=means, next_step=next_step)
        self.status = status
        self.reason = reason
        self.causes = tuple(causes)
        self.retry_after = retry_after
        self.action = action
        self.proven = True
        """Of a 404: whether the API server itself said it."""
        self.forbidden = status == 403
        """Whether the account may not do it, by the API server's word or by that of what stands before it."""
        self.untrusted = status == 401
        """Whether who answers is not trusted, or does not trust us: a certificate, a credential. No wait mends that."""

    def because(self, error: FleetError) -> ApiError:
        """The same answer, with what somebody else knows of its cause."""
        same = ApiError(
            error.what,
            status=self.status,
            reason=self.reason,
            cluster=self.cluster,
            obj=self.obj,
            seen="; ".join(part for part in (self.seen, error.seen) if part),
            means=error.means,
            next_step=error.next_step,
        )
        same.forbidden, same.untrusted = self.forbidden, self.untrusted
        return same


def conflicts(error: ApiError) -> list[tuple[str, str]]:
    """``(manager, field)`` of a server-side apply conflict; empty for anything else."""
    found = []
    for cause in error.causes:
        match = _MANAGER.search(str(cause.get("message", "")))
        if cause.get("reason") == "FieldManagerConflict" and match:
            found.append((match.group(1), str(cause.get("field", ""))))
    return found


def _hints(status: int, reason: str, message: str, action: str) -> tuple[str, str]:
    """``(means, next step)`` for an answer that is not a success."""
    if status == 401:
        return (
            "the token or client certificate has expired, or is not known to this API server",
            "get fresh credentials for this cluster and run again",
        )
    if status == 403 and "being terminated" in message:
        return ("the namespace is being deleted", "wait until it is gone, then run again")
    if status == 403:
        return (
            "the account of this connection may not do this",
            f"grant it the right to {action}, or connect with another account",
        )
    if status == 404 and reason == "":
        return ("this API server does not serve that kind", "install its CRD first, or correct apiVersion and kind")
    if status == 409 and reason == "AlreadyExists":
        return ("somebody created it in the same moment", "run again")
    if status == 409:
        return ("somebody else changed it in the same moment", "run again")
    if status == 413:
        return ("the object is larger than the API server accepts", "split it")
    if status in (400, 415, 422):
        return ("the API server does not accept this object", "correct the field that it names")
    if status == 429:
        return ("the API server is overloaded, or a disruption budget forbids it", "run again in a minute")
    if status >= 500 and "failed calling webhook" in message:
        return (
            "an admission webhook did not answer: what serves it is down or not reachable from the API server",
            "look at the webhook's service and its pods, then run again",
        )
    if status >= 500:
        return ("the API server has a problem of its own", "look at its log, then run again")
    return ("", "")


def from_response(
    status: int,
    body: t.Any,
    *,
    cluster: str,
    obj: str,
    action: str,
    secret: bool = False,
    retry_after: str | None = None,
    account: str = "",
    required_permission: str = "",
) -> ApiError:
    """An ApiError from a status code and the (decoded) body of an answer.

    Args:
        account: whose credential it was, if its provider reports that: for 401, when a new one was refused too.
        required_permission: the permission that is asked for in front of the API server.
        action: what was tried, as ``apply``, ``read``, ``delete`` ...
        secret: the object is a Secret: values that the server repeats are cut out.
    """
    details: dict[str, t.Any] = {}
    if isinstance(body, dict) and body.get("kind") == "Status":
        message = str(body.get("message") or body.get("reason") or "")
        reason = str(body.get("reason") or "Unknown")
        details = body["details"] if isinstance(body.get("details"), dict) else {}
    else:
        message, reason = _foreign(body), ""
    what, (means, next_step) = f"{action} failed", _hints(status, reason, message, action)
    if status == 401 and account:
        what += f": the API server does not accept {account}"
        means = "a new token was refused too: the account was disabled or deleted, or is not of this cluster"
        next_step = "check that the account exists and is enabled, and that this is the right cluster"
    if status == 403 and required_permission and (not reason or required_permission.split()[0] in message):
        who = account or "the account"
        means = f"{who} lacks a permission that is asked for in front of the API server: {required_permission}"
        next_step = "grant a role that holds it; or use another of the cluster's endpoints; then run again"
    try:
        wait = float(retry_after or details.get("retryAfterSeconds") or "nan")
    except (ValueError, TypeError):
        wait = float("nan")
    return ApiError(
        what,
        status=status,
        reason=reason,
        causes=[cause for cause in _listed(details.get("causes")) if isinstance(cause, dict)],
        retry_after=None if math.isnan(wait) else wait,
        cluster=cluster,
        obj=obj,
        seen=f"{status} {scrub(message, secret=secret)}".strip(),
        means=means,
        next_step=next_step,
        action=action,
    )


def _listed(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []


def not_an_answer(
    answer: t.Any, *, server: str, cluster: str, obj: str, action: str, forbids: bool = False
) -> ApiError:
    """An ApiError for what is not an API server's answer: no JSON, or JSON of another form. Its status is 0.

    Args:
        forbids: its status was 403.
    """
    text = " ".join(scrub(str(answer)).split())
    means = "something stands before the API server and answers for it: a proxy, a balancer or a login page"
    next_step = (
        "run again; if it stays, open that address from this machine, and correct the kubeconfig's server "
        "address (or cluster_api_url)"
    )
    if forbids:
        means = "what stands before the API server refused this account, or this machine: a cloud, Rancher, a proxy"
        next_step = (
            "check there which rights the account has on this cluster; if nothing should stand there, correct the "
            "kubeconfig's server address (or cluster_api_url)"
        )
    error = ApiError(
        f"{action} failed: the answer is not an API server's",
        cluster=cluster,
        obj=obj,
        seen=f"{server}: {text[:200] or 'nothing'}",
        means=means,
        next_step=next_step,
    )
    error.forbidden = forbids
    return error


def _foreign(body: t.Any) -> str:
    """The text of an answer that is not an API server's; Google's services write it to ``error.message``."""
    parsed = body
    if isinstance(body, str):
        with contextlib.suppress(ValueError, RecursionError):
            parsed = json.loads(body)
    error = parsed.get("error") if isinstance(parsed, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return " ".join(str(message or body).split())[:300]


def from_transport(
    error: BaseException,
    *,
    server: str,
    cluster: str,
    obj: str,
    action: str,
    timeout: float,
    public_ca: bool = False,
    looked_up: bool = False,
    proxy: str = "",
) -> ApiError:
    """An ApiError for a failure on the way: name, network, TLS, time-out.

    It names the server's address. Which object was asked for first is chance, and nobody need know it; only where
    the request may have been heard (no answer came, or the connection broke), the object is named.

    Args:
        public_ca: the certificate is checked against the CAs that this machine trusts.
        looked_up: the address is what Google reports for the cluster.
        proxy: the address of the proxy between, without a login; "" for none.
    """

    def failure(what: str, seen: str, means: str, next_step: str, about: str = "") -> ApiError:
        return ApiError(
            what, cluster=cluster, obj=about, seen=f"{server}: {scrub(seen)}", means=means, next_step=next_step
        )

    where = "the kubeconfig's server address (or cluster_api_url)"
    if looked_up:
        where = "which of the cluster's endpoints is used (gke_endpoint)"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _untrusted(_certificate(error.certificate_error, failure, public_ca))
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):  # behind a proxy
        return _untrusted(_certificate(error.__cause__, failure, public_ca))
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        refusal = failure(
            "no TLS connection to the API server",
            str(error),
            "what listens there does not speak TLS as an API server does, or it refused the client's certificate",
            f"check {where} and the client certificate",
        )
        # A balancer that has nobody behind it ends the connection too: that says nothing of trust.
        refusal.untrusted = not isinstance(getattr(error, "os_error", error), (ssl.SSLEOFError, ssl.SSLZeroReturnError))
        return refusal
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return failure("the API server's name does not resolve", error.strerror or str(error), "", f"check {where}")
    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
        return failure(
            "the proxy to the API server does not let us through",
            f"proxy {proxy}: {_proxy_text(error)}",
            "the proxy is down, wants another login, or may not reach this address",
            "check proxy-url of the kubeconfig; without one, HTTPS_PROXY and NO_PROXY",
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        refused = isinstance(cause, ConnectionRefusedError)
        return failure(
            "the API server is not reachable",
            "connection refused" if refused else (cause.strerror or str(cause)),
            "nothing listens there: the cluster is down, or its address changed" if refused else "no route to it",
            f"start the cluster, or correct {where}",
        )
    if isinstance(error, aiohttp.SocketTimeoutError):
        return failure(
            "the API server does not answer",
            "it was asked, and no answer came",
            "it is overloaded, or waits for something itself (a webhook, etcd); it may have done what it was asked for",
            "see the API server's log and load, then run again",
            obj,
        )
    if isinstance(error, TimeoutError):
        return failure(
            "the API server does not answer",
            f"no answer in {timeout:g} s",
            "a firewall drops the packets (authorized networks?), or the server is overloaded",
            f"check that this machine may reach it, and {where}",
        )
    return failure(
        "the connection to the API server broke",
        f"{type(error).__name__} {error}".strip(),
        "it restarted, or something between closed the connection",
        "run again",
        obj,
    )


def _proxy_text(error: aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{error.status} {error.message}"
    return str(error.os_error.strerror or error.os_error)


def _untrusted(error: ApiError) -> ApiError:
    error.untrusted = True
    return error


def _certificate(error: Exception, failure: t.Callable[[str, str, str, str], ApiError], public_ca: bool) -> ApiError:
    code = getattr(error, "verify_code", 0)
    seen = str(getattr(error, "verify_message", "") or error)
    if code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
        return failure(
            "the API server's certificate is for another name",
            seen,
            "the address used is not among the names in its certificate",
            "use an address that is, or set tls-server-name in the kubeconfig",
        )
    if code in (9, 10):  # not yet valid, has expired
        return failure(
            "the API server's certificate is not valid now",
            seen,
            "it has expired, or a clock is wrong",
            "renew the API server's certificate, or set the clock",
        )
    if public_ca:
        return failure(
            "the API server's certificate is not signed by a CA that this machine trusts",
            seen,
            "no CA is given for this address, so a public certificate is expected: something between shows its own "
            "(a proxy that reads TLS), this machine has no CA bundle, or the CA is a private one",
            "add the CA to this machine's trust store, or name its file in SSL_CERT_FILE (cluster_api_ca for a "
            "cluster_api_url); then run again",
        )
    return failure(
        "the API server's certificate is not signed by the expected CA",
        seen,
        "the cluster was made anew, or this is another cluster",
        "get a fresh kubeconfig (or cluster_api_ca) of this cluster",
    )
