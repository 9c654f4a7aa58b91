# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a front door, and its container: what is not ours is left alone."""

from __future__ import annotations

import asyncio
import functools
import socket
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.command import Done
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.machine import Machine
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.fleet import Foreign, KindFleet
from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import (
    Container,
    FrontDoorFolder,
    remove_without_nodes,
)

MACHINE = Machine(cgroup2=True, may_raise_limits=True, nofile=-1, nproc=-1, root=True)
NAME = "shop-front-door"
OURS = {"mesh.fleet/fleet": "shop", "mesh.fleet/front-door": "abc"}


class Recorded(Engine):
    """An engine with such containers, which records what it is told."""

    def __init__(self, found: dict[str, t.Any], listed: str = "", code: int = 0, err: str = "") -> None:
        super().__init__("docker", MACHINE)
        self.found, self.listed, self.code, self.err = found, listed, code, err
        self.told: list[tuple[str, ...]] = []

    async def containers(self, names: t.Sequence[str]) -> dict[str, dict[str, t.Any]]:
        return {name: self.found[name] for name in names if name in self.found}

    async def run(self, *argv: str, **_more: t.Any) -> Done:
        self.told.append(argv)
        return Done(self.code, self.listed, self.err)


def container(labels: dict[str, str]) -> dict[str, t.Any]:
    return {NAME: {"Name": NAME, "Config": {"Labels": labels}, "State": {"Status": "exited"}}}


def made(engine: Engine, folder: Path) -> Container:
    return Container(KindFleet("shop", folder, engine, "kind"), FrontDoorFolder(folder))


def test_keys_are_for_their_owner_alone_and_go_in_the_end(tmp_path: Path) -> None:
    folder = FrontDoorFolder(tmp_path)
    folder.write_keys("shop-1", "CERT", "KEY")
    folder.write_keys("shop-2", "CERT2", "KEY2")
    files = sorted(folder.path.rglob("*"))
    assert {oct(p.stat().st_mode & 0o777) for p in files if p.is_file()} == {"0o600"}
    assert {oct(p.stat().st_mode & 0o777) for p in [folder.path, *files] if p.is_dir()} == {"0o700"}
    assert folder.has_keys("shop-1", "CERT", "KEY") and not folder.has_keys("shop-1", "CERT", "OTHER")
    assert folder.names() == []
    assert folder.forget_keys(["shop-2"]) == ["shop-1"]
    folder.clear()
    assert not folder.exists()


