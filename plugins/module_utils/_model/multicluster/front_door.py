# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door: one address for the world in front of the clusters, as the user says it."""

from __future__ import annotations

import dataclasses

__all__ = ["Door", "Health", "Route"]


@dataclasses.dataclass(frozen=True)
class Health:
    """The request that tells a healthy backend; ``port`` 0: that of the route."""

    path: str
    port: int = 0


@dataclasses.dataclass(frozen=True)
class Route:
    """What reaches which service. ``host`` "": any; ``port`` 0: the Service's first; ``clusters`` None: all of them."""

    name: str
    namespace: str
    host: str = ""
    path: str = "/"
    port: int = 0
    clusters: tuple[str, ...] | None = None
    health: Health | None = None

    @property
    def service(self) -> str:
        return f"{self.name}.{self.namespace}"


@dataclasses.dataclass(frozen=True)
class Door:
    """All of it. ``address``: a reserved address's name or IP; "": whatever comes."""

    name: str
    routes: tuple[Route, ...]
    certificates: tuple[str, ...] = ()
    address: str = ""
    https_redirect: bool = False

    @property
    def namespace(self) -> str:
        return self.routes[0].namespace if self.routes else ""

    @property
    def catch_all(self) -> Route:
        """The route for what matches no other: one without host and path, else the first."""
        return next((r for r in self.routes if not r.host and r.path == "/"), self.routes[0])

    def backends(self) -> dict[str, Route]:
        """Services by name; routes to one service say the same of it."""
        found: dict[str, Route] = {}
        for route in self.routes:
            found.setdefault(route.name, route)
        return found
