# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of how clusters fit together: providers, regions, primaries and remotes, peers."""

from __future__ import annotations

import typing as t
import urllib.parse

from ..inventory.fleet import ROLE_PRIMARY, ROLE_REMOTE
from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, quoted, shown
from ..inventory.values import is_loopback
from ..inventory.variable import FAULTY
from ..providers.base import Hosts, Values
from ..providers.reading import cni_of, network_of
from ..providers.registry import providers_by_variable, text

__all__ = ["check"]

_MANY = 5
_LABEL_VALUE_LENGTH = 63


def check(hosts: Hosts, groups: t.Mapping[str, t.Sequence[str]]) -> list[Problem]:
    """All problems of how clusters fit together; each value is valid by itself."""
    names = _Names(hosts, groups)
    problems = _of_providers(hosts)
    problems += _same_endpoints(hosts)
    for host, variables in hosts.items():
        problems += _place(host, variables)
        problems += _endpoints(host, variables, alone=len(hosts) == 1)
        problems += _role(host, hosts, names)
        problems += _peers(host, variables, names)
    return problems


class _Names:
    """Messages and hints for names that are no cluster's."""

    def __init__(self, hosts: Hosts, groups: t.Mapping[str, t.Sequence[str]]) -> None:
        self.hosts = hosts
        self.groups = groups
        self.nearest = Nearest(hosts)
        self.primaries = [h for h, v in hosts.items() if text(v, "mesh_role") == ROLE_PRIMARY]
        self.outside: frozenset[str] | None = None

    def unknown(self, name: str) -> tuple[str, str]:
        """Message and hint."""
        if self.outside is None:
            self.outside = frozenset(h for members in self.groups.values() for h in members if h not in self.hosts)
        if name in self.groups:
            return "is a group, not a cluster", "name the cluster itself"
        if name in self.outside:
            return "is a host, but not a cluster of this fleet", "put it into the group mesh_clusters"
        guess = self.nearest.find(name)
        return "is not a cluster of this fleet", f"did you mean {quoted(guess)}?" if guess else self.choice(self.hosts)

    @staticmethod
    def choice(names: t.Collection[str]) -> str:
        if not names:
            return "the fleet has no primary"
        return f"one of: {', '.join(names)}" if len(names) <= _MANY else f"one of {len(names)} clusters"


def _place(host: str, variables: Values) -> list[Problem]:
    region, zone = text(variables, "cluster_region"), text(variables, "cluster_zone")
    problems = []
    if not region:
        guess = zone.rpartition("-")[0]
        hint = f"cluster_region: {guess or 'us-west1'}"
        more = f", only a zone {quoted(zone)}" if zone else ""
        problems.append(Problem(host, "cluster_region", "", f"is missing{more}", hint))
    network = network_of(host, variables)
    if len(network) > _LABEL_VALUE_LENGTH:
        problems.append(
            Problem(host, "mesh_network", "", f"makes the name {network}, too long for a label", "name it yourself")
        )
    return problems


def _of_providers(hosts: Hosts) -> list[Problem]:
    """Variables of other providers than the cluster's own."""
    of_providers = providers_by_variable()
    problems = []
    for host, variables in hosts.items():
        provider = text(variables, "cluster_provider")
        for name in variables:
            allowed = of_providers.get(name, [provider])
            if provider not in allowed and provider != FAULTY:
                hint = f"leave it out, or set cluster_provider: {' or '.join(allowed)}"
                problems.append(Problem(host, name, "", f"does not go with provider {quoted(provider)}", hint))
    return problems


def _endpoints(host: str, variables: Values, alone: bool) -> list[Problem]:
    """Addresses that lead the other clusters' istiods to themselves."""
    url, endpoint = text(variables, "cluster_api_url"), text(variables, "cluster_peer_endpoint")
    if endpoint and is_loopback(endpoint):
        hint = "an address at which the other clusters' pods reach this API server"
        return [Problem(host, "cluster_peer_endpoint", quoted(endpoint), "is loopback", hint)]
    if url and not endpoint and not alone and is_loopback(url):
        hint = "set cluster_peer_endpoint to an address that they reach"
        return [Problem(host, "cluster_api_url", quoted(url), "is loopback: no peer can use it", hint)]
    return []


