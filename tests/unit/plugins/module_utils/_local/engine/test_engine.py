# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Podman and docker by the part that both have."""

from __future__ import annotations

import asyncio
import os
import pathlib

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import (
    Engine,
    address_of,
    network_labels,
    network_subnets,
)
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.machine import Machine
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError


def program(folder: pathlib.Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A PATH that holds only what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("CONTAINERS_CONF", "/dev/null")
    return folder


def detect(wanted: str, tmp_path: pathlib.Path) -> Engine:
    return asyncio.run(Engine.detect(wanted, tmp_path / "artifacts"))


def test_the_first_that_answers(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    program(path, "podman", "echo broken >&2; exit 125")
    program(path, "docker", "echo 27.0")
    engine = detect("auto", tmp_path)
    assert engine.name == "docker"
    assert engine.env["KIND_EXPERIMENTAL_PROVIDER"] == "docker"


def test_none_answers_and_each_is_quoted(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    program(path, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(FleetError) as caught:
        detect("auto", tmp_path)
    assert caught.value.what == "no container engine works here"
    assert caught.value.seen == "podman: not installed; docker: Cannot connect to the Docker daemon"
    assert "apt-get install podman" in caught.value.next_step


def test_one_without_output_is_reported_too(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    program(path, "docker", "exit 3")
    with pytest.raises(FleetError, match="docker: exit status 3, no output"):
        detect("docker", tmp_path)


def test_settings_of_the_users_own_are_respected(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    program(path, "podman", "echo 5.0")
    assert "CONTAINERS_CONF" not in detect("podman", tmp_path).env
    assert not (tmp_path / "artifacts").exists()


def test_stores_have_names_of_their_own(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    program(path, "docker", "echo 27.0")
    assert detect("docker", tmp_path).store != detect("docker", tmp_path / "other").store


def test_both_spell_networks_differently() -> None:
    podman = {"subnets": [{"subnet": "10.9.0.0/22"}], "labels": {"a": "b"}}
    docker = {"IPAM": {"Config": [{"Subnet": "10.9.0.0/22"}]}, "Labels": {"a": "b"}}
    for network in (podman, docker):
        assert network_subnets(network) == ["10.9.0.0/22"]
        assert network_labels(network) == {"a": "b"}
    assert network_subnets({"IPAM": {"Config": None}}) == network_subnets({"subnets": None}) == []
    assert network_labels({"labels": None}) == {}


def test_an_address_is_that_on_our_network() -> None:
    container = {
        "NetworkSettings": {"Networks": {"ours": {"IPAddress": "10.9.0.2"}, "other": {"IPAddress": "1.1.1.1"}}}
    }
    assert address_of(container, "ours") == "10.9.0.2"
    assert address_of(container, "none") == address_of({}, "ours") == ""


def test_a_process_of_this_machine_is_alive() -> None:
    engine = Engine("podman", Machine.detect())
    assert engine.alive({"State": {"Status": "running", "Pid": os.getpid()}})
    assert not engine.alive({"State": {"Status": "exited", "Pid": os.getpid()}})
    assert not engine.alive({})


def test_volumes_of_a_label_go_and_no_others(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    asked = tmp_path / "asked"
    answers = 'case "$*" in *label=shop-west=true) echo a b;; version*) echo 5.4;; esac'
    program(path, "podman", f'echo "$*" >> {asked}; {answers}')
    engine = detect("podman", tmp_path)
    asked.unlink()
    asyncio.run(engine.remove_volumes("shop-west=true"))
    asyncio.run(engine.remove_volumes("shop-east=true"))
    listed = "volume ls --quiet --filter label="
    assert asked.read_text().splitlines() == [f"{listed}shop-west=true", "volume rm a b", f"{listed}shop-east=true"]
