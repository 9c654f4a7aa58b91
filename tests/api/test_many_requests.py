# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""However many requests a run makes at once, it does not run out of connections."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube import transport
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube

Connect = t.Callable[..., Kube]


@pytest.fixture
def few_files() -> t.Iterator[t.Callable[[int], None]]:
    """Sets how many files more this process may open, softly."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def set_to(more: int) -> None:
        taken = {int(number) for number in os.listdir("/proc/self/fd")}
        free = (number for number in itertools.count() if number not in taken)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, more, None)), hard))

    yield set_to
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def ask(kube: Kube, times: int) -> int:
    async with kube:
        found = await asyncio.gather(*(kube.get("v1", "Namespace", "default") for _time in range(times)))
    return sum(one is not None for one in found)


def test_requests_wait_for_a_place(
    connect: Connect, few_files: t.Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "allow_many", lambda: None)
    few_files(64)
    assert asyncio.run(ask(connect(), 300)) == 300


def test_a_shell_with_few_files_is_no_bound(connect: Connect, few_files: t.Callable[[int], None]) -> None:
    few_files(16)
    assert asyncio.run(ask(connect(), 60)) == 60
