# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes a :class:`Fleet` from the variables of hosts: defaults, allocated ranges, connections."""

from __future__ import annotations

import dataclasses
import functools
import os.path
import typing as t

from ..inventory.addresses import allocate_ranges
from ..inventory.connection import Connection, Decrypt
from ..inventory.environment import Environment
from ..inventory.fleet import OPENSHIFT, ROLE_REMOTE, Cluster, Fleet
from ..inventory.pods import read_pod_settings
from ..inventory.values import path, paths
from ..inventory.variable import FAULTY, FLEET
from .base import Hosts, Values
from .registry import PROVIDERS, VARIABLES, provider_of_host, text

__all__ = ["cni_of", "network_of", "read_fleet", "requested_ranges", "with_environment"]

_PATHS = {name: variable for name, variable in VARIABLES.items() if variable.form in (path, paths)}
"""Variables that name a file or folder of the controller."""


def read_fleet(hosts: Hosts, environment: Environment | None = None) -> Fleet:
    """The fleet that an inventory describes.

    Args:
        hosts: by inventory_hostname its plain variables, which have passed ``preflight``. Of the variables that say
            where a cluster is and how it is reached, none is read before somebody needs it.
        environment: what this machine adds; by default nothing.

    Raises:
        ValueError: ranges overlap, or a fleet's range is used up.
    """
    environment = environment or Environment()
    hosts = with_environment(hosts, environment)
    first: Values = next(iter(hosts.values()), {})
    name = text(first, "fleet_name")
    directory = os.path.join(text(first, "fleet_dir") or environment.state_dir, name)
    engine_network = text(first, "fleet_engine_network")
    ranges = allocate_ranges(
        {host: requested_ranges(variables) for host, variables in hosts.items()},
        text(first, "fleet_pod_range"),
        text(first, "fleet_service_range"),
        avoid=[engine_network] if engine_network else [],
    )
    return Fleet(
        name=name,
        directory=directory,
        mesh_id=text(first, "mesh_id"),
        trust_domain=text(first, "mesh_trust_domain"),
        istio_version=text(first, "mesh_istio_version"),
        revision=text(first, "mesh_revision"),
        namespace=text(first, "mesh_namespace"),
        clusters={
            host: _cluster(host, variables, directory, ranges[host], environment.decrypt)
            for host, variables in hosts.items()
        },
        hub=text(first, "mesh_hub"),
        tag=text(first, "mesh_tag"),
        engine_network=engine_network,
        global_ranges=(text(first, "mesh_global_range"), text(first, "mesh_global_range_ipv6")),
        state_cluster=text(first, "mesh_state_cluster"),
        federated=bool(first.get("mesh_federation")),
        confined=text(first, "mesh_unexported_services") == "own_cluster",
    )


def with_environment(hosts: Hosts, environment: Environment) -> dict[str, Values]:
    """The hosts as this machine understands them.

    Variables of their providers that they do not set have the values of environment variables, and paths are absolute.
    """
    defaults = {
        provider.name: {
            v.name: set_to for v in provider.variables if (set_to := environment.variables.get(v.environment))
        }
        for provider in PROVIDERS.values()
    }
    found: dict[str, Values] = {}
    first = environment.first or next(iter(hosts), "")
    for host, variables in hosts.items():
        usual = defaults.get(provider_of_host(variables).name, {})
        files = _PATHS.keys() & variables.keys()
        locate = functools.partial(_located, environment, first, host)
        if (usual or files) and not isinstance(variables, dict):
            found[host] = _Completed(variables, usual, locate)
            continue
        added = {name: set_to for name, set_to in usual.items() if variables.get(name) in (None, "")}
        added |= {name: locate(name, variables[name]) for name in files - added.keys()}
        found[host] = {**variables, **added} if added else variables
    return found


def _located(environment: Environment, first: str, host: str, name: str, value: t.Any) -> t.Any:
    if not isinstance(value, str) or value in ("", FAULTY):
        return value
    variable = _PATHS[name]
    return environment.locate(value, first if variable.scope == FLEET else host, variable.form is paths)


class _Completed(t.Mapping[str, t.Any]):
    """Variables, with usual values for those that are missing, null or empty, and with absolute paths.

    None is read before it is asked for.
    """

    def __init__(self, variables: Values, usual: Values, locate: t.Callable[[str, t.Any], t.Any]) -> None:
        self._variables = variables
        self._usual = usual
        self._locate = locate

    def __getitem__(self, name: str) -> t.Any:
        if name in self._usual and self._variables.get(name) in (None, ""):
            return self._usual[name]
        value = self._variables[name]
        return self._locate(name, value) if name in _PATHS else value

    def __contains__(self, name: object) -> bool:
        return name in self._variables or name in self._usual

    def __iter__(self) -> t.Iterator[str]:
        return iter({**dict.fromkeys(self._variables), **dict.fromkeys(self._usual)})

    def __len__(self) -> int:
        return len(list(iter(self)))


def requested_ranges(variables: Values) -> tuple[str | None, str | None]:
    """Pod and service range of a cluster as :func:`allocate_ranges` expects them: "" requests one, None is unknown."""
    nothing = "" if provider_of_host(variables).role else None
    return text(variables, "cluster_pod_cidr") or nothing, text(variables, "cluster_service_cidr") or nothing


def network_of(host: str, variables: Values) -> str:
    """The name of a cluster's network."""
    network = text(variables, "mesh_network")
    return {"flat": f"{text(variables, 'mesh_id')}-flat", "per_cluster": host}.get(network, network)


def cni_of(variables: Values) -> bool:
    """Whether Istio's CNI agent sets up the network of a cluster's pods."""
    said = text(variables, "mesh_cni").lower()
    return said in ("true", "yes") if said else text(variables, "cluster_platform") == OPENSHIFT


def _connection(host: str, variables: Values, directory: str, decrypt: Decrypt | None) -> Connection:
    return dataclasses.replace(provider_of_host(variables).connection(host, variables, directory), decrypt=decrypt)


def _cluster(host: str, variables: Values, directory: str, ranges: tuple[str, str], decrypt: Decrypt | None) -> Cluster:
    role = text(variables, "mesh_role")
    peers = variables.get("mesh_peers")
    return Cluster(
        name=host,
        provider=text(variables, "cluster_provider"),
        network=network_of(host, variables),
        role=role,
        primary=text(variables, "mesh_primary") if role == ROLE_REMOTE else host,
        control_plane=text(variables, "mesh_control_plane"),
        peers=None if peers is None else tuple(str(p) for p in peers),
        pod_cidr=ranges[0],
        service_cidr=ranges[1],
        region=functools.partial(text, variables, "cluster_region"),
        zone=functools.partial(text, variables, "cluster_zone"),
        connection=functools.partial(_connection, host, variables, directory, decrypt),
        peer_endpoint=functools.partial(text, variables, "cluster_peer_endpoint"),
        labels={str(k): str(label) for k, label in (variables.get("cluster_labels") or {}).items()},
        platform=text(variables, "cluster_platform") or provider_of_host(variables).platform,
        cni=cni_of(variables),
        pods=read_pod_settings(variables.get("mesh_pods") or {}),
        take_over=text(variables, "mesh_take_over").lower() in ("true", "yes"),
        variables=variables,
    )
