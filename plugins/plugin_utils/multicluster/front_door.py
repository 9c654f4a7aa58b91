# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apply the front door's objects in the config cluster, and wait for its address."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import crd_established
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    fleet_of,
    has_our_labels,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    FrontDoor,
    Route,
    is_ip,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import (
    API,
    INGRESS,
    KINDS,
    RESERVED_IP,
    STATIC_IP,
    backend_at,
    ingress_objects,
    leads_to,
    links_of,
    service_differences,
    service_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress_status import (
    WarningEvent,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import Member
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.events import recent_warnings
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_seen import Live, is_silent
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_unread import Unread, text_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.ingress_wait import IngressWait

__all__ = ["FrontDoorRun", "needed_by_all"]

PART = "front_door"
"""Several fleets may share a config cluster: each has its own front door."""
_CRD_KIND = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
_CRD_NAME = "multiclusteringresses.networking.gke.io"
_CRD_SECONDS = 300.0


@contextlib.contextmanager
def needed_by_all(home: str, *, connecting: bool = False) -> t.Iterator[None]:
    """Let the error of a config cluster that cannot be worked in say that no other cluster does instead.

    Args:
        home: the config cluster.
        connecting: whether all that fails within is the way to it. Else only its silence counts, and its refusal of
            the account.
    """
    try:
        yield
    except FleetError as error:
        refused = isinstance(error, ApiError) and (error.forbidden or error.untrusted)
        if error.cluster == home and (connecting or refused or is_silent(error)):
            why = f"{home} is the front door's config cluster: without it, nothing of the front door can be changed"
            error.means = "; ".join(filter(None, [error.means, why]))
        raise


class FrontDoorRun:
    """One front door.

    Args:
        fleet: the whole fleet.
        members: its GKE clusters.
        kube: client of the config cluster.
        door: what the user wants; without routes it is removed.
        play: the members that are in this run, which fail if they refuse it; by default none.
        dry_run: plan only.
        diff: whether changes show what they change.
        timeout: seconds until Google has reconciled it, or removed what is no longer wanted.
        say: shows a line of progress.
    """

    def __init__(
        self,
        fleet: Fleet,
        members: t.Mapping[str, Member],
        kube: Kube,
        door: FrontDoor,
        *,
        play: t.Collection[str] = (),
        dry_run: bool = False,
        diff: bool = True,
        timeout: float = 900,
        say: t.Callable[[str], None] = lambda line: None,
    ) -> None:
        self.fleet, self.members, self.kube, self.door = fleet, members, kube, door
        self.dry_run, self.diff, self.timeout, self.say = dry_run, diff, timeout, say
        self.play = play
        self.owner = owner_labels(PART, fleet.name)
        self.known = door
        """What of it can be written: without routes of which only clusters that could not be read know the service, and
        nothing where callers of these would get another service meanwhile."""
        self.served: dict[str, list[str]] = {}
        """By backend, the clusters that have its Service."""
        self.services: dict[str, Live] = {}
        """The live Service of each backend that is known."""
        self._kept_links: dict[str, list[str]] = {}
        """By backend, its links as they are, where only clusters that could not be read may stand in for them."""
        self.unread = Unread()
        """Members that could not be read. Google goes on to lead to them."""
        self.failures = self.unread.failures
        """Those of the play that refused to be read, or that cannot be reached for another reason than silence."""
        self._prepared = False
        self.warnings: list[str] = []
        self.fresh = False
        """Whether this run changed something."""

    async def prepare(self) -> None:
        """Check everything before anything is made or reserved: the services of routes, the kinds, and objects of
        others with the same names."""
        if self.door.routes and not self._prepared:
            self.services = await self._services()
            await self._await_kinds()
            if not self.waits:
                await self._refuse_foreign(ingress_objects(self.known, self.services, self._links(), ""))
            self._prepared = True

    @property
    def waits(self) -> bool:
        """Whether all of it waits for clusters that could not be read: what is there stays as it is."""
        return bool(self.door.routes) and not self.known.routes

    async def place(self, address: str, ip: str = "") -> list[Change]:
        """Apply what is wanted, and remove what is no longer wanted.

        Args:
            address: the reserved address as the objects name it; "" for none.
            ip: its IP.
        """
        await self.prepare()
        if self.waits:
            return []
        objects: list[dict[str, t.Any]] = []
        changes: list[Change] = []
        if self.door.routes:
            objects = ingress_objects(self.known, self.services, self._links(), address, ip)
            if self.kube.record is not None:
                objects = self._known(self.kube.record, objects)
            changes += await self.kube.apply(objects, labels=self.owner, dry_run=self.dry_run, diff=self.diff)
        for kind in KINDS:
            # The ingress first: Google releases a service only when nothing refers to it.
            changes += await self._prune(objects, kind)
        self.fresh = any(change.action != UNCHANGED for change in changes)
        return changes

    def _known(self, record: Recording, objects: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
        """The objects of which nothing depends on what only a cluster or Google knows; names the others."""
        unknown = [route.service for name, route in self.door.backends().items() if not self.served[name]]
        if unknown:
            why = f"selector and ports of {', '.join(unknown)} are known only to the clusters: no app brings them"
            instead = "bring them by apps_list, or run mesh.fleet.front_door once they are there"
            for obj in objects:
                record.leave_out(self.kube.cluster, described(obj), why, instead)
            return []
        if not self.door.address or is_ip(self.door.address):
            return objects
        for obj in objects:
            if obj["kind"] == INGRESS:
                why = f"Google chooses the IP of the reserved address {self.door.address}"
                instead = "set front_door_address to that IP and render again, or run mesh.fleet.front_door"
                record.leave_out(self.kube.cluster, described(obj), why, instead)
        return [obj for obj in objects if obj["kind"] != INGRESS]

    async def _prune(self, keep: t.Sequence[dict[str, t.Any]], kind: tuple[str, str]) -> list[Change]:
        """Remove what is no longer wanted of one kind, and wait until it is gone."""
        # Google may not release what it made in a cluster that does not answer: that is no fault of the others.
        wait = 0.0 if self.unread.why else self.timeout
        try:
            return await self.kube.prune(
                keep, labels=self.owner, kinds=[kind], dry_run=self.dry_run, diff=self.diff, wait=wait
            )
        except ApiError:
            raise
        except FleetError as error:
            held = [o for o in await self.kube.list(*kind, labels=self.owner) if o["metadata"].get("deletionTimestamp")]
            space = str(held[0]["metadata"].get("namespace") or "") if held else ""
            warnings = await recent_warnings(self.kube, held, space, 3)
            raise FleetError(
                f"Google has not released it after {self.timeout:g} s",
                cluster=self.kube.cluster,
                obj=error.obj,
                seen="; ".join([error.seen, *(f"{event.obj}: {event.text}" for event in warnings)]),
                means="Google removes the finalizer after the load balancer; it does not while the feature "
                "multiclusteringress is off or has another config cluster, or its controller lacks "
                "roles/container.admin",
                next_step="check that the feature is on with this config cluster (gke_fleet stage); then run again",
            ) from error

    async def served_address(self, reference: str) -> str:
        """The IP, where the live ingress is served at the reserved address that ``reference`` names; else "".

        Nobody can release an address in use, so Google need not be asked whether it is still reserved.
        """
        live = await self.kube.get(API, INGRESS, self.door.name, self.door.namespace) or {}
        annotations = annotations_of(live)
        vip = str((live.get("status") or {}).get("VIP") or "")
        return vip if (annotations.get(STATIC_IP), annotations.get(RESERVED_IP)) == (reference, vip) else ""

    async def clean_up(self, hosts: t.Iterable[str]) -> list[Change]:
        """Remove what an earlier run made in another config cluster, which Google no longer reads: nothing to wait for.

        A cluster that does not answer is one of ``warnings``. One that could not be read is left to a later run, and
        while the front door waits, so is each.
        """
        if self.waits:
            return []

        async def one(host: str) -> list[Change]:
            connection = self.fleet.clusters[host].connection
            async with Kube.connect(connection, cluster=host, absent_ok=True) as kube:
                return await kube.prune([], labels=self.owner, kinds=KINDS, dry_run=self.dry_run, diff=self.diff)

        removed, failed = await on_each((host for host in hosts if host not in self.unread.why), one)
        for host, error in failed.items():
            self.warnings.append(f"{host} may still hold objects of an earlier front door: {error.what}")
        return [change for some in removed.values() for change in some]

    async def _refuse_foreign(self, objects: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        """Refuse to overwrite what others made under the same names: a later run would remove it as ours."""
        foreign = []
        for obj in objects:
            name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
            live = await self.kube.get(obj["apiVersion"], obj["kind"], name, namespace)
            if live is not None and not has_our_labels(live, self.fleet.name, PART) and not self.kube.take_over:
                fleet = fleet_of(live)
                foreign.append(f"{obj['kind']} {namespace}/{name}{f' of fleet {fleet}' if fleet else ''}")
        if foreign:
            raise FleetError(
                "objects of these names exist, and this fleet did not make them",
                cluster=self.kube.cluster,
                obj=foreign[0] if len(foreign) == 1 else "",
                seen=", ".join(foreign),
                means="the front door would overwrite them, and its removal would delete them",
                next_step="remove or rename them, or choose another front_door_name; to give them to this fleet, "
                "run once with mesh_take_over: true",
            )

    def _links(self) -> dict[str, list[str]]:
        """Links, only where the user chose clusters: without any, new clusters are included by themselves."""
        wanted = {
            name: [] if route.clusters is None else [self.members[c].link for c in route.clusters]
            for name, route in self.known.backends().items()
        }
        return {name: self._kept_links.get(name, links) for name, links in wanted.items()}

    async def _services(self) -> dict[str, t.Mapping[str, t.Any]]:
        """The live Service of each backend; every cluster that a route names must have it.

        Those that cannot be read are gone without, but not all of them. Selector and ports stay as they are where the
        first cluster with the service may be one of these.
        """
        backends = self.door.backends()
        wanted = {name: list(route.clusters or self.members) for name, route in backends.items()}
        hosts = sorted({host for some in wanted.values() for host in some})
        answers, failed = await on_each(hosts, lambda host: self._read(host, backends, wanted))
        self.unread.add(failed, self.play)
        # If the config cluster is silent, this ends the run: no other can stand in for it.
        written = await self._written() if failed else {}
        for error in failed.values() if set(failed) == set(self.members) else ():
            raise error
        found: dict[str, Live] = {}
        routes = self.door.routes
        for name, route in backends.items():
            has = [(host, live[name]) for host, live in answers.items() if live.get(name)]
            unread = [host for host in hosts if host in failed and host in wanted[name]]
            kept = written.get(name) if unread else None
            there = {host for host, _service in has}
            led = {host for host in unread if kept and leads_to(kept, self.members[host].link)}
            all_unread = set(unread) == set(wanted[name])
            stay = self._keep_links(route, kept) if kept and all_unread else set()
            self.served[name] = sorted(there | led | stay)
            lacking = [host for host in route.clusters or () if host not in there and host not in failed]
            waits = all_unread and not kept
            if (lacking or not (has or kept or waits)) and not self.dry_run:
                where = lacking or [host for host in hosts if host in answers]
                raise FleetError(
                    "the service of a route does not exist",
                    cluster=where[0] if len(where) == 1 else "",
                    obj=f"Service {route.namespace}/{name}",
                    seen="; ".join([f"not in {', '.join(where)}", *self.unread.listed()]),
                    next_step="deploy the service there, or correct clusters in front_door_routes; then run again",
                )
            if waits:
                routes = tuple(one for one in routes if one.name != name)
                continue
            found[name] = has[0][1] if has else self._planned(route)
            if kept and not (has and has[0][0] < unread[0]):
                found[name], routes = self._as_it_is(kept, found[name] if has else None, routes)
            elif not has:
                self.warnings.append(
                    f"Service {route.namespace}/{name} does not exist yet: the selector and ports that check mode "
                    "shows for it are not the ones that a run will write"
                )
            difference = service_differences(route.service, dict(has))
            self.warnings += [difference] if difference else []
        self.known = dataclasses.replace(self.door, routes=routes)
        waiting = [route for route in self.door.routes if route.name not in found]
        if waiting:
            await self._wait_if_others_notice(waiting, found, written)
        for host in self.unread.why:
            mine = [route for route in self.door.routes if host in wanted[route.name]]
            led_by = [route for route in mine if route.name in found and host in self.served[route.name]]
            self.warnings.append(self.unread.told(host, led_by, [text_of(one) for one in mine if one not in led_by]))
        return found

    def _keep_links(self, route: Route, kept: Live) -> set[str]:
        """Keep the links of a backend if it would lose one, and none of its new clusters could be read.

        Nobody knows whether the service is there, so Google would drop what serves for what may not.

        Returns the clusters that the links name, if they are kept.
        """
        live = links_of(kept)
        if live and set(live) <= {self.members[host].link for host in route.clusters or self.members}:
            return set()
        self._kept_links[route.name] = live
        names = {member.link: name for name, member in self.members.items()}
        now = ", ".join(names.get(link, link) for link in live) or "all clusters that have it"
        new = ", ".join(route.clusters or ())
        self.warnings.append(
            f"Google goes on to lead to {now} for {route.service}, though clusters in front_door_routes is {new}: it "
            f"could not be read whether the service is in {new}. Run again when it can be, or name a cluster that "
            "answers and has it as well"
        )
        return {names[link] for link in live if link in names}

    async def _wait_if_others_notice(
        self, waiting: t.Sequence[Route], found: t.Mapping[str, Live], written: t.Mapping[str, Live]
    ) -> None:
        """Let all of it wait where the rest, written without these routes, would give their callers another service.

        Without its rule a host's calls go to the default backend; without its route this is another route's.

        Args:
            waiting: routes that cannot be written.
            found: the Services of the others.
            written: the live MultiClusterServices.
        """
        notice: list[str] = []
        if self.known.routes:
            made = ingress_objects(self.known, found, self._links(), "")
            new = next(obj for obj in made if obj["kind"] == INGRESS)
            # Also those of another name or namespace: they would be removed.
            live = await self.kube.list(API, INGRESS, labels=self.owner)
            live = [one for one in live if not one["metadata"].get("deletionTimestamp")]
            places = {(route.host, route.path): text_of(route) for route in waiting}
            if self.door.catch_all in waiting:
                places["", "/"] = "any host"
            for (host, path), text in places.items():
                now, then = {backend_at(one, host, path) for one in live}, backend_at(new, host, path)
                if now - {then}:
                    notice.append(f"callers of {text} would get {then} instead of {', '.join(sorted(now - {then}))}")
                elif not live and (host, path) == ("", "/"):
                    notice.append(f"callers of {text} would get {then}")
            if not notice:
                return
        self.known = dataclasses.replace(self.door, routes=())
        for name, hosts in self.served.items():
            at = written.get(name)
            self.served[name] = [host for host in hosts if at and leads_to(at, self.members[host].link)]
        services = ", ".join(dict.fromkeys(route.service for route in waiting))
        hosts = sorted({host for route in waiting for host in route.clusters or self.members})
        why = f"; without that, {' and '.join(notice)}" if notice else ""
        self.warnings.append(
            f"nothing of the front door is made or changed: whether {services} exists could not be read in "
            f"{', '.join(hosts)}{why}. Run again when it can be, or add a cluster that answers and has the service to "
            "clusters of that route; until then, leave what serves now in front_door_routes to change other routes"
        )

    async def _written(self) -> dict[str, Live]:
        """By name, the live MultiClusterServices of this front door."""
        found = await self.kube.list(*KINDS[1], self.door.namespace, self.owner)
        return {one["metadata"]["name"]: one for one in found if not one["metadata"].get("deletionTimestamp")}

    @staticmethod
    def _as_it_is(kept: Live, other: Live | None, routes: tuple[Route, ...]) -> tuple[Live, tuple[Route, ...]]:
        """The Service of a backend as it was when it was written, and the routes with the port that it has.

        Args:
            kept: the live MultiClusterService.
            other: the Service of a cluster that was read, which counts if it alone has the port that a route says.
            routes: of the front door.
        """
        name, service = kept["metadata"]["name"], service_of(kept)
        ports = [port["port"] for port in service["spec"]["ports"]]
        if all(route.port in (0, *ports) for route in routes if route.name == name):
            return service, routes
        if other is not None:
            return other, routes
        return service, tuple(dataclasses.replace(one, port=0) if one.name == name else one for one in routes)

    @staticmethod
    def _planned(route: Route) -> dict[str, t.Any]:
        """In check mode, a Service that is only planned."""
        return {"spec": {"selector": {"app": "planned"}, "ports": [{"port": route.port or 80}]}}

    async def _read(
        self, host: str, backends: t.Mapping[str, Route], wanted: t.Mapping[str, list[str]]
    ) -> dict[str, t.Mapping[str, t.Any]]:
        connection = self.fleet.clusters[host].connection
        found: dict[str, t.Mapping[str, t.Any]] = {}
        async with contextlib.AsyncExitStack() as stack:
            kube = self.kube
            if host != kube.cluster:
                kube = await stack.enter_async_context(Kube.connect(connection, cluster=host, absent_ok=self.dry_run))
            for name, route in backends.items():
                if host in wanted[name]:
                    service = await kube.get("v1", "Service", name, route.namespace)
                    if service:
                        found[name] = service
        return found

    async def _await_kinds(self) -> None:
        if self.dry_run or self.kube.absent:
            return
        try:
            await self.kube.wait(*_CRD_KIND, _CRD_NAME, until=crd_established, timeout=_CRD_SECONDS)
        except NotInTime as error:
            raise FleetError(
                "multi-cluster ingress is not installed",
                cluster=self.kube.cluster,
                obj=f"CustomResourceDefinition {_CRD_NAME}",
                seen=error.seen,
                means="the fleet feature multiclusteringress is off, or another cluster is its config cluster",
                next_step="run the gke_fleet stage, and check that gke_config_cluster is the same; then run again",
            ) from error
        if await self.kube.get("v1", "Namespace", self.door.namespace) is None:
            raise FleetError(
                "the front door's namespace is missing in the config cluster",
                cluster=self.kube.cluster,
                obj=f"Namespace {self.door.namespace}",
                seen="it does not exist",
                means="its objects are in the namespace of the services, in the config cluster for all",
                next_step="create the namespace there, or choose another gke_config_cluster; then run again",
            )

    async def await_reconciled(self, ip: str) -> str:
        """The address that serves all routes as they are now; see :class:`IngressWait`."""
        wait = self._wait()
        try:
            vip = await wait.until_reconciled(ip, fresh=self.fresh, timeout=self.timeout)
        except FleetError as error:
            error.seen = "; ".join(filter(None, [error.seen, *self.unread.listed()]))
            raise
        self._tell(wait.apart)
        return vip

    async def warn_of_refusals(self) -> None:
        """Without a wait, what Google refuses of the objects is a warning."""
        status = await self._wait().read("", fresh=False)
        self._tell([*status.refusals, *status.apart])

    def _wait(self) -> IngressWait:
        # What Google cannot do in a cluster that does not answer us either is no fault of the others.
        links = [self.members[host].link for host in self.unread.why]
        return IngressWait(self.kube, self.door, self.owner, self.say, links)

    def _tell(self, refusals: t.Iterable[WarningEvent]) -> None:
        self.warnings += [f"{self.kube.cluster}: {e.obj}: Google refuses it: {e.text}" for e in refusals]
