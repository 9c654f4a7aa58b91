# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The order in which clusters get the objects of policies, so that no call meets a route to a subset that is not there.

In every cluster subsets come before the routes that name them, and go after these. A call to another network passes a
gateway there, which has a way for each subset that its own control plane knows. So a route also waits for the subset in
the clusters whose gateways the calls pass, and these keep a subset for as long as a route elsewhere may name it.

The same holds of a ServiceEntry: a gateway knows the way to a global name by it, for as long as another cluster has the
name.

What a step did to a cluster is told by :meth:`Rollout.there`, :meth:`Rollout.routed`, :meth:`Rollout.stopped`; what is
not told did not happen.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from .hosts import Named, hosts_of, named_by, subsets_of
from .paths import Paths
from .policy import CLUSTER_LABEL

__all__ = ["ENTRIES", "ROUTES", "RULES", "Held", "Kept", "Rollout", "differs", "identity"]

Object = dict[str, t.Any]
Key = tuple[str, str, str]
"""Kind, namespace, name."""

ROUTES, RULES, ENTRIES = "VirtualService", "DestinationRule", "ServiceEntry"


def identity(obj: t.Mapping[str, t.Any]) -> Key:
    """What an object is, whatever its version."""
    meta = obj["metadata"]
    return str(obj["kind"]), str(meta.get("namespace") or ""), str(meta["name"])


def differs(live: t.Mapping[str, t.Any] | None, wanted: t.Mapping[str, t.Any]) -> bool:
    """Whether an object must be applied: it is not there, or does not say what is wanted, or says more."""
    if live is None:
        return True
    for part in ("labels", "annotations"):
        if not _covers(live["metadata"].get(part) or {}, wanted["metadata"].get(part) or {}):
            return True
    here, there = wanted.get("spec"), live.get("spec")
    # A Service has fields that the API server sets; the others have what was applied.
    return not _covers(there, here) if wanted["kind"] == "Service" else here != there