def test_its_certificates_may_be_joined(tmp_path: Path) -> None:
    one, two, three = (f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----" for text in "ABC")
    folder = FrontDoorFolder(tmp_path)
    text = f"subject=O = Zürich\r\n{one}\nissuer=O = Zürich\n{two}"
    folder.write_keys("shop-1", text, "KEY")
    folder.write_keys("shop-2", three, "KEY")
    folder.write_keys("shop-3", "none", "KEY")
    assert folder.has_keys("shop-1", text, "KEY"), "or each run would write it again"
    assert folder.certificates() == [f"{one}\n{two}\n", f"{three}\n"]


def test_a_file_that_was_cut_counts_as_none(tmp_path: Path) -> None:
    folder = FrontDoorFolder(tmp_path)
    folder.write("clusters.yaml", {"resources": []})
    assert folder.read("clusters.yaml") == {"resources": []}
    (folder.path / "clusters.yaml").write_text('{"resour')
    assert folder.read("clusters.yaml") == folder.read("none.yaml") == {}


@pytest.mark.parametrize("labels", [{}, {"mesh.fleet/fleet": "shop"}, {**OURS, "mesh.fleet/fleet": "other"}])
def test_a_container_of_others_is_neither_used_nor_removed(tmp_path: Path, labels: dict[str, str]) -> None:
    engine = Recorded(container(labels), listed=NAME)
    with pytest.raises(Foreign, match="did not make"):
        asyncio.run(made(engine, tmp_path).remove())
    assert not asyncio.run(remove_without_nodes(made(engine, tmp_path).fleet))
    assert not [words for words in engine.told if words[0] == "rm"]


def test_ours_is_removed_dead_or_alive(tmp_path: Path) -> None:
    engine = Recorded(container(OURS))
    assert asyncio.run(made(engine, tmp_path).remove())
    assert engine.told == [("rm", "--force", "--volumes", NAME)]
    assert not asyncio.run(made(Recorded({}), tmp_path).remove())


def test_while_a_node_is_there_the_front_door_stays(tmp_path: Path) -> None:
    engine = Recorded(container(OURS), listed=f"{NAME}\nshop-west-control-plane\n")
    assert not asyncio.run(remove_without_nodes(made(engine, tmp_path).fleet))
    alone = Recorded(container(OURS), listed=f"{NAME}\n")
    FrontDoorFolder(tmp_path).write("address.json", {})
    assert asyncio.run(remove_without_nodes(made(alone, tmp_path).fleet))
    assert not FrontDoorFolder(tmp_path).exists()


def test_a_configuration_that_envoy_refuses_is_not_put_in_place(tmp_path: Path) -> None:
    engine = Recorded({}, code=1, err="[critical] error initializing configuration: no such field: foo\nexiting")
    with pytest.raises(Exception, match="no such field: foo"):
        asyncio.run(made(engine, tmp_path).validate("image", {"foo": 1}))
    assert list(FrontDoorFolder(tmp_path).path.iterdir()) == []


def test_what_a_killed_run_left_goes_and_what_is_anothers_stays(tmp_path: Path) -> None:
    left = f"{NAME}-check"
    for labels, removed in ((OURS, [("rm", "--force", "--volumes", left)]), ({"mesh.fleet/fleet": "other"}, [])):
        engine = Recorded({left: container(labels)[NAME]})
        asyncio.run(made(engine, tmp_path).validate("image", {}))
        assert [words for words in engine.told if words[0] == "rm"] == removed
        (ran,) = [words for words in engine.told if words[0] == "run"]
        assert ran[ran.index("--name") + 1] == left
        # No later run checks anything where the fleet goes instead.
        engine.told.clear()
        asyncio.run(remove_without_nodes(made(engine, tmp_path).fleet))
        assert [words for words in engine.told if words[0] == "rm"] == removed


def test_a_dead_container_or_one_made_otherwise_is_made_again(tmp_path: Path) -> None:
    live = container(OURS)
    live[NAME]["State"] = {"Status": "running"}
    live[NAME]["NetworkSettings"] = {"Networks": {"mesh-fleet-shop": {"IPAddress": "10.90.0.4"}}}
    one = made(Recorded(live), tmp_path)
    assert not asyncio.run(one.as_wanted("image", {}, ""))
    live[NAME]["Config"]["Labels"]["mesh.fleet/front-door"] = one._made_by("image", {})
    assert asyncio.run(one.as_wanted("image", {}, ""))
    assert asyncio.run(one.as_wanted("image", {}, "10.90.0.4"))
    assert not asyncio.run(one.as_wanted("image", {}, "10.90.0.9"))
    assert not asyncio.run(one.as_wanted("newer", {}, ""))
    live[NAME]["State"] = {"Status": "exited"}
    assert not asyncio.run(one.as_wanted("image", {}, ""))


class Here(Engine):
    """Runs what a container is told on this machine."""

    async def run(self, *argv: str, **_more: t.Any) -> Done:
        assert argv[:2] == ("exec", NAME)
        words = functools.partial(subprocess.run, capture_output=True, text=True, check=False, timeout=60)
        done = await asyncio.to_thread(words, argv[2:])
        return Done(done.returncode, done.stdout, done.stderr)


def test_round_trips_are_those_of_who_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_port, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        there, gone = (f"127.0.0.1:{one.getsockname()[1]}" for one in (open_port, closed))
        found = asyncio.run(made(Here("docker", MACHINE), tmp_path).round_trips([gone, there]))
    assert list(found) == [there]
    assert 0 < found[there] < 1000


def test_the_shortest_of_several_connects_counts_without_lookup(tmp_path: Path) -> None:
    said = "a:80 0.002000 0.030000\na:80 0.001000 0.021000\na:80 0.000000 0.000000\nb:80\nb:80 0.1 x\n"
    found = asyncio.run(made(Recorded({}, listed=said), tmp_path).round_trips(["a:80", "b:80"]))
    assert {target: round(ms, 3) for target, ms in found.items()} == {"a:80": 20.0}
