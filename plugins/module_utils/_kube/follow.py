# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Following objects as they change: list, then watch, then again from where it broke off."""

from __future__ import annotations

import asyncio
import typing as t

from .diffs import Object
from .discovery import Resource
from .errors import ApiError
from .transport import Transport

__all__ = ["follow"]

_WATCH_SECONDS = "240"


async def follow(
    transport: Transport,
    resource: Resource,
    namespace: str,
    selector: t.Mapping[str, str],
    obj: str,
    trouble: t.Callable[[ApiError], None],
) -> t.AsyncIterator[dict[str, Object]]:
    """Yield all matching objects (by ``namespace/name``) at first and after every change; never ends.

    A server that goes away after it has once answered is waited for: each failure is told to ``trouble``
    and tried again, at most every two seconds. What no retry heals (401, 403 ...) is raised.
    """
    path = resource.path(namespace)
    answered = False
    pause = 0.1
    while True:
        try:
            listing = await transport.request("GET", path, params=selector, obj=obj, action="list")
            items = {_key(item): _typed(item, resource) for item in listing.get("items") or []}
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
            trouble(error)
            await asyncio.sleep(pause)  # between tries, bounded by the caller's deadline
            pause = min(pause * 2, 2.0)


def _key(item: Object) -> str:
    return f"{item['metadata'].get('namespace') or ''}/{item['metadata']['name']}"


def _typed(item: Object, resource: Resource) -> Object:
    """Items of a list carry no apiVersion and kind."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **item}