def _covers(live: t.Any, wanted: t.Any) -> bool:
    if isinstance(wanted, t.Mapping) and isinstance(live, t.Mapping):
        return all(key in live and _covers(live[key], value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(live, list):
        return len(live) == len(wanted) and all(map(_covers, live, wanted))
    return bool(live == wanted)


@dataclasses.dataclass(frozen=True)
class Held:
    """A VirtualService that must wait, and the clusters that do not have all subsets that it names."""

    service: Object
    clusters: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Kept:
    """What no policy wants in a cluster any more, and stays for the sake of others."""

    named: tuple[Named, ...]
    """Subsets; "" for a global name as a whole."""
    used: tuple[str, ...]
    """The clusters that were read and may call them."""
    unread: tuple[str, ...]
    """The clusters of which nobody knows it, as they were not read."""


class Rollout:
    """Decides each step of a run over a fleet.

    Args:
        paths: answers about the fleet.
        wanted: by cluster its objects, with our labels.
        live: by cluster that was read its VirtualServices and DestinationRules, and what else is ours.
        is_ours: whether a live object is this run's to change and to remove.
        play: the clusters that are written.
        kept: hosts by cluster whose objects stay as they are.
        leaves: whether the clusters have left the mesh: nobody calls anything through their gateways any more.
    """

    def __init__(
        self,
        paths: Paths,
        wanted: t.Mapping[str, t.Iterable[Object]],
        live: t.Mapping[str, t.Iterable[Object]],
        is_ours: t.Callable[[Object], bool],
        play: t.Collection[str],
        kept: t.Mapping[str, t.Collection[str]] | None = None,
        *,
        leaves: bool = False,
    ) -> None:
        self._paths, self._leaves = paths, leaves
        self._kept = kept or {}
        self._every = {name: list(objects) for name, objects in wanted.items()}
        self._wanted = {
            name: {identity(obj): obj for obj in objects if not self._stays(name, obj)}
            for name, objects in self._every.items()
        }
        self._live = {name: {identity(obj): obj for obj in objects} for name, objects in live.items()}
        self._ours = {
            name: {key: obj for key, obj in objects.items() if is_ours(obj) and not self._stays(name, obj)}
            for name, objects in self._live.items()
        }
        self._play = [name for name in play if name in self._live]
        self._there = {name: self._subsets(objects.values()) for name, objects in self._live.items()}
        """By cluster the subsets that proxies have, as far as it is known."""
        self._named = {
            name: {key: named_by(obj) for key, obj in objects.items() if obj["kind"] == ROUTES}
            for name, objects in self._live.items()
        }
        """By cluster and VirtualService the subsets that proxies may call."""
        self._networks = {
            name: frozenset(paths.fleet.clusters[one].network for one in served)
            for name, served in paths.served.items()
        }
        self._meant = self._clusters_meant()
        self._doubtful = self._doubt()
        """By cluster the hosts of whose routes proxies may have an older state."""
        self._stopped: set[str] = set()
        self._going: dict[str, set[str]] = {}
        self._settled = {
            (name, key)
            for name, objects in self._wanted.items()
            for key, obj in objects.items()
            if key[0] == ROUTES
            and name in self._ours
            and not differs(self._ours[name].get(key), obj)
            and not set(hosts_of(obj)) & self._doubtful.get(name, set())
        }
        """The VirtualServices, with their clusters, that proxies have as they are wanted: all that they need is wanted
        too."""

    def _stays(self, cluster: str, obj: Object) -> bool:
        return bool(set(hosts_of(obj)) & set(self._kept.get(cluster, ())))

    @staticmethod
    def _subsets(objects: t.Iterable[Object]) -> set[Named]:
        return {
            (host, name)
            for obj in objects
            if obj["kind"] == RULES
            for host in hosts_of(obj)
            for name in ("", *subsets_of(obj))
        }

    @property
    def play(self) -> list[str]:
        """The clusters that were read and are written."""
        return list(self._play)

    @property
    def beside(self) -> list[str]:
        """The clusters that were read and are not written."""
        return [name for name in self._live if name not in self._play]

    def _clusters_meant(self) -> dict[Named, str]:
        """By subset the cluster whose pods it is; "" for those of any, and where it has meant several."""
        found: dict[Named, str] = {}
        for obj in itertools.chain(*self._every.values(), *(own.values() for own in self._ours.values())):
            if obj["kind"] == RULES:
                (host,) = hosts_of(obj)
                for name, subset in subsets_of(obj).items():
                    cluster = (subset.get("labels") or {}).get(CLUSTER_LABEL, "")
                    if found.setdefault((host, name), cluster) != cluster:
                        found[host, name] = ""
        return found

    def _doubt(self) -> dict[str, set[str]]:
        """Where a subset is still there that nobody wants, an earlier run ended before the proxies had its routes, or
        these change in this one. So their proxies may have routes to it that no object has any more."""
        doubtful: dict[str, set[str]] = {}
        for name, objects in self._ours.items():
            left = self._subsets(objects.values()) - self._subsets(self._wanted.get(name, {}).values())
            for caller in self._networks if left and not self._leaves else ():
                here, there = self._networks[caller], self._networks.get(name, frozenset())
                old = left if caller == name or len(here | there) > 1 else set()
                for host, subset in old if caller in self._named else ():
                    if subset:
                        if host not in self._kept.get(caller, ()):  # else its routes are not ours
                            doubtful.setdefault(caller, set()).add(host)
                        key = (ROUTES, "", host)  # the name of no object
                        named = self._named[caller].get(key, frozenset())
                        self._named[caller][key] = named | {(host, subset)}
        return doubtful

    def _pass(self, caller: str, callee: str, named: t.Iterable[Named]) -> set[Named]:
        """Of subsets that routes in ``caller`` name, those whose calls may pass a gateway that ``callee``'s istiod
        configures; all of them where both are the same."""
        if caller == callee:
            return set(named)
        here, there = self._networks.get(caller, frozenset()), self._networks.get(callee, frozenset())
        if len(here | there) < 2:
            return set()
        callers = frozenset(self._paths.served.get(caller, ()))
        clusters = self._paths.fleet.clusters
        return {
            one
            for one in named
            for meant in (self._meant.get(one, ""),)
            for network in there
            if self._paths.crosses(callers, network, meant if meant in clusters else "")
        }

    # -- first: all that must be there before a route --------------------------------------------

    def first(self, cluster: str) -> list[Object]:
        """What is applied before any route: Services, ServiceEntries, and DestinationRules with old and new subsets."""
        found = []
        for key, obj in self._wanted.get(cluster, {}).items():
            if key[0] == ROUTES:
                continue
            live = self._ours[cluster].get(key)
            both = _union(obj, live) if key[0] == RULES else obj
            if differs(live, both):
                found.append(both)
        return found

    def coming(self, cluster: str) -> set[Named]:
        """Of :meth:`expected`, the subsets that were not there before the run; ask before it begins."""
        return self.expected(cluster) - self._there[cluster]

    def rules(self, cluster: str, hosts: t.Collection[str]) -> list[Object]:
        """The DestinationRules that a cluster is to have for some hosts."""
        wanted = self._wanted.get(cluster, {}).values()
        return [obj for obj in wanted if obj["kind"] == RULES and set(hosts_of(obj)) & set(hosts)]

    def there(self, cluster: str) -> None:
        """Tell that :meth:`first` was applied in a cluster, and that its proxies have it."""
        self._there[cluster] |= self._subsets(self._wanted.get(cluster, {}).values())

    def not_there(self, cluster: str) -> None:
        """Tell that it is not known whether a cluster's proxies have what the routes that change may name."""
        self._there[cluster] -= self.expected(cluster)

    def expected(self, cluster: str) -> set[Named]:
        """The subsets that proxies of a cluster's control plane must have before the routes that change may name them:
        routes of its own, and those of others whose calls pass its gateways."""
        wanted = self._subsets(self._wanted.get(cluster, {}).values())
        named: set[Named] = set()
        for other in self._play:
            for service in self._changing(other):
                named |= self._pass(other, cluster, named_by(service))
        return {(host, name) for host, name in wanted & named if name}

    # -- routes ---------------------------------------------------------------------------------------

    def _changing(self, cluster: str) -> list[Object]:
        return [
            obj
            for key, obj in self._wanted.get(cluster, {}).items()
            if key[0] == ROUTES and differs(self._ours[cluster].get(key), obj)
        ]

    def routes(self, cluster: str) -> tuple[list[Object], list[Held]]:
        """The VirtualServices to apply now, and those that must wait."""
        ready, held = [], []
        for service in self._changing(cluster):
            lacking = self._lacking(cluster, service)
            if lacking:
                held.append(Held(service, lacking))
            else:
                ready.append(service)
        return ready, held

    def _lacking(self, cluster: str, service: Object) -> tuple[str, ...]:
        named = {(host, name) for host, name in named_by(service) if name}
        found = []
        for other, objects in self._every.items():
            needed = self._pass(cluster, other, named) & self._subsets(objects)
            if needed - self._there.get(other, set()):
                found.append(other)
        return tuple(found)

    def doubtful(self, cluster: str) -> set[str]:
        """Hosts of whose routes proxies may have an older state: they are to be asked, also without a change."""
        return set(self._doubtful.get(cluster, ()))

    def away(self, cluster: str) -> list[Object]:
        """The VirtualServices of ours that go: no policy wants them any more."""
        wanted = self._wanted.get(cluster, {})
        return [obj for key, obj in self._ours[cluster].items() if key[0] == ROUTES and key not in wanted]

    def sending(self, cluster: str, services: t.Iterable[Object]) -> None:
        """Tell that VirtualServices are applied now: from here on proxies may call what they name."""
        for service in services:
            named = self._named[cluster].setdefault(identity(service), frozenset())
            self._named[cluster][identity(service)] = named | named_by(service)

    def routed(
        self, cluster: str, services: t.Sequence[Object], away: t.Sequence[Object], hosts: t.Iterable[str] = ()
    ) -> None:
        """Tell that proxies have these VirtualServices as they are now, no more those that went, and no older routes of
        these hosts."""
        for host in {*hosts, *(host for obj in (*services, *away) for host in hosts_of(obj))}:
            self._named[cluster].pop((ROUTES, "", host), None)
        for service in services:
            self._named[cluster][identity(service)] = named_by(service)
            self._settled.add((cluster, identity(service)))
        for service in away:
            self._named[cluster].pop(identity(service), None)

    def asked(self, cluster: str) -> None:
        """Tell that proxies of a cluster that is not written have the routes that are there, and no older ones."""
        for host in self._doubtful.get(cluster, ()):
            self._named[cluster].pop((ROUTES, "", host), None)

    def standing(self, cluster: str) -> list[Object]:
        """Of a cluster that is not written, our VirtualServices for the hosts in doubt."""
        doubtful = self._doubtful.get(cluster, set())
        ours = self._ours[cluster].values()
        return [obj for obj in ours if obj["kind"] == ROUTES and set(hosts_of(obj)) & doubtful]

    def is_settled(self, cluster: str, host: str) -> bool:
        """Whether proxies have the routes of a host as they are wanted there, or none are wanted."""
        return all((cluster, identity(obj)) in self._settled for obj in self.services(cluster, [host]))

    def services(self, cluster: str, hosts: t.Collection[str]) -> list[Object]:
        """The VirtualServices that a cluster is to have for some hosts."""
        wanted = self._wanted.get(cluster, {}).values()
        return [obj for obj in wanted if obj["kind"] == ROUTES and set(hosts_of(obj)) & set(hosts)]

    # -- last: what no route needs any more ----------------------------------------------------------

    def stopped(self, cluster: str) -> None:
        """Tell that a step failed in a cluster: what it has stays."""
        self._stopped.add(cluster)

    def _used_by(self, other: str, cluster: str) -> set[Named]:
        """What proxies of ``other`` may ask the control plane of ``cluster`` for: subsets, and with "" global names."""
        found: set[Named] = set()
        for key, named in self._named.get(other, {}).items():
            if (other, key) not in self._settled:
                found |= self._pass(other, cluster, named)
        names = self._going_names(cluster) if other != cluster else set()
        if names:
            found |= self._pass(other, cluster, {(host, "") for host in names & self._staying_names(other)})
        return found

    def _going_names(self, cluster: str) -> set[str]:
        """The hosts of ServiceEntries of ours that nobody wants in a cluster any more."""
        if cluster not in self._going:
            wanted, ours = self._wanted.get(cluster, {}), self._ours.get(cluster, {}).items()
            entries = [obj for key, obj in ours if key[0] == ENTRIES and key not in wanted]
            self._going[cluster] = {host for obj in entries for host in hosts_of(obj)}
        return self._going[cluster]

    def _staying_names(self, cluster: str) -> set[str]:
        """The hosts of all ServiceEntries that stay in a cluster for now."""
        entries = [obj for key, obj in self._live.get(cluster, {}).items() if key[0] == ENTRIES]
        found = {host for obj in entries for host in hosts_of(obj)}
        writes = cluster in self._play and cluster not in self._stopped
        return found - self._going_names(cluster) if writes else found

    def _needed(self, cluster: str) -> tuple[set[Named], bool]:
        """What proxies may ask this cluster's control plane for, and whether all of it is known."""
        users = [cluster] if self._leaves else self._paths.served
        named = set[Named]().union(*(self._used_by(other, cluster) for other in users))
        return named, not self.waiting(cluster)

    def last(self, cluster: str) -> tuple[list[Object], list[Object]]:
        """The DestinationRules to apply without subsets that nobody needs, and all that goes."""
        return self._end(cluster, *self._needed(cluster))

    def _end(self, cluster: str, needed: set[Named], known: bool) -> tuple[list[Object], list[Object]]:
        wanted, applied, gone = self._wanted.get(cluster, {}), [], []
        for key, obj in wanted.items():
            if key[0] == RULES:
                live = self._ours[cluster].get(key)
                final = _union(obj, live, needed if known else None)
                if live is not None and differs(_union(obj, live), final):
                    applied.append(final)
        for key, obj in self._ours[cluster].items():
            if key in wanted or key[0] == ROUTES:
                continue
            rest = self._rest(cluster, obj, needed if known else None)
            if rest is None:
                gone.append(obj)
            elif differs(obj, rest):
                applied.append(rest)
        return applied, gone

    def _rest(self, cluster: str, obj: Object, needed: set[Named] | None) -> Object | None:
        """What must stay of an object that nobody wants here; None for nothing."""
        if obj["kind"] == RULES:
            return _rest(obj, needed)
        if obj["kind"] == ENTRIES:
            return obj if needed is None or any((host, "") in needed for host in hosts_of(obj)) else None
        return None

    def kept(self, cluster: str) -> Kept | None:
        """What stays in a cluster for the sake of others, as far as it is known now; None for nothing."""
        ours = self._ours.get(cluster, {}).values()
        old = self._subsets(ours) - self._subsets(self._wanted.get(cluster, {}).values())
        old = {(host, name) for host, name in old if name} | {(host, "") for host in self._going_names(cluster)}
        if not old or self._leaves:
            return None
        unread = tuple(self.waiting(cluster))
        used = {other: self._used_by(other, cluster) & old for other in self._live if other != cluster}
        stays = old if unread else set[Named]().union(*used.values())
        users = tuple(other for other, named in used.items() if named)
        return Kept(tuple(sorted(stays)), users, unread) if stays else None

    def keeps_names(self, cluster: str) -> bool:
        """Whether global names stay there for the sake of others."""
        kept = self.kept(cluster)
        return bool(kept and any(not name for _host, name in kept.named))

    def needed_of(self, cluster: str, rule: Object) -> list[str]:
        """Of a DestinationRule of somebody else's that ours replaces, the subsets that routes may name still."""
        needed, known = self._needed(cluster)
        only_theirs = self._subsets([rule]) - self._subsets(self._wanted.get(cluster, {}).values())
        return sorted(name for host, name in only_theirs if name and (not known or (host, name) in needed))

    def goes_well(self) -> None:
        """Tell, for a plan, that every step goes well and that no proxy is late."""
        for cluster in self.beside:
            self.asked(cluster)
        for cluster in self._play:
            self.there(cluster)
            doubtful = self.doubtful(cluster)
            routes = [*self._changing(cluster), *self.services(cluster, doubtful)]
            self.routed(cluster, routes, self.away(cluster), doubtful)

    def planned(self, cluster: str) -> tuple[list[Object], list[Object]]:
        """What a run applies in the end, and all that goes; see :meth:`goes_well`."""
        needed, known = self._needed(cluster)
        wanted, ours, applied = self._wanted.get(cluster, {}), self._ours[cluster], []
        for key, obj in wanted.items():
            final = _union(obj, ours.get(key), needed if known else None) if key[0] == RULES else obj
            if differs(ours.get(key), final):
                applied.append(final)
        reduced, gone = self._end(cluster, needed, known)
        return [*applied, *(obj for obj in reduced if identity(obj) not in wanted)], [*self.away(cluster), *gone]

    def waiting(self, cluster: str) -> list[str]:
        """The clusters for whose sake :meth:`last` leaves subsets, as they were not read."""
        here = self._networks.get(cluster, frozenset())
        if self._leaves:
            return []
        return [
            other
            for other, there in self._networks.items()
            if other not in self._named and (other == cluster or len(here | there) > 1)
        ]

    @property
    def is_idle(self) -> bool:
        """Whether everything is everywhere as it is wanted."""
        return not any(
            self._ours[cluster].keys() - self._wanted.get(cluster, {}).keys()
            or any(differs(self._ours[cluster].get(key), obj) for key, obj in self._wanted.get(cluster, {}).items())
            for cluster in self._play
        )


def _union(wanted: Object, live: Object | None, needed: set[Named] | None = None) -> Object:
    """A DestinationRule with its own subsets, and those of the live one (of which ``needed``: only these)."""
    (host,) = hosts_of(wanted)
    own = subsets_of(wanted)
    old = {
        name: one
        for name, one in subsets_of(live).items()
        if name not in own and (needed is None or (host, name) in needed)
    }
    if not old:
        return wanted
    both = {**own, **old}
    return {**wanted, "spec": {**wanted["spec"], "subsets": [both[name] for name in sorted(both)]}}


def _rest(live: Object, needed: set[Named] | None) -> Object | None:
    """What must stay of a DestinationRule that nobody wants: the subsets that are needed still; None for nothing."""
    (host,) = hosts_of(live)
    kept = [one for name, one in subsets_of(live).items() if needed is None or (host, name) in needed]
    if not kept:
        return None
    meta = {
        key: live["metadata"][key]
        for key in ("name", "namespace", "labels", "annotations")
        if live["metadata"].get(key)
    }
    spec = {key: value for key, value in live["spec"].items() if key != "subsets"}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": meta, "spec": {**spec, "subsets": kept}}
