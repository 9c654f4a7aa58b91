# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one peering run was asked, what it has learned so far, and what became of it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering import remote_secrets as rs
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change

__all__ = ["Options", "Outcome", "State"]

Edge = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Options:
    """Times in seconds."""

    absent: bool = False
    static: bool = False
    lifetime: int = 30 * 86400
    renew_before: int = 10 * 86400
    timeout: float = 30
    dry_run: bool = False
    sync: bool = True
    restart: bool = True
    """Whether an istiod that takes in no remote secrets any more is restarted."""
    restart_timeout: float = 180


@dataclasses.dataclass
class Outcome:
    """What became of the run. ``edges`` are dictionaries for the result: no credential in them."""

    changes: list[Change] = dataclasses.field(default_factory=list)
    edges: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    failures: dict[str, list[FleetError]] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)
    summary: str = ""


@dataclasses.dataclass
class State:
    """What a run over the clusters of ``play`` knows. Its secrets stay out of ``repr``."""

    fleet: Fleet
    play: frozenset[str]
    options: Options
    outcome: Outcome = dataclasses.field(default_factory=Outcome)
    kubes: dict[str, Kube] = dataclasses.field(default_factory=dict, repr=False)
    peers: dict[str, rs.Peer] = dataclasses.field(default_factory=dict)
    unreachable: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    """Clusters that could not be read or written, with the reason."""
    bad_edges: dict[Edge, FleetError] = dataclasses.field(default_factory=dict)
    blocked: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    """Watchers whose istiod takes in no remote secrets any more."""
    plans: dict[str, list[rs.KeyPlan]] = dataclasses.field(default_factory=dict)
    live: dict[str, list[dict[str, t.Any]]] = dataclasses.field(default_factory=dict, repr=False)
    """By watcher, its remote secrets as they were before the run."""
    tokens: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    expected_events: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    """By watcher and istiod pod: events of remote secrets it has taken in once it knows what was written."""
    token_secrets: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict, repr=False)
    """By watched cluster: our Secret with a token that never ends."""

    def fail(self, name: str, error: FleetError) -> None:
        # Somebody outside the play cannot fail in it: the error is then counted against those who are in it.
        for host in [name] if name in self.play else sorted(self.play):
            self.outcome.failures.setdefault(host, []).append(error)
