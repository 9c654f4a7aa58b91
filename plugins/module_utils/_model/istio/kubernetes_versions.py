# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which versions of Kubernetes a version of Istio supports."""

from __future__ import annotations

from .versions import minor_version

__all__ = ["unsupported"]

_SUPPORTED: dict[tuple[int, int], tuple[int, int]] = {
    (1, 24): (28, 31),
    (1, 25): (29, 32),
    (1, 26): (29, 33),
    (1, 27): (29, 33),
    (1, 28): (30, 34),
    (1, 29): (31, 35),
    (1, 30): (32, 36),
    (1, 31): (32, 36),
}
"""Oldest and newest minor version of Kubernetes by Istio's: https://istio.io/latest/docs/releases/supported-releases/.

For 1.31 the oldest is that of Istio's source (istioctl/pkg/install/k8sversion), the newest that of the Kubernetes
client that it is built with.
"""


def unsupported(istio: str, kubernetes: str) -> str:
    """Why the pair is not supported, in words; "" where it is, or nobody knows.

    Args:
        istio: ``1.31.1``.
        kubernetes: ``1.36.3-gke.1480000`` or ``v1.35.1``.
    """
    ours, theirs = minor_version(istio), minor_version(kubernetes)
    if ours is None or theirs is None or ours not in _SUPPORTED:
        return ""
    low, high = _SUPPORTED[ours]
    if theirs[0] == 1 and low <= theirs[1] <= high:
        return ""
    return f"Istio {istio} supports Kubernetes 1.{low} to 1.{high}"
