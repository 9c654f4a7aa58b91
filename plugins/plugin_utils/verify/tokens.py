# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read the tokens of remote secrets, and ask the watched clusters whether they accept them."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import kubeconfig
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    FOREIGN,
    LABEL,
    Entry,
    life_of_entry,
    read_entries,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts, HeldToken
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each

__all__ = ["read_tokens"]


async def read_tokens(watchers: t.Sequence[Facts], kubes: t.Mapping[str, Kube], fleet: Fleet) -> dict[str, FleetError]:
    """Fill ``tokens`` of each watcher, and return by watcher why they could not be read.

    A watched cluster is asked once about each token, however many watchers have it.

    Args:
        watchers: facts of clusters whose istiod reads others.
        kubes: clients of the clusters that answered. Another one, or one that has yet to be made, refuses nothing.
        fleet: the whole fleet.
    """
    texts: dict[str, dict[int, str]] = {}

    async def read(found: Facts) -> None:
        secrets = await kubes[found.cluster].list("v1", "Secret", fleet.namespace, {LABEL: "true"})
        entries = [entry for entry in read_entries(secrets, fleet.name) if entry.cluster in fleet.clusters]
        found.tokens = [HeldToken(e.cluster, e.owner != FOREIGN, life_of_entry(e)) for e in entries]
        texts[found.cluster] = {i: token for i, entry in enumerate(entries) if (token := _token_to_ask_about(entry))}

    by_name = {found.cluster: found for found in watchers}
    _done, failed = await on_each(by_name, lambda name: read(by_name[name]))
    asked: dict[str, set[str]] = {}
    for watcher, tokens in texts.items():
        for i, token in tokens.items():
            asked.setdefault(by_name[watcher].tokens[i].cluster, set()).add(token)
    refused: set[tuple[str, str]] = set()

    async def review(name: str) -> None:
        refused.update([(name, token) for token in sorted(asked[name]) if not await kubes[name].accepts(token)])

    await on_each((name for name in asked if name in kubes and not kubes[name].absent), review)
    for watcher, tokens in texts.items():
        held = by_name[watcher].tokens
        for i, token in tokens.items():
            held[i] = dataclasses.replace(held[i], refused=(held[i].cluster, token) in refused)
    return failed


def _token_to_ask_about(entry: Entry) -> str:
    """The token of a key; "" for one of somebody else's that is no service account's, which another server may know."""
    access = kubeconfig.parse(entry.text, entry.cluster)
    claims = kubeconfig.read_token(access.token) if access else None
    if access is None or (entry.owner == FOREIGN and (claims is None or claims.account == "/")):
        return ""
    return access.token
