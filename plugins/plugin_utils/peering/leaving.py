# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a peering run removes last: static tokens that nobody uses any more, and what a former istiod signed with."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import static_tokens
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    UNNAMED,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.former import remove_signer
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import PeeringState

__all__ = ["remove_former_signer", "remove_token_secret"]


async def remove_token_secret(state: PeeringState, name: str, watchers: t.Iterable[str]) -> None:
    """Remove a cluster's token Secret unless a watcher still uses it, or may: then warn.

    A static token never expires, and whoever has it can read every Secret of the cluster.

    Args:
        watchers: all that may watch this cluster. One that did not answer, or has not synced with its new token,
            may still use the old one. That does not count when the cluster leaves the graph.
    """
    secret = state.token_secrets.get(name)
    if secret is None:
        return
    users = static_tokens.users(secret, name, state.live, state.plans, state.fleet.name)
    why = f"{', '.join(users)} would still use it" if users else ""
    if not why and not state.options.absent:
        silent = sorted(w for w in watchers if w != name and not _synced(state, w, name))
        why = f"{', '.join(silent)} may use it, and did not answer" if silent else ""
        unnamed = sorted({p.cluster for found in state.plans.values() for p in found if p.action == UNNAMED})
        if unnamed and not why:
            why = f"{', '.join(unnamed)} may use it, which the inventory does not name"
    where = f"{state.fleet.namespace}/{static_tokens.TOKEN_SECRET}"
    if why:
        state.warnings.append(f"{name}: Secret {where} with a static token stays: {why}")
        return
    state.changes.append(
        await state.kubes[name].delete(
            "v1", "Secret", static_tokens.TOKEN_SECRET, state.fleet.namespace, dry_run=state.options.dry_run
        )
    )


async def remove_former_signer(state: PeeringState, name: str) -> None:
    """Remove the intermediate CA that a former istiod of a cluster signed with; teardown leaves it to trust."""
    if state.options.absent:
        return
    changes, warning = await remove_signer(
        state.kubes[name], state.fleet, state.fleet.clusters[name], dry_run=state.options.dry_run
    )
    state.changes += changes
    if warning:
        state.warnings.append(warning)


def _synced(state: PeeringState, watcher: str, name: str) -> bool:
    faults = state.faults
    answered = watcher in state.live and watcher not in faults.unreachable and watcher not in faults.blocked_istiods
    return answered and (watcher, name) not in faults.failed_edges
