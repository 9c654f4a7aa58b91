# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One connection to one cluster's API server, from the first request until it is closed."""

from __future__ import annotations

import types
import typing as t

from .._model.inventory.fleet import Connection
from ..errors import FleetError
from .connect import AbsentCluster, resolve
from .discovery import Resource
from .kinds import Kinds
from .transport import Transport

__all__ = ["Session"]


class Session:
    """What every request needs: the way to the server, and the addresses of its kinds."""

    def __init__(
        self,
        connection: Connection,
        *,
        cluster: str = "",
        timeout: float = 10,
        absent_ok: bool = False,
        concurrency: int = 16,
    ) -> None:
        self.cluster = cluster
        self.concurrency = concurrency
        self.absent = False
        """True for a cluster that does not exist yet: it is empty, and what is applied counts as created."""
        self._connection = connection
        self._timeout = float(timeout)
        self._absent_ok = absent_ok
        self._transport: Transport | None = None
        self.kinds = Kinds()

    @classmethod
    def connect(
        cls,
        connection: Connection,
        *,
        cluster: str = "",
        timeout: float = 10,
        absent_ok: bool = False,
        concurrency: int = 16,
    ) -> t.Self:
        """A client to enter with ``async with``. No request is sent before the first one is needed.

        Args:
            connection: where the API server is, and credentials.
            cluster: its name in messages and changes.
            timeout: seconds to connect.
            absent_ok: a missing kubeconfig or context gives a client over an empty cluster (check mode).
            concurrency: how many objects are applied or deleted at a time.
        """
        return cls(connection, cluster=cluster, timeout=timeout, absent_ok=absent_ok, concurrency=concurrency)

    async def __aenter__(self) -> t.Self:
        try:
            endpoint = await resolve(self._connection, self.cluster)
        except AbsentCluster:
            if not self._absent_ok:
                raise
            self.absent = True
            return self
        self._transport = Transport(endpoint, self.cluster, self._timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        if self._transport:
            await self._transport.close()

    @property
    def transport(self) -> Transport:
        if self._transport is None:
            raise FleetError(
                "it does not exist yet", cluster=self.cluster, next_step="run the stage that makes the cluster"
            )
        return self._transport

    @property
    def server(self) -> str:
        """The API server's address; "" for a cluster that does not exist yet."""
        return self._transport.endpoint.server if self._transport else ""

    async def resource(self, api_version: str, kind: str, *, obj: str = "") -> Resource:
        """How the server addresses a kind, see :meth:`Kinds.find`."""
        return await self.kinds.find(self.transport, api_version, kind, obj=obj)
