# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a key of a nested variable is, and how its value is read: one table for the reader and for ansible-doc."""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t

from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, quoted, shown
from ..inventory.variable import Fault, Form

__all__ = ["Option", "Place", "milliseconds", "span", "written"]

_WORDS: t.Mapping[str, str] = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a dictionary",
}
_UNITS: t.Mapping[str, int] = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_SPAN = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|s|m|h))+")
_PART = re.compile(r"([0-9]+)(?:\.([0-9]+))?(ms|s|m|h)")
_LONGEST = 24 * _UNITS["h"]
_TRUE, _FALSE = ("true", "yes"), ("false", "no")


@dataclasses.dataclass(frozen=True)
class Option:
    """One key of a dictionary.

    Args:
        name: the key.
        type: str, int, float, bool, list, dict or raw, as Ansible names them. A list holds dictionaries of ``options``,
            or else text.
        description: what it means, for a person, in Ansible's markup.
        required: whether it must be there.
        default: what ansible-doc shows as its default; reading does not use it.
        choices: the only values allowed, of each element for a list; empty for any.
        low: the least number allowed.
        high: the greatest number allowed.
        options: the keys of a dictionary, or of the dictionaries of a list; empty: any keys.
        form: a rule for the value, of each element for a list of text.
    """

    name: str
    type: str
    description: str
    required: bool = False
    default: t.Any = None
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    options: tuple[Option, ...] = ()
    form: Form | None = None

    def documented(self) -> dict[str, t.Any]:
        """The option as the documentation of a plugin shows it."""
        said: dict[str, t.Any] = {"description": self.description, "type": self.type}
        if self.type == "list":
            said["elements"] = "dict" if self.options else "str"
        if self.required:
            said["required"] = True
        if self.default is not None:
            said["default"] = self.default
        if self.choices:
            said["choices"] = list(self.choices)
        if self.options:
            said["suboptions"] = {option.name: option.documented() for option in self.options}
        return said


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in a variable a value is, for problems: the entry, whose it is, and the field.

    Args:
        entry: such as ``mesh_traffic[0]``.
        owner: what a person knows the entry by; "" where that is not known.
        field: such as ``split[1].weight``; "" for the entry itself.
    """

    entry: str
    owner: str = ""
    field: str = ""

    def at(self, key: t.Any) -> Place:
        """The place of a key (text) or of an element (a number)."""
        if isinstance(key, int):
            return dataclasses.replace(self, field=f"{self.field}[{key}]")
        return dataclasses.replace(self, field=f"{self.field}.{key}" if self.field else str(key))

    def __str__(self) -> str:
        return " ".join(part for part in (self.entry, f"({self.owner})" if self.owner else "", self.field) if part)

    def problem(self, value: t.Any, message: str, hint: str = "") -> Problem:
        """A problem of the value here; None for a value that says nothing."""
        return Problem("", str(self), "" if value is None else shown(value), message, hint)


def written(
    given: t.Mapping[t.Any, t.Any], options: t.Sequence[Option], place: Place, problems: list[Problem]
) -> t.Any:
    """The known and valid keys of a dictionary, each with the type that its option names.

    What is wrong is added to ``problems`` and left out. A key whose value is null counts as missing.
    """
    known = {option.name: option for option in options}
    found: dict[str, t.Any] = {}
    for key, value in given.items():
        if key not in known:
            problems.append(_unknown(key, known, place))
        elif value is not None:
            read = _read(value, known[key], place.at(key), problems)
            if read is not None:
                found[key] = read
    missing = [option for option in options if option.required and given.get(option.name) is None]
    problems += [place.at(option.name).problem(None, "is missing", f"write {_word(option)}") for option in missing]
    return found


def _unknown(key: t.Any, known: t.Collection[str], place: Place) -> Problem:
    if isinstance(key, bool):
        message = f"has the key {str(key).lower()}, which is how YAML reads a bare yes, no, on, off"
        return place.problem(None, message, f"one of: {', '.join(known)}")
    guess = Nearest(known).find(str(key))
    return place.at(str(key)).problem(
        None, "is unknown", f"did you mean {guess}?" if guess else f"one of: {', '.join(known)}"
    )


def _word(option: Option) -> str:
    return _WORDS.get(option.type, "a value")


def _read(value: t.Any, option: Option, place: Place, problems: list[Problem]) -> t.Any:
    if option.type == "list":
        return _read_list(value, option, place, problems)
    if option.type == "dict":
        if not isinstance(value, t.Mapping):
            problems.append(place.problem(value, "is not a dictionary", _keys(option)))
            return None
        if option.options:
            return written(value, option.options, place, problems) if value else {}
        return value if _formed(value, option, place, problems) else None
    if option.type == "raw":
        return value if _formed(value, option, place, problems) else None
    read, fault = _scalar(value, option)
    if fault:
        problems.append(place.problem(value, fault.message, fault.hint))
        return None
    return read if _formed(read, option, place, problems) else None


def _keys(option: Option) -> str:
    return f"with the keys {', '.join(o.name for o in option.options)}" if option.options else "write a dictionary"


def _read_list(value: t.Any, option: Option, place: Place, problems: list[Problem]) -> t.Any:
    if not isinstance(value, (list, tuple)):
        hint = f"[{value}]" if isinstance(value, str) else "write a list"
        problems.append(place.problem(value, "is not a list", hint))
        return None
    found = []
    for number, entry in enumerate(value):
        at = place.at(number)
        if not option.options:
            read, fault = _scalar(entry, dataclasses.replace(option, type="str"))
            if fault:
                problems.append(at.problem(entry, fault.message, fault.hint))
            elif _formed(read, option, at, problems):
                found.append(read)
        elif isinstance(entry, t.Mapping):
            found.append(written(entry, option.options, at, problems))
        else:
            problems.append(at.problem(entry, "is not a dictionary", _keys(option)))
    return found


def _formed(value: t.Any, option: Option, place: Place, problems: list[Problem]) -> bool:
    fault = option.form(value) if option.form else None
    if fault:
        problems.append(place.problem(value, fault.message, fault.hint))
    return fault is None


def _scalar(value: t.Any, option: Option) -> tuple[t.Any, Fault | None]:
    """The value with the option's type, numbers and booleans as text included: a template gives text."""
    read: t.Any = None
    if option.type == "str" and isinstance(value, str):
        read = str.__str__(value)
    elif option.type == "bool" and str(value).lower() in (*_TRUE, *_FALSE):
        read = str(value).lower() in _TRUE
    elif option.type in ("int", "float") and not isinstance(value, bool):
        read = _number(value, whole=option.type == "int")
    if read is None:
        return None, _wrong_type(value, option)
    if option.choices and read not in option.choices:
        guess = Nearest(option.choices).find(str(read))
        return None, Fault(
            "is unknown", f"did you mean {quoted(guess)}?" if guess else f"one of: {', '.join(option.choices)}"
        )
    if option.low is not None and read < option.low:
        return None, Fault(f"is less than {option.low}", _range(option))
    if option.high is not None and read > option.high:
        return None, Fault(f"is more than {option.high}", _range(option))
    return read, None


