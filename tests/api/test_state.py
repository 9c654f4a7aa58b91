# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""State that is kept in a cluster: runs on empty disks, moves from place to place, and what must never happen."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import re
import shutil
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.state import place
from ansible_collections.mesh.fleet.plugins.plugin_utils.state.place import State, insist_on_no_state, opened, reading

from . import control_plane
from .loop import in_loop
from .plays import run_plays
from .test_trust import ROOT, Stage


class Runners(Stage):
    """Runs the trust stage for clusters west and east; each machine has a disk of its own."""

    def __init__(
        self, planes: t.Mapping[str, control_plane.ControlPlane], tmp: Path, namespace: str, fleet: str
    ) -> None:
        super().__init__(planes["west"], tmp, namespace)
        self.planes, self.fleet = planes, fleet
        self.also("east", planes["east"])

    def run(self, *args: str, disk: str = "", state: str = "", ok: bool = True, **variables: t.Any) -> str:
        """A run on a machine; without a name, on one whose disk is empty before and gone after."""
        folder = self.tmp / (disk or "empty")
        try:
            where = {"fleet_dir": str(folder), "fleet_name": self.fleet, "mesh_state_cluster": state}
            return self(*args, ok=ok, **where, **variables)
        finally:
            if not disk:
                shutil.rmtree(folder, ignore_errors=True)

    def on_disk(self, disk: str) -> dict[str, str]:
        folder = self.tmp / disk / self.fleet / "trust"
        return {p.name: p.read_text() for p in folder.glob("*") if p.is_file() and p.name != ".lock"}

    def kept(self, cluster: str) -> dict[str, t.Any]:
        """The Secret of a cluster; {} where there is none."""
        found = self.planes[cluster].kubectl(
            "-n", "mesh-fleet", "get", "secret", f"{self.fleet}-state", "-o", "json", "--ignore-not-found"
        )
        return json.loads(found) if found.strip() else {}

    def texts(self, cluster: str) -> dict[str, str]:
        return {key: base64.b64decode(value).decode() for key, value in self.kept(cluster).get("data", {}).items()}

    def roots(self) -> set[str]:
        """The roots under which the clusters have their intermediate CAs."""
        found = set()
        for plane in self.planes.values():
            secret = json.loads(plane.kubectl("-n", self.namespace, "get", "secret", "cacerts", "-o", "json"))
            found.add(base64.b64decode(secret["data"]["root-cert.pem"]).decode())
        return found


@pytest.fixture(scope="module")
def planes(api: control_plane.ControlPlane, new_plane: control_plane.Start) -> dict[str, control_plane.ControlPlane]:
    east = new_plane("east")
    east.start_controllers()
    return {"west": api, "east": east}


@pytest.fixture
def runners(planes: dict[str, control_plane.ControlPlane], tmp_path: Path, namespace: str) -> Runners:
    return Runners(planes, tmp_path, namespace, f"fleet-{namespace}")


def test_every_empty_disk_finds_the_one_root(runners: Runners) -> None:
    planned = runners.run("--check", state="east")
    assert "root would be made" in planned
    assert not runners.kept("east"), "check mode wrote"

    first = runners.run(state="east")
    assert "state in east" in first
    kept = runners.texts("east")
    assert set(kept) == {"root-cert.pem", "root-key.vault"}
    assert kept["root-key.vault"].startswith("$ANSIBLE_VAULT;1.1;AES256")
    assert not runners.kept("west")

    again = runners.run("--limit", "west", state="east", trust_lifetime="800d", trust_renew_before="740d")
    assert f"state found in Secret mesh-fleet/{runners.fleet}-state in east" in again
    assert "west renewed" in again
    assert runners.texts("east") == kept
    assert runners.roots() == {kept["root-cert.pem"]}


def test_it_moves_by_one_variable_and_back(runners: Runners) -> None:
    runners.run(disk="laptop")
    before = runners.on_disk("laptop")
    assert set(before) == {"root-cert.pem", "root-key.vault"}

    assert "state would be moved from folder" in runners.run("--check", disk="laptop", state="east")
    assert (runners.on_disk("laptop"), runners.kept("east")) == (before, {}), "check mode wrote"

    assert "state moved from folder" in runners.run(disk="laptop", state="east")
    assert (runners.on_disk("laptop"), runners.texts("east")) == ({}, before)

    assert "in east to Secret" in runners.run(state="west")
    assert (runners.kept("east"), runners.texts("west")) == ({}, before)

    assert "in west to folder" in runners.run(disk="server")
    assert runners.on_disk("server") == before
    left = runners.kept("west")
    assert left["metadata"]["annotations"] == {"mesh.fleet/moved-to": "controller"}
    assert runners.texts("west") == before, "a disk may be lost: the former copy stays"

    runners.run(disk="server", state="east")
    assert (runners.on_disk("server"), runners.kept("west"), runners.texts("east")) == ({}, {}, before)
    assert runners.roots() == {before["root-cert.pem"]}


