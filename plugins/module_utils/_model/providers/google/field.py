# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a field of a GKE cluster or node pool is: one entry of a table, from which all that is done with it follows."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ...inventory.values import fault_of
from ...inventory.variable import CLUSTER, Fault, Form, Variable
from .values import is_given, wrong

__all__ = [
    "FLAG",
    "NEGATED",
    "TEXT",
    "TEXTS",
    "UNTIL",
    "WHOLE",
    "Field",
    "Said",
    "Wire",
    "at",
    "count_text",
    "put",
    "read",
    "said_of",
    "word",
    "words",
]

Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Wire:
    """How a value of the inventory and one of Google's API become each other.

    Args:
        type: the variable's type.
        parse: the value of the inventory, which is valid, in its one form.
        to: that form as Google's API takes it; None for nothing.
        of: what Google returns, or None where it returns nothing, in that form.
        choices: the only values.
        partly: Google adds keys to a dictionary, and only those that the inventory says count.
    """

    type: str
    parse: t.Callable[[t.Any], t.Any]
    to: t.Callable[[t.Any], t.Any]
    of: t.Callable[[t.Any], t.Any]
    choices: tuple[str, ...] = ()
    partly: bool = False


def _same(value: t.Any) -> t.Any:
    return value


def _flag(value: t.Any) -> bool:
    return str(value).lower() in ("true", "yes")


def _sorted(value: t.Iterable[t.Any] | None) -> list[str]:
    return sorted({str(one) for one in value or ()})


TEXT = Wire("str", str, _same, lambda live: str(live or ""))
FLAG = Wire("bool", _flag, bool, bool)
NEGATED = Wire("bool", _flag, lambda value: not value, lambda live: not live)
"""Google asks whether it is off."""
WHOLE = Wire("int", int, _same, lambda live: int(live or 0))
TEXTS = Wire("list", _sorted, list, _sorted)
"""A list in no order."""


def count_text() -> Wire:
    """A whole number of 64 bits, which Google's JSON has as text."""
    return dataclasses.replace(WHOLE, to=str)


def word(**choices: str) -> Wire:
    """One of some words: ours, and Google's."""
    ours = {theirs: mine for mine, theirs in choices.items()}
    return Wire("str", str, choices.__getitem__, lambda live: ours.get(live or "", live or ""), tuple(choices))


def words(**choices: str) -> Wire:
    """Any of some words."""
    ours = {theirs: mine for mine, theirs in choices.items()}
    return Wire(
        "list",
        _sorted,
        lambda value: [choices[one] for one in value],
        lambda live: sorted(ours.get(one, one) for one in live or ()),
        tuple(choices),
    )


UNTIL = ("on", "off")
"""Of a field that is set only when its variable is switched on, or off: the order of two calls depends on that."""


@dataclasses.dataclass(frozen=True, eq=False)
class Field:
    """One field.

    Args:
        name: ``gke_<name>`` is its variable, and ``name`` its key in an entry of ``gke_node_pools``.
        path: where it is in Google's Cluster, or NodePool.
        terraform: what it is called in Terraform's google_container_cluster, or google_container_node_pool.
        description: what it means, for a person.
        wire: how its value is written.
        call: what changes it, as ``update desiredDnsConfig`` or ``nodePools.update diskType``; "" where only a new
            cluster or pool can have another value.
        message: the part of the cluster or pool that the call sends whole; its own path by default.
        wrap: the call sends the value as this key of a message.
        form: the rule for the variable's value.
        new: the value of a new cluster or pool, where the inventory says nothing. Existing ones keep theirs.
        recreates: the call replaces nodes, one after another: those of the pool, or of every pool of the cluster.
        autopilot: whether an Autopilot cluster takes it.
        standard: whether a standard cluster takes it.
        alone: it is a key of pools alone, without a variable.
        adds: what others have set beside it stays.
        drops: beside ``adds``: what is set and the inventory does not say is removed.
        once: it cannot be switched off again.
        when: of UNTIL: only this direction.
        once_made: it counts for a new cluster or pool alone, and is never compared: Google keeps something else there.
        late: Google takes it only by the call, not in a new cluster.
        default_text: the default in words, for people.
    """

    name: str
    path: str
    terraform: str
    description: str
    wire: Wire = TEXT
    call: str = ""
    message: str = ""
    wrap: str = ""
    form: Form | None = None
    new: t.Any = None
    recreates: bool = False
    autopilot: bool = True
    standard: bool = True
    alone: bool = False
    adds: bool = False
    drops: bool = False
    once: bool = False
    when: str = ""
    once_made: bool = False
    late: bool = False
    default_text: str = ""

    @property
    def variable(self) -> Variable:
        """The variable; of a field of pools alone, what its key would be."""
        choices = self.wire.choices if self.wire.type == "str" else ()
        return Variable(
            f"gke_{self.name}",
            CLUSTER,
            self.description,
            type=self.wire.type,
            default_text=self.default_text or ("Google's" if self.new is None else str(self.new).lower()),
            choices=choices,
            form=self.form or (self._known_words if self.wire.choices and not choices else None),
        )

    def _known_words(self, value: t.Any) -> Fault | None:
        odd = [str(one) for one in value if one not in self.wire.choices]
        hint = f"any of: {', '.join(self.wire.choices)}"
        return Fault(f"has {odd[0]!r}, which is unknown", hint) if odd else None


@dataclasses.dataclass(frozen=True)
class Said:
    """A field and its value: what the inventory says, or with ``new`` what a new cluster or pool has without that."""

    field: Field
    value: t.Any
    new: bool = False


def read(host: str, field: Field, name: str, raw: t.Any) -> t.Any:
    """A value of the inventory in its one form; FleetError, with the variable ``name``, for one that cannot be."""
    fault = fault_of(field.variable, raw)
    if fault is not None:
        raise wrong(host, name, raw, f"it {fault.message}; {fault.hint}" if fault.hint else f"it {fault.message}")
    return field.wire.parse(raw)


def said_of(host: str, fields: t.Iterable[Field], values: t.Mapping[str, t.Any], prefix: str = "gke_") -> list[Said]:
    """What a host, or an entry of its pools, says of the fields, and what a new one has besides.

    Args:
        host: for messages.
        fields: those that are meant.
        values: by ``prefix`` and the field's name.
        prefix: "gke_" of variables, "" of keys.
    """
    found = []
    for field in fields:
        raw = values.get(f"{prefix}{field.name}")
        if is_given(raw):
            value = read(host, field, f"gke_{field.name}", raw)
            if not field.when or (value is True) == (field.when == UNTIL[0]):
                found.append(Said(field, value))
        elif field.new is not None:
            found.append(Said(field, field.new, new=True))
    return found


# -- paths -------------------------------------------------------------------------------------


def at(message: t.Mapping[str, t.Any] | None, path: str) -> t.Any:
    """What is at a path of a message; None where nothing is."""
    found: t.Any = message
    for name in path.split(".") if path else ():
        if not isinstance(found, t.Mapping):
            return None
        found = found.get(name)
    return found


def put(message: Json, path: str, value: t.Any) -> None:
    """Set what is at a path; None removes it."""
    *above, last = path.split(".")
    for name in above:
        inner = message.get(name)
        message[name] = inner = inner if isinstance(inner, dict) else {}
        message = inner
    if value is None:
        message.pop(last, None)
    else:
        message[last] = copy.deepcopy(value)
