# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether Envoy on machines of the user's may still have files of an earlier run: somebody copies them there."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import (
    VERSION_HOST,
    version_in,
    version_said,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change

__all__ = [
    "HTTP_PORT",
    "addresses_of",
    "ask_version",
    "ask_versions",
    "both",
    "earlier_files",
    "needed_no_more",
    "still_needed",
]

HTTP_PORT = 80
"""At which Envoy listens there."""
_LONGEST = 64 * 1024
"""Bytes of an answer that are read."""
_SECONDS = 5.0
_CHANGED = "this run changes them"


def ask_version(address: str, seconds: float, port: int = HTTP_PORT) -> Answer:
    """What answers at an address to the question which files it has.

    Args:
        address: a name or an IP.
        seconds: until no answer counts as none.
        port: for HTTP.
    """
    began = time.monotonic()
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        connection.request("GET", "/", headers={"Host": VERSION_HOST, "Connection": "close"})
        answer = connection.getresponse()
        said = answer.read(_LONGEST).decode("utf-8", "replace")[:600]
    except (OSError, http.client.HTTPException) as error:
        return Answer(False, 0, 0.0, "", "", str(error) or type(error).__name__)
    finally:
        connection.close()
    what = f"status {answer.status}: {said}" if said else ""
    return Answer(answer.status < 400, answer.status, (time.monotonic() - began) * 1000, "", "", what, said=said)


def addresses_of(name: str, port: int = HTTP_PORT) -> list[str]:
    """Every IP behind a name, of which each may be a machine; the name itself where none is found.

    Those to which this machine has no route are left out where it has one to others: most are a machine's IPv6
    address, seen from a network without IPv6.
    """
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return [name]  # who asks there gets the reason
    all_of_it = dict.fromkeys((family, address) for family, *_rest, address in found)
    return [str(address[0]) for _family, address in [one for one in all_of_it if _has_route(*one)] or all_of_it]


def _has_route(family: int, address: t.Any) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sends_nothing:
            sends_nothing.connect(address)
    except OSError:
        return False
    return True


async def ask_versions(name: str, seconds: float, port: int = HTTP_PORT) -> dict[str, Answer]:
    """What answers at each IP behind a name, as :func:`ask_version` gives it, by what a message calls it."""
    found = await asyncio.to_thread(addresses_of, name, port)
    answers = await asyncio.gather(*(asyncio.to_thread(ask_version, one, seconds, port) for one in found))
    shown = (name if one == name else f"{name} ({one})" for one in found)
    return dict(zip(shown, answers, strict=True))


async def earlier_files(folder: FrontDoorFolder, addresses: t.Sequence[str], *, changed: bool) -> list[str]:
    """Why a machine may still have files of an earlier run; nothing where none has.

    Without addresses, a run that changes no file is taken for one after they were copied. So is an address that
    answers without a version, as what stands before machines may do. Behind a name each IP is asked: one machine that
    has the current files says nothing of the others.

    Args:
        folder: the files on this machine.
        addresses: where the machines answer.
        changed: whether this run changes the files.
    """
    if changed:
        return [_CHANGED]
    wanted = version_in(folder.read("routes-http-any.yaml"))
    asked = await asyncio.gather(*(ask_versions(one, _SECONDS, HTTP_PORT) for one in dict.fromkeys(addresses)))
    found = []
    for address, answer in ((address, answer) for answers in asked for address, answer in answers.items()):
        has = version_said(answer.said)
        if has and has != wanted:
            found.append(f"{address} serves version {has}, the files are {wanted}")
        elif not has and (not answer.status or answer.status >= 500):
            found.append(f"{address} does not say which it has: {answer.what or f'status {answer.status}'}")
    return found


def still_needed(folder: FrontDoorFolder, earlier: t.Sequence[str]) -> str:
    """The warning of a run that leaves what files of an earlier run need.

    Args:
        folder: the files on this machine.
        earlier: as :func:`earlier_files` gave it.
    """
    return (
        f"machines may still have files of an earlier run ({'; '.join(earlier)}): what these lead to stays at the "
        f"gateways and in clusters.yaml until a later run. Copy {folder.path} to each machine, clusters.yaml first, "
        "then run again; take a machine that is gone out of front_door_addresses, or out of its name's addresses"
    )


def needed_no_more(folder: FrontDoorFolder, earlier: t.Sequence[str]) -> str:
    """The warning of a run that removes what files of an earlier run need, since the gateways that serve it go as well.

    Args:
        folder: the files on this machine.
        earlier: as :func:`earlier_files` gave it.
    """
    return (
        f"machines may still have files of an earlier run ({'; '.join(earlier)}), which lead to gateways that go: "
        f"calls there fail until health checks do. Copy {folder.path} to each machine, clusters.yaml first"
    )


def both(first: t.Iterable[Change], later: t.Iterable[Change], *, planned: bool) -> list[Change]:
    """The changes of two applies of the same objects, as one of each object.

    Args:
        first: of all objects.
        later: of those that differ.
        planned: whether nothing was written, so that the later ones are the whole change.
    """
    found = {(one.cluster, one.kind, one.namespace, one.name): one for one in first}
    for change in later:
        key = (change.cluster, change.kind, change.namespace, change.name)
        before = found.get(key, change)
        if planned or before.action == UNCHANGED:
            found[key] = change
        elif change.action != UNCHANGED:
            action, shown = before.action, before.before
            found[key] = Change(*key[:2], change.name, action, change.namespace, shown, change.after)
    return list(found.values())
