# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of how clusters fit together: providers, places, primaries and remotes, peers."""

from __future__ import annotations

import os
import typing as t

from ..control_planes import managed_checks
from ..inventory.fleet import ROLE_PRIMARY, ROLE_REMOTE, network_of
from ..inventory.nearest import Nearest
from ..inventory.problems import Problem, quoted, shown
from ..inventory.values import is_loopback
from ..inventory.variables import FAULTY, VARIABLES, text
from ..providers.google.paths import is_dns_endpoint

__all__ = ["check"]

_Hosts = t.Mapping[str, t.Mapping[str, t.Any]]
_MANY = 5
_LABEL_VALUE_LENGTH = 63


def check(hosts: _Hosts, groups: t.Mapping[str, t.Sequence[str]]) -> list[Problem]:
    """Everything that is impossible or missing, given values that are right in themselves."""
    names = _Names(hosts, groups)
    problems: list[Problem] = []
    for host, variables in hosts.items():
        problems += _place(host, variables)
        problems += _access(host, variables, alone=len(hosts) == 1)
        problems += _role(host, hosts, names)
        problems += _peers(host, variables, names)
    return problems + managed_checks.check(hosts)


class _Names:
    """Answers for a name that is not a cluster's."""

    def __init__(self, hosts: _Hosts, groups: t.Mapping[str, t.Sequence[str]]) -> None:
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


def _place(host: str, variables: t.Mapping[str, t.Any]) -> list[Problem]:
    region, zone = text(variables, "cluster_region"), text(variables, "cluster_zone")
    provider = text(variables, "cluster_provider")
    problems = []
    if not region:
        guess = zone.rpartition("-")[0]
        hint = f"cluster_region: {guess or 'us-west1'}"
        more = f", only a zone {quoted(zone)}" if zone else ""
        problems.append(Problem(host, "cluster_region", "", f"is missing{more}", hint))
    elif zone and provider == "gke" and not zone.startswith(f"{region}-"):
        problems.append(
            Problem(host, "cluster_zone", quoted(zone), f"is not in region {quoted(region)}", f"such as {region}-a")
        )
    network = network_of(host, variables, text(variables, "mesh_id") or text(variables, "fleet_name"))
    if len(network) > _LABEL_VALUE_LENGTH:
        problems.append(
            Problem(host, "mesh_network", "", f"makes the name {network}, too long for a label", "name it yourself")
        )
    return problems


def _access(host: str, variables: t.Mapping[str, t.Any], alone: bool) -> list[Problem]:
    """How the cluster is reached: complete, and of one kind."""
    provider = text(variables, "cluster_provider")
    if provider == FAULTY:
        return []
    problems = []
    for name in variables:
        allowed = VARIABLES[name].providers if name in VARIABLES else ()
        if allowed and provider not in allowed:
            hint = f"leave it out, or set cluster_provider: {allowed[0]}"
            problems.append(Problem(host, name, "", f"does not go with provider {quoted(provider)}", hint))
    url, kubeconfig = text(variables, "cluster_api_url"), text(variables, "cluster_kubeconfig")
    if provider == "kubeconfig":
        if url and kubeconfig:
            message = "is given, and cluster_api_url too: which one leads to the cluster?"
            problems.append(Problem(host, "cluster_kubeconfig", "", message, "keep one of them"))
        if not url and not kubeconfig:
            hint = "set it, or cluster_api_url with cluster_api_token and cluster_api_ca"
            problems.append(Problem(host, "cluster_kubeconfig", "", "is missing", hint))
        for name in ("cluster_api_token", "cluster_api_ca"):
            has = bool(text(variables, name))
            if url and not has:
                problems.append(Problem(host, name, "", "is missing beside cluster_api_url", f"set {name}"))
            elif has and not url and kubeconfig:
                problems.append(Problem(host, name, "", "belongs to cluster_api_url", "the kubeconfig holds its own"))
        if url and not kubeconfig and "cluster_context" in variables:
            problems.append(Problem(host, "cluster_context", "", "belongs to cluster_kubeconfig", "leave it out"))
    if provider == "gke" and not kubeconfig and not url:
        problems += _google(host, variables)
    endpoint = text(variables, "cluster_peer_endpoint")
    if endpoint and is_loopback(endpoint):
        hint = "an address at which the other clusters' pods reach this API server"
        problems.append(Problem(host, "cluster_peer_endpoint", quoted(endpoint), "is loopback", hint))
    if endpoint and is_dns_endpoint(endpoint):
        hint = "an address of the API server itself, or leave it out and set gke_peer_endpoint"
        message = "is Google's DNS endpoint, which takes Google's tokens: istiods have those of the cluster"
        problems.append(Problem(host, "cluster_peer_endpoint", quoted(endpoint), message, hint))
    if url and not endpoint and not alone and is_loopback(url):
        hint = "set cluster_peer_endpoint to an address that they reach"
        problems.append(Problem(host, "cluster_api_url", quoted(url), "is loopback: no peer can use it", hint))
    return problems


def _google(host: str, variables: t.Mapping[str, t.Any]) -> list[Problem]:
    """What must be told of a cluster that Google is asked for."""
    problems = []
    if not text(variables, "gke_project") and not os.environ.get("GCP_PROJECT"):
        hint = "set gke_project to the ID of your project, or the environment variable GCP_PROJECT"
        problems.append(Problem(host, "gke_project", "", "is missing", hint))
    needs = {
        "serviceaccount": (("gke_service_account_file", "gke_service_account_contents"), "GCP_SERVICE_ACCOUNT_"),
        "accesstoken": (("gke_access_token",), "GCP_ACCESS_TOKEN"),
    }
    names, fallback = needs.get(text(variables, "gke_auth_kind"), ((), ""))
    if (
        names
        and not any(text(variables, name) for name in names)
        and not any(value for name, value in os.environ.items() if name.startswith(fallback))
    ):
        kind = quoted(text(variables, "gke_auth_kind"))
        hint = f"set {' or '.join(names)}, or leave gke_auth_kind out"
        problems.append(Problem(host, "gke_auth_kind", kind, "is given without a credential", hint))
    return problems


def _role(host: str, hosts: _Hosts, names: _Names) -> list[Problem]:
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
        mine, theirs = (text(v, "mesh_id") or text(v, "fleet_name") for v in (variables, served_by))
        if mine != theirs:
            message = f"is of mesh {quoted(theirs)}, this cluster of {quoted(mine)}"
            problems.append(Problem(host, "mesh_primary", quoted(primary), message, "give both the same mesh_id"))
    return problems


def _peers(host: str, variables: t.Mapping[str, t.Any], names: _Names) -> list[Problem]:
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
