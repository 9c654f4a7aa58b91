# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Source ``upstream`` with mirrors only, as an air-gapped user has them, up to a cluster that is Ready."""

from __future__ import annotations

import json
import pathlib
import shutil
import typing as t

import pytest

from .local_fleet import Fleet
from .mirror import Mirror, can_run
from .playbooks import changed


@pytest.fixture(scope="module")
def fleet(new_fleet: t.Callable[[str], Fleet]) -> Fleet:
    return new_fleet("-upstream")


@pytest.fixture(scope="module")
def mirror(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Mirror]:
    if reason := can_run():
        pytest.skip(reason)
    made = Mirror(tmp_path_factory.mktemp("mirror"))
    try:
        made.fill(fleet.facts["node_image"])
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def directory(fleet: Fleet, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[pathlib.Path]:
    folder = tmp_path_factory.mktemp("upstream")
    yield folder
    fleet.clear()
    fleet.start("artifacts_removal", "-e", f"artifacts_directory={folder}").end()
    shutil.rmtree(folder, ignore_errors=True)


def extra(mirror: Mirror, directory: pathlib.Path, **more: t.Any) -> list[str]:
    return ["--limit", "west", "-e", json.dumps({**mirror.variables(directory), **more})]


def test_a_cluster_from_mirrors(fleet: Fleet, mirror: Mirror, directory: pathlib.Path) -> None:
    arguments = extra(mirror, directory)
    fleet.play("clusters", *arguments)
    facts = json.loads((directory / "artifacts.json").read_text())
    assert facts["source"] == "upstream"
    assert facts["why"] == f"{mirror.registry.host} answers (200)"
    assert facts["hub"] == f"{mirror.registry.host}/istio"
    images = fleet.ask_engine("exec", fleet.container("west"), "cat", "/kind/images.txt").split()
    for name in ("istio/pilot", "istio/proxyv2", "istio/install-cni", "library/python"):
        assert any(image.startswith(f"{mirror.registry.host}/{name}:") for image in images)
    ready = "--for=condition=Available"
    fleet.kubectl("west", "-n", "kube-system", "wait", ready, "deployment/mesh-fleet-load-balancer", "--timeout=300s")
    assert (directory / "charts/istiod/Chart.yaml").exists()
    assert changed(fleet.play("clusters", *arguments)) == 0


def test_a_changed_file_is_refused(fleet: Fleet, mirror: Mirror, tmp_path: pathlib.Path) -> None:
    said = fleet.play("artifacts", *extra(mirror, tmp_path, artifacts_checksums={"kubectl": "0" * 64}), good=False)
    assert said.count("checksum of kubectl does not match") >= 1
    assert "Traceback" not in said
    assert not list((tmp_path / "store").glob("get-kubectl*"))


def test_a_file_server_that_refuses_is_named(fleet: Fleet, mirror: Mirror, tmp_path: pathlib.Path) -> None:
    away = f"http://{mirror.files.host}/forbidden"
    options = {"artifacts_downloads": away, "artifacts_source": "upstream"}
    said = fleet.play("artifacts", *extra(mirror, tmp_path, **options), good=False)
    assert f"{away}/" in said
    assert "answers 403" in said
    assert "set artifacts_downloads to a mirror" in said
    assert "Traceback" not in said


def test_a_registry_that_refuses_is_named(fleet: Fleet, mirror: Mirror, directory: pathlib.Path) -> None:
    options = {"artifacts_kind_image": f"{mirror.files.host}/kindest/node:v1", "artifacts_source": "upstream"}
    said = fleet.play("artifacts", *extra(mirror, directory, **options), good=False)
    assert f"pulling {mirror.files.host}/kindest/node:v1 failed" in said
    assert "the registry refuses this machine" in said
    assert "Traceback" not in said


def test_nothing_is_left(fleet: Fleet, mirror: Mirror, directory: pathlib.Path) -> None:
    image = json.loads((directory / "artifacts.json").read_text())["node_image"]
    removal = ("artifacts_removal", "-e", f"artifacts_directory={directory}")
    said = fleet.play(*removal, good=False)
    assert "the node image is in use" in said
    assert fleet.container("west") in said
    fleet.play("teardown")
    assert changed(fleet.play(*removal)) == 1
    assert not directory.exists()
    names = fleet.ask_engine("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert image not in names
    assert fleet.facts["node_image"] in names
