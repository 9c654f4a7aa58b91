# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a refusal of Google's means, and what to do, from the words that Google used."""

from __future__ import annotations

import typing as t

__all__ = ["advice"]

_AGAIN = "; then run again"


class _Advice(t.NamedTuple):
    words: tuple[tuple[str, ...], ...]
    """One group of which all are said, in lower case."""
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
        "ask Google for more of it, or remove what is not needed",
    ),
    _Advice(
        (("error 403",), ("forbidden",), ("permission",)),
        "Google's controller lacks a role",
        "run the gke_fleet stage, which grants the roles of the feature",
    ),
    _Advice(
        (("member",), ("link",), ("unknown cluster",), ("cluster", "not registered")),
        "a cluster that a route leads to is no member of the Google fleet",
        "run the gke_fleet stage for it, or take it out of clusters in front_door_routes",
    ),
    _Advice(
        (("ipaddress",), ("static ip",), ("static-ip",), ("reserved",), ("address", "in use")),
        "front_door_address is not reserved in the fleet project as a global address, or is in use elsewhere",
        "set front_door_address to another name; it is reserved when it is not there",
    ),
    _Advice(
        (("multiclusterservice",), ("backend", "not found"), ("service", "not found"), ("no port",)),
        "a route leads to a backend that Google does not find as it is written",
        "correct service and port in front_door_routes, or bring the service back",
    ),
)


def advice(message: str, *, serving: bool) -> tuple[str, str]:
    """(what it means, what to do next).

    Args:
        message: what Google said.
        serving: whether the door has an address, so that what was taken before still answers.
    """
    said = message.lower()
    for known in _KNOWN:
        if any(all(word in said for word in group) for group in known.words):
            means, next_step = known.means, known.next_step
            break
    else:
        means, next_step = "Google does not take the front door as it is written", "mend what Google names"
    return means + ("; what was taken before still answers" if serving else ""), next_step + _AGAIN
