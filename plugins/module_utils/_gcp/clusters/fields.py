# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fields of the tables: their place in a new cluster or pool, their comparison, and their calls. Pure functions."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ..._model.providers.google.field import Field, Said, at, put

__all__ = ["Difference", "Step", "compare_fields", "covers", "put_fields", "wanted_view"]

Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Step:
    """One call that changes a cluster in place. ``method`` is below ``projects.locations.clusters``."""

    method: str
    name: str
    body: Json


@dataclasses.dataclass(frozen=True)
class Difference:
    """A field that is not as wanted. ``step`` is None where the cluster or pool would have to be recreated."""

    variable: str
    before: t.Any
    after: t.Any
    step: Step | None
    pool: str = ""
    """The pool that it is about; "" where it is about the cluster."""
    recreates: bool = False
    """Whether the call replaces nodes: those of the pool, or of every pool."""
    leaves: tuple[str, ...] = ()
    """Zones of pools whose nodes end, as ``<pool> in <zone>``."""


def put_fields(made: Json, said: t.Iterable[Said]) -> None:
    """Write what a new cluster or pool shall have into its body."""
    for one in said:
        field = one.field
        if field.late or not field.path:
            continue
        value = field.wire.to(one.value)
        if field.adds:
            value = sorted({*(at(made, field.path) or ()), *value})
        if value is not None:
            put(made, field.path, value)


def covers(live: t.Any, wanted: t.Any) -> bool:
    """Whether what is wanted is there; keys that are not wanted do not count."""
    if isinstance(wanted, t.Mapping):
        return isinstance(live, t.Mapping) and all(covers(live.get(name), one) for name, one in wanted.items())
    if isinstance(wanted, list) and isinstance(live, list):
        return len(live) == len(wanted) and all(covers(one, other) for one, other in zip(live, wanted, strict=True))
    return bool(live == wanted)


def _wanted(one: Said) -> t.Any:
    """The value in the form in which a live one is read."""
    return one.field.wire.of(one.field.wire.to(one.value))


def wanted_view(said: t.Iterable[Said], variable: t.Callable[[str], str]) -> Json:
    """What the inventory says, and what is new besides, by variable."""
    return {variable(one.field.name): one.value for one in said}


def compare_fields(
    said: t.Sequence[Said], live: Json, *, cluster: str, pool: str = "", variable: t.Callable[[str], str]
) -> list[Difference]:
    """What is not as the inventory says, each with the call that changes it.

    Args:
        said: what the inventory says.
        live: the cluster or pool as Google has it.
        cluster: the cluster's path.
        pool: the pool's name; "" for the cluster.
        variable: the variable of a field's name.
    """
    found = []
    given = [one for one in said if not one.new and not one.field.once_made]
    for one in given:
        field = one.field
        is_so, should = field.wire.of(at(live, field.path)), _wanted(one)
        if field.adds:
            fits = set(should) <= set(is_so)
        elif field.drops:
            fits = set(is_so) <= set(should)
        else:
            fits = covers(is_so, should) if field.wire.partly else is_so == should
        if not fits:
            step = None if not field.call or (field.once and not one.value) else _step(one, given, live, cluster, pool)
            found.append(Difference(variable(field.name), is_so, one.value, step, pool, field.recreates))
    return found


def _step(one: Said, given: t.Sequence[Said], live: Json, cluster: str, pool: str) -> Step:
    field = one.field
    method, _space, member = field.call.partition(" ")
    value = _sent(one, given, live)
    if method == "update":
        update: Json = {}
        put(update, member, value)
        return Step(method, cluster, {"update": update})
    path = f"{cluster}/nodePools/{pool}" if pool else cluster
    if method == "nodePools.update":
        return Step(method, path, {member: value})
    # The others are named after what they set: setNetworkPolicy {networkPolicy: ...}.
    name = method.rpartition("set")[2]
    return Step(method, path, {name[0].lower() + name[1:]: value})


def _sent(one: Said, given: t.Sequence[Said], live: Json) -> t.Any:
    field = one.field
    if field.message:
        # A message is replaced whole: what others set in it stays.
        whole: Json = {field.message: copy.deepcopy(at(live, field.message) or {})}
        for other in given:
            if _is_within(other.field, field.message):
                inner = other.field.path.removeprefix(field.message).removeprefix(".")
                put(whole[field.message], inner, other.field.wire.to(other.value))
        return whole[field.message]
    value = field.wire.to(one.value)
    is_so = field.wire.of(at(live, field.path))
    if field.adds:
        # Ranges are added to those that are there; tags are replaced.
        value = sorted({*value} - {*is_so}) if field.late else sorted({*value, *is_so})
    if field.drops:
        value = sorted({*is_so} - {*value})
    return {field.wrap: value} if field.wrap else value


def _is_within(field: Field, message: str) -> bool:
    return field.path.startswith(f"{message}.")
