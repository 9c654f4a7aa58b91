# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ctrl-C and a polite kill as a cancellation, so that a task can put right what it did before it ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import typing as t

__all__ = ["cancelled_by_signals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def cancelled_by_signals(heard: t.Callable[[], None]) -> t.Iterator[None]:
    """Cancel the current task when this process is asked to end; otherwise Ansible's worker ends at once.

    The worker is a process of its own, and Ansible's main process waits for it at its end. So the task may do what it
    has to do. Further signals cancel it again.

    Args:
        heard: called at the first signal.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            told = True
            heard()
        if task is not None:
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
