# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of names that several clusters may answer: the front door's address, and exported services.

Which calls are made, which clusters may answer each, and how one is judged. Who answers is the proof of "nearest".
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import urllib.parse

from ..inventory.fleet import Fleet
from ..multicluster.exports import Export
from ..multicluster.front_door import FrontDoor
from ..peering.graph import may_call
from ..traffic.seen import Port
from .calls import Answer, Call, expected_identity
from .facts import OK, SKIPPED, Check

__all__ = [
    "CONTROLLER",
    "EXPORTED",
    "FRONT_DOOR",
    "MESH_TLS",
    "NOT_CALLED",
    "REDIRECTS",
    "NameCall",
    "Offered",
    "about_redirect",
    "called_host",
    "door_calls",
    "export_calls",
    "judge_name",
    "nearest",
    "not_from_here",
    "redirected",
]

FRONT_DOOR = "front door"
EXPORTED = "exported"
MESH_TLS = "exported, mutual TLS"
"""How a call goes, as the table calls it."""
NOT_CALLED = "name"
"""The group of checks that say why a name was not called, or not from this machine."""
REDIRECTS = frozenset((301, 302, 303, 307, 308))
"""Statuses by which a load balancer sends a caller on to HTTPS (RFC 9110, section 15.4)."""
CONTROLLER = "controller"
"""The caller of a call that this machine makes."""

_OF_BALANCER = re.compile(
    r"default backend - 404|That(\u2019|'|&#39;)s (all we know|an error)|was not found on this server|"
    r"response 404 \(backend NotFound\)",
    re.IGNORECASE,
)
"""What Google's load balancer says itself: while it has no routes yet, and for what no route matches."""
_UNRESOLVED = re.compile(r"could not be resolved")
_ENDED = re.compile(r"closed the connection|connection termination|connection reset", re.I)
_NOWHERE = re.compile(
    r"refused the connection|no healthy|connection refused|connect error: 111|connection failure", re.I
)


@dataclasses.dataclass(frozen=True)
class NameCall:
    """One call, before it is made."""

    kind: str
    caller: str
    url: str
    name: str
    """What is called, as a person would write it."""
    service: str
    """``name.namespace`` of the service behind it."""
    may_answer: tuple[str, ...]
    """Clusters of which one must answer, if the answer names its cluster."""
    host: str = ""
    """The Host header where it is not the URL's."""
    identity: str = ""
    """The caller's, as the callee must see it; "" where the mesh's certificates are not asked for."""
    allowed: bool = True
    """Whether the caller may call it. If not, no answer may come."""
    by_mesh: bool = False
    """Whether the mesh makes the name, not a provider."""
    by: str = ""
    """What the front door is, as ``Provider.front_door`` says; "" for another name."""
    redirects: bool = False
    """Whether the front door is told to send it on to HTTPS."""
    certified: bool = False
    """Whether somebody calls the same by HTTPS: a certificate is for the host."""

    reads: bool | None = None
    """Whether the caller's istiod reads ServiceExports and so makes the name known; None where it need not."""
    primary: str = ""
    """The cluster of that istiod; "" for the caller."""

    @property
    def by_https(self) -> bool:
        return self.url.startswith("https://")

    @property
    def secured(self) -> str:
        """The same by HTTPS, as a caller knows it."""
        parts = urllib.parse.urlsplit(self.url)
        return f"https://{self.host or parts.netloc}{parts.path}"

    @property
    def key(self) -> str:
        """How :func:`..workloads.probe.call_command` knows it."""
        return f"{self.url} {self.host}" if self.host else self.url


@dataclasses.dataclass(frozen=True)
class Offered:
    """A service as clusters have it."""

    ready: tuple[str, ...] = ()
    """Clusters with a ready pod of it."""
    exported: tuple[str, ...] = ()
    """Clusters that export it."""
    ports: tuple[Port, ...] = ()


