# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tokens that never end are removed once nobody uses them: who has one reads every Secret of its cluster, for good."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import static_tokens
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import OURS, owner_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.reads import TOKEN_SECRET
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering.state import State

__all__ = ["drop_token", "read_token_secret"]


async def read_token_secret(state: State, name: str) -> None:
    """Note the token Secret of a cluster if it is ours and this run is to leave none."""
    if state.options.static and not state.options.absent:
        return
    secret = await state.kubes[name].get("v1", "Secret", TOKEN_SECRET, state.fleet.namespace)
    if secret and owner_of(secret) == OURS:
        state.token_secrets[name] = secret


async def drop_token(state: State, name: str, watchers: t.Iterable[str]) -> None:
    """Remove the token Secret of a cluster unless somebody still uses it, which is then a warning.

    Args:
        watchers: every cluster that may watch this one. Who did not answer, or did not prove its new token,
            may still use the old one; but a cluster that leaves the graph takes its token with it.
    """
    secret = state.token_secrets.get(name)
    if secret is None:
        return
    users = static_tokens.users(secret, name, state.live, state.plans)
    why = f"{', '.join(users)} would use it" if users else ""
    if not why and not state.options.absent:
        silent = sorted(w for w in watchers if w != name and _unproven(state, w, name))
        why = f"{', '.join(silent)} may use it, and could not be asked" if silent else ""
    if why:
        state.outcome.warnings.append(
            f"{name}: Secret {state.fleet.namespace}/{TOKEN_SECRET} holds a token that never ends and stays: {why}"
        )
        return
    state.outcome.changes.append(
        await state.kubes[name].delete(
            "v1", "Secret", TOKEN_SECRET, state.fleet.namespace, dry_run=state.options.dry_run
        )
    )


def _unproven(state: State, watcher: str, name: str) -> bool:
    known = watcher in state.live and watcher not in {**state.unreachable, **state.blocked}
    return not known or (watcher, name) in state.bad_edges
