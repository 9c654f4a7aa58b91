# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The images that a node built from package registries holds, from the programs that were built."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

from ..node_image import Image

__all__ = ["contents"]

_PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/cni/bin"
"""As in Istio's own image: the CNI agent starts iptables, and is started by its name."""


def contents(
    needs: t.Mapping[str, pathlib.Path], versions: t.Mapping[str, str], *, hub: str, tag: str, base: str
) -> list[Image]:
    """What goes into the node image, bases first.

    Args:
        needs: the folders of the finished steps.
        versions: the role's versions.
        hub, tag: of Istio's images.
        base: name of the image of root file system ``base``, which also serves the sample.
    """
    kubernetes, version = needs["go-kubernetes"], versions["kubernetes"]
    istio = needs["go-istio"]
    registry = "registry.k8s.io"
    found = [Image(base, {}, rootfs=needs["base-rootfs"] / "base.tar")]
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        found.append(_static(f"{registry}/{name}:{version}", kubernetes / name))
    found.append(Image(f"{registry}/kube-proxy:{version}", {"/usr/local/bin": (kubernetes / "kube-proxy",)}, base))
    found.append(_static(f"{registry}/etcd:{versions['etcd_image']}", needs["go-etcd"] / "etcd"))
    found.append(
        Image(
            f"{registry}/coredns/coredns:{versions['coredns_image']}",
            {"/": (needs["go-coredns"] / "coredns",)},
            settings=('ENTRYPOINT ["/coredns"]',),
        )
    )
    found.append(
        Image(
            f"{registry}/pause:{versions['pause_image']}",
            {"/": (pathlib.Path(shutil.which("catatonit") or "/usr/bin/catatonit"),)},
            base,
            settings=('ENTRYPOINT ["/catatonit", "-P"]',),
        )
    )
    found.append(_static(f"{hub}/pilot:{tag}", istio / "pilot-discovery", "USER 1337:1337"))
    found.append(
        Image(
            f"{hub}/proxyv2:{tag}",
            {
                "/usr/local/bin": (needs["envoy"] / "envoy", istio / "pilot-agent"),
                "/var/lib/istio/envoy": (needs["istio-files"] / "envoy_bootstrap_tmpl.json",),
            },
            base,
            settings=('ENTRYPOINT ["/usr/local/bin/pilot-agent"]',),
        )
    )
    found.append(
        Image(
            f"{hub}/install-cni:{tag}",
            {"/opt/cni/bin": (istio / "istio-cni",), "/usr/local/bin": (istio / "install-cni",)},
            base,
            settings=(_PATH, "WORKDIR /opt/cni/bin", 'CMD ["/usr/local/bin/install-cni"]'),
        )
    )
    return found


def _static(name: str, program: pathlib.Path, *settings: str) -> Image:
    path = f"/usr/local/bin/{program.name}"
    return Image(
        name, {"/usr/local/bin": (program,)}, settings=("ENV PATH=/usr/local/bin", f'ENTRYPOINT ["{path}"]', *settings)
    )
