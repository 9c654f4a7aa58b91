# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One cluster's gateways: east-west between networks and for remotes, ingress from outside."""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import webhook_has_ca_bundle
from ansible_collections.mesh.fleet.plugins.module_utils._kube.namespaces import claim_namespace
from ansible_collections.mesh.fleet.plugins.module_utils._kube.service_address import (
    LOAD_BALANCER,
    NO_SERVICE,
    NODE_PORT,
    ServiceAddress,
)
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime, Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.base import ControlPlane
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import ROLE_PRIMARY, Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.exposure import (
    cross_network_gateway,
    expose_istiod,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import (
    EASTWEST,
    INGRESS,
    Release,
    eastwest_wanted,
    gateway_release,
    ingress_wanted,
    remotes_of,
    webhook_name,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    CREATED,
    PART_OF,
    has_our_labels,
    is_created,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.apps.cleanup import remove_namespaces
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.address import address_of, await_address
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.action import HelmAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.tools import CHARTS, chart_of, charts_folder
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.injection import await_injection
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.unnamed import read_unnamed

PLACEHOLDER_IMAGE = "auto"
"""The image in Istio's gateway chart, which the injector replaces."""
NODES_OF = "traffic.istio.io/nodeSelector"
"""Annotation of a Service of type NodePort that makes istiod tell the addresses of nodes to other networks."""
KINDS = (("networking.istio.io/v1", "Gateway"), ("networking.istio.io/v1", "VirtualService"))


class ActionModule(HelmAction):
    """See ``plugins/modules/gateways.py`` for the documentation."""

    CHANGES_CLUSTERS = True
    PATHS: t.ClassVar[tuple[str, ...]] = ("charts",)
    PROGRAMS: t.ClassVar[tuple[str, ...]] = ("helm",)
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "gateways": {"type": "str", "choices": ["all", "for_remotes"], "default": "all"},
        "eastwest": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
        "ingress": {"type": "raw", "default": True},
        "namespace": {"type": "str", "default": ""},
        "charts": {"type": "str", "default": ""},
        "helm": {"type": "str", "default": ""},
        "replicas": {"type": "int", "default": 0},
        "values": {"type": "dict", "default": {}},
        "eastwest_values": {"type": "dict", "default": {}},
        "ingress_values": {"type": "dict", "default": {}},
        "timeout": {"type": "int", "default": 180},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        cluster = fleet.clusters[str(task_vars["inventory_hostname"])]
        args = self.patient(args, cluster, "timeout")
        if args["gateways"] == "for_remotes" and not remotes_of(fleet, cluster.name):
            return {"changed": False, "skipped": True, "skip_reason": f"{cluster.name} serves no remotes"}
        absent_ok = self.absent_ok(cluster, args)
        async with Kube.connect(
            cluster.connection, cluster=cluster.name, absent_ok=absent_ok, take_over=cluster.take_over
        ) as kube:
            if args["state"] == "absent":
                return await self._absent(kube, fleet, cluster, args, task_vars)
            made = self.artifacts_folder(task_vars)
            args["charts"] = charts_folder(args["charts"], made, fleet.istio_version, ["gateway"])
            return await self._present(kube, fleet, cluster, args, task_vars)

    async def _present(
        self, kube: Kube, fleet: Fleet, cluster: Cluster, args: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        for_remotes = args["gateways"] == "for_remotes"
        names = []
        if for_remotes or eastwest_wanted(fleet, cluster, args["eastwest"]):
            names.append(EASTWEST)
        if not for_remotes and _ingress_wanted(args["ingress"], cluster, fleet):
            names.append(INGRESS)
        plane = control_plane_of(fleet, cluster)
        namespace = plane.gateways_namespace(args["namespace"])
        if names and cluster.role != ROLE_PRIMARY and not self.check_mode:
            await self._wait_for_injection(kube, fleet, cluster, args["timeout"])
        changes: list[Change] = []
        if names and namespace != plane.namespace:
            changes += await self._namespace(kube, fleet, plane, namespace)
        if names and plane.await_injection and not self.check_mode:
            await await_injection(kube, cluster, namespace, args["timeout"])
        wanted = [self._release(fleet, cluster, args, name, namespace) for name in names]
        changes += await self.releases(
            kube,
            cluster,
            wanted,
            task_vars,
            helm=args["helm"],
            seconds=args["timeout"],
            fleet=fleet,
        )
        # Clusters that are missing in the inventory are reached through what seems to be needed no more.
        unnamed = [] if for_remotes else await read_unnamed(kube, fleet, cluster)
        if not for_remotes:
            unwanted = [n for n in (EASTWEST, INGRESS) if n not in names and not (unnamed and n == EASTWEST)]
            changes += await self._remove(kube, fleet, namespace, cluster, args, task_vars, unwanted)
            if not names and not unnamed:
                changes += (await self._leave(kube, fleet, args["timeout"]))[0]
        objects = [*cross_network_gateway(fleet, cluster), *expose_istiod(fleet, cluster)]
        changes += await kube.apply(objects, dry_run=self.check_mode)
        if not unnamed:
            changes += await kube.prune(
                objects,
                labels=owner_labels("gateways", fleet.name),
                kinds=KINDS,
                namespace=plane.namespace,
                dry_run=self.check_mode,
            )
        for name in names:
            changes += await self._replace_uninjected(kube, namespace, name)
        found = await self._addresses(kube, wanted, args["timeout"])
        if not for_remotes and not unnamed:
            # Once the new ones are ready.
            moved = await self._remove_elsewhere(kube, fleet, namespace, cluster, args, task_vars)
            changes += moved
            if moved and names:
                changes += (await self._leave(kube, fleet, args["timeout"], keep=[namespace]))[0]
        said = f"{cluster.name} {_summary(found)}"
        if for_remotes:  # a step of the control plane's stage, which has a line of its own
            said = ""
        warnings = list(kube.left_warnings)
        if unnamed:
            warnings.append(
                f"{cluster.name}: its east-west gateway, and what it exposes, stay where the inventory asks for less: "
                f"its istiod watches {', '.join(unnamed)}, which the inventory does not name. If they left the fleet, "
                f"run playbooks/peering.yml with -e peering_forget={','.join(unnamed)}, then run again"
            )
        if plane.no_eastwest and args["eastwest"] == "always":
            warnings.append(f"{cluster.name}: {plane.no_eastwest}, so it has none")
        if EASTWEST in found:
            warnings += _hidden_from_others(fleet, cluster, found[EASTWEST].type, wanted[0].values)
        return result(
            changes,
            summary=said,
            addresses={name: where.host for name, where in found.items()},
            services={
                name: {"type": where.type, "hosts": list(where.hosts), "ports": dict(where.ports)}
                for name, where in found.items()
            },
            warnings=warnings,
        )

    async def _namespace(self, kube: Kube, fleet: Fleet, plane: ControlPlane, name: str) -> list[Change]:
        """Create the gateways' own namespace; one of our apps' that already asks for sidecars stays as it is."""
        live = await kube.get("v1", "Namespace", name)
        asked = plane.gateways_labels
        marks = labels_of(live)
        if has_our_labels(live, fleet.name) and marks.get(PART_OF) != "gateways" and asked.items() <= marks.items():
            return []
        metadata: dict[str, t.Any] = {"name": name, "labels": {**owner_labels("gateways", fleet.name), **asked}}
        if is_created(live):
            metadata["annotations"] = {CREATED: "true"}
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        return await claim_namespace(kube, space, live, dry_run=self.check_mode)

    async def _leave(
        self, kube: Kube, fleet: Fleet, seconds: float, keep: t.Container[str] = ()
    ) -> tuple[list[Change], list[str]]:
        """Remove the gateways' own namespace if it is ours and empty, else remove our labels from it."""
        return await remove_namespaces(
            kube,
            keep,
            dry_run=self.check_mode,
            timeout=seconds,
            labels=owner_labels("gateways", fleet.name),
            ours=lambda obj: _of_a_gateway(obj, fleet),
        )

    def _release(self, fleet: Fleet, cluster: Cluster, args: dict[str, t.Any], name: str, namespace: str) -> Release:
        chart, version, repo = chart_of(args["charts"], *CHARTS["gateway"], version=fleet.istio_version)
        own = args["eastwest_values"] if name == EASTWEST else args["ingress_values"]
        made = gateway_release(
            fleet,
            cluster,
            chart,
            name,
            namespace=namespace,
            replicas=args["replicas"],
            user=(args["values"], own),
        )
        return dataclasses.replace(made, version=version, repo=repo)

    async def _wait_for_injection(self, kube: Waiter, fleet: Fleet, cluster: Cluster, seconds: float) -> None:
        """The primary's istiod injects a gateway's pod; before that it writes its CA into the webhook."""
        name = webhook_name(fleet)
        try:
            await kube.wait(
                "admissionregistration.k8s.io/v1",
                "MutatingWebhookConfiguration",
                name,
                until=webhook_has_ca_bundle,
                timeout=seconds,
            )
        except NotInTime as error:
            raise FleetError(
                f"{cluster.primary} does not serve it yet",
                cluster=cluster.name,
                obj=f"MutatingWebhookConfiguration {name}",
                seen=error.seen,
                means=f"{cluster.primary} has no remote secret of it, cannot reach its API server, or learned of it "
                "before its namespace named its primary",
                next_step=f"run the peering stage with --limit {cluster.primary},{cluster.name}",
            ) from error

    async def _replace_uninjected(self, kube: Kube, namespace: str, name: str) -> list[Change]:
        """Pods that no istiod injected have the chart's placeholder image, and never start: delete them."""
        deployment = await kube.get("apps/v1", "Deployment", name, namespace)
        if deployment is None:
            return []
        pods = await kube.pods(namespace, deployment["spec"]["selector"]["matchLabels"])
        stuck = [
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": p["metadata"]["name"], "namespace": namespace}}
            for p in pods
            if any(c["image"] == PLACEHOLDER_IMAGE for c in p["spec"]["containers"])
        ]
        return await kube.remove(stuck, dry_run=self.check_mode, diff=False)

    async def _addresses(
        self, kube: Waiter, releases: t.Sequence[Release], seconds: float
    ) -> dict[str, ServiceAddress]:
        """Where each gateway is reached, once its Service has what its type gives and its pods are ready.

        All are waited for side by side. One whose values ask for no Service has only pods.
        """

        async def one(release: Release) -> ServiceAddress:
            name, namespace = release.name, release.namespace
            served = (release.values.get("service") or {}).get("type") != NO_SERVICE
            if self.check_mode:
                planned = ServiceAddress(LOAD_BALANCER)
                service = await kube.get("v1", "Service", name, namespace) if served else None
                return await address_of(kube, service) if service or not served else planned

            async def where() -> ServiceAddress:
                return await (await_address(kube, namespace, name, seconds) if served else address_of(kube, None))

            found, _ready = await asyncio.gather(
                where(), kube.wait_deployment(name, namespace, timeout=seconds, least=1)
            )
            return found

        found = await asyncio.gather(*(one(release) for release in releases))
        return dict(zip((release.name for release in releases), found, strict=True))

    async def _remove(
        self,
        kube: Kube,
        fleet: Fleet,
        namespace: str,
        cluster: Cluster,
        args: dict[str, t.Any],
        task_vars: dict[str, t.Any],
        names: list[str],
        kept: list[str] | None = None,
    ) -> list[Change]:
        """Uninstall gateways of ours that are not wanted; one that somebody else installed stays."""
        changes = await self.releases(
            kube,
            cluster,
            [Release(name, namespace, "gateway") for name in names],
            task_vars,
            present=False,
            helm=args["helm"],
            seconds=args["timeout"],
            fleet=fleet,
            kept=kept,
        )
        return [change for change in changes if change.action != UNCHANGED]

    async def _remove_elsewhere(
        self,
        kube: Kube,
        fleet: Fleet,
        namespace: str,
        cluster: Cluster,
        args: dict[str, t.Any],
        task_vars: dict[str, t.Any],
        kept: list[str] | None = None,
    ) -> list[Change]:
        """Uninstall this fleet's gateways in other namespaces: of a former namespace or control plane."""
        former: dict[str, list[str]] = {}
        for one in await kube.list("apps/v1", "Deployment", labels=owner_labels("gateways", fleet.name)):
            meta = one["metadata"]
            if meta["name"] in (EASTWEST, INGRESS) and meta["namespace"] != namespace:
                former.setdefault(meta["namespace"], []).append(meta["name"])
        changes: list[Change] = []
        for space, names in sorted(former.items()):
            changes += await self._remove(kube, fleet, space, cluster, args, task_vars, names, kept)
        return changes

    async def _absent(
        self, kube: Kube, fleet: Fleet, cluster: Cluster, args: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        kept: list[str] = []
        changes = await kube.prune(
            [], labels=owner_labels("gateways", fleet.name), kinds=KINDS, dry_run=self.check_mode
        )
        namespace = control_plane_of(fleet, cluster).gateways_namespace(args["namespace"])
        changes += await self._remove(kube, fleet, namespace, cluster, args, task_vars, [EASTWEST, INGRESS], kept)
        changes += await self._remove_elsewhere(kube, fleet, namespace, cluster, args, task_vars, kept)
        left, held = await self._leave(kube, fleet, args["timeout"])
        changes += left
        kept = [f"{cluster.name}: {text} stayed" for text in kept] + held
        said = f"{cluster.name} {len(changes)} objects removed" if changes else f"{cluster.name} nothing there"
        return result(changes, summary=said, warnings=[*kept, *kube.left_warnings])


def _of_a_gateway(obj: t.Mapping[str, t.Any], fleet: Fleet) -> bool:
    """Whether an object is of a gateway of this fleet, Helm's record included: in check mode it still exists."""
    names = tuple(f"sh.helm.release.v1.{name}." for name in (EASTWEST, INGRESS))
    return has_our_labels(obj, fleet.name, "gateways") or str(obj["metadata"]["name"]).startswith(names)


def _summary(found: t.Mapping[str, ServiceAddress]) -> str:
    """One address alone, or two with their names."""
    if not found:
        return "needs none"
    words = {EASTWEST: "east-west", INGRESS: "ingress"}
    texts = {name: where.described() or "planned" for name, where in found.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{words[name]} {text}" for name, text in texts.items())


def _hidden_from_others(fleet: Fleet, cluster: Cluster, kind: str, values: t.Mapping[str, t.Any]) -> list[str]:
    """Why other networks learn no address of an east-west gateway of this type, as a warning."""
    elsewhere = [c.name for c in fleet.clusters.values() if c.network != cluster.network]
    if not elsewhere or kind == LOAD_BALANCER:
        return []
    notes = (values.get("service") or {}).get("annotations") or {}
    if kind == NODE_PORT and NODES_OF in notes:
        return []
    way = (
        f"set the annotation {NODES_OF} in gateways_eastwest_values (service.annotations): which nodes, that have "
        "external addresses"
        if kind == NODE_PORT
        else "set service.type to LoadBalancer in gateways_eastwest_values"
    )
    return [
        f"{cluster.name}: its east-west gateway is of type {kind}, of which istiod tells other networks no address; "
        f"{way}, or name an address in global.meshNetworks of control_plane_values"
    ]


def _ingress_wanted(choice: t.Any, cluster: Cluster, fleet: Fleet) -> bool:
    """Raises FleetError for a choice that cannot be, and for a list with clusters that the fleet does not have."""
    unknown = [str(name) for name in choice if name not in fleet.clusters] if isinstance(choice, list) else []
    if unknown:
        raise FleetError(
            "gateways_ingress names clusters that this fleet does not have",
            seen=", ".join(unknown),
            next_step=f"choose from {', '.join(fleet.clusters)}",
        )
    return ingress_wanted(cluster, choice)
