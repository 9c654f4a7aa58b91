# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values of ``gke_*`` variables, read with their defaults; what cannot be is refused by the variable's name."""

from __future__ import annotations

import typing as t

from ....errors import FleetError

__all__ = ["choice", "flag", "is_given", "whole", "wrong"]

Values = t.Mapping[str, t.Any]


def is_given(value: t.Any) -> bool:
    """Whether a variable is set: null and empty text mean its default. An empty list or dictionary says "none"."""
    return value is not None and value != ""


def choice(host: str, values: Values, name: str, choices: tuple[str, ...], default: str) -> str:
    """One of ``choices``."""
    found = str(values.get(name) or default)
    if found not in choices:
        raise wrong(host, name, found, f"one of: {', '.join(choices)}")
    return found


def flag(host: str, values: Values, name: str, default: bool) -> bool:
    """True or false, in YAML's words or as text."""
    found = values.get(name)
    if found is None or found == "":
        return default
    word = str(found).lower()
    if word not in ("true", "false", "yes", "no"):
        raise wrong(host, name, found, "true or false")
    return word in ("true", "yes")


def whole(host: str, values: Values, name: str, default: int, least: int = 0) -> int:
    """A whole number that is ``least`` or more."""
    found = values.get(name)
    if found is None or found == "":
        return default
    try:
        number = int(found)
    except (TypeError, ValueError):
        number = least - 1
    if number < least or isinstance(found, bool):
        raise wrong(host, name, found, f"a whole number, at least {least}")
    return number


def wrong(host: str, name: str, value: t.Any, hint: str) -> FleetError:
    """What to raise for a value that cannot be."""
    return FleetError(f"{name} cannot be {value}", cluster=host, next_step=hint)
