# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a refused credential that many requests share is replaced: once for all of them, and not again and again.

Both clients decide by it. What differs between them is how a request waits for its turn: the client of an API server
(``_kube/endpoint.py``) runs in one event loop and waits without a thread, Google's client (``_gcp/auth/login.py``)
serves threads. Tasks are processes and share a token through a file (``_gcp/clusters/connections.py``), which is
compared there under the file's lock.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from .errors import FleetError

__all__ = ["Renewal"]


class Renewal:
    """The decisions about one credential. Its caller holds a lock around :meth:`is_due` and :meth:`attempt`."""

    def __init__(self) -> None:
        self._unproven = ""
        """The replacement of a refused credential, until the server has accepted it."""
        self._failed: tuple[float, FleetError] | None = None
        """When getting one failed for the last time, and why."""

    def is_due(self, refused: str, current: str, since: float) -> bool:
        """Whether to get a new credential now.

        Not when another request got one meanwhile, and not when the refused one is new itself.

        Args:
            refused: the credential of the request that was refused.
            current: the credential in use.
            since: when the caller began to wait for the lock, on the monotonic clock.

        Raises:
            FleetError: somebody tried during the wait; why there is none.
        """
        if refused != current or refused == self._unproven:
            return False
        if self._failed and self._failed[0] > since:
            raise self._failed[1]
        return True

    @contextlib.contextmanager
    def attempt(self) -> t.Iterator[None]:
        """Around the work of getting a new one: remembers why it failed."""
        try:
            yield
        except FleetError as error:
            self._failed = (time.monotonic(), error)
            raise

    def got(self, new: str, refused: str) -> None:
        """A new credential is in use. A machine of a cloud may get the refused one again: that needs no proof."""
        self._unproven = new if new != refused else ""

    def accepted(self, credential: str) -> None:
        """The server accepted a request with this credential."""
        if credential == self._unproven:
            self._unproven = ""
