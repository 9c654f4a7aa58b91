# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes into the mesh: read what they need in each cluster, refuse what cannot be, apply and remove objects."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import recording
from ansible_collections.mesh.fleet.plugins.module_utils._kube.service_address import service_address
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.objects import Place, kinds, site_objects
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import Route, Site, sites
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import (
    INGRESS,
    ingress_wanted,
    remotes_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.services import find_gateways
from ansible_collections.mesh.fleet.plugins.plugin_utils.ingress.needs import (
    Needs,
    NotThereYet,
    also_served,
    refuse_foreign,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.ingress.ready import LETS_THROUGH, Readiness
from ansible_collections.mesh.fleet.plugins.plugin_utils.ingress.writing import Writing

__all__ = ["PART", "IngressRun"]

Object = dict[str, t.Any]

PART = "ingress"
_GUESSED = 80
"""The port of a Service that check mode has not seen yet; only the plan shows it."""


class IngressRun:
    """One run over the clusters of the play.

    Args:
        fleet: the whole fleet.
        play: names of the clusters to write to.
        routes: of the inventory; none removes all.
        certificates: by name those that the inventory gives.
        namespace: of the gateways, as the role ``gateways`` has it; "" for the default.
        gateways: which clusters get an ingress gateway, as the role ``gateways`` has it.
        timeout: seconds for cert-manager and istiod to do their part; 0 waits for neither, so a host without its
            certificate is left as it is.
        dry_run: plan only.
        diff: whether changes show what they change.
    """

    def __init__(
        self,
        fleet: Fleet,
        play: t.Sequence[str],
        routes: t.Sequence[Route],
        certificates: t.Mapping[str, t.Any],
        *,
        namespace: str = "",
        gateways: t.Any = True,
        timeout: float = 180,
        dry_run: bool = False,
        diff: bool = True,
    ) -> None:
        self.fleet, self.play, self.routes, self.certificates = fleet, list(play), list(routes), certificates
        self.namespace, self.gateways, self.dry_run, self.diff = namespace, gateways, dry_run, diff
        self.timeout = timeout
        self.now = datetime.datetime.now(datetime.UTC)
        self.kubes: dict[str, Kube] = {}
        self.changes: list[Change] = []
        self.warnings: list[str] = []
        self.failures: dict[str, list[FleetError]] = {}
        self.served: dict[str, list[str]] = {}
        """By cluster the hosts that its gateway serves, with their addresses."""

    async def run(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            # What a Service is may be known in any cluster that the mesh reaches from there.
            names = [name for name in self.fleet.clusters if self.routes or name in self.play]
            self.kubes, failed = await connect_each(
                stack, (self.fleet.clusters[n] for n in names), absent_ok=self.dry_run or not self.routes
            )
            self._fail({name: error for name, error in failed.items() if name in self.play})
            mine = [name for name in self.play if name in self.kubes]
            _done, failed = await on_each(mine, self._work)
            self._fail(failed)
            for kube in self.kubes.values():
                self.warnings += kube.left_warnings
        if self.routes and not self.served and not self.failures and not recording():
            self.warnings.append("ingress_routes: no cluster of this run has an ingress gateway, so nothing is served")

    def _fail(self, failed: t.Mapping[str, FleetError]) -> None:
        for name, error in failed.items():
            self.failures.setdefault(name, []).append(error)

    def summary(self) -> str:
        """What was done, in one line."""
        touched = sum(change.action != UNCHANGED for change in self.changes)
        if not self.routes:
            return f"{touched} objects removed" if touched else "no routes"
        count = len(self.routes)
        parts = [f"{count} route{'' if count == 1 else 's'} in {len(self.served)} of {len(self.play)} clusters"]
        parts += [f"{touched} changed"] if touched else []
        return ", ".join(parts)

    # -- one cluster ---------------------------------------------------------------------------

    async def _work(self, name: str) -> None:
        kube, plane = self.kubes[name], control_plane_of(self.fleet, self.fleet.clusters[name])
        owner = owner_labels(PART, self.fleet.name)
        options: dict[str, t.Any] = {"labels": owner, "dry_run": self.dry_run, "diff": self.diff}
        made: dict[Site, list[Object]] = {}
        place, address = None, ""
        if self.fleet.clusters[name].primary == name:
            wanted = sites(self.routes, name)
            gateway = await self._gateway(name, wanted)
            if gateway:
                place = Place(gateway["metadata"]["namespace"], plane.istio_api(), plane.revision, owner)
                made, errors = await self._objects(name, wanted, place)
                if errors:
                    # Nothing is changed here: what is served now goes on.
                    self.failures.setdefault(name, []).extend(errors)
                    return
                address = service_address(gateway).host
                self.warnings += await also_served(kube, wanted, place, self.fleet)
        namespace = place.namespace if place else ""
        writing = Writing(kube, made, namespace, kinds(plane.istio_api()), options, self.changes)
        planned = self._planned(kube)
        await writing.certificates()
        held = [] if planned else await writing.without_certificate()
        await writing.hosts(site for site in made if site not in held)
        behind = await writing.lift_redirects(held) if held else []
        await writing.prune(held)
        bad: list[Site] = held
        if place and self.timeout and not planned:
            behind += [site for site in made if site.https_redirect and site not in held]
            ready = Readiness(kube, place, plane.namespace, self.timeout, behind)
            bad = await self._not_served(name, writing, held, ready)
        elif held:
            self.warnings += [_not_awaited(name, site, namespace, behind) for site in held]
        if made:
            hosts = [site.host or "*" for site in made if site not in bad]
            self.served[name] = [f"{host} at {address}" if address else host for host in hosts]

    async def _not_served(self, name: str, writing: Writing, held: t.Sequence[Site], ready: Readiness) -> list[Site]:
        """Wait for those who do the rest; the hosts that they do not serve, each a failure of the cluster.

        Args:
            held: hosts that get their objects as soon as they have their certificate.
        """
        found: dict[Site, list[FleetError]] = {}

        async def finish(site: Site) -> None:
            try:
                await ready.issued(site, writing.made[site])
                await writing.hosts([site])
            except FleetError as error:
                found[site] = [error]

        await asyncio.gather(*(finish(site) for site in held))
        if held:
            await writing.prune([site for site in held if site in found])
        rest = [site for site in writing.made if site not in found]
        found |= zip(
            rest, await asyncio.gather(*(ready.errors(site, writing.made[site]) for site in rest)), strict=True
        )
        self.warnings += ready.warnings
        errors = [error for site in writing.made for error in found[site]]
        if errors:
            self.failures.setdefault(name, []).extend(errors)
        return [site for site, some in found.items() if some]

    async def _gateway(self, name: str, wanted: t.Sequence[Site]) -> Object | None:
        """The Service of the ingress gateway that a cluster's objects configure: its own, or a remote's."""
        if not wanted:
            return None
        plane = control_plane_of(self.fleet, self.fleet.clusters[name])
        expected = plane.gateways_namespace(self.namespace)
        remotes = remotes_of(self.fleet, name)
        silent: list[str] = []
        for where in (name, *(remote.name for remote in remotes)):
            try:
                kube = self.kubes.get(where)
                found = (await find_gateways(kube, self.fleet.name, expected)).get(INGRESS) if kube else None
            except ApiError:
                if where == name:
                    raise
                kube = found = None
            if found:
                return found
            silent += [] if kube else [where]
        if silent:
            # What prunes here would take the routes from a gateway that serves them.
            raise FleetError(
                "whether it has an ingress gateway is not known",
                cluster=name,
                obj=f"Service {expected}/{INGRESS}",
                seen=f"neither it nor a remote of it that answered has one; {', '.join(silent)} did not answer",
                means="nothing was changed: what the gateway of a remote serves goes on",
                next_step=f"start {', '.join(silent)}, or take it out of the inventory; then run again",
            )
        to_come = any(ingress_wanted(one, self.gateways) for one in (self.fleet.clusters[name], *remotes))
        if to_come and self._planned(self.kubes[name]):
            return {"metadata": {"name": INGRESS, "namespace": expected}}
        asked = [route.called for route in self.routes if route.clusters and name in route.clusters]
        if not asked:
            return None
        raise FleetError(
            "it has no ingress gateway",
            cluster=name,
            obj=f"Service {expected}/{INGRESS}",
            seen=f"{asked[0]} asks for one there",
            next_step="set gateways_ingress: true (or a list with this cluster) and run the gateways stage; or take "
            "the cluster out of the route's clusters",
        )

    def _planned(self, kube: Kube) -> bool:
        """Whether stages before this one have not done their work: they are planned only, or recorded."""
        return self.dry_run or kube.absent or recording() is not None

    # -- what hosts need -----------------------------------------------------------------------

    async def _objects(
        self, name: str, wanted: t.Sequence[Site], place: Place
    ) -> tuple[dict[Site, list[Object]], list[FleetError]]:
        """The objects of a cluster by host, and all that is wrong."""
        needs = Needs(self.fleet, name, self.kubes, self.certificates, place, self.now)
        made: dict[Site, list[Object]] = {}
        errors: list[FleetError] = []
        for site in wanted:
            made[site], wrong = await self._of_site(needs, site)
            errors += wrong
        self.warnings += [*needs.warnings, *needs.mixed_up()]
        objects = [obj for some in list(made.values()) for obj in some]
        errors += await refuse_foreign(self.kubes[name], objects, self.fleet.name)
        return made, list({str(error): error for error in errors}.values())

    async def _of_site(self, needs: Needs, site: Site) -> tuple[list[Object], list[FleetError]]:
        ports: dict[Route, int] = {}
        secret: list[Object] = []
        errors = await needs.kinds_of_others(site)
        for route in site.routes:
            try:
                ports[route] = await needs.port(route)
            except FleetError as error:
                errors.append(error)
        try:
            secret = await needs.certificate(site)
        except FleetError as error:
            error.cluster = error.cluster or needs.cluster
            errors.append(error)
        if self._planned(needs.kube):
            if not recording():
                self.warnings += [
                    f"{error.cluster}: {error.what} yet ({error.obj}): fine if this run would bring it"
                    for error in errors
                    if isinstance(error, NotThereYet)
                ]
            errors = [error for error in errors if not isinstance(error, NotThereYet)]
        if errors:
            return [], errors
        known = {route: ports.get(route) or route.port for route in site.routes}
        objects = site_objects(site, {route: port or _GUESSED for route, port in known.items()}, needs.place)
        unknown = next((route for route, port in known.items() if not port), None)
        record = recording()
        if record and unknown:
            why = f"only the clusters know the ports of {unknown.service}, which no app of the inventory brings"
            for obj in objects:
                record.leave_out(needs.cluster, described(obj), why, "give the route a port")
            objects = []
        return [*secret, *objects], []


def _not_awaited(cluster: str, site: Site, namespace: str, behind: t.Container[Site]) -> str:
    """A host whose certificate is not there, in a run that waits for nobody."""
    return (
        f"{cluster}: cert-manager has not issued the certificate of {site.host} yet (Certificate "
        f"{namespace}/{site.name}), and nobody waited: what was served of the host is served as before. Run the "
        f"ingress stage again once it has{f'; {LETS_THROUGH}' if site in behind else ''}"
    )
