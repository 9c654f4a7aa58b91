# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of what peer meshes export: which are made, what an answer proves, and how long a peer's bundle is good."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..federation.bundle import Bundle
from ..federation.settings import Peer
from .calls import Answer, Call
from .facts import FAILED, SKIPPED, Check, check_of

__all__ = [
    "FEDERATED",
    "Knock",
    "Knocked",
    "PeerCall",
    "bundle_check",
    "judge_knock",
    "judge_peer",
    "knocks",
    "not_written",
    "peer_calls",
    "unread",
]

FEDERATED = "federated"
"""How such a call goes, as the table calls it; also the group of its checks."""
_LAST_DAYS = 7
"""From when on a bundle that ends is a failure; other stages warn earlier."""
_HTTP = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
_UNTRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED|TLS_error|certificate", re.IGNORECASE)
_UNRESOLVED = re.compile(r"could not be resolved")


@dataclasses.dataclass(frozen=True)
class PeerCall:
    """One call of a peer's service, before it is made."""

    caller: str
    domain: str
    """The peer's trust domain."""
    host: str
    port: int
    identities: tuple[str, ...]
    """One of them answers: proxies accept no other."""
    offered: str
    """The name by which the peer knows the service."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/"


def peer_calls(
    imports: t.Sequence[tuple[Peer, Bundle]], callers: t.Sequence[str]
) -> tuple[list[PeerCall], list[Check]]:
    """A call of each imported service from each caller; and what cannot be called."""
    calls, skipped = [], []
    for peer, bundle in imports:
        for offer in bundle.services:
            host = peer.name_here(offer.host)
            port = next((one.number for one in offer.ports if one.protocol in _HTTP), 0)
            for caller in callers:
                if port:
                    calls.append(PeerCall(caller, peer.trust_domain, host, port, offer.identities, offer.host))
                else:
                    why = "none of its ports speaks HTTP"
                    skipped.append(Check(FEDERATED, f"{caller} → {host}", SKIPPED, why, (caller,)))
    return calls, skipped


def judge_peer(call: PeerCall, answer: Answer) -> Call:
    """The call as it ended. A refusal by the peer's policy proves both certificates: the probe is no caller of it.

    Any other answer proves none: without our ServiceEntry a sidecar passes the call to whatever DNS names, and a status
    may be the sidecar's own. So no identity is named then.
    """
    words = f"{answer.what} {answer.said}"
    refused = answer.status == 403 and "RBAC" in words
    good = refused or (200 <= answer.status < 500 and not _UNTRUSTED.search(words))
    who = " or ".join(call.identities)
    if good:
        took = f"in {answer.latency_ms:.0f} ms"
        seen = (
            f"{answer.status} from {who} {took}: the probe is none of the callers that the peer permits"
            if refused
            else f"{answer.status} {took}: who answered is not shown; the bundle names {who}"
        )
        means = step = ""
    else:
        seen = answer.what or f"status {answer.status or 'no answer'}"
        means, step = _cause(call, answer, words)
    return Call(
        call.caller,
        call.domain,
        call.host,
        expected=True,
        ok=good,
        seen=seen,
        identity=answer.identity,
        path=FEDERATED,
        status=answer.status,
        latency_ms=answer.latency_ms,
        means=means,
        next_step=step,
        said=answer.said,
    )


@dataclasses.dataclass(frozen=True)
class Knock:
    """A call of what we export to a peer, by somebody without a certificate, before it is made."""

    host: str
    number: int
    """Of the service's port."""
    address: str
    """The gateway's."""
    port: int
    """The gateway's."""

    @property
    def sni(self) -> str:
        """The name in the handshake by which an east-west gateway finds the service."""
        return f"outbound_.{self.number}_._.{self.host}"


class Knocked(t.NamedTuple):
    """How it ended."""

    refused: bool | None
    """Whether for want of a certificate; None where nothing shows that."""
    seen: str


def knocks(own: t.Mapping[str, Bundle]) -> list[Knock]:
    """One at each gateway that leads to an exported service.

    Args:
        own: by the peer's trust domain our bundle for it.
    """
    found: dict[Knock, None] = {}
    for bundle in own.values():
        for offer in bundle.services:
            for gateway in bundle.gateways_of(offer):
                if offer.ports:
                    found[Knock(offer.host, offer.ports[0].number, gateway.address, gateway.port)] = None
    return list(found)


def judge_knock(knock: Knock, ended: Knocked, clusters: t.Sequence[str]) -> Check:
    """Only a refusal for want of a certificate proves that nobody is let in without one."""
    name = f"no certificate → {knock.host} at {knock.address}"
    if ended.refused is None:
        return Check(FEDERATED, name, SKIPPED, f"nothing is proven: {ended.seen}", tuple(clusters))
    return check_of(
        FEDERATED,
        name,
        ended.refused,
        "refused" if ended.refused else f"answered: {ended.seen}",
        tuple(clusters),
        f"whoever reaches {knock.address} calls {knock.host} without an identity: mutual TLS is not the rule there",
        "run the federation stage; then look for PeerAuthentications of others that are not STRICT",
    )


def not_written(domain: str, path: str, clusters: t.Sequence[str]) -> Check:
    """That our own bundle is not at hand, so that gateways and ports are not known."""
    seen = f"our bundle for it is not here ({path}): what we export was not called without a certificate"
    return Check(FEDERATED, domain, SKIPPED, seen, tuple(clusters))


def bundle_check(domain: str, days: int | None, clusters: t.Sequence[str]) -> Check:
    """Whether the bundle of a peer is there, and good for a while."""
    if days is None:
        return Check(FEDERATED, domain, SKIPPED, "its bundle is not there yet", tuple(clusters))
    return check_of(
        FEDERATED,
        domain,
        days >= _LAST_DAYS,
        f"its bundle ends in {days} days",
        tuple(clusters),
        "then runs are refused, and the peer may have another root by then",
        f"ask {domain} for a new bundle, put it where mesh_federation says, and run the site playbook",
    )


def unread(problem: str, step: str, clusters: t.Sequence[str]) -> Check:
    """That the bundles could not be read."""
    return Check(FEDERATED, "bundles", FAILED, problem, tuple(clusters), "no peer's service was called", step)


def _cause(call: PeerCall, answer: Answer, words: str) -> tuple[str, str]:
    """What a call without an answer means, and the next step."""
    if not answer.made:
        return (
            "the call could not be made, so nothing is known of the name",
            f"see the probe's pod of {call.caller}, then verify again",
        )
    if _UNRESOLVED.search(words):
        return (
            f"{call.caller}'s sidecar does not know the name",
            f"run the federation stage with --limit {call.caller}; then verify again",
        )
    if _UNTRUSTED.search(words):
        return (
            f"one side does not trust the other: {call.domain} has not got our bundle yet, a root was replaced, or "
            "what answers is none of the identities that its bundle names",
            f"exchange bundles with {call.domain} again, and run the site playbook; a pod that is older than the "
            "federation must start once more",
        )
    return (
        f"the gateway of {call.domain} does not answer, does not know {call.offered}, or refuses our certificate",
        f"see whether {call.caller} reaches its address at the port that the bundle names, and whether {call.domain} "
        "exports it still and has our bundle; then verify again",
    )
