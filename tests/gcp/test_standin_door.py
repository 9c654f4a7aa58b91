# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in's load balancer: which backend a request is for, and which cluster is near."""

from __future__ import annotations

import socket
import typing as t

import pytest

from .standin.controllers import door
from .standin.controllers.door import Door, Way, choose, ordered
from .standin.controllers.view import Member

WEB = Way("", "/*", "shop", "mci-web", 80)
PAY = Way("*.shop.example", "/pay/*", "shop", "mci-pay", 80)
ALL = Way("", "/", "shop", "mci-all", 80)


def member(name: str, location: str) -> Member:
    return Member(f"projects/p/locations/l/memberships/{name}", "1", "p", location, name, "default", "p", name)


WEST, COAST, NORTH = member("west", "us-west1-a"), member("coast", "us-west1"), member("north", "europe-north1-a")


@pytest.mark.parametrize(
    ("ways", "host", "path", "found"),
    [
        ([WEB, PAY, ALL], "a.shop.example:80", "/pay/now", PAY),
        ([WEB, PAY, ALL], "a.shop.example", "/other", WEB),
        ([PAY, ALL], "a.shop.example", "/other", ALL),
        ([PAY, ALL], "elsewhere.example", "/pay/now", ALL),
    ],
)
def test_the_longest_path_of_the_host_wins(ways: list[Way], host: str, path: str, found: Way) -> None:
    assert choose(ways, host, path) == found


def test_a_callers_own_cluster_is_the_nearest() -> None:
    assert ordered([NORTH, COAST, WEST], WEST) == [WEST, COAST, NORTH]
    assert ordered([WEST, NORTH], NORTH)[0] == NORTH
    assert ordered([NORTH, WEST], None) == [NORTH, WEST]


class Behind:
    """A cluster whose callers come from one address, and whose service has ready pods or not."""

    def __init__(self, name: str, source: str, ready: bool) -> None:
        self.name, self.source, self.ready = name, source, ready

    def list(self, kind: t.Any, *_: t.Any) -> list[t.Any]:
        if kind.name == "Node":
            return [{"status": {"addresses": [{"type": "InternalIP", "address": self.source}]}, "spec": {}}]
        return [{"endpoints": [{"conditions": {"ready": self.ready}}]}]

    def forward(self, *_: t.Any) -> t.Any:
        return 200, {}, self.name.encode()


@pytest.mark.parametrize(
    ("ready", "caller", "status", "body"),
    [
        (("west", "north"), "10.0.0.1", 200, b"west"),
        (("west", "north"), "10.0.0.2", 200, b"north"),
        (("north",), "10.0.0.1", 200, b"north"),
        ((), "10.0.0.1", 502, b"Server Error"),
    ],
)
def test_the_nearest_ready_cluster_answers(
    ready: tuple[str, ...], caller: str, status: int, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters = {
        one.kubeconfig: Behind(one.kubeconfig, source, one.kubeconfig in ready)
        for one, source in ((WEST, "10.0.0.1"), (NORTH, "10.0.0.2"))
    }
    monkeypatch.setattr(door, "PORT", 0)
    balancer = Door("127.0.0.1", lambda path: t.cast("t.Any", clusters[path]))
    try:
        balancer.lead([ALL], [WEST, NORTH])
        found = balancer.answer(caller, "shop.example", "/", {})
        assert (found[0], body in found[2]) == (status, True)
        with socket.create_connection(balancer.server.server_address[:2], timeout=30) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 ")
    finally:
        balancer.close()