def nearest(fleet: Fleet, caller: str, serving: t.Iterable[str]) -> tuple[str, ...]:
    """The clusters of ``serving`` of which one must answer a caller that is led to the nearest.

    A load balancer for the world knows regions: those of the caller's own come first, and it spreads calls over them.
    Where none is there, only the provider knows which is near. Of clusters without region only the caller is near.
    """
    served = list(serving)
    region = fleet.clusters[caller].region if caller in fleet.clusters else ""
    near = [n for n in served if n == caller or (region and fleet.clusters[n].region == region)]
    return tuple(near or served)


def door_calls(
    fleet: Fleet,
    door: FrontDoor,
    address: str,
    offered: t.Mapping[str, Offered],
    callers: t.Iterable[str],
    *,
    by: str = "google",
    https: t.Collection[str] = (),
) -> list[NameCall]:
    """A call of each route from each caller.

    Args:
        address: the front door's.
        offered: by ``name.namespace``.
        callers: clusters, and :data:`CONTROLLER`.
        by: what the front door is, as ``Provider.front_door`` says.
        https: the hosts that are called by HTTPS too: by the controller, and by the clusters of a front door of ours
            beside them.
    """
    at = f"[{address}]" if ":" in address else address
    found = []
    for caller in callers:
        for route in door.routes:
            ready = offered.get(route.service, Offered()).ready
            serving = [n for n in ready if route.clusters is None or n in route.clusters]
            host = called_host(route.host)
            # Machines of the user's know no caller by its cluster.
            may = tuple(serving) if by == "files" else nearest(fleet, caller, serving)
            certified = host in https if by != "google" else bool(host and door.certificates)
            redirects = door.https_redirect and bool(door.certificates)
            secured = host in https and (caller == CONTROLLER or by == "engine")
            for scheme in ("http", "https") if secured else ("http",):
                url = f"{scheme}://{at}{route.path}"
                shown = f"{'https://' if scheme == 'https' else ''}{host}{route.path} at {address}" if host else url
                call = NameCall(FRONT_DOOR, caller, url, shown, route.service, may, host, by=by)
                found.append(dataclasses.replace(call, redirects=redirects, certified=certified))
    return found


def called_host(host: str) -> str:
    """The name that is called for a route's host: one that its wildcard covers."""
    return host.replace("*", "mesh-verify", 1)


def export_calls(
    fleet: Fleet,
    exports: t.Iterable[Export],
    offered: t.Mapping[str, Offered],
    callers: t.Iterable[str],
    by_mesh: t.Collection[str] = (),
    reads: t.Mapping[str, bool | None] | None = None,
) -> tuple[list[NameCall], list[Check]]:
    """A call of each exported service from each cluster that it is for; and what cannot be called.

    By the name of the set any exporting cluster answers. With the mesh's certificates the mesh chooses, among the
    clusters that the caller's watches.

    Args:
        by_mesh: clusters in which the mesh makes the names, so that calls always carry its certificates, and a cluster
            that a service is not for does not know its name.
        reads: by primary, whether its istiod reads ServiceExports, where services are kept in their clusters.
    """
    known = reads or {}
    calls: list[NameCall] = []
    skipped: list[Check] = []
    clusters = list(callers)
    for export in exports:
        whole = offered.get(export.service, Offered())
        for caller in clusters:
            mesh = caller in by_mesh
            # A provider's set of clusters is one, and that of the mesh is another.
            it = dataclasses.replace(whole, exported=tuple(n for n in whole.exported if (n in by_mesh) == mesh))
            allowed = export.reaches(caller) or (mesh and caller in it.exported)
            if not allowed and (not mesh or _shared(fleet, caller, export, it)):
                continue
            call, why = _export_call(fleet, export, it, caller, allowed=allowed, mesh=mesh)
            if call is not None:
                primary = fleet.clusters[caller].primary
                calls.append(dataclasses.replace(call, reads=known.get(primary), primary=primary) if mesh else call)
            elif allowed:
                skipped.append(Check(NOT_CALLED, f"{caller} → {export.host}", SKIPPED, why, (caller,)))
    return calls, skipped


