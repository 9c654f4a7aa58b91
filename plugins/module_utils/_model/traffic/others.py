# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What others made for the hosts of policies: Istio takes one of several objects for a host, and nobody knows which.

Of one for the host itself and one for a pattern, as ``*.shop.svc.cluster.local``, it takes the first.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import FleetError
from ...metadata import annotations_of, labels_of
from ..istio.ownership import owner_of
from .hosts import fits, hosts_of, is_pattern, namespace_of, subsets_of
from .rollout import ENTRIES, ROUTES, RULES, identity

__all__ = ["Other", "Wider", "others_of", "owner_in_words", "refusal", "wider_in_words", "wider_of"]

Object = dict[str, t.Any]

_KINDS = (ROUTES, RULES, ENTRIES)
_NAMED = 3
"""How many hosts are named."""
_TOOLS = (
    ("Helm release", "meta.helm.sh/release-name"),
    ("Argo CD application", "argocd.argoproj.io/tracking-id"),
    ("Flux", "kustomize.toolkit.fluxcd.io/name"),
)


@dataclasses.dataclass(frozen=True)
class Other:
    """An object of somebody else's, and the host of a policy that it is in the way of."""

    host: str
    obj: Object
    by_name: bool = False
    """Whether it has the name of an object of ours."""


@dataclasses.dataclass(frozen=True)
class Wider:
    """An object of somebody else's for a pattern of hosts, and the hosts of policies that it is for as well."""

    pattern: str
    obj: Object
    hosts: tuple[str, ...]


def others_of(
    wanted: t.Iterable[Object], live: t.Iterable[Object], is_ours: t.Callable[[Object], bool], root: str = ""
) -> list[Other]:
    """The objects of others in a cluster that are for a host for which it gets objects of ours, or have their names.

    One for a pattern of hosts is among them only if some callers would lack our subsets for it.

    Args:
        wanted: the objects that the cluster gets.
        live: the VirtualServices, DestinationRules and ServiceEntries that it has.
        is_ours: whether a live object is ours.
        root: the namespace whose DestinationRules Istio takes last.
    """
    wanted = list(wanted)
    hosts = {(obj["kind"], host) for obj in wanted for host in hosts_of(obj)}
    names = {identity(obj): host for obj in wanted for host in hosts_of(obj)[:1]}
    both = {host for kind, host in hosts if kind in (ROUTES, RULES)}
    with_subsets = sorted(host for obj in wanted if obj["kind"] == RULES and subsets_of(obj) for host in hosts_of(obj))
    found = []
    for obj in live:
        if is_ours(obj):
            continue
        kind = str(obj.get("kind"))
        if identity(obj) in names:
            found.append(Other(names[identity(obj)], obj, by_name=True))
            continue
        for host in hosts_of(obj):
            # A route of theirs has a say whether we have one or rules alone; so have rules of theirs.
            if (kind, host) in hosts or (kind in (ROUTES, RULES) and host in both):
                found.append(Other(host, obj))
            if kind == RULES and is_pattern(host):
                found += [Other(one, obj) for one in with_subsets if fits(host, one) and _is_first(obj, one, root)]
    return found


def wider_of(
    wanted: t.Iterable[Object], live: t.Iterable[Object], is_ours: t.Callable[[Object], bool], root: str = ""
) -> list[Wider]:
    """The objects of others for a pattern that fits a host for which a cluster gets objects of ours; both stand.

    Args: as for :func:`others_of`, which has those that are in the way.
    """
    wanted = list(wanted)
    hosts = {kind: {host for obj in wanted if obj["kind"] == kind for host in hosts_of(obj)} for kind in _KINDS}
    in_the_way = {(one.host, identity(one.obj)) for one in others_of(wanted, live, is_ours, root)}
    found = []
    for obj in live:
        # Rules of theirs for a host of which ours says nothing about connections change nothing; routes do.
        ours = hosts[ROUTES] | hosts[RULES] if obj.get("kind") == ROUTES else hosts.get(str(obj.get("kind")), set())
        for pattern in () if is_ours(obj) else filter(is_pattern, hosts_of(obj)):
            fitting = tuple(sorted(h for h in ours if fits(pattern, h) and (h, identity(obj)) not in in_the_way))
            if fitting:
                found.append(Wider(pattern, obj, fitting))
    return found


def _is_first(rule: Object, host: str, root: str) -> bool:
    """Whether Istio takes a DestinationRule before that in the service's namespace: it looks in the callers' own
    namespace first, then in the service's, at last in its own (``root``); in each for the host itself, then for
    patterns."""
    return rule["metadata"].get("namespace") not in (namespace_of(host), root)


