# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Somebody who installs the collection: an empty home, an empty folder, and what a page says, word for word."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import typing as t

from .playbooks import LONGEST, ROOT

__all__ = ["Person", "Snippet", "snippets"]

NOBODY = 65534
"""User and group without rights anywhere."""
PROGRAMS = (
    *("basename", "bash", "cat", "chmod", "cp", "dirname", "env", "getconf", "grep", "head", "id", "locale", "ls"),
    *(
        "mkdir",
        "mktemp",
        "mv",
        "rm",
        "rmdir",
        "sed",
        "sh",
        "sleep",
        "stty",
        "tar",
        "touch",
        "tr",
        "tty",
        "uname",
        "which",
    ),
)
"""All that is on the path of somebody without a container engine, beside Python's, Ansible's and Helm."""


@dataclasses.dataclass(frozen=True)
class Snippet:
    """A block of a page: commands, or the content of a file.

    Args:
        text: its lines.
        file: the file's name, which a comment in the first line of the block says; "" for commands.
    """

    text: str
    file: str = ""


def snippets(page: pathlib.Path, heading: str) -> list[Snippet]:
    """The commands (```` ```sh ````) and files (``# name`` in the first line) of a section, in their order."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## )", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert section, heading
    found = []
    for kind, text in re.findall(r"^```(\w*)\n(.*?)^```$", section[1], flags=re.DOTALL | re.MULTILINE):
        named = re.match(r"# ([\w./-]+)\n", text)
        assert kind == "sh" or named, f"neither commands nor a file with a name:\n{text}"
        found.append(Snippet(text, "" if kind == "sh" else named[1]))  # type: ignore[index]
    return found


class Person:
    """Runs commands in an empty folder, with an empty home and an environment of nothing but these.

    Args:
        root: with this machine's programs, container engines too, as root; else as nobody, with the PROGRAMS alone.
        helm: Helm's program, for the path.
    """

    def __init__(self, *, root: bool, helm: pathlib.Path) -> None:
        self._root = root
        # pytest's folders are closed to other users.
        self._own = tempfile.TemporaryDirectory(prefix="mesh-fleet-installed-")
        base = pathlib.Path(self._own.name)
        base.chmod(0o755)
        self.home, self.folder, programs = base / "home", base / "mesh", base / "bin"
        for folder in (self.home, self.folder, programs):
            folder.mkdir()
        shutil.copy(helm, programs / "helm")
        path = [str(pathlib.Path(sys.executable).parent), str(programs)]
        if root:
            path += ["/usr/local/bin", "/usr/bin", "/bin"]
        else:
            for name in PROGRAMS:
                if found := shutil.which(name, path="/usr/bin:/bin"):
                    (programs / name).symlink_to(found)
        # pip finds everything in our environment, whose requirements are the same.
        pip = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        self.environment = {"HOME": str(self.home), "PATH": ":".join(path), "LANG": "C.UTF-8", **pip}
        self.give()

    def give(self) -> None:
        """All that is there is this person's."""
        if not self._root:
            for path in [*self.home.parent.rglob("*"), self.home.parent]:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def write(self, file: pathlib.Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.give()

    def bring(self, source: pathlib.Path, target: pathlib.Path) -> None:
        """A copy of a file or folder."""
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        self.give()

    def run(self, commands: str, *, cwd: pathlib.Path | None = None, good: bool = True) -> str:
        """Run lines of a shell, each of which must succeed; what they said.

        What they export stays for the next ones, as in a terminal.
        """
        exported = self.home.parent / "exported"
        script = f"set -eu\ncd {shlex.quote(str(cwd or self.folder))}\n{commands}\nenv -0 > {exported}\n"
        argv = ["bash", "-c", script]
        if not self._root:
            as_nobody = f"--reuid={NOBODY} --regid={NOBODY} --clear-groups --no-new-privs --bounding-set=-all"
            argv = _in_sight(f"exec setpriv {as_nobody} env -i {_assigned(self.environment)} {shlex.join(argv)}")
        done = subprocess.run(
            argv,
            env=self.environment if self._root else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LONGEST,
            umask=0o022,
        )
        assert (done.returncode == 0) is good, f"{commands}\n{done.stdout}"
        if done.returncode == 0:
            pairs = (line.partition("=") for line in exported.read_text().split("\0") if line)
            kept = {name: value for name, _is, value in pairs if name not in ("PWD", "OLDPWD", "SHLVL", "_")}
            self.environment.update(kept)
        return done.stdout

    def leave(self) -> None:
        self._own.cleanup()


def _assigned(environment: t.Mapping[str, str]) -> str:
    return " ".join(shlex.quote(f"{name}={value}") for name, value in environment.items())


def _in_sight(command: str) -> list[str]:
    """A command in a world of its own, where others may reach this Python, whoever's home it is in."""
    needed = {pathlib.Path(p).resolve() for p in (sys.prefix, sys.base_prefix)}
    closed = {next((a for a in [*reversed(p.parents), p] if not a.stat().st_mode & 0o001), None) for p in needed}
    lines = ["set -e", "hold=$(mktemp -d)", "chmod 755 $hold", "mount -t tmpfs -o mode=755 tmpfs $hold"]
    for number, top in enumerate(sorted(filter(None, closed))):
        inside = [p for p in needed if top in (p, *p.parents)]
        for index, path in enumerate(inside):
            lines += [f"mkdir -p $hold/{number}-{index}", f"mount --bind {path} $hold/{number}-{index}"]
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs {top}")
        for index, path in enumerate(inside):
            lines += [f"mkdir -p {path}", f"mount --bind $hold/{number}-{index} {path}"]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join([*lines, command])]


def build(folder: pathlib.Path) -> pathlib.Path:
    """The archive as ``ansible-galaxy collection build`` makes it."""
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(folder)]
    subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return next(folder.glob("mesh-fleet-*.tar.gz"))
