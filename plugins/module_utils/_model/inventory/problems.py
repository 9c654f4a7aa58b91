# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Problems of an inventory, and how a person sees them."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ...errors import FleetError
from ...logins import without_logins

__all__ = ["Problem", "as_line", "headline", "quoted", "shown", "table"]

_BARE = re.compile(r"([0-9]+\.)+[0-9]+(/[0-9]+)?|[0-9a-fA-F]*:[0-9a-fA-F:.]+(/[0-9]+)?")
_LONGEST_VALUE = 60
_WIDEST_COLUMN = 76


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing to correct.

    Args:
        host: the cluster it concerns, or "" for the whole fleet.
        variable: the variable, or "" when it is about the host itself.
        value: the value as a person should see it (see :func:`shown`); never a secret.
        message: what is wrong with it, going on after the value.
        hint: what would be right.
    """

    host: str
    variable: str
    value: str
    message: str
    hint: str = ""

    @property
    def statement(self) -> str:
        return without_logins(" ".join(part for part in (self.variable, self.value, self.message) if part))

    def as_error(self) -> FleetError:
        """The same as an error: its object is the variable, what was seen is the value."""
        return FleetError(self.message, cluster=self.host, obj=self.variable, seen=self.value, next_step=self.hint)


def shown(value: t.Any, secret: bool = False) -> str:
    """A value for a message: addresses bare, other text in quotes, long things cut, secrets not at all."""
    if secret:
        return "(secret)"
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) else quoted(value)
    try:
        text = without_logins(json.dumps(value, default=str))
    except (TypeError, ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def quoted(text: str) -> str:
    """Text in quotes, on one line, cut when it is long."""
    line = json.dumps(without_logins(text), ensure_ascii=False)
    return line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 2] + '…"'


def as_line(problem: Problem) -> str:
    """A problem in one line, as a warning is printed."""
    return f"{problem.statement}: {without_logins(problem.hint)}" if problem.hint else problem.statement


def headline(problems: t.Sized) -> str:
    """``3 problems, nothing was touched``."""
    count = len(problems)
    return f"{count} problem{'' if count == 1 else 's'}, nothing was touched"


def table(problems: t.Sequence[Problem]) -> str:
    """The problems as a person reads them: a headline, then a line each, in columns."""
    lines = [headline(problems)]
    hosts = [problem.host or "(fleet)" for problem in problems]
    statements = [problem.statement for problem in problems]
    # One very long name or statement must not push every hint off the screen.
    first = max((len(host) for host in hosts if len(host) <= _WIDEST_COLUMN), default=0)
    second = max((len(text) for text in statements if len(text) <= _WIDEST_COLUMN), default=0)
    for host, statement, problem in zip(hosts, statements, problems, strict=True):
        lines.append(f"  {host:<{first}}  {statement:<{second}}  {without_logins(problem.hint)}".rstrip())
    return "\n".join(lines)
