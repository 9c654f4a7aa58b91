# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Call a front door on machines of the user's, and see which files each of them has loaded."""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
import socket
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_certificate import covered
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import (
    version_in,
    version_said,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import front_door_kind, provider_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer, Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import FAILED, Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.machine_calls import (
    Machine,
    judge_machine,
    not_by_pods,
    unreached,
    version_check,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.name_calls import (
    CONTROLLER,
    FRONT_DOOR,
    NameCall,
    Offered,
    called_host,
    door_calls,
    redirected,
)
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_machines import HTTP_PORT, ask_versions
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.asking import Asked, ask_probes
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.from_here import call_from_here
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.front_door_https import is_ready
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.repeated import until_ok

__all__ = ["call_machines"]

_RETRY_SECONDS = 1.0
PORTS = {"http": HTTP_PORT, "https": 443}
"""At which Envoy listens there."""


async def call_machines(
    fleet: Fleet,
    door: FrontDoor | None,
    play: t.Sequence[str],
    kubes: t.Mapping[str, Kube],
    facts: t.Mapping[str, Facts],
    *,
    timeout_ms: int,
    deadline: float,
) -> tuple[list[Call], list[Check]]:
    """The calls as they ended, and checks of the machines. None without ``front_door_addresses``.

    Args:
        play: clusters of the play; only these call.
        kubes: clients of the clusters that answer.
        facts: with the probes' pods.
        timeout_ms: for one call.
        deadline: on the monotonic clock, when all calls must succeed.
    """
    kinds = {name: provider_of(cluster).front_door for name, cluster in fleet.clusters.items()}
    if not (door and door.routes and door.addresses) or front_door_kind(kinds.values()) != "files":
        return [], []
    run = _Machines(
        fleet,
        door,
        [n for n in kubes if kinds[n] == "files" and not (kubes[n].absent or facts[n].problem)],
        play,
        kubes,
        facts,
        timeout_ms,
    )
    await run.run(deadline)
    return run.calls, run.checks


class _Machines:
    """The calls of one run; arguments as :func:`call_machines`. ``behind``: the clusters that the door leads to."""

    def __init__(
        self,
        fleet: Fleet,
        door: FrontDoor,
        behind: t.Sequence[str],
        play: t.Sequence[str],
        kubes: t.Mapping[str, Kube],
        facts: t.Mapping[str, Facts],
        timeout_ms: int,
    ) -> None:
        self.fleet, self.door, self.behind, self.kubes, self.facts = fleet, door, behind, kubes, facts
        self.timeout_ms = timeout_ms
        self.callers = [n for n in behind if n in play and facts[n].probe]
        self.blamed = tuple([*(n for n in behind if n in play), *play][:1])
        self.folder = FrontDoorFolder(pathlib.Path(fleet.directory))
        self.certificates = self.folder.certificates()
        self.calls: list[Call] = []
        self.checks: list[Check] = []

    async def run(self, deadline: float) -> None:
        """Fill ``calls`` and ``checks``."""
        hosts = [called_host(route.host) for route in self.door.routes]
        https = covered(hosts, self.certificates)
        offered = await self._offered()
        machines: dict[NameCall, Machine] = {}
        for address in self.door.addresses:
            machine = Machine(address, str(self.folder.path), self.blamed)
            refused = await self._unreached(machine, ["http", *(["https"] if https else [])])
            if "http" not in refused:
                machine = await self._with_version(machine)
            for call in door_calls(
                self.fleet, self.door, address, offered, [*self.callers, CONTROLLER], by="files", https=https
            ):
                if call.caller != CONTROLLER or call.url.partition(":")[0] not in refused:
                    machines[call] = machine
        await self._call(machines, deadline)

    async def _unreached(self, machine: Machine, schemes: t.Iterable[str]) -> set[str]:
        """The schemes by whose port this machine gets no connection; a check says so of each."""
        found = set()
        for scheme in schemes:
            seen = await asyncio.to_thread(_connect, machine.address, PORTS[scheme], self.timeout_ms / 1000)
            if seen:
                found.add(scheme)
                self.checks.append(unreached(machine, PORTS[scheme], seen))
        return found

    async def _with_version(self, machine: Machine) -> Machine:
        """The machine, with what is known of its files; behind a name, of those of each."""
        answers = await ask_versions(machine.address, self.timeout_ms / 1000, PORTS["http"])
        wanted = version_in(self.folder.read("routes-http-any.yaml"))
        self.checks += [version_check(dataclasses.replace(machine, address=n), wanted, a) for n, a in answers.items()]
        has = {version_said(answer.said) for answer in answers.values()} - {"", wanted}
        return dataclasses.replace(machine, stale=bool(has and wanted))

    async def _offered(self) -> dict[str, Offered]:
        """Where each service has a ready pod."""
        services = sorted({(route.name, route.namespace) for route in self.door.routes})

        async def look(cluster: str) -> list[bool]:
            return list(await asyncio.gather(*(is_ready(self.kubes[cluster], *service) for service in services)))

        read, failed = await on_each(self.behind, look)
        for name, error in failed.items():
            step = error.next_step or "verify again"
            means = "which pods are ready there is unknown"
            self.checks.append(Check(FRONT_DOOR, name, FAILED, f"{error.what}: {error.seen}", (name,), means, step))
        return {
            f"{name}.{space}": Offered(tuple(n for n in read if read[n][number]))
            for number, (name, space) in enumerate(services)
        }

    async def _call(self, machines: t.Mapping[NameCall, Machine], deadline: float) -> None:
        not_called: dict[NameCall, Check] = {}
        redirects: dict[NameCall, Check | None] = {}

        async def judged(left: list[NameCall]) -> dict[NameCall, Call]:
            answers = await self._ask(left)
            for call in left:
                check = not_by_pods(call, answers[call], machines[call])
                if check:
                    not_called[call] = check
                else:
                    not_called.pop(call, None)
            redirects.update({call: redirected(call, answers[call]) for call in left})
            return {call: judge_machine(call, answers[call], machines[call]) for call in left}

        planned = list(machines)
        made = await until_ok(
            planned,
            judged,
            deadline,
            what="the front door on your machines, until it answers",
            pause=_RETRY_SECONDS,
            # Neither do pods have to reach it, nor do other files come by waiting.
            promised=lambda call: call not in not_called and not machines[call].stale,
        )
        # Once of each cluster and machine, however many the routes are.
        self.checks += {check.name: check for check in not_called.values()}.values()
        for call, ended in zip(planned, made, strict=True):
            if call in not_called:
                continue
            told = redirects[call] if ended.ok else None
            if told:
                self.checks.append(told)
            else:
                self.calls.append(ended)

    async def _ask(self, planned: t.Sequence[NameCall]) -> dict[NameCall, Answer]:
        here = [call for call in planned if call.caller == CONTROLLER]
        asked = {call: Asked(call.caller, call.key) for call in planned if call.caller != CONTROLLER}
        trusted = "".join(self.certificates)
        # What stands before machines may have a certificate of its own.
        calls = (asyncio.to_thread(call_from_here, call, self.timeout_ms, trusted, public=True) for call in here)
        answers, made = await asyncio.gather(
            ask_probes(list(asked.values()), self.kubes, self.facts, self.timeout_ms), asyncio.gather(*calls)
        )
        return {**{call: answers[one] for call, one in asked.items()}, **dict(zip(here, made, strict=True))}


def _connect(address: str, port: int, seconds: float) -> str:
    """Why no connection comes about; "" where one does."""
    try:
        with socket.create_connection((address, port), seconds):
            return ""
    except TimeoutError:
        return f"no answer in {seconds:g} s"
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
