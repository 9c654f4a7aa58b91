# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door of ours: what the clusters' gateways need, and Envoy before them.

Before clusters of this machine Envoy is a container. Before others the files are for machines of the user's.

In the order in which no call is lost: a route comes to the gateways before it comes to Envoy, and goes after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import addresses_of
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import address_of
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.fleet import Foreign, KindFleet
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import Container, FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import ROLE_PRIMARY, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import INGRESS
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    fleet_of,
    has_our_labels,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor, Route
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_certificate import (
    Pair,
    read_pair,
    uncovered,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    ADMIN_PORT,
    BOOTSTRAP,
    CLUSTERS,
    Certificate,
    EnvoyDoor,
    Gateway,
    as_loaded,
    as_static,
    callers,
    health_of,
    render,
    union_of_clusters,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_gateways import (
    KINDS,
    claims,
    gateway_objects,
    port_of,
    rivals,
)
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

__all__ = ["LocalFrontDoor"]

_SLICE = ("discovery.k8s.io/v1", "EndpointSlice")
_LOAD_SECONDS = 30.0
_STATS = "/stats?format=json&filter=version_text%24"
_HEALTH = "/clusters?format=json"

Live = t.Mapping[str, t.Any]


@dataclasses.dataclass
class _Seen:
    """What one cluster has."""

    services: dict[str, Live] = dataclasses.field(default_factory=dict)
    """By ``name.namespace``."""
    ready: set[str] = dataclasses.field(default_factory=set)
    """Those with a ready pod."""
    gateway: tuple[str, ...] = ()
    """Addresses of its ingress gateway."""
    gateways: t.Sequence[Live] = ()
    virtual: t.Sequence[Live] = ()


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
    ) -> None:
        self.fleet, self.clusters, self.door, self.local = fleet, clusters, door, local
        self.play = [name for name in clusters if name in play]
        self.dry_run, self.diff, self.timeout = dry_run, diff, timeout
        self.folder = folder
        self.container = Container(local, folder) if local else None
        self.owner = owner_labels(PART, fleet.name)
        self.served: dict[str, list[str]] = {}
        """By service, the clusters behind the front door."""
        self.address = ""
        self.warnings: list[str] = []
        self.kubes: dict[str, Kube] = {}
        self._without_pods: dict[str, list[str]] = {}
        """By service, the clusters that have no ready pod of it: nobody waits for them."""

    # -- the whole run -------------------------------------------------------------------------

    async def present(self) -> list[Change]:
        """Make it as it is wanted, and wait until its routes are healthy."""
        async with contextlib.AsyncExitStack() as stack:
            seen = await self._read(stack)
            gateways = self._gateways(seen)
            self._insist_on_pods(seen)
            objects = self._objects(seen, gateways)
            await self._refuse_foreign(objects)
            pairs = await self._certificates()
            changes = await self._apply(objects)
            changes.append(await self._serve(gateways, pairs))
            changes += await self._prune(objects)
        return changes

    async def absent(self) -> list[Change]:
        """Remove the container, its files, and what it needed in the clusters."""
        changes = []
        there = await self._container_exists()
        if there or self.folder.exists():
            if not self.dry_run:
                if self.container and there:
                    await self.container.remove()
                self.folder.clear()
            changes.append(Change("", "FrontDoor", self.door.name, REMOVED))
        async with contextlib.AsyncExitStack() as stack:
            known = (self.fleet.clusters[name] for name in self.play)
            self.kubes, failed = await connect_each(stack, known, absent_ok=True)
            changes += await self._prune({})
        self.warnings += [f"{host} may still hold objects of the front door: {e.what}" for host, e in failed.items()]
        return changes

    async def _container_exists(self) -> bool:
        try:
            return self.container is not None and await self.container.inspect() is not None
        except Foreign:
            # A removal treats what is not ours as missing.
            return False

    # -- what the clusters have ----------------------------------------------------------------

    async def _read(self, stack: contextlib.AsyncExitStack) -> dict[str, _Seen]:
        known = (self.fleet.clusters[name] for name in self.clusters)
        self.kubes, failed = await connect_each(stack, known, absent_ok=self.dry_run)
        seen, unread = await on_each(self.kubes, self._look)
        for error in [*failed.values(), *unread.values()]:
            raise error
        return seen

    async def _look(self, name: str) -> _Seen:
        kube, found = self.kubes[name], _Seen()
        wanted = [r for r in self.door.services().values() if r.clusters is None or name in r.clusters]
        services = await asyncio.gather(*(kube.get("v1", "Service", r.name, r.namespace) for r in wanted))
        for route, service in zip(wanted, services, strict=True):
            if service is None:
                continue
            found.services[route.service] = service
            labels = {"kubernetes.io/service-name": route.name}
            slices = await kube.list(*_SLICE, route.namespace, labels)
            if any((e.get("conditions") or {}).get("ready", True) for s in slices for e in s.get("endpoints") or []):
                found.ready.add(route.service)
        gateways = await kube.list("v1", "Service", labels=owner_labels("gateways", self.fleet.name))
        ours = next((one for one in gateways if one["metadata"]["name"] == INGRESS), None)
        # Where nobody of ours made one, one of this name does as well.
        found.gateway = _outside(ours or await kube.get("v1", "Service", INGRESS, self.fleet.namespace) or {})
        found.virtual, found.gateways = await kube.list(*KINDS[0]), await kube.list(*KINDS[1])
        return found

    def _gateways(self, seen: t.Mapping[str, _Seen]) -> dict[str, tuple[Gateway, ...]]:
        """By service, where the front door reaches it in each cluster that has it."""
        found: dict[str, tuple[Gateway, ...]] = {}
        for service, route in self.door.services().items():
            has = [name for name in self.clusters if service in seen[name].services]
            lacking = [name for name in route.clusters or () if name not in has]
            if (lacking or not has) and not self.dry_run:
                raise FleetError(
                    "the service of a route does not exist",
                    cluster=lacking[0] if len(lacking) == 1 else "",
                    obj=f"Service {route.namespace}/{route.name}",
                    seen=f"not in {', '.join(lacking or self.clusters)}",
                    next_step="deploy the service there, or correct clusters in front_door_routes; then run again",
                )
            some = [gateway for name in has if (gateway := self._gateway(name, route, seen[name]))]
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

    def _gateway(self, name: str, route: Route, seen: _Seen) -> Gateway | None:
        """Where a cluster's service is reached; None, with a warning, where it is not."""
        cluster = self.fleet.clusters[name]
        service = seen.services[route.service]
        region = cluster.region or name
        number = int(port_of(route, service, name)["port"])
        own = _outside(service)
        if own:
            # A gateway of the user's, or a service with an address of its own.
            return Gateway(name, own, number, region, route.health.port if route.health else 0)
        why = ""
        if not seen.gateway:
            why = "it has no ingress gateway with an address"
        elif cluster.role != ROLE_PRIMARY:
            why = f"its gateway is configured by {cluster.primary}, for both clusters alike"
        if why:
            self.warnings.append(f"{name}: the front door does not lead to its {route.service}: {why}")
            return None
        return Gateway(name, seen.gateway, 80, region)

    def _insist_on_pods(self, seen: t.Mapping[str, _Seen]) -> None:
        """Refuse routes to nothing, before anything is changed; say where pods are missing."""
        for service, served in self.served.items():
            without = [name for name in served if service not in seen[name].ready]
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
        self, seen: t.Mapping[str, _Seen], gateways: t.Mapping[str, tuple[Gateway, ...]]
    ) -> dict[str, list[dict[str, t.Any]]]:
        """By cluster the objects that bring calls from its gateway to its own pods."""
        found: dict[str, list[dict[str, t.Any]]] = {}
        problems: list[str] = []
        for name, has in seen.items():
            through = {
                service: live
                for service, live in has.services.items()
                if not _outside(live) and any(g.cluster == name for g in gateways[service])
            }
            others = [
                [obj for obj in objects if not has_our_labels(obj, self.fleet.name, PART)]
                for objects in (has.gateways, has.virtual)
            ]
            against, same = rivals(self.door, claims(*others)) if through else ([], set())
            problems += [f"{name}: {c.host} by {c.object} (to {', '.join(c.services)})" for c in against]
            self.warnings += [
                f"{name}: {host} is served there by somebody else's VirtualService, which stays: pods of other "
                "clusters may answer"
                for host in sorted(same)
            ]
            found[name] = gateway_objects(self.door, name, through, same)
        if problems:
            raise FleetError(
                "a host of the front door is served by something else at the same gateways",
                seen="; ".join(problems),
                means="two routes for one host: which of them counts, Istio decides by their age",
                next_step="remove or rename one of them: front_door_routes, another fleet's front door, or that "
                "VirtualService (the sample's page has apps_sample_hosts)",
            )
        return found

    async def _refuse_foreign(self, objects: t.Mapping[str, t.Sequence[Live]]) -> None:
        """Refuse to overwrite what others made under the same names: a later run would remove it as ours."""

        async def look(name: str) -> list[str]:
            kube, foreign = self.kubes[name], []
            for obj in objects[name]:
                meta = obj["metadata"]
                live = await kube.get(obj["apiVersion"], obj["kind"], meta["name"], meta["namespace"])
                if live is not None and not has_our_labels(live, self.fleet.name, PART) and not kube.take_over:
                    fleet = fleet_of(live)
                    of = f" of fleet {fleet}" if fleet else ""
                    foreign.append(f"{obj['kind']} {meta['namespace']}/{meta['name']}{of} in {name}")
            return foreign

        found, failed = await on_each(objects, look)
        for error in failed.values():
            raise error
        foreign = [text for some in found.values() for text in some]
        if foreign:
            raise FleetError(
                "objects of these names exist, and this fleet did not make them",
                seen=", ".join(foreign),
                means="the front door would overwrite them, and its removal would delete them",
                next_step="remove or rename them, or choose another front_door_name; to give them to this fleet, "
                "run once with mesh_take_over: true",
            )

    async def _apply(self, objects: t.Mapping[str, t.Sequence[Live]]) -> list[Change]:
        async def one(name: str) -> list[Change]:
            kube = self.kubes[name]
            return await kube.apply(objects[name], labels=self.owner, dry_run=self.dry_run, diff=self.diff)

        done, failed = await on_each((name for name in self.play if objects.get(name)), one)
        for error in failed.values():
            raise error
        return [change for some in done.values() for change in some]

    async def _prune(self, objects: t.Mapping[str, t.Sequence[Live]]) -> list[Change]:
        """Remove what is no longer wanted. Envoy leads nobody there any more."""

        async def one(name: str) -> list[Change]:
            changes = []
            for kind in KINDS:
                keep = objects.get(name, [])
                changes += await self.kubes[name].prune(
                    keep, labels=self.owner, kinds=[kind], dry_run=self.dry_run, diff=self.diff
                )
            return changes

        done, failed = await on_each((name for name in self.play if name in self.kubes), one)
        for error in failed.values():
            raise error
        return [change for some in done.values() for change in some]

    # -- certificates --------------------------------------------------------------------------

    async def _certificates(self) -> list[Pair]:
        """The certificates, each from the first cluster that has its Secret in a namespace of the routes."""
        found = []
        spaces = list(dict.fromkeys(route.namespace for route in self.door.routes))
        now = datetime.datetime.now(datetime.UTC)
        for name in self.door.certificates:
            pair = None
            for cluster in self.clusters:
                for space in spaces:
                    secret = await self.kubes[cluster].get("v1", "Secret", name, space)
                    if secret is not None and pair is None:
                        pair = read_pair(secret, cluster, now)
            if pair is None:
                raise FleetError(
                    "a certificate of the front door does not exist",
                    obj=f"Secret {name}",
                    seen=f"not in namespace {', '.join(spaces)} of {', '.join(self.clusters)}",
                    next_step="make it there (kubectl create secret tls, or cert-manager), or correct "
                    "front_door_certificates; then run again",
                )
            found.append(pair)
            if pair.ends_soon:
                self.warnings.append(f"the front door's certificate {name} ends on {pair.ends_soon}")
        if found and (missing := uncovered(self.door.hosts(), found)):
            self.warnings.append(f"no certificate of the front door is for {', '.join(missing)}")
        return found

    # -- Envoy ---------------------------------------------------------------------------------

    async def _serve(self, gateways: t.Mapping[str, tuple[Gateway, ...]], pairs: t.Sequence[Pair]) -> Change:
        """Give Envoy its configuration, start it where it does not live, and wait until it has loaded it."""
        certificates = tuple(Certificate(p.name, self.folder.keys_inside(p.folder)) for p in pairs)
        files = render(
            self.door,
            EnvoyDoor(gateways, certificates, callers(self.door, await self._known_callers()), self.folder.inside),
        )
        before = {name: self.folder.read(name) for name in self.folder.names()}
        keys = [p for p in pairs if not self.folder.has_keys(p.folder, p.certificate, p.key)]
        stale = sorted(set(before) - set(files))
        changed = [name for name in files if before.get(name) != files[name]]
        container, image, lives = self.container, "", True
        if container and (before or not self.dry_run):
            image = await container.image(self.clusters)
            lives = bool(before) and await container.as_wanted(image, files[BOOTSTRAP], self.door.address)
        action = CREATED if not before else UNCHANGED if lives and not (changed or stale or keys) else CHANGED
        if not self.dry_run:
            for pair in keys:
                self.folder.write_keys(pair.folder, pair.certificate, pair.key)
            if container and (changed or not lives):
                await container.validate(image, as_static(files))
            await self._put(files, before, lives=lives)
            if container and not lives:
                await container.make(image, files[BOOTSTRAP], self.door.address)
            await self._until_loaded(files)
            for name in stale:
                self.folder.remove(name)
            self.folder.forget_keys([p.folder for p in pairs])
            await self._until_healthy()
        self.address = await container.address() if container else self.door.address
        texts = (
            [_text(some) if some else "" for some in (before, files)] if action != UNCHANGED and self.diff else ["", ""]
        )
        return Change("", "FrontDoor", self.door.name, action, before=texts[0], after=texts[1])

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
        wanted = {service: set(some) for service, some in self.served.items()}

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
        dead = [service for service, state in health.items() if not state.healthy]
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


def _outside(service: Live) -> tuple[str, ...]:
    """Where a Service is reached from outside its cluster; nowhere for most."""
    return tuple(addresses_of(service)) or tuple(str(ip) for ip in (service.get("spec") or {}).get("externalIPs") or ())


def _text(files: t.Mapping[str, t.Any]) -> str:
    """The files for people; they name keys and hold none."""
    return "".join(f"--- {name}\n{json.dumps(files[name], indent=1, sort_keys=True)}\n" for name in sorted(files))