def test_two_copies_that_differ_stop_the_run(runners: Runners) -> None:
    runners.run(state="east")
    kept = runners.kept("east")
    runners.planes["east"].kubectl("-n", "mesh-fleet", "delete", "secret", f"{runners.fleet}-state")
    for plane in runners.planes.values():
        plane.kubectl("-n", runners.namespace, "delete", "secret", "cacerts")
    runners.run(disk="laptop")
    other = runners.on_disk("laptop")
    for gone in ("uid", "resourceVersion", "creationTimestamp"):
        kept["metadata"].pop(gone)
    runners.planes["east"].kubectl("create", "-f", "-", stdin=json.dumps(kept))

    stopped = runners.run(disk="laptop", state="east", ok=False)
    assert "two different copies of the fleet's state" in stopped
    assert str(runners.tmp / "laptop" / runners.fleet / "trust") in stopped.replace("\n", "")
    assert runners.on_disk("laptop") == other
    assert runners.kept("east")["data"] == kept["data"]


def test_a_silent_state_cluster_stops_the_run(runners: Runners) -> None:
    reachable, runners.hosts["east"] = runners.hosts["east"], runners.away
    stopped = runners.run("--limit", "west", state="east", ok=False)
    assert "the fleet's state cannot be read" in stopped
    assert runners.secret() == {}, "a second root was made"

    # A remote has no intermediate CA that would betray the root: its silence alone must be enough.
    remote = {"mesh_role": "remote", "mesh_primary": "west"}
    runners.hosts["east"] = {**runners.away, **remote}
    assert "no root is made" in runners.run("--limit", "west", ok=False)
    assert runners.secret() == {}, "a second root was made"
    runners.hosts["east"] = {**reachable, **remote}
    assert "west signed" in runners.run("--limit", "west", disk="laptop")


def test_teardown_leaves_the_root_unless_asked(runners: Runners) -> None:
    runners.planes["east"].kubectl("-n", "mesh-fleet", "delete", "secret", "--all")
    runners.run(state="east")
    kept = runners.texts("east")
    runners.run(state="east", absent=True)
    assert runners.texts("east") == kept
    runners.run("--check", state="east", absent=True, trust_remove_root=True)
    assert runners.texts("east") == kept
    runners.run(state="east", absent=True, trust_remove_root=True)
    assert runners.kept("east") == {}
    # It was the last state there, and a run had made the namespace.
    runners.planes["east"].kubectl("wait", "--for=delete", "namespace/mesh-fleet", "--timeout=30s")


def test_a_password_of_this_disk_alone_is_refused(runners: Runners) -> None:
    stopped = runners.run(state="east", ok=False, trust_vault_password_file="", trust_vault_password_create=True)
    assert "a password that every runner has" in stopped
    assert not runners.kept("east")


def test_preflight_knows_the_state_cluster_where_trust_follows(runners: Runners) -> None:
    fleet = {
        "vars": {
            "fleet_name": runners.fleet,
            "fleet_dir": str(runners.tmp / "empty"),
            "mesh_state_cluster": "east",
            "trust_vault_password_file": str(runners.password),
        },
        "hosts": {"west": runners.away},
    }
    options = {"part": "keys", "root": "generated", "vault_password_file": str(runners.password)}
    tasks = [{"name": "Ask", "mesh.fleet.preflight": options, "run_once": True, "tags": ["always"]}]
    play = {"hosts": "mesh_clusters", "gather_facts": False, "tasks": tasks}
    names_none = "mesh_state_cluster names no cluster of the fleet"
    assert names_none in run_plays(runners.tmp, fleet, play).output
    assert names_none in run_plays(runners.tmp, fleet, play, "--tags", "trust").output
    # A slice has a part of the clusters, and no trust stage.
    assert run_plays(runners.tmp, fleet, play, "--tags", "control_plane").code == 0


def test_requests_and_keys_for_a_corporate_ca_are_kept(runners: Runners) -> None:
    stopped = runners.run(state="east", ok=False, trust_root="external")
    assert f"Secret mesh-fleet/{runners.fleet}-state in east" in stopped
    first = runners.texts("east")
    assert {"external..west.csr.pem", "external..west.key.vault"} <= set(first)
    runners.run(state="east", ok=False, trust_root="external")
    assert runners.texts("east") == first, "the CA may be signing those requests now"


