# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real CoreDNS on this machine, and questions to it."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import socket
import struct
import subprocess
import threading
import typing as t
from pathlib import Path

from .control_plane import _end_with_parent, program

__all__ = ["AAAA", "SRV", "A", "Answer", "CoreDns"]

A, AAAA, SRV = 1, 28, 33
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
_SECONDS = 120
"""Far more than it takes."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a name server said (RFC 1035)."""

    code: int
    addresses: tuple[str, ...] = ()
    ttls: tuple[int, ...] = ()
    authority: int = 0
    """How many records its authority section has."""


def free_port() -> int:
    """A port that is free for UDP and TCP on all addresses."""
    while True:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as first, contextlib.suppress(OSError):
            first.bind(("::", 0))
            port = int(first.getsockname()[1])
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as second:
                second.bind(("::", port))
                return port


class CoreDns:
    """Use as a context manager; a ``Corefile`` that it does not take raises RuntimeError with its words.

    Args:
        directory: of its Corefile.
        corefile: with the port 53 as servers of clusters have it.
        port: on which it listens instead.
    """

    def __init__(self, directory: Path, corefile: str, port: int) -> None:
        self.port = port
        self.file = directory / "Corefile"
        self.write(corefile)
        self.log: list[str] = []
        self._said = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def write(self, corefile: str) -> None:
        """Give it another Corefile, as a whole."""
        new = self.file.with_suffix(".new")
        new.write_text(corefile.replace(":53 {", f":{self.port} {{"))
        new.replace(self.file)

    def __enter__(self) -> CoreDns:
        self._process = subprocess.Popen(
            [str(program("coredns")), "-conf", str(self.file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_end_with_parent,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.await_words("linux/")
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process is not None
        assert self._reader is not None
        self._process.kill()
        self._process.wait()
        self._reader.join(_SECONDS)

    def await_words(self, words: str) -> None:
        """Wait until its log has a line with ``words``."""
        with self._said:
            done = self._said.wait_for(lambda: self._has(words) or "" in self.log, _SECONDS)
            if not done or not self._has(words):
                raise RuntimeError(f"CoreDNS did not say {words!r}:\n" + "\n".join(self.log))

    def ask(self, name: str, kind: int = A) -> Answer:
        """The answer to one question."""
        labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(60)
            head = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0)
            sock.sendto(head + labels + b"\0" + struct.pack("!HH", kind, 1), ("127.0.0.1", self.port))
            got = sock.recv(4096)
        number, flags, _questions, answers, authority, _more = struct.unpack("!HHHHHH", got[:12])
        assert number == 7
        at = 12 + len(labels) + 1 + 4
        found = [self._record(got, where) for where in self._starts(got, at, answers)]
        pairs = sorted((ipaddress.ip_address(data), ttl) for ttl, data in found)
        return Answer(flags & 15, tuple(str(one) for one, _ttl in pairs), tuple(ttl for _one, ttl in pairs), authority)

    @staticmethod
    def _starts(got: bytes, at: int, count: int) -> t.Iterator[int]:
        """Where what follows each record's name begins."""
        for _record in range(count):
            while got[at] and got[at] < 0xC0:
                at += got[at] + 1
            at += 2 if got[at] >= 0xC0 else 1
            yield at
            at += 10 + struct.unpack("!H", got[at + 8 : at + 10])[0]

    @staticmethod
    def _record(got: bytes, at: int) -> tuple[int, bytes]:
        _kind, _space, ttl, length = struct.unpack("!HHIH", got[at : at + 10])
        return ttl, got[at + 10 : at + 10 + length]

    def _has(self, words: str) -> bool:
        return any(words in line for line in self.log)

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._said:
                    self.log.append(line.rstrip("\n") or " ")
                    self._said.notify_all()
        with self._said:
            self.log.append("")  # it ended
            self._said.notify_all()
