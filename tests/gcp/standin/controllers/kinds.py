# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds that Google's controllers work with, and their definitions from ``tests/gcp/crds.yml``."""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

import yaml

from .behind import Behind, Kind

__all__ = [
    "CONFIG_MAP",
    "DEPLOYMENT",
    "ENDPOINTS",
    "EVENT",
    "EXPORT",
    "GKE_CRDS",
    "IMPORT",
    "INGRESS",
    "INGRESS_CRDS",
    "MULTI_SERVICE",
    "NAMESPACE",
    "REVISION",
    "REVISION_CRDS",
    "SECRET",
    "SERVICE",
    "SERVICES_CRDS",
    "SLICE",
    "define",
]

NAMESPACE = Kind("v1", "Namespace", "namespaces")
SERVICE = Kind("v1", "Service", "services")
ENDPOINTS = Kind("v1", "Endpoints", "endpoints")
SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
SECRET = Kind("v1", "Secret", "secrets")
EVENT = Kind("v1", "Event", "events")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
EXPORT = Kind("net.gke.io/v1", "ServiceExport", "serviceexports")
IMPORT = Kind("net.gke.io/v1", "ServiceImport", "serviceimports")
INGRESS = Kind("networking.gke.io/v1", "MultiClusterIngress", "multiclusteringresses")
MULTI_SERVICE = Kind("networking.gke.io/v1", "MultiClusterService", "multiclusterservices")
REVISION = Kind("mesh.cloud.google.com/v1beta1", "ControlPlaneRevision", "controlplanerevisions")

GKE_CRDS = ("backendconfigs.cloud.google.com", "frontendconfigs.networking.gke.io")
"""GKE brings these itself, with its load balancing."""
SERVICES_CRDS = ("serviceexports.net.gke.io", "serviceimports.net.gke.io")
INGRESS_CRDS = ("multiclusteringresses.networking.gke.io", "multiclusterservices.networking.gke.io")
REVISION_CRDS = ("controlplanerevisions.mesh.cloud.google.com",)

_CRD = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions")
_FILE = Path(__file__).resolve().parents[2] / "crds.yml"


@functools.cache
def _definitions() -> dict[str, dict[str, t.Any]]:
    found = yaml.safe_load(_FILE.read_text(encoding="utf-8"))["items"]
    return {str(crd["metadata"]["name"]): crd for crd in found}


def define(behind: Behind, names: t.Iterable[str]) -> bool:
    """Bring these kinds where they are missing; whether all of them are served."""
    ready = True
    for name in names:
        live = behind.get(_CRD, name) or behind.apply(_CRD, _definitions()[name])
        conditions = (live.get("status") or {}).get("conditions") or []
        ready &= any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)
    return ready
