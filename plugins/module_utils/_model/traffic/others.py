# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What others made for the hosts of policies: Istio takes one of several objects for a host, and nobody knows which."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors import FleetError
from ...metadata import annotations_of, labels_of
from ..istio.ownership import owner_of
from .hosts import hosts_of
from .rollout import ROUTES, RULES, identity

__all__ = ["Other", "others_of", "owner_in_words", "refusal"]

Object = dict[str, t.Any]

_ENTRY = "ServiceEntry"
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


def others_of(wanted: t.Iterable[Object], live: t.Iterable[Object], is_ours: t.Callable[[Object], bool]) -> list[Other]:
    """The objects of others in a cluster that are for a host for which it gets objects of ours, or have their names.

    Args:
        wanted: the objects that the cluster gets.
        live: the VirtualServices, DestinationRules and ServiceEntries that it has.
        is_ours: whether a live object is ours.
    """
    hosts = {(obj["kind"], host) for obj in wanted for host in hosts_of(obj)}
    names = {identity(obj): host for obj in wanted for host in hosts_of(obj)[:1]}
    both = {host for kind, host in hosts if kind in (ROUTES, RULES)}
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
    return found


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
        means = "Istio takes one of both, and nobody knows which, so the policy was not applied here"
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
