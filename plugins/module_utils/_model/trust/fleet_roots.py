# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The roots that live in a fleet: which clusters have which, and whether another one would split the mesh."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import FleetError
from .certificates import fingerprint, parse_certificates
from .decisions import ClusterTrust
from .signing_chain import CERT, CHAIN, ROOT, is_signed_by

if t.TYPE_CHECKING:
    from cryptography import x509

__all__ = ["LiveRoot", "live_roots", "refuse_another_root", "self_signed", "the_live_root"]


@dataclasses.dataclass(frozen=True)
class LiveRoot:
    """A root under which clusters have their intermediate CAs."""

    certificate: x509.Certificate
    clusters: tuple[str, ...]

    def __str__(self) -> str:
        return f"root SHA256 {fingerprint(self.certificate)} in {', '.join(self.clusters)}"


def live_roots(live: t.Iterable[ClusterTrust]) -> list[LiveRoot]:
    """The roots of all ``cacerts``, whoever wrote them.

    Raises:
        FleetError: one of them cannot be read, so that its root is not known.
    """
    found: dict[str, tuple[x509.Certificate, list[str]]] = {}
    for cluster in live:
        if cluster.data is None:
            continue
        try:
            root = _signing_root(cluster.data)
        except FleetError as error:
            error.cluster, error.obj = cluster.cluster, error.obj or "Secret cacerts"
            error.next_step = error.next_step or "check who made it; run again when it is right"
            raise
        if root is not None:
            found.setdefault(fingerprint(root), (root, []))[1].append(cluster.cluster)
    return [LiveRoot(root, tuple(clusters)) for root, clusters in found.values()]


def _signing_root(data: t.Mapping[str, str]) -> x509.Certificate | None:
    """The root of the bundle that the chain ends at: while a root is rotated, the bundle holds two."""
    if not data.get(ROOT, "").strip():
        return None
    roots = parse_certificates(data[ROOT], what=ROOT)
    below = [
        certificate
        for name in (CERT, CHAIN)
        if data.get(name, "").strip()
        for certificate in parse_certificates(data[name], what=name)
        if certificate not in roots
    ]
    return next((root for root in roots if any(is_signed_by(c, root) for c in below)), roots[0])


def the_live_root(live: t.Sequence[ClusterTrust]) -> LiveRoot | None:
    """The one root of the fleet; None when no cluster has one.

    Raises:
        FleetError: there are several, so that none can be taken for the fleet's.
    """
    found = live_roots(live)
    if len(found) > 1:
        raise FleetError(
            "the fleet has more than one root",
            seen="; ".join(map(str, found)),
            means="clusters of different roots reject each other's calls; which is the fleet's is not known here, "
            "because its trust folder is not on this controller",
            next_step="copy the fleet's trust folder here or set trust_dir to it",
        )
    return found[0] if found else None


def self_signed(live: t.Iterable[ClusterTrust]) -> list[ClusterTrust]:
    """Clusters whose istiod runs without ``cacerts``, and so on a root that it made itself."""
    return [c for c in live if c.istiod and c.data is None and c.published_root.strip()]


def refuse_another_root(live: t.Iterable[ClusterTrust], root: x509.Certificate) -> None:
    """Refuse to sign a first intermediate CA under ``root`` where clusters have roots, and none of them this one.

    Raises:
        FleetError: with the roots that they have.
    """
    others = [c for c in live if (c.data or {}).get(ROOT, "").strip()]
    if not others or any(_holds(c, root) for c in others):
        return
    raise FleetError(
        "the other clusters have another root",
        seen=f"{'; '.join(map(str, live_roots(others)))}; this run signs with root SHA256 {fingerprint(root)}",
        means="it would be signed by a root that no other cluster accepts: they would reject each other's calls",
        next_step="copy the trust folder of those clusters here or set trust_dir to it; or provide their root",
    )


def _holds(cluster: ClusterTrust, root: x509.Certificate) -> bool:
    bundle = parse_certificates((cluster.data or {})[ROOT], what=ROOT)
    return fingerprint(root) in {fingerprint(c) for c in bundle}
