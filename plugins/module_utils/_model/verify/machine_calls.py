# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of a front door on machines of the user's: what one that fails means there, and which files a machine has.

The user says where the machines are, so this machine has to reach them. Pods of the fleet need not: callers of a front
door are outside the mesh.
"""

from __future__ import annotations

import dataclasses

from ..multicluster.front_door_version import version_said
from .calls import Answer, Call
from .facts import FAILED, OK, SKIPPED, Check
from .name_calls import CONTROLLER, FRONT_DOOR, NOT_CALLED, REDIRECTS, NameCall, about_redirect, judge_name

__all__ = ["Machine", "judge_machine", "not_by_pods", "unreached", "version_check"]


@dataclasses.dataclass(frozen=True)
class Machine:
    """An address of ``front_door_addresses``.

    ``folder``: where the files are on this machine. ``blamed``: the clusters that a failure is told of. ``stale``:
    whether it is known to have other files.
    """

    address: str
    folder: str
    blamed: tuple[str, ...]
    stale: bool = False

    @property
    def copy(self) -> str:
        """How it gets the files."""
        return (
            f"copy {self.folder} to /etc/front-door of {self.address}: clusters.yaml, then the rest, each file by "
            "renaming, as rsync does; then verify again"
        )


def unreached(machine: Machine, port: int, seen: str) -> Check:
    """A machine of which this one gets no connection."""
    return Check(
        FRONT_DOOR,
        f"{machine.address} port {port}",
        FAILED,
        f"no connection: {seen}",
        machine.blamed,
        "Envoy does not run there, or has no listener at that port, or a firewall is between this machine and it",
        f"see Envoy's log on {machine.address} and its firewall, or correct front_door_addresses; then verify again",
    )


def version_check(machine: Machine, wanted: str, answer: Answer) -> Check:
    """Whether what answers at an address has loaded the files that are on this machine.

    Args:
        wanted: the version of these; "" where there are none.
        answer: to the question for the version.
    """
    has = version_said(answer.said)
    name = f"files of {machine.address}"
    if not wanted or not has:
        why = "the files are not on this machine" if has else f"it does not say a version ({_said(answer)})"
        return Check(FRONT_DOOR, name, SKIPPED, why, machine.blamed)
    if has == wanted:
        return Check(FRONT_DOOR, name, OK, f"version {has}, the current one", machine.blamed)
    seen = f"{machine.address} serves version {has}, the files are {wanted}"
    means = "its callers are led by what an earlier run wrote"
    return Check(FRONT_DOOR, name, FAILED, seen, machine.blamed, means, machine.copy)


def judge_machine(call: NameCall, answer: Answer, machine: Machine) -> Call:
    """The call as it ended, with what it means on a machine of the user's."""
    ended = judge_name(call, answer)
    if ended.ok:
        return ended
    wrong = None if machine.stale else about_redirect(call, answer)
    means, step = wrong[1:] if wrong else _cause(call, answer, machine)
    return dataclasses.replace(ended, means=means, next_step=step, blamed=machine.blamed)


def not_by_pods(call: NameCall, answer: Answer, machine: Machine) -> Check | None:
    """Says that pods of a cluster do not reach a machine; None where an answer came.

    A sidecar that lets nothing out of the mesh answers 502 itself, without a word.
    """
    if call.caller == CONTROLLER or (answer.status and not (answer.status == 502 and not answer.said)):
        return None
    seen = f"pods of {call.caller} do not reach it: {answer.what or f'status {answer.status}'}"
    return Check(NOT_CALLED, f"{call.caller} → {machine.address}", SKIPPED, seen, (call.caller,))


def _cause(call: NameCall, answer: Answer, machine: Machine) -> tuple[str, str]:
    if machine.stale:
        return f"{machine.address} has files of an earlier run, which may not have this route", machine.copy
    if answer.cluster:
        return (
            f"{machine.address} leads to {answer.cluster}, which has no ready pod of {call.service}, or is not one of "
            "the route's clusters",
            "run the front_door stage, then copy its files; if it goes on, look for routes of others at the gateways",
        )
    if answer.status == 404:
        return f"Envoy on {machine.address} has no route for it", machine.copy
    if answer.status == 503:
        return (
            f"no gateway is healthy for {call.service} by the checks of {machine.address}: it does not reach them, or "
            "the service answers its health check with another status than 200 to 399",
            f"let {machine.address} reach the addresses in {machine.folder}/clusters.yaml; see the pods of "
            f"{call.service}, and health in front_door_routes",
        )
    if answer.status:
        return f"{call.service} itself answers with an error", f"see the log of {call.service}"
    return (
        f"{machine.address} ends the connection, or shows a certificate that is not for this host or not a current one",
        f"{machine.copy}; keys belong to the user of Envoy",
    )


def _said(answer: Answer) -> str:
    if answer.status in REDIRECTS:
        return f"status {answer.status}: something before it redirects to HTTPS"
    return answer.what or f"status {answer.status}"