def _wrong_type(value: t.Any, option: Option) -> Fault:
    if option.form is span:
        return span(value) or Fault("is not text", "put it in quotes")
    if option.type == "str" and isinstance(value, (int, float)):
        word = "true or false" if isinstance(value, bool) else "a number"
        return Fault(f"is {word}, not text", "put it in quotes")
    return Fault(f"is not {_word(option)}", f"write {_word(option)}")


def _range(option: Option) -> str:
    return f"{option.low} to {option.high}" if option.high is not None else f"{option.low} or more"


def _number(value: t.Any, whole: bool) -> t.Any:
    # Python writes what is below 0.0001 as 5e-05.
    text = f"{value:.15f}" if isinstance(value, float) and math.isfinite(value) else str(value)
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text):
        return None
    number = float(text)
    if number.is_integer():
        return int(number)
    return None if whole else number


def milliseconds(text: str) -> int:
    """``5s``, ``500ms``, ``1.5s``, ``1m30s`` in milliseconds. Raises ValueError for another form."""
    if not _SPAN.fullmatch(text):
        raise ValueError(text)
    total = 0
    for number, fraction, unit in _PART.findall(text):
        exact = int(number) * _UNITS[unit] * 1000 + int((fraction or "0").ljust(3, "0")) * _UNITS[unit]
        if exact % 1000:
            raise ValueError(text)
        total += exact // 1000
    return total


def span(value: t.Any) -> Fault | None:
    """The form of a length of time."""
    example = "with a unit, for example 5s, 500ms or 1m30s"
    if not isinstance(value, str):
        number = isinstance(value, int) and not isinstance(value, bool)
        return Fault("has no unit", f"for example {value}s") if number else Fault("is not a length of time", example)
    try:
        length = milliseconds(value)
    except ValueError:
        return Fault("is not a length of time", example)
    if length < 1:
        return Fault("is no time at all", "at least 1ms")
    return Fault("is longer than a day", "at most 24h") if length > _LONGEST else None
