# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Export services of GKE clusters from those that run them, and wait until Google has imported them."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import crd_established
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import described
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording, recording
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime, Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    has_our_labels,
    is_former,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import (
    EXPORT_KIND,
    IMPORT_KIND,
    Export,
    export_problems,
    external,
    import_ready,
    missing_sources,
    offer,
    service_export,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.mesh_name import mesh_name_objects
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import membership_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import ports_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import CREATED, UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each, settle
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.unexpected import Unexpected
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.events import recent_warnings
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.mesh_names import name_for_mesh

__all__ = ["ExportRun"]

PART = "services"
_CRD_KIND = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


class ExportRun:
    """One run over the clusters of the play.

    Args:
        fleet: the whole fleet.
        play: names of the clusters to work on.
        exports: what is to be exported; exports of ours that are not in it are removed.
        dry_run: plan only.
        diff: whether changes show what they change.
        timeout: seconds until every import must be there; 0 does not wait.
        say: shows a line of progress.
    """

    def __init__(
        self,
        fleet: Fleet,
        play: t.Sequence[str],
        exports: t.Sequence[Export],
        *,
        dry_run: bool = False,
        diff: bool = True,
        timeout: float = 600,
        say: t.Callable[[str], None] = lambda line: None,
    ) -> None:
        self.fleet, self.exports = fleet, exports
        self.dry_run, self.diff, self.timeout, self.say = dry_run, diff, timeout, say
        self.here = [name for name in play if provider_of(fleet.clusters[name]).multicluster]
        self.changes: list[Change] = []
        self.imports: list[dict[str, str]] = []
        """Which service is imported where: C(service), C(cluster), C(address)."""
        self.partial: dict[tuple[str, str], list[str]] = {}
        """By service and exporting cluster, the clusters whose import lacks that cluster's pods."""
        self.sources: dict[str, list[str]] = {export.service: [] for export in exports}
        self.offers: dict[str, dict[str, str]] = {export.service: {} for export in exports}
        """By service and cluster, kind and ports of that cluster's Service in words."""
        self.spoken: dict[str, dict[int, str]] = {}
        """By service, what each of its ports speaks."""
        self.warnings: list[str] = []
        self.failures: dict[str, list[FleetError]] = {}
        self.kubes: dict[str, Kube] = {}

    async def run(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            self.kubes, failed = await connect_each(
                stack,
                (self.fleet.clusters[name] for name in self.here),
                # A cluster that is gone has no exports left to remove.
                absent_ok=self.dry_run or not self.exports,
            )
            self._fail(failed)
            self._fail((await on_each(self.kubes, lambda name: self._export(self.kubes[name])))[1])
            without = [e for e in self.exports if not self.sources[e.service]]
            named, failed = await on_each(self.kubes, lambda name: self._name_for_mesh(self.kubes[name]))
            self._fail(failed)
            self.changes += [change for some in named.values() for change in some]
            self.warnings += self._without_http()
            record = recording()
            if record:
                self._name_unknown(record, without)
            self.warnings += [warning for e in self.exports if (warning := self._conflict(e))]
            if self.timeout and not self.dry_run:
                exported = [e for e in self.exports if self.sources[e.service]]
                self._fail((await on_each(self.kubes, lambda name: self._await(self.kubes[name], exported)))[1])
                await self._report_partial()

    # -- exporting -----------------------------------------------------------------------------

    async def _export(self, kube: Kube) -> None:
        found = await asyncio.gather(*(self._service(kube, export) for export in self.exports))
        here = [(export, service) for export, service in zip(self.exports, found, strict=True) if service]
        exportable = [export for export, service in here if self._exportable(kube, export, service)]
        if exportable:
            await self._await_crd(kube, EXPORT_KIND[1])
        ours, owner = [], owner_labels(PART, self.fleet.name)
        for export in exportable:
            live = await kube.get(*EXPORT_KIND, export.name, export.namespace)
            if live is None or has_our_labels(live, self.fleet.name, PART) or is_former(live) or kube.take_over:
                ours.append(service_export(export))
            else:
                # Somebody else exports it already, so it is theirs to remove.
                self.changes.append(Change(kube.cluster, EXPORT_KIND[1], export.name, UNCHANGED, export.namespace))
        self.changes += await kube.apply(ours, labels=owner, dry_run=self.dry_run, diff=self.diff)
        self.changes += await kube.prune(ours, labels=owner, kinds=[EXPORT_KIND], dry_run=self.dry_run, diff=self.diff)
        self.warnings += kube.left_warnings
        for export in exportable:
            self.sources[export.service].append(kube.cluster)

    async def _name_for_mesh(self, kube: Kube) -> list[Change]:
        return await name_for_mesh(
            kube,
            self.fleet,
            self.exports,
            {service: self.spoken.get(service, {}) for service, sources in self.sources.items() if sources},
            owner_labels(PART, self.fleet.name),
            dry_run=self.dry_run,
            diff=self.diff,
        )

    def _without_http(self) -> list[str]:
        """A warning for each service whose name can carry no certificates of the mesh."""
        return [
            f"{e.service}: mtls has no effect, none of its ports says that it speaks HTTP: name it http, or set "
            "appProtocol: http"
            for e in self.exports
            if e.mtls and self.sources[e.service] and not mesh_name_objects(e, self.spoken.get(e.service, {}), "")
        ]

    def _name_unknown(self, record: Recording, exports: t.Iterable[Export]) -> None:
        """Name the exports of services that no app of the inventory brings: only clusters know where they are."""
        for export in exports:
            for name in self.kubes:
                record.leave_out(
                    name,
                    f"{EXPORT_KIND[1]} {export.namespace}/{export.name}",
                    "only the clusters know whether they run that service, which no app of the inventory brings",
                    "keep it beside the service's own manifests, in each cluster that runs it",
                )
                for obj in mesh_name_objects(export, {80: "http"}, "") if export.mtls and export.reaches(name) else ():
                    record.leave_out(
                        name,
                        described(obj),
                        "only the clusters know the ports of that service, which no app of the inventory brings",
                        "bring it by apps_list, or run mesh.fleet.services once it is there",
                    )

    async def _service(self, kube: Reader, export: Export) -> t.Mapping[str, t.Any] | None:
        """The cluster's own Service; None also for a stub of ours, whose pods run in other clusters."""
        service = await kube.get("v1", "Service", export.name, export.namespace)
        selector = ((service or {}).get("spec") or {}).get("selector")
        if service is None or not (has_our_labels(service, self.fleet.name) or is_former(service)) or not selector:
            return service
        pods = await kube.list("v1", "Pod", namespace=export.namespace, labels=selector)
        return service if pods else None

    def _exportable(self, kube: Reader, export: Export, service: t.Mapping[str, t.Any]) -> bool:
        """Whether it can be exported; if not, this cluster fails. Remembers kind and ports."""
        spec = service.get("spec") or {}
        if spec.get("type") == "ExternalName":
            self._fail({kube.cluster: external(kube.cluster, export, service)})
            return False
        self.offers[export.service][kube.cluster] = offer(service)
        self.spoken.setdefault(export.service, {}).update({p.number: p.spoken for p in ports_of(service)})
        return True

    def _conflict(self, export: Export) -> str:
        """A warning where the clusters' Services differ in kind or ports."""
        offers = self.offers[export.service]
        if len(set(offers.values())) < 2:
            return ""
        listed = ", ".join(f"{cluster} {what}" for cluster, what in offers.items())
        return f"{export.service} differs between its clusters ({listed}): callers get that of the oldest export"

    async def _await_crd(self, kube: Waiter, kind: str) -> None:
        """Google's controller installs the kinds some time after the feature was switched on."""
        name = f"{kind.lower()}s.net.gke.io"
        if self.dry_run or kube.absent:
            return
        try:
            await kube.wait(*_CRD_KIND, name, until=crd_established, timeout=self.timeout or 1)
        except NotInTime as error:
            raise FleetError(
                f"GKE's multi-cluster services are not there after {self.timeout:g} s",
                cluster=kube.cluster,
                obj=f"CustomResourceDefinition {name}",
                seen=error.seen,
                means="the fleet feature multiclusterservicediscovery is off, or the cluster is no member of the fleet",
                next_step="run the gke_fleet stage; then run again",
            ) from error

    # -- importing -----------------------------------------------------------------------------

    async def _await(self, kube: Waiter, exported: t.Sequence[Export]) -> None:
        wanted = [export for export in exported if export.reaches(kube.cluster)]
        if not wanted:
            return
        await self._await_crd(kube, IMPORT_KIND[1])
        for outcome in await settle(self._await_one(kube, export) for export in wanted):
            if outcome is not None:
                self._fail({kube.cluster: outcome})

    async def _await_one(self, kube: Waiter, export: Export) -> None:
        if await kube.get("v1", "Namespace", export.namespace) is None:
            raise FleetError(
                f"{export.service} cannot be imported: its namespace is missing",
                cluster=kube.cluster,
                obj=f"Namespace {export.namespace}",
                seen="it does not exist",
                means="an import is in the namespace of the service, in every cluster that calls it",
                next_step=f"create the namespace, or remove {kube.cluster} from to in mesh_exports; then run again",
            )
        made = (EXPORT_KIND[1], CREATED, export.namespace, export.name)
        fresh = {c.cluster for c in self.changes if (c.kind, c.action, c.namespace, c.name) == made}
        sources = {host: membership_of(self.fleet.clusters[host]) for host in self.sources[export.service]}
        awaited = {host: membership for host, membership in sources.items() if host in fresh}

        def arrived(live: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
            done, seen = import_ready(live)
            lacks = missing_sources(live, awaited) if done else []
            return done and not lacks, f"the import lacks the pods of {', '.join(lacks)}" if lacks else seen

        live = await kube.get(*IMPORT_KIND, export.name, export.namespace)
        if not arrived(live)[0]:
            self.say(f"  {kube.cluster}: waiting for {export.service} (the first one takes up to five minutes)")
            live = await self._arrival(kube, export, arrived)
        address = import_ready(live)[1]
        lacks = missing_sources(live, sources)
        for host in lacks:
            self.partial.setdefault((export.service, host), []).append(kube.cluster)
        found = {"service": export.service, "cluster": kube.cluster, "address": address}
        self.imports.append({**found, "without": ", ".join(lacks)} if lacks else found)

    async def _arrival(
        self, kube: Waiter, export: Export, arrived: t.Callable[[t.Mapping[str, t.Any] | None], tuple[bool, str]]
    ) -> dict[str, t.Any] | None:
        """The import, once it is complete; when the time is over, as far as it has come.

        Raises FleetError when there is no usable import by then.
        """
        try:
            live = await kube.wait(*IMPORT_KIND, export.name, export.namespace, until=arrived, timeout=self.timeout)
        except NotInTime as error:
            live = await kube.get(*IMPORT_KIND, export.name, export.namespace)
            if import_ready(live)[0]:
                return live
            sources = self.sources[export.service]
            reported = await self._reported_by(sources, export)
            raise FleetError(
                f"{export.service} was not imported within {self.timeout:g} s",
                cluster=kube.cluster,
                obj=f"ServiceImport {export.namespace}/{export.name}",
                seen="; ".join([error.seen, *reported]),
                means="the first import takes up to five minutes; after that, the importer lacks "
                "roles/compute.networkViewer, or the exporting cluster is no member of the fleet",
                next_step=f"kubectl -n {export.namespace} describe serviceexports.net.gke.io {export.name} in "
                f"{sources[0]}; then run again",
            ) from error
        self.say(f"  {kube.cluster}: {export.service} is imported")
        return live

    async def _report_partial(self) -> None:
        """An export with a problem that Google reports fails its cluster; any other partial import is a warning."""
        by_name = {export.service: export for export in self.exports}
        for (service, host), callers in self.partial.items():
            where = f"the import in {', '.join(sorted(callers))} lacks the pods of {host}"
            reported = await self._reported_by([host], by_name[service])
            if reported:
                self._fail({host: _not_exported(host, by_name[service], [where, *reported])})
            else:
                self.warnings.append(f"{service}: {where}, which exports it: are pods ready there?")

    async def _reported_by(self, hosts: t.Sequence[str], export: Export) -> list[str]:
        """What clusters report of their export. One that cannot be asked says nothing; a defect fails that cluster."""
        found, failed = await on_each(hosts, lambda host: _reported(self.kubes[host], export))
        self._fail({host: error for host, error in failed.items() if isinstance(error, Unexpected)})
        return [line for lines in found.values() for line in lines]

    def _fail(self, failed: t.Mapping[str, FleetError]) -> None:
        for name, error in failed.items():
            self.failures.setdefault(name, []).append(error)


async def _reported(kube: Reader, export: Export) -> list[str]:
    """Problems of an export in one cluster: conditions of the ServiceExport, and Warning events about it."""
    live = await kube.get(*EXPORT_KIND, export.name, export.namespace)
    problems = export_problems(live)
    if live is not None:
        problems += [event.text for event in await recent_warnings(kube, [live], export.namespace, 2)]
    return [f"{kube.cluster} reports {problem}" for problem in problems]


def _not_exported(cluster: str, export: Export, seen: t.Sequence[str]) -> FleetError:
    return FleetError(
        f"Google does not export {export.service} from here",
        cluster=cluster,
        obj=f"{EXPORT_KIND[1]} {export.namespace}/{export.name}",
        seen="; ".join(seen),
        means="callers in other clusters do not reach the pods of this cluster",
        next_step=f"correct what is reported, or remove the Service from {cluster}; then run again",
    )
