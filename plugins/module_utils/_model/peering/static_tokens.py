# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The token Secret behind tokens that never end: who still holds its token, so that it can go when nobody does."""

from __future__ import annotations

import base64
import typing as t

from . import kubeconfig as rk
from . import remote_secrets as rs

__all__ = ["ours", "users"]


def ours(secret: t.Mapping[str, t.Any] | None) -> bool:
    """Whether a token Secret is there and carries our label: nobody else's is ever removed."""
    return bool(secret) and rs.owner_of(secret or {}) == rs.OURS


def users(
    secret: t.Mapping[str, t.Any],
    cluster: str,
    live: t.Mapping[str, t.Iterable[t.Mapping[str, t.Any]]],
    plans: t.Mapping[str, t.Iterable[rs.KeyPlan]],
) -> list[str]:
    """The watchers that hold this Secret's token once their plans are carried out, sorted.

    Args:
        secret: the token Secret, as it lies in ``cluster``.
        cluster: the watched cluster.
        live: by watcher, its remote secrets as they were read.
        plans: by watcher, what was decided about them; a key without a plan stays as it is.
    """
    found = set()
    for watcher, secrets in live.items():
        plan = next((p for p in plans.get(watcher, ()) if p.cluster == cluster), None)
        for entry in rs.read_entries(secrets):
            if entry.cluster == cluster and _holds(entry, secret) and not _leaves(entry, plan):
                found.add(watcher)
    return sorted(found)


def _holds(entry: rs.Entry, secret: t.Mapping[str, t.Any]) -> bool:
    access = rk.parse(entry.text, entry.cluster)
    if access is None or not access.token:
        return False
    claims = rk.read_token(access.token)
    if claims is not None and claims.secret:
        return claims.secret == str(secret["metadata"]["name"])
    held = str((secret.get("data") or {}).get("token") or "")
    return base64.b64encode(access.token.encode()).decode() == held


def _leaves(entry: rs.Entry, plan: rs.KeyPlan | None) -> bool:
    """Whether the plan takes this token out of its Secret."""
    if plan is None or entry.owner == rs.FOREIGN:
        return False
    if entry.home in plan.duplicates:
        return True
    if entry.home != plan.home:
        return False
    return plan.action == rs.REMOVE or (plan.action == rs.RENEW and plan.needs_token)
