# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text that a terminal prints and does not obey.

API servers, proxies, clouds and pods write much of what a run prints. An escape sequence in it would move the cursor,
hide lines, or write to the clipboard of whoever looks (ECMA-48 control functions, xterm's OSC 52). Unicode's
bidirectional controls show text in another order than it has (Unicode Technical Report 36).
"""

from __future__ import annotations

import re
import typing as t

__all__ = ["printable", "printable_data"]

# C0 but for tab and line feed, DEL, C1; marks, line and paragraph separator, embeddings, overrides and isolates; what
# is no character, and which neither UTF-8 nor XML may hold.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def printable(text: str) -> str:
    """Write each control character as Python would (``\\x1b``); tabs and line ends stay, ``\\r\\n`` is a line end."""
    if not _CONTROL.search(text):
        return text
    return _CONTROL.sub(_escaped, text.replace("\r\n", "\n"))


def printable_data(data: t.Any) -> t.Any:
    """The same for every string, and every key, in dictionaries, lists and tuples; anything else stays as it is."""
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, dict):
        return {printable_data(key): printable_data(value) for key, value in data.items()}
    if isinstance(data, list):
        return [printable_data(value) for value in data]
    if isinstance(data, tuple):
        return tuple(printable_data(value) for value in data)
    return data


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode()
