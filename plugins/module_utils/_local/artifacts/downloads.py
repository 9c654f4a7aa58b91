# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Download released files; every failure is reported with its next step."""

from __future__ import annotations

import hashlib
import http.client
import os
import pathlib
import re
import shutil
import tarfile
import typing as t
import urllib.error

from ansible.module_utils.urls import open_url

from ...errors import FleetError
from ...proxies import proxy_of

__all__ = ["extract_program", "fetch", "fetch_text", "published_sum"]

_TIMEOUT = 60.0


def extract_program(archive: pathlib.Path, member: str, target: pathlib.Path) -> None:
    """Write the program ``member`` of a tar archive to ``target``."""
    try:
        with tarfile.open(archive) as opened:
            source = opened.extractfile(member)
            if source is None:
                raise KeyError(member)
            with source, open(target, "wb") as out:
                shutil.copyfileobj(source, out)
    except (KeyError, tarfile.TarError) as error:
        raise FleetError(
            f"{archive.name} does not hold {member}",
            seen=str(error),
            next_step="give the address of the archive as its maker releases it (artifacts_downloads)",
        ) from error


def fetch(url: str, target: pathlib.Path) -> str:
    """Write what ``url`` holds to ``target``; its SHA-256."""
    total, size = hashlib.sha256(), 0
    with _open(url) as answer, open(target, "wb") as out:
        while chunk := _part(answer, url):
            total.update(chunk)
            size += len(chunk)
            out.write(chunk)
        promised = int(answer.headers.get("Content-Length") or size)
    # To the library a connection that breaks off is the end of the file.
    if size < promised:
        raise _unreachable(url, OSError(f"it broke off after {size} of {promised} bytes"))
    return total.hexdigest()


def published_sum(url: str, file: str) -> str:
    """The SHA-256 that a maker publishes for ``file``: alone, or in a list of many."""
    with _open(url) as answer:
        text = _part(answer, url).decode(errors="replace")
    lines = [line for line in text.splitlines() if file in line] or text.splitlines()
    found = re.search(r"\b[0-9a-f]{64}\b", lines[0] if lines else "")
    if found is None:
        raise FleetError(
            f"no checksum for {file}", seen=f"{url} holds none", next_step="give it in artifacts_checksums"
        )
    return found.group()


def fetch_text(url: str, timeout: float = _TIMEOUT) -> str:
    """What ``url`` holds, as text."""
    parts = []
    with _open(url, timeout) as answer:
        while chunk := _part(answer, url):
            parts.append(chunk)
    return b"".join(parts).decode(errors="replace")


def _part(answer: t.Any, url: str) -> bytes:
    try:
        return bytes(answer.read(1 << 20))
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error


def _open(url: str, timeout: float = _TIMEOUT) -> t.Any:
    try:
        return open_url(url, timeout=timeout, use_proxy=bool(proxy_of(url, os.environ)))
    except urllib.error.HTTPError as error:
        raise FleetError(
            f"downloading {url.rsplit('/', 1)[1]} failed",
            seen=f"{url} answers {error.code} {error.reason}",
            next_step="set artifacts_downloads to a mirror that has it, or artifacts_source: registries",
        ) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error


def _unreachable(url: str, error: Exception) -> FleetError:
    return FleetError(
        f"downloading {url.rsplit('/', 1)[1]} failed",
        seen=f"{url}: {getattr(error, 'reason', error)}",
        next_step="check the network, set artifacts_downloads to a mirror, or artifacts_source: registries",
    )
