# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks that no cluster holds credentials that nobody wants there, left by a former role or choice of peers."""

from __future__ import annotations

import typing as t

from ..inventory.fleet import Fleet
from ..istio.former import SIGNER
from ..peering.graph import edges
from ..peering.static_tokens import TOKEN_SECRET
from .facts import Check, Facts, check_of

__all__ = ["credential_checks"]


def credential_checks(fleet: Fleet, facts: t.Mapping[str, Facts]) -> list[Check]:
    """One check for each cluster. Of Secrets that are not this fleet's, nothing is said."""
    watched: dict[str, set[str]] = {}
    for watcher, name in edges(fleet):
        watched.setdefault(watcher, set()).add(name)
    anybody = {name for names in watched.values() for name in names}
    checks = []
    for name, found in facts.items():
        unwanted = sorted({c for c, _s in found.own_remote_secrets if c in fleet.clusters} - watched.get(name, set()))
        seen = [f"remote secret of {other}, which it may not watch" for other in unwanted]
        if found.unwanted_signer:
            seen.append(f"Secret {fleet.namespace}/{SIGNER}, though no istiod of ours signs there")
        if found.static_token and name not in anybody:
            seen.append(f"Secret {fleet.namespace}/{TOKEN_SECRET}, though no cluster watches it")
        checks.append(
            check_of(
                "credentials",
                name,
                not seen,
                "; ".join(seen) or "none that nobody wants",
                (name,),
                "they were left by a former role, control plane or choice of peers: who gets hold of them reads other "
                "clusters' Secrets, or signs for the whole mesh",
                f"run the control_plane and peering stages with --limit {name}; peering says why one stays",
            )
        )
    return checks
