# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Call what peer meshes export, from the probe of each cluster."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.federated_calls import (
    PeerCall,
    bundle_check,
    judge_peer,
    peer_calls,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.asking import ask_probes
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
    planned, skipped = peer_calls(peers.imports, callers)

    async def judged(left: list[PeerCall]) -> dict[PeerCall, Call]:
        answers = await ask_probes(left, kubes, facts, timeout_ms)
        return {call: judge_peer(call, answer) for call, answer in answers.items()}

    calls = await until_ok(
        planned,
        judged,
        deadline,
        what="names of other meshes, until they answer",
        pause=_RETRY_SECONDS,
    )
    return calls, [*checks, *skipped]
