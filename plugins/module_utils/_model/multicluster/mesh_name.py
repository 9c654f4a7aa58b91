# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The name of an exported service as a name of the mesh, so that sidecars call it with the mesh's certificates.

By itself a sidecar does not know ``NAME.NAMESPACE.svc.clusterset.local``: it passes such calls on as they are, without
TLS. A ServiceEntry makes the name known to it, a VirtualService sends what is for that name to the Service of the mesh,
whose pods istiods know with their identities. Both are ordinary objects of Istio, so they also serve where Google runs
the control plane and no setting of istiod's for multi-cluster services can be changed; and elsewhere they leave
services that are not exported as they are, which that setting would confine to their own clusters.
"""

from __future__ import annotations

import typing as t

from .exports import Export

__all__ = ["MESH_NAME_KINDS", "headless_name_objects", "mesh_name_objects"]

MESH_NAME_KINDS = ("ServiceEntry", "VirtualService")
_SPOKEN = {"http": "HTTP", "http2": "HTTP2", "grpc": "GRPC", "grpc-web": "GRPC-WEB"}


def mesh_name_objects(
    export: Export, ports: t.Mapping[int, str], api: str, addresses: t.Sequence[str] = ()
) -> list[dict[str, t.Any]]:
    """The objects for one cluster.

    Args:
        export: the service.
        ports: what each port of it speaks, in Istio's words. Without addresses only HTTP and what is built on it
            counts: by its address alone a sidecar knows what a connection of another protocol is for.
        api: ``apiVersion`` of Istio's objects.
        addresses: to which sidecars resolve the name; none where the cluster's DNS knows it.
    """
    other = {number: "TCP" for number, said in ports.items() if addresses and said != "udp"}
    spoken = dict(sorted({**other, **{n: _SPOKEN[said] for n, said in ports.items() if said in _SPOKEN}}.items()))
    if not spoken:
        return []
    meta = {"name": f"{export.name}-clusterset", "namespace": export.namespace}
    to = f"{export.name}.{export.namespace}.svc.cluster.local"
    entry = {
        "hosts": [export.host],
        **({"addresses": list(addresses)} if addresses else {}),
        "location": "MESH_INTERNAL",
        # Calls never go to its address, which is the import's.
        "resolution": "NONE",
        "ports": [{"number": n, "name": f"{said.lower()}-{n}", "protocol": said} for n, said in spoken.items()],
    }
    routes: dict[str, list[dict[str, t.Any]]] = {}
    for number, said in spoken.items():
        route = {"match": [{"port": number}], "route": [{"destination": {"host": to, "port": {"number": number}}}]}
        routes.setdefault("tcp" if said == "TCP" else "http", []).append(route)
    return [
        {"apiVersion": api, "kind": "ServiceEntry", "metadata": dict(meta), "spec": entry},
        {
            "apiVersion": api,
            "kind": "VirtualService",
            "metadata": dict(meta),
            "spec": {"hosts": [export.host], **routes},
        },
    ]


def headless_name_objects(
    export: Export,
    ports: t.Sequence[t.Mapping[str, t.Any]],
    selector: t.Mapping[str, str],
    api: str,
    addresses: t.Sequence[str],
) -> list[dict[str, t.Any]]:
    """The object for one cluster, of a headless Service: the name has one address, and sidecars choose among the pods.

    A route to the headless Service would keep the address that the caller asked for, which is no pod's.

    Args:
        export: the service.
        ports: as the ServiceImport has them, with C(targetPort), and C(spoken) in Istio's words.
        selector: of the Service's pods; the mesh finds those of all clusters.
        api: ``apiVersion`` of Istio's objects.
        addresses: to which sidecars resolve the name.
    """
    named = [
        {
            "number": port["port"],
            "name": f"{said.lower()}-{port['port']}",
            "protocol": said,
            **({"targetPort": port["targetPort"]} if isinstance(port.get("targetPort"), int) else {}),
        }
        for port in ports
        if port.get("protocol", "TCP") == "TCP"
        for said in [_SPOKEN.get(str(port.get("spoken")), "TCP")]
    ]
    if not named or not selector:
        return []
    return [
        {
            "apiVersion": api,
            "kind": "ServiceEntry",
            "metadata": {"name": f"{export.name}-clusterset", "namespace": export.namespace},
            "spec": {
                "hosts": [export.host],
                "addresses": list(addresses),
                "location": "MESH_INTERNAL",
                "resolution": "STATIC",
                "ports": named,
                "workloadSelector": {"labels": dict(selector)},
            },
        }
    ]
