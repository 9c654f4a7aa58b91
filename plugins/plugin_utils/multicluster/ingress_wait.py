# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until Google has taken the front door as it is now, or say why it does not."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import Door
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.ingress_advice import advice
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import (
    API,
    INGRESS,
    KINDS,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress_status import (
    Complaint,
    Verdict,
    complaints,
    judge,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["DoorWait", "said_of"]

Object = dict[str, t.Any]
_EVENT = ("v1", "Event")
_MOST = 3


class DoorWait:
    """One wait.

    Args:
        kube: client of the config cluster.
        door: what the user wants.
        owner: the labels of its objects.
        say: takes a line of progress.
    """

    def __init__(self, kube: Waiter, door: Door, owner: t.Mapping[str, str], say: t.Callable[[str], None]) -> None:
        self.kube, self.door, self.owner, self.say = kube, door, owner, say
        self.ingress: Object | None = None
        self.others: list[Object] = []
        self.events: list[Object] = []
        self.known: tuple[Complaint, ...] = ()
        """What Google had refused already when the wait began."""
        self.told = ""

    async def look(self, address: str, *, fresh: bool) -> Verdict:
        """How the door stands at this moment."""
        ingress, *others = await asyncio.gather(
            self.kube.get(API, INGRESS, self.door.name, self.door.namespace),
            *(self.kube.list(*kind, self.door.namespace, self.owner) for kind in KINDS if kind[1] != INGRESS),
        )
        self.ingress = ingress if isinstance(ingress, dict) else None
        self.others = [obj for some in others if isinstance(some, list) for obj in some]
        with contextlib.suppress(FleetError):  # who may not read events is told less, and later
            self.events = await self.kube.list(*_EVENT, self.door.namespace)
        return self._judge(address, fresh)

    def _judge(self, address: str, fresh: bool) -> Verdict:
        return judge(self.ingress, self.others, self.events, address=address, fresh=fresh)

    async def until_taken(self, address: str, *, fresh: bool, timeout: float) -> str:
        """The address that answers for what is wanted now.

        Args:
            address: the IP that it must be; "" for any.
            fresh: whether this run changed an object of the door.
            timeout: seconds.

        Raises FleetError with what Google said: after ``timeout``, or as soon as Google repeats a refusal that is
        no matter of the first minutes any more.
        """
        verdict = await self.look(address, fresh=fresh)
        if verdict.done:
            return verdict.vip
        self.known = verdict.refused
        what = "to take the changed front door" if verdict.vip else "to give the front door its address"
        self.say(f"  {self.kube.cluster}: waiting for Google {what} (up to ten minutes)")
        self._tell(verdict)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                verdict = await self._follow(address, fresh, timeout)
        verdict = self._judge(address, fresh)
        if verdict.done:
            return verdict.vip
        raise self._error(verdict, timeout)

    async def _follow(self, address: str, fresh: bool, timeout: float) -> Verdict:
        """Watch the ingress, and the namespace's Events as far as they may be read."""

        def settled() -> tuple[bool, str]:
            verdict = self._judge(address, fresh)
            self._tell(verdict)
            return verdict.done or verdict.lasting(self.known), verdict.seen

        def ingress(live: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
            self.ingress = None if live is None else dict(live)
            return settled()

        def events(live: t.Sequence[Object]) -> tuple[bool, str]:
            self.events = list(live)
            return settled()

        namespace = self.door.namespace
        # They end with the time of the caller, a little before their own.
        limit = timeout + 5
        main = asyncio.create_task(
            self.kube.wait(API, INGRESS, self.door.name, namespace, until=ingress, timeout=limit)
        )
        beside = asyncio.create_task(self.kube.wait_list(*_EVENT, namespace, until=events, timeout=limit))
        try:
            await asyncio.wait({main, beside}, return_when=asyncio.FIRST_COMPLETED)
            if not main.done() and beside.exception() is not None:
                await asyncio.wait({main})
            if main.done():
                main.result()
            return self._judge(address, fresh)
        finally:
            for task in (main, beside):
                task.cancel()
            await asyncio.gather(main, beside, return_exceptions=True)

    def _tell(self, verdict: Verdict) -> None:
        """The first refusal while it is waited for: whoever watches the run may mend it at once."""
        for complaint in verdict.refused[:1]:
            line = f"  {self.kube.cluster}: Google says {complaint.reason}: {complaint.message}"
            if line != self.told:
                self.told = line
                self.say(line)

    def _error(self, verdict: Verdict, timeout: float) -> FleetError:
        ours = f"{INGRESS} {self.door.namespace}/{self.door.name}"
        if verdict.refused:
            first = verdict.refused[0]
            means, next_step = advice(first.message, serving=bool(verdict.vip))
            return FleetError(
                "the front door has no address: Google refuses it"
                if not verdict.vip
                else "Google refuses the front door as it is now",
                cluster=self.kube.cluster,
                obj=first.obj,
                seen=verdict.seen,
                means=means,
                next_step=next_step,
            )
        if not verdict.vip:
            return FleetError(
                f"the front door has no address after {timeout:g} s",
                cluster=self.kube.cluster,
                obj=ours,
                seen=verdict.seen,
                means="the first one takes Google up to ten minutes",
                next_step="see the object's events; wait, and run again",
            )
        return FleetError(
            f"Google has not taken the front door after {timeout:g} s",
            cluster=self.kube.cluster,
            obj=ours,
            seen=verdict.seen,
            means="Google works on it about each four minutes, and says nothing against it; "
            "what was taken before still answers",
            next_step="see that the feature multiclusteringress is well (gke_fleet stage); then run again",
        )


async def said_of(kube: Reader, objects: t.Iterable[Object], namespace: str) -> list[str]:
    """Warnings about some objects, the last one first."""
    with contextlib.suppress(FleetError):
        events = await kube.list(*_EVENT, namespace)
        found = [complaint for obj in objects for complaint in complaints(obj, events)]
        found.sort(key=lambda complaint: complaint.at, reverse=True)
        return [f"{complaint.obj}: {complaint.text}" for complaint in found[:_MOST]]
    return []
