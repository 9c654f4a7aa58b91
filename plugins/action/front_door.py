# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One address in front of all clusters. See plugins/modules/front_door.py for the documentation."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.reserved_address import (
    address_url,
    release_address,
    reserve_address,
)
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import recording
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.fleet import KindFleet
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import refuse
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import (
    LOCAL_SECONDS,
    FrontDoor,
    is_ip,
    read_front_door,
    without_machines,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_gateways import local_problems
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import (
    ingress_problems,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import config_cluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import (
    front_door_kind,
    provider_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.locks import locked
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change, as_planned, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.fleet import GOOGLE_OPTIONS, GoogleFleetAction, Scope
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door import FrontDoorRun, needed_by_all
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.local_front_door import LocalFrontDoor
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.recorded_front_door import RecordedFrontDoor


class ActionModule(GoogleFleetAction):
    """Runs once for the fleet."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str", "default": "front-door"},
        "routes": {"type": "list", "elements": "dict", "default": []},
        "certificates": {"type": "list", "elements": "str", "default": []},
        "address": {"type": "str", "default": ""},
        "addresses": {"type": "list", "elements": "str", "default": []},
        "release_address": {"type": "bool", "default": False},
        "gateways_stay": {"type": "bool", "default": True},
        "https_redirect": {"type": "bool", "default": False},
        "regions": {"type": "dict", "default": {}},
        "region_header": {"type": "str", "default": ""},
        "region_header_from": {"type": "list", "elements": "str", "default": []},
        "engine": {"type": "str", "choices": ["auto", "podman", "docker"], "default": "auto"},
        "wait": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 900},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        scope = self.scope(args, task_vars)
        present = args["state"] == "present"
        providers = {name: provider_of(c) for name, c in scope.fleet.clusters.items()}
        kind = front_door_kind(provider.front_door for provider in providers.values())
        door, problems = read_front_door(
            args["name"],
            args["routes"] if present else [],
            scope.fleet.clusters,
            certificates=args["certificates"] if present else [],
            address=args["address"],
            https_redirect=args["https_redirect"] and present,
            regions=args["regions"] if present else {},
            region_header=args["region_header"] if present else "",
            trusted=args["region_header_from"] if present else [],
            # A removal from some of the clusters asks the machines whether they still lead there.
            addresses=args["addresses"] if present or kind == "files" else [],
        )
        local = [] if scope.everybody else [name for name, p in providers.items() if kind and p.front_door == kind]
        others = {name: p.name for name, p in providers.items() if name not in scope.everybody and name not in local}
        own = ingress_problems if scope.everybody else local_problems
        problems += without_machines(door, kind)
        refuse(problems + (own(door, others) if scope.everybody or local else []))
        elsewhere = sorted(others) if door.routes else []
        means = "a front door leads to clusters of one provider"
        not_served = {name: f"provider {scope.fleet.clusters[name].provider}: {means}" for name in elsewhere}
        if local:
            return await self._own(args, task_vars, scope.fleet, local, door, not_served)
        if not scope.everybody:
            said = f"{', '.join(elsewhere)}: no front door" if elsewhere else "no routes"
            return result(summary=said, address="", not_served=not_served, routes=[], errors={})
        home = config_cluster(scope.fleet, scope.everybody)
        if not door.routes and home not in scope.play:
            said = (
                f"it stays: its config cluster {home} is not in this run" if args["state"] == "absent" else "no routes"
            )
            return result(summary=said, address="", not_served=not_served, routes=[], errors={})
        changes: list[Change] = []
        # A cluster that is gone has no front door left to remove.
        gone_ok = self.check_mode or not door.routes
        async with contextlib.AsyncExitStack() as stack:
            with needed_by_all(home, connecting=True):
                client = Kube.connect(
                    scope.fleet.clusters[home].connection,
                    cluster=home,
                    absent_ok=gone_ok,
                    take_over=scope.fleet.clusters[home].take_over,
                )
                kube = await stack.enter_async_context(client)
            stack.enter_context(needed_by_all(home))
            run = FrontDoorRun(
                scope.fleet,
                scope.everybody,
                kube,
                door,
                play=scope.play,
                dry_run=self.check_mode,
                diff=self.diff_mode,
                timeout=float(args["timeout"]),
                say=self.say,
            )
            await run.prepare()
            ip, reference = await self._address(args, scope, run, changes)
            changes += await run.place(reference, ip)
            vip = ""
            if run.known.routes and args["wait"] and not self.check_mode:
                vip = await run.await_reconciled(ip)
            elif run.known.routes and not run.fresh:
                await run.warn_of_refusals()
            # The new front door serves by now, so what another config cluster holds of the old one is removed.
            changes += await run.clean_up(host for host in scope.play if host != home)
        if args["state"] == "absent" and args["address"] and args["release_address"] and not is_ip(args["address"]):
            changes += await asyncio.to_thread(
                release_address,
                self.google(args, scope),
                args["address"],
                scope.fleet.name,
                dry_run=self.check_mode,
                timeout=float(args["timeout"]),
            )
        routes = [
            {"host": r.host, "path": r.path, "service": r.service, "clusters": run.served[r.name]} for r in door.routes
        ]
        count = f"{len(routes)} route{'' if len(routes) == 1 else 's'}"
        said = f"{vip or ip or ('it waits' if run.waits else 'address to come')}: {count}" if routes else "no routes"
        return result(
            changes,
            summary=said + as_planned(changes, check=self.check_mode),
            with_diff=self.diff_mode,
            address=vip or ip,
            routes=routes,
            not_served=not_served,
            warnings=run.warnings,
            errors=run.failures,
        )

    async def _own(
        self,
        args: dict[str, t.Any],
        task_vars: dict[str, t.Any],
        fleet: Fleet,
        clusters: list[str],
        door: FrontDoor,
        not_served: dict[str, str],
    ) -> dict[str, t.Any]:
        """A front door of ours: a container of this machine, or files for machines of the user's."""
        directory = pathlib.Path(fleet.directory)
        folder = FrontDoorFolder(directory)
        local, here = None, provider_of(fleet.clusters[clusters[0]]).local
        play = {str(host) for host in task_vars["ansible_play_hosts"]}
        record = recording()
        if record is not None:
            files = RecordedFrontDoor(fleet, clusters, play, folder, None, door, dry_run=True)
            changes = await files.recorded(record, here=here) if door.routes else []
            return result(
                changes,
                summary="recorded",
                address="",
                not_served=not_served,
                routes=[],
                warnings=files.warnings,
                errors=files.failures,
            )
        if here:
            programs = self.artifacts_folder(task_vars) / "bin"
            try:
                engine = await Engine.detect(args["engine"], programs.parent)
            except FleetError:
                if door.routes:
                    raise
            else:
                local = KindFleet(fleet.name, directory, engine, str(programs / "kind"))
        run = LocalFrontDoor(
            fleet,
            clusters,
            play,
            folder,
            local,
            door,
            dry_run=self.check_mode,
            diff=self.diff_mode,
            timeout=min(float(args["timeout"]), LOCAL_SECONDS) if args["wait"] else 0.0,
            gateways_stay=args["gateways_stay"],
        )
        if door.routes or folder.exists():
            # Two runs must not write the files of one Envoy; the lock is beside the folder, which may go.
            with locked(directory / ".front_door.lock"):
                changes = await (run.present() if door.routes else run.absent())
        else:
            # Another machine may have made one: its container and its objects are found by their labels.
            changes = await run.absent()
            if not changes and not run.stays and (args["state"] == "present" or not run.warnings):
                reason = "no front door is asked for, and none was found"
                return {"changed": False, "skipped": True, "skip_reason": reason}
        routes = [{"host": r.host, "path": r.path, "service": r.service, "clusters": run.led(r)} for r in door.routes]
        count = f"{len(routes)} route{'' if len(routes) == 1 else 's'}"
        at = run.address or ("address to come" if local else f"files in {folder.path}")
        if door.addresses and any(change.kind == "FrontDoor" and change.action != UNCHANGED for change in changes):
            at += f", to be copied to {', '.join(door.addresses)}"
        no_routes = f"it stays: {', '.join(run.stays)} not in this run" if run.stays else "no routes"
        return result(
            changes,
            summary=(f"{at}: {count}" if routes else no_routes) + as_planned(changes, check=self.check_mode),
            with_diff=self.diff_mode,
            address=run.address,
            routes=routes,
            round_trips=run.distances.milliseconds,
            not_served=not_served,
            warnings=run.warnings,
            errors=run.failures,
        )

    async def _address(
        self, args: dict[str, t.Any], scope: Scope, run: FrontDoorRun, changes: list[Change]
    ) -> tuple[str, str]:
        """The reserved IP, and how the objects name it; two empty texts for any address."""
        door = run.door
        if not run.known.routes or not door.address or (recording() is not None and not is_ip(door.address)):
            return "", ""
        if is_ip(door.address):
            return door.address, door.address
        reference = address_url(scope.project, door.address)
        served = await run.served_address(reference)
        if served:
            changes.append(Change("", "Address", door.address, UNCHANGED))
            return served, reference
        ip, change = await asyncio.to_thread(
            reserve_address,
            self.google(args, scope),
            door.address,
            scope.fleet.name,
            dry_run=self.check_mode,
            timeout=float(args["timeout"]),
        )
        changes.append(change)
        return ip, reference
