# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Istio's charts as a user has them: a folder, archives, a chart repository, an OCI registry; and a mirror of Helm."""

from __future__ import annotations

import hashlib
import http.server
import json
import pathlib
import platform
import subprocess
import tarfile
import threading
import typing as t

import yaml

from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir

from . import control_plane

NAMES = ("base", "istiod", "gateway", "cni")
ROLE = pathlib.Path(__file__).resolve().parents[2] / "roles" / "artifacts"
VERSIONS: dict[str, str] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__artifacts_versions"]
VERSION = VERSIONS["istio"]
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.cncf.helm.config.v1+json"
_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


class Charts:
    """All of them below ``folder``, served on one port of loopback until :meth:`stop`.

    Args:
        folder: a folder of its own.
        version: of the charts.
    """

    def __init__(self, folder: pathlib.Path, version: str = VERSION) -> None:
        self.version = version
        self.asked: list[str] = []
        """Paths that were asked for."""
        self._blobs: dict[str, bytes] = {}
        self._manifests: dict[str, bytes] = {}
        charts = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments: t.Any) -> None:
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self) -> None:
                charts.asked.append(self.path)
                answer = charts.answer(self.path)
                if answer is None:
                    super().do_GET()
                else:
                    self._send(*answer)

            def do_HEAD(self) -> None:
                answer = charts.answer(self.path)
                if answer is None:
                    super().do_HEAD()
                else:
                    self._send(*answer, body=False)

            def _send(self, code: int, kind: str, data: bytes, body: bool = True) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Docker-Content-Digest", _digest(data))
                self.end_headers()
                if body:
                    self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        host = f"127.0.0.1:{self._server.server_port}"
        self.repository = f"http://{host}/archives"
        self.registry = f"oci://{host}/istio"
        self.downloads = f"http://{host}/bin"
        self.folder, self.archives, self.bin = folder / "charts", folder / "archives", folder / "bin"
        self._pack()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, str, bytes] | None:
        """What the registry says; None for a path that is no registry's."""
        if path in ("/v2", "/v2/"):
            return 200, "application/json", b"{}"
        if not path.startswith("/v2/istio/"):
            return None
        name, kind, reference = path.removeprefix("/v2/istio/").split("/", 2)
        if kind == "tags":
            return 200, "application/json", json.dumps({"name": f"istio/{name}", "tags": [self.version]}).encode()
        found = self._blobs.get(reference) if kind == "blobs" else self._manifests.get(f"{name}:{reference}")
        found = found or self._manifests.get(reference)
        if found is None:
            return 404, "application/json", b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "not here"}]}'
        return 200, "application/octet-stream" if kind == "blobs" else _MANIFEST, found

    def mirror_helm(self) -> None:
        """Put Helm and its checksum where a mirror of released programs has them."""
        self.bin.mkdir()
        arch = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
        archive = self.bin / f"helm-{VERSIONS['helm']}-linux-{arch}.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as opened:
            opened.add(control_plane.program("helm").resolve(), f"linux-{arch}/helm")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        archive.with_name(f"{archive.name}.sha256").write_text(f"{digest}  {archive.name}\n")

    def _pack(self) -> None:
        helm = str(control_plane.program("helm"))
        self.archives.mkdir()
        self.folder.mkdir()
        for name in NAMES:
            source = str((artifacts_dir() / "charts").resolve() / name)
            package = [helm, "package", source, "--version", self.version, "--destination", str(self.archives)]
            subprocess.run(package, check=True, capture_output=True)
            archive = self.archives / f"{name}-{self.version}.tgz"
            with tarfile.open(archive) as opened:
                opened.extractall(self.folder, filter="data")
            self._push(name, archive.read_bytes())
        subprocess.run([helm, "repo", "index", str(self.archives)], check=True, capture_output=True)

    def _push(self, name: str, archive: bytes) -> None:
        config = json.dumps({"name": name, "version": self.version, "apiVersion": "v2"}).encode()
        parts = [(_CONFIG, config), (_LAYER, archive)]
        described = [{"mediaType": kind, "digest": _digest(data), "size": len(data)} for kind, data in parts]
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": described[0], "layers": described[1:]}
        text = json.dumps(manifest).encode()
        self._blobs.update({_digest(data): data for _kind, data in parts})
        self._manifests.update({f"{name}:{self.version}": text, _digest(text): text})


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
