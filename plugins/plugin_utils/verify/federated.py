# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Call what peer meshes export, from the probe of each cluster."""

from __future__ import annotations

import datetime
import json
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer, Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.federated_calls import (
    PeerCall,
    bundle_check,
    judge_peer,
    peer_calls,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import (
    CONTAINER,
    NAMESPACE,
    call_command,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.repeated import until_ok

__all__ = ["call_peers"]

_RETRY_SECONDS = 1.0


async def call_peers(
    peers: Peers,
    play: t.Sequence[str],
    kubes: t.Mapping[str, Kube],
    facts: t.Mapping[str, Facts],
    *,
    timeout_ms: int,
    deadline: float,
) -> tuple[list[Call], list[Check]]:
    """The calls of imported services as they ended, and checks of the peers' bundles.

    Args:
        peers: what the inventory and the peers say.
        play: clusters of the play; only these call.
        kubes: clients of the clusters that answer.
        facts: with the probes' pods.
        timeout_ms: for one call.
        deadline: on the monotonic clock, when all calls must succeed.
    """
    now = datetime.datetime.now(datetime.UTC)
    days = {peer.trust_domain: peers.bundles.get(peer.trust_domain) for peer in peers.named}
    checks = [bundle_check(domain, one.days_left(now) if one else None, play) for domain, one in days.items()]
    callers = [n for n in play if n in kubes and facts[n].probe and facts[n].sidecar and not facts[n].problem]
    planned, skipped = peer_calls(peers.bundles, callers)
    calls = await until_ok(
        planned,
        lambda left: _ask(left, kubes, facts, timeout_ms),
        deadline,
        what="names of other meshes, until they answer",
        pause=_RETRY_SECONDS,
    )
    return calls, [*checks, *skipped]


async def _ask(
    planned: t.Sequence[PeerCall], kubes: t.Mapping[str, Kube], facts: t.Mapping[str, Facts], timeout_ms: int
) -> dict[PeerCall, Call]:
    """One command in each caller's probe for all its calls, in all callers at the same time."""
    by_caller: dict[str, list[PeerCall]] = {}
    for call in planned:
        by_caller.setdefault(call.caller, []).append(call)

    async def ask(caller: str) -> dict[str, t.Any]:
        command = call_command([call.url for call in by_caller[caller]], timeout_ms)
        done = await kubes[caller].exec(NAMESPACE, facts[caller].probe, CONTAINER, command, timeout=60)
        try:
            raw: dict[str, t.Any] = json.loads(done.stdout) if done.code == 0 else {}
        except ValueError:
            raw = {}
        if not raw:
            raise FleetError(f"the program ended with {done.code}: {done.stderr.strip()[-200:]}")
        return raw

    raw, failed = await on_each(by_caller, ask)
    said = {name: f"{error.what} {error.seen}".strip() for name, error in failed.items()}
    return {
        call: judge_peer(call, Answer.from_probe(raw.get(call.caller, {}).get(call.url), said.get(call.caller, "")))
        for call in planned
    }
