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
import time
import typing as t
import urllib.error

from ansible.module_utils.urls import open_url

from ...errors import FleetError
from ...logins import without_logins
from ...proxies import proxy_of
from ..engine.engine import Engine
from .build_graph import Step, digest_of_files
from .build_source import BuildSource, Recipe
from .chart_sources import charts_step, is_registry
from .downloads import extract_program, fetch, published_sum
from .node_image import bake, prefix

__all__ = ["Download", "UpstreamBuild", "arch", "choose_source", "registry_address", "unanswered"]


_SMALL = ("/v2/", "/index.yaml", ".sha256", ".sha256sum", "/SHA256SUMS")
"""How addresses end that hold little."""


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
    # API servers are released for Linux alone.
    system = platform.system().lower()
    istio_system = {"darwin": "osx"}.get(system, system)
    kubernetes = f"https://dl.k8s.io/release/{v['kubernetes']}/bin"
    kubectl, apiserver = f"{kubernetes}/{system}/{arch}/kubectl", f"{kubernetes}/linux/{arch}/kube-apiserver"
    helm = f"https://get.helm.sh/helm-{v['helm']}-{system}-{arch}.tar.gz"
    istio = f"https://github.com/istio/istio/releases/download/{v['istio']}"
    istioctl = f"{istio}/istioctl-{v['istio']}-{istio_system}-{arch}.tar.gz"
    etcd = f"https://github.com/etcd-io/etcd/releases/download/{v['etcd']}"
    kind = f"https://github.com/kubernetes-sigs/kind/releases/download/{v['kind']}/kind-{system}-{arch}"
    return [
        Download("kind", kind, f"{kind}.sha256sum"),
        Download("kubectl", kubectl, f"{kubectl}.sha256"),
        Download("helm", helm, f"{helm}.sha256sum", f"{system}-{arch}/helm"),
        Download("istioctl", istioctl, f"{istioctl}.sha256", "istioctl"),
        Download("kube-apiserver", apiserver, f"{apiserver}.sha256"),
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
        helm: str = "",
    ) -> None:
        super().__init__(recipe, engine, hub=hub, sample_image=sample_image, helm=helm)
        self.downloads = downloads.rstrip("/")
        self.charts = charts
        self.node_base = node_image

    def steps(self, wanted: t.Collection[str]) -> list[Step]:
        steps = [self._download_step(d) for d in _downloads(self.versions, arch()) if self._wants(d.name, wanted)]
        if "charts" in wanted:
            pulls = is_registry(self.charts) and any(step.name == "get-helm" for step in steps)
            helm = "get-helm" if pulls else ""
            steps.append(charts_step(self.charts, self.versions["istio"], self.checksums, helm, self.own_helm))
        if "node" in wanted:
            images = (self.node_base, self.hub, self.tag, self.sample_image)
            bake_script = digest_of_files(self.files / "node" / "bake.sh")
            steps.append(Step("node-image", (*images, bake_script), self._node_image, also=self.has_image))
        return steps

    async def unreachable(self, wanted: t.Collection[str]) -> str:
        return await asyncio.to_thread(unanswered, self._questions(wanted))

    def _questions(self, wanted: t.Collection[str]) -> list[str]:
        """Small files beside what is downloaded; the file itself where its checksum is known."""
        wanted = set(wanted) - {"node"}
        programs = [d for d in _downloads(self.versions, arch()) if self._wants(d.name, wanted)]
        asked = [url if d.file in self.checksums else sum_url for d in programs for url, sum_url in [self._urls(d)]]
        if "charts" in wanted and is_registry(self.charts):
            asked.append(registry_address(self.charts))
        elif "charts" in wanted:
            asked.append(f"{self.charts.rstrip('/')}/index.yaml")
        return asked

    def _urls(self, download: Download) -> tuple[str, str]:
        """Where a file is, and its checksum."""
        if self.downloads:
            return f"{self.downloads}/{download.file}", f"{self.downloads}/{download.file}.sha256"
        return download.url, download.sum_url

    def _wants(self, program: str, wanted: t.Collection[str]) -> bool:
        if program == "helm":
            # Without a Helm of the user's, one is needed to pull from a registry.
            pulls = "charts" in wanted and is_registry(self.charts) and not self.own_helm
            return pulls or bool({"helm", "tools", "node"} & set(wanted))
        return "node" in wanted or ("tools" in wanted and program in ("istioctl", "kubectl"))

    def _download_step(self, download: Download) -> Step:
        url, sum_url = self._urls(download)

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


def registry_address(reference: str) -> str:
    """The address at which the registry of an image or of ``oci://…`` says that it is one."""
    host = reference.removeprefix("oci://").split("/", 1)[0]
    return f"{'http' if _on_loopback(host) else 'https'}://{host}/v2/"


def unanswered(addresses: t.Collection[str], timeout: float = 5.0) -> str:
    """Which addresses cannot be read within ``timeout`` seconds, and why; "" if all can. All are asked at once."""
    found: dict[str, str] = {}
    # Neither a name server that does not answer nor a server that dribbles may hold the run up.
    threads = [
        threading.Thread(target=lambda url=url: found.update({url: _read(url, timeout)}), daemon=True)
        for url in addresses
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout + 1
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    silent = {url: found.get(url, f"no answer in {timeout:.0f} s") for url in addresses}
    return without_logins("; ".join(f"{url}: {why}" for url, why in silent.items() if why))


def _read(url: str, timeout: float) -> str:
    part = None if url.endswith(_SMALL) else {"Range": "bytes=0-0"}
    try:
        with open_url(url, timeout=timeout, headers=part, use_proxy=bool(proxy_of(url, os.environ))):
            return ""
    except urllib.error.HTTPError as error:
        # A registry that wants a login is one.
        return "" if error.code == 401 and url.endswith("/v2/") else f"answers {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(getattr(error, "reason", error))


def _on_loopback(address: str) -> bool:
    return address.startswith(("127.", "localhost:"))


def arch() -> str:
    """This machine's architecture, as Go calls it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
