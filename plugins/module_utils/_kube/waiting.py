# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for a condition by watching, with a limit."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from ..errors import FleetError
from ..waits import waiting
from .conditions import Condition, deployment_ready, pods_ready
from .diffs import Object
from .discovery import Resource
from .errors import ApiError, not_an_answer
from .explain import explain_not_ready
from .reading import Reader, is_listing, selector_of, where_of
from .transport import Transport

__all__ = ["NotInTime", "Waiter"]

_FIRST_LOOK_SECONDS = 10.0
_WATCH_SECONDS = "240"
_EXPLAINED = ("DaemonSet", "Deployment", "Pod", "StatefulSet")


class NotInTime(FleetError):
    """A wait came to its end; any other error ended it earlier."""


class Waiter(Reader):
    """A reader that also waits for what it reads."""

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
            NotInTime: after ``timeout`` seconds, with what was last seen; for a workload also what its pods wait for.
            FleetError: earlier, by an answer that no retry repairs.
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
            await _until_done(self.transport, resource, namespace, selector, one, timeout, where)
        except NotInTime as error:
            if kind in _EXPLAINED and last[""] is not None:
                error.means = await explain_not_ready(self, last[""]) or error.means
            raise
        return last[""]

    async def wait_deployment(self, name: str, namespace: str, *, timeout: float = 120, least: int = 0) -> None:
        """Wait until a Deployment is ready, by its own status and by that of its pods.

        The status of a Deployment is what a controller last wrote. After a cluster's nodes were stopped, that
        controller comes back later than its pods fail; the pods' own status tells.

        Args:
            least: of how many pods it must be.

        Raises:
            NotInTime: after ``timeout`` seconds, with what its pods wait for.
            FleetError: it is scaled below ``least``.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        found = await self.wait("apps/v1", "Deployment", name, namespace, until=deployment_ready, timeout=timeout)
        if found is None:
            return
        where = where_of("Deployment", name, namespace)
        wanted = int(found["spec"].get("replicas", 1))
        if wanted < least:
            raise FleetError(
                "it has no pods" if not wanted else "it has too few pods",
                cluster=self.cluster,
                obj=where,
                seen=f"{wanted} replicas are asked for",
                means="somebody scaled it down",
                next_step=f"kubectl -n {namespace} scale deployment/{name} --replicas={least}; then run again",
            )
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        labels = found["spec"]["selector"]["matchLabels"]
        try:
            await self.wait_list("v1", "Pod", namespace, labels, until=pods_ready(wanted), timeout=left)
        except NotInTime as error:
            error.what, error.obj = f"not as expected after {timeout:g} s", where
            error.means = await explain_not_ready(self, found) or (
                "its status says that it is ready, but its pods are not: the cluster's controllers do not run"
            )
            raise

    async def wait_list(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        labels: t.Mapping[str, str] | str | None = None,
        *,
        until: t.Callable[[t.Sequence[Object]], tuple[bool, str]],
        timeout: float = 120,
    ) -> list[Object]:
        """As :meth:`wait`, for all objects that match: ``until`` gets the list of them."""
        if self.absent:
            return []
        where = where_of(kind, "", namespace)
        resource = await self.resource(api_version, kind, obj=where)
        return await _until_done(self.transport, resource, namespace, selector_of(labels, None), until, timeout, where)


def _some(until: Condition) -> Condition:
    """``until``; done also for a workload that is asked to have no pods, since waiting changes nothing of that."""

    def condition(obj: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
        none = obj is not None and (obj.get("spec") or {}).get("replicas") == 0
        return (True, "0 replicas are asked for") if none else until(obj)

    return condition


async def _until_done(
    transport: Transport,
    resource: Resource,
    namespace: str,
    selector: t.Mapping[str, str],
    until: t.Callable[[t.Sequence[Object]], tuple[bool, str]],
    timeout: float,
    where: str,
) -> list[Object]:
    """Follow what matches until ``until`` (all matching objects) is done; raise what was last seen after
    ``timeout`` seconds. However short that is, a server that is only slow is looked at once."""
    state = {"seen": "the API server gave no answer"}
    deadline = asyncio.get_running_loop().time() + timeout

    def report(error: ApiError) -> None:
        state["seen"] = f"{error.what} ({error.seen})"

    try:
        with waiting(f"{transport.cluster}: {where}") as wait:
            async with (
                asyncio.timeout(max(timeout, _FIRST_LOOK_SECONDS)) as limit,
                contextlib.aclosing(_follow(transport, resource, namespace, selector, where, report)) as states,
            ):
                async for items in states:
                    found = [*items.values()]
                    done, wait.seen = until(found)
                    state["seen"] = wait.seen
                    if done:
                        return found
                    if limit.when() != deadline:
                        limit.reschedule(deadline)
    except TimeoutError:
        pass
    raise NotInTime(
        f"not as expected after {timeout:g} s",
        cluster=transport.cluster,
        obj=where,
        seen=state["seen"],
        next_step="look at the object and its events, then run again",
    )


async def _follow(
    transport: Transport,
    resource: Resource,
    namespace: str,
    selector: t.Mapping[str, str],
    obj: str,
    report: t.Callable[[ApiError], None],
) -> t.AsyncGenerator[dict[str, Object], None]:
    """Yield all matching objects (by ``namespace/name``) at first and after every change; never ends.

    List, then watch; after an interruption again. A server that goes away after it has once answered is waited for:
    each failure is passed to ``report``, and the list is tried again after at most two seconds. A failure that no
    retry repairs (401, 403 ...) is raised.
    """
    path = resource.path(namespace)
    answered = False
    pause = 0.1
    while True:
        try:
            listing = await transport.request("GET", path, params=selector, obj=obj, action="list")
            if not is_listing(listing, resource.api_version):
                raise not_an_answer(
                    listing, server=transport.endpoint.server, cluster=transport.cluster, obj=obj, action="list"
                )
            items = {_key(item): _typed(item, resource) for item in listing["items"] or []}
            answered, pause = True, 0.1
            yield dict(items)
            version = listing["metadata"]["resourceVersion"]
            while True:
                params = {
                    **selector,
                    "watch": "true",
                    "resourceVersion": version,
                    "allowWatchBookmarks": "true",
                    "timeoutSeconds": _WATCH_SECONDS,
                }
                async for event in transport.lines(path, params, obj=obj):
                    kind, item = event["type"], event["object"]
                    if kind == "ERROR":
                        raise ApiError("watch ended", status=int(item.get("code") or 0), seen=str(item.get("message")))
                    version = item["metadata"]["resourceVersion"]
                    if kind == "BOOKMARK":
                        continue
                    if kind == "DELETED":
                        items.pop(_key(item), None)
                    else:
                        items[_key(item)] = _typed(item, resource)
                    yield dict(items)
        except ApiError as error:
            if error.status == 410:  # history is gone: list again
                continue
            if not (answered and (error.status == 0 or error.status == 429 or error.status >= 500)):
                raise
            report(error)
            await asyncio.sleep(pause)  # between tries, bounded by the caller's deadline
            pause = min(pause * 2, 2.0)


def _key(item: Object) -> str:
    return f"{item['metadata'].get('namespace') or ''}/{item['metadata']['name']}"


def _typed(item: Object, resource: Resource) -> Object:
    """Items of a list carry no apiVersion and kind."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **item}
