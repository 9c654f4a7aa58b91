# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prove that the fleet is one mesh. Its documentation is in plugins/modules/verify.py."""

from __future__ import annotations

import datetime
import json
import os
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import read_routes
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import read_exports
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import RUN_EVERY, day, first_end
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.reading import read_policies
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import FAILED, SKIPPED, Check
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.federated_calls import unread
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.mesh import mesh_document
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.metrics import metrics
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.report import (
    as_document,
    as_error,
    junit,
    names_not_called,
    summary,
    table,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.share_checks import share_table, shares_document
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import write_file
from ansible_collections.mesh.fleet.plugins.module_utils.results import result
from ansible_collections.mesh.fleet.plugins.plugin_utils.apps.sources import read_program
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fleet_action import FleetAction
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import folder_of_inventory
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers, read_files
from ansible_collections.mesh.fleet.plugins.plugin_utils.state.place import reading
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.folder import known_root
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.run import Options, VerifyRun
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.shares import Limits


class ActionModule(FleetAction):
    """Runs once for the fleet; ``failures`` has what failed, by cluster."""

    CHANGES_CLUSTERS = True
    PATHS: t.ClassVar[tuple[str, ...]] = ("trust_directory", "root_cert", "federation_directory")
    ARGUMENT_SPEC = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "image": {"type": "str", "default": "docker.io/library/python:3.14-slim"},
        "program": {"type": "path", "required": True},
        "sample_namespace": {"type": "str", "default": "istio-apps"},
        "gateways_namespace": {"type": "str", "default": ""},
        "directory": {"type": "path", "default": ""},
        "timeout": {"type": "int", "default": 90},
        "call_timeout": {"type": "float", "default": 3.0},
        "signer_days": {"type": "int", "default": 7},
        "leaf_hours": {"type": "int", "default": 1},
        "peering_run_every": {"type": "int", "default": RUN_EVERY},
        "root": {"type": "str", "default": "generated"},
        "root_cert": {"type": "str", "default": ""},
        "trust_directory": {"type": "str", "default": ""},
        "federation_directory": {"type": "str", "default": ""},
        "front_door_name": {"type": "str", "default": "front-door"},
        "front_door_routes": {"type": "list", "elements": "dict", "default": []},
        "ingress_routes": {"type": "list", "elements": "raw", "default": []},
        "front_door_certificates": {"type": "list", "elements": "str", "default": []},
        "front_door_addresses": {"type": "list", "elements": "str", "default": []},
        "front_door_timeout": {"type": "int", "default": 600},
        "requests": {"type": "int", "default": 400},
        "requests_per_second": {"type": "float", "default": 100.0},
        "requests_seconds": {"type": "float", "default": 300.0},
        "metrics_file": {"type": "path", "default": ""},
    }

    async def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        fleet = self.fleet(task_vars)
        if args["metrics_file"]:
            _insist_on_collected(args["metrics_file"])
        play = [str(host) for host in task_vars["ansible_play_hosts"] if host in fleet.clusters]
        folder = os.path.expanduser(args["trust_directory"]) or os.path.join(fleet.directory, "trust")
        first = next(iter(fleet.clusters.values()), None)
        given = first.variables.get("mesh_traffic") if first and args["state"] == "present" else None
        # Preflight refuses policies, exports and routes with problems.
        policies, _problems = read_policies(given, fleet.clusters)
        exports, _problems = read_exports(first.variables.get("mesh_exports") if first else None, fleet.clusters)
        door, _problems = read_front_door(
            args["front_door_name"],
            args["front_door_routes"],
            fleet.clusters,
            certificates=args["front_door_certificates"],
            addresses=args["front_door_addresses"],
        )
        primaries = {name: cluster.primary for name, cluster in fleet.clusters.items()}
        routes, _problems = read_routes(args["ingress_routes"], primaries)
        peers, unread_peers = self._peers(fleet, args["state"], play, task_vars)
        options = Options(
            program=read_program(args["program"]),
            image=args["image"],
            sample_namespace=args["sample_namespace"],
            timeout=args["timeout"],
            call_timeout_ms=int(args["call_timeout"] * 1000),
            leaf_hours=args["leaf_hours"],
            signer_days=args["signer_days"],
            run_every=args["peering_run_every"],
            dry_run=self.check_mode,
            gateways=args["gateways_namespace"],
            fleet_root=await self._fleet_root(fleet, args, folder),
            policies=policies,
            limits=Limits(args["requests"], args["requests_per_second"], args["requests_seconds"]),
            exports=exports,
            door=door,
            peers=peers,
            own_bundles=os.path.expanduser(args["federation_directory"]) or os.path.join(fleet.directory, "federation"),
            routes=routes,
            door_seconds=args["front_door_timeout"],
            say=self.say,
        )
        run, started, began = VerifyRun(fleet, play, options), datetime.datetime.now(datetime.UTC), time.monotonic()
        if args["state"] == "absent":
            await run.remove()
            line = f"probes removed from {len(play)} clusters"
        else:
            await run.run()
            run.checks += unread_peers
            ending = first_end(token.life for name in play for token in run.facts[name].tokens)
            # Of clusters that do not exist yet, which check mode passes over, nothing was asked.
            asked = run.checks if any(not run.kubes[n].absent for n in play if n in run.kubes) else []
            line = summary(
                run.calls,
                asked if self.check_mode else run.checks,
                measured=run.policies,
                dry_run=self.check_mode,
            )
            line += f" · first token ends {day(ending.ends)}" if ending else ""
        seconds = time.monotonic() - began
        errors = {
            host: [as_error(c, host) for c in failed]
            for host in ([] if self.check_mode else play)  # check mode: the stages before it have changed nothing
            if (failed := [c for c in run.checks if c.state == FAILED and host in c.clusters])
        }
        lines = table(run.calls, run.pages) if run.calls else []
        lines += share_table(run.measured)
        lines += [f"not measured: {name}, {why}" for name, why in run.not_measured.items()]
        lines += names_not_called(run.checks)
        skipped = [c for c in run.checks if (c.group, c.state) == ("control plane", SKIPPED)]
        lines += [f"control plane of {c.name}: {c.seen}" for c in skipped]
        directory = args["directory"] or os.path.join(fleet.directory, "verify")
        document = as_document(
            fleet.name,
            started.isoformat(timespec="seconds"),
            seconds,
            run.calls,
            run.checks,
            run.pages,
            traffic=shares_document(run.measured, run.not_measured),
            mesh=mesh_document(fleet, run.facts),
            dry_run=self.check_mode,
        )
        if args["state"] == "present" and not self.check_mode:
            written = {
                "verify.json": json.dumps(document, indent=1, ensure_ascii=False) + "\n",
                "junit.xml": junit(fleet.name, seconds, run.checks),
                "table.txt": "\n".join(lines) + "\n",
            }
            for name, text in written.items():
                write_file(os.path.join(directory, name), text)
            if args["metrics_file"]:
                # The exporter is another user.
                write_file(args["metrics_file"], metrics(document), mode=0o644)
            for row in lines:
                self.say(f"  {row}")
        return result(run.changes, summary=line, errors=errors, table=lines, verify=document, directory=directory)

    @staticmethod
    def _peers(
        fleet: Fleet, state: str, play: t.Sequence[str], task_vars: t.Mapping[str, t.Any]
    ) -> tuple[Peers, list[Check]]:
        """The peer meshes and their bundles; a check instead where a bundle is not what it should be."""
        try:
            wanted = state == "present"
            return (read_files(fleet, folder_of_inventory(task_vars, whole_fleet=True)) if wanted else Peers()), []
        except FleetError as error:
            seen = " ".join(part for part in (error.what, error.obj, error.seen) if part)
            return Peers(), [unread(seen, error.next_step, play)]

    async def _fleet_root(self, fleet: Fleet, args: dict[str, t.Any], folder: str) -> str:
        """The fleet's root; "" where it is not known. A cluster that keeps it and is silent is found by the checks."""
        if args["state"] != "present":
            return known_root(args["root"], args["root_cert"], folder)
        try:
            async with reading(fleet, folder) as place:
                return known_root(args["root"], args["root_cert"], place)
        except ApiError as error:
            self.warn(f"the fleet's root is not compared: {error}")
            return ""


def _insist_on_collected(path: str) -> None:
    """Raise FleetError if the node exporter would not find the file: before any call is made."""
    folder = os.path.dirname(path)
    if not path.endswith(".prom"):
        seen, step = path, "end the name with .prom"
    elif not os.path.isdir(folder):
        seen, step = (
            f"{folder} is not there",
            "make the folder, readable for the exporter, or correct verify_metrics_file",
        )
    else:
        return
    raise FleetError(
        "verify_metrics_file would not be collected",
        seen=seen,
        means="the node exporter reads the files *.prom of the folder that --collector.textfile.directory names",
        next_step=step,
    )