def _same_endpoints(hosts: Hosts) -> list[Problem]:
    """Addresses for peers that two clusters have: an istiod would watch one of them twice and the other never."""
    problems: list[Problem] = []
    first: dict[str, str] = {}
    for host, variables in hosts.items():
        name = "cluster_peer_endpoint" if text(variables, "cluster_peer_endpoint") else "cluster_api_url"
        address = text(variables, name)
        if not address or address == FAULTY:
            continue
        url = urllib.parse.urlsplit(address.lower())
        other = first.setdefault(f"{url.hostname}:{url.port or 443}{url.path.rstrip('/')}", host)
        if other != host:
            hint = "each cluster's own address, at which the other clusters' pods reach its API server"
            problems.append(Problem(host, name, quoted(address), f"is {other}'s too: peers would not reach both", hint))
    return problems


def _role(host: str, hosts: Hosts, names: _Names) -> list[Problem]:
    variables = hosts[host]
    role, primary = text(variables, "mesh_role"), text(variables, "mesh_primary")
    problems = []
    if role != ROLE_REMOTE:
        if role == ROLE_PRIMARY and primary and primary != host:
            message = "is set, but the cluster is a primary itself"
            problems.append(
                Problem(host, "mesh_primary", quoted(primary), message, "set mesh_role: remote, or leave it out")
            )
        return problems
    served_by = hosts.get(primary)
    if not primary:
        problems.append(Problem(host, "mesh_primary", "", "is missing for a remote", names.choice(names.primaries)))
    elif primary == host:
        message, hint = "is the remote itself", names.choice(names.primaries)
        problems.append(Problem(host, "mesh_primary", quoted(primary), message, hint))
    elif served_by is None:
        problems.append(Problem(host, "mesh_primary", quoted(primary), *names.unknown(primary)))
    elif text(served_by, "mesh_role") == ROLE_REMOTE:
        message, hint = "is a remote itself", names.choice(names.primaries)
        problems.append(Problem(host, "mesh_primary", quoted(primary), message, hint))
    else:
        mine, theirs = (text(v, "mesh_id") for v in (variables, served_by))
        if mine != theirs:
            message = f"is of mesh {quoted(theirs)}, this cluster of {quoted(mine)}"
            problems.append(Problem(host, "mesh_primary", quoted(primary), message, "set the same mesh_id on both"))
        if cni_of(variables) != cni_of(served_by):
            says = "true" if cni_of(served_by) else "false"
            message = f"differs from that of its primary {primary}, which injects its pods"
            problems.append(Problem(host, "mesh_cni", "", message, f"mesh_cni: {says}, or change it on both"))
    return problems


def _peers(host: str, variables: Values, names: _Names) -> list[Problem]:
    peers = variables.get("mesh_peers")
    if peers is None:
        return []
    if text(variables, "mesh_role") == ROLE_REMOTE:
        message = "means nothing for a remote: its primary watches for it"
        return [Problem(host, "mesh_peers", "", message, "set it on the primary")]
    problems = []
    seen: set[str] = set()
    for peer in peers:
        if not isinstance(peer, str):
            problems.append(Problem(host, "mesh_peers", shown(peer), "is not a cluster's name", "names as text"))
        elif peer in seen:
            problems.append(Problem(host, "mesh_peers", quoted(peer), "is listed twice", "list it once"))
        elif peer == host:
            problems.append(Problem(host, "mesh_peers", quoted(peer), "is the cluster itself", "leave it out"))
        elif peer not in names.hosts:
            problems.append(Problem(host, "mesh_peers", quoted(peer), *names.unknown(peer)))
        if isinstance(peer, str):
            seen.add(peer)
    return problems
