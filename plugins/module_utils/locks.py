# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks between the tasks and runs of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import typing as t

from .errors import FleetError
from .files import AnyPath, make_folder

__all__ = ["locked", "locked_file"]


@contextlib.contextmanager
def locked(path: AnyPath, *, busy: t.Callable[[], object] | None = None) -> t.Iterator[None]:
    """Hold the lock ``path`` while the block runs. The system frees it when its holder ends, even by a kill.

    Args:
        path: a file without content, made (0600) with its folder where it is missing. It stays.
        busy: called before the wait when somebody else holds the lock. If it raises, there is no wait.

    Raises:
        FleetError: the file cannot be made, opened or locked.
    """
    make_folder(pathlib.Path(path).parent)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FleetError(
            f"the lock {path} cannot be opened",
            seen=str(error),
            next_step="correct the owner and mode of the file and of its folder",
        ) from None
    try:
        if not _taken(handle, path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if busy:
                busy()
            _taken(handle, path, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked_file(path: AnyPath, *, shared: bool = False, wait: bool = True) -> t.Iterator[None]:
    """Hold the lock ``path`` in a folder that is there, for those who may share it or will not wait.

    Args:
        path: as in :func:`locked`.
        shared: with others who share it.
        wait: until it is free.

    Raises:
        BlockingIOError: somebody else holds it, and there is no wait.
        OSError: the folder is not there.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def _taken(handle: int, path: AnyPath, how: int) -> bool:
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        return False
    except OSError as error:
        raise FleetError(
            f"the lock {path} cannot be taken",
            seen=str(error),
            means="the file system of that folder has no locks, or its lock service is down",
            next_step="keep the folder on a file system with locks: a local disk, or NFS with its lock service",
        ) from None
    return True
