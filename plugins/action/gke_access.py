# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""APIs and roles of the Google fleet's features. See plugins/modules/gke_access.py for the documentation."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.apis import api_states, enable_apis
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.bindings import (
    MESH_API,
    POLICY_API,
    Binding,
    apis_for,
    bindings_for,
    needs_number,
)
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.grants import Grants
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.roles import grant, project_number, revoke
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.session import Google
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.errors import GoogleError
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.features import Features
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.hub.resources import FEATURES, projects_of
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc import TRUSTED, network_roles
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.network.shared_vpc_requirements import with_role_advice
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.members import (
    host_projects,
    needed_features,
)
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change, result
from ansible_collections.mesh.fleet.plugins.plugin_utils.google.fleet import GOOGLE_OPTIONS, GoogleFleetAction, Scope


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
        "unrecorded": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 600},
    }

    def execute(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        scope = self.scope(args, task_vars)
        if not scope.everybody or (args["state"] == "absent" and not scope.play):
            return self.nothing()
        google = self.google(args, scope)
        more = [Binding(b["project"] or scope.project, b["role"], b["member"]) for b in args["bindings"]]
        work = self._grant if args["state"] == "present" else self._revoke
        features, changes, bindings, kept = work(args, scope, google, more)
        done = [c for c in changes if c.action != UNCHANGED]
        apis_on, roles = (sum(c.kind == kind for c in done) for kind in ("API", "Role"))
        verb = "granted" if args["state"] == "present" else "revoked"
        said = [f"{apis_on} APIs switched on"] if apis_on else []
        said += [f"{roles} role{'' if roles == 1 else 's'} {verb}"] if roles else []
        said += [f"kept: {'; '.join(kept)}"] if kept else []
        return result(
            changes,
            summary=", ".join(said),
            with_diff=self.diff_mode,
            features=features,
            bindings=[dataclasses.asdict(binding) for binding in bindings],
            kept=kept,
            requests=google.requests,
        )

    def _grant(
        self, args: dict[str, t.Any], scope: Scope, google: Google, more: list[Binding]
    ) -> tuple[list[str], list[Change], list[Binding], list[str]]:
        features = args["features"] or needed_features(scope.fleet, front_door=args["front_door"])
        changes: list[Change] = []
        number, unreadable = "", False
        projects = {member.project for member in scope.everybody.values()}
        policies = [POLICY_API] if more or bindings_for(features, projects, scope.project, "") else []
        if features or args["apis"] or args["enable_apis"]:
            # The membership alone needs no check: Google refuses its request where the API is off.
            apis = list(dict.fromkeys([*apis_for(features), *policies, *args["apis"]]))
            states = api_states(google, apis)
            number, unreadable = states.number, bool(policies) and POLICY_API not in states.on
            changes += enable_apis(
                google,
                apis,
                allowed=args["enable_apis"],
                timeout=args["timeout"],
                dry_run=self.check_mode,
                states=states,
            )
            changes += self._mesh_apis(args, scope, google)
        # Only the host project's administrator may be able to grant, or even read, the roles in it.
        trusted = network_roles(scope.fleet) == TRUSTED
        networks = {} if trusted else host_projects(scope.everybody.values())
        if not number and needs_number(features, {*projects, *networks.values()}, scope.project):
            number = project_number(google)
        wanted = list(dict.fromkeys([*bindings_for(features, projects, scope.project, number, networks), *more]))
        record = Grants(scope.fleet.directory)
        try:
            changes += grant(google, wanted, dry_run=self.check_mode, record=record.add, policies_unreadable=unreadable)
        except GoogleError as error:
            hosts = set(networks.values()) - {*projects, scope.project}
            raise with_role_advice(error, [b for b in wanted if b.project in hosts]) from None
        return features, changes, wanted, []

    def _mesh_apis(self, args: dict[str, t.Any], scope: Scope, google: Google) -> list[Change]:
        """Google's mesh needs its API in the project of each cluster that it serves, too."""
        changes: list[Change] = []
        own = {member.project for member in scope.everybody.values() if member.managed}
        for project in sorted(own - {scope.project}):
            client = google.of(project)
            changes += enable_apis(
                client,
                [MESH_API],
                allowed=args["enable_apis"],
                timeout=args["timeout"],
                dry_run=self.check_mode,
            )
            google.requests += client.requests
        return changes

    def _revoke(
        self, args: dict[str, t.Any], scope: Scope, google: Google, more: list[Binding]
    ) -> tuple[list[str], list[Change], list[Binding], list[str]]:
        """Revoke what neither an active feature nor a remaining member needs."""
        record = Grants(scope.fleet.directory)
        ours = record.read()
        if not ours and not args["unrecorded"]:
            return list(args["features"] or FEATURES), [], [], []
        projects = {member.project for member in scope.everybody.values()}
        number = project_number(google)
        networks = host_projects(scope.everybody.values())
        every = bindings_for(args["features"] or FEATURES, projects, scope.project, number, networks)
        hub = self.hub(Features, args, scope, google)
        leaving = [member.resource_link for member in scope.play.values()] if self.check_mode else []
        others, unsure = projects_of(hub.memberships(), leaving)
        staying = [host for host in scope.everybody if host not in scope.play]
        on = [feature for feature in hub.features() if feature in FEATURES] if others or unsure else []
        needed = set(bindings_for(on, others | (projects if unsure else set()), scope.project, number, networks))
        if staying:
            # What the inventory names besides is for the remaining clusters.
            needed |= (set(ours) | set(more)) - set(every)
        # Trusted roles in a host project were not granted by us.
        given = {} if network_roles(scope.fleet) == TRUSTED else networks
        granted = bindings_for(args["features"] or FEATURES, projects, scope.project, number, given)
        candidates = set(ours) | (set(granted) | set(more) if args["unrecorded"] else set())
        gone = sorted(candidates - needed)
        kept = [f"{b.role} of {b.member} in {b.project}: still needed" for b in sorted(candidates & needed)]
        changes = revoke(google, gone, dry_run=self.check_mode, record=record.drop)
        return list(args["features"] or FEATURES), changes, gone, kept
