# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A mirror as air-gapped users have it, on loopback: an image registry, a file server, a chart repository.

What it holds is what this machine built from package registries, in the names and layouts of the makers.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import hashlib
import http.server
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import threading
import typing as t
import urllib.request

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.build_graph import Store, keys_of
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.build_source import Recipe
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.node_image import build_image
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.registries.build import RegistryBuild
from ansible_collections.mesh.fleet.plugins.module_utils._local.engine.engine import Engine

from .local_fleet import CACHE
from .playbooks import ROOT
from .waiting import until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Registry:
    """Debian's docker-registry, unpacked, not installed: no service of the machine is touched."""

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir()
        subprocess.run(["apt-get", "download", "-q", "docker-registry"], cwd=folder, check=True, capture_output=True)
        (package,) = folder.glob("docker-registry_*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True)
        self.folder = folder
        # A port that was free may be somebody's a moment later.
        for _try in range(5):
            self.host = f"127.0.0.1:{free_port()}"
            self.process = self._serve()
            until(lambda: self.process.poll() is not None or self._answers(), "the registry to answer")
            if self.process.poll() is None:
                return
        raise AssertionError(f"docker-registry ended: {(folder / 'log').read_text()[-2000:]}")

    def _serve(self) -> subprocess.Popen[bytes]:
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "storage")}},
            "http": {"addr": self.host},
        }
        (self.folder / "config.yml").write_text(yaml.safe_dump(config))
        argv = [str(self.folder / "root/usr/bin/docker-registry"), "serve", str(self.folder / "config.yml")]
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.host}/v2/", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Files:
    """A file server; everything below /forbidden/ and, as a registry, everything below /v2/ is refused with 403."""

    def __init__(self, folder: pathlib.Path) -> None:
        class Handler(http.server.SimpleHTTPRequestHandler):
            def send_head(self) -> t.Any:
                if self.path.startswith(("/forbidden/", "/v2/")):
                    self.send_error(403)
                    return None
                return super().send_head()

            def log_message(self, *_arguments: object) -> None:
                return

        handler = functools.partial(Handler, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Mirror:
    """All three, filled. ``images`` are the names that it has made in this machine's engine."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.images: list[str] = []
        variables = yaml.safe_load((ROOT / "roles/artifacts/vars/main.yml").read_text())
        self.versions: dict[str, str] = {k: str(v) for k, v in variables["__artifacts_versions"].items()}
        self.checksums: dict[str, str] = variables["__artifacts_checksums"]
        self.engine = asyncio.run(Engine.detect("podman", CACHE))
        recipe = Recipe(ROOT / "roles/artifacts/files", self.versions, self.checksums)
        self.build = RegistryBuild(recipe, self.engine, CACHE / "downloads")
        self.files = Files(folder / "files")
        self.registry = Registry(folder / "registry")

    def fill(self, node_image: str) -> None:
        self._programs()
        self._charts()
        asyncio.run(self._images(node_image))

    def variables(self, directory: pathlib.Path) -> dict[str, t.Any]:
        """What a user of this mirror puts into the inventory."""
        return {
            "artifacts_directory": str(directory),
            "artifacts_source": "auto",
            "artifacts_downloads": f"http://{self.files.host}/bin",
            "artifacts_charts": f"http://{self.files.host}/charts",
            "artifacts_hub": f"{self.registry.host}/istio",
            "artifacts_kind_image": f"{self.registry.host}/kindest/node:{self.versions['kubernetes']}",
            "artifacts_sample_image": f"{self.registry.host}/library/python:{self.versions['sample_python']}",
        }

    def _programs(self) -> None:
        programs, out, v = CACHE / "bin", self.folder / "files/bin", self.versions
        out.mkdir(parents=True)
        for name, published in (
            ("kind", "kind-linux-amd64"),
            ("kubectl", "kubectl"),
            ("kube-apiserver", "kube-apiserver"),
        ):
            shutil.copyfile(programs / name, out / published)
        for name, archive, member in (
            ("helm", f"helm-{v['helm']}-linux-amd64", "linux-amd64/helm"),
            ("istioctl", f"istioctl-{v['istio']}-linux-amd64", "istioctl"),
            ("etcd", f"etcd-{v['etcd']}-linux-amd64", f"etcd-{v['etcd']}-linux-amd64/etcd"),
        ):
            with tarfile.open(out / f"{archive}.tar.gz", "w:gz", compresslevel=1) as opened:
                opened.add((programs / name).resolve(), member)
        for file in list(out.iterdir()):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            file.with_name(f"{file.name}.sha256").write_text(f"{digest}  {file.name}\n")

    def _charts(self) -> None:
        out = self.folder / "files/charts"
        out.mkdir()
        helm = str(CACHE / "bin/helm")
        for chart in ("base", "istiod", "gateway", "cni"):
            source = str((CACHE / "charts").resolve() / chart)
            package = [helm, "package", source, "--version", self.versions["istio"], "--destination", str(out)]
            subprocess.run(package, check=True, capture_output=True)
        index = [helm, "repo", "index", str(out), "--url", f"http://{self.files.host}/charts"]
        subprocess.run(index, check=True, capture_output=True)

    async def _images(self, node_image: str) -> None:
        steps = self.build.steps({"tools", "charts", "node"})
        keys = keys_of(steps)
        folders = {step.name: Store(CACHE).folder(step, keys) for step in steps}
        host, v = self.registry.host, self.versions
        base = f"{host}/library/python:{v['sample_python']}"
        work = self.folder / "work"
        work.mkdir()
        for image in self.build.images(folders):
            if image.name == self.build.sample_image:
                image = dataclasses.replace(image, name=base)
            elif image.name.startswith(self.build.hub):
                name = image.name.removeprefix(self.build.hub)
                image = dataclasses.replace(
                    image, name=f"{host}/istio{name}", base="scratch" if image.base == "scratch" else base
                )
            else:
                continue
            await build_image(self.engine, image, work)
            await self._push(image.name)
        # A node with the images of Kubernetes in it, as kind publishes it.
        name = f"{host}/kindest/node:{v['kubernetes']}"
        await self.engine.run("tag", node_image, name)
        await self._push(name)
        # What is used later has come from the registry.
        for made in self.images:
            await self.engine.run("rmi", made)

    async def _push(self, name: str) -> None:
        self.images.append(name)
        await self.engine.run("push", "--quiet", "--tls-verify=false", name, timeout=600)

    def stop(self) -> None:
        for name in self.images:
            asyncio.run(self.engine.run("rmi", name, check=False))
        self.registry.stop()
        self.files.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def can_run() -> str:
    """Why this machine cannot run a mirror; "" if it can."""
    if os.geteuid() != 0:
        return "building images needs root"
    for program in ("podman", "apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            return f"{program} is not here"
    if not (CACHE / "bin" / "pilot-discovery").exists():
        return "this machine's artifacts came from upstream: there is nothing built here to put into a mirror"
    return ""
