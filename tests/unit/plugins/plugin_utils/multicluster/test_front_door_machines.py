# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Machines of the user's say which files they have; those that say nothing may have any."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import EnvoyDoor, render
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import (
    VERSION_HOST,
    version_in,
    with_version,
)
from ansible_collections.mesh.fleet.plugins.module_utils.results import Change
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster import front_door_machines
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_machines import (
    addresses_of,
    both,
    earlier_files,
)

HERE, BESIDE = "127.0.0.1", "127.0.0.2"


class Said(http.server.BaseHTTPRequestHandler):
    """Answers as its server says."""

    def do_GET(self) -> None:
        server = t.cast("t.Any", self.server)
        assert self.headers["host"] == VERSION_HOST
        self.send_response(server.status)
        self.send_header("content-length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body.encode())

    def log_message(self, format: str, *args: t.Any) -> None:
        """Quiet."""


@pytest.fixture
def envoy(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Any]:
    with http.server.ThreadingHTTPServer((HERE, 0), Said) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(front_door_machines, "HTTP_PORT", server.server_port)
        yield server
        server.shutdown()


def written(folder: FrontDoorFolder) -> str:
    door, problems = read_front_door("front-door", [{"service": "web.shop"}], ["west"])
    assert problems == []
    routes = with_version("front-door", render(door, EnvoyDoor({})))["routes-http-any.yaml"]
    folder.write("routes-http-any.yaml", routes)
    return version_in(routes)


def test_machines_say_whether_they_have_earlier_files(envoy: t.Any, tmp_path: Path) -> None:
    folder = FrontDoorFolder(tmp_path)
    version = written(folder)

    def earlier(status: int, body: str) -> list[str]:
        envoy.status, envoy.body = status, body
        return asyncio.run(earlier_files(folder, [HERE], changed=False))

    says = "mesh.fleet front door front-door {}\n"
    assert earlier(200, says.format(version)) == []
    old = "0123456789ab"
    assert earlier(200, says.format(old)) == [f"{HERE} serves version {old}, the files are {version}"]
    assert earlier(503, "upstream") == [f"{HERE} does not say which it has: status 503: upstream"]
    assert earlier(301, "") == earlier(404, "no such page") == [], "what stands before machines never says it"
    envoy.shutdown()
    envoy.server_close()
    (gone,) = earlier(200, "")
    assert gone.startswith(f"{HERE} does not say which it has: ") and "refused" in gone


def named(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Give door.example these addresses."""
    known = socket.getaddrinfo

    def look_up(host: t.Any, *args: t.Any, **how: t.Any) -> list[t.Any]:
        hosts = addresses if host == "door.example" else (host,)
        return [one for some in hosts for one in known(some, *args, **how)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_each_machine_behind_a_name_is_asked(envoy: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = FrontDoorFolder(tmp_path)
    version = written(folder)
    says = "mesh.fleet front door front-door {}\n"
    named(monkeypatch, HERE, BESIDE)
    with http.server.ThreadingHTTPServer((BESIDE, envoy.server_port), Said) as server:
        second = t.cast("t.Any", server)
        threading.Thread(target=second.serve_forever, args=(0.01,), daemon=True).start()
        envoy.status = second.status = 200
        envoy.body, second.body = says.format(version), says.format("0123456789ab")
        (earlier,) = asyncio.run(earlier_files(folder, ["door.example"], changed=False))
        assert earlier == f"door.example ({BESIDE}) serves version 0123456789ab, the files are {version}"
        second.body = envoy.body
        assert asyncio.run(earlier_files(folder, ["door.example"], changed=False)) == []
        second.shutdown()


def test_an_address_without_a_route_is_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name has an IPv6 address too, and this machine no IPv6; of one that it cannot reach at all it says so."""
    named(monkeypatch, HERE, BESIDE)
    routes = {HERE}
    monkeypatch.setattr(front_door_machines, "_has_route", lambda _family, address: address[0] in routes)
    assert addresses_of("door.example") == [HERE]
    routes.clear()
    assert addresses_of("door.example") == [HERE, BESIDE]
    named(monkeypatch)
    assert addresses_of("no-such-name.invalid") == ["no-such-name.invalid"]


def test_a_run_that_changes_no_file_follows_the_copying(tmp_path: Path) -> None:
    folder = FrontDoorFolder(tmp_path)
    assert asyncio.run(earlier_files(folder, [], changed=False)) == []
    for addresses in ([], [HERE]):
        assert asyncio.run(earlier_files(folder, addresses, changed=True)) == ["this run changes them"]


def test_two_applies_of_an_object_are_one_change() -> None:
    def of(name: str, action: str, before: str = "", after: str = "") -> Change:
        return Change("west", "Gateway", name, action, "shop", before, after)

    first = [of("a", "created", "", "2"), of("b", "unchanged"), of("c", "changed", "1", "2"), of("d", "changed", "1")]
    later = [of("a", "changed", "2", "3"), of("b", "changed", "1", "2"), of("c", "unchanged")]
    rest = [of("b", "changed", "1", "2"), of("c", "changed", "1", "2"), of("d", "changed", "1")]
    assert both(first, later, planned=False) == [of("a", "created", "", "3"), *rest]
    assert both(first, later, planned=True) == [*later, of("d", "changed", "1")]
