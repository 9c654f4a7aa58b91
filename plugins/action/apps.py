# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apply the apps of one cluster: namespaces, objects, stubs, charts; then wait until they are ready."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.namespaces import claim_namespace
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.values import LABEL
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import INGRESS, Release
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import is_created, owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps import (
    App,
    ClusterPlan,
    SampleOptions,
    namespace_object,
    our_labels,
    plan_cluster,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.apps_reading import parse_apps, sample_apps
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.outdated import (
    RESTARTABLE,
    Workload,
    restart_commands,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change, as_planned, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.apps.cleanup import (
    foreign_releases,
    pruned_kinds,
    release_record,
    remove_namespaces,
    stale_releases,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.apps.ready import await_ready, release_workloads
from ansible_collections.mesh.fleet.plugins.plugin_utils.apps.sources import read_program, with_sources
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import chart_at
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.action import HelmAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.injection import await_injection
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.outdated import find_outdated, restart_outdated


class ActionModule(HelmAction):
    """See ``plugins/modules/apps.py`` for the documentation."""

    CHANGES_CLUSTERS = True
    PROGRAMS: t.ClassVar[tuple[str, ...]] = ("helm",)
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "apps": {"type": "list", "elements": "raw", "default": []},
        "sample": {"type": "dict", "default": {}},
        "sample_program": {"type": "path", "default": ""},
        "sample_image": {"type": "str", "default": "docker.io/library/python:3.14-slim"},
        "sample_namespace": {"type": "str", "default": "istio-apps"},
        "sample_replicas": {"type": "int", "default": 1},
        "sample_target": {"type": "str", "default": ""},
        "sample_expose": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
        "sample_hosts": {"type": "list", "elements": "str", "default": []},
        "ingress_namespace": {"type": "str", "default": ""},
        "sample_wait_timeout": {"type": "int", "default": 180},
        "restart_unsidecared": {"type": "bool", "default": False},
        "restart_outdated": {"type": "bool", "default": False},
        "remove_timeout": {"type": "int", "default": 120},
        "helm": {"type": "str", "default": ""},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        cluster = fleet.clusters[str(task_vars["inventory_hostname"])]
        args = self.patient(args, cluster, "sample_wait_timeout")
        present = args["state"] == "present"
        apps: list[App] = []
        sample: SampleOptions | None = None
        if present:
            apps = [with_sources(app, self._templar, task_vars) for app in parse_apps(fleet, args["apps"])]
            sample = _sample(fleet, args)
        absent_ok = self.absent_ok(cluster, args)
        async with Kube.connect(
            cluster.connection, cluster=cluster.name, absent_ok=absent_ok, take_over=cluster.take_over
        ) as kube:
            if sample is not None and sample.expose and args["sample_expose"] == "auto":
                where = control_plane_of(fleet, cluster).gateways_namespace(args["ingress_namespace"])
                sample = await self._exposed(kube, where, sample)
            plan = plan_cluster(fleet, cluster.name, apps, sample)
            charts = [app for app in apps if app.chart and cluster.name in app.clusters]
            if not cluster.take_over:
                await self._refuse_foreign(kube, fleet, charts)
            changes = await self._apply(kube, fleet, cluster, plan, charts, args, task_vars)
            removed, kept = await self._prune(kube, fleet, cluster, plan, charts, args, task_vars)
            changes += removed
            if not self.check_mode:
                workloads = list(plan.workloads)
                for app in charts:
                    workloads += await release_workloads(kube, app) if app.wait else []
                stage = control_plane_of(fleet, cluster).stage
                await await_ready(kube, workloads, restart=args["restart_unsidecared"], stage=stage)
            outdated = await find_outdated(kube, fleet, cluster) if present else {}
            if args["restart_outdated"]:
                seconds = args["sample_wait_timeout"]
                changes += await restart_outdated(kube, outdated, dry_run=self.check_mode, seconds=seconds)
                outdated = {w: differ for w, differ in outdated.items() if w.kind not in RESTARTABLE}
            warnings = [*kept, *kube.left_warnings, *_still_outdated(cluster.name, outdated)]
        return result(
            changes,
            summary=_summary(cluster.name, plan, present) + as_planned(changes, check=self.check_mode),
            with_diff=self.diff_mode,
            warnings=warnings,
            apps=plan.running,
            stubs=plan.stubs,
            kept=kept,
        )

    @staticmethod
    async def _refuse_foreign(kube: Reader, fleet: Fleet, charts: t.Sequence[App]) -> None:
        """Refuse to upgrade a release of others: a later run would uninstall it as ours."""
        found = await foreign_releases(kube, fleet, [(app.namespace, app.name) for app in charts])
        if found:
            raise FleetError(
                "a Helm release of this name is there, and this fleet did not make it",
                cluster=kube.cluster,
                obj=f"release {found[0]}",
                seen=", ".join(found),
                means="the app would overwrite its values, and leave with it",
                next_step="choose another name or namespace for the app; or take it over: "
                "run once with mesh_take_over: true",
            )

    async def _exposed(self, kube: Reader, namespace: str, sample: SampleOptions) -> SampleOptions:
        """The sample, exposed only if the cluster has an ingress gateway.

        In check mode a gateway counts whose namespace does not exist yet: the run would create both.
        """
        gateway = await kube.get("v1", "Service", INGRESS, namespace)
        planned = self.check_mode and (kube.absent or await kube.get("v1", "Namespace", namespace) is None)
        return sample if gateway is not None or planned else dataclasses.replace(sample, expose=False)

    async def _apply(
        self,
        kube: Kube,
        fleet: Fleet,
        cluster: Cluster,
        plan: ClusterPlan,
        charts: list[App],
        args: dict[str, t.Any],
        task_vars: dict[str, t.Any],
    ) -> list[Change]:
        plane = control_plane_of(fleet, cluster)
        names = list(plan.namespaces)
        lives = await asyncio.gather(*(kube.get("v1", "Namespace", name) for name in names))
        namespaces = [
            namespace_object(fleet, cluster, name, inject=plan.namespaces[name], created=is_created(live))
            for name, live in zip(names, lives, strict=True)
            if not _is_of_gateways(live, fleet, plane.injection_label)
        ]
        records = [release_record(fleet, app.name, app.namespace) for app in charts]
        wanted = {str(space["metadata"]["name"]): space for space in namespaces}
        claims = [
            claim_namespace(kube, wanted[name], live, dry_run=self.check_mode, diff=self.diff_mode)
            for name, live in zip(names, lives, strict=True)
            if name in wanted
        ]
        changes: list[Change] = [change for done in await asyncio.gather(*claims) for change in done]
        injected = [name for name, inject in plan.namespaces.items() if inject]
        if plane.await_injection and injected and not self.check_mode:
            await await_injection(kube, cluster, injected[0], args["sample_wait_timeout"])
        changes += await kube.apply([*records, *plan.objects], dry_run=self.check_mode, diff=self.diff_mode)
        if charts:
            releases = [_release(app, self.folder(task_vars)) for app in charts]
            changes += await self.releases(kube, cluster, releases, task_vars, helm=args["helm"])
        return changes

    async def _prune(
        self,
        kube: Kube,
        fleet: Fleet,
        cluster: Cluster,
        plan: ClusterPlan,
        charts: list[App],
        args: dict[str, t.Any],
        task_vars: dict[str, t.Any],
    ) -> tuple[list[Change], list[str]]:
        """Remove what the inventory no longer names: Helm releases, objects with our labels, then namespaces."""
        wait = 0 if self.check_mode else args["remove_timeout"]
        keep = {(app.namespace, app.name) for app in charts}
        stale = [Release(name, space, "") for space, name in await stale_releases(kube, fleet, keep)]
        changes: list[Change] = []
        if stale:
            changes += await self.releases(kube, cluster, stale, task_vars, present=False, helm=args["helm"])
        records = [release_record(fleet, app.name, app.namespace) for app in charts]
        changes += await kube.prune(
            [*records, *plan.objects],
            labels=our_labels(fleet.name),
            kinds=pruned_kinds(control_plane_of(fleet, cluster).istio_version),
            dry_run=self.check_mode,
            diff=self.diff_mode,
            wait=wait,
        )
        namespaces, kept = await remove_namespaces(
            kube, plan.namespaces, dry_run=self.check_mode, timeout=wait, labels=our_labels(fleet.name)
        )
        return changes + namespaces, kept


def _sample(fleet: Fleet, args: dict[str, t.Any]) -> SampleOptions | None:
    where = sample_apps(fleet, args["sample"])
    if not any(clusters for versions in where.values() for clusters in versions.values()):
        return None
    if args["sample_expose"] == "always" and not args["sample_hosts"]:
        raise FleetError(
            "apps_sample_expose is always, and apps_sample_hosts names no host",
            next_step='name the hosts of the page, or ["*"] to serve it under the gateway\'s address too',
        )
    if args["sample_target"] and not all(LABEL.fullmatch(part) for part in args["sample_target"].split(".")):
        raise FleetError(
            "apps_sample_target is no host name",
            seen=args["sample_target"],
            next_step="for example sample-producer.istio-apps.svc.clusterset.local; its port is that of the producer",
        )
    if not args["sample_program"]:
        raise FleetError("sample needs sample_program", next_step="set it to the folder of the sample program")
    return SampleOptions(
        where=where,
        image=args["sample_image"],
        program=read_program(args["sample_program"]),
        namespace=args["sample_namespace"],
        replicas=args["sample_replicas"],
        target=args["sample_target"],
        expose=args["sample_expose"] != "never",
        hosts=tuple(args["sample_hosts"]),
        wait_timeout=args["sample_wait_timeout"],
    )


def _still_outdated(cluster: str, outdated: t.Mapping[Workload, t.Sequence[str]]) -> list[str]:
    if not outdated:
        return []
    first = next(iter(outdated))
    return [
        f"{cluster}: sidecars of {len(outdated)} workload{'' if len(outdated) == 1 else 's'} have earlier settings "
        f"({first}: {', '.join(outdated[first])}), so calls fail until they are restarted: set apps_restart_outdated, "
        f"or {restart_commands(list(outdated))}"
    ]


def _is_of_gateways(namespace: t.Mapping[str, t.Any] | None, fleet: Fleet, injection: t.Mapping[str, str]) -> bool:
    """Whether a namespace is of the gateways role and has the injection label: two roles would overwrite each other."""
    marks = labels_of(namespace)
    return {**owner_labels("gateways", fleet.name), **injection}.items() <= marks.items()


def _release(app: App, folder: str) -> Release:
    chart = app.chart
    return Release(
        name=app.name,
        namespace=app.namespace,
        chart=chart_at(str(chart["ref"]), str(chart.get("repo") or ""), folder),
        values=dict(chart.get("values") or {}),
        version=str(chart.get("version") or ""),
        repo=str(chart.get("repo") or ""),
    )


def _summary(cluster: str, plan: ClusterPlan, present: bool) -> str:
    if not present:
        return f"{cluster} no apps"
    count = len(plan.stubs)
    apps = ", ".join(plan.running) or "no apps"
    return f"{cluster} {apps}" + (f", {count} stub{'s' if count > 1 else ''}" if count else "")
