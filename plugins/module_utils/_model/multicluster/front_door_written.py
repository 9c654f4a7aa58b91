# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the files of a front door lead to already: for clusters that a run cannot ask, and for those that leave it.

Each argument ``written`` is the file of Envoy's clusters, as :func:`.front_door_envoy.render` gave it.
"""

from __future__ import annotations

import typing as t

from .front_door_envoy import union_of_clusters
from .front_door_upstreams import Gateway

__all__ = ["clusters_of", "gateway_of", "leads", "without"]

Written = t.Mapping[str, t.Any]

_GATEWAY_PORT = 80
"""Of ingress gateways, by which they are reached."""


def clusters_of(written: Written) -> list[str]:
    """The clusters of the fleet that callers are led to."""
    found = (_zone(one) for resource in written.get("resources") or () for one in _endpoints(resource))
    return list(dict.fromkeys(found))


def gateway_of(written: Written, service: str, cluster: str) -> Gateway | None:
    """Where a service of a cluster is reached; None where it is not."""
    for resource in written.get("resources") or ():
        here = [one for one in _endpoints(resource) if _zone(one) == cluster]
        if str(resource["name"]).partition("|")[0] == service and here:
            hosts = here[0]["lb_endpoints"]
            sockets = [host["endpoint"]["address"]["socket_address"] for host in hosts]
            check = hosts[0]["endpoint"].get("health_check_config") or {}
            http2, port, health = _http2_of(resource), int(sockets[0]["port_value"]), int(check.get("port_value") or 0)
            # Only a service's own address gets HTTP/2 without pings; ingress gateways are asked at port 80 alone.
            own = port != _GATEWAY_PORT or health != 0 if http2 is None else "connection_keepalive" not in http2
            return Gateway(
                cluster,
                tuple(str(socket["address"]) for socket in sockets),
                port,
                str(here[0]["locality"].get("region") or ""),
                health,
                http2 is not None,
                own,
            )
    return None


def leads(written: Written, routes: t.Iterable[Written], service: str, host: str, path: str) -> set[str]:
    """The clusters that callers of a route are led to.

    Args:
        routes: the files of Envoy's routes.
        service: the route's.
        host: "" for any.
        path: "/" for all.
    """
    named = set()
    for virtual in (one for file in routes for found in file.get("resources") or () for one in found["virtual_hosts"]):
        for entry in virtual.get("routes") or () if (host or "*") in virtual["domains"] else ():
            if (entry.get("match") or {}).get("path_separated_prefix", "/") == path:
                named.add(str((entry.get("route") or {}).get("cluster") or ""))
    ours = (one for one in written.get("resources") or () if str(one["name"]).partition("|")[0] == service)
    return {_zone(end) for resource in ours if resource["name"] in named for end in _endpoints(resource)}


def without(written: Written, gone: t.Collection[str]) -> dict[str, t.Any]:
    """The same file, which leads nobody to the clusters ``gone``."""
    resources = []
    for resource in written.get("resources") or ():
        left = [one for one in _endpoints(resource) if _zone(one) not in gone]
        # Envoy wants priorities without a gap.
        priorities = sorted({int(one["priority"]) for one in left})
        endpoints = [{**one, "priority": priorities.index(int(one["priority"]))} for one in left]
        resources.append({**resource, "load_assignment": {**resource["load_assignment"], "endpoints": endpoints}})
    return union_of_clusters({"resources": resources}, {})


def _http2_of(resource: Written) -> dict[str, t.Any] | None:
    """The options of HTTP/2; None where a cluster speaks HTTP/1.1."""
    (options,) = list(resource["typed_extension_protocol_options"].values())
    found: dict[str, t.Any] | None = options["explicit_http_config"].get("http2_protocol_options")
    return found


def _endpoints(resource: Written) -> list[dict[str, t.Any]]:
    return list((resource.get("load_assignment") or {}).get("endpoints") or ())


def _zone(endpoints: Written) -> str:
    return str(endpoints["locality"]["zone"])
