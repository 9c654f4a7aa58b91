# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared VPC: check whether a service project's clusters may be on the host project's network.

The checks run only before something is made, so a run without changes costs no request. What these credentials may not
read, Google checks itself: it refuses the cluster.
"""

from __future__ import annotations

import threading
import typing as t

from ..._model.inventory.fleet import Fleet
from ..._model.providers.google.clusters import ClusterSpec
from ..._model.providers.google.variables import text
from ...errors import FleetError
from ...results import Change
from ..access.apis import CLUSTER_APIS, api_states, enable_apis
from ..access.bindings import Binding
from ..access.grants import Grants
from ..access.roles import grant, project_number, revoke
from ..api.session import Google
from ..errors import GoogleError
from .shared_vpc_requirements import (
    is_forbidden,
    lacking,
    not_attached,
    roles_missing,
    service_project_bindings,
    with_role_advice,
)

__all__ = ["CHECKED", "GRANTED", "TRUSTED", "SharedVpc", "missing_permissions", "network_roles"]

Json = dict[str, t.Any]
CHECKED, GRANTED, TRUSTED = "checked", "granted", "trusted"
RECORD = "network_grants.json"
_RECORDING = threading.Lock()


def network_roles(fleet: Fleet) -> str:
    """What to do about roles in a host project: checked, granted or trusted."""
    return next((r for c in fleet.clusters.values() if (r := text(c.variables, "gke_network_roles"))), CHECKED)


class SharedVpc:
    """One host project and the service projects whose clusters are on its networks.

    Args:
        google: a client for the host project.
        roles: whether the roles of GKE's accounts are checked, granted or trusted.
        directory: the fleet's folder on the controller, which records what was granted.
        enable_apis: whether APIs that are off may be switched on.
        timeout: seconds for each step.
        dry_run: read only.
        say: shows one line of progress.
    """

    def __init__(
        self,
        google: Google,
        *,
        roles: str,
        directory: str,
        enable_apis: bool,
        timeout: float,
        dry_run: bool,
        say: t.Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.google, self.roles, self.record = google, roles, Grants(directory, RECORD)
        self.enable_apis, self.timeout, self.dry_run, self.say = enable_apis, timeout, dry_run, say

    def prepare(self, wanted: t.Iterable[ClusterSpec]) -> tuple[dict[str, FleetError], list[Change]]:
        """Check and prepare the projects; return which hosts cannot be on the network, and the changes.

        Args:
            wanted: clusters that are to be made. Those on a VPC of their own project are skipped.
        """
        shared = [w for w in wanted if w.shared]
        failed: dict[str, FleetError] = {}
        if not shared:
            return failed, []
        try:
            changes = self._apis(self.google)[1]
        except FleetError as error:
            return {w.host: error for w in shared}, []
        policy = self._policy()
        for project in dict.fromkeys(w.member.project for w in shared):
            mine = [w for w in shared if w.member.project == project]
            google = self.google.of(project)
            try:
                changes += self._service_project(google, mine, policy, failed)
            except FleetError as error:
                failed.update({w.host: error for w in mine})
            finally:
                self.google.requests += google.requests
        return failed, changes

    def _service_project(
        self, google: Google, mine: t.Sequence[ClusterSpec], policy: Json | None, failed: dict[str, FleetError]
    ) -> list[Change]:
        detached = self._detached(google, mine[0])
        if detached is not None:
            failed.update({w.host: detached(w) for w in mine})
            return []
        number, changes = self._apis(google)
        if self.roles != GRANTED and policy is None:
            return changes
        bindings = service_project_bindings(self.google.project, number or project_number(google))
        if self.roles == GRANTED:
            missing = lacking(policy, bindings) if policy is not None else bindings
            try:
                with _RECORDING:  # service projects are prepared at the same time
                    changes += grant(google, missing, dry_run=self.dry_run, record=self.record.add)
            except GoogleError as error:
                raise with_role_advice(error, missing) from None
        else:
            missing = lacking(policy or {}, bindings)
            for w in mine if missing else ():
                left = self._on_subnet(w, missing)
                if left:
                    failed[w.host] = roles_missing(w, left)
        return changes

    def revoke_roles(self, leaving: t.Iterable[ClusterSpec]) -> list[Change]:
        """Revoke what this fleet granted to service projects, except where clusters of others need it.

        Args:
            leaving: the fleet's clusters that are removed, or would be in check mode; of their projects none remains.
        """
        changes: list[Change] = []
        own = {(w.member.project, w.member.location, w.member.cluster) for w in leaving}
        for project in sorted({one[0] for one in own}):
            ours = set(self.record.read())
            if not any(b.project == self.google.project for b in ours):
                break
            google = self.google.of(project)
            gone = [b for b in service_project_bindings(self.google.project, project_number(google)) if b in ours]
            user = self._other_user(google, own) if gone else ""
            if user:
                self.say(f"  roles of project {project} in project {self.google.project} stay: {user}")
            else:
                changes += revoke(google, gone, dry_run=self.dry_run, record=self.record.drop)
            self.google.requests += google.requests
        return changes

    # -- reading -------------------------------------------------------------------------------

    def _apis(self, google: Google) -> tuple[str, list[Change]]:
        """The project's number, "" where it is not known, and the APIs that were switched on."""
        try:
            states = api_states(google, CLUSTER_APIS)
        except GoogleError as error:
            self._skip(error, f"which APIs are on in project {google.project}")
            return "", []
        off = [api for api in CLUSTER_APIS if api not in states.on]
        if not off:
            return states.number, []
        given: Json = {"allowed": self.enable_apis, "timeout": self.timeout, "dry_run": self.dry_run}
        return states.number, enable_apis(google, off, states=states, **given)

    def _policy(self) -> Json | None:
        """The host project's IAM policy; None where it is not needed, or may not be read."""
        if self.roles == TRUSTED:
            return None
        body = {"options": {"requestedPolicyVersion": 3}}
        host = self.google.project
        try:
            return self.google.call("cloudresourcemanager", "projects.getIamPolicy", resource=host, body=body)
        except GoogleError as error:
            if error.status != 403:
                raise
            # The permission is missing, or the API of policies is off.
            self.say(f"  not known to these credentials: who has which role in project {host}")
            return None

    def _detached(self, google: Google, w: ClusterSpec) -> t.Callable[[ClusterSpec], FleetError] | None:
        """Where the project is not attached to the host project, what makes the error of a cluster; else None."""
        try:
            host = str(google.call("compute", "projects.getXpnHost", project=google.project).get("name") or "")
        except GoogleError as error:
            self._skip(error, f"to which host project {google.project} is attached")
            return None
        if host == w.network_project:
            return None
        is_host = True
        try:
            found = self.google.call("compute", "projects.get", project=w.network_project)
            is_host = found.get("xpnProjectStatus") == "HOST"
        except GoogleError as error:
            self._skip(error, f"whether {w.network_project} is a Shared VPC host project")
        return lambda one: not_attached(one, host, is_host=is_host)

    def _on_subnet(self, w: ClusterSpec, missing: t.Sequence[Binding]) -> list[Binding]:
        """What is missing in the subnet's own policy too."""
        where: Json = {"project": w.network_project, "region": w.region, "resource": w.subnetwork}
        try:
            policy = self.google.call(
                "compute", "subnetworks.getIamPolicy", absent=True, optionsRequestedPolicyVersion=3, **where
            )
        except GoogleError as error:
            self._skip(error, f"who may use subnet {w.region}/{w.subnetwork}")
            return [b for b in missing if b.role.startswith("roles/container.")]
        # The role to use GKE's account of the host project can only be granted in the project.
        return [b for b in missing if b.role.startswith("roles/container.") or lacking(policy, [b])]

    def _other_user(self, google: Google, own: t.Collection[tuple[str, str, str]]) -> str:
        """Which cluster of the project, besides ``own``, is or may be on the host project's network; "" for none."""
        parent = f"projects/{google.project}/locations/-"
        answer = google.call("container", "projects.locations.clusters.list", parent=parent)
        for cluster in answer.get("clusters") or []:
            network = str((cluster.get("networkConfig") or {}).get("network") or "")
            shared = network.startswith(f"projects/{self.google.project}/")
            if shared and (google.project, cluster["location"], cluster["name"]) not in own:
                return f"cluster {cluster['name']} needs them"
        unseen = answer.get("missingZones") or []
        return f"Google does not answer for {', '.join(unseen)}, where a cluster may need them" if unseen else ""

    def _skip(self, error: GoogleError, what: str) -> None:
        if not is_forbidden(error):
            raise error
        self.say(f"  not known to these credentials: {what}")


def missing_permissions(google: Google, wanted: t.Sequence[str]) -> list[str]:
    """Which of these permissions the caller lacks in the client's project; none where Google does not answer that."""
    body = {"permissions": list(wanted)}
    try:
        answer = google.call("cloudresourcemanager", "projects.testIamPermissions", resource=google.project, body=body)
    except GoogleError as error:
        if error.status != 403:
            raise
        return []  # the API is off: Google refuses the call itself, if it must
    has = set(answer.get("permissions") or [])
    return [permission for permission in wanted if permission not in has]
