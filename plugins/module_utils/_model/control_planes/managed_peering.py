# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ConfigMap by which clusters whose control plane Google runs are peered: all to all, or not at all."""

from __future__ import annotations

import typing as t

from ...metadata import annotations_of, labels_of

__all__ = ["CONNECTED", "DISCONNECTED", "KEY", "NAMESPACE", "OPTIONS", "google_owned", "options_map"]

NAMESPACE = "istio-system"
"""The managed mesh knows no other."""
OPTIONS = "asm-options"
KEY = "multicluster_mode"
CONNECTED = "connected"
DISCONNECTED = "disconnected"
_OWNED_BY, _GOOGLE = "istio.io/owned-by", "mesh.googleapis.com"


def google_owned(obj: t.Mapping[str, t.Any] | None) -> bool:
    """Whether Google's controllers made an object: such a one is never touched."""
    return {**annotations_of(obj), **labels_of(obj)}.get(_OWNED_BY) == _GOOGLE


def options_map(mode: str) -> dict[str, t.Any]:
    """The ConfigMap that Google's control plane reads. Other keys in it belong to others."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": OPTIONS, "namespace": NAMESPACE},
        "data": {KEY: mode},
    }
