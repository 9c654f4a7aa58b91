# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The waits of the traffic run: until the proxies that a cluster's control plane configures have what was applied."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.distribution import Rule, Wanted
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_routes import Routed, routes_wanted
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.hosts import hosts_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.rollout import ROUTES, RULES, identity
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import istiod_pods
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.distribution import (
    State,
    await_distribution,
    proxies_now,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.reading import Live

__all__ = ["Proxies"]

Object = dict[str, t.Any]


class Proxies:
    """Waits for the proxies of clusters, whatever the revision of their istiod.

    Args:
        fleet: the fleet.
        kubes: by cluster its client.
        live: by cluster what it held before the run.
        owner: the labels of what is ours.
        timeout: seconds for each wait; 0 does not wait.
        leaves: whether the clusters leave: then one without an istiod holds back nothing.
        uncalled: whether nobody calls their services any more: then no proxy that is late does either.
    """

    def __init__(
        self,
        fleet: Fleet,
        kubes: t.Mapping[str, Kube],
        live: t.Mapping[str, Live],
        owner: t.Mapping[str, str],
        timeout: float,
        *,
        leaves: bool = False,
        uncalled: bool = False,
    ) -> None:
        self._leaves, self._uncalled = leaves, uncalled
        self._fleet, self._kubes, self._owner, self._timeout = fleet, kubes, owner, timeout
        self._before = {name: {identity(obj): _generation(obj) for obj in found.istio} for name, found in live.items()}

    def _waits(self, name: str) -> bool:
        """Whether there is an istiod to ask."""
        plane = control_plane_of(self._fleet, self._fleet.clusters[name])
        return bool(self._timeout) and plane.has_istiod and not self._kubes[name].absent

    async def now(self, name: str) -> State:
        """What the proxies have accepted now."""
        if not self._waits(name):
            return {}
        try:
            return await proxies_now(self._kubes[name], self._fleet.namespace, self._fleet.revision)
        except FleetError:
            if self._leaves:
                return {}
            raise

    async def have_rules(self, name: str, applied: t.Sequence[Object], gone: t.Sequence[Object] = ()) -> None:
        """Wait until they have DestinationRules as they are now, and no more those that went."""
        rules = [obj for obj in applied if obj["kind"] == RULES]
        away = [obj for obj in gone if obj["kind"] == RULES]
        if not (rules or away) or not self._waits(name):
            return
        generations = await self._generations(name, RULES, rules)
        wanted = [_rule(obj, generations[identity(obj)]) for obj in rules if identity(obj) in generations]
        await self._wait(name, Wanted(rules=(*wanted, *(_rule(obj, None) for obj in away))), {})

    async def have_routes(
        self,
        name: str,
        applied: t.Sequence[Object],
        gone: t.Sequence[Object],
        hosts: t.Collection[str],
        before: State,
    ) -> None:
        """Wait until they have VirtualServices as they are now, and no more those that went.

        Args:
            hosts: those to whose subsets no route leads any more, but for ``applied``.
            before: :meth:`now` from before these were applied.
        """
        if not (applied or gone or hosts) or not self._waits(name):
            return
        generations = await self._generations(name, ROUTES, applied)
        known = self._before.get(name, {})
        fresh = bool(gone) or any(known.get(key) != generation for key, generation in generations.items())
        routes: dict[str, frozenset[Routed] | None] = dict.fromkeys(hosts)
        routes |= {host: None for obj in gone for host in hosts_of(obj)}
        routes |= {host: routes_wanted(obj) for obj in applied for host in hosts_of(obj)}
        await self._wait(name, Wanted(routes=routes, fresh=fresh), before)

    async def _generations(self, name: str, kind: str, objects: t.Sequence[Object]) -> dict[tuple[str, str, str], int]:
        if not objects:
            return {}
        keys = {identity(obj) for obj in objects}
        live = await self._kubes[name].list(str(objects[0]["apiVersion"]), kind, labels=self._owner)
        return {identity(obj): _generation(obj) for obj in live if identity(obj) in keys}

    async def _wait(self, name: str, wanted: Wanted, before: State) -> None:
        fleet, kube = self._fleet, self._kubes[name]
        if self._leaves:
            try:
                await istiod_pods(kube, fleet.namespace, fleet.revision)
            except FleetError:
                return  # there is nobody to ask
        try:
            await await_distribution(kube, fleet.namespace, fleet.revision, wanted, before, self._timeout)
        except FleetError:
            if not self._uncalled:
                raise


def _generation(obj: t.Mapping[str, t.Any]) -> int:
    return int(obj["metadata"].get("generation") or 0)


def _rule(obj: Object, generation: int | None) -> Rule:
    meta = obj["metadata"]
    return Rule(str(meta["name"]), str(meta["namespace"]), hosts_of(obj)[0], generation)