def _export_call(
    fleet: Fleet, export: Export, it: Offered, caller: str, *, allowed: bool, mesh: bool
) -> tuple[NameCall | None, str]:
    """The call, or why there is none."""
    port, secured = next((port for port in it.ports if port.is_http), None), export.mtls or mesh
    may = tuple(n for n in it.ready if n in it.exported)
    if secured:
        may = tuple(n for n in it.ready if n == caller or may_call(fleet, caller, n))
    if not it.exported:
        return None, "no cluster of this run exports it"
    if not set(it.exported) & set(it.ready):
        return None, f"no pod of it is ready in {', '.join(it.exported)}"
    if port is None:
        return None, "none of its ports says that it speaks HTTP: name it http, or set appProtocol: http"
    if not may:
        return None, f"{caller} may call no cluster that has a ready pod of it"
    url = f"http://{export.host}:{port.number}/"
    if not allowed:
        return NameCall(EXPORTED, caller, url, export.host, export.service, (), allowed=False), ""
    kind, identity = (MESH_TLS, expected_identity(fleet, caller)) if secured else (EXPORTED, "")
    return NameCall(kind, caller, url, export.host, export.service, may, identity=identity, by_mesh=mesh), ""


def _shared(fleet: Fleet, caller: str, export: Export, offered: Offered) -> bool:
    """Whether the istiod of a cluster that the service is not for configures one that it is for too."""
    primary = fleet.clusters[caller].primary
    with_it = [name for name, cluster in fleet.clusters.items() if cluster.primary == primary]
    return any(export.reaches(name) or name in offered.exported for name in with_it)


def judge_name(call: NameCall, answer: Answer) -> Call:
    """The call as it ended."""
    seen, means, step = _judged(call, answer) if call.allowed else _judged_forbidden(call, answer)
    return Call(
        call.caller,
        answer.cluster if answer.cluster and not step else call.service,
        call.name,
        expected=call.allowed,
        ok=not step,
        seen=seen,
        identity=answer.identity,
        path=call.kind,
        status=answer.status,
        latency_ms=answer.latency_ms,
        means=means,
        next_step=step,
        said=answer.said,
    )


def redirected(call: NameCall, answer: Answer) -> Check | None:
    """What a call that was sent on to HTTPS proves, and who goes there; None for another answer.

    It proves nothing of the service: the front door answered by itself, or what stands before it.
    """
    if call.kind != FRONT_DOOR or call.by_https or not _to_https(call, answer):
        return None
    if call.certified:
        who = f"{CONTROLLER} alone calls that" if call.by == "files" else "every cluster calls that"
    else:
        why = "no certificate is for the host" if call.host else "its route has no host"
        who = f"nobody calls that: {why}"
    seen = f"it redirects to {answer.location} (status {answer.status}); {who}"
    name = f"{call.caller} → {call.name}"
    if call.redirects:
        return Check(FRONT_DOOR, name, OK, seen, ())
    return Check(NOT_CALLED, name, SKIPPED, f"{seen}, and front_door_https_redirect is not set", ())


def _to_https(call: NameCall, answer: Answer) -> bool:
    """Whether an answer leads to the same page by HTTPS."""
    if answer.status not in REDIRECTS:
        return False
    try:
        found, wanted = urllib.parse.urlsplit(answer.location), urllib.parse.urlsplit(call.secured)
        where = (found.scheme, found.hostname, found.port or 443, found.path or "/")
    except ValueError:
        return False
    return where == (wanted.scheme, wanted.hostname, wanted.port or 443, wanted.path or "/")


