# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a policy of ``mesh_traffic`` may say: one table, of which the reader and ansible-doc are made."""

from __future__ import annotations

import re
import typing as t

from ..inventory.nearest import Nearest
from ..inventory.values import LABEL, labels, locality
from ..inventory.variable import Fault as Wrong
from .options import Option, span
from .policy import NEAREST, NONE

__all__ = ["POLICY", "RULES"]

_RETRY_ON = (
    "5xx",
    "cancelled",
    "connect-failure",
    "deadline-exceeded",
    "gateway-error",
    "internal",
    "refused-stream",
    "reset",
    "reset-before-request",
    "resource-exhausted",
    "retriable-4xx",
    "unavailable",
)
_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_COMPARISONS = ("exact", "prefix", "regex")
_HEADER = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
_COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MOST = 2**31 - 1
"""Istio's numbers have 32 bits."""


def _service(value: str) -> Wrong | None:
    name, _dot, rest = value.partition(".")
    namespace, dot, end = rest.partition(".")
    if LABEL.fullmatch(name) and LABEL.fullmatch(namespace) and (not dot or end == "global"):
        return None
    hint = "for example orders.shop"
    if end.startswith("svc"):
        hint = f"{name}.{namespace}, without .{end}"
    return Wrong("is neither name.namespace nor name.namespace.global", hint)


def _path(value: str) -> Wrong | None:
    if value.startswith("/") and not re.search(r"[\s?#]", value):
        return None
    return Wrong("is not the beginning of a path", "for example /api/")


def _header(value: str) -> Wrong | None:
    if _HEADER.fullmatch(value):
        return None
    guess = value.lower()
    return Wrong(
        "is not the name of a header as Istio compares it",
        f"write {guess}" if _HEADER.fullmatch(guess) else "lower-case letters, digits and -",
    )


def _headers(value: t.Mapping[t.Any, t.Any]) -> Wrong | None:
    for name, wanted in value.items():
        wrong = _header(str(name))
        if wrong:
            return Wrong(f"has {str(name)[:40]!r}, which {wrong.message}", wrong.hint)
        given = wanted if isinstance(wanted, t.Mapping) else {"exact": wanted}
        key, text = next(iter(given.items()), ("", None))
        if len(given) != 1 or key not in _COMPARISONS or not isinstance(text, str) or not text:
            return Wrong(
                f"has no text to compare {name} with", f"{name}: text, or {name}: {{exact|prefix|regex: text}}"
            )
        if key == "regex" and not _compiles(text):
            return Wrong(f"has a regular expression for {name} that is none", "RE2's syntax")
    return None


