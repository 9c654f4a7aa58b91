# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts as their makers release them: binaries, charts and images, or mirrors of them."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import os
import pathlib
import platform
import threading
import typing as t
import urllib.error

from ansible.module_utils.urls import open_url

from ...errors import FleetError
from ...proxies import proxy_of
from ..engine.command import run
from ..engine.engine import Engine
from .build_graph import Step, digest_of_files
from .build_source import BuildSource, Recipe
from .downloads import extract_program, fetch, published_sum
from .node_image import bake, prefix

__all__ = ["Download", "UpstreamBuild", "arch", "choose_source"]


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


def _downloads(v: t.Mapping[str, str], arch: str) -> list[Download]:
    kubernetes = f"https://dl.k8s.io/release/{v['kubernetes']}/bin/linux/{arch}"
    helm = f"https://get.helm.sh/helm-{v['helm']}-linux-{arch}.tar.gz"
    istio = f"https://github.com/istio/istio/releases/download/{v['istio']}/istioctl-{v['istio']}-linux-{arch}.tar.gz"
    etcd = f"https://github.com/etcd-io/etcd/releases/download/{v['etcd']}"
    kind = f"https://github.com/kubernetes-sigs/kind/releases/download/{v['kind']}/kind-linux-{arch}"
    return [
        Download("kind", kind, f"{kind}.sha256sum"),
        Download("kubectl", f"{kubernetes}/kubectl", f"{kubernetes}/kubectl.sha256"),
        Download("kube-apiserver", f"{kubernetes}/kube-apiserver", f"{kubernetes}/kube-apiserver.sha256"),
        Download("helm", helm, f"{helm}.sha256sum", f"linux-{arch}/helm"),
        Download("istioctl", istio, f"{istio}.sha256", "istioctl"),
        Download(
            "etcd",
            f"{etcd}/etcd-{v['etcd']}-linux-{arch}.tar.gz",
            f"{etcd}/SHA256SUMS",
            f"etcd-{v['etcd']}-linux-{arch}/etcd",
        ),
    ]


class UpstreamBuild(BuildSource):
    """The steps of source ``upstream``; see :class:`BuildSource`.

    Args:
        recipe: a file without a checksum there is checked against the sum published beside it.
        downloads: address of a mirror that holds every file under its plain name; "" for the makers' own.
        charts: address of Istio's chart repository, or a mirror of it.
        node_image: the kind node image to start from.
    """

    def __init__(
        self,
        recipe: Recipe,
        engine: Engine | None,
        *,
        downloads: str,
        charts: str,
        hub: str,
        node_image: str,
        sample_image: str,
    ) -> None:
        super().__init__(recipe, engine, hub=hub, sample_image=sample_image)
        self.downloads = downloads.rstrip("/")
        self.charts = charts
        self.node_base = node_image

    def steps(self, wanted: t.Collection[str]) -> list[Step]:
        always = ("helm", "istioctl", "kubectl")
        steps = [
            self._download_step(d) for d in _downloads(self.versions, arch()) if "node" in wanted or d.name in always
        ]
        steps.append(Step("charts", (self.charts, self.versions["istio"]), self._charts, ("get-helm",)))
        if "node" in wanted:
            images = (self.node_base, self.hub, self.tag, self.sample_image)
            bake_script = digest_of_files(self.files / "node" / "bake.sh")
            steps.append(Step("node-image", (*images, bake_script), self._node_image, also=self.has_image))
        return steps

    def _download_step(self, download: Download) -> Step:
        url = f"{self.downloads}/{download.file}" if self.downloads else download.url
        sum_url = f"{self.downloads}/{download.file}.sha256" if self.downloads else download.sum_url

        async def build(work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
            expected = self.checksums.get(download.file) or await asyncio.to_thread(
                published_sum, sum_url, download.file
            )
            target = work / download.file
            actual = await asyncio.to_thread(fetch, url, target)
            if actual != expected:
                raise FleetError(
                    f"checksum of {download.file} does not match",
                    seen=f"SHA-256 {actual} from {url}",
                    means=f"{expected} was expected",
                    next_step="do not use it: find out who changed the file, then run again",
                )
            if download.member:
                extract_program(target, download.member, work / download.name)
                target.unlink()
            elif download.file != download.name:
                target.rename(work / download.name)
            (work / download.name).chmod(0o755)

        return Step(f"get-{download.name}", (url, self.checksums.get(download.file, "")), build)

    async def _charts(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        (work / "charts").mkdir()
        for chart in ("base", "istiod", "gateway", "cni"):
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

    def _plain(self, image: str) -> list[str]:
        # Docker speaks plain HTTP to registries on loopback; podman needs an option for it.
        return ["--tls-verify=false"] if self.engine.name == "podman" and _on_loopback(image) else []

    async def _node_image(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        istio = [f"{self.hub}/{name}:{self.tag}" for name in ("pilot", "proxyv2", "install-cni")]
        images = [*istio, self.sample_image]
        for image in [self.node_base, *images]:
            await self.engine.run("pull", "--quiet", *self._plain(image), image, what=f"pulling {image}", timeout=900)
        tag = f"{prefix}/node:{key}"
        script = self.files / "node" / "bake.sh"
        await bake(self.engine, base=self.node_base, images=images, script=script, work=work, tag=tag)
        (work / "image").write_text(tag + "\n")


def choose_source(node_image: str, timeout: float = 5.0) -> tuple[str, str]:
    """``(source, why)``: ``upstream`` if the node image's registry answers within ``timeout`` seconds."""
    first = node_image.split("/", 1)[0]
    host = first if "." in first or ":" in first or first == "localhost" else "docker.io"
    if host == "docker.io":
        host = "registry-1.docker.io"
    found: list[tuple[str, str]] = []
    # Neither a name server that does not answer nor a server that dribbles may hold the run up.
    asking = threading.Thread(target=lambda: found.append(_ask(host, timeout)), daemon=True)
    asking.start()
    asking.join(timeout + 1)
    return found[0] if found else ("registries", f"{host} did not answer in {timeout:.0f} s")


def _ask(host: str, timeout: float) -> tuple[str, str]:
    url = f"{'http' if _on_loopback(host) else 'https'}://{host}/v2/"
    try:
        with open_url(url, timeout=timeout, use_proxy=bool(proxy_of(url, os.environ))) as answer:
            return "upstream", f"{host} answers ({answer.status})"
    except urllib.error.HTTPError as error:
        if error.code == 401:
            return "upstream", f"{host} answers"
        return "registries", f"{host} answers {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return "registries", f"{host} cannot be reached ({reason})"


def _on_loopback(address: str) -> bool:
    return address.startswith(("127.", "localhost:"))


def arch() -> str:
    """This machine's architecture, as Go calls it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
