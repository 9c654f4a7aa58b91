# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of one API server, asked for as they are needed."""

from __future__ import annotations

import asyncio
import typing as t

from .discovery import KNOWN, Resource, nearest, prefix
from .errors import ApiError
from .transport import Transport

__all__ = ["Kinds"]


class Kinds:
    """What is known of one server's kinds; as long as a connection."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, str], Resource] = dict(KNOWN)
        self._fresh: set[tuple[str, str]] = set()
        self._groups: dict[str, asyncio.Task[None]] = {}

    async def find(self, transport: Transport, api_version: str, kind: str, *, obj: str = "") -> Resource:
        """How the server addresses a kind: from the table of common ones, else one GET per group version.

        Raises:
            ApiError: with status 404 when the server does not serve it (its CRD is not installed).
        """
        found = self._resources.get((api_version, kind))
        if found:
            return found
        if api_version not in self._groups:
            self._groups[api_version] = asyncio.ensure_future(self._discover(transport, api_version))
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
            cluster=transport.cluster,
            obj=obj or kind,
            seen=f"{api_version} has {', '.join(sorted(kinds))}" if kinds else f"it has no {api_version}",
            means=nearest(kind, kinds) or "its CRD is not installed",
            next_step="install the CRD first, or correct apiVersion and kind",
        )

    async def _discover(self, transport: Transport, api_version: str) -> None:
        answer = await transport.request("GET", prefix(api_version), obj=api_version, action="discover")
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
