# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The token Secret with a cluster's static token, and which watchers still use that token."""

from __future__ import annotations

import base64
import typing as t

from . import kubeconfig
from .remote_secrets import ACCOUNT, FOREIGN, REMOVE, RENEW, Entry, KeyPlan, read_entries

__all__ = ["TOKEN_SECRET", "users"]

TOKEN_SECRET = f"{ACCOUNT}-istio-remote-secret-token"
"""istioctl's name for it, so that both use the same Secret."""


def users(
    secret: t.Mapping[str, t.Any],
    cluster: str,
    live: t.Mapping[str, t.Iterable[t.Mapping[str, t.Any]]],
    plans: t.Mapping[str, t.Iterable[KeyPlan]],
    fleet: str,
) -> list[str]:
    """The watchers that still hold this Secret's token after their plans are carried out, sorted.

    Args:
        secret: the token Secret of ``cluster``.
        cluster: the watched cluster.
        live: by watcher, its remote secrets before the run.
        plans: by watcher, the plans for its keys; a key without a plan stays as it is.
        fleet: the name of the fleet.
    """
    found = set()
    for watcher, secrets in live.items():
        plan = next((p for p in plans.get(watcher, ()) if p.cluster == cluster), None)
        for entry in read_entries(secrets, fleet):
            if entry.cluster == cluster and _holds(entry, secret) and not _leaves(entry, plan):
                found.add(watcher)
    return sorted(found)


def _holds(entry: Entry, secret: t.Mapping[str, t.Any]) -> bool:
    access = kubeconfig.parse(entry.text, entry.cluster)
    if access is None or not access.token:
        return False
    claims = kubeconfig.read_token(access.token)
    if claims is not None and claims.secret:
        return claims.secret == str(secret["metadata"]["name"])
    held = str((secret.get("data") or {}).get("token") or "")
    return base64.b64encode(access.token.encode()).decode() == held


def _leaves(entry: Entry, plan: KeyPlan | None) -> bool:
    """Whether the plan removes this token from its Secret."""
    if plan is None or entry.owner == FOREIGN:
        return False
    if entry.home in plan.duplicates:
        return True
    if entry.home != plan.home:
        return False
    return plan.action == REMOVE or (plan.action == RENEW and plan.needs_token)