def about_redirect(call: NameCall, answer: Answer) -> tuple[str, str, str] | None:
    """What is wrong with a front door's redirect, or that it is missing: seen, means, next step; None if nothing is."""
    to_https = _to_https(call, answer)
    means = (
        "something behind the front door sends callers on to HTTPS, and the front door calls it by HTTP whatever its "
        "callers do"
    )
    step = (
        f"look in the clusters for a Gateway with httpsRedirect for {call.host or 'any host'}, and for a redirect of "
        f"{call.service} itself, and take it away: front_door_https_redirect does the same; then verify again"
    )
    if call.by_https and call.by in ("engine", "files"):
        # Google's load balancer calls pods without a gateway.
        step += (
            f". If {call.service} goes by X-Forwarded-Proto, the ingress gateways told it http: let them trust the "
            "front door (numTrustedProxies: 1 by gateways_ingress_values, see docs/front-door.md)"
        )
    if to_https and call.by_https:
        return f"{answer.status} to {answer.location}, which is the same again: callers never arrive", means, step
    if to_https and not call.redirects and call.by == "engine" and not call.certified:
        return f"{answer.status} to {answer.location}, where no certificate is for the host", means, step
    # Of a load balancer of Google's, the redirect may come later than its routes.
    answered = answer.status in REDIRECTS or (call.by in ("engine", "files") and 200 <= answer.status < 300)
    if call.redirects and not call.by_https and not to_https and answered:
        led = f"{answer.status} to {answer.location or 'nowhere'}" if answer.status in REDIRECTS else f"{answer.status}"
        return (
            f"{led}, expected a redirect to {call.secured}",
            "callers by HTTP are not led to the same page by HTTPS, as front_door_https_redirect says",
            "run the front_door stage, and see what else stands before the front door; then verify again",
        )
    return None


def not_from_here(call: Call) -> Check:
    """A call that this machine could not make: who may reach the front door is not for it to say."""
    seen = f"this machine does not reach it: {call.seen}"
    return Check(NOT_CALLED, f"{CONTROLLER} → {call.service}", SKIPPED, seen, ())


def _judged_forbidden(call: NameCall, answer: Answer) -> tuple[str, str, str]:
    """The same of a call that no answer may come to."""
    if not answer.made:
        return answer.what or "no answer", *_cause(call, answer)
    if not 200 <= answer.status < 500:
        return f"no answer: {answer.what or f'status {answer.status}'}", "", ""
    return (
        f"{answer.status} from {answer.cluster or 'a service that does not name its cluster'}, expected no answer",
        f"{call.service} is not for {call.caller} by mesh_exports, and something there knows its name all the same",
        f"run the services stage with --limit {call.caller}; then look for ServiceEntries of others, and for a zone in "
        "its DNS, that name it",
    )


def _judged(call: NameCall, answer: Answer) -> tuple[str, str, str]:
    """What was seen, what it means and the next step; two empty texts where it is well."""
    wrong = about_redirect(call, answer) if call.kind == FRONT_DOOR else None
    if wrong:
        return wrong
    if not 200 <= answer.status < 500 or _OF_BALANCER.search(answer.said) or _of_envoy(call, answer):
        return answer.what or f"status {answer.status or 'no answer'}", *_cause(call, answer)
    seen = f"{answer.status} from {answer.cluster or 'a service that does not name its cluster'}"
    seen += f" in {answer.latency_ms:.0f} ms"
    if answer.cluster and answer.cluster not in call.may_answer:
        seen += f", expected {' or '.join(call.may_answer) or 'no answer'}"
        return seen, *_elsewhere(call, answer.cluster)
    if call.identity and answer.cluster and answer.identity != call.identity:
        seen += f", identity {answer.identity or 'none'}, expected {call.identity}"
        return (
            seen,
            f"the call was not mutual TLS: {call.caller}'s sidecar does not know {call.name} as a name of the mesh, or "
            "the pod that answered has no sidecar",
            f"run the services stage with --limit {call.caller}; see whether all pods of {call.service} have a sidecar",
        )
    return seen, "", ""


