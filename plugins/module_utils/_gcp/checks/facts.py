# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Google says of a project before a run makes anything there. What may not be read is named once, and left out."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..access.apis import ApiStates, api_states
from ..api.session import Google
from ..errors import GoogleError
from ..meanings import API_OFF, PERMISSION
from .permissions import ACT_AS
from .policies import CONSTRAINTS
from .quotas import Quotas

__all__ = ["Account", "Facts", "Wishes", "project_of_account", "read_facts"]

Json = dict[str, t.Any]
_Answer = t.TypeVar("_Answer")
_OF_PROJECT = ".iam.gserviceaccount.com"
_NOBODY: Json = {"exists": False}


@dataclasses.dataclass
class Wishes:
    """What to ask."""

    apis: t.Sequence[str] = ()
    permissions: t.Sequence[str] = ()
    machines: t.Collection[str] = ()
    accounts: t.Collection[str] = ()
    """E-mail addresses of service accounts; "" is Compute Engine's default."""
    places: t.Collection[str] = ()
    """Regions and zones of new clusters."""
    nodes: bool = False
    """Whether nodes will be made: quotas and policies count then."""


@dataclasses.dataclass(frozen=True)
class Account:
    """A service account as IAM knows it. ``usable``: whether the caller may make nodes with it; None for not known."""

    exists: bool
    disabled: bool = False
    usable: bool | None = None


@dataclasses.dataclass
class Facts:
    """The answers. None for what is not known."""

    apis: ApiStates | None = None
    held: frozenset[str] | None = None
    """Permissions of the caller."""
    quotas: Quotas = dataclasses.field(default_factory=lambda: Quotas({}))
    default_account: str = ""
    machines: dict[str, dict[str, int]] | None = None
    """vCPUs by zone and machine type, of the types that were asked for."""
    accounts: dict[str, Account] = dataclasses.field(default_factory=dict)
    policies: dict[str, Json] = dataclasses.field(default_factory=dict)
    versions: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """By place, the version that each release channel gives a new cluster."""
    unknown: list[str] = dataclasses.field(default_factory=list)
    """What these credentials may not read, in words."""
    refused: list[GoogleError] = dataclasses.field(default_factory=list)
    """Refusals that stop the run itself: no billing, no quota project, a perimeter."""


def read_facts(google: Google, wishes: Wishes) -> Facts:
    """Ask for all that is wished."""
    return _Reading(google, wishes).facts()


def project_of_account(email: str, own: str) -> str:
    """The project of a service account, from its address; ``own`` where that does not say it.

    Google answers 403 to the wildcard ``-`` for an account that does not exist
    (https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/get), so the project is named.
    """
    name, _at, domain = email.partition("@")
    if domain == "developer.gserviceaccount.com":
        return name.removesuffix("-compute")
    if domain == "appspot.gserviceaccount.com":
        return name
    if domain.endswith(_OF_PROJECT):
        project, _dot, organisation = domain.removesuffix(_OF_PROJECT).partition(".")
        return f"{organisation}:{project}" if organisation else project
    return own


class _Reading:
    """One project, asked once."""

    def __init__(self, google: Google, wishes: Wishes) -> None:
        self.google, self.wishes, self.found = google, wishes, Facts()

    def facts(self) -> Facts:
        google, wishes, found = self.google, self.wishes, self.found
        project = google.project
        if wishes.apis:
            found.apis = self._ask("which APIs are on", lambda: api_states(google, wishes.apis), None)
        if wishes.permissions:
            found.held = self._ask("what these credentials may do", self._held, None)
        off = found.apis is not None and "compute.googleapis.com" not in found.apis.on
        if wishes.nodes and not off:
            nothing: Json = {}
            none: list[Json] = []
            own = self._ask("quotas", lambda: google.call("compute", "projects.get", project=project), nothing)
            found.default_account = str(own.get("defaultServiceAccount") or "")
            regions = self._ask("quotas of regions", self._regions, none)
            found.quotas = Quotas.of(own, regions)
            found.machines = self._ask("machine types", self._machines, None) if wishes.machines else {}
        if wishes.nodes:
            for email in wishes.accounts:
                self._account(email or found.default_account)
            for constraint in CONSTRAINTS:
                policy = self._ask("policies of the organisation", functools.partial(self._policy, constraint), None)
                if policy is None:
                    break
                found.policies[constraint] = policy
        for place in wishes.places:
            versions = self._ask("versions of Kubernetes", functools.partial(self._versions, place), None)
            if versions:
                found.versions[place] = versions
        return found

    def _ask(self, what: str, ask: t.Callable[[], _Answer], otherwise: _Answer) -> _Answer:
        try:
            return ask()
        except GoogleError as error:
            if error.kind in (API_OFF, PERMISSION) or error.status == 404:
                if what not in self.found.unknown:
                    self.found.unknown.append(what)
            elif error.what not in [known.what for known in self.found.refused]:
                self.found.refused.append(error)
            return otherwise

    def _held(self) -> frozenset[str]:
        body = {"permissions": list(dict.fromkeys(self.wishes.permissions))}
        project = self.google.project
        answer = self.google.call("cloudresourcemanager", "projects.testIamPermissions", resource=project, body=body)
        return frozenset(answer.get("permissions") or [])

    def _regions(self) -> list[t.Any]:
        return self.google.pages("compute", "regions.list", "items", project=self.google.project)

    def _machines(self) -> dict[str, dict[str, int]]:
        """One request for all zones."""
        wanted = sorted(self.wishes.machines)
        chosen = " OR ".join(f'(name = "{name}")' for name in wanted)
        places = self.google.pages(
            "compute", "machineTypes.aggregatedList", "items", project=self.google.project, filter=chosen
        )
        return {
            place.rsplit("/", 1)[-1]: {str(m["name"]): int(m.get("guestCpus") or 0) for m in inner["machineTypes"]}
            for place, inner in places
            if inner.get("machineTypes")
        }

    def _account(self, email: str) -> None:
        if not email or email in self.found.accounts:
            return
        name = f"projects/{project_of_account(email, self.google.project)}/serviceAccounts/{email}"
        what = f"service account {email}"
        unknown: Json = {}
        asked = self._ask(what, functools.partial(self._named, name), unknown)
        if not asked:
            return
        if asked == _NOBODY:
            self.found.accounts[email] = Account(exists=False)
            return
        held = self._ask(what, functools.partial(self._of_account, name), None)
        usable = None if held is None else ACT_AS in (held.get("permissions") or [])
        self.found.accounts[email] = Account(True, bool(asked.get("disabled")), usable)

    def _named(self, name: str) -> Json:
        # Waiting would help nobody: the caller may hold the permission in this project, and not in the account's.
        return self.google.call("iam", "projects.serviceAccounts.get", name=name, absent=True, at_once=True) or _NOBODY

    def _of_account(self, name: str) -> Json:
        body = {"permissions": [ACT_AS]}
        method = "projects.serviceAccounts.testIamPermissions"
        return self.google.call("iam", method, resource=name, body=body, at_once=True)

    def _policy(self, constraint: str) -> Json:
        """What is in force, wherever it was set. The older API of policies needs no further API to be on."""
        resource, body = f"projects/{self.google.project}", {"constraint": constraint}
        return self.google.call("cloudresourcemanager", "projects.getEffectiveOrgPolicy", resource=resource, body=body)

    def _versions(self, place: str) -> dict[str, str]:
        name = f"projects/{self.google.project}/locations/{place}"
        answer = self.google.call("container", "projects.locations.getServerConfig", name=name)
        return {str(one.get("channel")): str(one.get("defaultVersion")) for one in answer.get("channels") or []}
