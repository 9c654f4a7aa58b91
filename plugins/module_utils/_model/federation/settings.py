# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variable ``mesh_federation``: with which meshes a fleet exchanges roots, and what each of them may call."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..inventory.problems import Problem, shown
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
    for one in given.get("peers") or []:
        peer = _read_peer(one, problems)
        if peer is None:
            continue
        if peer.trust_domain == trust_domain:
            problems.append(
                _problem(one, "is our own trust domain", "name the peer's: a domain belongs to one mesh alone")
            )
        elif peer.trust_domain in {other.trust_domain for other in peers}:
            problems.append(
                _problem(
                    one,
                    "names a trust domain that another peer has",
                    "one entry for each: of two meshes with "
                    "one domain each could speak for the other, so one of them must change its own",
                )
            )
        else:
            peers.append(peer)
    return peers, problems


def _read_peer(one: t.Any, problems: list[Problem]) -> Peer | None:
    if not isinstance(one, t.Mapping) or not one.get("trust_domain") or set(one) - set(_PEER_KEYS):
        problems.append(_problem(one, "is not a peer", f"a dictionary with trust_domain; {', '.join(_PEER_KEYS)}"))
        return None
    domain = str(one["trust_domain"])
    if fault := dns_name(domain):
        problems.append(_problem(domain, f"as trust_domain {fault.message}", fault.hint))
        return None
    names = one.get("names") or GLOBAL
    if names not in (GLOBAL, OWN):
        problems.append(_problem(names, "as names is none of its choices", f"{GLOBAL} or {OWN}"))
        return None
    if names == OWN and ("." not in domain or domain.endswith((".local", ".svc"))):
        # Else what a peer offers could be called till.shop.svc, and more that is our clusters' or everybody's.
        message = "is no trust domain for names of its own: those of clusters and of others could end in it"
        problems.append(_problem(domain, message, f"names: {GLOBAL}, or a peer with a domain such as east.example"))
        return None
    exports: list[Export] = []
    given = one.get("exports") or []
    for entry in given if isinstance(given, list) else [given]:
        export = _read_export(entry)
        if export is None:
            problems.append(
                _problem(entry, "is not an export", "{service: name.namespace, callers: [namespace/account]}")
            )
        elif export.host in {other.host for other in exports}:
            problems.append(_problem(entry, f"is exported to {domain} twice", "put all callers into one entry"))
        else:
            exports.append(export)
    return Peer(domain, str(one.get("bundle") or ""), tuple(exports), str(names))


def _read_export(entry: t.Any) -> Export | None:
    if not isinstance(entry, t.Mapping) or set(entry) - set(_EXPORT_KEYS):
        return None
    name, _dot, namespace = str(entry.get("service") or "").partition(".")
    callers = entry.get("callers") or []
    if not (LABEL.fullmatch(name) and LABEL.fullmatch(namespace) and isinstance(callers, list)):
        return None
    if not all(_CALLER.fullmatch(str(one)) for one in callers):
        return None
    return Export(name, namespace, tuple(sorted({str(one) for one in callers})))


def _problem(value: t.Any, message: str, hint: str) -> Problem:
    return Problem("", VARIABLE, shown(value), message, hint)
