# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shared VPC: Google is asked whether a service project's clusters may be on the host project's network.

Only who is about to make something asks, so a run that changes nothing costs no request. What these credentials may
not look at is left to Google, which refuses a cluster that may not be.
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
    """How the inventory wants the roles in a host project to be dealt with."""
    return next((r for c in fleet.clusters.values() if (r := text(c.variables, "gke_network_roles"))), CHECKED)


class SharedVpc:
    """One host project and the service projects whose clusters are on its networks.

    Args:
        google: a client for the host project.
        roles: how the roles of GKE's accounts are dealt with: checked, granted or trusted.
        directory: the fleet's folder on the controller, which records what was granted.
        enable_apis: whether APIs that are off may be switched on.
        timeout: seconds for each step.
        dry_run: look only.
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
        """Which hosts cannot be on the network, and what had to be switched on or granted for the others.

        Args:
            wanted: clusters that are to be made. Those on a VPC of their own project are passed over.
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
        apart = self._attached(google, mine[0])
        if apart is not None:
            failed.update({w.host: apart(w) for w in mine})
            return []
        number, changes = self._apis(google)
        if self.roles != GRANTED and policy is None:
            return changes
        bindings = service_project_bindings(self.google.project, number or project_number(google))
        if self.roles == GRANTED:
            missing = lacking(policy, bindings) if policy is not None else bindings
            try:
                with _RECORDING:  # service projects are prepared side by side
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
        """Take back what this fleet granted to service projects, except where clusters of others need it.

        Args:
            leaving: the fleet's clusters that go, in check mode those that would: of projects of which none stays.
        """
        changes: list[Change] = []
        own = {(w.member.project, w.member.location, w.member.cluster) for w in leaving}
        for project in sorted({one[0] for one in own}):
            ours = set(self.record.read())
            if not any(b.project == self.google.project for b in ours):
                break
            google = self.google.of(project)
            gone = [b for b in service_project_bindings(self.google.project, project_number(google)) if b in ours]
            user = self._user(google, own) if gone else ""
            if user:
                self.say(f"  roles of project {project} in project {self.google.project} stay: {user} needs them")
            else:
                changes += revoke(google, gone, dry_run=self.dry_run, record=self.record.drop)
            self.google.requests += google.requests
        return changes

    # -- looks ---------------------------------------------------------------------------------

    def _apis(self, google: Google) -> tuple[str, list[Change]]:
        """The project's number, "" where it was not told, and what was switched on."""
        try:
            states = api_states(google, CLUSTER_APIS)
        except GoogleError as error:
            self._unseen(error, f"which APIs are on in project {google.project}")
            return "", []
        off = [api for api in CLUSTER_APIS if api not in states.on]
        if not off:
            return states.number, []
        given: Json = {"allowed": self.enable_apis, "timeout": self.timeout, "dry_run": self.dry_run}
        return states.number, enable_apis(google, off, states=states, **given)

    def _policy(self) -> Json | None:
        """The host project's; None where nobody asks for it, or it is not shown."""
        if self.roles == TRUSTED:
            return None
        body = {"options": {"requestedPolicyVersion": 3}}
        host = self.google.project
        try:
            return self.google.call("cloudresourcemanager", "projects.getIamPolicy", resource=host, body=body)
        except GoogleError as error:
            if error.status != 403:
                raise
            # Be it a right that is missing, or the API of policies that is off.
            self.say(f"  not known to these credentials: who has which role in project {host}")
            return None

    def _attached(self, google: Google, w: ClusterSpec) -> t.Callable[[ClusterSpec], FleetError] | None:
        """What to say of each cluster where its project is not attached; None where it is."""
        try:
            host = str(google.call("compute", "projects.getXpnHost", project=google.project).get("name") or "")
        except GoogleError as error:
            self._unseen(error, f"to which host project {google.project} is attached")
            return None
        if host == w.network_project:
            return None
        is_host = True
        try:
            found = self.google.call("compute", "projects.get", project=w.network_project)
            is_host = found.get("xpnProjectStatus") == "HOST"
        except GoogleError as error:
            self._unseen(error, f"whether {w.network_project} is a Shared VPC host project")
        return lambda one: not_attached(one, host, is_host=is_host)

    def _on_subnet(self, w: ClusterSpec, missing: t.Sequence[Binding]) -> list[Binding]:
        """What is still missing when the subnet's own policy is looked at too."""
        where: Json = {"project": w.network_project, "region": w.region, "resource": w.subnetwork}
        try:
            policy = self.google.call(
                "compute", "subnetworks.getIamPolicy", absent=True, optionsRequestedPolicyVersion=3, **where
            )
        except GoogleError as error:
            self._unseen(error, f"who may use subnet {w.region}/{w.subnetwork}")
            return [b for b in missing if b.role.startswith("roles/container.")]
        # The right to use GKE's account of the host project is the project's to give.
        return [b for b in missing if b.role.startswith("roles/container.") or lacking(policy, [b])]

    def _user(self, google: Google, own: t.Collection[tuple[str, str, str]]) -> str:
        """A cluster of the client's project, not of ``own``, that is or may be on a network of the host project."""
        parent = f"projects/{google.project}/locations/-"
        answer = google.call("container", "projects.locations.clusters.list", parent=parent)
        for cluster in answer.get("clusters") or []:
            network = str((cluster.get("networkConfig") or {}).get("network") or "")
            shared = network.startswith(f"projects/{self.google.project}/")
            if shared and (google.project, cluster["location"], cluster["name"]) not in own:
                return f"cluster {cluster['name']}"
        unseen = answer.get("missingZones") or []
        return f"what is in {', '.join(unseen)}, which Google does not tell," if unseen else ""

    def _unseen(self, error: GoogleError, what: str) -> None:
        if not is_forbidden(error):
            raise error
        self.say(f"  not known to these credentials: {what}")


def missing_permissions(google: Google, wanted: t.Sequence[str]) -> list[str]:
    """Which of these permissions the caller lacks in the client's project; none where Google does not say."""
    body = {"permissions": list(wanted)}
    try:
        answer = google.call("cloudresourcemanager", "projects.testIamPermissions", resource=google.project, body=body)
    except GoogleError as error:
        if error.status != 403:
            raise
        return []  # the API is off: what may not be made is refused by the call that makes it
    has = set(answer.get("permissions") or [])
    return [permission for permission in wanted if permission not in has]
