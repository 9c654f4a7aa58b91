# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters that a front door goes on without: why, which of them fail, and what the run says of each."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import Route
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_seen import is_silent

__all__ = ["Unread", "text_of"]


class Unread:
    """The clusters of one run in which a step failed."""

    def __init__(self) -> None:
        self.why: dict[str, str] = {}
        """By cluster, why, in one line."""
        self.failures: dict[str, FleetError] = {}
        """Those that fail, and how."""
        self._steps: dict[str, str] = {}
        """What to do about each of them, where its error says it."""
        self._written: set[str] = set()
        """Those of them in which some of what was to be written may be."""

    def add(self, failed: t.Mapping[str, FleetError], play: t.Container[str], *, written: bool = False) -> None:
        """Go on without these clusters too.

        Args:
            failed: by cluster, the error of the step.
            play: the clusters that may be changed. One of them fails, unless it was merely silent; another never does.
            written: whether some of what was to be written there may be there: then silence is a failure too.
        """
        for name, error in failed.items():
            self.why[name] = f"{error.what}{f' ({error.seen})' if error.seen else ''}"
            self._steps[name] = error.next_step
            if name in play and (written or not is_silent(error)):
                self.failures[name] = error
        self._written |= set(failed) if written else set()

    def told(self, name: str, led: t.Sequence[Route], lacking: t.Sequence[str] = ()) -> str:
        """The warning about one of the clusters.

        Args:
            name: the cluster's.
            led: the routes that go on to lead there.
            lacking: texts of the routes that will lead there, and do not yet.
        """
        stays = f"it goes on to lead there for {', '.join(map(text_of, led))}" if led else "it does not lead there"
        later = f", and not yet for {', '.join(lacking)}" if lacking else ""
        step = self._steps.get(name) or "run again when it answers"
        cause = f"{self.why[name]}; {step}, or take it out of the inventory"
        if name in self.failures:
            cause = "see its error"
        done = "not all was written there" if name in self._written else "the front door changes nothing there"
        return f"{name}: {done}, and {stays}{later}: {cause}"

    def listed(self) -> list[str]:
        """Each cluster and why, for the cause of another error."""
        return [f"{name}: {why}" for name, why in self.why.items()]


def text_of(route: Route) -> str:
    """A route's host and path, for people."""
    return f"{route.host or 'any host'}{route.path.rstrip('/')}"
