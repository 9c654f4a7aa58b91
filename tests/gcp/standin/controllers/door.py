# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A load balancer at the front door's address, where that is this machine's: it leads to the nearest ready cluster.

A caller's region is that of the cluster whose node it comes from; pods of clusters on this machine come from their
nodes. Without a ready pod there, the next cluster answers, and with none at all the load balancer itself. Requests go
to the pods behind the derived Services by the API servers' proxy, so which pods are ready is what Kubernetes says.
"""

from __future__ import annotations

import contextlib
import http.server
import ipaddress
import threading
import typing as t
import urllib.parse

from .behind import Behind, Kind, Unreachable
from .kinds import SLICE
from .view import Member

__all__ = ["PORT", "Door", "Way", "choose", "ordered"]

_NODE = Kind("v1", "Node", "nodes")
_UNHEALTHY = "<html><title>502 Server Error</title><h1>Error: Server Error</h1></html>"
_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"})
PORT = 80
Json = dict[str, t.Any]


class Way(t.NamedTuple):
    """Where requests of one host and path go."""

    host: str
    path: str
    namespace: str
    derived: str
    """The derived Service, of one name in all clusters."""
    port: int


def choose(ways: t.Sequence[Way], host: str, path: str) -> Way:
    """The way with the longest path that matches; the last one is for what no other matches."""
    name = host.partition(":")[0]
    found = [
        way
        for way in ways[:-1]
        if way.host in ("", name) or (way.host.startswith("*.") and name.partition(".")[2] == way.host[2:])
        if path == way.path or path.startswith(way.path.rstrip("*").rstrip("/") + "/")
    ]
    return max(found, key=lambda way: (way.host != "", len(way.path)), default=ways[-1])


def ordered(members: t.Sequence[Member], home: Member | None) -> list[Member]:
    """The clusters as a caller of the cluster ``home`` gets them: its own, those of its region, the others."""

    def far(member: Member) -> int:
        if home is None:
            return 0
        region, own = (
            m.location.rsplit("-", 1)[0] if m.location.count("-") > 1 else m.location for m in (member, home)
        )
        return 0 if member == home else 1 if region == own else 2

    return sorted(members, key=far)


class Door:
    """The load balancer at ``address``, :data:`PORT`. Raises OSError where that is no address of this machine."""

    def __init__(self, address: str, client: t.Callable[[str], Behind]) -> None:
        self.client = client
        self.ways: list[Way] = []
        self.members: list[Member] = []
        self.sources: dict[str, list[t.Any]] = {}
        """By kubeconfig, the addresses and ranges from which the cluster's callers come."""
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                host, path = self.headers.get("host", ""), self.path
                status, headers, body = door.answer(self.client_address[0], host, path, dict(self.headers))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: t.Any) -> None:
                """The tests look at the answers."""

        self.server = http.server.ThreadingHTTPServer((address, PORT), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.2,), daemon=True).start()

    def lead(self, ways: t.Sequence[Way], members: t.Sequence[Member]) -> None:
        """What the objects say now; the last way is the one for all else."""
        self.ways, self.members = list(ways), list(members)
        for member in members:
            if member.kubeconfig not in self.sources:
                self.sources[member.kubeconfig] = _sources(self.client(member.kubeconfig))

    def answer(
        self, caller: str, host: str, path: str, headers: t.Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        came = ipaddress.ip_address(caller)
        home = next((m for m in self.members if any(came in at for at in self.sources[m.kubeconfig])), None)
        way = choose(self.ways, host, urllib.parse.urlsplit(path).path)
        for member in ordered(self.members, home):
            behind = self.client(member.kubeconfig)
            with contextlib.suppress(Unreachable):
                if _ready(behind, way):
                    to = f"/api/v1/namespaces/{way.namespace}/services/{way.derived}:{way.port}/proxy{path}"
                    return behind.forward(to, {k: v for k, v in headers.items() if k.lower() == "accept"}, _HOP)
        return 502, {"Content-Type": "text/html"}, _UNHEALTHY.encode()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _sources(behind: Behind) -> list[t.Any]:
    found: list[str] = []
    for node in behind.list(_NODE):
        found += [a["address"] for a in node["status"].get("addresses") or [] if a["type"] == "InternalIP"]
        found += node["spec"].get("podCIDRs") or []
    return [ipaddress.ip_network(text) for text in found]


def _ready(behind: Behind, way: Way) -> bool:
    slices = behind.list(SLICE, way.namespace, f"kubernetes.io/service-name={way.derived}")
    endpoints = [one for piece in slices for one in piece.get("endpoints") or []]
    return any((one.get("conditions") or {}).get("ready", True) for one in endpoints)
