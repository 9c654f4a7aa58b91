# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a variable of the inventory is, and how its value is read."""

from __future__ import annotations

import dataclasses
import json
import typing as t

__all__ = ["CLUSTER", "FAULTY", "FLEET", "UNREAD", "Fault", "Form", "Reader", "Variable"]

FLEET = "fleet"
"""Scope of a variable that must be equal on every cluster of the fleet."""
CLUSTER = "cluster"
"""Scope of a variable that each cluster may set for itself."""
FAULTY = "?"
"""Replaces, within the checks, a value that is set and invalid."""
UNREAD = "(not read)"
"""Stands for a value that is set and was not read."""


class Fault(t.NamedTuple):
    """What is wrong with a value, and what would be valid."""

    message: str
    hint: str = ""


Form = t.Callable[[t.Any], "Fault | None"]
"""A rule for one value: what is wrong with it, or None. ``values.py`` and each provider have some."""


@dataclasses.dataclass(frozen=True)
class Variable:
    """One variable.

    Args:
        name: its name.
        scope: FLEET or CLUSTER.
        description: what it means, for a person.
        type: str, list, dict, bool or int, as Ansible names them.
        default: what a missing, null or empty value means; None where there is no default.
        default_text: the default in words, where it is computed.
        means: the variable whose value a missing one has; "" for none.
        environment: the environment variable whose value a missing one has; "" for none.
        choices: the only values allowed; empty for any.
        no_choices: values that a person may expect to be choices, and why they are none.
        form: the rule for its value.
        or_dict: a dictionary is valid too: JSON that YAML has parsed already.
        of_provider: of scope FLEET, but only clusters of its provider must agree.
        secret: its value must never be shown.
        connects: how the cluster is reached, or as whom: nothing of it is written to a file.
    """

    name: str
    scope: str
    description: str
    type: str = "str"
    default: t.Any = None
    default_text: str = ""
    means: str = ""
    environment: str = ""
    choices: tuple[str, ...] = ()
    no_choices: t.Mapping[str, Fault] = dataclasses.field(default_factory=dict)
    form: Form | None = None
    or_dict: bool = False
    of_provider: bool = False
    secret: bool = False
    connects: bool = False


class Reader:
    """Reads values of known variables.

    Args:
        known: the variables by name; variables that are added later are known too.
    """

    def __init__(self, known: t.Mapping[str, Variable]) -> None:
        self._known = known

    @classmethod
    def of(cls, *variables: Variable) -> Reader:
        return cls({variable.name: variable for variable in variables})

    def value(self, variables: t.Mapping[str, t.Any], name: str) -> t.Any:
        """A host's value of the variable, or its default when it is missing, null or empty.

        Raises KeyError for a name that is not known.
        """
        known = self._known[name]
        given = variables.get(name)
        if given is not None and given != "":
            return given
        return self.value(variables, known.means) if known.means else known.default

    def text(self, variables: t.Mapping[str, t.Any], name: str) -> str:
        """:meth:`value` as text, a dictionary as JSON; "" where there is neither value nor default."""
        found = self.value(variables, name)
        if isinstance(found, str):
            return found  # nearly all are, and the checks of a large fleet ask half a million times
        if isinstance(found, t.Mapping):
            return json.dumps(found, default=str)
        return "" if found is None else str(found)
