# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of a front door by HTTPS: its certificate must be for the route's host, and the nearest cluster must answer."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..inventory.fleet import Fleet
from ..multicluster.front_door import FrontDoor
from .calls import Answer, Call
from .facts import SKIPPED, Check
from .name_calls import FRONT_DOOR, NOT_CALLED, NameCall, judge_name, nearest

__all__ = ["https_calls", "judge_https", "without_host"]

_DOES_NOT_HOLD = re.compile(r"certificate of \S+ does not hold")
_UNKNOWN_CA = re.compile(r"self-signed|unable to get (local )?issuer|unable to verify the first", re.IGNORECASE)
"""OpenSSL's words for a certificate whose issuer the probe's image does not know; other callers may know it."""


def https_calls(
    fleet: Fleet, door: FrontDoor, address: str, ready: t.Mapping[str, t.Sequence[str]], callers: t.Iterable[str]
) -> list[NameCall]:
    """A call of each route that names a host, from each caller.

    Args:
        address: the front door's.
        ready: by ``name.namespace`` the clusters with a ready pod.
        callers: clusters.
    """
    at = f"[{address}]" if ":" in address else address
    found = []
    for caller in callers:
        for route in door.routes if door.certificates else ():
            if not route.host:
                continue
            serving = [n for n in ready.get(route.service, ()) if route.clusters is None or n in route.clusters]
            # A name that a wildcard covers.
            host = route.host.replace("*", "mesh-verify", 1)
            name = f"https://{host}{route.path} at {address}"
            may = nearest(fleet, caller, serving)
            found.append(NameCall(FRONT_DOOR, caller, f"https://{at}{route.path}", name, route.service, may, host))
    return found


def without_host(door: FrontDoor) -> list[Check]:
    """Routes for any host: which name their certificate is for, nobody says."""
    return [
        Check(NOT_CALLED, route.service, SKIPPED, "its route has no host, so it is not called by HTTPS", ())
        for route in (door.routes if door.certificates else ())
        if not route.host
    ]


def judge_https(call: NameCall, answer: Answer) -> tuple[Call, str]:
    """The call as it ended; and why it proves nothing, "" where it does."""
    ended = judge_name(call, answer)
    if not _DOES_NOT_HOLD.search(answer.what):
        return ended, ""
    if _UNKNOWN_CA.search(answer.what):
        # Asking again would bring no other certificate.
        return dataclasses.replace(ended, ok=True, means="", next_step=""), answer.what
    return dataclasses.replace(
        ended,
        means=f"callers refuse the front door's certificate for {call.host}: it is for other names, or has ended; or "
        "Google has not got it yet",
        next_step="see front_door_certificates, and each one by gcloud compute ssl-certificates describe; "
        "one that Google manages comes some time after its name leads to the address",
    ), ""
