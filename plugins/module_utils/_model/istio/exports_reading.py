# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether istiods read ServiceExports and ServiceImports themselves, by the settings of their Deployments.

The settings are those of Istio's ``pilot/pkg/features/experimental.go``.
"""

from __future__ import annotations

import typing as t

__all__ = ["exports_all", "is_running", "reads_exports"]

Object = t.Mapping[str, t.Any]

_CONTAINER = "discovery"
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
"""What Go's ``strconv.ParseBool`` takes for true, with which istiod reads its environment."""
_NEEDED = ("ENABLE_MCS_SERVICE_DISCOVERY", "ENABLE_MCS_HOST")
"""The second is nothing without the first. ``ENABLE_MCS_CLUSTER_LOCAL`` is not about names in ``clusterset.local``."""
_GROUP = ("MCS_API_GROUP", "multicluster.x-k8s.io")
_VERSION = ("MCS_API_VERSION", "v1alpha1")
"""With what istiod takes where the setting is missing."""
_EXPORTS_ALL = "ENABLE_MCS_AUTO_EXPORT"


def _settings(istiod: Object) -> dict[str, str]:
    boxes = istiod["spec"]["template"]["spec"]["containers"]
    env = [one for box in boxes if box.get("name") == _CONTAINER for one in box.get("env") or []]
    return {str(one.get("name")): str(one.get("value") or "") for one in env}


def is_running(istiod: Object) -> bool:
    """Whether a Deployment has pods, or is to have some: proxies may be connected to them."""
    wanted = int(istiod["spec"].get("replicas", 1))
    return bool(wanted or (istiod.get("status") or {}).get("replicas"))


def reads_exports(istiod: Object, apis: t.Collection[str]) -> bool:
    """Whether the pods of a Deployment make the names of exported services known themselves.

    Args:
        istiod: the Deployment.
        apis: ``apiVersion`` of the kinds that the cluster serves: of another one istiod finds nothing.
    """
    settings = _settings(istiod)
    group, version = (settings.get(name) or default for name, default in (_GROUP, _VERSION))
    return f"{group}/{version}" in apis and all(settings.get(name) in _TRUE for name in _NEEDED)


def exports_all(istiod: Object) -> bool:
    """Whether it makes a ServiceExport of every service, so that none stays in its cluster."""
    return _settings(istiod).get(_EXPORTS_ALL) in _TRUE
