# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root file systems made of Debian packages: of the node, and of images that need a shell."""

from __future__ import annotations

import pathlib
import typing as t

from ...engine.command import run
from ..build_graph import digest_of_files

__all__ = ["DebianRoots"]

_PACKAGES = {
    "node": (
        "systemd,systemd-sysv,containerd,runc,containernetworking-plugins,conntrack,iptables,nftables,iproute2,ethtool,"
        "util-linux,mount,kmod,libseccomp2,pigz,e2fsprogs,bash,ca-certificates,curl,jq,procps"
    ),
    "base": "ca-certificates,iptables,nftables,iproute2,conntrack,kmod,python3",
}


class DebianRoots:
    """Root file systems by kind: ``node`` or ``base``.

    Args:
        files: folder with ``<kind>/customize.sh``.
        versions: the role's versions.
    """

    def __init__(self, files: pathlib.Path, versions: t.Mapping[str, str]) -> None:
        self.files = files
        self.versions = versions

    def inputs(self, kind: str) -> tuple[str, ...]:
        """What decides how it comes out."""
        return (_PACKAGES[kind], self.versions[f"{kind}_debian"], digest_of_files(self.files / kind / "customize.sh"))

    async def make(self, kind: str, work: pathlib.Path, env: t.Mapping[str, str]) -> None:
        """Write ``<kind>.tar`` to ``work``; ``env`` is for customize.sh."""
        hook = self.files / kind / "customize.sh"
        await run(
            [
                "mmdebstrap",
                "--quiet",
                "--mode=root",
                "--variant=minbase",
                f"--include={_PACKAGES[kind]}",
                f"--customize-hook={hook}",
                self.versions[f"{kind}_debian"],
                str(work / f"{kind}.tar"),
            ],
            what=f"building the {kind} root file system",
            env=env,
            timeout=1200,
        )
