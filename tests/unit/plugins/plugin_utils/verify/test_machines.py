# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door on machines of the user's is called where the user says it is."""

from __future__ import annotations

import asyncio
import dataclasses
import http.server
import json
import threading
import time
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_envoy import (
    EnvoyDoor,
    render,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door_version import (
    VERSION_HOST,
    version_in,
    with_version,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check, Facts
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.name_calls import CONTROLLER
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster import front_door_machines
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify import machines

ROUTE = {"host": "shop.example", "service": "web.shop"}
HERE = "127.0.0.1"


class Envoy(http.server.BaseHTTPRequestHandler):
    """Answers as a front door whose files have the version of its server."""

    def do_GET(self) -> None:
        server = t.cast("t.Any", self.server)
        asked = self.headers["host"]
        server.asked.append(asked)
        body, status = json.dumps({"cluster": "west"}), 200
        if asked == VERSION_HOST:
            body = f"mesh.fleet front door front-door {server.version}\n"
        elif asked != "shop.example":
            body, status = "", 404
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: t.Any) -> None:
        """Quiet."""


@pytest.fixture
def envoy(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Any]:
    with http.server.ThreadingHTTPServer((HERE, 0), Envoy) as server:
        made = t.cast("t.Any", server)
        made.version, made.asked = "0123456789ab", []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setitem(machines.PORTS, "http", server.server_port)
        yield server
        server.shutdown()


class Cluster:
    """A cluster with a ready pod, whose probe does not reach the machine."""

    absent = False

    async def list(self, *_: t.Any, **__: t.Any) -> list[t.Any]:
        return [{"endpoints": [{"conditions": {"ready": True}}]}]

    async def exec(self, *args: t.Any, **__: t.Any) -> t.Any:
        problem = {"what": "no route to host", "means": "m", "next": "n"}
        found = {
            "ok": False,
            "status": 0,
            "latency_ms": 5,
            "cluster": "",
            "identity": "",
            "text": "",
            "problem": problem,
        }
        return types.SimpleNamespace(
            code=0, stdout=json.dumps(dict.fromkeys(json.loads(args[-1][-1]), found)), stderr=""
        )


def fleet_in(folder: Path, provider: str = "kubeconfig") -> Fleet:
    values = {"fleet_name": "shop", "cluster_provider": provider}
    return dataclasses.replace(read_fleet({"west": dict(values)}), directory=str(folder))


def called(fleet: Fleet, *addresses: str, **route: str) -> tuple[list[Call], list[Check]]:
    door, wrong = read_front_door("front-door", [{**ROUTE, **route}], fleet.clusters, addresses=list(addresses))
    assert wrong == []
    kubes, facts = t.cast("t.Any", {"west": Cluster()}), {"west": Facts("west", probe="probe-x")}
    return asyncio.run(
        machines.call_machines(fleet, door, ["west"], kubes, facts, timeout_ms=2000, deadline=time.monotonic())
    )


def by_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go to the server's port, which is not Envoy's: only root may listen there."""
    made = machines.call_from_here

    def elsewhere(call: t.Any, *args: t.Any, **how: t.Any) -> t.Any:
        url = call.url.replace(HERE, f"{HERE}:{machines.PORTS['http']}")
        return made(dataclasses.replace(call, url=url), *args, **how)

    monkeypatch.setattr(machines, "call_from_here", elsewhere)


def test_each_route_is_called_in_the_name_of_its_host(
    envoy: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    by_port(monkeypatch)
    calls, checks = called(fleet_in(tmp_path), HERE)
    assert [(c.caller, c.callee, c.ok) for c in calls] == [(CONTROLLER, "west", True)]
    assert envoy.asked == [VERSION_HOST, "shop.example"]
    files, pods = checks
    assert (files.state, files.seen) == ("skipped", "the files are not on this machine")
    assert pods.state == "skipped" and "pods of west do not reach it: no route to host" in pods.seen


def test_files_of_another_version_fail_the_run(envoy: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    by_port(monkeypatch)
    fleet = fleet_in(tmp_path)
    door, _wrong = read_front_door("front-door", [ROUTE], fleet.clusters)
    folder = FrontDoorFolder(tmp_path)
    files = with_version("front-door", render(door, EnvoyDoor({})))
    folder.write("routes-http-any.yaml", files["routes-http-any.yaml"])
    _calls, (old, _pods) = called(fleet, HERE)
    assert (old.state, old.clusters) == ("failed", ("west",))
    assert f"copy {folder.path} to /etc/front-door of {HERE}" in old.next_step
    (call,), _checks = called(fleet, HERE, host="new.example")
    assert not call.ok and "files of an earlier run" in call.means
    envoy.version = version_in(files["routes-http-any.yaml"])
    assert called(fleet, HERE)[1][0].state == "ok"


def test_each_machine_behind_a_name_has_a_check(envoy: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    by_port(monkeypatch)
    monkeypatch.setattr(front_door_machines, "addresses_of", lambda _name, _port: [HERE, "127.0.0.2"])
    _calls, checks = called(fleet_in(tmp_path), "localhost")
    assert [check.name for check in checks[:2]] == [f"files of localhost ({one})" for one in (HERE, "127.0.0.2")]


def test_a_machine_that_does_not_answer_is_an_error(envoy: t.Any, tmp_path: Path) -> None:
    envoy.shutdown()
    envoy.server_close()
    calls, checks = called(fleet_in(tmp_path), HERE, "no-such-name.invalid")
    assert calls == []
    refused, unknown, *pods = checks
    for check, name in ((refused, HERE), (unknown, "no-such-name.invalid")):
        assert (check.state, check.clusters) == ("failed", ("west",)) and check.name.startswith(name)
        assert "correct front_door_addresses" in check.next_step
    assert "refused" in refused.seen and {check.state for check in pods} == {"skipped"}


def test_nothing_is_called_without_an_address_or_machines(envoy: t.Any, tmp_path: Path) -> None:
    assert called(fleet_in(tmp_path)) == ([], [])
    assert called(fleet_in(tmp_path, "kind"), HERE) == ([], [])
    assert envoy.asked == []
