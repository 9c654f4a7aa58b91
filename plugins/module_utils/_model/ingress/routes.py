# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes into the mesh, of ``ingress_routes``: a host and a path, the service behind them, the certificate."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, shown
from ..inventory.unknown_keys import unknown_keys
from ..inventory.values import LABEL
from ..multicluster.exports import read_port, split_service, unknown_clusters
from ..multicluster.front_door import read_host

__all__ = [
    "APIS",
    "CERTIFICATES",
    "GATEWAY_API",
    "GIVEN",
    "ISSUER",
    "ISTIO",
    "ROUTES",
    "SECRET",
    "Certificate",
    "Route",
    "Site",
    "read_routes",
    "sites",
]

ROUTES, CERTIFICATES = "ingress_routes", "ingress_certificates"
ISTIO, GATEWAY_API = "istio", "gateway"
APIS = (ISTIO, GATEWAY_API)
"""Whose objects a route becomes: Istio's own, or those of the Kubernetes Gateway API."""
SECRET, GIVEN, ISSUER = "certificate_secret", "certificate", "certificate_issuer"
"""Where a certificate comes from, each the key of a route."""

_KEYS = ("host", "path", "service", "port", "clusters", "api", GIVEN, SECRET, ISSUER, "https_redirect")
_ISSUER_KEYS = ("name", "kind", "group")
_READABLE = 40
"""Characters of a host in the name of its objects."""
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What a host shows to HTTPS.

    ``source`` is SECRET (``name`` is a Secret beside the gateway), GIVEN (``name`` is a key of
    ``ingress_certificates``) or ISSUER (``name``, ``kind`` and ``group`` are those of cert-manager's issuer).
    """

    source: str
    name: str
    kind: str = ""
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Route:
    """Which requests go to which service. ``host`` "": any; ``port`` 0: the Service's first; ``clusters`` None: all."""

    name: str
    namespace: str
    host: str = ""
    path: str = "/"
    port: int = 0
    clusters: tuple[str, ...] | None = None
    api: str = ISTIO
    certificate: Certificate | None = None
    https_redirect: bool = False

    @property
    def service(self) -> str:
        return f"{self.name}.{self.namespace}"

    @property
    def called(self) -> str:
        """How a person calls it."""
        return f"{self.host or 'any host'}{self.path}"

    def reaches(self, cluster: str) -> bool:
        """Whether the route is in a cluster."""
        return self.clusters is None or cluster in self.clusters


@dataclasses.dataclass(frozen=True)
class Site:
    """All routes of one host in a cluster, the longest path first; they share api, certificate and redirect."""

    host: str
    routes: tuple[Route, ...]

    @property
    def api(self) -> str:
        return self.routes[0].api

    @property
    def certificate(self) -> Certificate | None:
        return self.routes[0].certificate

    @property
    def https_redirect(self) -> bool:
        return self.routes[0].https_redirect

    @property
    def name(self) -> str:
        """Of its objects. No two hosts have the same: a digest tells apart what is equal without dots and stars.

        Istio takes no name of a Gateway that has a dot or more than 63 characters.
        """
        if not self.host:
            return "ingress"
        readable = self.host.replace("*", "any").replace(".", "-")[:_READABLE].rstrip("-")
        return f"ingress-{readable}-{hashlib.sha256(self.host.encode()).hexdigest()[:8]}"

    @property
    def secret(self) -> str:
        """The Secret with its certificate; "" without HTTPS."""
        found = self.certificate
        if found is None:
            return ""
        names = {SECRET: found.name, GIVEN: given_secret(found.name), ISSUER: f"{self.name}-tls"}
        return names[found.source]


def given_secret(name: str) -> str:
    """The Secret that holds a certificate of ``ingress_certificates``."""
    return f"ingress-certificate-{name}"


def sites(routes: t.Iterable[Route], cluster: str) -> list[Site]:
    """The hosts of a cluster, by name."""
    found: dict[str, list[Route]] = {}
    for route in routes:
        if route.reaches(cluster):
            found.setdefault(route.host, []).append(route)
    return [
        Site(host, tuple(sorted(some, key=lambda route: (-len(route.path), route.path))))
        for host, some in sorted(found.items())
    ]


def read_routes(
    given: t.Any, clusters: t.Mapping[str, str], certificates: t.Collection[str] | None = None
) -> tuple[list[Route], list[Problem]]:
    """``ingress_routes`` as data, without what cannot be read, and all problems of it.

    Args:
        given: a list of dictionaries with the keys _KEYS.
        clusters: by name of a cluster, the one whose control plane configures its gateway: itself, or its primary.
        certificates: names in ``ingress_certificates``; None if they are not known.
    """
    problems: list[Problem] = []
    if not isinstance(given, (list, tuple)):
        if given:
            hint = "[{host: shop.example, service: web.shop}]"
            problems.append(Problem("", ROUTES, shown(given), "is no list of routes", hint))
        return [], problems
    read = [(f"{ROUTES}[{i}]", _route(entry, i, clusters, certificates, problems)) for i, entry in enumerate(given)]
    parsed = [(where, route) for where, route in read if route is not None]
    problems += _agree(parsed, clusters)
    return [route for _where, route in parsed], problems


def _agree(routes: t.Sequence[tuple[str, Route]], clusters: t.Iterable[str]) -> list[Problem]:
    """Routes of one host and path, and hosts whose routes differ in what a host has once."""
    problems: list[Problem] = []
    first: dict[str, Route] = {}
    by_path: dict[tuple[str, str], list[Route]] = {}
    for where, route in routes:
        here = set(clusters if route.clusters is None else route.clusters)
        same = by_path.setdefault((route.host, route.path), [])
        other = next((one for one in same if here & set(clusters if one.clusters is None else one.clusters)), None)
        if other:
            goes = f"repeats a host and path: {route.called} goes to {other.service} already"
            problems.append(Problem("", where, "", goes, "keep one of them, or give them different clusters"))
        same.append(route)
        model = first.setdefault(route.host, route)
        for key, mine, theirs in (
            ("api", route.api, model.api),
            ("certificate", route.certificate, model.certificate),
            ("https_redirect", route.https_redirect, model.https_redirect),
        ):
            if mine != theirs:
                message = f"gives {route.host or 'any host'} another {key} than an earlier route: a host has one"
                problems.append(Problem("", where, "", message, "give it the same in all routes of the host"))
    return problems


def _route(
    entry: t.Any,
    number: int,
    clusters: t.Mapping[str, str],
    certificates: t.Collection[str] | None,
    problems: list[Problem],
) -> Route | None:
    where = f"{ROUTES}[{number}]"
    if not isinstance(entry, t.Mapping):
        hint = "{host: shop.example, service: web.shop}"
        problems.append(Problem("", where, shown(entry), "is not a dictionary", hint))
        return None
    problems += unknown_keys(entry, _KEYS, where)
    name, namespace = split_service(entry.get("service"), f"{where}.service", problems)
    host = read_host(entry.get("host"), f"{where}.host", problems)
    path = str(entry.get("path") or "/")
    if not path.startswith("/") or "//" in path or any(sign in path for sign in "*?#% "):
        hint = "it begins with / and holds no *, ?, #, % or //; paths below it are included"
        problems.append(Problem("", f"{where}.path", shown(path), "is no path", hint))
    api = entry.get("api") or ISTIO
    if api not in APIS:
        hint = f"{ISTIO} (Gateway and VirtualService), or {GATEWAY_API} (Gateway and HTTPRoute of the Gateway API)"
        problems.append(Problem("", f"{where}.api", shown(api), "is no API", hint))
        api = ISTIO
    wanted = _clusters(entry.get("clusters"), f"{where}.clusters", clusters, problems)
    port = read_port(entry.get("port"), f"{where}.port", problems, "a port of the Service, from 1 to 65535")
    certificate = _certificate(entry, where, certificates, problems)
    redirect = _redirect(entry.get("https_redirect"), f"{where}.https_redirect", certificate, problems)
    if not name or host is None:
        return None
    path = path if path == "/" else path.rstrip("/")
    return Route(name, namespace, host, path, port, wanted, str(api), certificate, redirect)


def _clusters(
    given: t.Any, where: str, clusters: t.Mapping[str, str], problems: list[Problem]
) -> tuple[str, ...] | None:
    if given is None or given == "all":
        return None
    if not isinstance(given, (list, tuple)) or not given:
        hint = "[west, north]; leave it out for all of them"
        problems.append(Problem("", where, shown(given), "is no list of clusters", hint))
        return None
    problems += unknown_clusters(given, where, clusters)
    for name in map(str, given):
        primary = clusters.get(name, name)
        if primary != name and primary not in given:
            message = f"names a remote without its primary: {primary} configures the gateway of {name}"
            problems.append(Problem("", where, shown(name), message, f"name {primary}; its routes are {name}'s too"))
    return tuple(str(name) for name in given)


def _redirect(given: t.Any, where: str, certificate: Certificate | None, problems: list[Problem]) -> bool:
    text = str(given if given is not None else False).lower()
    if text not in (*_TRUE, *_FALSE):
        problems.append(Problem("", where, shown(given), "is no boolean", "true or false"))
    if text in _TRUE and certificate is None:
        message = "is set without a certificate: there is no HTTPS to redirect to"
        problems.append(Problem("", where, "", message, f"give the route {GIVEN}, {SECRET} or {ISSUER}"))
        return False
    return text in _TRUE


def _certificate(
    entry: t.Mapping[str, t.Any], where: str, certificates: t.Collection[str] | None, problems: list[Problem]
) -> Certificate | None:
    named = [key for key in (SECRET, GIVEN, ISSUER) if entry.get(key)]
    if len(named) > 1:
        message = f"has {' and '.join(named)}: a host has one certificate"
        problems.append(Problem("", where, "", message, "keep one of them"))
    if not named:
        return None
    key = named[0]
    if key == ISSUER:
        return _issuer(entry[key], f"{where}.{key}", entry.get("host") is None, problems)
    name = entry[key]
    form = LABEL if key == GIVEN else _NAME
    if not isinstance(name, str) or not form.fullmatch(name):
        kind = f"a key of {CERTIFICATES}" if key == GIVEN else "the name of a Secret in the gateway's namespace"
        problems.append(Problem("", f"{where}.{key}", shown(name), "is no name", f"{kind}, for example shop-tls"))
        return None
    if key == GIVEN and certificates is not None and name not in certificates:
        guess = Nearest(tuple(certificates)).find(name)
        how = f"add it: {CERTIFICATES}: {{{name}: {{certificate: PEM, key: PEM}}}}"
        hint = f"did you mean {guess}?" if guess else how
        problems.append(Problem("", f"{where}.{key}", shown(name), f"is not in {CERTIFICATES}", hint))
        return None
    return Certificate(key, name)


def _issuer(given: t.Any, where: str, any_host: bool, problems: list[Problem]) -> Certificate | None:
    found = {"name": given} if isinstance(given, str) else given
    sound = isinstance(found, t.Mapping) and found.get("name") and not set(found) - set(_ISSUER_KEYS)
    if not sound or not all(isinstance(value, str) and value for value in found.values()):
        hint = "{name: letsencrypt, kind: ClusterIssuer}; kind is Issuer where it is left out"
        problems.append(Problem("", where, shown(given), "is no issuer", hint))
        return None
    if any_host:
        message = "is given without a host: cert-manager must know for which name the certificate is"
        problems.append(Problem("", where, "", message, "give the route a host"))
        return None
    return Certificate(ISSUER, found["name"], found.get("kind") or "Issuer", found.get("group") or "cert-manager.io")
