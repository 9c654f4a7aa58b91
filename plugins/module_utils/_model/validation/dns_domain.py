# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which DNS domain a cluster's Services have, by what serves it: CoreDNS, kube-dns, or by what kubelet tells pods."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...errors import FleetError
from ..inventory.fleet import Cluster, Fleet
from ..multicluster.clusterset_dns import without_block
from ..multicluster.corefile import ZONE, who_serves
from ..multicluster.exports import read_exports
from ..providers.registry import provider_of

__all__ = ["PLACES", "Dns", "check_clusterset_zone", "check_dns_domain", "is_ready", "said_domains"]

Object = t.Mapping[str, t.Any]

DOMAIN = "cluster.local"
PLACES = ("kube-system", "openshift-dns")
"""Namespaces of CoreDNS's ConfigMap, which distributions call differently: ``coredns``, ``rke2-coredns-rke2-coredns``,
``dns-default``."""
_PLUGIN = re.compile(r"^[ \t]*kubernetes(?![^\s{])([^{\n]*)", re.MULTILINE)
_FLAG = "--domain="
"""Of kube-dns, as GKE runs it."""


@dataclasses.dataclass(frozen=True)
class Dns:
    """What was read of a cluster's DNS; empty where it could not be read."""

    configs: t.Sequence[Object] = ()
    """ConfigMaps of :data:`PLACES`."""
    servers: t.Sequence[Object] = ()
    """Deployments of ``kube-system`` with the label ``k8s-app: kube-dns``."""
    node: str = ""
    """A node whose kubelet was asked, because nothing else said it."""
    kubelet: Object | None = None
    """The configuration of its kubelet."""


def said_domains(dns: Dns) -> list[tuple[str, list[str]]]:
    """The domains, by the object that says so, of all that serve names of Services; [] where none says it."""
    found = []
    for config in dns.configs:
        lines = _PLUGIN.findall(str((config.get("data") or {}).get("Corefile") or ""))
        zones = list(dict.fromkeys(zone for line in lines for zone in line.split()))
        # One without zones has those of its server block: then others say it, or kubelet.
        if zones and all(line.split() for line in lines):
            meta = config["metadata"]
            found.append((f"ConfigMap {meta['namespace']}/{meta['name']}", zones))
    for server in dns.servers:
        template = ((server.get("spec") or {}).get("template") or {}).get("spec") or {}
        for container in template.get("containers") or []:
            words = [*(container.get("command") or []), *(container.get("args") or [])]
            said = [str(word).removeprefix(_FLAG) for word in words if str(word).startswith(_FLAG)]
            if said:
                meta = server["metadata"]
                found.append((f"Deployment {meta['namespace']}/{meta['name']}", said))
    kubelet = str(((dns.kubelet or {}).get("kubeletconfig") or {}).get("clusterDomain") or "")
    return [*found, *([(f"kubelet of node {dns.node}", [kubelet])] if kubelet else [])]


def is_ready(node: Object) -> bool:
    """Whether a node is up: an API server waits half a minute for one that is not."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def check_dns_domain(cluster: Cluster, dns: Dns) -> list[str]:
    """A warning where the domain is not known.

    Raises:
        FleetError: it is another one.
    """
    said = said_domains(dns)
    for where, domains in said:
        if DOMAIN in (domain.rstrip(".") for domain in domains):
            continue
        raise FleetError(
            f"the cluster's DNS domain is not {DOMAIN}",
            cluster=cluster.name,
            obj=where,
            seen=" ".join(domains),
            means=f"names of services, certificates of istiod and the calls of verify are made for {DOMAIN}",
            next_step=f"use a cluster with the domain {DOMAIN}, or serve that zone too in its DNS",
        )
    if said or not dns.node:
        return []
    return [
        f"{cluster.name}: its DNS domain is not known: no Corefile in {' or '.join(PLACES)} and no kube-dns names it, "
        f"and the kubelet of {dns.node} could not be asked (nodes/proxy); names of services are made for {DOMAIN}, "
        "which the search line of /etc/resolv.conf in a pod must have"
    ]


def check_clusterset_zone(fleet: Fleet, cluster: Cluster, dns: Dns) -> list[str]:
    """A warning where somebody else answers for names of exported services, and the provider is not who does."""
    exports, _problems = read_exports(cluster.variables.get("mesh_exports"), fleet.clusters)
    if provider_of(cluster).multicluster or not any(export.reaches(cluster.name) for export in exports):
        return []
    for config in dns.configs:
        for key, text in sorted((config.get("data") or {}).items()):
            if key != "Corefile" and not key.endswith(".server"):
                continue
            line = who_serves(_without_ours(str(text), fleet.name))
            if line:
                meta = config["metadata"]
                where = f"ConfigMap {meta['namespace']}/{meta['name']}, {key}, {line}"
                return [
                    f"{cluster.name}: its DNS answers for {ZONE} already ({where}): for names in mesh_exports, pods "
                    "without a sidecar get those answers, pods with one the mesh's; remove it there, unless a "
                    "controller of multi-cluster services made it"
                ]
    return []


def _without_ours(text: str, fleet: str) -> str:
    try:
        return without_block(text, fleet)
    except FleetError:
        return text  # the stage that writes it says what is wrong
