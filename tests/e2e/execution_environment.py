# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The image of execution-environment.yml, built on a machine that reaches package registries only.

Its base image, Helm's archive and the collections of Galaxy come from what is at hand; the Containerfile is what
``ansible-builder create`` writes, whole and unchanged. An image is made once for each state of what goes into it, and
kept with the artifacts.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import typing as t

import ansible
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.build_graph import (
    Step,
    Store,
    digest_of_files,
    make,
)
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.node_image import STORE_LABEL, prefix
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine

from .local_fleet import CACHE
from .mirror import Files
from .playbooks import ROOT

__all__ = ["can_build", "image"]

DEFINITION = ROOT / "execution-environment.yml"
NAME = f"{prefix}/execution-environment"
BASE_PACKAGES = "ca-certificates,python3,python3-venv"
COLLECTIONS = pathlib.Path(ansible.__file__).parents[1] / "ansible_collections"
"""What the ansible package brings."""
# The definition's base has its Python and pip in /usr/local, and so has an environment there. Galaxy is not reached:
# ansible-galaxy takes what it finds in the folder that it would install to, if its version is right.
BASE = """\
FROM scratch
ADD rootfs.tar /
COPY collections /usr/share/ansible/collections/ansible_collections
RUN python3 -m venv /usr/local
LABEL {label}
"""


def can_build() -> str:
    """Why this machine cannot build it; "" if it can."""
    if os.geteuid() != 0:
        return "building images needs root"
    missing = [program for program in ("podman", "mmdebstrap") if shutil.which(program) is None]
    return f"{missing[0]} is not here" if missing else ""


