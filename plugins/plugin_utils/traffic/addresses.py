# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses for names of the whole fleet, by a record of which each cluster with a control plane keeps a copy."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import functools
import random
import typing as t
import uuid

from ansible_collections.mesh.fleet.plugins.module_utils._kube.apply import FIELD_MANAGER
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.diffs import shown
from ansible_collections.mesh.fleet.plugins.module_utils._kube.discovery import KNOWN
from ansible_collections.mesh.fleet.plugins.module_utils._kube.waiting import NotInTime
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.addresses import (
    Decision,
    Held,
    Wish,
    decide,
    held_of,
    in_use,
    left_by,
    without,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.record import (
    NOTHING,
    Ballot,
    Record,
    Table,
    accepted,
    agreed,
    is_enough,
    keepers,
    latest,
    next_ballot,
    object_name,
    object_of,
    promised,
    read_record,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import TRAFFIC
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import CHANGED, CREATED, REMOVED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each

__all__ = ["Allocated", "allocated", "forgotten"]

Object = dict[str, t.Any]

_CONFIG_MAP = KNOWN["v1", "ConfigMap"]
_PATIENCE = (0.2, 1.0)
"""Seconds that another run gets to finish what it has begun: by chance, so that two runs do not meet again."""


@dataclasses.dataclass
class Allocated:
    """What came out for the names."""

    addresses: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """By name its addresses. A name without any must not be made: Istio would choose another in each cluster."""
    ipv6: frozenset[str] = frozenset()
    """The clusters whose control plane serves IPv6 too."""
    problems: list[FleetError] = dataclasses.field(default_factory=list)
    """Why names have no address."""
    warnings: list[str] = dataclasses.field(default_factory=list)
    changes: list[Change] = dataclasses.field(default_factory=list)
    failed: dict[str, FleetError] = dataclasses.field(default_factory=dict)
    """The clusters whose copy could not be read or written; a later run brings it up to date."""


async def allocated(
    kubes: t.Mapping[str, Kube],
    fleet: Fleet,
    names: t.Iterable[str],
    *,
    part: str = TRAFFIC,
    dry_run: bool = False,
    diff: bool = False,
    timeout: float = 60,
) -> Allocated:
    """Addresses for names, the same in every cluster, recorded before anything may use them.

    Args:
        kubes: clients that the caller has; the other clusters that keep the record are connected here.
        fleet: the fleet.
        names: all names that ``part`` uses. What it used before and does not name any more is free after a time.
        part: what uses them.
        dry_run: nothing is written, so a new address may be another in the end.
        diff: whether changes have texts.
        timeout: seconds for other runs to let this one write.
    """
    async with contextlib.AsyncExitStack() as stack:
        run = await _Run.begin(stack, kubes, fleet, dry_run=dry_run, diff=diff, timeout=timeout)
        return await run.allocate(tuple(sorted(set(names))), part)


async def forgotten(
    kubes: t.Mapping[str, Kube],
    fleet: Fleet,
    leaving: t.Collection[str],
    *,
    part: str = TRAFFIC,
    dry_run: bool = False,
    diff: bool = False,
    timeout: float = 60,
) -> Allocated:
    """Takes the record's copies out of clusters, once nothing of ``part`` is in them any more.

    Where all of the fleet's clusters leave, and no other part uses a name, nothing is left. Else the others' copies say
    that these clusters hold no address any more; the names stay theirs. One that does not exist has left.
    """
    async with contextlib.AsyncExitStack() as stack:
        run = await _Run.begin(stack, kubes, fleet, dry_run=dry_run, diff=diff, timeout=timeout)
        return await run.forget(leaving, part)


@dataclasses.dataclass
class _Copy:
    """What was read of one cluster."""

    live: Object | None
    record: Record
    held: list[Held]
    ipv6: bool
    used: dict[str, str]
    """Addresses of a cluster whose ranges the inventory does not say, with what they are."""


class _Run:
    """One run; its clients are of all clusters that keep a copy and answer."""

    def __init__(self, kubes: dict[str, Kube], fleet: Fleet, *, dry_run: bool, diff: bool, timeout: float) -> None:
        self._kubes, self._fleet = kubes, fleet
        self._dry_run, self._diff = dry_run, diff
        self._keepers = tuple(keepers(fleet))
        self._deadline = asyncio.get_running_loop().time() + timeout
        self._timeout = timeout
        self._id = uuid.uuid4().hex[:12]
        self._copies: dict[str, _Copy] = {}
        self._before: dict[str, Object | None] = {}
        self._absent: dict[str, FleetError] = {}
        self._out = Allocated()

    @classmethod
    async def begin(
        cls, stack: contextlib.AsyncExitStack, kubes: t.Mapping[str, Kube], fleet: Fleet, **options: t.Any
    ) -> t.Self:
        mine = {name: kubes[name] for name in keepers(fleet) if name in kubes}
        others = [fleet.clusters[name] for name in keepers(fleet) if name not in kubes]
        more, failed = await connect_each(stack, others, absent_ok=options["dry_run"])
        run = cls({**mine, **more}, fleet, **options)
        run._out.failed.update(failed)
        run._absent = {name: _absence(kube) for name, kube in mine.items() if kube.absent}
        if not run._dry_run:
            # Only this machine does not know it: it may hold any address.
            run._lose(run._absent)
        return run

    async def allocate(self, names: tuple[str, ...], part: str) -> Allocated:
        def change(table: Table) -> Decision:
            wish = self._wish(names, part)
            decision = decide(table, wish, [one for copy in self._copies.values() for one in copy.held])
            clashes = (in_use(name, copy.used, wish.ranges) for name, copy in self._copies.items())
            wrong = [error for error in clashes if error]
            return self._only_known(table, decision, wrong) if wrong else decision

        decision = await self._change(change, is_needed=bool(names))
        self._out.ipv6 = frozenset(name for name, copy in self._copies.items() if copy.ipv6)
        self._out.addresses = decision.addresses
        self._out.problems += decision.problems
        self._out.warnings += decision.warnings
        return self._out

    async def forget(self, leaving: t.Collection[str], part: str) -> Allocated:
        # What does not exist holds nothing, and who says that it leaves knows so.
        gone = {name for name in leaving if name in self._absent}
        for name in gone:
            self._out.failed.pop(name, None)
        await self._read()
        table = latest(copy.record for copy in self._copies.values())
        # Those that left before get no copy again, and decide nothing.
        left = {n for n, copy in self._copies.items() if copy.record == NOTHING and n not in table.members} | gone
        self._keepers = tuple(name for name in self._keepers if name not in left)
        for name in left:
            self._kubes.pop(name, None)
            self._copies.pop(name, None)
        if set(self._keepers) <= set(leaving):
            if not without(table, part).names:
                await self._remove(self._copies)
                return self._out
            await self._change(lambda table: Decision(left_by(without(table, part), leaving), {}), is_needed=False)
        else:
            decision = await self._change(lambda table: Decision(left_by(table, leaving), {}), is_needed=False)
            still = [name for name in leaving if name in decision.table.members]
            if still:
                self._out.warnings.append(self._not_forgotten(still))
        await self._remove([name for name in self._copies if name in leaving])
        return self._out

    def _wish(self, names: tuple[str, ...], part: str) -> Wish:
        v4, v6 = self._fleet.global_ranges
        now = max(
            (kube.transport.server_time() for kube in self._kubes.values() if not kube.absent),
            default=datetime.datetime.now(datetime.UTC),
        )
        with_ipv6 = any(copy.ipv6 for copy in self._copies.values())
        ranges = (v4, v6 if with_ipv6 else "")
        return Wish(self._fleet.name, names, part, ranges, self._keepers, frozenset(self._copies), now)

    # -- the record ----------------------------------------------------------------------------

    async def _change(self, change: t.Callable[[Table], Decision], *, is_needed: bool) -> Decision:
        """Change the record until all copies that answer say what ``change`` makes of it."""
        while True:
            await self._read()
            read = set(self._copies)
            records = {name: copy.record for name, copy in self._copies.items()}
            table = latest(records.values())
            decision = change(table)
            if not is_needed and all(record == NOTHING for record in records.values()) and not decision.table.names:
                return decision
            if not self._is_enough(table):
                return self._only_known(table, decision)
            if decision.table == table and agreed(records.values()):
                return decision
            if self._dry_run:
                self._note(decision.table)
                return decision
            ballot = next_ballot(records.values(), self._id)
            if not await self._write(functools.partial(promised, ballot=ballot), one_first=True):
                continue
            if set(self._copies) != read:
                # What was decided counts one as read that does not answer any more.
                continue
            # Each copy was replaced as it was read: what was decided of them still holds.
            accept = functools.partial(accepted, ballot=ballot, table=decision.table)
            if not await self._write(accept):
                continue
            if not self._is_enough(table):
                continue
            self._note(decision.table)
            return decision

    def _is_enough(self, table: Table) -> bool:
        return is_enough(self._copies, self._keepers, table.members)

    def _only_known(self, table: Table, decision: Decision, why: t.Sequence[FleetError] = ()) -> Decision:
        """What holds whatever other clusters say: the addresses by which clusters that answer know the names already.

        What only these copies say may be a try that never came to its end.
        """
        held = [one for copy in self._copies.values() for one in copy.held if one.part]
        known = {
            name: addresses
            for name, addresses in decision.addresses.items()
            if any(name in one.hosts and set(one.addresses) <= set(addresses) for one in held)
        }
        new = [name for name in decision.addresses if name not in known]
        problems = [*decision.problems, *(why if new else ())]
        if new and not why:
            silent = [name for name in self._keepers if name not in self._copies]
            more = f" and {len(new) - 1} more" if len(new) > 1 else ""
            problems.append(
                FleetError(
                    f"no address can be given to {new[0]}{more}",
                    seen=f"of {len(self._keepers)} clusters that keep the record of addresses, {', '.join(silent)} "
                    "did not answer",
                    means="a cluster that does not answer may hold the address already: more than half must say "
                    "that it is free. Names that have an address keep it",
                    next_step=f"start {', '.join(silent)}, or take it out of the inventory if it is gone for good; "
                    "then run again",
                )
            )
        return Decision(table, known, problems, decision.warnings)

    def _not_forgotten(self, clusters: t.Sequence[str]) -> str:
        silent = ", ".join(name for name in self._keepers if name not in self._copies)
        some = ", ".join(clusters)
        return (
            f"the record of addresses still says that {some} may hold some: {silent} did not answer, and more than "
            "half of the clusters that keep it must. Addresses of names that go are not free for others until "
            f"playbooks/teardown.yml has run again with --limit {','.join(clusters)}"
        )

    async def _read(self) -> None:
        done, failed = await on_each(self._kubes, self._read_one)
        self._copies = done
        self._lose(failed)
        for name, copy in done.items():
            self._before.setdefault(name, copy.live)

    def _lose(self, failed: t.Mapping[str, FleetError]) -> None:
        """Go on without clusters that failed: a later run repairs their copies."""
        self._out.failed.update(failed)
        for name in failed:
            self._kubes.pop(name, None)
            self._copies.pop(name, None)

    async def _read_one(self, cluster: str) -> _Copy:
        kube, plane = self._kubes[cluster], control_plane_of(self._fleet, self._fleet.clusters[cluster])
        live, entries, istiod, used = await asyncio.gather(
            kube.get("v1", "ConfigMap", object_name(self._fleet.name), plane.namespace),
            kube.list(plane.istio_api(), "ServiceEntry"),
            kube.get("apps/v1", "Deployment", istiod_name(self._fleet), plane.namespace),
            self._used(cluster, plane.namespace),
        )
        held = held_of(cluster, entries, self._fleet.name)
        return _Copy(live, read_record(live), held, plane.has_istiod and _serves_ipv6(istiod), used)

    async def _used(self, cluster: str, namespace: str) -> dict[str, str]:
        """Some addresses of a cluster whose ranges nobody said: one service, pods, and nodes."""
        known, kube = self._fleet.clusters[cluster], self._kubes[cluster]
        if known.pod_cidr and known.service_cidr:
            return {}
        service, pods = await asyncio.gather(
            kube.get("v1", "Service", "kubernetes", "default"), kube.list("v1", "Pod", namespace)
        )
        found = {
            str(one): "Service default/kubernetes"
            for one in ((service or {}).get("spec") or {}).get("clusterIPs") or []
        }
        for pod in pods:
            status, name = pod.get("status") or {}, pod["metadata"]["name"]
            found |= {str(one["ip"]): f"the node of Pod {namespace}/{name}" for one in status.get("hostIPs") or []}
            found |= {str(one["ip"]): f"Pod {namespace}/{name}" for one in status.get("podIPs") or []}
        return found

    async def _write(self, step: t.Callable[[Record], Record], *, one_first: bool = False) -> bool:
        """Take a step in all copies; False where another run was faster, which then got some time to finish.

        Args:
            step: the next state of a copy.
            one_first: take it in one cluster before the others: of several runs one gets on, and the others wait.
        """

        async def one(cluster: str) -> Object | None:
            copy = self._copies[cluster]
            return await self._put(cluster, copy.live, step(copy.record))

        names = list(self._copies)
        groups = [names[:1], names[1:]] if one_first else [names]
        for group in groups:
            done, failed = await on_each(group, one)
            self._lose(failed)
            slower = [name for name, live in done.items() if live is None]
            if slower:
                await self._other_run(slower[0])
                return False
            for name, live in done.items():
                self._copies[name] = dataclasses.replace(self._copies[name], live=live, record=read_record(live))
        return True

    async def _put(self, cluster: str, live: Object | None, record: Record) -> Object | None:
        """Replace a copy as it was read; None if it was changed since."""
        kube, plane = self._kubes[cluster], control_plane_of(self._fleet, self._fleet.clusters[cluster])
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
            await self._kubes[cluster].wait("v1", "ConfigMap", name, plane.namespace, until=_settled, timeout=seconds)

    # -- what is told --------------------------------------------------------------------------

    def _note(self, table: Table) -> None:
        """Report the copies that changed, or would."""
        for name in self._copies:
            before, namespace = self._before.get(name), self._namespace(name)
            if before is not None and read_record(before).table == table:
                continue
            after = object_of(Record(Ballot(), Ballot(), table), None, self._fleet.name, namespace)
            texts = (shown(before), shown(self._copies[name].live if not self._dry_run else after))
            self._out.changes.append(
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

    async def _remove(self, clusters: t.Iterable[str]) -> None:
        async def one(cluster: str) -> Change:
            name, namespace = object_name(self._fleet.name), self._namespace(cluster)
            return await self._kubes[cluster].delete(
                "v1", "ConfigMap", name, namespace, dry_run=self._dry_run, diff=self._diff
            )

        done, failed = await on_each(list(clusters), one)
        self._out.changes += [change for change in done.values() if change.action == REMOVED]
        self._out.failed.update(failed)


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