def owner_in_words(obj: Object) -> str:
    """Whose an object is: the tool that its labels and annotations name, and who wrote it."""
    marks = {**annotations_of(obj), **labels_of(obj)}
    tools = [f"{tool} {marks[key]}" for tool, key in _TOOLS if key in marks]
    return ", ".join([*tools, owner_of(obj)])


def refusal(other: Other, policy: str, cluster: str, said: str = "") -> FleetError:
    """What a user is told of an object that is in a policy's way.

    Args:
        other: the object.
        policy: the policy in words.
        cluster: where it is.
        said: what it says differently, where it was to be taken over.
    """
    meta = other.obj["metadata"]
    where = f"{other.obj['kind']} {meta.get('namespace')}/{meta['name']}"
    if other.by_name:
        what, means = "it has the name of an object that the policy makes", "ours would overwrite it"
        step = f"rename or remove {where}"
    else:
        what = f"it is for {other.host} as well"
        means = f"{_taken(other)}, so the policy was not applied here"
        step = f"remove {where}, or the policy"
    if other.obj["kind"] not in (ROUTES, RULES):
        step += "; traffic_adopt does not take it over"
    elif not said:
        step += "; or set traffic_adopt: true, which takes it over if it says the same"
    else:
        step = f"let the policy say the same, or remove {where}, or the policy"
    return FleetError(
        f"{policy}: {what}",
        cluster=cluster,
        obj=where,
        seen=f"owner: {owner_in_words(other.obj)}" + (f"; it does not say the same: {said}" if said else ""),
        means=means,
        next_step=step,
    )


def _taken(other: Other) -> str:
    """Which of both Istio takes."""
    meta, spec = other.obj["metadata"], other.obj.get("spec") or {}
    callers = _callers(other.obj)
    if other.obj["kind"] == RULES and meta.get("namespace") != namespace_of(other.host):
        return f"Istio takes it in place of the policy's rule for callers in namespace {meta.get('namespace')}"
    if other.obj["kind"] == RULES and spec.get("workloadSelector"):
        return f"Istio takes it in place of the policy's rule for {callers}"
    return f"Istio takes one of both{' for ' + callers if callers else ''}, and nobody knows which"


def _callers(obj: Object) -> str:
    """For which callers an object is; "" for all."""
    spec, namespace = obj.get("spec") or {}, str(obj["metadata"].get("namespace") or "")
    where = [namespace if one == "." else str(one) for one in spec.get("exportTo") or []]
    said = [f"callers in {', '.join(where)}"] if where and "*" not in where else []
    labels = (spec.get("workloadSelector") or {}).get("matchLabels") or {}
    if obj.get("kind") == RULES and labels:
        said.append(f"callers in {namespace} with labels {', '.join(f'{k}={v}' for k, v in sorted(labels.items()))}")
    return " that are also ".join(said)


def wider_in_words(wider: Wider, wanted: t.Iterable[Object], cluster: str, root: str = "") -> str:
    """One line about an object for a pattern of hosts: whose it is, and what Istio makes of both.

    Args:
        wider: the object.
        wanted: the objects that the cluster gets.
        cluster: where it is.
        root: the namespace whose DestinationRules Istio takes last.
    """
    meta, kind = wider.obj["metadata"], str(wider.obj["kind"])
    ours = {host for obj in wanted if obj["kind"] == kind for host in hosts_of(obj)}
    more = f" and {len(wider.hosts) - _NAMED} more" if len(wider.hosts) > _NAMED else ""
    callers = _callers(wider.obj)
    if kind == ROUTES and not ours.intersection(wider.hosts):
        means = "the policy makes no routes, so these hold beside what it says of connections"
    elif kind == ROUTES:
        means = "Istio takes the routes for the host itself: the policy's hold, and these do not"
    elif kind == RULES and any(_is_first(wider.obj, host, root) for host in wider.hosts):
        means = f"callers in namespace {meta.get('namespace')} get it in place of what the policy says of connections"
    elif kind == RULES:
        means = (
            "Istio takes the rule for the host itself: the policy's holds, and what this one says, as of TLS or "
            "limits, does not"
        )
    else:
        means = "Istio takes the one for the host itself"
    return (
        f"{cluster}: {kind} {meta.get('namespace')}/{meta['name']} (owner: {owner_in_words(wider.obj)}) is for "
        f"{wider.pattern}{', for ' + callers if callers else ''}, and so for {', '.join(wider.hosts[:_NAMED])}{more}. "
        f"{means[0].upper()}{means[1:]}. It was left alone"
    )
