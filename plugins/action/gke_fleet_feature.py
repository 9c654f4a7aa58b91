# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Features of the Google fleet. See plugins/modules/gke_fleet_feature.py for the documentation."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.features import Features
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.resources import FEATURES, same_member
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import (
    INGRESS,
    SERVICEMESH,
    config_cluster,
    needed_features,
)
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.fleet import GOOGLE_OPTIONS, GoogleFleetAction, Scope


class ActionModule(GoogleFleetAction):
    """Runs once for the fleet."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "features": {"type": "list", "elements": "str", "choices": list(FEATURES), "default": []},
        "front_door": {"type": "bool", "default": False},
        "memberships": {"type": "dict", "default": {}},
        "wait": {"type": "bool", "default": True},
        "enable_apis": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 600},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        scope = self.scope(args, task_vars)
        absent = args["state"] == "absent"
        features = args["features"] or (
            list(FEATURES) if absent else needed_features(scope.fleet, front_door=args["front_door"])
        )
        if not scope.play or not features:
            return self.nothing("" if scope.play else "no GKE clusters")
        hub = self.hub(Features, args, scope)
        if absent:
            changes, kept = hub.disable(features, self._names(args, scope, scope.play))
            left = sum(change.action != UNCHANGED for change in changes)
            said = f"{left} features left" + (f" (kept: {'; '.join(kept)})" if kept else "")
            return result(
                changes, summary=said, with_diff=self.diff_mode, kept=kept, states={}, requests=hub.google.requests
            )
        managed = {host: member for host, member in scope.play.items() if member.managed}
        config, chosen = "", False
        if INGRESS in features:
            home = config_cluster(scope.fleet, scope.everybody)
            config = self._names(args, scope, [home])[0]
            # Only the variable moves it: the first cluster of an inventory may be another one tomorrow.
            chosen = bool(scope.fleet.clusters[home].variables.get("gke_config_cluster"))
        mesh = self._names(args, scope, managed) if SERVICEMESH in features else []
        changes, seen = hub.enable(features, managed=mesh, config_membership=config, move=chosen)
        states: dict[str, str] = {}
        warnings: list[str] = []
        if args["wait"] and not self.check_mode:
            touched = {change.name for change in changes if change.action != UNCHANGED}
            fresh = {name: feature for name, feature in seen.items() if name not in touched}
            states = hub.await_features(features, fresh, args["timeout"])
            everybody = dict(zip(scope.everybody, self._names(args, scope, scope.everybody), strict=True))
            warnings += [said for feature in features for said in hub.member_problems(feature, everybody)]
        done = [change.name for change in changes if change.action != UNCHANGED]
        members = (seen.get(SERVICEMESH) or {}).get("membershipStates") or {}
        ours = {k: v for k, v in members.items() if any(same_member(k, name) for name in mesh)}
        said = ", ".join(f"{feature} {'switched on' if feature in done else 'on'}" for feature in features)
        return result(
            changes,
            summary=said,
            with_diff=self.diff_mode,
            kept=[],
            states=states,
            mesh_states={} if SERVICEMESH in done else ours,
            warnings=warnings,
            requests=hub.google.requests,
        )

    @staticmethod
    def _names(args: dict[str, t.Any], scope: Scope, hosts: t.Iterable[str]) -> list[str]:
        """Memberships' names: as C(gke_membership) returned them, else by the inventory."""
        return [str(args["memberships"].get(host) or scope.everybody[host].name) for host in hosts]
