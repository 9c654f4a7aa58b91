# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of what global names need: ranges that nothing else uses, and sidecars that resolve the names."""

from __future__ import annotations

import ipaddress
import typing as t

from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Fleet
from ..inventory.problems import Problem, shown
from ..multicluster.exports import Export, read_exports
from ..providers.base import Hosts, Values
from ..providers.registry import PROVIDERS, provider_of_host, text
from ..traffic.policy import Policy
from ..traffic.reading import read_policies
from .shared import distinct

__all__ = ["check"]

_RANGES = ("mesh_global_range", "mesh_global_range_ipv6")
_ISTIOS = ("240.240.0.0/16", "2001:2::/48")
"""What Istio gives to names without addresses itself, to others in each cluster."""
_CAPTURE = "control_plane_dns_capture"
_SETTING = "ISTIO_META_DNS_CAPTURE"
_CANDIDATES = tuple(f"240.{second}.0.0/16" for second in range(241, 256))

_Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def check(named: Hosts, hosts: Hosts, fleet: Fleet | None) -> list[Problem]:
    """Problems of ranges of addresses, and of clusters whose sidecars do not resolve global names.

    Args:
        named: by cluster all its variables, those of roles too.
        hosts: the known and valid ones of them.
        fleet: the fleet of these hosts; None if their ranges are invalid.
    """
    if fleet is None:
        return []
    names = [policy for _host, value in distinct(hosts, "mesh_traffic") for policy in _global(value, hosts)]
    exports = _made_by_us(hosts)
    first = next(iter(hosts.values()))
    given = [variable for variable in _RANGES if text(first, variable) and variable in first]
    used = _in_use(fleet)
    problems = []
    for variable in _RANGES if names or exports or fleet.federated else given:
        problems += _range(variable, text(first, variable), used)
    if exports and not names:
        problems += _unresolved(named, fleet, exports[0].host, _exported_by_dns)
    if names:
        name = next(one.service for policy in names for one in policy.by_name() if one.is_global)
        problems += _unresolved(named, fleet, name)
    return problems


def _global(value: t.Any, clusters: t.Collection[str]) -> list[Policy]:
    policies, _problems = read_policies(value, clusters)
    return [policy for policy in policies if policy.is_global or policy.also_global]


def _made_by_us(hosts: Hosts) -> list[Export]:
    """Exported services with an address of ours: those of clusters whose provider has no addresses for them."""
    if all(provider_of_host(one).multicluster for one in hosts.values()):
        return []
    return [export for _host, value in distinct(hosts, "mesh_exports") for export in read_exports(value, hosts)[0]]


def _exported_by_dns(variables: Values) -> bool:
    """Whether a cluster's sidecars need not resolve exported names: its provider's DNS does, or CoreDNS by choice."""
    return provider_of_host(variables).multicluster or str(variables.get("services_dns", "")).lower() in ("true", "yes")


def _in_use(fleet: Fleet) -> list[tuple[str, _Network]]:
    """Ranges of the fleet, with words that say what they are."""
    found = [("the container network", fleet.engine_network)]
    for name, cluster in fleet.clusters.items():
        found += [(f"{name}'s pod range", cluster.pod_cidr), (f"{name}'s service range", cluster.service_cidr)]
    for provider in PROVIDERS.values():
        found += [(f"{name}'s {what}", cidr) for name, what, cidr in provider.further_ranges(fleet)]
    return [(words, ipaddress.ip_network(cidr, strict=False)) for words, cidr in found if cidr]


def _range(variable: str, cidr: str, used: t.Sequence[tuple[str, _Network]]) -> list[Problem]:
    own = ipaddress.ip_network(cidr, strict=False)
    for words, other in (*((f"{one}, of which Istio gives addresses itself", _net(one)) for one in _ISTIOS), *used):
        if own.version == other.version and own.overlaps(t.cast("t.Any", other)):
            what = words if "Istio" in words else f"{words} {other}"
            return [Problem("", variable, cidr, f"overlaps {what}", _free(own, used))]
    edges = (own.network_address, own.broadcast_address)
    if any(one.is_loopback or one.is_multicast or one.is_link_local or one.is_unspecified for one in edges):
        return [Problem("", variable, cidr, "holds addresses that nothing can be called by", _free(own, used))]
    return []


def _net(cidr: str) -> _Network:
    return ipaddress.ip_network(cidr)


def _free(own: _Network, used: t.Sequence[tuple[str, _Network]]) -> str:
    if own.version == 6:
        return "a part of your own fd00::/8, such as fd12:3456:789a::/112"
    taken = [other for _words, other in used if other.version == 4]
    for cidr in _CANDIDATES:
        if not any(_net(cidr).overlaps(t.cast("t.Any", other)) for other in taken):
            return f"choose another, free here: {cidr}"
    return "choose another"


def _unresolved(
    named: Hosts, fleet: Fleet, name: str, resolved: t.Callable[[Values], bool] = lambda variables: False
) -> list[Problem]:
    """Clusters whose sidecars are told not to resolve what the cluster's DNS does not know.

    Args:
        named: by cluster all its variables.
        fleet: the fleet.
        name: one of the names.
        resolved: whether the DNS of a cluster with such variables knows it all the same.
    """
    problems = []
    for host, variables in named.items():
        cluster = fleet.clusters.get(host)
        if cluster is None or not control_plane_of(fleet, cluster).has_istiod or not _is_off(variables):
            continue
        if resolved(variables):
            continue
        message = f"keeps callers from resolving {name}, which no DNS server knows"
        problems.append(Problem(host, _CAPTURE, shown(variables[_CAPTURE]), message, "true, or no such names"))
    return problems


def _is_off(variables: Values) -> bool:
    # Values of the user's may set it in Istio's own words.
    values = str(variables.get("control_plane_istiod_values") or "")
    return str(variables.get(_CAPTURE, "")).lower() in ("false", "no") and _SETTING not in values
