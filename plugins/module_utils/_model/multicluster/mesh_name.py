# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The name of an exported service as a name of the mesh, so that sidecars call it with the mesh's certificates.

By itself a sidecar does not know ``NAME.NAMESPACE.svc.clusterset.local``: it passes such calls on as they are, without
TLS. A ServiceEntry makes the name known to it, a VirtualService sends what is for that name to the Service of the mesh,
whose pods istiods know with their identities. Both are ordinary objects of Istio, so they also serve where Google runs
the control plane and no setting of istiod's for multi-cluster services can be changed.
"""

from __future__ import annotations

import typing as t

from .exports import Export

__all__ = ["MESH_NAME_KINDS", "mesh_name_objects"]

MESH_NAME_KINDS = ("ServiceEntry", "VirtualService")
_SPOKEN = {"http": "HTTP", "http2": "HTTP2", "grpc": "GRPC", "grpc-web": "GRPC-WEB"}


def mesh_name_objects(export: Export, ports: t.Mapping[int, str], api: str) -> list[dict[str, t.Any]]:
    """The objects for one cluster.

    Args:
        export: the service.
        ports: what each port of it speaks, in Istio's words; only HTTP and what is built on it counts.
        api: ``apiVersion`` of Istio's objects.
    """
    spoken = {number: _SPOKEN[said] for number, said in sorted(ports.items()) if said in _SPOKEN}
    if not spoken:
        return []
    meta = {"name": f"{export.name}-clusterset", "namespace": export.namespace}
    to = f"{export.name}.{export.namespace}.svc.cluster.local"
    entry = {
        "hosts": [export.host],
        "location": "MESH_INTERNAL",
        # Its address is the import's, which each cluster has one of; calls never go there.
        "resolution": "NONE",
        "ports": [{"number": n, "name": f"{said.lower()}-{n}", "protocol": said} for n, said in spoken.items()],
    }
    routes = [
        {"match": [{"port": number}], "route": [{"destination": {"host": to, "port": {"number": number}}}]}
        for number in spoken
    ]
    return [
        {"apiVersion": api, "kind": "ServiceEntry", "metadata": dict(meta), "spec": entry},
        {
            "apiVersion": api,
            "kind": "VirtualService",
            "metadata": dict(meta),
            "spec": {"hosts": [export.host], "http": routes},
        },
    ]
