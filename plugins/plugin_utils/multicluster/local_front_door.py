# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door of ours: what the clusters' gateways need, and Envoy before them.

Before clusters of this machine Envoy is a container. Before others the files are for machines of the user's.

In the order in which no call is lost: a route comes to the gateways before it comes to Envoy, and goes after it. Files
for machines are copied by somebody, so there a route goes in a later run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import address_of
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.fleet import Foreign, KindFleet
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import Container, FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import INGRESS, ingress_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    fleet_of,
    has_our_labels,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.claims import (
    claims,
    route_claims,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor, Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_admin import (
    as_loaded,
    health_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_certificate import Pair
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    ADMIN_PORT,
    BOOTSTRAP,
    CLUSTERS,
    Certificate,
    EnvoyDoor,
    as_static,
    callers,
    render,
    union_of_clusters,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_gateways import (
    KINDS,
    gateway_objects,
    objects_of_remote,
    port_of,
    rivals,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_kept import Kept, keep
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_upstreams import (
    Gateway,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import with_version
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_written import (
    clusters_of,
    gateway_of,
    leads,
    without,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import ports_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import (
    CHANGED,
    CREATED,
    REMOVED,
    UNCHANGED,
    Change,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door import PART
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_machines import (
    both,
    earlier_files,
    needed_no_more,
    still_needed,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_pairs import (
    find_pairs,
    read_secrets,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_seen import (
    Live,
    Seen,
    is_silent,
    look,
    outside,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_unread import Unread, text_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.round_trips import Distances

__all__ = ["LocalFrontDoor"]

_LOAD_SECONDS = 30.0
_STATS = "/stats?format=json&filter=version_text%24"
_HEALTH = "/clusters?format=json"


class LocalFrontDoor:
    """One front door of a local fleet.

    Args:
        fleet: the whole fleet.
        clusters: those of its clusters that it leads to.
        play: those of them that may be changed.
        folder: for Envoy's files.
        local: the local fleet; None where Envoy is on machines of the user's.
        door: what the user wants; without routes it is removed.
        dry_run: plan only.
        diff: whether changes show what they change.
        timeout: seconds until every route must be healthy; 0 does not wait.
        gateways_stay: for a removal, whether the ingress gateways of the play go on running, and can serve the callers
            of machines that have files of an earlier run.
    """

    def __init__(
        self,
        fleet: Fleet,
        clusters: t.Sequence[str],
        play: t.Collection[str],
        folder: FrontDoorFolder,
        local: KindFleet | None,
        door: FrontDoor,
        *,
        dry_run: bool = False,
        diff: bool = True,
        timeout: float = 120,
        gateways_stay: bool = True,
    ) -> None:
        self.fleet, self.clusters, self.door, self.local = fleet, clusters, door, local
        self.play = [name for name in clusters if name in play]
        self.dry_run, self.diff, self.timeout, self.gateways_stay = dry_run, diff, timeout, gateways_stay
        self.folder = folder
        self.container = Container(local, folder) if local else None
        self.distances = Distances(self.container, folder, clusters)
        self.owner = owner_labels(PART, fleet.name)
        self.served: dict[str, list[str]] = {}
        """By service, the clusters behind the front door."""
        self.stays: list[str] = []
        """Clusters outside of the play for which it stays, where it was to go."""
        self.address = ""
        self.warnings: list[str] = []
        self.kubes: dict[str, Kube] = {}
        self.unread = Unread()
        """Clusters in which a step failed, or whose primary's did. What Envoy has of them stays as it is."""
        self.failures = self.unread.failures
        """Those of the play for which that is no mere silence before anything was written."""
        self._read_warnings = 0
        """How many warnings are of reading: those of a plan go when another is made."""
        self._knowing: dict[tuple[str, str], set[str]] = {}
        """By host and path of a route that not all gateways of its service know, the clusters whose gateways do."""
        self._claimed: dict[str, set[str]] = {}
        """By cluster, hosts that somebody else serves there as the routes say."""
        self.away: set[str] = set()
        """They, and those of this machine that were deleted."""
        self._live: dict[str, list[Live]] = {}
        """By cluster, the front door's own objects; asked before machines of the user's alone."""
        self._earlier: list[str] = []
        """Why machines of the user's may still have files of an earlier run; nothing where what these need may go."""
        self._without_pods: dict[str, list[str]] = {}
        """By service, the clusters that have no ready pod of it: nobody waits for them."""

    # -- the whole run -------------------------------------------------------------------------

    async def present(self) -> list[Change]:
        """Make it as it is wanted, and wait until its routes are healthy."""
        async with contextlib.AsyncExitStack() as stack:
            seen = await self._read(stack)
            secrets, failed = await on_each(seen, lambda name: read_secrets(self.kubes[name], self.door))
            self._go_without(failed, seen)
            gateways, objects = self._plan(seen)
            if failed := await self._refuse_foreign(objects):
                self._go_without(failed, seen)
                gateways, objects = self._plan(seen)
            readable = {name: some for name, some in secrets.items() if name in seen}
            pairs, told = find_pairs(self.door, readable, self.folder, self.unread.why)
            kept = self._keep(objects, seen)
            changes, failed = await self._apply({name: some.wanted for name, some in kept.items()})
            if failed:
                self._go_without(failed, seen, written=True)
                gateways = self._gateways_left(gateways)
            self._find_unknown(seen, objects, gateways)
            self.warnings += told
            more = any(some.more for name, some in kept.items() if name in self.kubes)
            served = await self._serve(gateways, pairs, more=more)
            stay: t.Mapping[str, t.Sequence[Live]] = objects
            if self._earlier:
                self.warnings.append(still_needed(self.folder, self._earlier))
                stay = {name: [*some.wanted, *some.left] for name, some in kept.items()}
            elif more:
                rest = {name: [one for one in objects[name] if one not in some.wanted] for name, some in kept.items()}
                later, failed = await self._apply({name: some for name, some in rest.items() if name in self.kubes})
                self.failures |= failed
                changes = both(changes, later, planned=self.dry_run)
            changes = [*changes, served, *await self._prune(stay, seen)]
        return changes

    def _keep(self, objects: t.Mapping[str, list[dict[str, t.Any]]], seen: t.Mapping[str, Seen]) -> dict[str, Kept]:
        """By cluster, what its gateway needs by the routes, and by files that machines of the user's may still have."""
        unread = self._of_unread_remotes(seen)
        found = {}
        for name, some in objects.items():
            # What stays for another reason is no rest of an earlier run.
            others = {one["metadata"]["uid"] for one in unread.get(name, ())}
            live = [one for one in self._live.get(name, ()) if one["metadata"]["uid"] not in others]
            found[name] = keep(some, live)
        return found

    def _plan(
        self, seen: t.Mapping[str, Seen]
    ) -> tuple[dict[str, tuple[Gateway, ...]], dict[str, list[dict[str, t.Any]]]]:
        """Where services are reached, and what the gateways need for it, by what the clusters have."""
        del self.warnings[self._read_warnings :]
        gateways = self._gateways(seen)
        self._insist_on_pods(seen)
        return gateways, self._objects(seen, gateways)

    async def absent(self) -> list[Change]:
        """Remove the container, its files, and what it needed in the clusters, whoever made it and wherever from.

        With clusters that are not in the play it stays for these, and leads no longer to those of the play. What
        machines of the user's may still lead to there goes in a later run; at once where the gateways go as well, which
        serve nobody by it, while the custom resource definitions would stay with it.
        """
        if self.container and not self.dry_run:
            await self.container.remove_left()
        there = await self._container_exists()
        written = self.folder.read(CLUSTERS)
        others = [name for name in self.clusters if not self._goes(name)]
        if self.folder.exists() or there:
            # Without its files nobody knows where it leads.
            led = clusters_of(written) if written else others
            self.stays = [name for name in others if name in led]
        changes = []
        if self.stays:
            changes += await self._leave(written, lives=there)
        elif there or self.folder.exists():
            if not self.dry_run:
                if self.container and there:
                    await self.container.remove()
                self.folder.clear()
            changes.append(Change("", "FrontDoor", self.door.name, REMOVED))
        async with contextlib.AsyncExitStack() as stack:
            known = (self.fleet.clusters[name] for name in self.play)
            self.kubes, failed = await connect_each(stack, known, absent_ok=True)
            removed: dict[str, list[Change]] = {}
            unseen: dict[str, FleetError] = {}
            if self.container is None and self.stays:
                left, unseen = await on_each(self.kubes, lambda name: self._prune_one(name, [], dry_run=True))
                if any(left.values()):
                    self._earlier = await earlier_files(self.folder, self.door.addresses, changed=bool(changes))
            if self._earlier:
                said = still_needed if self.gateways_stay else needed_no_more
                self.warnings.append(said(self.folder, self._earlier))
            if not self._earlier or not self.gateways_stay:
                removed, unseen = await on_each(self.kubes, lambda name: self._prune_one(name, []))
        failed |= unseen
        changes += [change for some in removed.values() for change in some]
        self.warnings += [f"{host} may still hold objects of the front door: {e.what}" for host, e in failed.items()]
        return changes

    async def _leave(self, written: Live, *, lives: bool) -> list[Change]:
        """Lead nobody to the clusters of the play any more."""
        leaving = [name for name in clusters_of(written) if self._goes(name)]
        if not leaving:
            return []
        # A file that was cut is none, and a run that writes it anew mends it.
        before = {name: content for name in self.folder.names() if (content := self.folder.read(name))}
        files = {**before, CLUSTERS: without(written, leaving)}
        if self.container is None:
            files = with_version(self.door.name, files)
        if not self.dry_run:
            await self._put(files, before, lives=lives and bool(await self._address()))
            if lives and await self._address():
                await self._until_loaded(files)
        texts = [_text(before), _text(files)] if self.diff else ["", ""]
        return [Change("", "FrontDoor", self.door.name, CHANGED, before=texts[0], after=texts[1])]

    def _goes(self, name: str) -> bool:
        """Whether a cluster has no front door after a removal: in the play is it, or who configures its gateway."""
        cluster = self.fleet.clusters.get(name)
        return name in self.play or (cluster is not None and cluster.primary in self.play)

    async def _address(self) -> str:
        return await self.container.address() if self.container else self.door.address

    async def _container_exists(self) -> bool:
        try:
            return self.container is not None and await self.container.inspect() is not None
        except Foreign:
            # A removal treats what is not ours as missing.
            return False

    # -- what the clusters have ----------------------------------------------------------------

    async def _read(self, stack: contextlib.AsyncExitStack) -> dict[str, Seen]:
        """What the clusters have that can be read. Another is what a front door is for: it stops no change."""
        known = (self.fleet.clusters[name] for name in self.clusters)
        kubes, failed = await connect_each(stack, known, absent_ok=self.dry_run)
        seen, unread = await on_each(kubes, lambda name: look(kubes[name], self.fleet, self.door, name))
        failed |= unread
        gone = await self._without_node(failed)
        self.warnings += [
            f"{name} has no node on this machine: the front door does not lead there" for name in failed if name in gone
        ]
        self.kubes, self.away = kubes, set(gone)
        self._go_without(failed, seen)
        self.warnings += [
            f"{name}: the account may not list {' and '.join(has.hidden)}: whether they serve a host of the front door "
            "there is not known; allow it to list them, or see to it yourself"
            for name, has in seen.items()
            if has.hidden
        ]
        self._read_warnings = len(self.warnings)
        return seen

    def _go_without(self, failed: t.Mapping[str, FleetError], seen: dict[str, Seen], *, written: bool = False) -> None:
        """Do no more in clusters in which a step failed, nor in remotes of theirs.

        Args:
            failed: by cluster, how.
            seen: what the clusters have; these are taken out.
            written: whether some of what was to be written there may be there.

        Raises:
            FleetError: no cluster is left.
        """
        gone = set(failed) & self.away
        for name in failed:
            seen.pop(name, None)
        there = {name: error for name, error in failed.items() if name not in gone}
        self.unread.add(there, self.play, written=written)
        for name in list(seen):
            primary = self.fleet.clusters[name].primary
            if primary in failed:
                del seen[name]
                why = "does not answer" if is_silent(failed[primary]) else "failed"
                why = "has no node on this machine" if primary in gone else why
                self.unread.why[name] = f"its gateway is configured by {primary}, which {why}"
        for error in [] if seen else failed.values():
            raise error
        self.away |= set(self.unread.why)
        self.kubes = {name: kube for name, kube in self.kubes.items() if name in seen}

    async def _without_node(self, clusters: t.Iterable[str]) -> set[str]:
        """Those of some clusters of this machine that somebody deleted."""
        if self.local is None:
            return set()
        names = {name: self.local.container_name(name) for name in clusters}
        nodes = await self.local.engine.containers(list(names.values())) if names else {}
        return {name for name, node in names.items() if node not in nodes}

    def _gateways(self, seen: t.Mapping[str, Seen]) -> dict[str, tuple[Gateway, ...]]:
        """By service, where the front door reaches it in each cluster that has it."""
        found: dict[str, tuple[Gateway, ...]] = {}
        for service, route in self.door.services().items():
            has = [name for name in seen if service in seen[name].services]
            kept = self._kept(service, route)
            lacking = [name for name in route.clusters or () if name not in has and name not in self.away]
            nobody = not (has or kept) and not (route.clusters and self.away.issuperset(route.clusters))
            if (lacking or nobody) and not self.dry_run:
                raise FleetError(
                    "the service of a route does not exist",
                    cluster=lacking[0] if len(lacking) == 1 else "",
                    obj=f"Service {route.namespace}/{route.name}",
                    seen="; ".join(
                        [
                            f"not in {', '.join(lacking or seen)}",
                            *self.unread.listed(),
                        ]
                    ),
                    next_step="deploy the service there, or correct clusters in front_door_routes; then run again",
                )
            if lacking or nobody:
                self.warnings.append(
                    f"Service {route.namespace}/{route.name} does not exist yet in {', '.join(lacking or seen)}: where "
                    "it will be reached there is not known before a run, and check mode leaves it out"
                )
            ways = {**kept, **{name: self._gateway(name, route, seen) for name in has}}
            some = [way for name in self.clusters if (way := ways.get(name))]
            if has and not some:
                raise FleetError(
                    "no cluster has a way from a front door to a service",
                    obj=f"Service {route.namespace}/{route.name}",
                    seen="; ".join(self.warnings),
                    next_step=f"give {', '.join(has)} an ingress gateway (gateways_ingress), or the Service the type "
                    "LoadBalancer; then run again",
                )
            found[service] = tuple(some)
            self.served[service] = [gateway.cluster for gateway in some]
        return found

    def _kept(self, service: str, route: Route) -> dict[str, Gateway]:
        """By unread cluster, where Envoy reaches a service there already."""
        written, found = self.folder.read(CLUSTERS), {}
        if self.unread.why and not written and CLUSTERS in self.folder.names():
            raise FleetError(
                "a file of the front door cannot be read",
                obj=str(self.folder.path / CLUSTERS),
                means=f"it says where {', '.join(self.unread.why)} is reached, which cannot be read now",
                next_step="run again when it can; to go on without it, remove that file",
            )
        for name in self.unread.why:
            way = gateway_of(written, service, name)
            if way is not None and (route.clusters is None or name in route.clusters):
                found[name] = dataclasses.replace(way, region=self.fleet.clusters[name].region or name)
        return found

    def _gateways_left(self, gateways: t.Mapping[str, tuple[Gateway, ...]]) -> dict[str, tuple[Gateway, ...]]:
        """Where services are reached when some clusters did not take what their gateways need: there, as before."""
        found: dict[str, tuple[Gateway, ...]] = {}
        for service, route in self.door.services().items():
            ways = {way.cluster: way for way in gateways[service] if way.cluster not in self.unread.why}
            ways |= self._kept(service, route)
            found[service] = tuple(ways[name] for name in self.clusters if name in ways)
            self.served[service] = [way.cluster for way in found[service]]
        return found

    def _gateway(self, name: str, route: Route, seen: t.Mapping[str, Seen]) -> Gateway | None:
        """Where a cluster's service is reached; None, with a warning, where it is not."""
        cluster = self.fleet.clusters[name]
        service = seen[name].services[route.service]
        region = cluster.region or name
        number = int(port_of(route, service, name)["port"])
        http2 = any(port.speaks_http2 for port in ports_of(service) if port.number == number)
        own = outside(service)
        if own:
            # A gateway of the user's, or a service with an address of its own.
            return Gateway(name, own, number, region, route.health.port if route.health else 0, http2, own=True)
        why = ""
        if not seen[name].gateway:
            why = "it has no ingress gateway with an address"
        elif cluster.primary not in self.clusters:
            why = f"its gateway is configured by {cluster.primary}, which is of another provider"
        elif name != cluster.primary and route.namespace not in seen[cluster.primary].spaces:
            why = f"its gateway is configured by {cluster.primary}, which has no namespace {route.namespace}"
        if why:
            self.warnings.append(f"{name}: the front door does not lead to its {route.service}: {why}")
            return None
        return Gateway(name, seen[name].gateway, 80, region, http2=http2)

    def _insist_on_pods(self, seen: t.Mapping[str, Seen]) -> None:
        """Refuse routes to nothing, before anything is changed; say where pods are missing."""
        for service, served in self.served.items():
            without = [name for name in served if name in seen and service not in seen[name].ready]
            if without == served and served and not self.dry_run:
                raise FleetError(
                    "a route leads to a service without ready pods",
                    obj=f"Service {service}",
                    seen=f"none is ready in {', '.join(served)}",
                    means="every call would be answered by an error",
                    next_step="see its pods, or take the route out of front_door_routes; then run again",
                )
            self._without_pods[service] = without
            if without and not self.dry_run:
                where = ", ".join(without)
                self.warnings.append(f"{service} has no ready pod in {where}: the front door leads there once it has")

    # -- what the gateways need ----------------------------------------------------------------

    def _objects(
        self, seen: t.Mapping[str, Seen], gateways: t.Mapping[str, tuple[Gateway, ...]]
    ) -> dict[str, list[dict[str, t.Any]]]:
        """By cluster the objects that bring calls from gateways to pods of their own clusters."""
        found: dict[str, list[dict[str, t.Any]]] = {name: [] for name in seen}
        problems: list[str] = []
        unread = self._of_unread_remotes(seen)
        through_of = {
            name: {
                service: live
                for service, live in has.services.items()
                if not outside(live) and any(g.cluster == name for g in gateways[service])
            }
            for name, has in seen.items()
        }
        homes = {name: self.fleet.clusters[name].primary for name, through in through_of.items() if through}
        for name, through in through_of.items():
            home = homes.get(name, name)
            has = seen[home]
            theirs = [
                [obj for obj in objects if not has_our_labels(obj, self.fleet.name, PART)]
                for objects in (has.gateways, has.virtual)
            ]
            proxies = [ingress_labels(self.fleet, self.fleet.clusters[name])]
            served = [
                *claims(theirs[0], theirs[1], proxies),
                *route_claims(has.http_gateways, has.http_routes, INGRESS, has.namespace),
            ]
            against, same = rivals(self.door, served) if through else ([], set())
            problems += [
                f"{name}: {c.host} by {c.object} (to {', '.join(c.services) or 'no service'})" for c in against
            ]
            self.warnings += [
                f"{name}: {host} is served there by a route of somebody else's, which stays: pods of other clusters "
                "may answer"
                for host in sorted(same)
            ]
            self._claimed[name] = same
            shared = list(homes.values()).count(home) > 1 or bool(unread.get(home))
            for obj in gateway_objects(self.door, name, through, same, remote=home != name, shared=shared):
                found[name if obj["kind"] == "Service" else home].append(obj)
        if problems:
            raise FleetError(
                "a host of the front door is served by something else at the same gateways",
                seen="; ".join(problems),
                means="two routes for one host: which of them counts, Istio decides by their age",
                next_step="remove or rename one of them: front_door_routes, another fleet's front door, or that "
                "object (the sample's page has apps_sample_hosts)",
            )
        return found

    def _of_unread_remotes(self, seen: t.Mapping[str, Seen]) -> dict[str, list[Live]]:
        """By primary, what the gateways of its remotes that are not read go on by."""
        found: dict[str, list[Live]] = {}
        for name in self.unread.why:
            home = self.fleet.clusters[name].primary
            if home in seen:
                ours = (
                    [obj for obj in objects if has_our_labels(obj, self.fleet.name, PART)]
                    for objects in (seen[home].gateways, seen[home].virtual)
                )
                found.setdefault(home, []).extend(objects_of_remote(self.door.name, name, *ours))
        return found

    async def _refuse_foreign(self, objects: t.Mapping[str, t.Sequence[Live]]) -> dict[str, FleetError]:
        """Refuse to overwrite what others made under the same names: a later run would remove it as ours.

        Returns:
            By cluster why it could not be asked.
        """

        async def look(name: str) -> list[str]:
            kube, foreign = self.kubes[name], []
            for obj in objects[name]:
                meta = obj["metadata"]
                live = await kube.get(obj["apiVersion"], obj["kind"], meta["name"], meta["namespace"])
                if live is not None and not has_our_labels(live, self.fleet.name, PART) and not kube.take_over:
                    fleet = fleet_of(live)
                    of = f" of fleet {fleet}" if fleet else ""
                    foreign.append(f"{obj['kind']} {meta['namespace']}/{meta['name']}{of} in {name}")
            if self.container is None and name in self.play:
                self._live[name] = [one for kind in KINDS for one in await kube.list(*kind, labels=self.owner)]
            return foreign

        found, failed = await on_each(objects, look)
        foreign = [text for some in found.values() for text in some]
        if foreign:
            raise FleetError(
                "objects of these names exist, and this fleet did not make them",
                seen=", ".join(foreign),
                means="the front door would overwrite them, and its removal would delete them",
                next_step="remove or rename them, or choose another front_door_name; to give them to this fleet, "
                "run once with mesh_take_over: true",
            )
        return failed

    def _changes(self, name: str) -> bool:
        """Whether this run brings its routes to a cluster's gateway: a remote's are in its primary."""
        return {name, self.fleet.clusters[name].primary} <= {one for one in self.play if one not in self.away}

    def _find_unknown(
        self,
        seen: t.Mapping[str, Seen],
        objects: t.Mapping[str, t.Sequence[Live]],
        gateways: t.Mapping[str, tuple[Gateway, ...]],
    ) -> None:
        """Find routes that gateways do not know which this run does not change: they answer 404, or with another
        service, and their health checks may ask for a route that they do know."""
        written = self.folder.read(CLUSTERS)
        routes = [self.folder.read(name) for name in self.folder.names() if name.startswith("routes-")]
        lacking: dict[str, list[str]] = {}
        for route in self.door.routes:
            led = leads(written, routes, route.service, route.host, route.path)
            for gateway in gateways[route.service]:
                name = gateway.cluster
                if self._changes(name) or name in led or self._serves_already(name, route, seen, objects):
                    continue
                lacking.setdefault(name, []).append(text_of(route))
                everyone = {one.cluster for one in gateways[route.service]}
                self._knowing.setdefault((route.host, route.path), everyone).discard(name)
        for name in (name for name in lacking if name not in self.away):
            self.warnings.append(
                f"{name} is not in this run, and its gateway does not know {', '.join(lacking[name])} yet: such calls "
                "go past it until a run without --limit"
            )
        for name in self.unread.why:
            stays = [route for route in self.door.routes if name in self.led(route)]
            self.warnings.append(self.unread.told(name, stays, lacking.get(name, ())))

    def led(self, route: Route) -> list[str]:
        """The clusters that a route leads to."""
        some = self.served.get(route.service, [])
        known = self._knowing.get((route.host, route.path))
        return [name for name in some if known is None or name in known]

    def _serves_already(
        self, name: str, route: Route, seen: t.Mapping[str, Seen], objects: t.Mapping[str, t.Sequence[Live]]
    ) -> bool:
        """Whether a cluster outside of the play has what its gateway needs for a route, or needs nothing."""
        home = self.fleet.clusters[name].primary
        if name not in seen or home not in seen:
            return False
        if outside(seen[name].services[route.service]) or (route.host or "*") in self._claimed.get(name, ()):
            return True
        # Which Services of ours a remote has is not read.
        if name != home:
            return False
        live = [one for one in seen[home].virtual if has_our_labels(one, self.fleet.name, PART)]
        there = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in live}
        wanted = [
            one
            for one in objects[home]
            if one["kind"] == "VirtualService"
            and (one["spec"]["hosts"], one["spec"]["gateways"]) == ([route.host or "*"], [self.door.name])
        ]
        # It may keep what is needed by files of an earlier run besides.
        now = [(one, there.get((one["metadata"]["namespace"], one["metadata"]["name"]))) for one in wanted]
        return all(has and keep([one], [has]).wanted[0]["spec"] == has.get("spec") for one, has in now)

    async def _apply(self, objects: t.Mapping[str, t.Sequence[Live]]) -> tuple[list[Change], dict[str, FleetError]]:
        """Write them; by cluster, what failed."""

        async def one(name: str) -> list[Change]:
            kube = self.kubes[name]
            return await kube.apply(objects[name], labels=self.owner, dry_run=self.dry_run, diff=self.diff)

        done, failed = await on_each((name for name in self.play if objects.get(name)), one)
        return [change for some in done.values() for change in some], failed

    async def _prune(self, objects: t.Mapping[str, t.Sequence[Live]], seen: t.Mapping[str, Seen]) -> list[Change]:
        """Remove what is no longer wanted. Envoy leads nobody there any more: where it fails, a later run does it."""
        names = [name for name in self.play if name in self.kubes]
        unread = self._of_unread_remotes(seen)
        done, failed = await on_each(
            names, lambda name: self._prune_one(name, [*objects.get(name, ()), *unread.get(name, ())])
        )
        self.failures |= failed
        return [change for some in done.values() for change in some]

    async def _prune_one(self, name: str, stay: t.Sequence[Live], *, dry_run: bool = False) -> list[Change]:
        changes = []
        for kind in KINDS:
            changes += await self.kubes[name].prune(
                stay, labels=self.owner, kinds=[kind], dry_run=dry_run or self.dry_run, diff=self.diff
            )
        return changes

    # -- Envoy ---------------------------------------------------------------------------------

    async def _serve(
        self, gateways: t.Mapping[str, tuple[Gateway, ...]], pairs: t.Sequence[Pair], *, more: bool = False
    ) -> Change:
        """Give Envoy its configuration, start it where it does not live, and wait until it has loaded it.

        Args:
            gateways: by service, where it is reached.
            pairs: the certificates.
            more: whether gateways have more than what the routes need.
        """
        certificates = tuple(Certificate(p.name, self.folder.keys_inside(p.folder)) for p in pairs)
        known = callers(self.door, await self._known_callers())

        def drawn() -> dict[str, dict[str, t.Any]]:
            ways = self.distances.in_order(gateways)
            envoy = EnvoyDoor(ways, certificates, known, self.folder.inside, knowing=self._knowing)
            drawing = render(self.door, envoy)
            return drawing if self.container else with_version(self.door.name, drawing)

        files = drawn()
        before = {name: self.folder.read(name) for name in self.folder.names()}
        keys = [p for p in pairs if not self.folder.has_keys(p.folder, p.certificate, p.key)]
        container, image, lives = self.container, "", True
        if container and (before or not self.dry_run):
            image = await container.image(self.clusters)
            lives = bool(before) and await container.as_wanted(image, files[BOOTSTRAP], self.door.address)
        if before and lives:
            await self.distances.measure(gateways)
            files = drawn()
        stale = sorted(set(before) - set(files))
        if container is None:
            files = await self._with_earlier(files, before, changed=bool(stale or keys), more=more)
        changed = [name for name in files if before.get(name) != files[name]]
        action = CREATED if not before else UNCHANGED if lives and not (changed or stale or keys) else CHANGED
        if not self.dry_run:
            for pair in keys:
                self.folder.write_keys(pair.folder, pair.certificate, pair.key)
            if container and (changed or not lives):
                await container.validate(image, as_static(files))
            await self._put(files, before, lives=lives)
            if container and not lives:
                await container.make(image, files[BOOTSTRAP], self.door.address)
                # Only now is there a place to measure from.
                await self.distances.measure(gateways)
                first, files = files, drawn()
                await self._until_loaded(first)
                await self._put(files, first, lives=True)
            await self._until_loaded(files)
            self.distances.record()
            for name in stale:
                self.folder.remove(name)
            self.folder.forget_keys([p.folder for p in pairs])
            await self._until_healthy()
        self.address = await self._address()
        texts = (
            [_text(some) if some else "" for some in (before, files)] if action != UNCHANGED and self.diff else ["", ""]
        )
        return Change("", "FrontDoor", self.door.name, action, before=texts[0], after=texts[1])

    async def _with_earlier(
        self, files: dict[str, dict[str, t.Any]], before: t.Mapping[str, Live], *, changed: bool, more: bool
    ) -> dict[str, dict[str, t.Any]]:
        """The files, with the clusters that routes of an earlier run name, as long as a machine may have these.

        Clusters are copied first, and routes name them until theirs follow. The version says nothing of them.
        """
        clusters = union_of_clusters(files[CLUSTERS], before.get(CLUSTERS) or {})
        kept = {**files, CLUSTERS: clusters}
        if more or clusters != files[CLUSTERS]:
            differs = changed or kept != before
            self._earlier = await earlier_files(self.folder, self.door.addresses, changed=differs)
        return kept if self._earlier else files

    async def _known_callers(self) -> dict[str, list[str]]:
        """Pods call from the address of their node."""
        if self.local is None:
            return {}
        names = {self.local.container_name(name): name for name in self.clusters}
        found: dict[str, list[str]] = {}
        for container, node in (await self.local.engine.containers(list(names))).items():
            address = address_of(node, self.local.network_name)
            if address:
                cluster = self.fleet.clusters[names[container]]
                found.setdefault(cluster.region or cluster.name, []).append(f"{address}/32")
        return {region: sorted(some) for region, some in sorted(found.items())}

    async def _put(self, files: t.Mapping[str, t.Any], before: t.Mapping[str, t.Any], *, lives: bool) -> None:
        """Write what differs. What a running Envoy still leads to stays until its routes are the new ones."""
        if lives and before.get(CLUSTERS) != files[CLUSTERS]:
            both = union_of_clusters(files[CLUSTERS], before.get(CLUSTERS) or {})
            self.folder.write(CLUSTERS, both)
            await self._until_loaded({CLUSTERS: both})
        rest = {name: content for name, content in files.items() if name != CLUSTERS}
        for name in sorted(rest, reverse=True):  # secrets and routes, then the listeners that name them
            if before.get(name) != rest[name]:
                self.folder.write(name, rest[name])
        if lives:
            await self._until_loaded(rest)
        if self.folder.read(CLUSTERS) != files[CLUSTERS]:
            self.folder.write(CLUSTERS, files[CLUSTERS])

    async def _until_loaded(self, files: t.Mapping[str, t.Any]) -> None:
        if self.container is None:
            return

        def missing(stats: t.Any) -> str:
            left = as_loaded(files, stats)
            return f"not loaded: {', '.join(left)}" if left else ""

        what = "the front door, until Envoy has its configuration"
        left = await self.container.until(_STATS, ADMIN_PORT, missing, what, _LOAD_SECONDS)
        if left:
            raise FleetError(
                "Envoy does not load the configuration of the front door",
                seen=left,
                means=await self.container.log() or "it says nothing",
                next_step="run again; if it goes on, remove the front door (front_door_routes: []) and make it anew",
            )

    async def _until_healthy(self) -> None:
        """Wait until Envoy finds every cluster with the service healthy; one for each route is a must."""
        if self.container is None or not self.timeout:
            return
        # No wait makes a cluster healthy that is unread, or that this run may not change.
        changed = [name for name in self.clusters if self._changes(name)]
        wanted = {service: {name for name in some if name in changed} for service, some in self.served.items()}

        def missing(page: t.Any) -> str:
            health = health_of(self.door, page)
            gone = [
                f"{service} in {cluster}: {health[service].unhealthy.get(cluster, 'not known yet')}"
                for service, some in wanted.items()
                for cluster in sorted(some - set(health[service].healthy))
                if cluster not in self._without_pods.get(service, ())
            ]
            return "; ".join(gone)

        what = "the front door, until its health checks succeed"
        left = await self.container.until(_HEALTH, ADMIN_PORT, missing, what, self.timeout)
        if not left:
            return
        health = health_of(self.door, await self.container.ask(_HEALTH, ADMIN_PORT) or {})
        dead = [service for service, state in health.items() if wanted[service] and not state.healthy]
        route = self.door.services()[dead[0]] if dead else None
        path = (route.health.path if route.health else route.path) if route else ""
        means = "its health check asks each gateway for the route's host and path, and takes statuses 200 to 399"
        if route:
            raise FleetError(
                "no cluster behind the front door is healthy for a route",
                obj=f"Service {route.service}",
                seen=f"{left} (asked for {route.host or 'any host'}{path})",
                means=means,
                next_step="set health of the route to a path that answers so; then run again",
            )
        self.warnings.append(f"the front door leads past some clusters: {left}: {means}")


def _text(files: t.Mapping[str, t.Any]) -> str:
    """The files for people; they name keys and hold none."""
    return "".join(f"--- {name}\n{json.dumps(files[name], indent=1, sort_keys=True)}\n" for name in sorted(files))
