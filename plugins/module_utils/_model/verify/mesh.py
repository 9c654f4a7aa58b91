# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What verify read of each cluster, as data without secrets: for the report, and for metrics."""

from __future__ import annotations

import datetime
import typing as t

from ...errors import FleetError
from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Fleet
from ..istio.debug_pages import SYNCED
from ..peering.graph import edges
from ..trust.certificates import fingerprint, parse_certificates
from ..trust.revocation import first_end, parse_crls
from ..trust.signing_chain import CRL
from .facts import Facts

__all__ = ["mesh_document"]


def mesh_document(fleet: Fleet, facts: t.Mapping[str, Facts]) -> dict[str, t.Any]:
    """By cluster what is known of it; of one that could not be read ``problem`` says why.

    Times are ISO 8601 in UTC. Of certificates and revocation lists there is when they end, of tokens whose they are and
    when they end.
    """
    declared: dict[str, list[str]] = {}
    for watcher, watched in edges(fleet):
        declared.setdefault(watcher, []).append(watched)
    return {name: _cluster(fleet, found, declared.get(name, [])) for name, found in facts.items()}


def _cluster(fleet: Fleet, found: Facts, declared: t.Sequence[str]) -> dict[str, t.Any]:
    secrets = {cluster for cluster, _secret in found.remote_secrets}
    return {
        "problem": found.problem,
        "trust_domain": control_plane_of(fleet, fleet.clusters[found.cluster]).trust_domain,
        "versions": {deployment: _tag(image) for deployment, image in found.versions.items()},
        "eastwest": found.gateway_address,
        "ingress": found.ingress_address,
        "root": _fingerprint((found.cacerts or {}).get("root-cert.pem") or found.root_config or found.proxy_roots),
        "certificates": {
            kind: ends
            for kind, text in (
                ("intermediate CA", (found.cacerts or {}).get("ca-cert.pem", "")),
                ("leaf", found.proxy_chain),
            )
            if (ends := _end(text))
        }
        | _lists((found.cacerts or {}).get(CRL, "")),
        "watches": {
            other: {"declared": other in declared, "secret": other in secrets, "state": _state(found, other)}
            for other in sorted({*declared, *secrets})
        },
        "tokens": [
            {
                "cluster": token.cluster,
                "ends": _iso(token.life.ends) if token.life else None,
                "ours": token.ours,
                "refused": token.refused,
            }
            for token in found.tokens
        ],
    }


def _tag(image: str) -> str:
    """``1.31.1`` of ``pilot:1.31.1``; the whole of what has no tag."""
    return image.partition("@")[0].rpartition(":")[2] or image


def _state(found: Facts, other: str) -> str:
    """What the istiods of a cluster say of another one: that of the first which has not synced it."""
    if not found.istiods:
        return "unknown"
    states = [one.clusters[other].status if other in one.clusters else "not listed" for one in found.istiods]
    return next((state for state in states if state != SYNCED), SYNCED)


def _end(text: str) -> str:
    """When the first certificate of a PEM ends; "" when there is none."""
    try:
        return parse_certificates(text)[0].not_valid_after_utc.isoformat() if text else ""
    except FleetError:
        return ""


def _lists(text: str) -> dict[str, str]:
    """When the first of the revocation lists ends; nothing without any, or where none ends or can be read."""
    try:
        end = first_end(parse_crls(text, what=CRL)) if text.strip() else None
    except FleetError:
        end = None
    return {"revocation lists": end.isoformat()} if end else {}


def _fingerprint(text: str) -> str:
    try:
        return ", ".join(sorted(fingerprint(one) for one in parse_certificates(text))) if text else ""
    except FleetError:
        return ""


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
