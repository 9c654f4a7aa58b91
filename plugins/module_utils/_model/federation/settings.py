# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variable ``mesh_federation``: with which meshes a fleet exchanges roots, and what each of them may call."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..inventory.problems import Problem, shown
from ..inventory.unknown_keys import unknown_keys
from ..inventory.values import LABEL, dns_name

__all__ = ["GLOBAL", "OWN", "VARIABLE", "Export", "Peer", "is_federated", "read_peers"]

VARIABLE = "mesh_federation"
GLOBAL, OWN = "global", "own"
"""The names of a peer's services here: those that it offers, or with its trust domain in place of ``global``."""
_PEER_KEYS = ("trust_domain", "bundle", "names", "exports")
_EXPORT_KEYS = ("service", "callers")
_CALLER = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_NO_DOMAIN = "cluster.local"
"""Every mesh that names no trust domain has this one, and in policies Istio takes it for the mesh's own."""


@dataclasses.dataclass(frozen=True)
class Export:
    """A service that one peer may call."""

    name: str
    namespace: str
    callers: tuple[str, ...] = ()
    """The peer's accounts that may call it, as ``namespace/account``; empty for all of the peer's."""

    @property
    def host(self) -> str:
        return f"{self.name}.{self.namespace}.global"


@dataclasses.dataclass(frozen=True)
class Peer:
    """A mesh of another team."""

    trust_domain: str
    bundle: str
    """The file that it sent."""
    exports: tuple[Export, ...] = ()
    names: str = GLOBAL

    def name_here(self, offered: str) -> str:
        """The name under which our mesh calls what the peer offers as ``name.namespace.global``."""
        return f"{offered.removesuffix('.global')}.{self.trust_domain}" if self.names == OWN else offered


def is_federated(given: t.Any) -> bool:
    """Whether the variable is set: ``{peers: []}`` prepares a mesh whose peers are still to come."""
    return isinstance(given, t.Mapping) and bool(given)


def read_peers(given: t.Any, trust_domain: str) -> tuple[list[Peer], list[Problem]]:
    """The peers that the variable names, and what is wrong with it; a peer with a problem is left out.

    Args:
        given: the variable's value.
        trust_domain: the fleet's own.
    """
    problems: list[Problem] = []
    if not given:
        return [], problems
    if not isinstance(given, t.Mapping) or set(given) - {"peers"} or not isinstance(given.get("peers") or [], list):
        return [], [
            _problem(given, "is not a dictionary with the list peers", "{peers: [{trust_domain: east.example}]}")
        ]
    if trust_domain == _NO_DOMAIN:
        hint = "mesh_trust_domain: a name of your own, such as west.example, before the mesh is made"
        return [], [_problem(given, f"needs a trust domain that no other mesh has, not {_NO_DOMAIN}", hint)]
    peers: list[Peer] = []
    for number, one in enumerate(given.get("peers") or []):
        where = f"{VARIABLE}.peers[{number}]"
        peer = _read_peer(one, where, problems)
        if peer is None:
            continue
        shared = next((other for other in peers if other.trust_domain == peer.trust_domain), None)
        if peer.trust_domain == trust_domain:
            hint = "name the peer's: a domain belongs to one mesh alone"
            problems.append(_problem(trust_domain, "is our own trust domain", hint, f"{where}.trust_domain"))
        elif shared:
            hint = (
                "one entry for each: of two meshes with one domain each could speak for the other, so one of them must "
                "change its own"
            )
            message = "is a trust domain that an earlier peer has"
            problems.append(_problem(peer.trust_domain, message, hint, f"{where}.trust_domain"))
        else:
            peers.append(peer)
    return peers, problems


def _read_peer(one: t.Any, where: str, problems: list[Problem]) -> Peer | None:
    if not _has_keys(one, _PEER_KEYS, "trust_domain", "{trust_domain: east.example}", where, problems):
        return None
    domain = str(one["trust_domain"])
    if fault := dns_name(domain):
        problems.append(_problem(domain, fault.message, fault.hint, f"{where}.trust_domain"))
        return None
    names = one.get("names") or GLOBAL
    if names not in (GLOBAL, OWN):
        problems.append(_problem(names, "is none of its choices", f"{GLOBAL} or {OWN}", f"{where}.names"))
        return None
    if names == OWN and ("." not in domain or domain.endswith((".local", ".svc"))):
        # Else what a peer offers could be called till.shop.svc, and more that is our clusters' or everybody's.
        message = f"is not for the trust domain {domain}: names of clusters and of others could end in it"
        hint = f"names: {GLOBAL}, or a peer with a domain such as east.example"
        problems.append(_problem(names, message, hint, f"{where}.names"))
        return None
    bundle = one.get("bundle") or ""
    if not isinstance(bundle, str):
        problems.append(_problem(bundle, "is no file", "the path of one, relative to the inventory", f"{where}.bundle"))
        return None
    exports: list[Export] = []
    given = one.get("exports") or []
    if not isinstance(given, list):
        hint = "[{service: name.namespace, callers: [namespace/account]}]"
        problems.append(_problem(given, "is no list of exports", hint, f"{where}.exports"))
        return None
    for number, entry in enumerate(given):
        place = f"{where}.exports[{number}]"
        export = _read_export(entry, place, problems)
        if export is None:
            continue
        if export.host in {other.host for other in exports}:
            message = f"is exported to {domain} twice"
            problems.append(_problem(entry["service"], message, "put all callers into one entry", f"{place}.service"))
        else:
            exports.append(export)
    return Peer(domain, bundle, tuple(exports), str(names))


def _read_export(entry: t.Any, where: str, problems: list[Problem]) -> Export | None:
    example = "{service: name.namespace, callers: [namespace/account]}"
    if not _has_keys(entry, _EXPORT_KEYS, "service", example, where, problems):
        return None
    name, _dot, namespace = str(entry["service"]).partition(".")
    if not (LABEL.fullmatch(name) and LABEL.fullmatch(namespace)):
        hint = "for example shop.store"
        problems.append(_problem(entry["service"], "is not name.namespace", hint, f"{where}.service"))
        return None
    callers = entry.get("callers") or []
    hint = "the peer's accounts, as namespace/account; leave callers out for all of them"
    if not isinstance(callers, list):
        problems.append(_problem(callers, "is no list of callers", hint, f"{where}.callers"))
        return None
    wrong = [number for number, one in enumerate(callers) if not _CALLER.fullmatch(str(one))]
    for number in wrong:
        problems.append(_problem(callers[number], "is not namespace/account", hint, f"{where}.callers[{number}]"))
    return None if wrong else Export(name, namespace, tuple(sorted({str(one) for one in callers})))


def _has_keys(
    given: t.Any, keys: t.Sequence[str], needed: str, example: str, where: str, problems: list[Problem]
) -> bool:
    """Whether it is a dictionary of these keys alone that sets the needed one."""
    before = len(problems)
    if not isinstance(given, t.Mapping):
        problems.append(_problem(given, "is not a dictionary", example, where))
        return False
    problems += unknown_keys(given, keys, where)
    if not given.get(needed) and len(problems) == before:
        problems.append(Problem("", f"{where}.{needed}", "", "is missing", example))
    return len(problems) == before


def _problem(value: t.Any, message: str, hint: str, where: str = VARIABLE) -> Problem:
    return Problem("", where, shown(value), message, hint)
