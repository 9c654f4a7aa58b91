# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Export services of clusters for which no provider does it: this run is their controller of multi-cluster services.

It makes the upstream kinds' objects by KEP-1645, gives each name one address in the whole fleet, and makes sidecars
know it. Where another controller makes ServiceImports, it exports and waits for that one.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording, recording
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    fleet_of,
    has_our_labels,
    owner_labels,
    owner_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset import (
    GROUP,
    VERSIONS,
    Merged,
    Source,
    age,
    export_conditions,
    exported_at,
    import_clusters,
    later_than,
    mcs_version,
    merge,
    service_export,
    service_import,
    shared_pod_names,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset_kinds import plan_kinds
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import (
    Export,
    external,
    import_ready,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.mesh_name import (
    MESH_NAME_KINDS,
    headless_name_objects,
    mesh_name_objects,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import provider_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.addresses import for_cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.paths import Paths
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import ports_of
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import REMOVED, UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_dns import await_names, serve_names
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_seen import (
    CRD_KIND,
    GOOGLE,
    PART,
    Held,
    key_of,
    read,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_status import (
    report_on_others,
    write_status,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.addresses import Allocated, allocated, forgotten

__all__ = ["PART", "ClustersetRun"]

_FEW = 3
_DNS_SECONDS = 180
"""In which every CoreDNS has read its file: kubelets bring it within a minute or so, and it is read each 30 s."""

Object = dict[str, t.Any]


@dataclasses.dataclass
class _Plan:
    """What one cluster is to have."""

    wanted: list[Object] = dataclasses.field(default_factory=list)
    stays: list[Object] = dataclasses.field(default_factory=list)
    """What is left as it is, because not all is known that decides on it."""


class ClustersetRun:
    """One run over the clusters of the play whose provider has no multi-cluster services of its own.

    It reads every such cluster of the fleet, whatever the play, so that what is merged does not depend on the play.

    Args:
        fleet: the whole fleet.
        play: names of the clusters to write.
        exports: what is to be exported; what was made for others is removed.
        kinds: the CustomResourceDefinitions of the upstream kinds, made where they are missing, and brought up to date
            where this fleet made them.
        confined: whether istiods read ServiceExports and ServiceImports themselves, which confines services that are
            not exported to their own clusters. Otherwise Istio's objects make the names known.
        dns: whether the clusters' DNS serves the names too, for pods without a sidecar.
        leaves: whether the clusters leave, so that their copies of the record of addresses and our kinds go too.
        dry_run: plan only.
        diff: whether changes show what they change.
        timeout: seconds until another controller has imported a service; 0 does not wait.
        say: shows a line of progress.
    """

    def __init__(
        self,
        fleet: Fleet,
        play: t.Sequence[str],
        exports: t.Sequence[Export],
        kinds: t.Sequence[Object] = (),
        *,
        confined: bool = False,
        dns: bool = False,
        leaves: bool = False,
        dry_run: bool = False,
        diff: bool = True,
        timeout: float = 600,
        say: t.Callable[[str], None] = lambda line: None,
    ) -> None:
        self.fleet, self.exports, self.kinds = fleet, exports, kinds
        self.confined, self.dns, self.leaves = confined, dns, leaves
        self.dry_run, self.diff, self.timeout, self.say = dry_run, diff, timeout, say
        self.all = [name for name, cluster in fleet.clusters.items() if not provider_of(cluster).multicluster]
        self.here = [name for name in play if name in self.all]
        self.changes: list[Change] = []
        self.imports: list[dict[str, str]] = []
        """Which service is imported where: C(service), C(cluster), C(address)."""
        self.sources: dict[str, list[str]] = {export.service: [] for export in exports}
        self.warnings: list[str] = []
        self.failures: dict[str, list[FleetError]] = {}
        self._shared: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        """By primary and clusters that it serves, services that are not for these."""
        self._elsewhere: dict[str, list[str]] = {}
        """By remote, services whose names its primary makes, which this run does not change."""
        self._without_dns: dict[str, list[str]] = {}
        """By headless service, clusters whose DNS does not serve it."""
        self._stopped: set[str] = set()
        """Clusters in which a step failed."""
        self._owner = owner_labels(PART, fleet.name)
        self._paths = Paths(fleet)
        self._served = self._paths.served
        self._kubes: dict[str, Kube] = {}
        self._held: dict[str, Held] = {}
        self._now = ""
        """When this run read the clusters, by the clock that is the furthest ahead, and after what it read was made."""
        self._unread: list[str] = []
        """Clusters that may export, but did not answer."""
        self._mine: dict[str, list[str]] = {export.service: [] for export in exports}
        """By service, the clusters that export it and have no other controller."""
        self._merged: dict[str, Merged] = {}
        self._ports: dict[str, dict[int, str]] = {}
        """By service, what each port of the merged one speaks, in Istio's words."""
        self._addresses: t.Mapping[str, t.Sequence[str]] = {}
        self._ipv6: frozenset[str] = frozenset()
        self._usable: dict[tuple[str, bool], list[str]] = {}
        """By name and whether IPv6 is of use, its addresses."""
        self._named: dict[tuple[str, str, tuple[str, ...]], list[Object]] = {}
        """Istio's objects by service, C(apiVersion) and addresses: most clusters have the same."""
        self._imported: dict[tuple[str, str, tuple[str, ...]], Object] = {}
        """ServiceImports, likewise."""
        self._is_unallocated = False
        """Whether the addresses that names have could not be learned."""
        self._plans: dict[str, _Plan] = {}

    async def run(self) -> None:
        """Do it. What fails on one cluster is in ``failures``, and the others are finished."""
        async with contextlib.AsyncExitStack() as stack:
            names = self.all if self.exports and self.here else self.here
            # A cluster that is gone has no exports left to remove.
            absent_ok = self.dry_run or not self.exports
            self._kubes, failed = await connect_each(
                stack, [self.fleet.clusters[name] for name in names], absent_ok=absent_ok
            )
            self._stop(failed)
            self._held, failed = await on_each(self._kubes, self._read)
            self._stop(failed)
            # One that is not there in check mode may export too, once it is.
            there = [name for name in self._held if not self._kubes[name].absent]
            self._unread = [name for name in self.all if name not in there] if self.exports else []
            if not self._are_versions_common():
                return
            now = max((_now(self._kubes[name]) for name in there), default="")
            keys = {(export.namespace, export.name) for export in self.exports}
            lives = [obj for held in self._held.values() for key, obj in held.exports.items() if key in keys]
            self._now = later_than((exported_at(obj, now) for obj in lives), now)
            self._merge()
            self._say_of_sets()
            await self._give_addresses()
            self._say_unknown(recording())
            for name in self._working:
                self._plan(name)
            await self._each(self._apply)
            await self._each(self._serve)
            await self._each(self._remove)
            if not self.dry_run:
                await self._each(self._report)
            await self._each(self._report_on_others)
            if self.leaves:
                await self._leave()
            await self._each(self._found)
            self._say_limits()

    @property
    def _working(self) -> list[str]:
        return [name for name in self.here if name in self._held and name not in self._stopped]

    async def _each(self, step: t.Callable[[str], t.Awaitable[None]]) -> None:
        self._stop((await on_each(self._working, step))[1])

    def _stop(self, failed: t.Mapping[str, FleetError]) -> None:
        """Nothing more is done in clusters in which a step failed."""
        self._stopped |= set(failed)
        self._fail(failed)

    def _fail(self, failed: t.Mapping[str, FleetError]) -> None:
        """What failed, by cluster; "" is the whole fleet, which fails each cluster of the play."""
        for name, error in failed.items():
            if not name:
                for one in self.here:
                    self.failures.setdefault(one, []).append(error)
            elif name in self.here:
                self.failures.setdefault(name, []).append(error)
            else:
                why = "; ".join(part for part in (error.what, error.seen, error.next_step) if part)
                self.warnings.append(f"{name}, which this run does not change: {why}")

    # -- reading -------------------------------------------------------------------------------

    async def _read(self, name: str) -> Held:
        plane, istio = control_plane_of(self.fleet, self.fleet.clusters[name]), self._istio(name)
        istiod = (plane.namespace, istiod_name(self.fleet)) if istio and self.confined else None
        return await read(self._kubes[name], self.fleet.name, self.exports, istio, istiod)

    def _istio(self, name: str) -> str:
        """The ``apiVersion`` of Istio's objects of a cluster; "" where its own are not heeded."""
        return self._paths.istio_api(name) if name in self._served else ""

    def _are_versions_common(self) -> bool:
        """Whether services can be confined as is wished; if not, the run fails and writes nothing.

        Each istiod reads all clusters by the one group and version that its own cluster made it choose.
        """
        with_google = [name for name, held in self._held.items() if held.controller == GOOGLE]
        if not self.confined or not self._held or not self.exports:
            return True
        try:
            if with_google and len(with_google) < len(self._held):
                raise FleetError(
                    "services cannot be confined to their clusters in this fleet",
                    seen=f"{', '.join(with_google)}: GKE's kinds of multi-cluster services; others: the upstream ones",
                    means="istiod reads the ServiceExports of all clusters by one group",
                    next_step="set mesh_unexported_services: everywhere; then run again",
                )
            known = {name: held.versions or VERSIONS for name, held in self._held.items() if name not in with_google}
            if len({mcs_version({name: versions}) for name, versions in known.items()}) > 1:
                # By the version of one of them, the objects of another cannot be read.
                mcs_version({name: versions[-1:] for name, versions in known.items()})
        except FleetError as error:
            self._fail({"": error})
            return False
        return True

    def _merge(self) -> None:
        """What the clusters' Services come to."""
        for export in self.exports:
            found = self._exported_by(export)
            self.sources[export.service] = [source.cluster for source in found]
            mine = [source for source in found if not self._held[source.cluster].controller]
            self._mine[export.service] = [source.cluster for source in mine]
            if not mine:
                continue
            merged = merge(mine)
            if all(port["protocol"] != "TCP" for port in merged.ports):
                self.warnings.append(
                    f"{export.service}: is not exported, as it has no TCP port: sidecars carry no other"
                )
                continue
            self._merged[export.service] = merged
            self._ports[export.service] = _spoken(merged, [source.service for source in mine])
            self._say_merged(export, merged)

    def _exported_by(self, export: Export) -> list[Source]:
        """The clusters with a Service to export, the oldest export first.

        A cluster that this run does not write exports what it has a ServiceExport of: it may have been torn down.
        """
        key = (export.namespace, export.name)
        found, aliases = [], {}
        for name, held in self._held.items():
            service, exported = held.services.get(key), held.exports.get(key)
            if service is None or (exported is None and name not in self.here):
                continue
            if (service.get("spec") or {}).get("type") == "ExternalName":
                aliases[name] = external(name, export, service)
                continue
            found.append(Source(name, service, exported_at(exported, self._now)))
        if not found:
            # Beside a real one it is a way to call that one.
            self._fail(aliases)
        return sorted(found, key=age)

    def _say_merged(self, export: Export, merged: Merged) -> None:
        self.warnings += [
            f"{export.service}: {conflict.cluster} {conflict.message}: callers get that of the oldest export"
            for conflict in merged.conflicts
        ]
        if merged.affinity_seconds:
            self.warnings.append(
                f"{export.service}: sidecars do not heed the session affinity of a Service: a policy of "
                "mesh_traffic with affinity does"
            )
        if any(port["protocol"] != "TCP" for port in merged.ports):
            self.warnings.append(f"{export.service}: sidecars carry TCP only, its other ports are not served")
        if merged.headless and any(isinstance(p.get("targetPort"), str) for p in self._headless_ports(export)):
            self.warnings.append(
                f"{export.service}: is headless, and its port leads to one of its pods by name: calls go to the "
                "Service's own number. Give targetPort as a number"
            )
        if merged.headless:
            self._say_shared_pods(export)

    def _say_shared_pods(self, export: Export) -> None:
        found = {
            name: [one for one in self._held[name].stateful_sets if key_of(one)[0] == export.namespace]
            for name in self._mine[export.service]
        }
        for name, clusters in shared_pod_names(found, self._selector(export)).items():
            self.warnings.append(
                f"{export.service}: StatefulSet {name} runs in {', '.join(clusters)}, so that its pods have the same "
                "names there, and each istiod finds only one pod of a name. Name it otherwise in each cluster, or "
                "export a Service with an address for these pods"
            )

    def _say_of_sets(self) -> None:
        """Exports that some cluster of the play is to call, and that only clusters of another set run."""
        for export in self.exports:
            if not self.sources[export.service]:
                continue
            apart = [
                name
                for name in self._working
                if export.reaches(name)
                and name not in self.sources[export.service]
                and not self._running_in_set(name, export)
            ]
            if apart:
                runs = ", ".join(self.sources[export.service])
                self.warnings.append(
                    f"{export.service}: has no such name in {', '.join(apart)}: {runs} runs it, where another "
                    f"controller makes the names. Within the mesh it is called as {export.service}"
                )

    def _running_in_set(self, name: str, export: Export) -> list[str]:
        """The clusters that export a service to a cluster: those with the same controller."""
        mine = self._held[name].controller
        return [one for one in self.sources[export.service] if self._held[one].controller == mine]

    # -- addresses -----------------------------------------------------------------------------

    async def _give_addresses(self) -> None:
        """One address for each name, before anything is made of it."""
        ours = any(
            has_our_labels(obj, self.fleet.name, PART)
            for held in self._held.values()
            for objects in (held.names, held.imports)
            for obj in objects.values()
        )
        if recording() is not None or self.leaves or not self._held or not (self._merged or ours):
            return
        names = {export.host for export in self.exports if export.service in self._merged}
        # A cluster that is silent may run what nobody else does: that has an address, unless nobody ever ran it.
        kept = {export.host for export in self.exports} if self._unread else set()
        known = {name: self._kubes[name] for name in self._held}
        read = [name for name in known if self._istio(name)]
        entries = {
            name: [obj for obj in self._held[name].names.values() if obj["kind"] == "ServiceEntry"] for name in read
        }
        try:
            given = await allocated(
                known,
                self.fleet,
                names,
                kept=kept,
                entries=entries,
                part=PART,
                dry_run=self.dry_run,
                diff=self.diff,
            )
        except FleetError as error:
            given, self._is_unallocated = Allocated(problems=[error]), True
        self._addresses, self._ipv6 = given.addresses, given.ipv6
        self.changes += given.changes
        self.warnings += given.warnings
        for problem in given.problems:
            self._fail({"": problem})
        self._fail({name: error for name, error in given.failed.items() if name not in self._stopped})

    # -- planning ------------------------------------------------------------------------------

    def _plan(self, name: str) -> None:
        plan = self._plans[name] = _Plan()
        held = self._held[name]
        missing: list[Export] = []
        taken: dict[str, list[tuple[Export, Object]]] = {}
        for export in self.exports:
            key = (export.namespace, export.name)
            sources = self.sources[export.service]
            if not sources and self._unread:
                self._keep(plan, name, export)
                continue
            theirs = self._of_another_fleet(name, export)
            if theirs is not None and (name in sources or export.reaches(name)):
                taken.setdefault(fleet_of(theirs), []).append((export, theirs))
                self._keep(plan, name, export)
                continue
            if name in sources and (held.controller or export.service in self._merged):
                live = held.exports.get(key)
                plan.wanted += self._of_ours(name, live, service_export(export, self._api(name), live, self._now))
            named = export.service in self._merged or bool(held.controller and self._running_in_set(name, export))
            callers = [c for c in self._served.get(name, ()) if export.reaches(c) or c in sources]
            concerned = name in sources or export.reaches(name)
            if not named or not (concerned or callers):
                continue
            if export.namespace not in held.namespaces:
                missing.append(export)
                continue
            if concerned and not held.controller:
                self._plan_import(plan, name, export)
            if callers:
                self._plan_names(plan, name, export, callers)
            elif concerned and self.fleet.clusters[name].primary not in self.here:
                self._elsewhere.setdefault(name, []).append(export.service)
        if missing and not self._kubes[name].absent and recording() is None:
            self._fail({name: _without_namespace(name, missing)})
        for fleet, found in taken.items():
            self._fail({name: _taken(name, fleet, found)})
        self._plan_kinds(plan, name)

    def _plan_kinds(self, plan: _Plan, name: str) -> None:
        """The kinds, where they are missing and of use, or ours of an older release."""
        held = self._held[name]
        ours = [kind for kind, crd in held.kinds.items() if has_our_labels(crd, self.fleet.name, PART)]
        planned = plan_kinds(self.kinds, held.kinds, ours)
        uses = [obj for obj in plan.wanted if obj["kind"] in ("ServiceExport", "ServiceImport")]
        if not held.kinds and (held.api or not uses):
            return
        self.warnings += [f"{name}: {fact}" for fact in planned.facts]
        made = [] if held.api or not uses else planned.missing
        if self.kinds and uses and not held.api and VERSIONS[0] not in planned.versions:
            self._fail({name: _unknown_kinds(name, held.kinds.values())})
            plan.wanted = [obj for obj in plan.wanted if obj not in uses]
            made = []
        plan.wanted = [*map(dict, made), *map(dict, planned.older), *plan.wanted]

    def _api(self, name: str) -> str:
        return self._held[name].api or f"{GROUP}/{VERSIONS[0]}"

    def _of_ours(self, name: str, live: Object | None, wanted: Object) -> list[Object]:
        """``wanted``, unless somebody else made it, so that it is theirs to change and remove."""
        theirs = live is not None and not has_our_labels(live, self.fleet.name, PART)
        return [] if theirs and not self.fleet.clusters[name].take_over else [wanted]

    def _of_another_fleet(self, name: str, export: Export) -> Object | None:
        """What another fleet made for a service in a cluster; None where it made nothing, or gives it to this one."""
        held, key = self._held[name], (export.namespace, export.name)
        named = (held.names.get((kind, export.namespace, f"{export.name}-clusterset")) for kind in MESH_NAME_KINDS)
        for live in (held.exports.get(key), held.imports.get(key), *named):
            if fleet_of(live) not in ("", self.fleet.name) and not self.fleet.clusters[name].take_over:
                return live
        return None

    def _keep(self, plan: _Plan, name: str, export: Export) -> None:
        """Leave what an earlier run made for an export of which nothing is known now."""
        held, key = self._held[name], (export.namespace, export.name)
        plan.stays += [obj for obj in (held.exports.get(key), held.imports.get(key)) if obj is not None]
        named = ((kind, export.namespace, f"{export.name}-clusterset") for kind in MESH_NAME_KINDS)
        plan.stays += [held.names[one] for one in named if one in held.names]

    def _plan_import(self, plan: _Plan, name: str, export: Export) -> None:
        live = self._held[name].imports.get((export.namespace, export.name))
        merged = self._merged[export.service]
        addresses = self._addresses_for(name, export)
        if live is not None and self._is_part_unread(export, [name]):
            plan.stays.append(live)
        elif recording() is None and (merged.headless or addresses):
            made = self._of_ours(name, live, self._import_of(export, addresses, self._api(name)))
            plan.wanted += made
            if live is not None and not made:
                self.warnings.append(
                    f"{name}: ServiceImport {export.namespace}/{export.name} is of {owner_of(live)}, and stays: its "
                    "address and ports may differ from those of the fleet"
                )
        elif live is not None:
            plan.stays.append(live)

    def _is_part_unread(self, export: Export, names: t.Iterable[str]) -> bool:
        """Whether a cluster that does not answer has, or may have, its part in what these clusters import."""
        if not self._unread:
            return False
        key = (export.namespace, export.name)
        for live in (self._held[name].imports.get(key) for name in names if name in self._held):
            clusters = ((live or {}).get("status") or {}).get("clusters") or []
            # A run that ended before it wrote the status leaves an import that does not say whose part is in it.
            if live is not None and (not clusters or any(one.get("cluster") in self._unread for one in clusters)):
                return True
        return False

    def _addresses_for(self, name: str, export: Export) -> list[str]:
        primary = self.fleet.clusters[name].primary
        ipv6 = (name if name in self._served else primary) in self._ipv6
        if (export.host, ipv6) not in self._usable:
            self._usable[export.host, ipv6] = for_cluster(self._addresses.get(export.host, ()), ipv6)
        return self._usable[export.host, ipv6]

    def _import_of(self, export: Export, addresses: t.Sequence[str], api: str) -> Object:
        key = (export.service, api, tuple(addresses))
        if key not in self._imported:
            self._imported[key] = service_import(export, self._merged[export.service], addresses, api)
        return self._imported[key]

    def _named_by(self, export: Export, api: str, addresses: t.Sequence[str]) -> list[Object]:
        key = (export.service, api, tuple(addresses))
        if key not in self._named:
            self._named[key] = mesh_name_objects(export, self._ports[export.service], api, addresses)
        return self._named[key]

    def _plan_names(self, plan: _Plan, name: str, export: Export, callers: t.Sequence[str]) -> None:
        api = self._istio(name)
        others = [c for c in self._served[name] if c not in callers]
        if others:
            self._shared.setdefault((name, tuple(others)), []).append(export.service)
        if self._is_part_unread(export, [name, *callers]):
            self._keep(plan, name, export)
            return
        if self._held[name].controller:
            addresses = []
            services = [self._held[one].services[export.namespace, export.name] for one in self.sources[export.service]]
            spoken = {port.number: port.spoken for service in services for port in ports_of(service)}
            objects = mesh_name_objects(export, spoken, api) if export.mtls else []
        else:
            addresses = self._addresses_for(name, export)
            if self._merged[export.service].headless:
                objects = headless_name_objects(
                    export, self._headless_ports(export), self._selector(export), api, addresses
                )
            else:
                by_istiod = self.confined and self._held[name].istiods.all_read
                objects = [] if by_istiod else self._named_by(export, api, addresses)
            if objects and not addresses:
                self._keep(plan, name, export)
                return
        for obj in objects:
            live = self._held[name].names.get((obj["kind"], export.namespace, obj["metadata"]["name"]))
            ours = live is None or has_our_labels(live, self.fleet.name, PART) or self.fleet.clusters[name].take_over
            if ours:
                plan.wanted.append(obj)
            else:
                self._fail({name: _foreign(name, obj, live)})

    def _services(self, export: Export) -> list[Object]:
        key = (export.namespace, export.name)
        return [self._held[name].services[key] for name in self._mine[export.service]]

    def _headless_ports(self, export: Export) -> list[Object]:
        """Those of a headless service, with the port of its pods where that is a number."""
        spoken = self._ports[export.service]
        services = reversed(self._services(export))
        targets = {p["port"]: p.get("targetPort") for s in services for p in s["spec"].get("ports") or []}
        return [
            {**port, "spoken": spoken.get(port["port"], ""), "targetPort": targets.get(port["port"])}
            for port in self._merged[export.service].ports
        ]

    def _selector(self, export: Export) -> dict[str, str]:
        return next((dict(s["spec"]["selector"]) for s in self._services(export) if s["spec"].get("selector")), {})

    def _say_limits(self) -> None:
        """What names do not do, each said once."""
        if self.exports:
            self._say_unnamed()
        limited = [
            export.service for export in self.exports if export.to is not None and export.service in self._merged
        ]
        if limited:
            self.warnings.append(
                f"to limits who knows the names of {_some(limited)} in clusterset.local, not who may call: every "
                "cluster of the mesh reaches them as name.namespace. An AuthorizationPolicy says who may call"
            )
        if self.confined and self._merged and recording() is None:
            self._say_unconfined()
        for (primary, others), services in self._shared.items():
            self.warnings.append(
                f"{', '.join(others)} can call {_some(services)} too: one istiod, that of {primary}, configures its "
                "sidecars and those of the clusters that may"
            )
        for name, services in self._elsewhere.items():
            primary = self.fleet.clusters[name].primary
            self.warnings.append(
                f"{name}: the names of {_some(services)} are made in its primary {primary}, which this run does not "
                f"change: run it with --limit {name},{primary}"
            )
        for service, names in self._without_dns.items():
            self.warnings.append(
                f"{service}: is headless, so that its name is not in the DNS of {', '.join(names)}: pods come and go"
            )

    def _say_unconfined(self) -> None:
        """Istiods that do not keep services in their clusters, each said with what is to be done."""
        istiods = {name: self._held[name].istiods for name in self._working if self._istio(name)}
        unready = [name for name, found in istiods.items() if not found.reads]
        if unready:
            self.warnings.append(
                f"{', '.join(unready)}: istiod does not read ServiceExports, or not with all its pods yet: names of "
                "exported services stay known without it, and other services leave their cluster. Run stage "
                "control_plane, then services"
            )
        for name, found in istiods.items():
            if found.others:
                self.warnings.append(
                    f"{name}: istiod of another revision does not read ServiceExports ({', '.join(found.others)}): "
                    "names of exported services stay known without it, and other services leave their cluster for "
                    "the proxies that it configures. Restart those workloads, uninstall it, then run stage services"
                )
            if found.export_all:
                self.warnings.append(
                    f"{name}: {', '.join(found.export_all)} exports every service (ENABLE_MCS_AUTO_EXPORT), so that "
                    "none stays in its cluster. Take that setting out of istiod's values, run stage control_plane, "
                    "and delete the ServiceExports that it made"
                )

    def _say_unnamed(self) -> None:
        """ServiceExports that users made, of which nothing comes."""
        named = {(export.namespace, export.name) for export in self.exports}
        for name in self._working:
            held = self._held[name]
            idle = [
                "/".join(key)
                for key, obj in sorted(held.exports.items())
                if not (held.controller or key in named or fleet_of(obj))
            ]
            if idle:
                self.warnings.append(
                    f"{name}: no cluster imports what ServiceExport {_some(idle)} of others exports, as mesh_exports "
                    "does not name it. Name it there, or remove the ServiceExport"
                )

    def _say_unknown(self, record: Recording | None) -> None:
        without = [export for export in self.exports if export.service not in self._merged]
        if record is None:
            return
        for name in self._held:
            for export in self.exports:
                where = f"{export.namespace}/{export.name}"
                if export in without:
                    record.leave_out(
                        name,
                        f"ServiceExport {where}",
                        "only the clusters know whether they run that service, which no app of the inventory brings",
                        "keep it beside the service's own manifests, in each cluster that runs it",
                    )
                if not (export.reaches(name) or name in self.sources[export.service]):
                    continue
                named = [f"{kind} {where}-clusterset" for kind in (MESH_NAME_KINDS if self._istio(name) else ())]
                for obj in [f"ServiceImport {where}", *named]:
                    record.leave_out(
                        name,
                        obj,
                        "its address is one that no cluster of the fleet uses, which only the clusters know",
                        "run mesh.fleet.services, which makes it and keeps its address",
                    )

    # -- writing -------------------------------------------------------------------------------

    async def _apply(self, name: str) -> None:
        kube, held, plan = self._kubes[name], self._held[name], self._plans[name]
        live = {_identity(obj): obj for obj in _all(held)}
        new = []
        for obj in plan.wanted:
            before = live.get(_identity(obj))
            if before is not None and self._owner.items() <= labels_of(before).items() and _is_same(before, obj):
                meta = obj["metadata"]
                self.changes.append(Change(name, obj["kind"], meta["name"], UNCHANGED, meta["namespace"]))
            else:
                new.append(obj)
        if new:
            self.changes += await kube.apply(new, labels=self._owner, dry_run=self.dry_run, diff=self.diff)

    async def _serve(self, name: str) -> None:
        """The names in the cluster's DNS, by choice; what an earlier run wrote there goes otherwise."""
        kube, held = self._kubes[name], self._held[name]
        wanted = self.dns and not held.controller and not self.leaves
        if wanted and (self._unread or self._is_unallocated):
            # There are names of which nothing is known now.
            return
        served = await serve_names(
            kube,
            self.fleet.name,
            self._records(name) if wanted else {},
            named=bool(self._merged) and not (held.controller or self.leaves),
            dry_run=self.dry_run,
            diff=self.diff,
        )
        self.changes += served.changes
        self.warnings += served.warnings
        if served.changes and self.timeout and not self.dry_run:
            late = await await_names(kube, served, timeout=min(self.timeout, _DNS_SECONDS))
            self.warnings += [late] if late else []

    def _records(self, name: str) -> dict[str, list[str]]:
        """By exported name its addresses, as pods of a cluster without a sidecar are to see them.

        Where the service runs in their own cluster they reach it by its Service's address there. The address of the
        whole fleet is one that only sidecars know what to do with.
        """
        found: dict[str, list[str]] = {}
        for export in self.exports:
            sources, merged = self._mine[export.service], self._merged.get(export.service)
            if merged is None or not (export.reaches(name) or name in sources):
                continue
            spec = (self._held[name].services.get((export.namespace, export.name)) or {}).get("spec") or {}
            here = [one for one in spec.get("clusterIPs") or [] if one != "None"]
            if merged.headless:
                self._without_dns.setdefault(export.service, []).append(name)
            elif addresses := (here if name in sources else self._addresses_for(name, export)):
                found[export.host] = list(addresses)
        return found

    async def _remove(self, name: str) -> None:
        kube, plan = self._kubes[name], self._plans[name]
        istio = self._istio(name)
        held = self._held[name]
        upstream = list(dict.fromkeys([held.api, *(f"{GROUP}/{version}" for version in held.versions[:1])]))
        # The name first: a call finds it, or learns that it is gone.
        kinds = [(istio, kind) for kind in (reversed(MESH_NAME_KINDS) if istio else ())]
        kinds += [(api, kind) for api in upstream if api for kind in ("ServiceImport", "ServiceExport")]
        keep = {_identity(obj) for obj in [*plan.wanted, *plan.stays]}
        gone = [
            obj
            for obj in _all(self._held[name])
            if has_our_labels(obj, self.fleet.name, PART) and _identity(obj) not in keep
        ]
        if gone:
            self.changes += await kube.prune(
                [*plan.wanted, *plan.stays], labels=self._owner, kinds=kinds, dry_run=self.dry_run, diff=self.diff
            )
        self.warnings += kube.left_warnings

    async def _report(self, name: str) -> None:
        """Conditions of exports, and the clusters of imports, where they are not written yet."""
        kube, held = self._kubes[name], self._held[name]
        if held.controller or kube.absent:
            return
        now = _now(kube)
        jobs = []
        by_key = {(export.namespace, export.name): export for export in self.exports}
        for obj in self._plans[name].wanted:
            export = by_key.get(key_of(obj))
            if export is None or obj["kind"] not in ("ServiceExport", "ServiceImport"):
                continue
            if obj["kind"] == "ServiceExport":
                if self._is_part_unread(export, [name]):
                    continue
                conditions = export_conditions(self._merged[export.service], name, held.exports.get(key_of(obj)), now)
                if conditions:
                    jobs.append(write_status(kube, obj, {"conditions": conditions}))
            else:
                clusters = import_clusters(self._mine[export.service])
                had = ((held.imports.get(key_of(obj)) or {}).get("status") or {}).get("clusters") or []
                if sorted(str(one.get("cluster")) for one in had) != [one["cluster"] for one in clusters]:
                    jobs.append(write_status(kube, obj, {"clusters": clusters}))
        await asyncio.gather(*jobs)

    async def _report_on_others(self, name: str) -> None:
        """Conditions of exports that users made, of which all else is theirs."""
        kube, held, plan = self._kubes[name], self._held[name], self._plans[name]
        if kube.absent:
            return
        by_key = {(export.namespace, export.name): export for export in self.exports}
        decided = {_identity(obj) for obj in [*plan.wanted, *plan.stays]}
        theirs: list[tuple[Object, Merged | None]] = []
        for key, live in sorted(held.exports.items()):
            export = by_key.get(key)
            if fleet_of(live) or _identity(live) in decided:
                continue
            if export is None or held.controller or name not in self.sources[export.service]:
                theirs.append((live, None))
            elif not self._is_part_unread(export, [name]):
                theirs.append((live, self._merged.get(export.service)))
        reported = await report_on_others(
            kube, self.fleet.name, theirs, _now(kube), dry_run=self.dry_run, diff=self.diff
        )
        self.changes += reported.changes
        self.warnings += reported.warnings

    async def _found(self, name: str) -> None:
        """What a cluster's callers have now; another controller's imports are awaited."""
        held = self._held[name]
        planned = {key_of(obj) for obj in self._plans[name].wanted if obj["kind"] == "ServiceImport"}
        for export in self.exports:
            if not (export.reaches(name) and self._running_in_set(name, export)) or self.dry_run:
                continue
            if held.controller:
                address = await self._await(name, export)
            elif (export.namespace, export.name) in planned:
                address = ", ".join(self._addresses_for(name, export)) or "headless"
                if self._merged[export.service].headless:
                    address = "headless"
            else:
                ready, seen = import_ready(held.imports.get((export.namespace, export.name)))
                address = seen if ready else ""
            if address:
                self.imports.append({"service": export.service, "cluster": name, "address": address})

    async def _await(self, name: str, export: Export) -> str:
        """The address that a cluster's own controller gave a service."""
        if not self.timeout:
            return ""
        kube, held = self._kubes[name], self._held[name]
        try:
            live = await kube.wait(
                self._api(name),
                "ServiceImport",
                export.name,
                export.namespace,
                until=import_ready,
                timeout=self.timeout,
            )
        except NotInTime as error:
            raise FleetError(
                f"{export.service} was not imported within {self.timeout:g} s",
                cluster=name,
                obj=f"ServiceImport {export.namespace}/{export.name}",
                seen=error.seen,
                means=f"{held.controller} makes the imports of this cluster, and has not made this one: its clusterset "
                "does not include the clusters that export it, or it does not run",
                next_step=f"see the log of {held.controller} in {name}; then run again",
            ) from error
        return import_ready(live)[1]

    # -- leaving -------------------------------------------------------------------------------

    async def _leave(self) -> None:
        """Take back the copies of the record of addresses, and our kinds where nobody's objects are left."""
        leaving = self._working
        if not leaving:
            return
        self._say_left(leaving)
        known = {name: self._kubes[name] for name in self._held}
        try:
            left = await forgotten(known, self.fleet, leaving, part=PART, dry_run=self.dry_run, diff=self.diff)
        except FleetError as error:
            left = Allocated(failed=dict.fromkeys(leaving, error))
        self.changes += left.changes
        self.warnings += left.warnings
        self._fail({name: error for name, error in left.failed.items() if name in leaving})
        await self._each(self._remove_kinds)

    def _say_left(self, leaving: t.Sequence[str]) -> None:
        """Names that clusters know which stay."""
        stay = [name for name in self.all if name not in self.here]
        for name in leaving if stay else ():
            exported = [
                f"{service}.{space}"
                for (space, service), obj in sorted(self._held[name].exports.items())
                if has_our_labels(obj, self.fleet.name, PART)
            ]
            if exported:
                self.warnings.append(
                    f"{', '.join(stay)}: names of {_some(exported)}, which {name} exported, stay until stage services "
                    f"runs there: run it with --limit {','.join(stay)}"
                )

    async def _remove_kinds(self, name: str) -> None:
        kube = self._kubes[name]
        ours = await kube.list(*CRD_KIND, labels=self._owner)
        if not ours:
            return
        gone = {
            (change.kind, change.namespace, change.name)
            for change in self.changes
            if change.cluster == name and change.action == REMOVED
        }
        versions = self._held[name].versions[:1] or VERSIONS[:1]
        for kind in ("ServiceExport", "ServiceImport"):
            for obj in await kube.list(f"{GROUP}/{versions[0]}", kind):
                if (kind, *key_of(obj)) not in gone:
                    self.warnings.append(
                        f"{name}: the kinds of {GROUP} stay: {kind} {obj['metadata']['namespace']}/"
                        f"{obj['metadata']['name']} is of {owner_of(obj)}, and would go with them"
                    )
                    return
        self.changes += await kube.remove(ours, dry_run=self.dry_run, diff=self.diff)


def _now(kube: Kube) -> str:
    """The time of a cluster's API server, as it writes it."""
    return kube.transport.server_time().strftime("%Y-%m-%dT%H:%M:%SZ")


def _spoken(merged: Merged, services: t.Sequence[t.Mapping[str, t.Any]]) -> dict[int, str]:
    """What each TCP port of a merged service speaks, by the oldest export that has it."""
    said = {port.number: port.spoken for service in reversed(services) for port in ports_of(service)}
    return {port["port"]: said.get(port["port"], "") for port in merged.ports if port["protocol"] == "TCP"}


def _all(held: Held) -> list[Object]:
    return [*held.exports.values(), *held.imports.values(), *held.names.values()]


def _identity(obj: t.Mapping[str, t.Any]) -> tuple[str, str, str]:
    return (str(obj["kind"]), *key_of(obj))


def _is_same(live: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> bool:
    """Whether a live object has exactly what is wanted: a field that is not wanted any more is to go."""
    return live.get("spec") == wanted.get("spec")


def _some(services: t.Sequence[str]) -> str:
    more = len(services) - _FEW
    return ", ".join(services[:_FEW]) + (f" and {more} more" if more > 0 else "")


def _without_namespace(cluster: str, exports: t.Sequence[Export]) -> FleetError:
    spaces = sorted({export.namespace for export in exports})
    names = ", ".join(export.service for export in exports[:5])
    return FleetError(
        f"{names} cannot be imported: {'their' if len(exports) > 1 else 'its'} namespace is missing",
        cluster=cluster,
        obj=f"Namespace {', '.join(spaces)}",
        seen="it does not exist",
        means="an import is in the namespace of the service, in every cluster that calls it",
        next_step=f"create the namespace, or remove {cluster} from to in mesh_exports; then run again",
    )


def _unknown_kinds(cluster: str, kinds: t.Iterable[Object]) -> FleetError:
    seen = [
        f"{crd['metadata']['name']}, of {owner_of(crd)}, serves "
        f"{', '.join(one['name'] for one in crd['spec'].get('versions') or [] if one.get('served')) or 'none'}"
        for crd in kinds
    ]
    return FleetError(
        "the kinds of multi-cluster services are not there as this collection knows them",
        cluster=cluster,
        obj=f"CustomResourceDefinition of {GROUP}",
        seen="; ".join(seen),
        means=f"nothing is exported or imported there without {VERSIONS[0]} or {VERSIONS[1]} of both kinds, and kinds "
        "that others made are not changed",
        next_step="let those who made them complete them, or remove them if they are left over; then run again",
    )


def _taken(cluster: str, fleet: str, found: t.Sequence[tuple[Export, Object]]) -> FleetError:
    services = _some([export.service for export, _live in found])
    _export, live = found[0]
    return FleetError(
        f"fleet {fleet} exports or imports {services} in this cluster already",
        cluster=cluster,
        obj=f"{live['kind']} {live['metadata']['namespace']}/{live['metadata']['name']}",
        seen=f"it is of fleet {fleet}",
        means="a cluster is part of one clusterset (KEP-1645), in which a service has one export and one import: "
        "nothing of it was changed there",
        next_step=f"leave {'it' if len(found) == 1 else 'them'} to fleet {fleet}, and take this cluster out of to, or "
        "remove the service from mesh_exports; or run once with mesh_take_over: true, and remove it from that fleet's",
    )


def _foreign(cluster: str, obj: Object, live: t.Mapping[str, t.Any] | None) -> FleetError:
    return FleetError(
        "an object of this name exists, and this fleet did not make it",
        cluster=cluster,
        obj=f"{obj['kind']} {obj['metadata']['namespace']}/{obj['metadata']['name']}",
        seen=f"it is of {owner_of(live)}",
        means="the export would overwrite it, and its removal would delete it",
        next_step="remove or rename it; to give it to this fleet, run once with mesh_take_over: true",
    )
