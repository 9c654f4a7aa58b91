# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters as members of the Google fleet. See plugins/modules/gke_membership.py for the documentation."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.memberships import Memberships
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.fleet import (
    GOOGLE_OPTIONS,
    GoogleFleetAction,
)


class ActionModule(GoogleFleetAction):
    """Runs once for the fleet; what fails is reported by cluster in ``failures``."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "enable_apis": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 600},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        scope = self.scope(args, task_vars)
        if not scope.play:
            return self.nothing()
        hub = self.hub(Memberships, args, scope)
        chosen = list(scope.play.values())
        kept: list[str] = []
        names: dict[str, str] = {}
        if args["state"] == "present":
            changes, names, failed = hub.register(chosen)
            verb = "registered"
        else:
            changes, kept, failed = hub.unregister(chosen)
            verb = "unregistered"
        done = sum(change.action != UNCHANGED for change in changes)
        said = f"{len(changes)} member{'' if len(changes) == 1 else 's'}"
        said += f": {done} {verb}" if done or args["state"] == "absent" else ""
        if failed:
            said += f", {len(failed)} failed"
        if kept:
            said += f" (kept: {'; '.join(kept)})"
        return result(
            changes,
            summary=said,
            with_diff=self.diff_mode,
            memberships=names,
            kept=kept,
            requests=hub.google.requests,
            errors=failed,
        )
