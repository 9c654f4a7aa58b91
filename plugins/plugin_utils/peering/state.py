# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the parts of a peering run share: its options, and what was read, decided and done so far."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import (
    KeyPlan,
    Peer,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.report import Faults
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.scope import WatcherScope
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import RUN_EVERY, Life
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each

__all__ = ["Options", "PeeringState"]


@dataclasses.dataclass(frozen=True)
class Options:
    """Times in seconds."""

    absent: bool = False
    static: bool = False
    lifetime: int = 30 * 86400
    renew_before: int = 10 * 86400
    run_every: int = RUN_EVERY
    timeout: float = 30
    dry_run: bool = False
    sync: bool = True
    restart: bool = True
    """Whether to restart an istiod that no longer reads remote secrets, or keeps pods of a removed peer."""
    restart_timeout: float = 180
    forget: frozenset[str] = frozenset()
    """Clusters that left the fleet: edges to them are removed, though the inventory does not name them."""


class PeeringState:
    """One run over the clusters of ``play``."""

    def __init__(self, fleet: Fleet, play: t.Collection[str], options: Options, failed: t.Iterable[str] = ()) -> None:
        """``failed``: the clusters that failed earlier in this run of Ansible, which are not in ``play`` any more."""
        self.fleet, self.play, self.options = fleet, frozenset(play), options
        self.failed_earlier = frozenset(failed)
        self.changes: list[Change] = []
        self.warnings: list[str] = []
        self.faults = Faults()
        self.kubes: dict[str, Kube] = {}
        self.peers: dict[str, Peer] = {}
        self.live: dict[str, list[dict[str, t.Any]]] = {}
        """By watcher, its remote secrets before the run."""
        self.roots: dict[str, frozenset[str]] = {}
        """By watcher, the fingerprints of the roots that its proxies accept."""
        self.plans: dict[str, list[KeyPlan]] = {}
        """By watcher."""
        self.tokens: dict[str, str] = {}
        """New tokens, by watched cluster."""
        self.lives: dict[str, Life] = {}
        """Of the new tokens, by watched cluster."""
        self.accepted: dict[tuple[str, str], bool] = {}
        """By watched cluster and live token, whether that cluster accepts it."""
        self.token_secrets: dict[str, dict[str, t.Any]] = {}
        """By watched cluster, its Secret with a static token if it is ours."""
        self.expected_events: dict[str, dict[str, int]] = {}
        """By watcher and istiod pod, the count of remote secret events at which the pod has read what was written."""

    async def on_each(self, names: t.Iterable[str], work: t.Callable[[PeeringState, str], t.Awaitable[None]]) -> None:
        """``work`` on those that have not failed yet."""
        unreachable = self.faults.unreachable
        left = (name for name in names if name not in unreachable)
        _done, failed = await on_each(left, lambda name: work(self, name))
        unreachable.update(failed)

    def targets(self, scope: WatcherScope) -> list[str]:
        """The clusters that the watcher must watch, without those to which no edge may be made."""
        return [name for name in scope.wanted if (scope.watcher, name) not in self.faults.withheld]