@pytest.fixture
def fleet(planes: dict[str, control_plane.ControlPlane], tmp_path: Path, namespace: str) -> Fleet:
    """A fleet of west and east whose state is kept in east."""
    hosts = {
        name: {
            "fleet_name": f"fleet-{namespace}",
            "fleet_dir": str(tmp_path),
            "mesh_state_cluster": "east",
            "cluster_provider": "kubeconfig",
            "cluster_kubeconfig": str(plane.kubeconfig),
            "cluster_context": "admin",
        }
        for name, plane in planes.items()
    }
    return read_fleet(hosts, Environment(state_dir=str(tmp_path)))


@in_loop
async def test_of_two_writers_one_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    folder = str(tmp_path / "trust")
    for file in ("root-key.vault", "root-cert.pem"):
        async with opened(fleet, folder, check_mode=False) as first:
            Path(first.directory, file).write_text("$ANSIBLE_VAULT;first")
            with pytest.raises(FleetError, match="somebody else wrote the fleet's state"):
                await second_run(fleet, folder, file, first)
    async with opened(fleet, folder, check_mode=False) as later:
        assert set(place._read_folder(later.directory).values()) == {"$ANSIBLE_VAULT;first"}


@in_loop
async def test_what_another_run_wrote_is_not_deleted(fleet: Fleet, tmp_path: Path) -> None:
    folder = str(tmp_path / "trust")
    async with opened(fleet, folder, check_mode=False) as state:
        Path(state.directory, "root-cert.pem").write_text("first")
    async with opened(fleet, folder, check_mode=False) as state:
        Path(state.directory, "root-cert.pem").write_text("second")
        with pytest.raises(FleetError, match="somebody else wrote the fleet's state"):
            await removal(fleet, folder, state)
    async with reading(fleet, folder) as there:
        assert Path(there, "root-cert.pem").read_text() == "second"


async def removal(fleet: Fleet, folder: str, other: State) -> None:
    """The other run writes after this one has read."""
    async with opened(fleet, folder, check_mode=False) as state:
        Path(state.directory, "root-cert.pem").unlink()
        await other.keep()


async def second_run(fleet: Fleet, folder: str, file: str, first: State) -> None:
    """The first run writes after this one has read."""
    async with opened(fleet, folder, check_mode=False) as second:
        Path(second.directory, file).write_text("$ANSIBLE_VAULT;second")
        await first.keep()


@in_loop
async def test_the_documented_role_is_enough_and_no_more(
    fleet: Fleet, planes: dict[str, control_plane.ControlPlane], tmp_path: Path, namespace: str
) -> None:
    east = planes["east"]
    text = (ROOT / "docs" / "running.md").read_text()
    block = re.findall(r"```yaml\n(apiVersion: rbac.*?)```", text, flags=re.DOTALL)[0]
    role = yaml.safe_load(block.replace("mesh-state", f"{fleet.name}-state"))
    east.kubectl("create", "namespace", namespace)
    east.kubectl("-n", namespace, "create", "serviceaccount", "runner")
    east.kubectl("create", "namespace", "mesh-fleet", ok=False)
    name, account = role["metadata"]["name"], f"{namespace}:runner"
    east.kubectl("-n", "mesh-fleet", "create", "rolebinding", name, f"--role={name}", f"--serviceaccount={account}")
    token = east.kubectl("-n", namespace, "create", "token", "runner").strip()
    connection = Connection(server=east.server, token=token, ca_pem=east.ca_pem)
    cluster = fleet.clusters["east"].with_connection(lambda: connection)
    limited = dataclasses.replace(fleet, clusters={"east": cluster})

    def allow_all_but(*missing: str) -> None:
        rules = [{**rule, "verbs": [v for v in rule["verbs"] if v not in missing]} for rule in role["rules"]]
        east.kubectl("apply", "-f", "-", stdin=json.dumps({**role, "rules": [r for r in rules if r["verbs"]]}))

    async def whole_life() -> None:
        for files in ({"root-cert.pem": "one"}, {"root-cert.pem": "two"}, {}):
            async with opened(limited, str(tmp_path / "trust"), check_mode=False) as state:
                Path(state.directory, "root-cert.pem").unlink(missing_ok=True)
                for file, content in files.items():
                    Path(state.directory, file).write_text(content)

    allow_all_but()
    await whole_life()
    for verb in ("get", "create", "update", "delete"):
        allow_all_but(verb)
        with pytest.raises(FleetError, match=r"(?i)forbid|may not|403"):
            await whole_life()
        east.kubectl("-n", "mesh-fleet", "delete", "secret", f"{fleet.name}-state", "--ignore-not-found")


