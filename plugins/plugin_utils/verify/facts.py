# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what the checks need from one cluster: objects, istiod's pages, the probe's proxy."""

from __future__ import annotations

import asyncio
import base64
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._kube.service_address import CLUSTER_IP
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import control_plane_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import ROLE_REMOTE, Cluster, Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import (
    parse_clusterz,
    parse_networkz,
    parse_shards,
    parse_trust_domains,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.former import SIGNER, is_unwanted_signer
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import EASTWEST, INGRESS, istiod_name
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import has_our_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_view import endpoints_of, parse_secrets
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.remote_secrets import LABEL, OURS, read_entries
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.static_tokens import TOKEN_SECRET
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.addresses import held_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.record import object_name, read_record
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import PUBLIC, as_istiod_reads
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Facts, IstiodFacts
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.probe import CONTAINER, NAMESPACE, target
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.sample import PORT
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.metadata import labels_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.address import address_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.gateways.services import find_gateways
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.debug_pages import debug_page, istiod_pods
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.versions import running_versions
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.clusterset_seen import istiods_of

__all__ = ["find_pods", "read_facts"]

_NETWORK = "topology.istio.io/network"
_PROXY = "istio-proxy"


async def find_pods(kube: Reader, found: Facts, sample_namespace: str) -> None:
    """Find the pods that can make calls: the probe, and the sample's."""
    pods, sample = await asyncio.gather(
        kube.pods(NAMESPACE, {"app": CONTAINER}),
        kube.pods(sample_namespace, "app in (sample-caller, sample-producer)"),
    )
    for pod in pods:
        if _ready(pod):
            found.probe = str(pod["metadata"]["name"])
            found.probe_ip = str((pod.get("status") or {}).get("podIP") or "")
            proxy = _proxy(pod)
            found.sidecar = proxy is not None
            env = {e["name"]: str(e.get("value") or "") for e in (proxy or {}).get("env") or []}
            found.proxy_cluster = env.get("ISTIO_META_CLUSTER_ID", "")
            found.proxy_network = env.get("ISTIO_META_NETWORK", "")
    for pod in sample:
        if _ready(pod):
            if pod["metadata"]["labels"]["app"] == "sample-caller":
                found.caller = str(pod["metadata"]["name"])
            else:
                found.has_producer = True


async def read_facts(kube: Kube, fleet: Fleet, cluster: Cluster, found: Facts, gateways: str = "") -> None:
    """Fill ``found``; if the cluster cannot be read, ``found.problem`` says why.

    Args:
        gateways: the namespace of the gateways, "" for the default.
    """
    try:
        await asyncio.gather(
            _gateways(kube, fleet, control_plane_of(fleet, cluster).gateways_namespace(gateways), found),
            _control_plane(kube, fleet, cluster, found),
            _istiods(kube, fleet, cluster, found),
            _global_names(kube, fleet, cluster, found),
            _proxy_facts(kube, fleet, found),
        )
    except FleetError as error:
        found.problem = f"{error.what}: {error.seen}" if error.seen else error.what
        found.problem_next = error.next_step
    found.ahead = kube.ahead


async def _control_plane(kube: Reader, fleet: Fleet, cluster: Cluster, found: Facts) -> None:
    """Read what an istiod of ours uses. A cluster whose control plane Google runs may only have leftovers of it."""
    space = fleet.namespace
    cacerts, secrets, token = await asyncio.gather(
        kube.get("v1", "Secret", SIGNER, space),
        kube.list("v1", "Secret", space, {LABEL: "true"}),
        kube.get("v1", "Secret", TOKEN_SECRET, space),
    )
    entries = read_entries(secrets, fleet.name)
    found.own_remote_secrets = [(entry.cluster, entry.home) for entry in entries if entry.owner == OURS]
    found.unwanted_signer = is_unwanted_signer(fleet, cluster, cacerts)
    found.static_token = has_our_labels(token, fleet.name)
    if not control_plane_of(fleet, cluster).ours:
        return
    config, namespace, versions = await asyncio.gather(
        kube.get("v1", "ConfigMap", "istio-ca-root-cert", NAMESPACE if found.probe else space),
        kube.get("v1", "Namespace", space),
        running_versions(kube, fleet),
    )
    found.versions = versions
    if cacerts:
        data = {k: base64.b64decode(v).decode("utf-8", "replace") for k, v in (cacerts.get("data") or {}).items()}
        found.cacerts = {name: text for name, text in as_istiod_reads(data).items() if name in PUBLIC}
    if config:
        found.root_config = str((config.get("data") or {}).get("root-cert.pem") or "")
    if namespace:
        found.namespace_network = labels_of(namespace).get(_NETWORK)
    found.remote_secrets = [(entry.cluster, entry.home) for entry in entries]


async def _gateways(kube: Reader, fleet: Fleet, namespace: str, found: Facts) -> None:
    found.gateway_network, found.gateway_address, found.ingress_address = None, None, ""
    for name, service in (await find_gateways(kube, fleet.name, namespace)).items():
        where = await address_of(kube, service)
        if name == EASTWEST:
            found.gateway_network = labels_of(service).get(_NETWORK, "no label")
            found.gateway_address = where.described()
        elif name == INGRESS:
            found.ingress_address = where.at(80) if where.type != CLUSTER_IP else ""


async def _global_names(kube: Reader, fleet: Fleet, cluster: Cluster, found: Facts) -> None:
    if cluster.role == ROLE_REMOTE:
        return  # its primary holds them
    plane = control_plane_of(fleet, cluster)
    entries, record = await asyncio.gather(
        kube.list(plane.istio_api(), "ServiceEntry"),
        kube.get("v1", "ConfigMap", object_name(fleet.name), plane.namespace),
    )
    found.held_addresses, found.record = held_of(cluster.name, entries, fleet.name), read_record(record)


async def _istiods(kube: Kube, fleet: Fleet, cluster: Cluster, found: Facts) -> None:
    if kube.absent or not control_plane_of(fleet, cluster).has_istiod:
        return
    if fleet.confined:
        found.reads_exports = (await istiods_of(kube, (fleet.namespace, istiod_name(fleet)))).all_read
    found.istiods = []
    for pod in await istiod_pods(kube, fleet.namespace, fleet.revision):
        clusters, networks, shards = await asyncio.gather(
            *(debug_page(kube, fleet.namespace, pod, page) for page in ("clusterz", "networkz", "endpointShardz"))
        )
        known = parse_shards(shards), parse_trust_domains(shards)
        found.istiods.append(IstiodFacts(pod, parse_clusterz(clusters), parse_networkz(networks), *known))


async def _proxy_facts(kube: Kube, fleet: Fleet, found: Facts) -> None:
    if not found.sidecar:
        return

    async def ask(path: str) -> str:
        done = await kube.exec(NAMESPACE, found.probe, _PROXY, ["pilot-agent", "request", "GET", path], timeout=30)
        return str(done.stdout)

    dump, clusters = await asyncio.gather(ask("config_dump?resource=dynamic_active_secrets"), ask("clusters"))
    secrets = parse_secrets(dump)
    found.proxy_roots, found.proxy_chain = secrets.roots, secrets.chain
    found.proxy_endpoints = {
        name: endpoints_of(clusters, f"{target(name)}.{NAMESPACE}.svc.cluster.local", PORT) for name in fleet.clusters
    }


def _ready(pod: t.Mapping[str, t.Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _proxy(pod: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    spec = pod.get("spec") or {}
    # A native sidecar is an init container that keeps running.
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        if container.get("name") == _PROXY:
            return t.cast("dict[str, t.Any]", container)
    return None
