# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roles in Google Cloud projects: grant those that are missing, revoke those that nobody needs."""

from __future__ import annotations

import re
import typing as t

from ...errors import FleetError
from ...results import CHANGED, REMOVED, UNCHANGED, Change
from ..api.polling import retry_refused
from ..api.session import Google
from ..api.settling import note_change
from ..errors import GoogleError
from ..meanings import API_OFF
from .apis import CLUSTER_APIS, api_states, known_number
from .bindings import (
    Binding,
    api_of_agent,
    missing_bindings,
    with_bindings,
    without_bindings,
)

__all__ = ["grant", "project_number", "revoke"]

_CONFLICT_SECONDS = 20.0
"""How long a policy that others change between our read and our write is read again."""
_MAKE_SECONDS = 120.0
_KNOWN_SECONDS = 120.0
"""IAM knows an account some time after it was made."""
_POOL = re.compile(r"\b(?P<project>[a-z][-a-z0-9]+)\.svc\.id\.goog\b")
Record = t.Callable[[t.Sequence[Binding]], None]


def project_number(google: Google, project: str = "") -> str:
    """The number that belongs to a project's ID; by default the client's. It never changes, so a run asks once."""
    project = project or google.project
    known = known_number(google, project)
    if known:
        return known
    try:
        found = google.call("cloudresourcemanager", "projects.get", projectId=project)
    except GoogleError as error:
        # The service of APIs is always on, and names projects by their number.
        number = api_states(google.of(project), CLUSTER_APIS).number if error.kind == API_OFF else ""
        if not number:
            raise
        return number
    return known_number(google, project, str(found["projectNumber"]))


def grant(
    google: Google,
    wanted: t.Iterable[Binding],
    *,
    dry_run: bool,
    record: Record | None = None,
    policies_unreadable: bool = False,
) -> list[Change]:
    """Add members to roles. Other bindings stay as they are, and a policy that is right is not written.

    Args:
        google: client of the fleet project.
        wanted: who is to have which role.
        dry_run: read only.
        record: called with what was added, project by project, as soon as it is there.
        policies_unreadable: the API of policies is still off, so with ``dry_run`` nothing counts as granted yet.
    """
    return _change(google, wanted, dry_run=dry_run, add=True, record=record, policies_unreadable=policies_unreadable)


def revoke(
    google: Google, unwanted: t.Iterable[Binding], *, dry_run: bool, record: Record | None = None
) -> list[Change]:
    """Remove those members from those roles; ``record`` is called with all of a project that are gone then."""
    return _change(google, unwanted, dry_run=dry_run, add=False, record=record)


def _change(
    google: Google,
    bindings: t.Iterable[Binding],
    *,
    dry_run: bool,
    add: bool,
    record: Record | None,
    policies_unreadable: bool = False,
) -> list[Change]:
    by_project: dict[str, list[Binding]] = {}
    for binding in bindings:
        by_project.setdefault(binding.project, []).append(binding)
    changes: list[Change] = []
    for project, some in by_project.items():
        if policies_unreadable and dry_run:
            touched = set(some)
        else:
            touched = set(_write(google, project, some, dry_run=dry_run, add=add))
        if record is not None and not dry_run:
            record([b for b in some if b in touched] if add else some)
        for binding in some:
            line = f"{binding.role}: {binding.member}\n"
            changes.append(
                Change(
                    "",
                    "Role",
                    f"{project} {binding.role}",
                    (CHANGED if add else REMOVED) if binding in touched else UNCHANGED,
                    before="" if add else line,
                    after=line if add else "",
                )
            )
    return changes


def _write(google: Google, project: str, some: list[Binding], *, dry_run: bool, add: bool) -> list[Binding]:
    """Change a project's policy as far as needed; return what was added to it or removed from it."""
    about: dict[str, t.Any] = {"resource": project, "obj": f"IAM policy of project {project}"}
    todo: list[Binding] = []

    def read_and_write() -> list[Binding]:
        nonlocal todo
        # Version 3 shows conditions; writing back an older form would drop them.
        body: dict[str, t.Any] = {"options": {"requestedPolicyVersion": 3}}
        policy = google.call("cloudresourcemanager", "projects.getIamPolicy", body=body, **about)
        missing = missing_bindings(policy, some)
        todo = missing if add else [binding for binding in some if binding not in missing]
        if todo and not dry_run:
            changed = with_bindings(policy, todo) if add else without_bindings(policy, todo)
            body = {"policy": {**changed, "version": 3}}
            google.call("cloudresourcemanager", "projects.setIamPolicy", body=body, **about)
            if add:
                note_change(project)
        return todo

    def write() -> list[Binding]:
        """Again where somebody else wrote the policy after we read it: Google refuses ours then."""
        return retry_refused(
            read_and_write, lambda error: error.status == 409, _CONFLICT_SECONDS, first=0.1, longest=1.0
        )

    try:
        return write()
    except GoogleError as error:
        if not _is_unknown(error):
            raise
        if not _make_agents(google, todo):
            raise _unknown(error, project) from error
    try:
        return retry_refused(write, _is_unknown, _KNOWN_SECONDS, longest=1.0)
    except GoogleError as error:
        raise (_unknown(error, project) if _is_unknown(error) else error) from None


def _is_unknown(error: GoogleError) -> bool:
    """Whether IAM does not know a member of the policy."""
    return error.status == 400 and "does not exist" in error.seen


def _make_agents(google: Google, bindings: t.Sequence[Binding]) -> bool:
    """Have Google make its accounts, which come with a feature's first use and not with its API; whether any is."""
    apis = sorted({api for binding in bindings if (api := api_of_agent(binding.member))})
    for api in apis:
        parent = f"projects/{google.project}/services/{api}"
        obj = f"service agent of {api}"
        operation = google.call("serviceusage:v1beta1", "services.generateServiceIdentity", parent=parent, obj=obj)
        google.wait("serviceusage", operation, _MAKE_SECONDS, obj=obj)
        note_change(google.project)
    return bool(apis)


def _unknown(error: GoogleError, project: str) -> FleetError:
    """Google refuses a policy with a member that it does not know."""
    pool = _POOL.search(error.seen)
    if pool is None:
        return error
    return FleetError(
        "a role is for pods of a project that has no workload pool yet",
        obj=f"IAM policy of project {project}",
        seen=error.seen,
        means=f"no cluster of project {pool['project']} has Workload Identity, which brings the pool",
        next_step="make its clusters first (the clusters stage), or switch Workload Identity on; then run again",
    )
