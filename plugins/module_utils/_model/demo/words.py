# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The text of the walk-through: what colleagues read."""

from __future__ import annotations

import typing as t

__all__ = ["WIDTH", "any_of", "block", "calls", "flow", "listed", "rows", "seconds", "share_bar", "times", "yaml_of"]

WIDTH = 110
_LABEL = 11
_BAR = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def listed(names: t.Sequence[str], word: str = "and") -> str:
    """``west, east and far``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}" if names else "none"


def any_of(names: t.Sequence[str]) -> str:
    """``west, east or far``."""
    return listed(names, "or")


def calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def seconds(sorted_times: t.Sequence[float]) -> str:
    """``1.00 s``, or ``1.00 to 1.03 s``."""
    if not sorted_times:
        return "no time"
    low, high = f"{sorted_times[0]:.2f}", f"{sorted_times[-1]:.2f}"
    return f"{low} s" if low == high else f"{low} to {high} s"


def share_bar(part: int, whole: int) -> str:
    """A share as a bar and in percent."""
    share = part / whole if whole else 0.0
    eighths = round(share * _BAR * 8)
    drawn = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    return f"{drawn.ljust(_BAR)} {share * 100:3.0f} %"


def rows(cells: t.Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Lines of two columns."""
    width = max((len(name) for name, _text in cells), default=0)
    return tuple(f"{name.ljust(width)}  {text}".rstrip() for name, text in cells)


def flow(value: t.Any) -> str:
    """A value in YAML's short form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    return str(value)


def yaml_of(policy: t.Mapping[str, t.Any]) -> list[str]:
    """A policy as a person writes it in ``mesh_traffic``, one key a line."""
    lines = []
    for key, value in policy.items():
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            lines += [f"{key}:", *(f"  - {flow(one)}" for one in value)]
        elif isinstance(value, dict) and len(flow(value)) > WIDTH - 30:
            lines += [f"{key}:", *(f"  {name}: {flow(one)}" for name, one in value.items())]
        else:
            lines.append(f"{key}: {flow(value)}")
    return [f"{'- ' if not number else '  '}{line}" for number, line in enumerate(lines)]


def block(label: str, lines: t.Sequence[str]) -> list[str]:
    """Lines with a label before the first."""
    return [f"     {(label if not number else '').ljust(_LABEL)}{line}".rstrip() for number, line in enumerate(lines)]
