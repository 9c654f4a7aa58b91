# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far the clusters are from a front door of this machine: measured by its container, recorded beside its files."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import Container, FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_nearest import (
    kept,
    nearest_first,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import (
    Gateway,
)

__all__ = ["Distances"]

_FILE = "round_trips.json"
_KEY = "milliseconds"


class Distances:
    """The round trips from a front door to the clusters' gateways.

    Args:
        container: the front door; None where it is elsewhere, and nothing is measured.
        folder: its files.
        clusters: those that it may lead to.
    """

    def __init__(self, container: Container | None, folder: FrontDoorFolder, clusters: t.Collection[str]) -> None:
        self.container, self.folder = container, folder
        found = folder.read(_FILE).get(_KEY) if container else None
        self._recorded = found if isinstance(found, dict) else {}
        self.milliseconds = {name: float(ms) for name, ms in self._recorded.items() if name in clusters}

    async def measure(self, gateways: t.Mapping[str, t.Sequence[Gateway]]) -> None:
        """Measure them from where the front door runs, which must live. One cluster alone needs no order."""
        targets: dict[str, str] = {}
        for some in gateways.values():
            for gateway in some:
                targets.update((_target(ip, gateway.port), gateway.cluster) for ip in gateway.addresses)
        if self.container is None or len(set(targets.values())) < 2:
            return
        measured: dict[str, float] = {}
        for target, ms in (await self.container.round_trips(sorted(targets))).items():
            cluster = targets[target]
            measured[cluster] = round(min(ms, measured.get(cluster, ms)), 2)
        self.milliseconds = kept(self.milliseconds, measured)

    def in_order(self, gateways: t.Mapping[str, t.Sequence[Gateway]]) -> dict[str, tuple[Gateway, ...]]:
        """The same gateways, by service, the nearest cluster first."""
        found = {}
        for service, some in gateways.items():
            by_cluster = {gateway.cluster: gateway for gateway in some}
            found[service] = tuple(by_cluster[name] for name in nearest_first(by_cluster, self.milliseconds))
        return found

    def record(self) -> None:
        """Keep them for the next run."""
        if self.milliseconds != self._recorded:
            self.folder.write(_FILE, {_KEY: self.milliseconds})


def _target(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
