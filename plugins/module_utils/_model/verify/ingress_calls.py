# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of routes into the mesh, at the ingress gateways: which are made, and how one is judged.

The controller makes them: callers of a route are outside the mesh. Where it reaches no gateway, nothing is proven, and
that is said.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..ingress.certificates import covers
from ..ingress.routes import Route
from .calls import Call
from .facts import SKIPPED, Check
from .name_calls import CONTROLLER, NOT_CALLED, REDIRECTS

__all__ = ["INGRESS", "Entrance", "IngressCall", "Reply", "ingress_calls", "judge_ingress", "not_reached", "page_of"]

INGRESS = "ingress"
"""How a call goes, as the table calls it."""
_HTTP, _HTTPS = 80, 443


@dataclasses.dataclass(frozen=True)
class Entrance:
    """An ingress gateway as callers outside reach it. ``ports``: by the Service's port that at ``address``."""

    cluster: str
    address: str
    ports: t.Mapping[int, int] = dataclasses.field(default_factory=dict, hash=False)

    def at(self, port: int) -> int:
        return self.ports.get(port, port)


@dataclasses.dataclass(frozen=True)
class IngressCall:
    """One call, before it is made. ``host`` "": the route is for any."""

    cluster: str
    address: str
    port: int
    host: str
    path: str
    service: str
    https: bool = False
    redirected: bool = False
    """Whether the answer must send the caller on to HTTPS."""

    @property
    def name(self) -> str:
        """As a person would write it."""
        return f"{'https' if self.https else 'http'}://{self.host or self.address}{self.path} in {self.cluster}"


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came of a call.

    ``unreached``: this machine has no connection, for whatever lies between. ``error``: there was one, and no answer.
    """

    status: int = 0
    latency_ms: float = 0.0
    cluster: str = ""
    location: str = ""
    said: str = ""
    names: tuple[str, ...] = ()
    """For which the certificate is that was shown."""
    error: str = ""
    unreached: bool = False


def ingress_calls(
    routes: t.Iterable[Route], entrances: t.Iterable[Entrance], primaries: t.Mapping[str, str]
) -> list[IngressCall]:
    """A call of each route at each gateway that serves it: by HTTP, and by HTTPS where it has a certificate.

    Args:
        entrances: the gateways of the run's clusters.
        primaries: by cluster the one whose objects configure its gateway.
    """
    given = list(routes)
    found = []
    for entrance in entrances:
        for route in given:
            if not route.reaches(primaries[entrance.cluster]):
                continue
            # A name that a wildcard covers.
            host = route.host.replace("*", "mesh-verify", 1)
            for https in (False, True) if route.certificate else (False,):
                port = entrance.at(_HTTPS if https else _HTTP)
                redirected = route.https_redirect and not https
                found.append(
                    IngressCall(
                        entrance.cluster, entrance.address, port, host, route.path, route.service, https, redirected
                    )
                )
    return found


def judge_ingress(call: IngressCall, reply: Reply) -> Call:
    """The call as it ended."""
    seen, means, step = _judged(call, reply)
    return Call(
        CONTROLLER,
        reply.cluster if reply.cluster and not step else call.cluster,
        call.name,
        expected=True,
        ok=not step,
        seen=seen,
        path=INGRESS,
        status=reply.status,
        latency_ms=reply.latency_ms,
        means=means,
        next_step=step,
        said=reply.said,
    )


def not_reached(call: IngressCall, reply: Reply) -> Check:
    """A call that this machine could not make."""
    seen = f"this machine does not reach {call.address} port {call.port}: {reply.error}"
    return Check(NOT_CALLED, f"{CONTROLLER} → {call.name}", SKIPPED, seen, ())


def page_of(routes: t.Iterable[Route], service: str, cluster: str, address: str) -> str:
    """Where a service's page is by a route, for a browser; "" where no route leads to it."""
    for route in routes:
        if route.service == service and route.path == "/" and route.reaches(cluster) and "*" not in route.host:
            return f"{'https' if route.certificate else 'http'}://{route.host or address}/"
    return ""


def _judged(call: IngressCall, reply: Reply) -> tuple[str, str, str]:
    """What was seen, what it means and the next step; two empty texts where it is well."""
    again = f"run the ingress stage with --limit {call.cluster}, then verify again"
    if reply.error:
        if call.https:
            means = "the gateway serves no HTTPS for this host: it has not got the certificate, or not yet"
            return reply.error, means, f"see the host's Secret beside the gateway of {call.cluster}; {again}"
        return reply.error, "the gateway takes no HTTP yet, or its pods are not ready", again
    if call.https and call.host and not covers(reply.names, call.host):
        seen = f"the certificate is for {', '.join(reply.names[:3]) or 'no host'}"
        means = "the gateway shows a certificate of another host: somebody else's Gateway has this host, or any"
        return seen, means, f"look for other Gateways in {call.cluster} with this host; {again}"
    if call.redirected:
        if reply.status in REDIRECTS and reply.location.startswith("https://"):
            return f"{reply.status} to {reply.location}", "", ""
        return f"{reply.status}, expected a redirect to HTTPS", "the gateway has not got the redirect yet", again
    if reply.status == 404 and not reply.said:
        return "404 of the gateway itself", "it does not know the host or the path, or not yet", again
    if reply.status >= 500:
        seen = f"{reply.status} {reply.said}".strip()
        if reply.status == 503:
            means = f"the gateway has no pod of {call.service} that is ready, or may not call it"
            return seen, means, f"see the pods of {call.service}, and the checks synced and endpoints of {call.cluster}"
        return seen, f"{call.service} itself answers with an error", f"see the log of {call.service}"
    where = reply.cluster or "a service that does not name its cluster"
    return f"{reply.status} from {where} in {reply.latency_ms:.0f} ms", "", ""
