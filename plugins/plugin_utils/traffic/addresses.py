# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses for names of the whole fleet, by a record of which each cluster with a control plane keeps a copy."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import typing as t
import uuid

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.addresses import (
    Decision,
    Wish,
    decide,
    in_use,
    left_by,
    without,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.record import (
    NOTHING,
    Table,
    accepted,
    agreed,
    is_enough,
    keepers,
    latest,
    next_ballot,
    promised,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import TRAFFIC
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.address_copies import NO_ENTRIES, Copies, Entries

__all__ = ["Allocated", "allocated", "forgotten"]


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
    kept: t.Iterable[str] = (),
    entries: Entries = NO_ENTRIES,
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
        kept: names that ``part`` may use where this run cannot see it: they keep the address that they have, if any.
        entries: by cluster all its ServiceEntries, as the caller has read them in this run. They are good for finding
            that nothing is to be done; before anything else is decided, all are read anew.
        part: what uses them.
        dry_run: nothing is written, so a new address may be another in the end.
        diff: whether changes have texts.
        timeout: seconds for other runs to let this one write.
    """
    async with contextlib.AsyncExitStack() as stack:
        copies = await Copies.connect(stack, kubes, fleet, dry_run=dry_run, diff=diff, timeout=timeout)
        return await _Run(copies, fleet, entries).allocate(tuple(sorted(set(names))), frozenset(kept), part)


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
        copies = await Copies.connect(stack, kubes, fleet, dry_run=dry_run, diff=diff, timeout=timeout)
        return await _Run(copies, fleet).forget(leaving, part)


class _Run:
    """One run over the copies."""

    def __init__(self, copies: Copies, fleet: Fleet, entries: Entries = NO_ENTRIES) -> None:
        self._copies, self._fleet, self._entries = copies, fleet, entries
        self._keepers = tuple(keepers(fleet))
        self._id = uuid.uuid4().hex[:12]
        self._out = Allocated(failed=copies.failed, changes=copies.changes)

    async def allocate(self, names: tuple[str, ...], kept: frozenset[str], part: str) -> Allocated:
        def change(table: Table) -> Decision:
            held = [one for copy in self._copies.found.values() for one in copy.held]
            known = {name for name, entry in table.names.items() if entry.addresses}.union(*(one.hosts for one in held))
            wish = self._wish(tuple(sorted({*names, *(kept & known)})), part)
            decision = decide(table, wish, held)
            clashes = (in_use(name, copy.used, wish.ranges) for name, copy in self._copies.found.items())
            wrong = [error for error in clashes if error]
            return self._only_known(table, decision, wrong) if wrong else decision

        decision = await self._change(change, is_needed=bool(names))
        self._out.ipv6 = frozenset(name for name, copy in self._copies.found.items() if copy.ipv6)
        self._out.addresses = decision.addresses
        self._out.problems += decision.problems
        self._out.warnings += decision.warnings
        return self._out

    async def forget(self, leaving: t.Collection[str], part: str) -> Allocated:
        # What does not exist holds nothing, and who says that it leaves knows so.
        gone = {name for name in leaving if name in self._copies.absent}
        for name in gone:
            self._out.failed.pop(name, None)
        await self._copies.read()
        table = latest(copy.record for copy in self._copies.found.values())
        # Those that left before get no copy again, and decide nothing.
        left = {n for n, copy in self._copies.found.items() if copy.record == NOTHING and n not in table.members} | gone
        self._keepers = tuple(name for name in self._keepers if name not in left)
        self._copies.drop(left)
        if set(self._keepers) <= set(leaving):
            if not without(table, part).names:
                await self._copies.remove(self._copies.found)
                return self._out
            await self._change(lambda table: Decision(left_by(without(table, part), leaving), {}), is_needed=False)
        else:
            decision = await self._change(lambda table: Decision(left_by(table, leaving), {}), is_needed=False)
            still = [name for name in leaving if name in decision.table.members]
            if still:
                self._out.warnings.append(self._not_forgotten(still))
        await self._copies.remove([name for name in self._copies.found if name in leaving])
        return self._out

    def _wish(self, names: tuple[str, ...], part: str) -> Wish:
        v4, v6 = self._fleet.global_ranges
        now = max(
            (kube.transport.server_time() for kube in self._copies.kubes.values() if not kube.absent),
            default=datetime.datetime.now(datetime.UTC),
        )
        with_ipv6 = any(copy.ipv6 for copy in self._copies.found.values())
        ranges = (v4, v6 if with_ipv6 else "")
        return Wish(self._fleet.name, names, part, ranges, self._keepers, frozenset(self._copies.found), now)

    # -- the record ----------------------------------------------------------------------------

    async def _change(self, change: t.Callable[[Table], Decision], *, is_needed: bool) -> Decision:
        """Change the record until all copies that answer say what ``change`` makes of it."""
        seen = self._entries
        while True:
            await self._copies.read(seen)
            read = set(self._copies.found)
            records = {name: copy.record for name, copy in self._copies.found.items()}
            table = latest(records.values())
            decision = change(table)
            is_done = decision.table == table and agreed(records.values())
            if seen and not (is_done and self._is_enough(table) and not decision.problems):
                # Another run may have applied names since they were read.
                seen = NO_ENTRIES
                continue
            if not is_needed and all(record == NOTHING for record in records.values()) and not decision.table.names:
                return decision
            if not self._is_enough(table):
                return self._only_known(table, decision)
            if is_done:
                return decision
            if self._copies.dry_run:
                self._copies.note(decision.table)
                return decision
            ballot = next_ballot(records.values(), self._id)
            if not await self._copies.write(functools.partial(promised, ballot=ballot), one_first=True):
                continue
            if set(self._copies.found) != read:
                # What was decided counts one as read that does not answer any more.
                continue
            # Each copy was replaced as it was read: what was decided of them still holds.
            accept = functools.partial(accepted, ballot=ballot, table=decision.table)
            if not await self._copies.write(accept):
                continue
            if not self._is_enough(table):
                continue
            self._copies.note(decision.table)
            return decision

    def _is_enough(self, table: Table) -> bool:
        return is_enough(self._copies.found, self._keepers, table.members)

    def _only_known(self, table: Table, decision: Decision, why: t.Sequence[FleetError] = ()) -> Decision:
        """What holds whatever other clusters say: the addresses by which clusters that answer know the names already.

        What only these copies say may be a try that never came to its end.
        """
        held = [one for copy in self._copies.found.values() for one in copy.held if one.part]
        known = {
            name: addresses
            for name, addresses in decision.addresses.items()
            if any(name in one.hosts and set(one.addresses) <= set(addresses) for one in held)
        }
        new = [name for name in decision.addresses if name not in known]
        problems = [*decision.problems, *(why if new else ())]
        if new and not why:
            silent = [name for name in self._keepers if name not in self._copies.found]
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
        silent = ", ".join(name for name in self._keepers if name not in self._copies.found)
        some = ", ".join(clusters)
        return (
            f"the record of addresses still says that {some} may hold some: {silent} did not answer, and more than "
            "half of the clusters that keep it must. Addresses of names that go are not free for others until "
            f"playbooks/teardown.yml has run again with --limit {','.join(clusters)}"
        )
