# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One async client of one cluster's API server."""

from __future__ import annotations

import datetime
import types
import typing as t

from .._model.fleet import Connection
from ..errors import FleetError
from ..results import Change
from . import apply as applying
from . import execs, removal
from .apply import FIELD_MANAGER, MANAGED_BY, PART_OF, owner_labels
from .conditions import Condition
from .connect import AbsentCluster, resolve
from .diffs import Object
from .discovery import KNOWN, Resource
from .errors import ApiError
from .execs import ExecResult
from .explain import explain_not_ready
from .kinds import Kinds
from .transport import Transport
from .waiting import selector_of, until_done, where_of

__all__ = ["FIELD_MANAGER", "MANAGED_BY", "PART_OF", "ApiError", "ExecResult", "Kube", "owner_labels"]

_EXPLAINED = ("DaemonSet", "Deployment", "Pod", "StatefulSet")
_PAGE = "500"
# Kube.list hides the builtin inside the class.
Objects = list[Object]
Changes = list[Change]


class Kube:
    """Use as ``async with Kube.connect(connection, cluster="west") as kube``.

    Every failure is a FleetError with cluster, object, what was seen, what it means and the next step;
    one that comes from the API server is an :class:`ApiError`, which has the HTTP ``status``.
    """

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
    ) -> Kube:
        """A client to enter with ``async with``. No request is sent before the first one is needed.

        Args:
            connection: where the API server is, and credentials.
            cluster: its name in messages and changes.
            timeout: seconds to connect.
            absent_ok: a missing kubeconfig or context gives a client over an empty cluster (check mode).
            concurrency: how many objects are applied or deleted at a time.
        """
        return cls(connection, cluster=cluster, timeout=timeout, absent_ok=absent_ok, concurrency=concurrency)

    async def __aenter__(self) -> Kube:
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

    # -- kinds ---------------------------------------------------------------------------------

    async def resource(self, api_version: str, kind: str, *, obj: str = "") -> Resource:
        """How the server addresses a kind, see :meth:`Kinds.find`."""
        return await self.kinds.find(self.transport, api_version, kind, obj=obj)

    # -- read ----------------------------------------------------------------------------------

    async def get_path(self, path: str, *, obj: str = "") -> Object | None:
        try:
            found: Object = await self.transport.request("GET", path, obj=obj)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    async def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        """One object, or None when it (or its kind, or its namespace) does not exist."""
        if self.absent:
            return None
        where = where_of(kind, name, namespace)
        try:
            resource = await self.resource(api_version, kind, obj=where)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return await self.get_path(resource.path(namespace, name), obj=where)

    async def list(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        labels: t.Mapping[str, str] | str | None = None,
        fields: t.Mapping[str, str] | None = None,
    ) -> Objects:
        """All objects of a kind (empty when the server has no such kind).

        Args:
            namespace: "" for every namespace.
            labels: ``{"app": "x"}``, or a selector as kubectl takes it.
            fields: a field selector, as ``{"status.phase": "Running"}``.
        """
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
                return await self._pages(resource, namespace, selector_of(labels, fields), where)
            except ApiError as error:
                if error.status == 404:
                    return []
                if error.status != 410:  # 410: the list changed too much between two pages
                    raise

    async def _pages(self, resource: Resource, namespace: str, selector: dict[str, str], where: str) -> Objects:
        found: Objects = []
        params = {**selector, "limit": _PAGE}
        while True:
            answer = await self.transport.request(
                "GET", resource.path(namespace), params=params, obj=where, action="list"
            )
            found += [
                {"apiVersion": resource.api_version, "kind": resource.kind, **item}
                for item in answer.get("items") or []
            ]
            more = (answer.get("metadata") or {}).get("continue")
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
            await self.transport.request("GET", path, params=params, obj=where_of("Pod", pod, namespace), action="log")
        )

    async def raw_get(self, path: str) -> t.Any:
        """GET any path, as ``/version`` (decoded JSON) or ``/readyz`` (text)."""
        return await self.transport.request("GET", path, obj=path)

    # -- write ---------------------------------------------------------------------------------

    async def apply(
        self,
        objects: t.Iterable[t.Mapping[str, t.Any]],
        *,
        dry_run: bool = False,
        mask: bool = True,
        diff: bool = True,
        labels: t.Mapping[str, str] | None = None,
        take_over: t.Sequence[str] = (),
        manager: str = FIELD_MANAGER,
    ) -> Changes:
        """Server-side apply of all ``objects``, concurrently; namespaces and CRDs first, workloads last.

        An object is applied whole: a field that an earlier apply set and this one leaves out is removed.
        Two callers must therefore not apply different parts of one object under one ``manager``.

        Args:
            dry_run: let the server compute the answer and keep nothing. What needs a namespace or CRD that
                does not exist yet counts as created.
            mask: hide Secret values (and keys and tokens elsewhere) in ``before`` and ``after``.
            diff: False leaves ``before`` and ``after`` empty, which saves time.
            labels: put on every object, see :func:`owner_labels`.
            take_over: names of field managers whose fields may be taken.

        Raises:
            FleetError: one for all objects that failed; the others were applied.
        """
        return await applying.apply(
            self,
            objects,
            dry_run=dry_run,
            mask=mask,
            diff=diff,
            labels=labels or {},
            take_over=take_over,
            manager=manager,
        )

    async def prune(
        self,
        keep: t.Iterable[t.Mapping[str, t.Any]],
        *,
        labels: t.Mapping[str, str],
        kinds: t.Iterable[tuple[str, str]],
        namespace: str = "",
        dry_run: bool = False,
        mask: bool = True,
        diff: bool = True,
        wait: float = 0,
    ) -> Changes:
        """Delete objects that carry all ``labels`` and are not in ``keep``; nothing else.

        Args:
            kinds: ``(apiVersion, kind)`` pairs to look at; one that the server does not have is skipped.
            namespace: "" for every namespace.
            wait: seconds to wait until they are gone; 0 does not wait.
        """
        return await removal.prune(
            self,
            keep,
            labels=labels,
            kinds=kinds,
            namespace=namespace,
            dry_run=dry_run,
            mask=mask,
            diff=diff,
            wait=wait,
        )

    async def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str = "",
        *,
        dry_run: bool = False,
        mask: bool = True,
        diff: bool = True,
        wait: float = 0,
    ) -> Change:
        """Delete one object; "unchanged" when it is not there. ``wait`` in seconds, until it is gone."""
        obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
        return (await self.remove([obj], dry_run=dry_run, mask=mask, diff=diff, wait=wait))[0]

    async def remove(
        self,
        objects: t.Iterable[t.Mapping[str, t.Any]],
        *,
        dry_run: bool = False,
        mask: bool = True,
        diff: bool = True,
        wait: float = 0,
    ) -> Changes:
        """Delete many objects (by apiVersion, kind, name), namespaces and CRDs last."""
        return await removal.remove(self, objects, dry_run=dry_run, mask=mask, diff=diff, wait=wait)

    async def token(
        self, namespace: str, account: str, *, seconds: int = 3600, audiences: t.Sequence[str] = ()
    ) -> tuple[str, datetime.datetime]:
        """A bound token of a ServiceAccount and when it ends (UTC). The server may shorten ``seconds``."""
        path = KNOWN["v1", "ServiceAccount"].path(namespace, account, "token")
        spec: Object = {"expirationSeconds": int(seconds)}
        if audiences:
            spec["audiences"] = list(audiences)
        answer = await self.transport.request(
            "POST",
            path,
            body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
            obj=where_of("ServiceAccount", account, namespace),
            action="create token",
        )
        status = answer["status"]
        expires = datetime.datetime.fromisoformat(str(status["expirationTimestamp"]).replace("Z", "+00:00"))
        return str(status["token"]), expires

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: t.Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60,
    ) -> ExecResult:
        """Run a command in a container ("" for the default one): ``(stdout, stderr, code)``.

        A non-zero exit code is a result, not an error. ``timeout`` in seconds for the whole command.
        """
        path = KNOWN["v1", "Pod"].path(namespace, pod, "exec")
        where = where_of("Pod", pod, namespace)
        return await execs.run(self.transport, path, container, command, stdin=stdin, timeout=timeout, obj=where)

    # -- wait ----------------------------------------------------------------------------------

    async def wait(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str = "",
        *,
        until: Condition,
        timeout: float = 120,
    ) -> Object | None:
        """Watch one object until ``until(object or None)`` is done; return the object as it is then.

        Raises:
            FleetError: after ``timeout`` seconds, with what was last seen; for a workload also what its
                pods wait for.
        """
        if self.absent:
            return None
        where = where_of(kind, name, namespace)
        last: dict[str, Object | None] = {"": None}

        def one(items: t.Sequence[Object]) -> tuple[bool, str]:
            last[""] = items[0] if items else None
            return until(last[""])

        try:
            resource = await self.resource(api_version, kind, obj=where)
            selector = {"fieldSelector": f"metadata.name={name}"}
            await until_done(self.transport, resource, namespace, selector, one, timeout, where)
        except FleetError as error:
            if kind in _EXPLAINED and last[""] is not None and not isinstance(error, ApiError):
                error.means = await explain_not_ready(self, last[""]) or error.means
            raise
        return last[""]

    async def wait_list(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        labels: t.Mapping[str, str] | str | None = None,
        *,
        until: t.Callable[[t.Sequence[Object]], tuple[bool, str]],
        timeout: float = 120,
    ) -> Objects:
        """As :meth:`wait`, for all objects that match: ``until`` takes the list of them."""
        if self.absent:
            return []
        where = where_of(kind, "", namespace)
        resource = await self.resource(api_version, kind, obj=where)
        return await until_done(self.transport, resource, namespace, selector_of(labels, None), until, timeout, where)
