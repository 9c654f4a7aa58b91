# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Memberships of clusters in the Google fleet: read once, and made at the same time where they are missing."""

from __future__ import annotations

import concurrent.futures
import typing as t

from ..._model.providers.google.members import Member
from ...errors import FleetError
from ...results import CREATED, REMOVED, UNCHANGED, Change
from ..errors import GoogleError
from .client import HubClient, Json, shown
from .resources import in_project, is_ours, membership_body, membership_of

__all__ = ["Memberships"]

_AT_ONCE = 20


class Memberships(HubClient):
    """The memberships of one project."""

    def register(self, members: t.Sequence[Member]) -> tuple[list[Change], dict[str, str], dict[str, FleetError]]:
        """Make every cluster a member that is not one, all at the same time.

        Returns:
            The changes, the membership's name by host, and what failed by host.
        """
        live = self.memberships()
        return self._side_by_side(members, lambda member: self._register(member, live))

    def _register(self, member: Member, live: list[Json]) -> tuple[Change, str]:
        obj = f"membership {member.name}"
        found = membership_of(live, member, self.number)
        if found is not None:
            code = str((found.get("state") or {}).get("code") or "READY")
            if code == "DELETING":
                raise FleetError(
                    "it is leaving the Google fleet", cluster=member.host, obj=obj, seen=code, next_step="run again"
                )
            name = in_project(str(found["name"]), self.google.project)
            if code == "CREATING" and not self.dry_run:
                self._ready(name, member)
            return Change(member.host, "Membership", member.membership, UNCHANGED), name
        body = membership_body(member, self.fleet_name)
        change = Change(member.host, "Membership", member.membership, CREATED, after=shown(body))
        if self.dry_run:
            return change, member.name
        try:
            operation = self.google.call(
                "gkehub",
                "projects.locations.memberships.create",
                parent=member.parent,
                membershipId=member.membership,
                body=body,
                cluster=member.host,
                obj=obj,
            )
            self.google.wait("gkehub", operation, self.timeout, cluster=member.host, obj=obj)
        except GoogleError as error:
            if error.status != 409:
                raise
            # An interrupted run, or another one at the same time, made it: wait until it is ready.
            self._ready(member.name, member)
        return change, member.name

    def _ready(self, name: str, member: Member) -> None:
        def look() -> tuple[bool, str]:
            found = self.google.call(
                "gkehub", "projects.locations.memberships.get", name=name, cluster=member.host, absent=True
            )
            code = str((found.get("state") or {}).get("code") or ("READY" if found else "it does not exist"))
            if found:
                membership_of([found], member, self.number)
            return code in ("READY", "UPDATING", "SERVICE_UPDATING"), code

        self.wait_until(look, "its membership is not ready", cluster=member.host, obj=f"membership {name}")

    def unregister(self, members: t.Sequence[Member]) -> tuple[list[Change], list[str], dict[str, FleetError]]:
        """Remove clusters from the Google fleet, where their membership is ours.

        Returns:
            The changes, what was kept and why, and what failed by host.
        """
        live = self.memberships()
        changes, kept, failed = self._side_by_side(members, lambda member: self._unregister(member, live))
        return changes, [why for why in kept.values() if why], failed

    def _unregister(self, member: Member, live: list[Json]) -> tuple[Change, str]:
        found = membership_of(live, member, self.number)
        nothing = Change(member.host, "Membership", member.membership, UNCHANGED)
        if found is None:
            return nothing, ""
        name = str(found["name"])
        if not is_ours(found, self.fleet_name):
            return nothing, f"{member.host}: membership {name} was not made by this inventory"
        change = Change(member.host, "Membership", member.membership, REMOVED, before=shown(found))
        if not self.dry_run:
            about: Json = {"cluster": member.host, "obj": f"membership {name}"}
            operation = self.google.call(
                "gkehub", "projects.locations.memberships.delete", name=name, absent=True, **about
            )
            if operation:
                self.google.wait("gkehub", operation, self.timeout, **about)
        return change, ""

    @staticmethod
    def _side_by_side(
        members: t.Sequence[Member], work: t.Callable[[Member], tuple[Change, str]]
    ) -> tuple[list[Change], dict[str, str], dict[str, FleetError]]:
        changes: list[Change] = []
        said: dict[str, str] = {}
        failed: dict[str, FleetError] = {}
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            running = [(member.host, pool.submit(work, member)) for member in members]
            for host, future in running:
                try:
                    change, text = future.result()
                except FleetError as error:
                    failed[host] = error
                else:
                    changes.append(change)
                    said[host] = text
        return changes, said, failed
