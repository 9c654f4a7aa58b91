# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Warning event about a multi-cluster ingress means, and what to do, by words of its message."""

from __future__ import annotations

import typing as t

__all__ = ["advice"]

_AGAIN = "; then run again"


class _Advice(t.NamedTuple):
    words: tuple[tuple[str, ...], ...]
    """In lower case: the message holds all words of one of these groups."""
    means: str
    next_step: str


_KNOWN = (
    _Advice(
        (("sslcertificate",), ("ssl certificate",), ("pre-shared",)),
        "a name in front_door_certificates is no certificate of the fleet project",
        "create that certificate there, or correct front_door_certificates",
    ),
    _Advice(
        (("quota",),),
        "a quota of the fleet project is used up",
        "ask Google for more, or remove what nobody needs",
    ),
    _Advice(
        (("error 403",), ("forbidden",), ("permission",)),
        "Google's controller lacks a role",
        "run the gke_fleet stage, which grants the roles of the feature",
    ),
    _Advice(
        (("member",), ("link",), ("unknown cluster",), ("cluster", "not registered")),
        "a cluster that a route leads to is no member of the Google fleet",
        "run the gke_fleet stage for it, or remove it from clusters in front_door_routes",
    ),
    _Advice(
        (("ipaddress",), ("static ip",), ("static-ip",), ("reserved",), ("address", "in use")),
        "front_door_address is no global address of the fleet project, or something else uses it",
        "set front_door_address to another name; it is reserved when it is not there",
    ),
    _Advice(
        (("multiclusterservice",), ("backend", "not found"), ("service", "not found"), ("no port",)),
        "Google does not find the backend of a route",
        "correct service and port in front_door_routes, or deploy the service",
    ),
)


def advice(message: str, *, serving: bool) -> tuple[str, str]:
    """What it means, and the next step.

    Args:
        message: of the event.
        serving: whether the ingress has an address, so that its last good configuration still answers.
    """
    said = message.lower()
    for known in _KNOWN:
        if any(all(word in said for word in group) for group in known.words):
            means, next_step = known.means, known.next_step
            break
    else:
        means, next_step = "Google does not accept the front door's configuration", "correct what the message names"
    return means + ("; the last good configuration still answers" if serving else ""), next_step + _AGAIN
