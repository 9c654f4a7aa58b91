# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A relative path begins at the inventory's folder, whatever the current folder is, in every option of every action."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import (
    chart_at,
    folder_of_inventory,
    located,
    located_files,
    located_program,
)

ACTIONS = sorted(p.stem for p in (Path(__file__).parents[5] / "plugins" / "action").glob("*.py"))
PATH = re.compile(r"(^|_)(file|files|folder|dir|directory|path|cert|key|chart|charts|helm|bin|program|kubeconfig)$")
"""How options are called that are a path, or may be one."""
NO_PATHS = {("preflight", "open_files")}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("a.pem", "/inv/a.pem"),
        ("./sub/../a.pem", "/inv/a.pem"),
        ("../a.pem", "/a.pem"),
        ("~/a.pem", "/home/me/a.pem"),
        ("/srv/a.pem", "/srv/a.pem"),
        *[
            (same, same)
            for same in ("", "https://charts.example/x", "oci://r.example/x", "$ANSIBLE_VAULT;1.1;AES256\n00")
        ],
        ("-----BEGIN CERTIFICATE-----\nMII", "-----BEGIN CERTIFICATE-----\nMII"),
        ("# root\n-----BEGIN CERTIFICATE-----\nMII", "# root\n-----BEGIN CERTIFICATE-----\nMII"),
    ],
)
def test_a_relative_path_begins_at_the_folder(value: str, path: str) -> None:
    assert located(value, "/inv") == path


def test_without_a_folder_it_begins_at_the_current_one(tmp_path: Path) -> None:
    assert located("a.pem", "") == str(tmp_path / "a.pem")


def test_a_list_of_files_has_a_path_each(tmp_path: Path) -> None:
    assert located_files("a:~/b:/srv/c", "/inv") == "/inv/a:/home/me/b:/srv/c"
    assert located_files("a:~/b", "/inv:1") == "/inv:1/a:/home/me/b"
    for found in ("/inv:1/a", "/inv:1/a:/home/me/b"):
        assert located_files(found, "/inv:1") == found
    (tmp_path / "a:b").touch()
    assert located_files("a:b", str(tmp_path)) == str(tmp_path / "a:b")


def test_a_bare_name_is_looked_for_elsewhere(tmp_path: Path) -> None:
    assert located_program("helm", "/inv") == "helm"
    assert located_program("./helm", "/inv") == "/inv/helm"
    assert located_program("bin/helm", "/inv") == "/inv/bin/helm"
    assert located_program("~/helm", "/inv") == "/home/me/helm"
    (tmp_path / "helm").mkdir()
    assert located_program("helm", str(tmp_path)) == "helm"
    assert located_program("", str(tmp_path)) == ""


def test_a_chart_that_is_there_is_taken(tmp_path: Path) -> None:
    assert chart_at("istio/base", "", str(tmp_path)) == "istio/base"
    assert chart_at("./shop", "", str(tmp_path)) == str(tmp_path / "shop")
    (tmp_path / "shop").mkdir()
    assert chart_at("shop", "", str(tmp_path)) == str(tmp_path / "shop")
    assert chart_at("shop", "https://charts.example", str(tmp_path)) == "shop"


def test_a_task_for_all_clusters_does_not_depend_on_its_host() -> None:
    known = {"west": {"inventory_dir": "/a"}, "east": {"inventory_dir": "/b"}}
    there = {"groups": {"mesh_clusters": ["west", "east"]}, "hostvars": known, "inventory_dir": "/b"}
    assert folder_of_inventory(there, whole_fleet=True) == "/a"
    assert folder_of_inventory(there, whole_fleet=False) == "/b"
    assert folder_of_inventory({**there, "inventory_dir": None}, whole_fleet=False) == "/a"
    assert folder_of_inventory({}, whole_fleet=True) == ""


@pytest.mark.parametrize("name", ACTIONS)
def test_every_option_that_may_be_a_path_is_located(name: str) -> None:
    action = importlib.import_module(f"ansible_collections.mesh.fleet.plugins.action.{name}").ActionModule
    typed = {option for option, spec in action.ARGUMENT_SPEC.items() if spec.get("type") == "path"}
    found = {option for option in action.ARGUMENT_SPEC if PATH.search(option) and (name, option) not in NO_PATHS}
    assert found - typed <= {*action.PATHS, *action.PROGRAMS}
    assert {*action.PATHS, *action.PROGRAMS} <= set(action.ARGUMENT_SPEC)
