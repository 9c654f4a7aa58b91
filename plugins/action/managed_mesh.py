# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Control planes that Google runs. See plugins/modules/managed_mesh.py for the documentation."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.features import Features
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.mesh_status import MeshStatus
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.managed import Managed
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.managed_peering import (
    KEY,
    NAMESPACE,
    OPTIONS,
    google_owned,
    options_map,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    has_our_labels,
    is_former,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, UNCHANGED, Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.fleet import (
    GOOGLE_OPTIONS,
    GoogleFleetAction,
)

PART = "managed_mesh"


class ActionModule(GoogleFleetAction):
    """Runs once for the fleet; ``failures`` reports per cluster what fails."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent", "checked"], "default": "present"},
        "memberships": {"type": "dict", "default": {}},
        "seen": {"type": "dict", "default": {}},
        "enable_apis": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 900},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        scope = self.scope(args, task_vars)
        managed = {host: member for host, member in scope.play.items() if member.managed}
        if not managed:
            return self.nothing("")  # the stage's line stays the one of its members
        if args["state"] == "checked":
            _done, refused = await on_each(managed, lambda host: self._refuse_istiod(scope.fleet.clusters[host]))
            return result(summary="", errors=refused)
        absent = args["state"] == "absent"
        clusters = {} if absent else {host: scope.fleet.clusters[host] for host in managed}
        modes = {host: Managed(scope.fleet, cluster).peering_mode() for host, cluster in clusters.items()}
        states: dict[str, MeshStatus] = {}
        failed: dict[str, FleetError] = {}
        if not absent and recording() is None:
            names = {host: str(args["memberships"].get(host) or member.name) for host, member in managed.items()}
            hub = self.hub(Features, args, scope)
            seen = {"membershipStates": args["seen"]}
            states, failed = await asyncio.to_thread(hub.await_mesh, names, float(args["timeout"]), seen)
            if self.check_mode:
                failed = {}  # the feature is only planned yet
        warnings: list[str] = []

        async def peer(host: str) -> list[Change]:
            return await self._peer(scope.fleet, scope.fleet.clusters[host], modes.get(host, ""), warnings)

        peered, broken = await on_each((host for host in managed if host not in failed), peer)
        failed |= broken
        said = [
            f"{host} {states[host].implementation or 'managed'} {modes.get(host, '')}".rstrip()
            for host in managed
            if host in states
        ]
        for host, state in states.items():
            warnings += [f"{host}: {condition}" for condition in state.conditions]
        return result(
            [change for made in peered.values() for change in made],
            summary=" · ".join(said) or f"{len(managed)} managed control planes",
            with_diff=self.diff_mode,
            control_planes={
                host: {"state": s.state, "implementation": s.implementation, "conditions": list(s.conditions)}
                for host, s in states.items()
            },
            warnings=warnings,
            errors=failed,
        )

    async def _refuse_istiod(self, cluster: Cluster) -> None:
        """Two control planes in one cluster would both inject, and Google supports no such cluster."""
        async with Kube.connect(cluster.connection, cluster=cluster.name, absent_ok=True) as kube:
            found = await kube.list("apps/v1", "Deployment", labels={"app": "istiod"})
        own = [f"{d['metadata']['namespace']}/{d['metadata']['name']}" for d in found if not google_owned(d)]
        if not own:
            return
        raise FleetError(
            "an istiod runs in it, and Google's control plane cannot run beside that",
            cluster=cluster.name,
            obj=f"Deployment {own[0]}",
            seen=", ".join(own),
            next_step="remove it first: playbooks/teardown.yml -e mesh_control_plane=istiod "
            f"--limit {cluster.name}; then run again",
        )

    async def _peer(self, fleet: Fleet, cluster: Cluster, mode: str, warnings: list[str]) -> list[Change]:
        """Write into the cluster whether it joins the others; ``mode`` "" removes our setting."""
        async with Kube.connect(
            cluster.connection, cluster=cluster.name, absent_ok=self.check_mode or not mode, take_over=cluster.take_over
        ) as kube:
            live = await kube.get("v1", "ConfigMap", OPTIONS, NAMESPACE)
            if google_owned(live):
                now = ((live or {}).get("data") or {}).get(KEY)
                if mode and now != mode:
                    seen = f"{OPTIONS} is Google's own and says {KEY}: {now}, not {mode}; it was left unchanged"
                    warnings.append(f"{cluster.name}: {seen}")
                return [Change(cluster.name, "ConfigMap", OPTIONS, UNCHANGED, namespace=NAMESPACE)]
            if mode:
                return await self._write(kube, fleet, mode)
            return await self._remove(kube, fleet, live)

    async def _write(self, kube: Kube, fleet: Fleet, mode: str) -> list[Change]:
        options: dict[str, t.Any] = {"dry_run": self.check_mode, "diff": self.diff_mode}
        changes: list[Change] = []
        if await kube.get("v1", "Namespace", NAMESPACE) is None:
            # Google creates it in time, and the ConfigMap may exist before. It is Google's: no label of ours.
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
            changes += await kube.apply([space], **options)
        return changes + await kube.apply([options_map(mode)], labels=owner_labels(PART, fleet.name), **options)

    async def _remove(self, kube: Kube, fleet: Fleet, live: t.Mapping[str, t.Any] | None) -> list[Change]:
        if live is None or not (has_our_labels(live, fleet.name) or (kube.take_over and is_former(live))):
            return [Change(kube.cluster, "ConfigMap", OPTIONS, UNCHANGED, namespace=NAMESPACE)]
        if set(live.get("data") or {}) <= {KEY}:
            return [
                await kube.delete("v1", "ConfigMap", OPTIONS, NAMESPACE, dry_run=self.check_mode, diff=self.diff_mode)
            ]
        # It also holds settings of others: only our key and our labels go.
        bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": OPTIONS, "namespace": NAMESPACE}}
        changes = await kube.apply([bare], dry_run=self.check_mode, diff=self.diff_mode)
        return [change for change in changes if change.action in (CHANGED, UNCHANGED)]
