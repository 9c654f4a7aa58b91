# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Corefile says: who answers for ``clusterset.local``, on which port, what it imports.

The format is Caddy's: words between blanks, ``"`` around words with blanks, ``#`` at the beginning of a word up to the
end of the line; a server block is zones, ``{``, one directive on each line, ``}``.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

__all__ = ["ZONE", "Server", "imported_folder", "main_server", "reloads", "who_serves"]

ZONE = "clusterset.local"
_PARENT = "local"
_MENTIONED = re.compile(rf"(?:^|[^a-z0-9-]){re.escape(ZONE)}(?![a-z0-9-])")
_SCHEME = re.compile(r"^[a-z0-9]+://")
_PORT = re.compile(r":(\d+)$")
_PLUGINS = ("multicluster", "lighthouse")
"""Plugins that answer for the clusterset wherever they are."""
_SILENT = ("cache", "log")
"""Plugins that name zones and answer nothing by themselves."""
_SERVERS = re.compile(r"^(.*?)/?\*\.server$")


@dataclasses.dataclass(frozen=True)
class Line:
    """A line with words; one that goes on within quotes is one line."""

    number: int
    depth: int
    """How many blocks are open where it begins."""
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclasses.dataclass(frozen=True)
class Server:
    """How the server block listens that answers for the cluster's own Services."""

    port: str = "53"
    bind: str = ""
    """The directive by which it listens on some addresses only; "" for all."""
    metrics: str = ""
    """The address of its metrics, as ``:9153``; "" without."""


def lines_of(text: str) -> list[Line]:
    """The lines that have words."""
    found: list[Line] = []
    words: list[str] = []
    number = began = 1
    depth = 0
    at, end = 0, len(text)

    def flush() -> None:
        nonlocal depth
        if words:
            found.append(Line(began, depth, tuple(words)))
            depth = max(0, depth + words.count("{") - words.count("}"))
            words.clear()

    while at < end:
        char = text[at]
        if char == "\n":
            flush()
            number += 1
            at += 1
        elif char.isspace():
            at += 1
        elif char == "#":
            at = _until(text, at, "\n")
        else:
            if not words:
                began = number
            word, after = _quoted(text, at) if char == '"' else _bare(text, at)
            number += text.count("\n", at, after)
            words.append(word)
            at = after
    flush()
    return found


def who_serves(text: str) -> str:
    """The line by which somebody answers for the zone, for one above it or for names below it; "" if nobody does.

    The root zone does not count: what nothing else answers for goes there.
    """
    for line in lines_of(text):
        first, *rest = line.words
        if line.depth == 0:
            # Zones of a server block, or a file that is imported.
            hit = first != "import" and any(_covers(word) or _mentions(word) for word in line.words)
        elif line.depth == 1 and first in _SILENT:
            hit = False
        else:
            hit = first in _PLUGINS or _mentions(first) or any(_covers(word) or _mentions(word) for word in rest)
        if hit:
            return f"line {line.number}: {line.text}"
    return ""


def main_server(text: str) -> Server:
    """The server block with the plugin ``kubernetes``; else the one for the root zone; else CoreDNS's own defaults."""
    found: dict[str, Server] = {}
    keys: tuple[str, ...] = ()
    bind = metrics = ""
    holds = False
    for line in [*lines_of(text), Line(0, 0, ("}",))]:
        first, *rest = line.words
        if line.depth == 0:
            if keys and not keys[0].startswith("("):  # a snippet is no server
                kind = "kubernetes" if holds else "root" if any(_bare_zone(key) == "" for key in keys) else "other"
                found.setdefault(kind, Server(_port(keys), bind, metrics))
            keys = () if first == "import" else tuple(word for word in line.words if word not in "{}")
            bind = metrics = ""
            holds = False
        elif line.depth == 1:
            holds = holds or first == "kubernetes"
            if first == "bind" and rest and "{" not in rest:
                bind = line.text
            if first == "prometheus" and "{" not in rest:
                metrics = rest[0] if rest else "localhost:9153"
    return found.get("kubernetes") or found.get("root") or Server()


def imported_folder(text: str) -> str | None:
    """The folder whose files ``*.server`` are imported as server blocks, as k3s and AKS do; None if there is none."""
    for line in lines_of(text):
        if line.depth == 0 and line.words[0] == "import" and len(line.words) == 2:
            matched = _SERVERS.match(line.words[1])
            if matched:
                return matched.group(1)
    return None


def reloads(text: str) -> bool:
    """Whether CoreDNS reads the file again when it changes."""
    return any(line.depth == 1 and line.words[0] == "reload" for line in lines_of(text))


def _until(text: str, at: int, what: str) -> int:
    found = text.find(what, at)
    return len(text) if found < 0 else found


def _bare(text: str, at: int) -> tuple[str, int]:
    after = at
    while after < len(text) and not text[after].isspace():
        after += 1
    return text[at:after], after


def _quoted(text: str, at: int) -> tuple[str, int]:
    """A word in quotes, in which a backslash makes a quote ordinary; without an end it goes to the end of the text."""
    said: list[str] = []
    after = at + 1
    while after < len(text) and text[after] != '"':
        if text.startswith('\\"', after):
            after += 1
        said.append(text[after])
        after += 1
    return "".join(said), after + 1


def _bare_zone(word: str) -> str:
    """A zone without scheme, port and dots around it; "" for the root."""
    return _PORT.sub("", _SCHEME.sub("", word.lower().strip(",{}"))).strip(".")


def _covers(word: str) -> bool:
    return _bare_zone(word) in (_PARENT, ZONE)


def _mentions(word: str) -> bool:
    """Whether a word holds the zone or a name below it, also in a regular expression."""
    return bool(_MENTIONED.search(word.lower().replace("\\", "").replace("[.]", ".")))


def _port(keys: t.Sequence[str]) -> str:
    for key in keys:
        plain = key.strip(",").lower()
        scheme = _SCHEME.match(plain)
        if scheme is None or scheme.group() == "dns://":
            matched = _PORT.search(plain)
            return matched.group(1) if matched else "53"
    return "53"
