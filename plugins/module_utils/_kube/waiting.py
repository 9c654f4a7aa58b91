# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for a condition by watching, with a limit."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from ..errors import FleetError
from .diffs import Object
from .discovery import Resource
from .errors import ApiError
from .follow import follow
from .transport import Transport

__all__ = ["selector_of", "until_done", "where_of"]


async def until_done(
    transport: Transport,
    resource: Resource,
    namespace: str,
    selector: t.Mapping[str, str],
    until: t.Callable[[t.Sequence[Object]], tuple[bool, str]],
    timeout: float,
    where: str,
) -> list[Object]:
    """Follow what matches until ``until`` (all matching objects) is done; raise what was last seen after
    ``timeout`` seconds."""
    state = {"seen": "the API server gave no answer"}

    def trouble(error: ApiError) -> None:
        state["seen"] = f"{error.what} ({error.seen})"

    try:
        async with (
            asyncio.timeout(timeout),
            contextlib.aclosing(
                t.cast(
                    "t.AsyncGenerator[dict[str, Object], None]",
                    follow(transport, resource, namespace, selector, where, trouble),
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
        cluster=transport.cluster,
        obj=where,
        seen=state["seen"],
        next_step="look at the object and its events, then run again",
    )


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
