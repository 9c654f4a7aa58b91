# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a 404 says that something is not there: only the API server itself can say so.

What stands before an API server (a proxy, a balancer, a login page) answers 404 as well, and who believes it sees no
root, no Secret, no object. An API server answers in one of three ways:

- An object is missing: a Status of reason NotFound, which names the object. After a write it may name another, to which
  the written one refers.
- A group serves no such kind: a Status of reason NotFound, which names nothing.
- It has no such group: Go's plain text.

Another name and the last two are not enough by themselves. They count with the header ``Audit-Id``, which an API server
adds to every answer. The last two count also if discovery, asked at the same address, lists no such kind.
"""

from __future__ import annotations

import typing as t
import urllib.parse

__all__ = ["Asked", "asked_by", "is_foreign", "is_proof_of_absence"]

_PLAIN = "404 page not found"
_OF_THE_WAY = (401, 413, 429)
"""What may come from somewhere else and still means what it says: a credential, a size, a rate."""


class Asked(t.NamedTuple):
    """What a path of the API asks for."""

    api_version: str
    plural: str
    """"" for the group version itself."""
    name: str = ""
    """Of the one object that the path is; "" for lists, and for what is below an object, as its log."""

    @property
    def prefix(self) -> str:
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    @property
    def listing(self) -> str:
        """The path at which an API server lists its groups."""
        return "/apis" if "/" in self.api_version else "/api"

    def is_unserved(self, listing: t.Any) -> bool | None:
        """Whether the server has no such group version, by its list of them; None for what is no such list."""
        if not isinstance(listing, dict):
            return None
        if listing.get("kind") == "APIVersions" and isinstance(listing.get("versions"), list):
            return self.api_version not in listing["versions"]
        if listing.get("kind") != "APIGroupList" or not isinstance(listing.get("groups"), list):
            return None
        served = [version for group in listing["groups"] for version in group.get("versions") or []]
        return self.api_version not in [version.get("groupVersion") for version in served]

    def is_unknown(self, listing: t.Any) -> bool:
        """Whether a group version has no such kind, by its list of kinds; False for what is no such list."""
        if not isinstance(listing, dict) or listing.get("kind") != "APIResourceList" or not self.plural:
            return False
        return self.plural not in [resource.get("name") for resource in listing.get("resources") or []]


def asked_by(path: str) -> Asked | None:
    """What a path asks for; None for one that is not of the API's objects, as ``/version``."""
    parts = [part for part in path.partition("?")[0].split("/") if part]
    length = {"api": 2, "apis": 3}.get(parts[0] if parts else "", 0)
    if not length or len(parts) < length:
        return None
    rest = parts[length:]
    if len(rest) > 2 and rest[0] == "namespaces":
        rest = rest[2:]
    name = urllib.parse.unquote(rest[1]) if len(rest) == 2 else ""
    return Asked("/".join(parts[1:length]), rest[0] if rest else "", name)


def is_foreign(status: int, body: t.Any, *, audited: bool) -> bool:
    """Whether an answer with an error's status is not an API server's.

    Args:
        audited: it has the header ``Audit-Id``.
    """
    said = isinstance(body, dict) and body.get("kind") == "Status"
    return 400 <= status < 500 and status not in _OF_THE_WAY and not said and not audited


def is_proof_of_absence(body: t.Any, path: str, *, audited: bool, writes: bool = False) -> bool:
    """Whether a 404 shows by itself that what ``path`` asks for is not there. If not, discovery decides.

    Args:
        audited: it has the header ``Audit-Id``.
        writes: the request wrote an object: then the missing one may be another, which it refers to, such as the role
            of a RoleBinding.
    """
    if not isinstance(body, dict):
        return audited and str(body).strip() == _PLAIN
    if body.get("kind") != "Status" or body.get("reason") != "NotFound":
        return False
    details = body.get("details")
    name = str(details.get("name") or "") if isinstance(details, dict) else ""
    if not name or (writes and audited):
        return audited
    # Some servers name a namespace with it. Another name is another thing: of a proxy, the cluster behind it.
    there = {urllib.parse.unquote(part) for part in path.partition("?")[0].split("/")}
    return all(part in there for part in name.split("/"))
