# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until Google has reconciled the front door's ingress as it is now, or report why it does not."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import Waiter
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import FrontDoor
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.ingress_advice import advice
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress import (
    API,
    INGRESS,
    KINDS,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.multicluster_ingress_status import (
    IngressStatus,
    WarningEvent,
    ingress_status,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.events import EVENT_KIND

__all__ = ["IngressWait"]

Object = dict[str, t.Any]


class IngressWait:
    """One wait.

    Args:
        kube: client of the config cluster.
        door: what the user wants.
        owner: the labels of its objects.
        say: shows a line of progress.
        without: links of clusters of which Google's refusals do not count; by default every cluster counts.
    """

    def __init__(
        self,
        kube: Waiter,
        door: FrontDoor,
        owner: t.Mapping[str, str],
        say: t.Callable[[str], None],
        without: t.Collection[str] = (),
    ) -> None:
        self.kube, self.door, self.owner, self.say, self.without = kube, door, owner, say, without
        self.ingress: Object | None = None
        self.others: list[Object] = []
        self.events: list[Object] = []
        self.known: tuple[WarningEvent, ...] = ()
        """Refusals from before the wait."""
        self.apart: tuple[WarningEvent, ...] = ()
        """Those that do not count, as they were last."""
        self.shown = ""

    async def read(self, address: str, *, fresh: bool) -> IngressStatus:
        """Read the objects and their events; return their status at this moment."""
        ingress, *others = await asyncio.gather(
            self.kube.get(API, INGRESS, self.door.name, self.door.namespace),
            *(self.kube.list(*kind, self.door.namespace, self.owner) for kind in KINDS if kind[1] != INGRESS),
        )
        self.ingress = ingress if isinstance(ingress, dict) else None
        found = [obj for some in others if isinstance(some, list) for obj in some]
        self.others = [obj for obj in found if not obj["metadata"].get("deletionTimestamp")]
        with contextlib.suppress(FleetError):  # without the permission for events, less is known
            self.events = await self.kube.list(*EVENT_KIND, self.door.namespace)
        return self._status(address, fresh)

    def _status(self, address: str, fresh: bool) -> IngressStatus:
        status = ingress_status(
            self.ingress, self.others, self.events, address=address, fresh=fresh, without=self.without
        )
        self.apart = status.apart
        return status

    async def until_reconciled(self, address: str, *, fresh: bool, timeout: float) -> str:
        """Wait; return the address that serves what is wanted now.

        Args:
            address: the IP that it must be; "" for any.
            fresh: whether this run changed one of the objects.
            timeout: seconds.

        Raises FleetError with Google's refusals: after ``timeout``, or as soon as Google repeats one that will not
        pass by itself.
        """
        status = await self.read(address, fresh=fresh)
        if status.reconciled:
            return status.vip
        self.known = status.refusals
        what = "to apply the changed front door" if status.vip else "to give the front door its address"
        self.say(f"  {self.kube.cluster}: waiting for Google {what} (up to ten minutes)")
        self._show(status)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._follow(address, fresh, timeout)
        status = self._status(address, fresh)
        if status.reconciled:
            return status.vip
        raise self._error(status, timeout)

    async def _follow(self, address: str, fresh: bool, timeout: float) -> None:
        """Watch the ingress, and the namespace's events where the credentials may read them."""

        def settled() -> tuple[bool, str]:
            status = self._status(address, fresh)
            self._show(status)
            return status.reconciled or status.is_final(self.known), status.seen

        def ingress(live: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
            self.ingress = None if live is None else dict(live)
            return settled()

        def events(live: t.Sequence[Object]) -> tuple[bool, str]:
            self.events = list(live)
            return settled()

        namespace = self.door.namespace
        # The caller ends them, a little before their own time is over.
        limit = timeout + 5
        main = asyncio.create_task(
            self.kube.wait(API, INGRESS, self.door.name, namespace, until=ingress, timeout=limit)
        )
        beside = asyncio.create_task(self.kube.wait_list(*EVENT_KIND, namespace, until=events, timeout=limit))
        try:
            await asyncio.wait({main, beside}, return_when=asyncio.FIRST_COMPLETED)
            if not main.done() and beside.exception() is not None:
                await asyncio.wait({main})
            if main.done():
                main.result()
        finally:
            for task in (main, beside):
                task.cancel()
            await asyncio.gather(main, beside, return_exceptions=True)

    def _show(self, status: IngressStatus) -> None:
        """Show the last refusal during the wait, so that somebody may correct it at once."""
        for event in status.refusals[:1]:
            line = f"  {self.kube.cluster}: Google reports {event.reason}: {event.message}"
            if line != self.shown:
                self.shown = line
                self.say(line)

    def _error(self, status: IngressStatus, timeout: float) -> FleetError:
        ours = f"{INGRESS} {self.door.namespace}/{self.door.name}"
        if status.refusals:
            first = status.refusals[0]
            means, next_step = advice(first.message, serving=bool(status.vip))
            return FleetError(
                "the front door has no address: Google refuses it"
                if not status.vip
                else "Google refuses the front door's configuration",
                cluster=self.kube.cluster,
                obj=first.obj,
                seen=status.seen,
                means=means,
                next_step=next_step,
            )
        if not status.vip:
            return FleetError(
                f"the front door has no address after {timeout:g} s",
                cluster=self.kube.cluster,
                obj=ours,
                seen=status.seen,
                means="the first one takes Google up to ten minutes",
                next_step="look at the object's events, and run again",
            )
        return FleetError(
            f"Google has not applied the front door's change after {timeout:g} s",
            cluster=self.kube.cluster,
            obj=ours,
            seen=status.seen,
            means="Google reconciles it about every four minutes, and reports no problem; "
            "the last good configuration still answers",
            next_step="check that the feature multiclusteringress is active (gke_fleet stage); then run again",
        )
