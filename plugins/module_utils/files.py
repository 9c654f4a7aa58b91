# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of ours on this machine: private unless said otherwise, and replaced as a whole."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import tempfile
import typing as t

from .errors import FleetError

__all__ = ["has_files_in_memory", "make_cache", "make_folder", "remove_file", "replace_link", "set_aside", "write_file"]

AnyPath: t.TypeAlias = "str | os.PathLike[str]"


def has_files_in_memory() -> bool:
    """Whether this system has files in memory that another program may open by a path; macOS has no ``/proc``."""
    return hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd")


def make_folder(path: AnyPath) -> None:
    """Make ``path`` and the folders above it where they are missing, each for its owner alone (0700).

    Raises:
        FleetError: there is no permission, or something else has that name.
    """
    folder = pathlib.Path(path)
    try:
        missing = [each for each in (folder, *folder.parents) if not each.is_dir()]
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
            # A file that outlives a power cut in a folder that does not would be lost.
            _flush(each.parent)
    except OSError as error:
        raise FleetError(
            f"{path} cannot be made",
            seen=str(error),
            next_step="correct the path, or the owner and mode of the folder above it",
        ) from None


def make_cache(path: AnyPath) -> None:
    """Make a folder of the artifacts, where it is missing.

    Raises:
        FleetError: this user may not make it, or not write to it.
    """
    seen = ""
    try:
        pathlib.Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        seen = str(error)
    if seen or not os.access(path, os.W_OK | os.X_OK):
        raise FleetError(
            f"{path} cannot be written",
            seen=seen or "it belongs to somebody else, or is read-only",
            means="programs, charts and images are kept there",
            next_step="set artifacts_directory, or XDG_CACHE_HOME in the environment, to a folder that this user may "
            "write; or correct the folder's owner and mode",
        )


def write_file(path: AnyPath, text: str, *, mode: int = 0o600, replace: bool = True, durable: bool = True) -> None:
    """Replace ``path`` as a whole: a reader, or a run that is cut off, finds the old text or the new one.

    A missing folder is made. A symbolic link of that name is replaced; what it points to stays as it is. When this
    returns, the file outlives a power cut.

    Args:
        text: written as UTF-8.
        mode: of the file, whatever the umask is.
        replace: False for what nobody can make again, as a key: a file of that name is refused.
        durable: False for what ends with this run anyway: it is not waited for the disk.

    Raises:
        FleetError: there is no space or no permission, or a file that may not be replaced. The old text is still there.
    """
    target = pathlib.Path(path)
    make_folder(target.parent)
    if not replace and os.path.lexists(target):
        raise FleetError(
            f"{target} is there already, and is not overwritten", next_step="move it to a safe place, then run again"
        )
    temporary = ""
    try:
        # A random name, made by us alone: a link that somebody put there is never followed.
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            os.fchmod(handle, mode)
            stream.write(text)
            stream.flush()
            if durable:
                # A name that outlives a power cut, but not its text, would be an empty file.
                os.fsync(handle)
        os.replace(temporary, target)
        temporary = ""
        if durable:
            _flush(target.parent)
    except OSError as error:
        raise _not_written(target, error) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def set_aside(path: AnyPath) -> str:
    """Give ``path`` another name in its folder, ``<name>.old``, ``<name>.old1`` and so on, which no file has yet.

    Returns:
        The new name; "" when nothing of that name was there.

    Raises:
        FleetError: no permission. The file has its old name.
    """
    old = pathlib.Path(path)
    if not os.path.lexists(old):
        return ""
    names = (old.with_name(f"{old.name}.old{n or ''}") for n in itertools.count())
    free = next(name for name in names if not os.path.lexists(name))
    try:
        os.rename(old, free)
        _flush(old.parent)
    except OSError as error:
        raise _not_written(free, error) from None
    return str(free)


def remove_file(path: AnyPath) -> None:
    """Remove a file for good, also over a power cut. Raises FleetError when there is no permission."""
    try:
        os.unlink(path)
        _flush(pathlib.Path(path).parent)
    except OSError as error:
        raise FleetError(
            f"{path} cannot be removed", seen=str(error), next_step="correct the owner and mode of its folder"
        ) from None


def replace_link(link: AnyPath, target: AnyPath) -> None:
    """Make ``link`` a symbolic link to ``target``, in place of a file or link of that name, with no moment without.

    Raises:
        FleetError: there is no space or no permission. The old link is still there.
    """
    link = pathlib.Path(link)
    try:
        with tempfile.TemporaryDirectory(dir=link.parent, prefix=f".{link.name}-") as folder:
            fresh = pathlib.Path(folder, link.name)
            fresh.symlink_to(target)
            os.replace(fresh, link)
        _flush(link.parent)
    except OSError as error:
        raise _not_written(link, error) from None


def _flush(folder: pathlib.Path) -> None:
    """Have a rename outlive a power cut. Some file systems cannot: what was renamed is there nevertheless."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _not_written(path: pathlib.Path, error: OSError) -> FleetError:
    return FleetError(
        f"{path} cannot be written",
        seen=str(error),
        next_step="free space on the disk, or correct the owner and mode of the folder, then run again",
    )