def image() -> str:
    """The name of the image, which is built if it is not there."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_Build(pathlib.Path(folder)).image())


def _run(*argv: str, cwd: pathlib.Path | None = None) -> str:
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


class _Build:
    """Two steps of the artifacts' store, whose folders hold nothing but the names of images."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        definition = yaml.safe_load(DEFINITION.read_text())
        published = re.fullmatch(r"\S+/python:(\d+\.\d+)-slim-(\w+)", definition["images"]["base_image"]["name"])
        assert published, definition["images"]
        self.python, self.debian = published.groups()
        wanted = yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]
        self.collections = [str(one["name"]).replace(".", "/") for one in wanted]
        versions = yaml.safe_load((ROOT / "roles/artifacts/vars/main.yml").read_text())["__artifacts_versions"]
        self.helm = str(versions["helm"])

    async def image(self) -> str:
        self.engine = await Engine.detect("podman", CACHE)
        self.label = f"{STORE_LABEL}={self.engine.store}"
        self.archive = self._archive()
        base = Step("ee-base", (BASE, BASE_PACKAGES, self.debian, self._galaxy_key()), self._base, also=self._is_there)
        parts = [DEFINITION, ROOT / "execution-environment", ROOT / "requirements.yml"]
        inputs = (digest_of_files(*parts), self._content(), os.path.realpath(CACHE / "bin" / "helm"))
        final = Step("ee-image", inputs, self._image, (base.name,), also=self._is_there)
        outcome = await make([base, final], Store(CACHE), say=lambda line: print(line, flush=True), at_once=1)
        return (outcome.folders[final.name] / "image").read_text().strip()

    def _archive(self) -> pathlib.Path:
        _run("ansible-galaxy", "collection", "build", "--output-path", str(self.folder), cwd=ROOT)
        return next(self.folder.glob("mesh-fleet-*.tar.gz"))

    def _content(self) -> str:
        """Of the collection's archive: what its files are, and not when they were written."""
        with tarfile.open(self.archive) as opened:
            listed = opened.extractfile("FILES.json")
            assert listed
            return hashlib.sha256(listed.read()).hexdigest()

    def _galaxy_key(self) -> str:
        return digest_of_files(*(COLLECTIONS / name / "MANIFEST.json" for name in self.collections))

    async def _is_there(self, folder: pathlib.Path) -> bool:
        return await self.engine.image_exists((folder / "image").read_text().strip())

    async def _base(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        """What the definition's base image has: this Debian, this Python with pip, apt, no collections but Galaxy's."""
        context = self.folder / "base"
        for name in self.collections:
            shutil.copytree(COLLECTIONS / name, context / "collections" / name)
        rootfs = str(context / "rootfs.tar")
        _run(
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            f"--include={BASE_PACKAGES}",
            self.debian,
            rootfs,
        )
        (context / "Containerfile").write_text(BASE.format(label=self.label))
        tag = f"{NAME}-base:{key}"
        await self._build(context, tag)
        has = await self.engine.run("run", "--rm", "--network=none", tag, "/usr/local/bin/python3", "--version")
        assert has.out.startswith(f"Python {self.python}."), has.out
        (work / "image").write_text(tag + "\n")

    async def _image(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        context = self._context()
        files = Files(self._released_helm())
        try:
            base = (needs["ee-base"] / "image").read_text().strip()
            given = {"EE_BASE_IMAGE": base, "HELM_FROM": f"http://{files.host}"}
            arguments = [part for name, value in given.items() for part in ("--build-arg", f"{name}={value}")]
            await self._build(context, f"{NAME}:{key}", *arguments, *self._index())
        finally:
            files.stop()
        # One of an earlier state is of no use to anybody.
        listed = await self.engine.run(
            "images", "--filter", f"label={self.label}", "--format", "{{.Repository}}:{{.Tag}}"
        )
        for name in listed.out.split():
            if name.startswith(f"{NAME}:") and name != f"{NAME}:{key}":
                await self.engine.run("rmi", name, check=False)
        (work / "image").write_text(f"{NAME}:{key}\n")

    def _context(self) -> pathlib.Path:
        """What ``ansible-builder create`` writes."""
        for path in (DEFINITION, ROOT / "requirements.yml"):
            shutil.copy(path, self.folder)
        shutil.copytree(ROOT / "execution-environment", self.folder / "execution-environment")
        _run("ansible-builder", "create", "-f", DEFINITION.name, "-c", "context", cwd=self.folder)
        return self.folder / "context"

    def _released_helm(self) -> pathlib.Path:
        """A folder with our own Helm, as get.helm.sh has its maker's."""
        folder = self.folder / "helm"
        folder.mkdir()
        archive = folder / f"helm-{self.helm}-linux-amd64.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as opened:
            opened.add(os.path.realpath(CACHE / "bin" / "helm"), "linux-amd64/helm")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        archive.with_name(f"{archive.name}.sha256sum").write_text(f"{digest}  {archive.name}\n")
        return folder

    def _index(self) -> list[str]:
        """Options by which pip asks what this machine's pip asks.

        Its configuration, and every file that it names, is mounted during the build: nothing of it is in the image.
        """
        sections: dict[str, dict[str, str]] = {}
        for line in sorted(_run(sys.executable, "-m", "pip", "config", "list").splitlines()):
            name, _equals, value = line.partition("=")
            section, _dot, option = name.rpartition(".")
            # What the environment says counts more than any file.
            sections.setdefault(section, {})[option] = str(ast.literal_eval(value))
        settings = {**sections.pop("global", {}), **sections.pop(":env:", {})}
        written = self.folder / "pip.conf"
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
            for section, options in {"global": settings, **sections}.items():
                stream.write(f"[{section}]\n")
                stream.writelines(f"{name} = {' '.join(value.split())}\n" for name, value in options.items())
        words = {
            word for options in (settings, *sections.values()) for value in options.values() for word in value.split()
        }
        named = sorted(word for word in words if word.startswith("/") and os.path.exists(word))
        mounts = {str(written): "/etc/pip.conf", **{path: path for path in named}}
        return [f"--volume={source}:{target}:ro" for source, target in mounts.items()]

    async def _build(self, context: pathlib.Path, tag: str, *options: str) -> None:
        # Without layers nothing is left behind but the image. In a chroot a build needs no container runtime, which
        # may be refused on a machine like this, and has the network of the machine.
        fixed = ("--layers=false", "--force-rm", "--isolation=chroot", f"--label={self.label}")
        await self.engine.run(
            "build", "--quiet", *fixed, *options, "--tag", tag, str(context), what=f"building image {tag}", timeout=1800
        )
