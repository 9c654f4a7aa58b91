# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The copies of the record of addresses: their clusters are connected, and each copy is read, replaced and removed."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import types
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.apply import FIELD_MANAGER
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import shown
from ansible_collections.mesh.fleet.plugins.module_utils._kube.discovery import KNOWN
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import LARGE_PAGE
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.addresses import Held, held_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.record import (
    Ballot,
    Record,
    Table,
    keepers,
    object_name,
    object_of,
    read_record,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, CREATED, REMOVED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each

__all__ = ["NO_ENTRIES", "Copies", "Copy", "Entries"]

Object = dict[str, t.Any]
Entries = t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]
"""ServiceEntries by cluster."""
NO_ENTRIES: Entries = types.MappingProxyType({})

_CONFIG_MAP = KNOWN["v1", "ConfigMap"]
_PATIENCE = (0.2, 1.0)
"""Seconds that another run gets to finish what it has begun: by chance, so that two runs do not meet again."""


@dataclasses.dataclass
class Copy:
    """What was read of one cluster."""

    live: Object | None
    record: Record
    held: list[Held]
    ipv6: bool
    used: dict[str, str]
    """Addresses of a cluster whose ranges the inventory does not say, with what they are."""


class Copies:
    """The clusters that keep a copy and answer; those that fail on the way are left out.

    Args:
        kubes: their clients.
        fleet: the fleet.
        dry_run: nothing is written.
        diff: whether changes have texts.
        timeout: seconds for other runs to let this one write.
    """

    def __init__(self, kubes: dict[str, Kube], fleet: Fleet, *, dry_run: bool, diff: bool, timeout: float) -> None:
        self.kubes, self._fleet = kubes, fleet
        self.dry_run, self._diff = dry_run, diff
        self._deadline = asyncio.get_running_loop().time() + timeout
        self._timeout = timeout
        self._before: dict[str, Object | None] = {}
        self.found: dict[str, Copy] = {}
        """By cluster its copy, as it was read or written last."""
        self.absent: dict[str, FleetError] = {}
        """The clusters that do not exist, as far as this machine knows."""
        self.failed: dict[str, FleetError] = {}
        """The clusters whose copy could not be read or written; a later run brings it up to date."""
        self.changes: list[Change] = []

    @classmethod
    async def connect(
        cls, stack: contextlib.AsyncExitStack, kubes: t.Mapping[str, Kube], fleet: Fleet, **options: t.Any
    ) -> t.Self:
        """Connect the clusters that keep a copy and for which the caller has no client.

        Args:
            stack: closes the clients in the end.
            kubes: clients that there are.
            fleet: the fleet.
            **options: of the class.
        """
        mine = {name: kubes[name] for name in keepers(fleet) if name in kubes}
        others = [fleet.clusters[name] for name in keepers(fleet) if name not in kubes]
        more, failed = await connect_each(stack, others, absent_ok=options["dry_run"])
        copies = cls({**mine, **more}, fleet, **options)
        copies.failed.update(failed)
        copies.absent = {name: _absence(kube) for name, kube in mine.items() if kube.absent}
        if not copies.dry_run:
            # Only this machine does not know it: it may hold any address.
            copies.lose(copies.absent)
        return copies

    def drop(self, clusters: t.Iterable[str]) -> None:
        """Go on without clusters that have nothing to do with the record any more."""
        for name in clusters:
            self.kubes.pop(name, None)
            self.found.pop(name, None)

    async def read(self, entries: Entries = NO_ENTRIES) -> None:
        """Read all copies anew, and ServiceEntries of the clusters that are not in ``entries``."""
        done, failed = await on_each(self.kubes, lambda cluster: self._read_one(cluster, entries.get(cluster)))
        self.found = done
        self.lose(failed)
        for name, copy in done.items():
            self._before.setdefault(name, copy.live)

    def lose(self, failed: t.Mapping[str, FleetError]) -> None:
        """Go on without clusters that failed: a later run repairs their copies."""
        self.failed.update(failed)
        self.drop(failed)

    async def _read_one(self, cluster: str, seen: t.Sequence[t.Mapping[str, t.Any]] | None) -> Copy:
        kube, plane = self.kubes[cluster], control_plane_of(self._fleet, self._fleet.clusters[cluster])

        async def entries() -> t.Sequence[t.Mapping[str, t.Any]]:
            return await kube.list(plane.istio_api(), "ServiceEntry", page=LARGE_PAGE) if seen is None else seen

        live, found, istiod, used = await asyncio.gather(
            kube.get("v1", "ConfigMap", object_name(self._fleet.name), plane.namespace),
            entries(),
            kube.get("apps/v1", "Deployment", istiod_name(self._fleet), plane.namespace),
            self._used(cluster, plane.namespace),
        )
        held = held_of(cluster, found, self._fleet.name)
        return Copy(live, read_record(live), held, plane.has_istiod and _serves_ipv6(istiod), used)

    async def _used(self, cluster: str, namespace: str) -> dict[str, str]:
        """Some addresses of a cluster: nodes, and where nobody said its ranges one service, and pods."""
        known, kube = self._fleet.clusters[cluster], self.kubes[cluster]
        if known.pod_cidr and known.service_cidr:
            return self._of_pods(await kube.list("v1", "Pod", namespace), namespace, nodes_only=True)
        service, pods = await asyncio.gather(
            kube.get("v1", "Service", "kubernetes", "default"), kube.list("v1", "Pod", namespace)
        )
        found = {
            str(one): "Service default/kubernetes"
            for one in ((service or {}).get("spec") or {}).get("clusterIPs") or []
        }
        return found | self._of_pods(pods, namespace)

    @staticmethod
    def _of_pods(pods: t.Iterable[Object], namespace: str, *, nodes_only: bool = False) -> dict[str, str]:
        """Addresses of pods and their nodes; a pod on the node's network has the node's."""
        found: dict[str, str] = {}
        for pod in pods:
            status, name = pod.get("status") or {}, pod["metadata"]["name"]
            if not nodes_only:
                found |= {str(one["ip"]): f"Pod {namespace}/{name}" for one in status.get("podIPs") or []}
            found |= {str(one["ip"]): f"the node of Pod {namespace}/{name}" for one in status.get("hostIPs") or []}
        return found

    async def write(self, step: t.Callable[[Record], Record], *, one_first: bool = False) -> bool:
        """Take a step in all copies; False where another run was faster, which then got some time to finish.

        Args:
            step: the next state of a copy.
            one_first: take it in one cluster before the others: of several runs one gets on, and the others wait.
        """

        async def one(cluster: str) -> Object | None:
            copy = self.found[cluster]
            return await self._put(cluster, copy.live, step(copy.record))

        names = list(self.found)
        groups = [names[:1], names[1:]] if one_first else [names]
        for group in groups:
            done, failed = await on_each(group, one)
            self.lose(failed)
            slower = [name for name, live in done.items() if live is None]
            if slower:
                await self._other_run(slower[0])
                return False
            for name, live in done.items():
                self.found[name] = dataclasses.replace(self.found[name], live=live, record=read_record(live))
        return True

    async def _put(self, cluster: str, live: Object | None, record: Record) -> Object | None:
        """Replace a copy as it was read; None if it was changed since."""
        kube, plane = self.kubes[cluster], control_plane_of(self._fleet, self._fleet.clusters[cluster])
        body = object_of(record, live, self._fleet.name, plane.namespace)
        name = str(body["metadata"]["name"])
        path = _CONFIG_MAP.path(plane.namespace, name if live else "")
        where = f"ConfigMap {plane.namespace}/{name}"
        try:
            answer: Object = await kube.transport.request(
                "PUT" if live else "POST",
                path,
                params={"fieldManager": FIELD_MANAGER},
                body=body,
                obj=where,
                action="write",
            )
        except ApiError as error:
            if error.status == 409 or (error.status == 404 and live):
                return None
            raise
        if answer.get("kind") != "ConfigMap":
            raise kube.strange(answer, where, "write")
        return answer

    async def _other_run(self, cluster: str) -> None:
        """Wait for another run to finish what it began in a cluster; it may have ended, so not for long.

        Raises:
            FleetError: other runs did not let this one write in its time.
        """
        plane = control_plane_of(self._fleet, self._fleet.clusters[cluster])
        name = object_name(self._fleet.name)
        left = self._deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise FleetError(
                "the record of addresses could not be written",
                cluster=cluster,
                obj=f"ConfigMap {plane.namespace}/{name}",
                seen=f"other runs changed it again and again for {self._timeout:g} s",
                means="several runs give addresses to names at this moment",
                next_step="run again when they are done",
            )
        seconds = min(left, random.uniform(*_PATIENCE))
        with contextlib.suppress(NotInTime):
            await self.kubes[cluster].wait("v1", "ConfigMap", name, plane.namespace, until=_settled, timeout=seconds)

    def note(self, table: Table) -> None:
        """Report the copies that changed, or would."""
        for name in self.found:
            before, namespace = self._before.get(name), self._namespace(name)
            if before is not None and read_record(before).table == table:
                continue
            after = object_of(Record(Ballot(), Ballot(), table), None, self._fleet.name, namespace)
            texts = (shown(before), shown(self.found[name].live if not self.dry_run else after))
            self.changes.append(
                Change(
                    cluster=name,
                    kind="ConfigMap",
                    name=object_name(self._fleet.name),
                    namespace=namespace,
                    action=CHANGED if before else CREATED,
                    before=texts[0] if self._diff else "",
                    after=texts[1] if self._diff else "",
                )
            )

    def _namespace(self, cluster: str) -> str:
        return control_plane_of(self._fleet, self._fleet.clusters[cluster]).namespace

    async def remove(self, clusters: t.Iterable[str]) -> None:
        """Remove the copies of clusters."""

        async def one(cluster: str) -> Change:
            name, namespace = object_name(self._fleet.name), self._namespace(cluster)
            return await self.kubes[cluster].delete(
                "v1", "ConfigMap", name, namespace, dry_run=self.dry_run, diff=self._diff
            )

        done, failed = await on_each(list(clusters), one)
        self.changes += [change for change in done.values() if change.action == REMOVED]
        self.failed.update(failed)


def _absence(kube: Kube) -> FleetError:
    return kube.absence or FleetError("it does not exist yet", cluster=kube.cluster)


def _settled(obj: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
    record = read_record(obj)
    return record.promised == record.accepted, f"a run has begun to change it ({record.promised})"


def _serves_ipv6(istiod: t.Mapping[str, t.Any] | None) -> bool:
    """Whether an istiod gives proxies addresses of both families."""
    spec = (((istiod or {}).get("spec") or {}).get("template") or {}).get("spec") or {}
    env = [one for container in spec.get("containers") or [] for one in container.get("env") or []]
    return any(one.get("name") == "ISTIO_DUAL_STACK" and str(one.get("value")).lower() == "true" for one in env)
