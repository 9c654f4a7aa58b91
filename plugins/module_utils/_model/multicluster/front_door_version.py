# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files of a front door an Envoy has loaded: on a machine of the user's, only calls can tell.

Envoy answers a name that nobody calls by mistake, and no route of the user's has, with the version of the files. The
version is a digest of what Envoy reads while it runs; it says nothing of a key.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from .front_door_envoy import BOOTSTRAP

__all__ = ["VERSION_HOST", "version_in", "version_said", "with_version"]

VERSION_HOST = "version.front-door.invalid"
"""The Host header of the question. No such name can exist (RFC 6761, section 6.4)."""
_NAME = "version"
_SAID = re.compile(r"mesh\.fleet front door \S+ ([0-9a-f]{12})\s*")

Files = t.Mapping[str, t.Mapping[str, t.Any]]


def with_version(door: str, files: Files) -> dict[str, dict[str, t.Any]]:
    """The files of a front door, whose routes say the version of all of them.

    Args:
        door: its name.
        files: what :func:`.front_door_envoy.render` gave, or this function.
    """
    found = {name: _without_version(name, content) for name, content in files.items()}
    version = _digest({name: content["resources"] for name, content in found.items() if name != BOOTSTRAP})
    says = {"status": 200, "body": {"inline_string": f"mesh.fleet front door {door} {version}\n"}}
    host = {
        "name": _NAME,
        "domains": [VERSION_HOST],
        "routes": [{"match": {"path": "/"}, "direct_response": says}],
    }
    for name in found:
        if name.startswith("routes-"):
            (routes,) = found[name]["resources"]
            resources = [{**routes, "virtual_hosts": [*routes["virtual_hosts"], host]}]
            found[name] = {"version_info": _digest(resources), "resources": resources}
    return found


def _without_version(name: str, content: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A file as it was before it said a version."""
    if not name.startswith("routes-"):
        return dict(content)
    (routes,) = content["resources"]
    hosts = [host for host in routes["virtual_hosts"] if host["name"] != _NAME]
    return {**content, "resources": [{**routes, "virtual_hosts": hosts}]}


def version_in(routes: t.Mapping[str, t.Any]) -> str:
    """The version that a file with routes says; "" for none."""
    for resource in routes.get("resources") or ():
        for host in resource.get("virtual_hosts") or ():
            if host.get("name") == _NAME:
                return version_said(host["routes"][0]["direct_response"]["body"]["inline_string"])
    return ""


def version_said(text: str) -> str:
    """The version in an answer to VERSION_HOST; "" where it is another answer."""
    found = _SAID.fullmatch(text)
    return found.group(1) if found else ""


def _digest(content: t.Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