def _compiles(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _cookie(value: str) -> Wrong | None:
    return None if _COOKIE.fullmatch(value) else Wrong("is not the name of a cookie", "for example session")


def _weights(value: t.Mapping[t.Any, t.Any]) -> Wrong | None:
    for name, weight in value.items():
        region, _slash, zone = str(name).partition("/")
        if locality(region) or (_slash and locality(zone)):
            return Wrong(f"has {str(name)[:40]!r}, which is no region", "region, or region/zone; for example us-west1")
        if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= 100:
            return Wrong(f"has a weight for {name} that is none", "a whole number, 1 to 100")
        if zone and region in value:
            return Wrong(f"has {name} and the whole of {region}", "weights of all its zones, or of the region")
    return None


def _failover(value: t.Any) -> Wrong | None:
    hint = f"{NEAREST}, {NONE}, {{clusters: [west, east]}} or {{regions: [us-west1, us-east1]}}"
    if isinstance(value, str):
        if value in (NEAREST, NONE):
            return None
        guess = Nearest((NEAREST, NONE)).find(value)
        return Wrong("is unknown", f"did you mean {guess}?" if guess else hint)
    if isinstance(value, t.Mapping) and len(value) == 1:
        key, order = next(iter(value.items()))
        if key not in ("clusters", "regions"):
            guess = Nearest(("clusters", "regions")).find(str(key))
            return Wrong(f"has the key {str(key)[:40]}, which is unknown", f"did you mean {guess}?" if guess else hint)
        if isinstance(order, (list, tuple)) and order and all(isinstance(one, str) for one in order):
            return None
    return Wrong("is no order of clusters or regions", hint)


_SUBSET = (
    Option("cluster", "str", "The cluster whose pods get the calls; the pods of all clusters by default."),
    Option("labels", "dict", "Labels of the pods that get the calls, for example V(version: v3).", form=labels),
)
_SPLIT = Option(
    "split",
    "list",
    "Parts of the calls, over clusters and labels of pods. The weights sum to 100.",
    options=(Option("weight", "int", "Percent of the calls.", required=True, low=0, high=100), *_SUBSET),
)
_TIMEOUT = Option(
    "timeout", "str", "How long a call may take, with all its tries, for example V(10s) or V(500ms).", form=span
)
_RETRIES = Option(
    "retries",
    "dict",
    "Tries after the first one. Without it Istio's own retries hold; V(attempts: 0) turns them off.",
    options=(
        Option("attempts", "int", "How often a call is repeated, at most.", required=True, low=0, high=100),
        Option(
            "per_try",
            "str",
            "How long one try may take. It is needed where a try may hang. With C(errors) in C(breaker), so long a "
            "connection may take too.",
            form=span,
        ),
        Option("retry_on", "list", "Which failures are repeated; those of Istio by default.", choices=_RETRY_ON),
        Option("other_localities", "bool", "Whether a repeated call prefers pods of another region or zone."),
    ),
)
_BREAKER = Option(
    "breaker",
    "dict",
    "Limits to a service, for each calling pod, and when one of the service's pods is ejected: left out for a time.",
    options=(
        Option("connections", "int", "Connections at most.", low=1, high=_MOST),
        Option("pending", "int", "Calls that wait for a connection at most.", low=1, high=_MOST),
        Option("requests", "int", "Calls under way at most.", low=1, high=_MOST),
        Option("errors", "int", "A pod is ejected after so many errors in a row; never by default.", low=1, high=_MOST),
        Option(
            "kind",
            "str",
            "What counts as an error: V(5xx) any such answer and a call that failed; V(gateway) the answers 502, "
            "503, 504 and a "
            "call that failed; V(local) only a call that failed, such as a connection that is refused.",
            default="5xx",
            choices=("5xx", "gateway", "local"),
        ),
        Option("interval", "str", "How often pods come back and are ejected; Istio's C(10s) by default.", form=span),
        Option(
            "ejection",
            "str",
            "How long a pod is ejected, times how often it was already; Istio's C(30s) by default.",
            form=span,
        ),
        Option(
            "share",
            "int",
            "Percent of the pods that may be ejected at one time. By default V(100) where C(failover) names others, "
            "else V(50).",
            low=1,
            high=100,
        ),
    ),
)
_FAILOVER = Option(
    "failover",
    "raw",
    "Where calls go when pods are ejected, for which C(breaker) needs C(errors). V(nearest) prefers the callers' "
    "zone, then "
    "their region, then all others. C(clusters) or C(regions) with a list is an order: pods of the first, else of "
    "the next, at last "
    "all others. V(none) prefers nothing. By default the mesh's own setting holds, in Istio V(nearest) if pods are "
    "ejected.",
    form=_failover,
)
_LOCALITIES = Option(
    "localities",
    "dict",
    "Percent of the calls by region, or C(region/zone) of the pods. They sum to 100. Pods anywhere else get none.",
    form=_weights,
)
_FAULT = Option(
    "fault",
    "dict",
    "Makes a share of the calls fail, to try out what callers do.",
    options=(
        Option("delay", "str", "How long a call is held back.", form=span),
        Option("abort", "int", "The HTTP status that callers get; the service gets no call.", low=200, high=599),
        Option("share", "float", "Percent of the calls, for each of both.", default=100, low=0, high=100),
    ),
)
_MIRROR = Option(
    "mirror",
    "dict",
    "Pods that get a copy of each call. Their answers are dropped.",
    options=(*_SUBSET, Option("share", "float", "Percent of the calls that are copied.", default=100, low=0, high=100)),
)
_AFFINITY = Option(
    "affinity",
    "dict",
    "What calls to one pod have in common. With C(split), it holds within each part.",
    options=(
        Option("header", "str", "The name of a header.", form=_header),
        Option("cookie", "str", "The name of a cookie.", form=_cookie),
        Option(
            "ttl",
            "str",
            "How long the cookie lives, which the proxy then makes; by default callers bring it.",
            form=span,
        ),
        Option("path", "str", "The cookie's path.", form=_path),
        Option("address", "bool", "The address that a call comes from."),
    ),
)
RULES = (_SPLIT, _TIMEOUT, _RETRIES, _BREAKER, _FAILOVER, _LOCALITIES, _FAULT, _MIRROR, _AFFINITY)
_ROUTES = Option(
    "routes",
    "list",
    "Rules for some of the calls. The first route that fits holds. What it does not say is as in the policy; an "
    "empty value, as "
    "V({}), takes back what the policy says.",
    options=(
        Option(
            "headers",
            "dict",
            "Headers by name: text, or one of C(exact), C(prefix) and C(regex) with text.",
            form=_headers,
        ),
        Option("method", "list", "Methods.", choices=_METHODS),
        Option("path", "str", "What the path begins with. End it with C(/) for whole parts of a path.", form=_path),
        Option("rewrite", "str", "What replaces C(path) in the call.", form=_path),
        *RULES,
    ),
)
_VERIFY = Option(
    "verify",
    "dict",
    "How the stage verify measures the policy, by GET requests from the callers' clusters.",
    options=(
        Option("path", "str", "Their path; a route's own path where the route has one.", default="/", form=_path),
        Option("port", "int", "A port of the service; by default the first that speaks HTTP.", low=1, high=65535),
        Option(
            "requests",
            "int",
            "How many from each cluster; C(verify_requests) by default. V(0) leaves the policy out.",
            low=0,
            high=100_000,
        ),
    ),
)
POLICY = (
    Option(
        "service",
        "str",
        "The service, as C(name.namespace), or the global name C(name.namespace.global).",
        required=True,
        form=_service,
    ),
    Option(
        "global",
        "bool",
        "Whether every cluster also has the name C(name.namespace.global), which all pods of the service in the mesh "
        "serve, under one address. The policy holds for both names.",
    ),
    Option("from", "list", "The clusters whose callers it is for; all by default."),
    *RULES,
    _ROUTES,
    _VERIFY,
)
"""The keys of one policy."""
