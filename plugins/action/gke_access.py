# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""APIs and roles of the Google fleet's features. See plugins/modules/gke_access.py for the documentation."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access import enable_apis, grant, project_number, revoke
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access_plan import (
    Binding,
    apis_for,
    bindings_for,
    needs_number,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub_plan import FEATURES
from ansible_collections.mesh.fleet.plugins.module_utils._model.gke_members import needed_features
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.google_fleet import GOOGLE_OPTIONS, GoogleFleetAction


class ActionModule(GoogleFleetAction):
    """Runs once for the fleet."""

    ARGUMENT_SPEC = {
        **GOOGLE_OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "features": {"type": "list", "elements": "str", "choices": list(FEATURES), "default": []},
        "front_door": {"type": "bool", "default": False},
        "enable_apis": {"type": "bool", "default": False},
        "apis": {"type": "list", "elements": "str", "default": []},
        "bindings": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "role": {"type": "str", "required": True},
                "member": {"type": "str", "required": True},
                "project": {"type": "str", "default": ""},
            },
        },
        "timeout": {"type": "int", "default": 600},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        scope = self.scope(args, task_vars)
        if not scope.everybody:
            return self.nothing()
        google = self.google(args, scope)
        features = args["features"] or needed_features(scope.fleet, front_door=args["front_door"])
        changes: list[Change] = []
        if args["state"] == "present" and (features or args["apis"] or args["enable_apis"]):
            # For the membership alone nobody has to look: an API that is off says so itself.
            apis = list(dict.fromkeys([*apis_for(features), *args["apis"]]))
            allowed = args["enable_apis"]
            changes += enable_apis(google, apis, allowed=allowed, timeout=args["timeout"], dry_run=self.check_mode)
        everybody = list(scope.everybody.values())
        number = project_number(google) if needs_number(features, everybody) else ""
        wanted = bindings_for(features, everybody, scope.project, number)
        wanted += [Binding(b["project"] or scope.project, b["role"], b["member"]) for b in args["bindings"]]
        change = grant if args["state"] == "present" else revoke
        changes += change(google, wanted, dry_run=self.check_mode)
        done = [c for c in changes if c.action != UNCHANGED]
        apis_on, roles = (sum(c.kind == kind for c in done) for kind in ("API", "Role"))
        verb = "granted" if args["state"] == "present" else "taken back"
        said = [f"{apis_on} APIs switched on"] if apis_on else []
        said += [f"{roles} roles {verb}"] if roles else []
        return result(
            changes,
            summary=", ".join(said),
            with_diff=self.diff_mode,
            features=features,
            bindings=[dataclasses.asdict(binding) for binding in wanted],
            requests=google.requests,
        )
