# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GKE clusters, all at the same time. See plugins/modules/gke_cluster.py for the documentation."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import functools
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.apis import read_with_apis
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.grants import Grants
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.node_account import RECORD, NodeAccount
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.roles import project_number
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.clusters import Clusters
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.connections import forget, options, remember
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.seen import take_over
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.clusters import (
    ClusterSpec,
    Place,
    marker,
    our_labels,
    own_ranges,
    with_egress,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.field_checks import refuse
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import members
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.clusters import (
    GOOGLE_OPTIONS,
    GoogleClusterAction,
    Part,
    with_mesh_label,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.state.place import insist_on_no_state

Outcomes = dict[str, list[Change] | FleetError]
_SHARED_VPC_SECONDS = 300
"""For each step before clusters are on a Shared VPC, whatever the clusters' own timeout is."""


class ActionModule(GoogleClusterAction):
    """Runs once for the fleet; what fails is reported by cluster in ``failures``."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "delete": {"type": "bool", "default": False},
        "remove_root": {"type": "bool", "default": False},
        "egress": {"type": "dict", "default": {}},
        "forget": {"type": "list", "elements": "str", "default": []},
        "enable_apis": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 2700},
        "interval": {"type": "float", "default": 10.0},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        absent = args["state"] == "absent"
        fleet, parts = self.parts(args, task_vars)
        if not parts:
            return self.to_result([], {}, [], "no GKE clusters")
        if absent and not args["delete"] and not self.check_mode:
            raise FleetError(
                "clusters are deleted only on request",
                seen=", ".join(w.host for part in parts for w in part.play),
                next_step="run again with -e gke_cluster_delete=true",
            )

        if absent and fleet.state_cluster and not args["remove_root"]:
            for host in [w.host for part in parts for w in part.play]:
                asyncio.run(insist_on_no_state(fleet, fleet.clusters[host]))
        egress = {t.cast("Place", tuple(place.split("/"))): nat for place, nat in args["egress"].items()}
        ranges = own_ranges(fleet, members(fleet), egress)

        live: dict[str, list[dict[str, t.Any]]] = {}
        stays: dict[str, FleetError] = {}

        @functools.cache
        def number(project: str) -> str:
            return project_number(parts[0].google, project)

        def work(part: Part) -> tuple[Outcomes, list[Change]]:
            part = part if absent else with_mesh_label(part, number)
            seen = None if absent else take_over(options(fleet.clusters[part.play[0].host]))
            if seen is not None:
                planned = self._clusters(fleet, part, args, dry_run=True)
                planned.live = seen
                same = self._unchanged(fleet, part, planned, args, egress, ranges, stays)
                if same is not None:
                    live[part.project] = list(seen.values())
                    return same, []
            clusters = self._clusters(fleet, part, args, dry_run=self.check_mode)
            _read, apis = read_with_apis(
                part.google,
                clusters.read,
                None,
                allowed=args["enable_apis"],
                timeout=args["timeout"],
                dry_run=self.check_mode,
            )
            live[part.project] = list(clusters.live.values())
            account = self._account(fleet, part, args)
            if absent:
                outcome = clusters.absent(part.play)
                if account is not None and _is_last(clusters, outcome):
                    apis += account.absent()
                return outcome, apis
            known, unknown = _with_egress(part, egress)
            known = _possible(fleet, known, unknown)
            known = self._keep_unnamed(fleet, clusters, known, args["forget"], ranges, unknown, stays)
            if account is not None and clusters.needs_account(known):
                try:
                    apis += account.present()
                except FleetError as error:
                    unknown.update({w.host: error for w in known if w.account})
            for host, (refused, prepared) in self._hosts(fleet, part, clusters.missing(known), args).items():
                part.google.requests += host.requests
                unknown.update(refused)
                apis += prepared
            return {**clusters.present(w for w in known if w.host not in unknown), **unknown}, apis

        found: Outcomes = {}
        apis: list[Change] = []
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            for outcome, switched in pool.map(work, parts):
                found.update(outcome)
                apis += switched
        changes = [change for outcome in found.values() if isinstance(outcome, list) for change in outcome]
        failed = {host: outcome for host, outcome in found.items() if isinstance(outcome, FleetError)}
        touched = not self.check_mode and (failed or any(c.action != UNCHANGED for c in changes))
        for part in parts:
            given = options(fleet.clusters[part.play[0].host])
            if touched:
                forget(given)
            else:
                remember(given, live[part.project])
        said = _summary(changes, len(failed), self.check_mode)
        return self.to_result([*apis, *changes], failed, parts, said, missing=stays)

    def _clusters(self, fleet: Fleet, part: Part, args: dict[str, t.Any], *, dry_run: bool) -> Clusters:
        return Clusters(
            part.google,
            our_labels(fleet),
            marker(fleet),
            timeout=args["timeout"],
            interval=args["interval"],
            dry_run=dry_run,
            say=self.say,
        )

    def _unchanged(
        self,
        fleet: Fleet,
        part: Part,
        clusters: Clusters,
        args: dict[str, t.Any],
        egress: t.Mapping[Place, list[str]],
        ranges: t.Collection[tuple[str, str]],
        stays: dict[str, FleetError],
    ) -> Outcomes | None:
        """The outcomes where nothing is to be done, as far as ``clusters`` show what preflight saw; None for all else.

        No request is sent.
        """
        known, unknown = _with_egress(part, egress)
        known = _possible(fleet, known, unknown)
        staying: dict[str, FleetError] = {}
        known = self._keep_unnamed(fleet, clusters, known, args["forget"], ranges, unknown, staying)
        if unknown or not clusters.all_run(known) or clusters.needs_account(known):
            return None
        found = clusters.present(known)
        for outcome in found.values():
            if isinstance(outcome, FleetError) or any(c.action != UNCHANGED for c in outcome):
                return None
        stays.update(staying)
        return found

    def _account(self, fleet: Fleet, part: Part, args: dict[str, t.Any]) -> NodeAccount | None:
        """The service account of the fleet's nodes in the project; None where the inventory asks for none."""
        email = next((w.account for w in part.everybody if w.account), "")
        if not email:
            return None
        grants = Grants(fleet.directory, RECORD)
        return NodeAccount(part.google, email, marker(fleet), grants, dry_run=self.check_mode, longest=args["interval"])

    @staticmethod
    def _keep_unnamed(
        fleet: Fleet,
        clusters: Clusters,
        known: list[ClusterSpec],
        forget: t.Collection[str],
        ranges: t.Collection[tuple[str, str]],
        unknown: Outcomes,
        stays: dict[str, FleetError],
    ) -> list[ClusterSpec]:
        """The clusters with what stays for those that the inventory does not name, which is added to ``stays``."""
        kept = []
        for wanted in known:
            try:
                spec, missing = clusters.keep_unnamed(wanted, fleet.clusters, forget, ranges)
            except FleetError as error:
                unknown[wanted.host] = error
                continue
            kept.append(spec)
            if missing is not None:
                stays[wanted.host] = missing
        return kept

    def _hosts(
        self, fleet: Fleet, part: Part, new: list[ClusterSpec], args: dict[str, t.Any]
    ) -> dict[Google, tuple[dict[str, FleetError], list[Change]]]:
        """For each host project of new clusters: which may not be on its networks, and the changes."""
        found = {}
        for project in dict.fromkeys(w.network_project for w in new if w.shared):
            google = part.google.of(project)
            shared = self.shared_vpc(fleet, google, {**args, "timeout": min(args["timeout"], _SHARED_VPC_SECONDS)})
            found[google] = shared.prepare(w for w in new if w.network_project == project)
        return found


def _with_egress(part: Part, egress: t.Mapping[Place, list[str]]) -> tuple[list[ClusterSpec], Outcomes]:
    """The play's clusters with the NAT addresses that they allow, and an error for those where one is not known."""
    known: list[ClusterSpec] = []
    unknown: Outcomes = {}
    for wanted in part.play:
        try:
            known.append(with_egress(wanted, egress))
        except FleetError as error:
            unknown[wanted.host] = error
    return known, unknown


def _is_last(clusters: Clusters, outcome: Outcomes) -> bool:
    """Whether no cluster of the fleet is left in the project."""
    gone = {change.name for changes in outcome.values() if isinstance(changes, list) for change in changes}
    return all(name in gone for name in clusters.ours())


def _possible(fleet: Fleet, known: list[ClusterSpec], unknown: Outcomes) -> list[ClusterSpec]:
    """The clusters whose fields go together; an error for each other one is added to ``unknown``."""
    kept = []
    for wanted in known:
        try:
            refuse(fleet, fleet.clusters[wanted.host])
        except FleetError as error:
            unknown[wanted.host] = error
        else:
            kept.append(wanted)
    return kept


def _summary(changes: list[Change], failed: int, check_mode: bool) -> str:
    """``12 clusters: 10 ready, 2 created``."""
    counted = collections.Counter("ready" if c.action == UNCHANGED else c.action for c in changes)
    parts = [f"{count} {'to be ' if check_mode and word != 'ready' else ''}{word}" for word, count in counted.items()]
    if failed:
        parts.append(f"{failed} failed")
    total = len(changes) + failed
    return f"{total} cluster{'' if total == 1 else 's'}: {', '.join(parts)}"
