# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Steps that build artifacts: each once per key over its own inputs, side by side, whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import shutil
import tempfile
import time
import typing as t

from ...errors import FleetError
from ...files import make_cache
from ...locks import locked
from ..engine.command import explain

__all__ = ["Outcome", "Step", "Store", "digest_of_files", "make"]

Build = t.Callable[[pathlib.Path, t.Mapping[str, pathlib.Path], str], t.Awaitable[None]]


@dataclasses.dataclass(frozen=True)
class Step:
    """One artifact: a folder of the store, made by ``build(folder, folders of needs, key)``.

    ``inputs`` are all texts that decide what comes out (versions, file digests, flags); together with the
    keys of ``needs`` they make the key. ``also`` says whether something outside the store, such as an image in
    the engine, is there too; a step whose ``also`` is false is built again.
    """

    name: str
    inputs: tuple[str, ...]
    build: Build
    needs: tuple[str, ...] = ()
    also: t.Callable[[pathlib.Path], t.Awaitable[bool]] | None = None


class Outcome(t.NamedTuple):
    """Where each artifact lies, and the names of those that were built (or would be) this time."""

    folders: dict[str, pathlib.Path]
    built: list[str]


class Store:
    """A folder of finished artifacts, ``<name>-<key>``; what is there is whole."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root

    def folder(self, step: Step, keys: t.Mapping[str, str]) -> pathlib.Path:
        return self.root / "store" / f"{step.name}-{keys[step.name]}"

    @contextlib.contextmanager
    def locked(self, say: t.Callable[[str], None]) -> t.Iterator[None]:
        """One builder at a time."""
        make_cache(self.root)
        with locked(self.root / "lock", busy=lambda: say("  artifacts: another run is building; waiting for it")):
            # Only the holder of the lock makes folders here, so any that stand belong to a run that died.
            shutil.rmtree(self.root / "tmp", ignore_errors=True)
            yield

    @contextlib.contextmanager
    def unfinished(self, target: pathlib.Path) -> t.Iterator[pathlib.Path]:
        """A folder to build in, which becomes ``target`` only if the block succeeds."""
        (self.root / "tmp").mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        work = pathlib.Path(tempfile.mkdtemp(dir=self.root / "tmp", prefix=f"{target.name}-"))
        try:
            yield work
            work.chmod(0o755)
            # A folder whose name outlives a power cut, but not its contents, would be half an artifact.
            _flush(work)
            if target.exists():
                shutil.rmtree(target)
            os.rename(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def digest_of_files(*paths: pathlib.Path) -> str:
    """SHA-256 over the names and contents of files, and of all files below folders."""
    total = hashlib.sha256()
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            total.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def keys_of(steps: t.Sequence[Step]) -> dict[str, str]:
    """The key of each step; ``steps`` name their needs before themselves."""
    keys: dict[str, str] = {}
    for step in steps:
        text = "\0".join((step.name, *step.inputs, *(f"{need}={keys[need]}" for need in step.needs)))
        keys[step.name] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return keys


async def make(
    steps: t.Sequence[Step], store: Store, *, say: t.Callable[[str], None], at_once: int, dry_run: bool = False
) -> Outcome:
    """Build what is missing.

    Args:
        steps: in an order in which needs come first.
        store: where finished artifacts lie.
        say: receives one line as a step starts and one as it ends.
        at_once: how many steps run side by side.
        dry_run: only find out what is missing.

    Raises:
        FleetError: a step failed; the others that were running have been let finish, so their work is kept.
    """
    keys = keys_of(steps)
    folders = {step.name: store.folder(step, keys) for step in steps}
    missing = [step for step in steps if not await _is_there(step, folders[step.name])]
    if dry_run or not missing:
        return Outcome(folders, [step.name for step in missing])
    with store.locked(say):
        missing = [step for step in steps if not await _is_there(step, folders[step.name])]
        await _build_all(missing, folders, keys, store, say, at_once)
    return Outcome(folders, [step.name for step in missing])


async def _is_there(step: Step, folder: pathlib.Path) -> bool:
    if not folder.is_dir():
        return False
    return step.also is None or await step.also(folder)


async def _build_all(
    missing: t.Sequence[Step],
    folders: t.Mapping[str, pathlib.Path],
    keys: t.Mapping[str, str],
    store: Store,
    say: t.Callable[[str], None],
    at_once: int,
) -> None:
    free = asyncio.Semaphore(at_once)
    done = {step.name: asyncio.Event() for step in missing}
    failed: list[str] = []

    async def one(step: Step) -> None:
        try:
            for need in step.needs:
                if need in done:
                    await done[need].wait()
            async with free:
                if failed:
                    return
                say(f"  {step.name} …")
                start = time.monotonic()
                try:
                    with store.unfinished(folders[step.name]) as work:
                        await step.build(work, {need: folders[need] for need in step.needs}, keys[step.name])
                except BaseException:
                    failed.append(step.name)
                    raise
                say(f"  {step.name} done in {time.monotonic() - start:.0f} s")
        finally:
            # Also of a step that was never begun: those that need it wait for it.
            done[step.name].set()

    results = await asyncio.gather(*(one(step) for step in missing), return_exceptions=True)
    errors = [r for r in results if isinstance(r, BaseException)]
    if not errors:
        return
    for error in errors:
        if not isinstance(error, (FleetError, OSError)):
            raise error
    first = errors[0]
    if isinstance(first, FleetError):
        raise first
    means, next_step = explain(str(first))
    raise FleetError(
        f"building {failed[0]} failed",
        seen=str(first),
        means=means,
        next_step=next_step or "correct that and run again; what is finished is kept",
    )


def _flush(folder: pathlib.Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
