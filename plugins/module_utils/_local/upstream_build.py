# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts as their makers release them: binaries, charts and images, or mirrors of them."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import pathlib
import re
import shutil
import tarfile
import typing as t
import urllib.error
import urllib.request

from ..errors import FleetError
from .build_graph import Step, digest_of_files
from .command import run
from .engine import Engine
from .node_image import bake, prefix

__all__ = ["NEEDED_PROGRAMS", "Download", "UpstreamBuild", "choose_source"]

NEEDED_PROGRAMS: dict[str, str] = {}
_TIMEOUT = 60.0


@dataclasses.dataclass(frozen=True)
class Download:
    """One released file. ``member`` is the program inside a tar archive; "" when the file is the program."""

    name: str
    url: str
    sum_url: str
    member: str = ""

    @property
    def file(self) -> str:
        return self.url.rsplit("/", 1)[1]


def _downloads(v: t.Mapping[str, str]) -> list[Download]:
    kubernetes = f"https://dl.k8s.io/release/{v['kubernetes']}/bin/linux/amd64"
    helm = f"https://get.helm.sh/helm-{v['helm']}-linux-amd64.tar.gz"
    istio = f"https://github.com/istio/istio/releases/download/{v['istio']}/istioctl-{v['istio']}-linux-amd64.tar.gz"
    etcd = f"https://github.com/etcd-io/etcd/releases/download/{v['etcd']}"
    kind = f"https://github.com/kubernetes-sigs/kind/releases/download/{v['kind']}/kind-linux-amd64"
    return [
        Download("kind", kind, f"{kind}.sha256sum"),
        Download("kubectl", f"{kubernetes}/kubectl", f"{kubernetes}/kubectl.sha256"),
        Download("kube-apiserver", f"{kubernetes}/kube-apiserver", f"{kubernetes}/kube-apiserver.sha256"),
        Download("helm", helm, f"{helm}.sha256sum", "linux-amd64/helm"),
        Download("istioctl", istio, f"{istio}.sha256", "istioctl"),
        Download(
            "etcd",
            f"{etcd}/etcd-{v['etcd']}-linux-amd64.tar.gz",
            f"{etcd}/SHA256SUMS",
            f"etcd-{v['etcd']}-linux-amd64/etcd",
        ),
    ]


