# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Switch on APIs and grant roles in a Google Cloud project, no more than is missing."""

from __future__ import annotations

import dataclasses
import random
import re
import time
import typing as t

from ...errors import FleetError
from ...results import CHANGED, CREATED, REMOVED, UNCHANGED, Change
from ..api.session import Google, GoogleError
from .bindings import (
    Binding,
    api_of_agent,
    missing_bindings,
    with_bindings,
    without_bindings,
)

__all__ = ["ApiStates", "api_states", "enable_apis", "grant", "project_number", "revoke"]

_AT_ONCE = 20
"""services.batchEnable takes no more."""
_TRIES = 10
"""Somebody else may change the policy between our read and our write."""
_MAKE_SECONDS = 120.0
_KNOWN_SECONDS = 120.0
"""IAM knows an account some time after it was made."""
_POOL = re.compile(r"\b(?P<project>[a-z][-a-z0-9]+)\.svc\.id\.goog\b")
Told = t.Callable[[t.Sequence[Binding]], None]


def project_number(google: Google) -> str:
    """The number that belongs to the project's id."""
    return str(google.call("cloudresourcemanager", "projects.get", projectId=google.project)["projectNumber"])


@dataclasses.dataclass(frozen=True)
class ApiStates:
    """Which of the APIs asked for are on in a project, and the project's number, which the answer holds besides."""

    on: frozenset[str]
    number: str


def api_states(google: Google, apis: t.Sequence[str]) -> ApiStates:
    """Ask for all of them in one request."""
    parent = f"projects/{google.project}"
    names = [f"{parent}/services/{api}" for api in apis]
    found = google.call("serviceusage", "services.batchGet", parent=parent, names=names).get("services") or []
    numbers = {str(s["name"]).split("/")[1] for s in found}
    number = next((n for n in numbers if n.isdigit()), "")
    return ApiStates(frozenset(str(s["name"]).rsplit("/", 1)[-1] for s in found if s.get("state") == "ENABLED"), number)


def enable_apis(
    google: Google,
    apis: t.Sequence[str],
    *,
    allowed: bool,
    timeout: float,
    dry_run: bool,
    states: ApiStates | None = None,
) -> list[Change]:
    """Switch on those that are off.

    Args:
        google: client of the project.
        apis: names, as ``gkehub.googleapis.com``.
        allowed: whether we may; if not, one that is off is an error that names it.
        timeout: seconds.
        dry_run: look only.
        states: what they are, where somebody has asked already.
    """
    parent = f"projects/{google.project}"
    on = (states or api_states(google, apis)).on
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


def grant(
    google: Google, wanted: t.Iterable[Binding], *, dry_run: bool, told: Told | None = None, unseen: bool = False
) -> list[Change]:
    """Add members to roles. Nobody else's binding is touched, and a policy that is right is not written.

    Args:
        google: client of the fleet project.
        wanted: who is to have which role.
        dry_run: look only.
        told: called with what was added, project by project, as soon as it is there.
        unseen: with ``dry_run``, the API that tells policies is still off: nobody has a role yet.
    """
    return _change(google, wanted, dry_run=dry_run, add=True, told=told, unseen=unseen)


def revoke(google: Google, unwanted: t.Iterable[Binding], *, dry_run: bool, told: Told | None = None) -> list[Change]:
    """Take those members out of those roles; ``told`` is called with all of a project that are gone then."""
    return _change(google, unwanted, dry_run=dry_run, add=False, told=told)


def _change(
    google: Google,
    bindings: t.Iterable[Binding],
    *,
    dry_run: bool,
    add: bool,
    told: Told | None,
    unseen: bool = False,
) -> list[Change]:
    by_project: dict[str, list[Binding]] = {}
    for binding in bindings:
        by_project.setdefault(binding.project, []).append(binding)
    changes: list[Change] = []
    for project, some in by_project.items():
        touched = set(some if unseen and dry_run else _write(google, project, some, dry_run=dry_run, add=add))
        if told is not None and not dry_run:
            told([b for b in some if b in touched] if add else some)
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
    tries, made, deadline = 0, False, 0.0
    while True:
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
            return todo
        except GoogleError as error:
            tries += 1
            if error.status == 409 and tries < _TRIES:
                # It changed meanwhile: read it again, not in step with the others who do so.
                time.sleep(random.uniform(0.0, 0.1 * tries))
                continue
            if error.status != 400 or "does not exist" not in error.seen:
                raise
            if not made:
                made, deadline = _agents(google, todo), time.monotonic() + _KNOWN_SECONDS
            if not made or time.monotonic() > deadline:
                raise _unknown(error, project) from error
            time.sleep(1.0)  # until IAM knows the account that was just made


def _agents(google: Google, bindings: t.Sequence[Binding]) -> bool:
    """Have Google make its accounts, which come with a feature's first use and not with its API; whether any is."""
    apis = sorted({api for binding in bindings if (api := api_of_agent(binding.member))})
    for api in apis:
        parent = f"projects/{google.project}/services/{api}"
        obj = f"service agent of {api}"
        operation = google.call("serviceusage:v1beta1", "services.generateServiceIdentity", parent=parent, obj=obj)
        google.wait("serviceusage", operation, _MAKE_SECONDS, obj=obj)
    return bool(apis)


def _unknown(error: GoogleError, project: str) -> FleetError:
    """Google refuses a policy that names somebody whom it does not know."""
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
