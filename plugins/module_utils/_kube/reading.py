# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading objects, logs and paths of one cluster, over one connection. What does not exist is no error."""

from __future__ import annotations

import datetime
import types
import typing as t

from .._model.inventory.connection import Connection
from ..errors import FleetError
from .absence import Asked, asked_by
from .connect import AbsentCluster, resolve
from .diffs import Object
from .discovery import KNOWN, Kinds, Resource
from .errors import ApiError, not_an_answer
from .recording import recording
from .transport import Transport

__all__ = ["LARGE_PAGE", "Reader", "is_listing", "selector_of", "where_of"]

_PAGE = "500"
"""So many objects are in an answer: one may be as large as 1.5 MiB. An API server has the first page in memory, and
decodes those of any other page anew."""
LARGE_PAGE = 5000
"""For kinds whose objects have a kilobyte or so each and may be many: all are on the first page."""
# Reader.list hides the builtin inside the class.
Objects = list[Object]


class Reader:
    """One connection to one cluster's API server, and all that can be read over it."""

    def __init__(
        self,
        connection: Connection,
        *,
        cluster: str = "",
        timeout: float = 10,
        absent_ok: bool = False,
        concurrency: int = 16,
        take_over: bool = False,
    ) -> None:
        self.cluster = cluster
        self.take_over = take_over
        """Whether what others made may be changed and removed: the user's consent."""
        self.left: list[str] = []
        """What a removal left because it records no fleet, as ``Kind namespace/name``."""
        self.concurrency = concurrency
        self.absent = False
        self.absence: AbsentCluster | None = None
        """Who says that it is absent, and what they saw."""
        """True for a cluster that does not exist yet: it is empty, and what is applied counts as created."""
        self._connection = connection
        self._timeout = float(timeout)
        self._absent_ok = absent_ok
        self._transport: Transport | None = None
        self.record = recording()
        """Where what is applied is recorded instead; None where it is applied."""
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
        take_over: bool = False,
    ) -> t.Self:
        """A client to enter with ``async with``. No request is sent before the first one is needed.

        Args:
            connection: where the API server is, and credentials.
            cluster: its name in messages and changes.
            timeout: seconds to connect.
            absent_ok: a missing kubeconfig or context gives a client over an empty cluster (check mode).
            concurrency: how many objects are applied or deleted at a time.
            take_over: whether what others made may be changed and removed.
        """
        return cls(
            connection,
            cluster=cluster,
            timeout=timeout,
            absent_ok=absent_ok,
            concurrency=concurrency,
            take_over=take_over,
        )

    async def __aenter__(self) -> t.Self:
        if self.record is not None:
            self.absent = True
            return self
        try:
            endpoint = await resolve(self._connection, self.cluster)
        except AbsentCluster as error:
            if not self._absent_ok:
                raise
            self.absent, self.absence = True, error
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
    def left_warnings(self) -> list[str]:
        """What removals left, as one warning; empty if they left nothing."""
        if not self.left:
            return []
        more = f" and {len(self.left) - 3} more" if len(self.left) > 3 else ""
        return [
            f"{self.cluster}: {', '.join(self.left[:3])}{more} stayed: an earlier version made it and recorded no "
            "fleet. If it is this fleet's, run once with mesh_take_over: true"
        ]

    @property
    def server(self) -> str:
        """The API server's address; "" for a cluster that does not exist yet."""
        return self._transport.endpoint.server if self._transport else ""

    @property
    def ahead(self) -> datetime.timedelta:
        """By how much the cluster's clock is ahead of this machine's; nothing before its first answer."""
        return self._transport.ahead if self._transport else datetime.timedelta(0)

    async def resource(self, api_version: str, kind: str, *, obj: str = "") -> Resource:
        """How the server addresses a kind, see :meth:`Kinds.find`."""
        return await self.kinds.find(self.transport, api_version, kind, obj=obj)

    async def get_path(self, path: str, *, obj: str = "", kind: str = "") -> Object | None:
        """What is at a path, of ``kind`` if one is given; None where the API server says that nothing is."""
        try:
            found: Object = await self.transport.request("GET", path, obj=obj)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        asked = asked_by(path)
        if asked is not None and asked.name and not _is_object(found, asked, kind):
            raise self.strange(found, obj, "read")
        return found

    async def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """One object, or None when it (or its kind, or its namespace) does not exist."""
        if self.record is not None:
            return self.record.get(self.cluster, api_version, kind, name, namespace)
        if self.absent:
            return None
        where = where_of(kind, name, namespace)
        try:
            resource = await self.resource(api_version, kind, obj=where)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return await self.get_path(resource.path(namespace, name), obj=where, kind=kind)

    def strange(self, answer: t.Any, obj: str, action: str) -> ApiError:
        """The error for an answer that has not the form of what was asked for."""
        return not_an_answer(answer, server=self.server, cluster=self.cluster, obj=obj, action=action)

    async def list(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        labels: t.Mapping[str, str] | str | None = None,
        fields: t.Mapping[str, str] | None = None,
        page: int = 0,
    ) -> Objects:
        """All objects of a kind (empty when the server has no such kind).

        Args:
            namespace: "" for every namespace.
            labels: ``{"app": "x"}``, or a selector as in kubectl.
            fields: a field selector, as ``{"status.phase": "Running"}``.
            page: objects in an answer, more than usual where they are small and may be many; 0 for 500.
        """
        if self.record is not None:
            return self.record.list(self.cluster, api_version, kind, namespace, labels, fields)
        if self.absent:
            return []
        where = where_of(kind, "", namespace)
        try:
            resource = await self.resource(api_version, kind, obj=where)
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        while True:
            try:
                return await self._pages(resource, namespace, selector_of(labels, fields), where, page)
            except ApiError as error:
                if error.status == 404:
                    return []
                if error.status != 410:  # 410: the list changed too much between two pages
                    raise

    async def _pages(
        self, resource: Resource, namespace: str, selector: dict[str, str], where: str, page: int
    ) -> Objects:
        found: Objects = []
        params = {**selector, "limit": str(page or _PAGE)}
        while True:
            answer = await self.transport.request(
                "GET", resource.path(namespace), params=params, obj=where, action="list"
            )
            if not is_listing(answer, resource.api_version):  # it would count as: there are none
                raise self.strange(answer, where, "list")
            found += [
                {"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in answer["items"] or []
            ]
            more = answer["metadata"].get("continue")
            if not more:
                return found
            params["continue"] = more

    async def pods(self, namespace: str, labels: t.Mapping[str, str] | str | None = None) -> Objects:
        """Pods that are not being deleted."""
        found = await self.list("v1", "Pod", namespace, labels)
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    async def logs(
        self, namespace: str, pod: str, container: str = "", *, tail: int | None = None, previous: bool = False
    ) -> str:
        """A container's log as text; ``tail`` in lines."""
        if self.absent:
            return ""
        params = {"container": container} if container else {}
        if tail is not None:
            params["tailLines"] = str(tail)
        if previous:
            params["previous"] = "true"
        path = KNOWN["v1", "Pod"].path(namespace, pod, "log")
        return str(
            await self.transport.request(
                "GET", path, params=params, obj=where_of("Pod", pod, namespace), action="log", text=True
            )
        )

    async def raw_get(self, path: str) -> t.Any:
        """GET any path, as ``/version`` (decoded JSON) or ``/readyz`` (text)."""
        return await self.transport.request("GET", path, obj=path, text=True)


def _is_object(answer: t.Mapping[str, t.Any], asked: Asked, kind: str) -> bool:
    """Whether an answer is the object that was asked for, by version, kind ("" for any) and name."""
    meta = answer.get("metadata")
    same = isinstance(meta, dict) and meta.get("name") == asked.name and answer.get("apiVersion") == asked.api_version
    return same and kind in ("", answer.get("kind"))


def is_listing(answer: t.Mapping[str, t.Any], api_version: str) -> bool:
    """Whether an answer has the form of a list of objects of a version; Go writes an empty list as null, too."""
    if answer.get("apiVersion") != api_version:
        return False
    items = answer.get("items", "")
    whole = items is None or (
        isinstance(items, list) and all(isinstance(i, dict) and isinstance(i.get("metadata"), dict) for i in items)
    )
    return whole and isinstance(answer.get("metadata"), dict)


def where_of(kind: str, name: str, namespace: str) -> str:
    return " ".join(part for part in (kind, "/".join(p for p in (namespace, name) if p)) if part)


def selector_of(labels: t.Mapping[str, str] | str | None, fields: t.Mapping[str, str] | None) -> dict[str, str]:
    params = {}
    if labels:
        params["labelSelector"] = (
            labels if isinstance(labels, str) else ",".join(f"{key}={value}" for key, value in labels.items())
        )
    if fields:
        params["fieldSelector"] = ",".join(f"{key}={value}" for key, value in fields.items())
    return params