def _of_envoy(call: NameCall, answer: Answer) -> bool:
    """Whether a front door of ours has no route for it: its own 404 says nothing."""
    return call.by in ("engine", "files") and answer.status == 404 and not answer.said and not answer.cluster


def _elsewhere(call: NameCall, cluster: str) -> tuple[str, str]:
    if call.by == "engine":
        near = " or ".join(call.may_answer) or "a cluster with ready pods"
        return (
            f"the front door led a caller in {call.caller} past {near}: it takes the pods there for unhealthy, or "
            "knows another region for the caller",
            "see health and clusters in front_door_routes, and front_door_regions; run the front_door stage, then "
            "verify again",
        )
    if call.kind == FRONT_DOOR and call.may_answer:
        near = " or ".join(call.may_answer)
        return (
            f"the load balancer led a caller in {call.caller} past {near}: it takes the pods there for unhealthy or "
            "full, or has not got them yet",
            f"see the load balancer's health of the backends in {near}, and health in front_door_routes; then verify "
            "again",
        )
    return (
        f"pods of {cluster} answer for {call.service}, where no pod of it is ready by its API server, or which does "
        "not export it",
        f"look for other exports of {call.service}, and for two clusters of one name; then verify again",
    )


def _cause(call: NameCall, answer: Answer) -> tuple[str, str]:
    """What a call without the service's answer means, and the next step."""
    if not answer.made:
        return (
            "the call could not be made, so nothing is known of the name",
            f"see the probe's pod of {call.caller}, then verify again",
        )
    words = f"{answer.what} {answer.said}"
    if call.by == "engine":
        return _cause_of_local_door(call, answer)
    return _cause_of_door(call, answer) if call.kind == FRONT_DOOR else _cause_of_export(call, answer, words)


def _cause_of_local_door(call: NameCall, answer: Answer) -> tuple[str, str]:
    again = "run the front_door stage, which waits until the routes are healthy; then verify again"
    if answer.status == 404:
        return "the front door has no route for it, or another one than front_door_routes says", again
    if answer.status == 502 and not answer.said:
        return (
            f"{call.caller}'s sidecar does not let its pods call addresses outside the mesh (outboundTrafficPolicy "
            "REGISTRY_ONLY)",
            "call the address from outside of the mesh; to prove it from within, allow it by a ServiceEntry",
        )
    if answer.status == 503:
        return (
            f"no cluster behind the front door has a healthy {call.service}: its health check asks the gateways for "
            "the route's host and path, and takes statuses 200 to 399",
            f"see the pods of {call.service}, and health in front_door_routes; {again}",
        )
    if answer.status:
        return f"{call.service} itself answers with an error", f"see the log of {call.service}"
    means = "nothing answers at the front door's address, or its certificate is not for that name"
    if call.by_https and call.caller != CONTROLLER:
        means += f"; or {call.caller}'s sidecar does not let its pods call addresses outside the mesh, as by HTTP"
    return means, again


def _cause_of_door(call: NameCall, answer: Answer) -> tuple[str, str]:
    if answer.status == 404:
        return (
            "the load balancer answers itself: it has not got the routes yet, or none of them matches",
            "Google needs up to ten minutes after a change: verify again; then see front_door_routes, and the events "
            "of the MultiClusterIngress",
        )
    if answer.status == 502 and not answer.said:
        return (
            f"{call.caller}'s sidecar does not let its pods call addresses outside the mesh (outboundTrafficPolicy "
            "REGISTRY_ONLY), or the load balancer has no healthy backend",
            "call the address from outside of the mesh; to prove it from within, allow it by a ServiceEntry",
        )
    if answer.status in (502, 503):
        return (
            f"the load balancer has no healthy pod of {call.service}, or has not found one yet",
            "see the health of its backends: health in front_door_routes must name a path that answers 200, and a "
            "firewall must let 130.211.0.0/22 and 35.191.0.0/16 to the pods; PeerAuthentication STRICT refuses its "
            "plain HTTP; then verify again",
        )
    if answer.status:
        return (f"{call.service} itself answers with an error", f"see the log of {call.service}")
    return (
        "nothing answers at the front door's address: the load balancer is not there yet, or packets to it are dropped",
        "Google needs up to ten minutes after the address is there: verify again, or raise verify_front_door_timeout",
    )


