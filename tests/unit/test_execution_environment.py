# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""execution-environment.yml is what ansible-builder accepts: the build context that it writes has what a run needs."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import typing as t
from pathlib import Path

import pytest
import yaml

HELM = b"#!/bin/sh\nprintf v3.22.0\n"


@pytest.fixture(scope="module")
def context(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``ansible-galaxy collection build`` and ``ansible-builder create`` write, as the definition says."""
    folder = tmp_path_factory.mktemp("definition")
    for name in ("execution-environment.yml", "requirements.yml"):
        shutil.copy(root / name, folder)
    shutil.copytree(root / "execution-environment", folder / "execution-environment")
    run("ansible-galaxy", "collection", "build", "--output-path", str(folder), cwd=root)
    run("ansible-builder", "create", "-f", "execution-environment.yml", "-c", "context", "-v", "2", cwd=folder)
    return folder / "context"


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def stages(context: Path) -> dict[str, list[str]]:
    """By stage of the Containerfile, its steps."""
    found: dict[str, list[str]] = {}
    for line in (context / "Containerfile").read_text(encoding="utf-8").splitlines():
        if started := re.match(r"FROM \S+ AS (\S+)", line):
            found[started.group(1)] = []
        elif line and found and not line.startswith("#"):
            list(found.values())[-1].append(line)
    return found


def index(steps: t.Sequence[str], word: str) -> int:
    (found,) = (number for number, step in enumerate(steps) if word in step)
    return found


@pytest.fixture(scope="module")
def introspected(context: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the build finds that installed collections need: Python packages, and lines of bindep."""
    folder = tmp_path_factory.mktemp("introspected")
    (archive,) = (context / "_build" / "collection").iterdir()
    ours = folder / "ansible_collections" / "mesh" / "fleet"
    ours.mkdir(parents=True)
    with tarfile.open(archive) as opened:
        opened.extractall(ours, filter="data")
    script = str(context / "_build" / "scripts" / "introspect.py")
    written = {"python": folder / "python.txt", "system": folder / "system.txt"}
    options = [f"--write-pip={written['python']}", f"--write-bindep={written['system']}"]
    run(sys.executable, script, "introspect", *options, str(folder), cwd=folder)
    return {kind: path.read_text(encoding="utf-8").splitlines() for kind, path in written.items()}


def test_the_image_gets_what_the_collection_names(
    root: Path, context: Path, stages: dict[str, list[str]], introspected: dict[str, list[str]]
) -> None:
    assert index(stages["builder"], "introspect.py introspect")
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line.partition("==")[0] for line in lines if not line.startswith("#")}
    found = {line.partition("==")[0] for line in introspected["python"] if line}
    # ansible-core has a line of its own, and brings PyYAML.
    assert wanted - found == {"ansible", "PyYAML"}
    assert any(line.startswith("git ") for line in introspected["system"])
    assert "google.cloud" in (context / "_build" / "requirements.yml").read_text(encoding="utf-8")


def test_both_ends_of_the_stream_are_tested_together(root: Path, context: Path) -> None:
    (pinned,) = re.findall(r"^ansible-runner==\S+$", (root / "requirements-dev.txt").read_text(), re.MULTILINE)
    refs = re.search(r'^ARG ANSIBLE_INSTALL_REFS="(.*)"$', (context / "Containerfile").read_text(), re.MULTILINE)
    assert refs
    assert pinned in refs[1].split()


def test_the_image_gets_this_collection(context: Path, stages: dict[str, list[str]]) -> None:
    (archive,) = (context / "_build" / "collection").iterdir()
    with tarfile.open(archive) as opened:
        names = opened.getnames()
    assert {"playbooks/site.yml", "plugins/callback/stages.py", "meta/execution-environment.yml"} <= set(names)
    steps = stages["galaxy"]
    needs, ours = index(steps, "-r requirements.yml --collections-path"), index(steps, "mesh-fleet-*.tar.gz")
    assert needs < ours
    assert "/usr/share/ansible/collections" in steps[ours]


