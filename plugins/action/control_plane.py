# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One cluster's control plane: istiod of a primary, or what replaces it in a remote."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.conditions import gone
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.service_address import (
    LOAD_BALANCER,
    NO_SERVICE,
    service_address,
)
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime, Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.objects import istiod_values
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import ROLE_PRIMARY, Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.exposure import ISTIOD_GATEWAY
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import (
    BASE,
    CNI,
    EASTWEST,
    NOT_YET,
    Release,
    base_release,
    istiod_name,
    istiod_release,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels, is_former
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.other_signers import another_ca_signs
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import (
    SigningChain,
    as_istiod_reads,
    has_tls_form,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import as_planned, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import folder_of_inventory
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.guard import guard, refuse_own_keys
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers, read_files
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.services import find_gateways
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.action import HelmAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.helm.tools import CHARTS, chart_of, charts_folder
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.admission import (
    POD_OPTIONS,
    check_admission,
    said_of_pods,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.cni_agent import (
    Agent,
    await_agent,
    our_releases,
    plan_agent,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.former import remove_endpoints
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.leftovers import remove_leftovers
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.other_users import other_users
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.outdated import say_what_is_injected
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.refresh import (
    SERVED,
    TRUST_DOMAIN,
    refresh_istiod,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.system_namespace import (
    ensure_namespace,
    leave_namespace,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.unnamed import read_unnamed
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.versions import check_skew
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_seen import read_by_istiod


class ActionModule(HelmAction):
    """See ``plugins/modules/control_plane.py`` for the documentation."""

    CHANGES_CLUSTERS = True
    PATHS: t.ClassVar[tuple[str, ...]] = ("charts",)
    PROGRAMS: t.ClassVar[tuple[str, ...]] = ("helm",)
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent", "checked", "refreshed"], "default": "present"},
        "clusters": {"type": "str", "choices": ["all", "primaries", "remotes"], "default": "all"},
        "charts": {"type": "str", "default": ""},
        "helm": {"type": "str", "default": ""},
        "hub": {"type": "str", "default": ""},
        "tag": {"type": "str", "default": ""},
        "replicas": {"type": "int", "default": 0},
        "primary_address": {"type": "str", "default": ""},
        "dns_capture": {"type": "bool", "default": True},
        "base_values": {"type": "dict", "default": {}},
        "values": {"type": "dict", "default": {}},
        "istiod_values": {"type": "dict", "default": {}},
        **POD_OPTIONS,
        "require_cacerts": {"type": "bool", "default": True},
        "remove_crds": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 180},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        if args["state"] == "checked":
            found, silent = await check_skew(fleet, args["tag"])
            return result(summary="", running=found, silent=silent)
        cluster = fleet.clusters[str(task_vars["inventory_hostname"])]
        args = self.patient(args, cluster, "timeout")
        plane = control_plane_of(fleet, cluster)
        if plane.skip_reason:
            return {"changed": False, "skipped": True, "skip_reason": plane.skip_reason}
        if args["clusters"] == ("remotes" if plane.has_istiod else "primaries"):
            return {"changed": False, "skipped": True, "skip_reason": f"{cluster.name} is a {cluster.role}"}
        absent_ok = self.absent_ok(cluster, args)
        async with Kube.connect(
            cluster.connection, cluster=cluster.name, absent_ok=absent_ok, take_over=cluster.take_over
        ) as kube:
            if args["state"] == "absent":
                return await self._absent(kube, fleet, cluster, args, task_vars)
            if args["state"] == "refreshed":
                return await self._refreshed(kube, fleet, cluster, args)
            names = ["base", "istiod", *(["cni"] if cluster.cni else [])]
            made = self.artifacts_folder(task_vars)
            args["charts"] = charts_folder(args["charts"], made, fleet.istio_version, names)
            return await self._present(kube, fleet, cluster, args, task_vars)

    async def _present(
        self, kube: Kube, fleet: Fleet, cluster: Cluster, args: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        primary = cluster.role == ROLE_PRIMARY
        where = "" if primary else args["primary_address"] or await self._primary_address(fleet, cluster)
        agent = await plan_agent(kube, fleet, cluster, args["cni_namespace"])
        pods = said_of_pods(args, fleet, cluster, args["values"], args["istiod_values"])
        await check_admission(kube, fleet, cluster, agent, pods)
        peers = read_files(fleet, folder_of_inventory(task_vars, whole_fleet=True)) if primary else Peers()
        await refuse_own_keys(kube, fleet, peers.trusted)
        changes = await ensure_namespace(kube, fleet, cluster, dry_run=self.check_mode)
        others = await other_users(kube, fleet)
        serves = primary and await self._serves_unnamed(kube, fleet, cluster)
        if primary and args["require_cacerts"] and not another_ca_signs(args["values"], args["istiod_values"]):
            await self._check_cacerts(kube, fleet, cluster)
        exports_api = await read_by_istiod(kube) if primary and fleet.confined else ""
        guarded = not peers.trusted
        if not guarded:
            guarded, made = await guard(kube, fleet, peers.trusted, dry_run=self.check_mode)
            changes += made
        install = functools.partial(
            self.releases,
            kube,
            cluster,
            task_vars=task_vars,
            helm=args["helm"],
            seconds=args["timeout"],
            fleet=fleet,
            shared={BASE: others, CNI: others},
        )
        changes += await install(self._wanted(fleet, cluster, args, where, serves, agent, peers, exports_api))
        if not guarded and not self.check_mode:
            changes += (await guard(kube, fleet, peers.trusted, dry_run=False))[1]
        if not cluster.cni:
            changes += await install(await our_releases(kube, fleet, agent.namespace), present=False)
        if not self.check_mode:
            await await_agent(kube, agent, args["timeout"])
        if primary and not self.check_mode:
            await self._wait_for_istiod(kube, fleet, cluster, args["timeout"])
        elif not self.check_mode and not await kube.get("apps/v1", "Deployment", istiod_name(fleet), fleet.namespace):
            # Of a cluster that was a primary before: peering then takes away what it signed and watched with.
            await self._wait_for_istiod_gone(kube, fleet, args["timeout"])
        if not primary:
            changes += await remove_endpoints(kube, fleet, dry_run=self.check_mode)
        version = args["tag"] or fleet.istio_version
        said = f"{cluster.name} {version}" if primary else f"{cluster.name} served by {cluster.primary}"
        said += as_planned(changes, check=self.check_mode) + agent.note
        return result(changes, summary=said, version=version, primary=cluster.primary)

    async def _refreshed(self, kube: Kube, fleet: Fleet, cluster: Cluster, args: dict[str, t.Any]) -> dict[str, t.Any]:
        seconds, version = args["timeout"], args["tag"] or fleet.istio_version
        changes, due = await refresh_istiod(kube, fleet, cluster, dry_run=self.check_mode, seconds=seconds)
        verb = "to be restarted" if self.check_mode else "restarted"
        words = {TRUST_DOMAIN: f"to learn {fleet.trust_domain} as the trust domain of", SERVED: "to serve"}
        why = " and ".join(f"{words[what]} {', '.join(names)}" for what, names in due.items())
        remotes = sorted({name for names in due.values() for name in names})
        # Where nothing had to be done, the stage's line stays the one of the rollout.
        return result(
            changes, summary=f"{cluster.name} {version}, {verb} {why}" if remotes else "", restarted_for=remotes
        )

    @staticmethod
    async def _serves_unnamed(kube: Reader, fleet: Fleet, cluster: Cluster) -> bool:
        """Whether it may serve remotes that the inventory does not name: then it goes on serving them."""
        if not await read_unnamed(kube, fleet, cluster):
            return False
        exposed = await kube.get("networking.istio.io/v1", "Gateway", ISTIOD_GATEWAY, fleet.namespace)
        return has_our_labels(exposed, fleet.name, "gateways")

    def _wanted(
        self,
        fleet: Fleet,
        cluster: Cluster,
        args: dict[str, t.Any],
        where: str,
        serves: bool,
        agent: Agent,
        peers: Peers,
        exports_api: str,
    ) -> list[Release]:
        chart = functools.partial(chart_of, args["charts"], version=fleet.istio_version)
        base, base_version, repo = chart(*CHARTS["base"])
        istiod, version, _repo = chart(*CHARTS["istiod"])
        first = base_release(fleet, cluster, base, args["base_values"])
        second = istiod_release(
            fleet,
            cluster,
            istiod,
            hub=args["hub"],
            tag=args["tag"] or fleet.istio_version,
            replicas=args["replicas"],
            dns_capture=args["dns_capture"],
            primary_address=where,
            serves_others=serves,
            federation=istiod_values(peers.trusted) if peers.federated else None,
            exports_api=exports_api,
            user=(args["values"], args["istiod_values"]),
        )
        cni, cni_version, cni_repo = chart(*CHARTS["cni"])
        hub, tag = args["hub"], args["tag"] or fleet.istio_version
        return [
            dataclasses.replace(first, version=base_version, repo=repo),
            # Before istiod: pods that it injects from then on need the agent.
            *(
                dataclasses.replace(one, version=cni_version, repo=cni_repo)
                for one in agent.releases(fleet, cluster, cni, hub=hub, tag=tag, user=args["cni_values"])
            ),
            dataclasses.replace(second, version=version, repo=repo),
        ]

    async def _wait_for_istiod(self, kube: Waiter, fleet: Fleet, cluster: Cluster, seconds: float) -> None:
        name = istiod_name(fleet)
        try:
            await kube.wait_deployment(name, fleet.namespace, timeout=seconds, least=1)
        except NotInTime as error:
            raise FleetError(
                f"istiod is not ready after {seconds:.0f} s",
                cluster=cluster.name,
                obj=f"Deployment {fleet.namespace}/{name}",
                seen=error.seen,
                means=error.means,
                next_step=f"kubectl -n {fleet.namespace} describe deployment {name}; then run again: "
                "what is in place already stays",
            ) from error

    async def _check_cacerts(self, kube: Reader, fleet: Fleet, cluster: Cluster) -> None:
        """istiod looks for its intermediate CA once, at its start; without one it creates a root of its own."""
        secret = await kube.get("v1", "Secret", "cacerts", fleet.namespace)
        if secret is None and self.check_mode:
            return
        data = {key: value or "" for key, value in ((secret or {}).get("data") or {}).items()}
        try:
            SigningChain.from_data(as_istiod_reads(data), tls_form=has_tls_form(data))
        except FleetError as error:
            raise FleetError(
                "istiod has no certificate to sign with",
                cluster=cluster.name,
                obj=f"Secret {fleet.namespace}/cacerts",
                seen="it does not exist" if secret is None else error.seen,
                means="istiod would create a root of its own, which no other cluster trusts",
                next_step="run the trust stage first; where another CA signs for proxies (trust_root: none), say so "
                'to istiod: control_plane_istiod_values: {pilot: {env: {ENABLE_CA_SERVER: "false"}}}',
            ) from None

    async def _primary_address(self, fleet: Fleet, cluster: Cluster) -> str:
        """The address of the remote's istiod: read from the primary's cluster, whatever --limit says."""
        serving = fleet.clusters[cluster.primary]
        async with Kube.connect(serving.connection, cluster=serving.name, absent_ok=self.check_mode) as kube:
            service = (await find_gateways(kube, fleet.name, fleet.namespace)).get(EASTWEST)
            found = service_address(service)
        if found.type == LOAD_BALANCER and found.host:
            return found.host
        if self.check_mode:
            return NOT_YET
        other = found.type not in (LOAD_BALANCER, NO_SERVICE)
        raise FleetError(
            "it cannot reach its primary",
            cluster=cluster.name,
            obj=f"Service {EASTWEST} of {serving.name}",
            seen=f"it is of type {found.type}"
            if other
            else ("it has no load balancer address" if service else "there is none"),
            means="a remote reaches its istiod at ports 15012 and 15017 of one address, which this type does not give"
            if other
            else f"{serving.name} has not been rolled out since {cluster.name} joined, or its gateway is not ready",
            next_step=("" if other else f"run again with --limit {serving.name},{cluster.name}; or ")
            + "set control_plane_primary_address to an address where something passes these ports on to that gateway",
        )

    async def _absent(
        self, kube: Kube, fleet: Fleet, cluster: Cluster, args: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        others = await other_users(kube, fleet)
        kept: list[str] = []
        wanted = [
            Release(BASE, fleet.namespace, "base"),
            *await our_releases(kube, fleet, args["cni_namespace"]),
            Release(istiod_name(fleet), fleet.namespace, "istiod"),
        ]
        changes = await self.releases(
            kube,
            cluster,
            wanted,
            task_vars,
            present=False,
            helm=args["helm"],
            seconds=args["timeout"],
            fleet=fleet,
            kept=kept,
            shared={BASE: others, CNI: others},
        )
        if any(change.action != "unchanged" for change in changes) or await self._is_ours_still(kube, fleet):
            if not self.check_mode:
                await self._wait_for_istiod_gone(kube, fleet, args["timeout"])
            if not others:
                more, held = await remove_leftovers(
                    kube, fleet, crds=args["remove_crds"], dry_run=self.check_mode, seconds=args["timeout"]
                )
                changes += more
                kept += held
            removed, why = await leave_namespace(kube, fleet, dry_run=self.check_mode, seconds=args["timeout"])
            changes += removed
            if why:
                kept.append(f"namespace {why}")
        removed_count = sum(change.action == "removed" for change in changes)
        said = f"{cluster.name} {removed_count} objects removed" if removed_count else f"{cluster.name} nothing there"
        if kept:
            said += f" (kept: {'; '.join(kept)})"
        # A dry run still finds what teardown removes before: gateways, apps, probes.
        injected = [] if self.check_mode else await say_what_is_injected(kube, fleet, cluster)
        return result(changes, summary=said, kept=kept, warnings=injected)

    @staticmethod
    async def _wait_for_istiod_gone(kube: Waiter, fleet: Fleet, seconds: float) -> None:
        """As long as it runs, istiod writes its root certificate into every namespace."""
        pods = await kube.list("v1", "Pod", namespace=fleet.namespace, labels={"app": "istiod"})
        mine = [p for p in pods if (labels_of(p).get("istio.io/rev") or "default") == fleet.revision]
        await asyncio.gather(
            *(kube.wait("v1", "Pod", p["metadata"]["name"], fleet.namespace, until=gone, timeout=seconds) for p in mine)
        )

    @staticmethod
    async def _is_ours_still(kube: Kube, fleet: Fleet) -> bool:
        """Whether an earlier teardown was interrupted after Helm's part."""
        namespace = await kube.get("v1", "Namespace", fleet.namespace)
        return has_our_labels(namespace, fleet.name) or (kube.take_over and is_former(namespace))
