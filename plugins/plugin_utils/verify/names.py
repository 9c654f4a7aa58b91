# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Call the front door's address and the names of exported services from each cluster, and see which cluster answers."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import pathlib
import time
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.exports import EXPORT_KIND, Export
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import LOCAL_SECONDS, FrontDoor
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_certificate import covered
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import API, INGRESS
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import (
    front_door_kind,
    provider_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import Port, ports_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Answer, Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import FAILED, SKIPPED, Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.name_calls import (
    CONTROLLER,
    NOT_CALLED,
    NameCall,
    Offered,
    called_host,
    door_calls,
    export_calls,
    judge_name,
    not_from_here,
    redirected,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import (
    CONTAINER,
    NAMESPACE,
    call_command,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.unexpected import as_problem
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_seen import GOOGLE, export_api
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.from_here import call_from_here
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.repeated import until_ok

__all__ = ["Names"]

_RETRY_SECONDS = 1.0
_SLICE = ("discovery.k8s.io/v1", "EndpointSlice")


class Names:
    """The calls of one run.

    Args:
        play: clusters of the play; only these call.
        kubes: clients of all clusters that answer.
        facts: with the probes' pods.
        exports: of the inventory.
        door: of the inventory; without routes there is none.
        timeout_ms: for one call.
        deadline: on the monotonic clock, when all calls of exported names must succeed.
        door_seconds: as long as the front door may take to answer.
        say: shows a line of progress.
    """

    def __init__(
        self,
        fleet: Fleet,
        play: t.Sequence[str],
        kubes: t.Mapping[str, Kube],
        facts: t.Mapping[str, Facts],
        exports: t.Sequence[Export],
        door: FrontDoor | None,
        *,
        timeout_ms: int,
        deadline: float,
        door_seconds: float,
        say: t.Callable[[str], None] = lambda line: None,
    ) -> None:
        self.fleet, self.kubes, self.facts = fleet, kubes, facts
        self.exports, self.door = exports, door if door and door.routes else None
        self.timeout_ms, self.deadline, self.door_seconds, self.say = timeout_ms, deadline, door_seconds, say
        asked = bool(self.exports or self.door)
        self.served = [n for n in kubes if asked and not (kubes[n].absent or facts[n].problem)]
        self._google = [n for n in self.served if provider_of(fleet.clusters[n]).multicluster]
        self._apis: dict[str, tuple[str, str]] = {}
        """By cluster the ``apiVersion`` of its exports, and who else makes its imports."""
        self.callers = [n for n in self.served if n in play and facts[n].probe]
        kinds = {n: provider_of(c).front_door for n, c in fleet.clusters.items()}
        self.door_by = front_door_kind(kinds.values())
        behind = [n for n in kubes if self.door_by and kinds[n] == self.door_by and self.door_by != "files"]
        self.behind = [n for n in behind if not (kubes[n].absent or facts[n].problem)]
        self.door_callers = [n for n in self.behind if n in play and facts[n].probe]
        self.trusted = ""
        """Certificates of a front door, as PEM: whoever issued them, it is that one which must answer."""
        self._redirects: dict[NameCall, Check | None] = {}
        """By call, what a redirect to HTTPS that answered it proves."""
        self.calls: list[Call] = []
        self.checks: list[Check] = []

    async def run(self) -> None:
        """Fill ``calls`` and ``checks``."""
        if self.served and self.exports:
            offered = await self._offered(self.served, sorted({(e.name, e.namespace) for e in self.exports}))
            by_mesh = [name for name, (_api, controller) in self._apis.items() if not controller]
            reads = {name: facts.reads_exports for name, facts in self.facts.items()}
            planned, skipped = export_calls(self.fleet, self.exports, offered, self.callers, by_mesh, reads)
            self.checks += skipped
            self.calls += await self._until_ok(planned, self.deadline)
        if self.behind and self.door:
            await self._call_door(self.door)
        elif self.door and self.door_by == "files" and not self.door.addresses:
            seen = "Envoy is on machines of yours: say in front_door_addresses where, and verify calls it"
            self.checks.append(Check(NOT_CALLED, self.door.name, SKIPPED, seen, ()))

    async def _call_door(self, door: FrontDoor) -> None:
        routed = sorted({(route.name, route.namespace) for route in door.routes})
        offered = await self._offered(self.behind, routed)
        local = self.door_by == "engine"
        folder = FrontDoorFolder(pathlib.Path(self.fleet.directory))
        address = self._local_address(door, folder) if local else await self._address(door)
        if not address:
            return
        certificates = folder.certificates() if local else []
        self.trusted = "".join(certificates)
        callers = [*self.door_callers, CONTROLLER]
        https = covered((called_host(route.host) for route in door.routes), certificates)
        planned = door_calls(self.fleet, door, address, offered, callers, by=self.door_by, https=https)
        seconds = min(self.door_seconds, LOCAL_SECONDS) if local else self.door_seconds
        made = await self._until_ok(planned, time.monotonic() + seconds)
        # Of a front door that this machine reaches, each route has to answer it.
        reached = local and any(call.caller == CONTROLLER and call.status for call in made)
        for plan, call in zip(planned, made, strict=True):
            here = call.caller == CONTROLLER
            told = self._redirects.get(plan) if call.ok else None
            if told:
                self.checks.append(told)
            elif here and not call.ok and not reached:
                self.checks.append(not_from_here(call))
            else:
                self.calls.append(dataclasses.replace(call, blamed=tuple(self.door_callers[:1])) if here else call)

    def _local_address(self, door: FrontDoor, folder: FrontDoorFolder) -> str:
        address = str(folder.read("address.json").get("address") or "")
        if not address:
            seen, means = "its container was never made", "nobody can call it"
            step = "run the front_door stage, then verify again"
            self.checks.append(Check("front door", door.name, FAILED, seen, tuple(self.door_callers[:1]), means, step))
        return address

    # -- what is called ------------------------------------------------------------------------

    async def _offered(self, clusters: t.Sequence[str], services: t.Sequence[tuple[str, str]]) -> dict[str, Offered]:
        """Where each service is exported, and where it has a ready pod."""
        names = {(export.name, export.namespace) for export in self.exports}

        async def look(cluster: str) -> dict[str, tuple[bool, bool, tuple[Port, ...]]]:
            kube = self.kubes[cluster]
            google = cluster in self._google
            api, _who = self._apis[cluster] = (EXPORT_KIND[0], GOOGLE) if google else await export_api(kube)
            found = await asyncio.gather(*(_look(kube, s, api if s in names else "") for s in services))
            return {f"{name}.{space}": it for (name, space), it in zip(services, found, strict=True)}

        read, failed = await on_each(clusters, look)
        for name, error in failed.items():
            step = error.next_step or "verify again"
            means = "what it exports and which pods are ready there is unknown"
            self.checks.append(Check("exported", name, FAILED, f"{error.what}: {error.seen}", (name,), means, step))
        return {
            service: Offered(
                tuple(n for n in read if read[n][service][0]),
                tuple(n for n in read if read[n][service][1]),
                next((read[n][service][2] for n in read if read[n][service][0] and read[n][service][2]), ()),
            )
            for service in (f"{name}.{space}" for name, space in services)
        }

    async def _address(self, door: FrontDoor) -> str:
        """The front door's address, from the cluster that holds it; "" where a check says why there is none."""

        async def look(name: str) -> tuple[bool, str]:
            live = await self.kubes[name].get(API, INGRESS, door.name, door.namespace)
            ours = live is not None and has_our_labels(live, self.fleet.name)
            return ours, str(((live or {}).get("status") or {}).get("VIP") or "") if ours else ""

        read, failed = await on_each(self.behind, look)
        address = next((vip for _ours, vip in read.values() if vip), "")
        holds = [name for name, (ours, _vip) in read.items() if ours and name in self.door_callers]
        if address:
            return address
        unread = [n for n, c in self.fleet.clusters.items() if provider_of(c).front_door == "google" and n not in read]
        if failed or unread:
            seen = f"{', '.join(unread)} could not be read"
            self.checks.append(Check(NOT_CALLED, door.name, SKIPPED, seen, ()))
            return ""
        self.checks.append(
            Check(
                "front door",
                door.name,
                FAILED,
                "its ingress has no address" if holds else "it is in no cluster",
                tuple(holds or self.door_callers[:1]),
                "nobody can call it: Google has not given it an address, or refuses something about it",
                "run the front_door stage, which waits for the address and shows what Google refuses",
            )
        )
        return ""

    # -- calls ---------------------------------------------------------------------------------

    async def _until_ok(self, planned: t.Sequence[NameCall], deadline: float) -> list[Call]:
        """The calls as they ended: names, endpoints and load balancers come some time after the objects."""

        async def judged(left: list[NameCall]) -> dict[NameCall, Call]:
            answers = await self._ask(left)
            self._redirects.update({call: redirected(call, answers[call]) for call in left})
            return {call: judge_name(call, answers[call]) for call in left}

        return await until_ok(
            planned,
            judged,
            deadline,
            what="names of services, until they answer",
            pause=_RETRY_SECONDS,
            # Whether this machine reaches the address, nobody promised.
            promised=lambda call: call.caller != CONTROLLER,
            first_failed=self._say_first,
        )

    def _say_first(self, call: Call) -> None:
        self.say(f"  waiting until {call.service} answers {call.caller}: {call.seen}")

    async def _ask(self, planned: t.Sequence[NameCall]) -> dict[NameCall, Answer]:
        """One command in each caller's probe for all its calls, in all callers at the same time."""
        by_caller: dict[str, list[NameCall]] = {}
        for call in planned:
            by_caller.setdefault(call.caller, []).append(call)
        found = await asyncio.gather(*(self._of_one(caller, calls) for caller, calls in by_caller.items()))
        return {call: answer for some in found for call, answer in some.items()}

    async def _of_one(self, caller: str, calls: t.Sequence[NameCall]) -> dict[NameCall, Answer]:
        if caller == CONTROLLER:
            here = (asyncio.to_thread(call_from_here, call, self.timeout_ms, self.trusted) for call in calls)
            made = await asyncio.gather(*here)
            return dict(zip(calls, made, strict=True))
        raw: dict[str, t.Any] = {}
        what = ""
        try:
            command = call_command([call.key for call in calls], self.timeout_ms, self.trusted)
            done = await self.kubes[caller].exec(NAMESPACE, self.facts[caller].probe, CONTAINER, command, timeout=60)
            raw = json.loads(done.stdout) if done.code == 0 else {}
            what = "" if raw else f"the program ended with {done.code}: {done.stderr.strip()[-200:]}"
        except FleetError as error:
            what = f"{error.what} {error.seen}".strip()
        except ValueError:
            what = "the pod's answer is not JSON"
        except Exception as error:  # noqa: BLE001 - a defect that one cluster met is told of its calls
            what = str(as_problem(error, caller))
        return {call: Answer.from_probe(raw.get(call.key), what) for call in calls}


async def _look(kube: Reader, service: tuple[str, str], api: str) -> tuple[bool, bool, tuple[Port, ...]]:
    """Whether a cluster has a ready pod of a service, whether it exports it, and the Service's ports."""
    name, space = service
    live, slices, export = await asyncio.gather(
        kube.get("v1", "Service", name, space),
        kube.list(*_SLICE, space, {"kubernetes.io/service-name": name}),
        kube.get(api, EXPORT_KIND[1], name, space) if api else _nothing(),
    )
    ready = any(
        (endpoint.get("conditions") or {}).get("ready", True)
        for piece in slices
        for endpoint in piece.get("endpoints") or []
    )
    return ready, export is not None, ports_of(live or {})


async def _nothing() -> None:
    return None