class UpstreamBuild:
    """The steps of source ``upstream``.

    Args:
        files: folder ``files`` of the role.
        versions: the role's versions.
        checksums: SHA-256 by file name; a file without one is checked against the sum published beside it.
        engine: pulls and holds the images; None when only programs and charts are wanted.
        downloads: address of a mirror that holds every file under its plain name; "" for the makers' own.
        charts: address of Istio's chart repository, or a mirror of it.
        hub: prefix of Istio's images.
        node_image: the kind node image to start from.
        sample_image: a small image with Python.
    """

    def __init__(
        self,
        files: pathlib.Path,
        versions: t.Mapping[str, str],
        checksums: t.Mapping[str, str],
        engine: Engine | None,
        *,
        downloads: str,
        charts: str,
        hub: str,
        node_image: str,
        sample_image: str,
    ) -> None:
        self.files = files
        self.versions = versions
        self.checksums = checksums
        self.engine = engine
        self.downloads = downloads.rstrip("/")
        self.charts = charts
        self.hub = hub
        self.tag = versions["istio"]
        self.node_base = node_image
        self.sample_image = sample_image

    def steps(self, wanted: t.Collection[str]) -> list[Step]:
        """The steps for ``wanted``, out of ``tools``, ``charts`` and ``node``, needs first."""
        always = ("helm", "istioctl", "kubectl")
        steps = [self._download_step(d) for d in _downloads(self.versions) if "node" in wanted or d.name in always]
        steps.append(Step("charts", (self.charts, self.versions["istio"]), self._charts, ("get-helm",)))
        if "node" in wanted:
            images = (self.node_base, self.hub, self.tag, self.sample_image)
            bake_script = digest_of_files(self.files / "node" / "bake.sh")
            steps.append(Step("node-image", (*images, bake_script), self._node_image, also=self._has_image))
        return steps

    @property
    def _engine(self) -> Engine:
        if self.engine is None:
            raise ValueError("the node image needs a container engine")
        return self.engine

    def _download_step(self, download: Download) -> Step:
        url = f"{self.downloads}/{download.file}" if self.downloads else download.url
        sum_url = f"{self.downloads}/{download.file}.sha256" if self.downloads else download.sum_url

        async def build(work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
            expected = self.checksums.get(download.file) or await self._published_sum(sum_url, download.file)
            target = work / download.file
            actual = await asyncio.to_thread(_fetch, url, target)
            if actual != expected:
                raise FleetError(
                    f"checksum of {download.file} does not match",
                    seen=f"SHA-256 {actual} from {url}",
                    means=f"{expected} was expected",
                    next_step="do not use it: look who changed the file, then run again",
                )
            if download.member:
                with tarfile.open(target) as archive:
                    source = archive.extractfile(download.member)
                    if source is None:
                        raise FleetError(f"{download.file} holds no {download.member}")
                    with source, open(work / download.name, "wb") as out:
                        shutil.copyfileobj(source, out)
                target.unlink()
            elif download.file != download.name:
                target.rename(work / download.name)
            (work / download.name).chmod(0o755)

        return Step(f"get-{download.name}", (url, self.checksums.get(download.file, "")), build)

    async def _published_sum(self, url: str, file: str) -> str:
        text = (await asyncio.to_thread(_read, url)).decode(errors="replace")
        lines = [line for line in text.splitlines() if file in line] or text.splitlines()
        found = re.search(r"\b[0-9a-f]{64}\b", lines[0] if lines else "")
        if found is None:
            raise FleetError(
                f"no checksum for {file}", seen=f"{url} holds none", next_step="give it in artifacts_checksums"
            )
        return found.group()

    async def _charts(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        (work / "charts").mkdir()
        for chart in ("base", "istiod", "gateway"):
            await run(
                [
                    str(needs["get-helm"] / "helm"),
                    "pull",
                    chart,
                    "--repo",
                    self.charts,
                    "--version",
                    self.versions["istio"],
                    "--untar",
                    "--untardir",
                    str(work / "charts"),
                ],
                what=f"fetching chart {chart} from {self.charts}",
                timeout=120,
            )

    async def _has_image(self, folder: pathlib.Path) -> bool:
        name = folder / "image"
        return name.exists() and await self._engine.image_exists(name.read_text().strip())

    async def _node_image(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        images = [f"{self.hub}/pilot:{self.tag}", f"{self.hub}/proxyv2:{self.tag}", self.sample_image]
        for image in [self.node_base, *images]:
            await self._engine.run("pull", "--quiet", image, what=f"pulling {image}", timeout=900)
        tag = f"{prefix}/node:{key}"
        script = self.files / "node" / "bake.sh"
        await bake(self._engine, base=self.node_base, images=images, script=script, work=work, tag=tag)
        (work / "image").write_text(tag + "\n")


def choose_source(node_image: str, timeout: float = 5.0) -> tuple[str, str]:
    """``(source, why)``: ``upstream`` if the node image's registry answers within ``timeout`` seconds."""
    first = node_image.split("/", 1)[0]
    host = first if "." in first or ":" in first else "docker.io"
    if host == "docker.io":
        host = "registry-1.docker.io"
    scheme = "http" if host.startswith(("127.", "localhost")) else "https"
    try:
        with urllib.request.urlopen(
            f"{scheme}://{host}/v2/", timeout=timeout
        ) as answer:  # an address of ours, not a user's input
            return "upstream", f"{host} answers ({answer.status})"
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return "upstream", f"{host} answers"
        return "registries", f"{host} answers {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return "registries", f"{host} cannot be reached ({reason})"


def _fetch(url: str, target: pathlib.Path) -> str:
    total = hashlib.sha256()
    with _open(url) as answer, open(target, "wb") as out:
        while chunk := answer.read(1 << 20):
            total.update(chunk)
            out.write(chunk)
    return total.hexdigest()


def _read(url: str) -> bytes:
    with _open(url) as answer:
        return bytes(answer.read())


def _open(url: str) -> t.Any:
    try:
        return urllib.request.urlopen(url, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        raise FleetError(
            f"downloading {url.rsplit('/', 1)[1]} failed",
            seen=f"{url} answers {error.code} {error.reason}",
            next_step="set artifacts_downloads to a mirror that has it, or artifacts_source: registries",
        ) from error
    except OSError as error:
        raise FleetError(
            f"downloading {url.rsplit('/', 1)[1]} failed",
            seen=f"{url}: {getattr(error, 'reason', error)}",
            next_step="check the network, set artifacts_downloads to a mirror, or artifacts_source: registries",
        ) from error
