# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The traffic run: policies become objects of the clusters, step by step, so that no call is lost on the way."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t
from http import HTTPStatus

from ansible_collections.mesh.fleet.plugins.module_utils._kube.batch import all_of
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import recording
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import as_line
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels, owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.adopt import difference
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.generate import objects_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.hosts import hosts_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.kept import kept_in_words
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.lint_seen import lint_seen
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.notices import (
    of_complaints,
    of_primaries,
    of_unseen,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.others import (
    Other,
    others_of,
    refusal,
    wider_in_words,
    wider_of,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.paths import Paths
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.policy import Policy
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.rollout import (
    ROUTES,
    RULES,
    Held,
    Rollout,
    identity,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import TRAFFIC, Seen, is_stub, see
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.module_utils.results import UNCHANGED, Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.addresses import Allocated, allocated, forgotten
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.policies import refused
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.proxies import Proxies
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.reading import Live, read
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.recorded import as_everywhere, without_global_names

__all__ = ["TrafficRun"]

Object = dict[str, t.Any]

_TRIES = 3
"""How often an object that changes just then is read again before it is removed."""


class TrafficRun:
    """One run over a fleet. It reads every cluster, and writes those of the play.

    Args:
        fleet: the whole fleet.
        play: names of the clusters to write.
        policies: what is to hold, without problems (``policies.checked_policies``); objects of this ``part`` that they
            do not make are removed.
        part: whose objects these are, in the label ``mesh.fleet/part-of``: one run never touches those of another part.
        addresses: by global name its addresses; by default those of the fleet's record.
        leaves: whether the clusters leave, so that their copies of that record go too.
        peered: whether clusters that leave may be called by others still, so that what these need stays.
        adopt: whether VirtualServices and DestinationRules of others that say the same are taken over.
        dry_run: plan only.
        diff: whether changes show what they change.
        timeout: seconds for each wait until proxies have what was applied; 0 does not wait.
        say: shows a line of progress.
    """

    def __init__(
        self,
        fleet: Fleet,
        play: t.Sequence[str],
        policies: t.Sequence[Policy],
        *,
        part: str = TRAFFIC,
        addresses: t.Mapping[str, t.Sequence[str]] | None = None,
        leaves: bool = False,
        peered: bool = True,
        adopt: bool = False,
        dry_run: bool = False,
        diff: bool = True,
        timeout: float = 60,
        say: t.Callable[[str], None] = lambda line: None,
    ) -> None:
        self.fleet, self.policies, self.part = fleet, policies, part
        self.play = [name for name in play if name in fleet.clusters]
        self.dry_run, self.diff, self.timeout, self.say = dry_run, diff, timeout, say
        self.addresses, self.leaves, self.adopt = addresses, leaves, adopt
        self._uncalled = leaves and not peered
        self.changes: list[Change] = []
        self.warnings: list[str] = []
        self.failures: dict[str, list[FleetError]] = {}
        self.objects: dict[str, list[Object]] = {}
        """By cluster what the policies make there."""
        self._paths = Paths(fleet)
        self._owner = owner_labels(part, fleet.name)
        self._kubes: dict[str, Kube] = {}
        self._live: dict[str, Live] = {}
        self._adopted: dict[str, list[Other]] = {}
        """By cluster what others made, which says the same as ours and goes."""
        self._taken: set[str] = set()
        """The uids of what others made under names of ours, which says the same and becomes ours."""
        self._managers: set[str] = set()
        """Whose fields become ours with it."""
        self._stopped: set[str] = set()
        """Clusters in which a step failed: nothing more is done there."""
        self._rollout: Rollout
        self._proxies: Proxies
        self._ipv6: frozenset[str] = frozenset()
        self._without_address: set[str] = set()
        self._said: dict[str, str] = {}
        """By host its policies in words."""
        for policy in (named for one in policies for named in one.by_name()):
            said = self._said.get(policy.host)
            self._said[policy.host] = f"{said}; {policy.said}" if said else policy.said

    async def run(self) -> None:
        """Do it. What fails on one cluster is in ``failures``, and the others are finished.

        Raises FleetError if the policies do not fit what the clusters hold; then nothing was touched.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._read(stack)
            seen = self._checked()
            await self._give_addresses()
            self._make(seen)
            if self._adopted or not self._rollout.is_idle:
                await self._roll_out()
            if self.leaves:
                await self._forget_addresses()

    async def _roll_out(self) -> None:
        if self.dry_run:
            self._rollout.goes_well()
            await self._each(self._rollout.play, self._plan)
            self._say_kept()
            return
        self._proxies = Proxies(
            self.fleet,
            self._kubes,
            self._live,
            self._owner,
            self.timeout,
            leaves=self.leaves,
            uncalled=self._uncalled,
        )
        self.warnings += of_unseen(self._rollout, self._not_shown) if self.timeout else []
        await asyncio.gather(
            self._each(self._rollout.play, self._first), on_each(self._rollout.beside, self._have_rules)
        )
        await asyncio.gather(self._each(self._working, self._route), on_each(self._rollout.beside, self._have_routes))
        await self._each(self._working, self._last)
        self._say_kept()

    def _say_kept(self) -> None:
        for name in self._working:
            kept = self._rollout.kept(name)
            if kept:
                self.warnings.append(kept_in_words(name, kept, self.play, leaves=self.leaves))

    # -- reading ---------------------------------------------------------------------------------

    async def _read(self, stack: contextlib.AsyncExitStack) -> None:
        if self.policies:
            await self._read_clusters(stack, self.fleet.clusters, absent_ok=self.dry_run)
            return
        # Without policies there is nothing to compare, and a cluster that is gone has nothing left to remove.
        await self._read_clusters(stack, self.play, absent_ok=True)
        ours = any(self._is_ours(obj) for live in self._live.values() for obj in live.objects)
        if ours and not self._uncalled:
            # Routes of others may name what goes, also of those that only this machine does not know.
            others = [name for name in self.fleet.clusters if name not in self.play]
            await self._read_clusters(stack, others, absent_ok=self.dry_run)

    async def _read_clusters(
        self, stack: contextlib.AsyncExitStack, names: t.Iterable[str], *, absent_ok: bool
    ) -> None:
        kubes, failed = await connect_each(stack, [self.fleet.clusters[n] for n in names], absent_ok=absent_ok)
        namespaces = {policy.namespace for policy in self.policies}

        async def one(name: str) -> Live:
            api = control_plane_of(self.fleet, self.fleet.clusters[name]).istio_api()
            return await read(kubes[name], api, self._owner, namespaces)

        live, unread = await on_each(kubes, one)
        self._kubes |= kubes
        self._live |= live
        self._fail({name: error for name, error in {**failed, **unread}.items() if name in self.play})

    def _checked(self) -> Seen:
        # A cluster that does not exist yet holds nothing, and may hold anything when it does.
        record = recording()
        there = {name: live for name, live in self._live.items() if record or not self._kubes[name].absent}
        seen = see({name: live.apps for name, live in there.items()}, self.fleet.name, self.part)
        if record:
            seen = as_everywhere(record, self.policies, seen)
        findings = lint_seen(self.fleet, self.policies, seen)
        if findings.problems and not self.dry_run:
            raise refused(findings.problems)
        # In check mode the stages before this one may have planned what is missing.
        self.warnings += [as_line(one) for one in (*findings.problems, *findings.warnings)]
        return seen

    def _make(self, seen: Seen) -> None:
        made = objects_of(self.fleet, self.policies, seen, self.addresses, self._ipv6)
        record = recording()
        if record:
            made = {name: without_global_names(record, name, objects) for name, objects in made.items()}
        self.objects = {name: [self._labelled(obj) for obj in objects] for name, objects in made.items()}
        for name in self._live:
            self.objects[name] += self._of_unread(name, seen)
        self._rollout = Rollout(
            self._paths,
            self.objects,
            {name: live.objects for name, live in self._live.items()},
            self._is_ours,
            self.play,
            self._kept(),
            leaves=self._uncalled,
        )
        self.warnings += of_primaries(self._paths, self.play, self.policies)
        self._warn_of_wider()
        for name in self._live if self.policies else ():
            if name in self.play and self._not_shown[name]:
                self.warnings += of_complaints(name, self.objects[name], self._live[name].istio)

    def _of_unread(self, name: str, seen: Seen) -> list[Object]:
        """What is there for services that only a cluster which was not read may have: it stays as it is."""
        if set(self.fleet.clusters) <= set(seen):
            return []
        unknown = [
            named
            for policy in self.policies
            if not any(one.service(policy.name, policy.namespace) for one in seen.values())
            for named in policy.by_name()
        ]
        services = {("Service", policy.namespace, policy.name) for policy in unknown}
        hosts = {policy.host for policy in unknown}
        made = {identity(obj) for obj in self.objects[name]}
        return [
            obj
            for obj in self._live[name].objects
            if identity(obj) not in made
            and self._is_ours(obj)
            and (identity(obj) in services or (obj["kind"] == "ServiceEntry" and hosts & set(hosts_of(obj))))
        ]

    def _labelled(self, obj: Object) -> Object:
        meta = obj["metadata"]
        return {**obj, "metadata": {**meta, "labels": {**labels_of(obj), **self._owner}}}

    def _is_ours(self, obj: t.Mapping[str, t.Any]) -> bool:
        if obj.get("kind") == "Service":
            return is_stub(obj, self.fleet.name, self.part)
        return has_our_labels(obj, self.fleet.name, self.part) or obj["metadata"].get("uid") in self._taken

    def _kept(self) -> dict[str, set[str]]:
        """By cluster the hosts for which somebody else made something, or which have no address: all stays as it is."""
        kept = {name: set(self._without_address) for name in self._live}
        by_host: dict[str, dict[str, list[Other]]] = {}
        for name in self._live:
            live, root = self._live[name].istio, self._root(name)
            for other in others_of(self.objects[name], live, self._is_ours, root):
                by_host.setdefault(other.host, {}).setdefault(name, []).append(other)
        for host, by_cluster in by_host.items():
            said = self._differences(host, by_cluster) if self.adopt else {}
            same = self.adopt and not said
            for name, found in by_cluster.items():
                if name not in self.play:
                    kept[name].add(host)
                elif host in kept[name]:
                    continue  # ours do not come, and why was said
                elif same:
                    self._adopt(name, found)
                else:
                    kept[name].add(host)
                    policy, why = self._said.get(host, host), _said_in(name, said)
                    self._fail_all(name, (refusal(other, policy, name, why) for other in found))
        return kept

    @property
    def _not_shown(self) -> dict[str, str]:
        """By cluster why its control plane does not show what proxies have; "" where it does."""
        clusters = self.fleet.clusters
        return {name: control_plane_of(self.fleet, clusters[name]).not_shown for name in self.play}

    def _root(self, name: str) -> str:
        """The namespace whose DestinationRules Istio takes last."""
        return control_plane_of(self.fleet, self.fleet.clusters[name]).namespace

    def _warn_of_wider(self) -> None:
        for name in self.play:
            live, ours = self._live.get(name), self.objects.get(name)
            for one in wider_of(ours, live.istio, self._is_ours, self._root(name)) if live and ours else ():
                self.warnings.append(wider_in_words(one, ours or [], name, self._root(name)))

    def _differences(self, host: str, found: t.Mapping[str, t.Sequence[Other]]) -> dict[str, str]:
        """By cluster what others say differently of a host there."""
        going = {(name, identity(one.obj)) for name, others in found.items() if name in self.play for one in others}
        differences = {}
        for name, others in found.items():
            ours = [obj for obj in self.objects[name] if host in hosts_of(obj)]
            elsewhere = {
                other: [o for o in live.istio if not self._is_ours(o) and (other, identity(o)) not in going]
                for other, live in self._live.items()
                if other != name and name in self.play and self._paths.are_apart(name, other)
            }
            said = difference(host, ours, [one.obj for one in others], self._live[name].istio, elsewhere)
            if said:
                differences[name] = said
        return differences

    def _adopt(self, name: str, found: t.Sequence[Other]) -> None:
        """What has the name of one of ours becomes it; what has another name goes when ours is there."""
        for other in found:
            if other.by_name:
                self._taken.add(other.obj["metadata"]["uid"])
                self._managers |= {str(one.get("manager")) for one in other.obj["metadata"].get("managedFields") or []}
            else:
                self._adopted.setdefault(name, []).append(other)

    def _adoptable(self, name: str, kind: str, hosts: t.Container[str]) -> list[Object]:
        """Of what others made for hosts, what goes."""
        return [one.obj for one in self._adopted.get(name, ()) if one.obj["kind"] == kind and one.host in hosts]

    async def _give_addresses(self) -> None:
        """Addresses for all global names, before anything is made of them."""
        named = {one.host for policy in self.policies for one in policy.by_name() if one.is_global}
        entries = (obj for live in self._live.values() for obj in live.istio if obj["kind"] == "ServiceEntry")
        known = self.addresses is not None or recording() is not None
        if known or self.leaves or not (named or any(map(self._is_ours, entries))):
            return
        try:
            given = await allocated(
                self._kubes, self.fleet, named, part=self.part, dry_run=self.dry_run, diff=self.diff
            )
        except FleetError as error:
            given = Allocated(problems=[error])
        self.addresses, self._ipv6 = given.addresses, given.ipv6
        self._without_address = named - set(given.addresses)
        self.changes += given.changes
        self.warnings += given.warnings
        for name in self.play:
            self._fail_all(name, given.problems)
            if name in given.failed and name not in self.failures:
                self._fail({name: given.failed[name]})

    async def _forget_addresses(self) -> None:
        leaving = [name for name in self.play if name in self._live and name not in self._stopped]
        # A name that stays holds its address.
        leaving = [name for name in leaving if not self._rollout.keeps_names(name)]
        if not leaving:
            return
        try:
            left = await forgotten(
                self._kubes, self.fleet, leaving, part=self.part, dry_run=self.dry_run, diff=self.diff
            )
        except FleetError as error:
            # What was removed is to be reported all the same.
            left = Allocated(failed=dict.fromkeys(leaving, error))
        self.changes += left.changes
        self.warnings += left.warnings
        self._fail({name: error for name, error in left.failed.items() if name in leaving})

    # -- steps -----------------------------------------------------------------------------------

    @property
    def _working(self) -> list[str]:
        return [name for name in self._rollout.play if name not in self._stopped]

    async def _each(self, names: t.Iterable[str], step: t.Callable[[str], t.Awaitable[None]]) -> None:
        failed = (await on_each(names, step))[1]
        self._stopped |= set(failed)
        for name in failed:
            self._rollout.stopped(name)
        self._fail(failed)

    async def _plan(self, name: str) -> None:
        applied, gone = self._rollout.planned(name)
        kube = self._kubes[name]
        gone = [*gone, *(other.obj for other in self._adopted.get(name, ()))]
        self.changes += await kube.apply(applied, dry_run=True, diff=self.diff, take_over=sorted(self._managers))
        self.changes += await kube.remove(gone, dry_run=True, diff=self.diff)

    async def _first(self, name: str) -> None:
        applied = self._rollout.first(name)
        await self._apply(name, applied)
        await self._have_rules(name, {host for obj in applied if obj["kind"] == RULES for host in hosts_of(obj)})
        self._rollout.there(name)

    async def _have_rules(self, name: str, applied: t.Collection[str] = ()) -> None:
        """Wait for what was applied, and for what routes that come now name; those of other clusters too."""
        hosts = {host for host, _subset in self._rollout.expected(name)}
        try:
            await self._proxies.have_rules(name, self._rollout.rules(name, {*hosts, *applied}))
        except FleetError:
            self._rollout.not_there(name)
            raise

    async def _have_routes(self, name: str) -> None:
        """Wait until proxies of a cluster that is not written have its routes, and none to subsets that are to go."""
        await self._proxies.have_routes(name, self._rollout.standing(name), [], self._rollout.doubtful(name), {})
        self._rollout.asked(name)

    async def _route(self, name: str) -> None:
        ready, held = self._rollout.routes(name)
        self._fail_all(name, (self._waits(name, one) for one in held))
        away = self._rollout.away(name)
        coming = {host for obj in ready for host in hosts_of(obj)}
        hosts = {other.host for other in self._adopted.get(name, ())}
        theirs = self._adoptable(name, ROUTES, {h for h in hosts if h in coming or self._rollout.is_settled(name, h)})
        doubtful = self._rollout.doubtful(name) - {host for one in held for host in hosts_of(one.service)}
        if not (ready or away or theirs or doubtful):
            return
        before = await self._proxies.now(name)
        self._rollout.sending(name, ready)
        await self._apply(name, ready)
        await self._remove(name, away)
        await self._take(name, theirs)
        # Where theirs went, ours hold now, also those that an earlier run applied; and what that did not wait for.
        there = self._rollout.services(name, ({host for obj in theirs for host in hosts_of(obj)} | doubtful) - coming)
        gone = [*away, *theirs]
        await self._proxies.have_routes(name, [*ready, *there], gone, doubtful, before)
        self._rollout.routed(name, [*ready, *there], gone, doubtful)

    async def _last(self, name: str) -> None:
        applied, gone = self._rollout.last(name)
        hosts = {other.host for other in self._adopted.get(name, ())}
        theirs = self._adoptable(name, RULES, {host for host in hosts if self._rollout.is_settled(name, host)})
        theirs = [rule for rule in theirs if not self._is_needed(name, rule)]
        await self._apply(name, applied)
        await self._remove(name, gone)
        await self._take(name, theirs)
        await self._proxies.have_rules(name, applied, [*gone, *theirs])

    def _is_needed(self, name: str, rule: Object) -> bool:
        """Whether a rule of theirs must stay beside ours."""
        subsets = self._rollout.needed_of(name, rule)
        if subsets:
            meta = rule["metadata"]
            self.warnings.append(
                f"{name}: DestinationRule {meta['namespace']}/{meta['name']} stays beside ours, as routes of other "
                f"clusters may name its subsets {', '.join(subsets)}: run the traffic stage again for all"
            )
        return bool(subsets)

    async def _apply(self, name: str, objects: t.Sequence[Object]) -> None:
        if objects:
            taking = sorted(self._managers)
            self.changes += await self._kubes[name].apply(objects, diff=self.diff, take_over=taking)

    async def _remove(self, name: str, objects: t.Sequence[Object]) -> None:
        """Remove what is ours still; an app may have brought its own Service over one that a policy made."""
        kube = self._kubes[name]
        self.changes += await all_of(kube, [self._remove_ours(kube, obj) for obj in objects], "deleted")

    async def _remove_ours(self, kube: Kube, obj: Object) -> Change:
        api, kind, meta = str(obj["apiVersion"]), str(obj["kind"]), obj["metadata"]
        name, namespace = str(meta["name"]), str(meta.get("namespace") or "")
        left = _TRIES
        while True:
            try:
                return await kube.delete(api, kind, name, namespace, diff=self.diff, read=obj)
            except ApiError as error:
                left -= 1
                if error.status != HTTPStatus.CONFLICT or not left:
                    raise
            # It was changed since it was read, or is another one by now.
            live = await kube.get(api, kind, name, namespace)
            if live is None or not self._is_ours(live):
                return Change(kube.cluster, kind, name, UNCHANGED, namespace=namespace)
            obj = live

    async def _take(self, name: str, theirs: t.Iterable[Object]) -> None:
        """Remove what others made and ours replaces, as it was when both were compared."""
        for obj in theirs:
            meta = obj["metadata"]
            kube, where = self._kubes[name], (str(meta["name"]), str(meta.get("namespace") or ""))
            self.changes.append(
                await kube.delete(str(obj["apiVersion"]), str(obj["kind"]), *where, diff=self.diff, read=obj)
            )

    def _waits(self, cluster: str, held: Held) -> FleetError:
        host = next(iter(hosts_of(held.service)), "")
        meta = held.service["metadata"]
        others = ", ".join(held.clusters)
        return FleetError(
            f"{self._said.get(host, host)}: the new routes were not applied",
            cluster=cluster,
            obj=f"VirtualService {meta['namespace']}/{meta['name']}",
            seen=f"the subsets that they name are not there in {others}",
            means="calls that go there would fail; the routes are as they were",
            next_step=f"see what is wrong in {others}, then run the traffic stage again with --limit "
            f"{','.join(dict.fromkeys([cluster, *held.clusters]))}",
        )

    def _fail(self, failed: t.Mapping[str, FleetError]) -> None:
        for name, error in failed.items():
            self.failures.setdefault(name, []).append(error)

    def _fail_all(self, name: str, errors: t.Iterable[FleetError]) -> None:
        for error in errors:
            self._fail({name: error})


def _said_in(name: str, differences: t.Mapping[str, str]) -> str:
    """What is said differently in a cluster, or else in another one."""
    if name in differences or not differences:
        return differences.get(name, "")
    other, said = next(iter(differences.items()))
    return f"in {other}, {said}"