def _cause_of_istiods_name(call: NameCall, primary: str, namespace: str) -> tuple[str, str]:
    """The same of a name that istiod makes known, by mesh_unexported_services: own_cluster."""
    if not call.reads:
        return (
            f"an istiod of {primary} does not read ServiceExports, or not with all its pods yet, and nothing else "
            "makes the name known there; one of another revision counts too",
            f"run the control_plane stage with --limit {primary}, uninstall an istiod of another revision that still "
            "runs, then run the services stage; then verify again",
        )
    return (
        f"the sidecar of {call.caller} does not know the name: the istiod of {primary} has no ServiceImport of it "
        "(of a headless service: no ServiceEntry), or sidecars do not resolve names (control_plane_dns_capture)",
        f"run the services stage, then kubectl -n {namespace} get serviceimports,serviceentries in {primary}",
    )


def _cause_of_export(call: NameCall, answer: Answer, words: str) -> tuple[str, str]:
    namespace = call.service.partition(".")[2]
    primary = call.primary or call.caller
    if _UNRESOLVED.search(words) and call.by_mesh and call.reads is not None:
        return _cause_of_istiods_name(call, primary, namespace)
    if _UNRESOLVED.search(words) and call.by_mesh:
        return (
            f"the sidecar of {call.caller} does not know the name: no ServiceEntry names it there (for a remote in its "
            "primary), or sidecars do not resolve names (control_plane_dns_capture)",
            f"run the services stage, then kubectl -n {namespace} get serviceentries,serviceimports in {call.caller}",
        )
    if _UNRESOLVED.search(words):
        return (
            f"the DNS of {call.caller} does not know the name: the service is not imported there, or its DNS does not "
            "serve clusterset.local yet",
            f"kubectl -n {namespace} get serviceimports.net.gke.io, in {call.caller}; the first import takes up to "
            "five minutes; then run the services stage, and verify again",
        )
    if _ENDED.search(words) and call.kind == EXPORTED:
        return (
            f"a pod of {call.service} ended the connection: it takes mutual TLS alone (PeerAuthentication STRICT), and "
            f"by this name the sidecar of {call.caller} sends plain text",
            "set mtls: true for it in mesh_exports and run the services stage, or let the pods take plain text",
        )
    if call.kind == MESH_TLS and (answer.status == 503 or _NOWHERE.search(words)):
        return (
            f"{call.caller}'s sidecar knows the name, but has no endpoint of {call.service} that it reaches",
            "see the checks synced and endpoints, and the calls of the probes; then run the peering stage with --limit "
            f"{','.join(dict.fromkeys([call.caller, *call.may_answer]))}",
        )
    if answer.status == 503 or _NOWHERE.search(words):
        return (
            f"the name resolves, but nothing is behind it: {call.caller} has no endpoint of {call.service} yet, or its "
            "pods do not reach those addresses",
            f"see the pods of {call.service} in {', '.join(call.may_answer)}, and the firewall between the ranges of "
            "pods; then verify again",
        )
    if answer.status:
        return (f"{call.service} itself answers with an error", f"see the log of {call.service}")
    return (
        f"packets to the pods of {call.service} get no answer: a firewall, or no route between the clusters' networks",
        f"let the pods of {call.caller} reach those of {', '.join(call.may_answer)}: multi-cluster services need one "
        "network; then verify again",
    )
