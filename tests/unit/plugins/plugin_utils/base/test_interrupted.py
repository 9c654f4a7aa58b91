# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A signal cancels the task, which puts right what it did; afterwards signals do what they did before."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest

from ansible_collections.mesh.fleet.plugins.plugin_utils.base.interrupted import cancelled_by_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_and_the_task_puts_right(number: signal.Signals) -> None:
    said: list[str] = []

    async def work() -> None:
        with cancelled_by_signals(lambda: said.append("heard")):
            try:
                os.kill(os.getpid(), number)
                await asyncio.Event().wait()
            finally:
                os.kill(os.getpid(), number)
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait_for(asyncio.Event().wait(), 5)
                said.append("put right")

    before = signal.getsignal(number)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())
    assert said == ["heard", "put right"]
    assert signal.getsignal(number) is before


def test_without_a_signal_nothing_happens() -> None:
    async def work() -> int:
        with cancelled_by_signals(lambda: None):
            return 1

    before = signal.getsignal(signal.SIGTERM)
    assert asyncio.run(work()) == 1
    assert signal.getsignal(signal.SIGTERM) is before