def test_the_image_gets_the_tested_helm_with_its_checksum(
    root: Path, context: Path, stages: dict[str, list[str]]
) -> None:
    version = yaml.safe_load((root / "roles/artifacts/vars/main.yml").read_text())["__artifacts_versions"]["helm"]
    steps = stages["final"]
    assert f"ARG HELM_VERSION={version}" in steps
    assert index(steps, "COPY _build/helm/install_helm.py") < index(steps, "RUN $PYCMD /tmp/install_helm.py")
    assert '--sha256 "$HELM_SHA256"' in steps[index(steps, "RUN $PYCMD /tmp/install_helm.py")]
    assert (context / "_build" / "helm" / "install_helm.py").is_file()


def test_the_base_has_the_python_that_is_named(context: Path) -> None:
    """Images of python:…-slim have none in /usr/bin."""
    text = (context / "Containerfile").read_text(encoding="utf-8")
    assert re.search(r'^ARG EE_BASE_IMAGE="docker\.io/library/python:', text, re.MULTILINE)
    assert 'ARG PYCMD="/usr/local/bin/python3"' in text


def test_the_base_knows_the_packages_of_its_distribution(stages: dict[str, list[str]]) -> None:
    """Those of bindep.txt are installed by two scripts of ansible-builder, which do not ask for lists of packages."""
    assert index(stages["base"], "apt-get update") < index(stages["base"], "pip_install")


def test_runs_in_the_image_are_configured(stages: dict[str, list[str]]) -> None:
    told = " ".join(step.removeprefix("ENV ") for step in stages["final"] if step.startswith("ENV "))
    settings = dict(one.split("=", 1) for one in told.split())
    assert settings["ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED"] == "true"
    assert settings["ANSIBLE_STDOUT_CALLBACK"] == settings["ORIGINAL_STDOUT_CALLBACK"] == "mesh.fleet.stages"
    # A volume that the image declares would end with the container too, and no run could tell.
    assert settings["XDG_STATE_HOME"] == "/var/lib"
    assert not any(step.startswith("VOLUME") for steps in stages.values() for step in steps)


def test_the_definition_says_where_state_must_be_kept(root: Path) -> None:
    text = (root / "execution-environment.yml").read_text(encoding="utf-8")
    assert "Mount a volume there" in text
    assert "/var/lib/mesh.fleet" in text


@pytest.fixture
def released(tmp_path: Path) -> t.Iterator[tuple[str, str]]:
    """A server that has Helm, and the checksum of its archive."""
    folder = tmp_path / "released"
    folder.mkdir()
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    (tmp_path / "helm").write_bytes(HELM)
    archive = folder / f"helm-v3.22.0-linux-{arch}.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(tmp_path / "helm", f"linux-{arch}/helm")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    archive.with_name(f"{archive.name}.sha256sum").write_text(f"{digest}  {archive.name}\n")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", digest
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("given", ["", "right", "wrong"])
def test_helm_is_installed_only_with_the_right_checksum(
    root: Path, tmp_path: Path, released: tuple[str, str], given: str
) -> None:
    address, digest = released
    wanted = {"": "", "right": digest, "wrong": "0" * 64}[given]
    (tmp_path / "bin").mkdir()
    script = str(root / "execution-environment" / "install_helm.py")
    done = subprocess.run(
        [sys.executable, script, "v3.22.0", "--sha256", wanted, "--from", address, "--to", str(tmp_path / "bin")],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    )
    program = tmp_path / "bin" / "helm"
    if given == "wrong":
        assert done.returncode == 1
        assert f"has SHA-256 {digest}, expected was {'0' * 64}" in done.stderr
        assert not program.exists()
    else:
        assert done.returncode == 0, done.stderr
        assert program.read_bytes() == HELM
        assert os.access(program, os.X_OK)