@in_loop
async def test_a_cluster_that_keeps_the_state_is_not_deleted(fleet: Fleet, tmp_path: Path) -> None:
    folder = str(tmp_path / "trust")
    west, east = fleet.clusters["west"], fleet.clusters["east"]
    await insist_on_no_state(fleet, east)
    async with opened(fleet, folder, check_mode=False) as state:
        Path(state.directory, "root-cert.pem").write_text("cert")
    await insist_on_no_state(fleet, west)
    for named in ("east", "west", ""):
        with pytest.raises(FleetError, match="keeps the fleet's state, and is not deleted"):
            await insist_on_no_state(dataclasses.replace(fleet, state_cluster=named), east)
    async with opened(dataclasses.replace(fleet, state_cluster=""), folder, check_mode=False):
        pass
    await insist_on_no_state(dataclasses.replace(fleet, state_cluster=""), east)  # a former copy

    away = Connection(server=f"https://127.0.0.1:{control_plane.closed_port()}", token="x", ca_pem="")
    silent = east.with_connection(lambda: away)
    await insist_on_no_state(dataclasses.replace(fleet, state_cluster="west"), silent)
    with pytest.raises(FleetError, match="keeps the fleet's state, and is not deleted"):
        await insist_on_no_state(fleet, silent)


def test_kind_cluster_deletes_no_cluster_that_keeps_the_state(
    runners: Runners, planes: dict[str, control_plane.ControlPlane]
) -> None:
    runners.run(state="east")
    kubeconfigs = runners.tmp / "kind" / runners.fleet / "kubeconfigs"
    kubeconfigs.mkdir(parents=True)
    config = yaml.safe_load(planes["east"].kubeconfig.read_text())
    config["contexts"] = [{**c, "name": "east"} for c in config["contexts"] if c["name"] == "admin"]
    text = yaml.safe_dump(config)
    for file in planes["east"].directory.glob("*.*"):
        text = text.replace(f": {file.name}\n", f": {file}\n")
    (kubeconfigs / "east.yaml").write_text(text)
    fleet = {
        "vars": {"fleet_name": runners.fleet, "fleet_dir": str(runners.tmp / "kind"), "mesh_state_cluster": "east"},
        "hosts": {"east": {"cluster_provider": "kind", "cluster_region": "here"}},
    }
    task = {"name": "Remove it", "mesh.fleet.kind_cluster": {"state": "absent"}}
    done = run_plays(runners.tmp, fleet, {"hosts": "mesh_clusters", "gather_facts": False, "tasks": [task]})
    assert done.code != 0
    assert "the cluster keeps the fleet's state, and is not deleted" in done.output


@in_loop
async def test_who_only_reads_moves_nothing(fleet: Fleet, tmp_path: Path) -> None:
    folder = tmp_path / "trust"
    folder.mkdir()
    (folder / "root-cert.pem").write_text("cert")
    async with reading(fleet, str(folder)) as there:
        assert Path(there, "root-cert.pem").read_text() == "cert"
        assert there != str(folder)
    assert place._read_folder(str(folder)) == {"root-cert.pem": "cert"}
    async with opened(fleet, str(folder), check_mode=False):
        pass
    assert place._read_folder(str(folder)) == {}
    async with reading(fleet, str(folder)) as there:
        assert Path(there, "root-cert.pem").read_text() == "cert"


@in_loop
async def test_a_move_that_was_killed_is_finished(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever write was the last one: no file is lost, and the next run has all of it in one place."""
    folder = tmp_path / "trust"
    (folder / "external").mkdir(parents=True)
    texts = {"root-cert.pem": "cert", "root-key.vault": "$ANSIBLE_VAULT;key", "external/west.csr.pem": "csr"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    for target in ("east", "west", ""):
        moved = dataclasses.replace(fleet, state_cluster=target)
        for writes in range(8):
            with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
                kill_after(writes, patch)
                async with opened(moved, str(folder), check_mode=False):
                    pass
        async with opened(moved, str(folder), check_mode=False) as state:
            assert place._read_folder(state.directory) == texts
        assert place._read_folder(str(folder)) == ({} if target else texts)
        assert not (folder / ".moving").exists()


def kill_after(writes: int, patch: pytest.MonkeyPatch) -> None:
    """End the run at the write after so many, whatever it writes to."""
    left = iter(range(writes))

    def counted(real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*args: t.Any, **options: t.Any) -> t.Any:
            if options.get("durable", True) and next(left, None) is None:
                raise KeyboardInterrupt
            return real(*args, **options)

        return call

    for write in ("replace_exactly", "write_file", "remove_file", "delete_exactly"):
        patch.setattr(place, write, counted(getattr(place, write)))
