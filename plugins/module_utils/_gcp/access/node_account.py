# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service account of a fleet's nodes, with the one role that nodes need. It has no label: its description is ours."""

from __future__ import annotations

import typing as t

from ...errors import FleetError
from ...results import CREATED, REMOVED, UNCHANGED, Change
from ..api.polling import retry_refused
from ..api.session import Google
from ..errors import GoogleError
from .bindings import Binding
from .grants import Grants
from .roles import grant, revoke

__all__ = ["RECORD", "ROLE", "NodeAccount"]

Json = dict[str, t.Any]
ROLE = "roles/container.defaultNodeServiceAccount"
"""What GKE's nodes need, and no more:
https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster#use_least_privilege_sa"""
RECORD = "node_grants.json"
"""The file of the record, beside that of other grants."""
_KNOWN_SECONDS = 120.0
"""IAM knows an account some time after it was made."""


class NodeAccount:
    """The account of one project.

    Args:
        google: client of the project.
        email: its address.
        description: of what this fleet makes.
        grants: the record of the role that was granted.
        dry_run: read and plan; change nothing.
        longest: the longest pause between two tries, in seconds.
    """

    def __init__(
        self,
        google: Google,
        email: str,
        description: str,
        grants: Grants,
        *,
        dry_run: bool,
        longest: float | None = None,
    ) -> None:
        self.google, self.email, self.description, self.grants = google, email, description, grants
        self.dry_run, self.longest = dry_run, longest

    @property
    def _name(self) -> str:
        return f"projects/{self.google.project}/serviceAccounts/{self.email}"

    @property
    def _binding(self) -> Binding:
        return Binding(self.google.project, ROLE, f"serviceAccount:{self.email}")

    def _change(self, action: str) -> Change:
        return Change("", "ServiceAccount", self.email, action)

    def _read(self) -> Json:
        return self.google.call("iam", "projects.serviceAccounts.get", name=self._name, absent=True, obj=self._name)

    def present(self) -> list[Change]:
        """Make it, and grant its role. FleetError where an account of this name is somebody else's."""
        live = self._read()
        if live and live.get("description") != self.description:
            raise FleetError(
                "a service account of this name exists that this fleet did not make",
                obj=self._name,
                seen=f"description {live.get('description', '')!r}",
                next_step=f"name it in gke_node_service_account ({self.email}) with roles of your own, or remove it",
            )
        changes = [self._change(UNCHANGED if live else CREATED)]
        if not live and self.dry_run:
            return changes
        if not live:
            wanted = {"displayName": "Nodes", "description": self.description}
            body = {"accountId": self.email.partition("@")[0], "serviceAccount": wanted}
            parent = f"projects/{self.google.project}"
            self.google.call("iam", "projects.serviceAccounts.create", name=parent, body=body, obj=self._name)
        return changes + retry_refused(
            lambda: grant(self.google, [self._binding], dry_run=self.dry_run, record=self.grants.add),
            lambda error: error.status == 400 and "does not exist" in error.seen,
            _KNOWN_SECONDS,
            longest=self.longest,
        )

    def absent(self) -> list[Change]:
        """Delete it, if this fleet made it, and take back its role, if this fleet granted it."""
        live = self._read()
        if live and live.get("description") != self.description:
            return []
        mine = [binding for binding in self.grants.read() if binding == self._binding]
        changes = revoke(self.google, mine, dry_run=self.dry_run, record=self.grants.drop) if mine else []
        if live and not self.dry_run:
            try:
                self.google.call("iam", "projects.serviceAccounts.delete", name=self._name, obj=self._name)
            except GoogleError as error:
                if error.status != 404:
                    raise
        return [*changes, *([self._change(REMOVED)] if live else [])]
