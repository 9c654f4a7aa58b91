# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One async client of one cluster's API server."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import types
import typing as t

from .._model.fleet import Connection
from ..errors import FleetError
from ..results import Change
from . import apply as applying
from . import execs
from .apply import FIELD_MANAGER, MANAGED_BY, PART_OF, owner_labels
from .conditions import Condition
from .connect import AbsentCluster, resolve
from .diffs import Object
from .discovery import KNOWN, Resource, nearest, prefix
from .errors import ApiError
from .execs import ExecResult
from .explain import explain_not_ready
from .follow import follow
from .transport import Transport

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
        self._resources: dict[tuple[str, str], Resource] = dict(KNOWN)
        self._fresh: set[tuple[str, str]] = set()
        self._groups: dict[str, asyncio.Task[None]] = {}

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
        """How the server addresses a kind: from the table of common ones, else one GET per group version.

        Raises:
            ApiError: with status 404 when the server does not serve it (its CRD is not installed).
        """
        found = self._resources.get((api_version, kind))
        if found:
            return found
        if api_version not in self._groups:
            self._groups[api_version] = asyncio.ensure_future(self._discover(api_version))
        try:
            await self._groups[api_version]
        except ApiError as error:
            self._groups.pop(api_version, None)
            if error.status != 404:
                raise
        found = self._resources.get((api_version, kind))
        if found:
            return found
        self._groups.pop(api_version, None)  # a CRD may come later: ask again then
        kinds = [name for group, name in self._resources if group == api_version]
        raise ApiError(
            f"this API server has no kind {kind} in {api_version}",
            status=404,
            cluster=self.cluster,
            obj=obj or kind,
            seen=f"{api_version} has {', '.join(sorted(kinds))}" if kinds else f"it has no {api_version}",
            means=nearest(kind, kinds) or "its CRD is not installed",
            next_step="install the CRD first, or correct apiVersion and kind",
        )

    async def _discover(self, api_version: str) -> None:
        answer = await self.transport.request("GET", prefix(api_version), obj=api_version, action="discover")
        self._keep(
            Resource(api_version, str(entry["kind"]), str(entry["name"]), bool(entry["namespaced"]))
            for entry in answer.get("resources") or []
            if "/" not in entry["name"]
        )

    def _keep(self, resources: t.Iterable[Resource]) -> None:
        for resource in resources:
            self._resources[resource.api_version, resource.kind] = resource

    def learn(self, resources: t.Iterable[Resource]) -> None:
        """Take kinds for served whose CRD was just established."""
        for resource in resources:
            self._keep([resource])
            self._fresh.add((resource.api_version, resource.kind))

    def is_fresh(self, api_version: str, kind: str) -> bool:
        return (api_version, kind) in self._fresh

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
        where = _where(kind, name, namespace)
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
        where = _where(kind, "", namespace)
        try:
            resource = await self.resource(api_version, kind, obj=where)
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        while True:
            try:
                return await self._pages(resource, namespace, _selector(labels, fields), where)
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
            await self.transport.request("GET", path, params=params, obj=_where("Pod", pod, namespace), action="log")
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
        return await applying.prune(
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
        return await applying.remove(self, objects, dry_run=dry_run, mask=mask, diff=diff, wait=wait)

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
            obj=_where("ServiceAccount", account, namespace),
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
        where = _where("Pod", pod, namespace)
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
        where = _where(kind, name, namespace)
        last: dict[str, Object | None] = {"": None}

        def one(items: t.Sequence[Object]) -> tuple[bool, str]:
            last[""] = items[0] if items else None
            return until(last[""])

        try:
            await self._wait(
                api_version, kind, namespace, {"fieldSelector": f"metadata.name={name}"}, one, timeout, where
            )
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
        return await self._wait(
            api_version, kind, namespace, _selector(labels, None), until, timeout, _where(kind, "", namespace)
        )

    async def _wait(
        self,
        api_version: str,
        kind: str,
        namespace: str,
        selector: dict[str, str],
        until: t.Callable[[t.Sequence[Object]], tuple[bool, str]],
        timeout: float,
        where: str,
    ) -> Objects:
        resource = await self.resource(api_version, kind, obj=where)
        state = {"seen": "the API server gave no answer"}

        def trouble(error: ApiError) -> None:
            state["seen"] = f"{error.what} ({error.seen})"

        try:
            async with (
                asyncio.timeout(timeout),
                contextlib.aclosing(
                    t.cast(
                        "t.AsyncGenerator[dict[str, Object], None]",
                        follow(self.transport, resource, namespace, selector, where, trouble),
                    )
                ) as states,
            ):
                async for items in states:
                    found = [*items.values()]
                    done, state["seen"] = until(found)
                    if done:
                        return found
        except TimeoutError:
            pass
        raise FleetError(
            f"not as expected after {timeout:g} s",
            cluster=self.cluster,
            obj=where,
            seen=state["seen"],
            next_step="look at the object and its events, then run again",
        )


def _where(kind: str, name: str, namespace: str) -> str:
    return " ".join(part for part in (kind, "/".join(p for p in (namespace, name) if p)) if part)


def _selector(labels: t.Mapping[str, str] | str | None, fields: t.Mapping[str, str] | None) -> dict[str, str]:
    params = {}
    if labels:
        params["labelSelector"] = (
            labels if isinstance(labels, str) else ",".join(f"{key}={value}" for key, value in labels.items())
        )
    if fields:
        params["fieldSelector"] = ",".join(f"{key}={value}" for key, value in fields.items())
    return params
