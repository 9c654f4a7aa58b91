# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Switch on APIs and grant roles in a Google Cloud project, no more than is missing."""

from __future__ import annotations

import typing as t

from ..errors import FleetError
from ..results import CHANGED, CREATED, REMOVED, UNCHANGED, Change
from .access_plan import Binding, missing_bindings, with_bindings, without_bindings
from .session import Google, GoogleError

__all__ = ["enable_apis", "grant", "project_number", "revoke"]

_AT_ONCE = 20
"""services.batchEnable takes no more."""
_TRIES = 5
"""Somebody else may change the policy between our read and our write."""


def project_number(google: Google) -> str:
    """The number that belongs to the project's id."""
    return str(google.call("cloudresourcemanager", "projects.get", projectId=google.project)["projectNumber"])


def enable_apis(google: Google, apis: t.Sequence[str], *, allowed: bool, timeout: float, dry_run: bool) -> list[Change]:
    """Switch on those that are off.

    Args:
        google: client of the project.
        apis: names, as ``gkehub.googleapis.com``.
        allowed: whether we may; if not, one that is off is an error that names it.
        timeout: seconds.
        dry_run: look only.
    """
    parent = f"projects/{google.project}"
    answer = google.call(
        "serviceusage", "services.batchGet", parent=parent, names=[f"{parent}/services/{api}" for api in apis]
    )
    on = {str(s["name"]).rsplit("/", 1)[-1] for s in answer.get("services") or [] if s.get("state") == "ENABLED"}
    off = [api for api in apis if api not in on]
    if off and not allowed:
        raise FleetError(
            f"API {off[0]} is disabled" if len(off) == 1 else f"{len(off)} APIs are disabled",
            obj=f"project {google.project}",
            seen=", ".join(off),
            next_step=f"set gke_enable_apis: true, or run `gcloud services enable {' '.join(off)} "
            f"--project {google.project}`; then run again",
        )
    if not dry_run:
        for start in range(0, len(off), _AT_ONCE):
            some = off[start : start + _AT_ONCE]
            operation = google.call("serviceusage", "services.batchEnable", parent=parent, body={"serviceIds": some})
            google.wait("serviceusage", operation, timeout, obj=f"APIs {', '.join(some)}")
    return [Change("", "API", api, CREATED if api in off else UNCHANGED) for api in apis]


def grant(google: Google, wanted: t.Iterable[Binding], *, dry_run: bool) -> list[Change]:
    """Add members to roles. Nobody else's binding is touched, and a policy that is right is not written."""
    return _change(google, wanted, dry_run=dry_run, add=True)


def revoke(google: Google, unwanted: t.Iterable[Binding], *, dry_run: bool) -> list[Change]:
    """Take those members out of those roles."""
    return _change(google, unwanted, dry_run=dry_run, add=False)


def _change(google: Google, bindings: t.Iterable[Binding], *, dry_run: bool, add: bool) -> list[Change]:
    by_project: dict[str, list[Binding]] = {}
    for binding in bindings:
        by_project.setdefault(binding.project, []).append(binding)
    changes: list[Change] = []
    for project, some in by_project.items():
        touched = set(_write(google, project, some, dry_run=dry_run, add=add))
        action = CHANGED if add else REMOVED
        for binding in some:
            line = f"{binding.role}: {binding.member}\n"
            said = action if binding in touched else UNCHANGED
            changes.append(
                Change(
                    "", "Role", f"{project} {binding.role}", said, before="" if add else line, after=line if add else ""
                )
            )
    return changes


def _write(google: Google, project: str, some: list[Binding], *, dry_run: bool, add: bool) -> list[Binding]:
    obj = f"IAM policy of project {project}"
    for attempt in range(_TRIES):
        # Version 3 shows conditions; writing back an older form would drop them.
        policy = google.call(
            "cloudresourcemanager",
            "projects.getIamPolicy",
            resource=project,
            body={"options": {"requestedPolicyVersion": 3}},
            obj=obj,
        )
        missing = missing_bindings(policy, some)
        todo = missing if add else [binding for binding in some if binding not in missing]
        if not todo or dry_run:
            return todo
        changed = with_bindings(policy, todo) if add else without_bindings(policy, todo)
        changed["version"] = 3
        try:
            google.call(
                "cloudresourcemanager", "projects.setIamPolicy", resource=project, body={"policy": changed}, obj=obj
            )
        except GoogleError as error:
            if error.status != 409 or attempt == _TRIES - 1:
                raise
            continue  # it changed meanwhile: read it again
        return todo
    return []
