# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what was read to checks: each row of what users of Istio report, as one named check."""

from __future__ import annotations

import collections
import ipaddress
import typing as t

from ..control_planes.base import ControlPlane
from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Cluster, Fleet
from ..istio.helm_values import istiod_name
from ..istio.versions import skew
from ..peering.graph import edges, may_call
from ..workloads.probe import ACCOUNT, NAMESPACE, target
from .certificates import certificate_checks
from .facts import FAILED, SKIPPED, Check, Facts, check_of

__all__ = ["expected_identity", "path_of", "state_checks", "talkers"]


def state_checks(fleet: Fleet, facts: t.Mapping[str, Facts], *, leaf_hours: int, signer_days: int) -> list[Check]:
    """All checks that need no call, for the clusters that were read."""
    checks: list[Check] = []
    read = {name: found for name, found in facts.items() if not found.problem}
    for name, found in facts.items():
        if found.problem:
            checks.append(
                Check("reachable", name, FAILED, found.problem, (name,), "it was not checked", "make it reachable")
            )
    planes = {name: control_plane_of(fleet, fleet.clusters[name]) for name in read}
    foreign = {name for name, plane in planes.items() if plane.foreign_ca}
    checks += certificate_checks(read, leaf_hours=leaf_hours, signer_days=signer_days, foreign=foreign)
    for name, found in read.items():
        if planes[name].not_shown:
            checks += managed_checks(planes[name], found)
            continue
        checks += wiring_checks(fleet.clusters[name], found)
        if planes[name].has_istiod:
            checks += istiod_checks(fleet, found, read)
    checks += _version_checks(read)
    return checks


def managed_checks(plane: ControlPlane, found: Facts) -> list[Check]:
    """What can be seen of a cluster whose control plane shows nothing, and that it shows nothing."""
    name = plane.cluster.name
    checks = [Check("control plane", name, SKIPPED, plane.not_shown, (name,))]
    if found.probe:
        checks.append(_sidecar(name, found, plane.stage))
    return checks


def wiring_checks(cluster: Cluster, found: Facts) -> list[Check]:
    """The names that have to agree: network in four places, the cluster's name, the sidecar, the gateway's address."""
    name = cluster.name
    labels = {
        "namespace": found.namespace_network,
        "gateway Service": found.gateway_network,
        "proxy": found.proxy_network or None,
    }
    wrong = {place: value for place, value in labels.items() if value is not None and value != cluster.network}
    if found.namespace_network is None:
        wrong["namespace"] = "no label"
    checks = [
        check_of(
            "network",
            name,
            not wrong,
            "; ".join(f"{p} says {v}" for p, v in wrong.items()) + f", the inventory {cluster.network}"
            if wrong
            else f"{cluster.network} in {', '.join(p for p, v in labels.items() if v)}",
            (name,),
            "istiod takes its endpoints for another network's and sends calls the wrong way",
            f"run the control_plane and gateways stages with --limit {name}; restart workloads whose proxy differs",
        )
    ]
    if found.probe:
        checks.append(_sidecar(name, found, "control_plane"))
    if found.sidecar:
        checks.append(
            check_of(
                "cluster name",
                name,
                found.proxy_cluster == name,
                f"proxies say {found.proxy_cluster}",
                (name,),
                "global.multiCluster.clusterName differs from the inventory's name, so remote secrets do not match",
                f"run the control_plane stage with --limit {name}, then restart its workloads",
            )
        )
    if found.gateway_address is not None:
        checks.append(
            check_of(
                "gateway address",
                name,
                bool(found.gateway_address),
                found.gateway_address or "pending",
                (name,),
                "nothing gives the LoadBalancer an address: other networks cannot reach this cluster",
                f"run the gateways stage with --limit {name}",
            )
        )
    return checks


def _sidecar(name: str, found: Facts, stage: str) -> Check:
    return check_of(
        "sidecar",
        name,
        found.sidecar,
        "injected" if found.sidecar else f"pod {found.probe} has none",
        (name,),
        "the injector was not ready, or no revision serves the namespace",
        f"run the {stage} stage with --limit {name}, then verify again",
    )


def istiod_checks(fleet: Fleet, found: Facts, facts: t.Mapping[str, Facts]) -> list[Check]:
    """Istiod's own view: what it watches, from which Secret, which endpoints and gateways it knows."""
    name = found.cluster
    watched = sorted(x for w, x in edges(fleet) if w == name)
    checks = []
    held = collections.Counter(cluster for cluster, _secret in found.remote_secrets)
    twice = [f"{c} in {', '.join(s for x, s in found.remote_secrets if x == c)}" for c, n in held.items() if n > 1]
    checks.append(
        check_of(
            "remote secrets",
            name,
            not twice,
            "; ".join(twice) or f"{len(held)}, each cluster once",
            (name,),
            "istiod takes the first it reads and ignores the other, in no order you can rely on",
            f"run the peering stage with --limit {name}",
        )
    )
    networks = {fleet.clusters[x].network for x in watched} - {fleet.clusters[name].network}
    for istiod in found.istiods:
        own = [c.name for c in istiod.clusters.values() if not c.secret]
        checks.append(
            check_of(
                "istiod's cluster",
                f"{name} ({istiod.pod})",
                own == [name],
                f"it calls itself {', '.join(own)}",
                (name,),
                "clusterName differs from the inventory's name",
                f"run the control_plane stage with --limit {name}",
            )
        )
        wrong = {
            x: istiod.clusters[x].status if x in istiod.clusters else "unknown to it"
            for x in watched
            if x not in istiod.clusters or istiod.clusters[x].status != "synced"
        }
        checks.append(
            check_of(
                "synced",
                f"{name} ({istiod.pod})",
                not wrong,
                "; ".join(f"{x}: {s}" for x, s in wrong.items()) or (", ".join(watched) or "watches nobody"),
                (name, *wrong),
                "it cannot read that cluster's API",
                f"run the peering stage with --limit {name}",
            )
        )
        strange = {
            x: ", ".join(sorted(domains - {control_plane_of(fleet, fleet.clusters[x]).trust_domain}))
            for x, domains in istiod.trust_domains.items()
            if x in fleet.clusters and domains - {control_plane_of(fleet, fleet.clusters[x]).trust_domain}
        }
        about = [name, *(x for x in strange if x != name)]
        checks.append(
            check_of(
                "trust domain",
                f"{name} ({istiod.pod})",
                not strange,
                "; ".join(f"pods of {x} under {domains}" for x, domains in strange.items())
                or f"{fleet.trust_domain} for every pod",
                tuple(about),
                "istiod read these pods before their cluster's mesh configuration said its trust domain, and keeps "
                "what it read: sidecars refuse their certificates",
                f"run the control_plane stage with --limit {','.join(about)}; if it stays, in {name}: "
                f"kubectl -n {fleet.namespace} rollout restart deployment {istiod_name(fleet)}",
            )
        )
        missing = [x for x in watched if x in facts and facts[x].probe and not istiod.shards.get(_host(x), {}).get(x)]
        checks.append(
            check_of(
                "endpoints",
                f"{name} ({istiod.pod})",
                not missing,
                f"none of {', '.join(missing)}" if missing else f"of {', '.join(watched) or 'its own'}",
                (name, *missing),
                "it is connected but has not read that cluster's services",
                "look at istiod's log; run verify again",
            )
        )
        known = {g.network for g in istiod.gateways}
        lost = sorted(networks - known)
        if networks:
            checks.append(
                check_of(
                    "gateways known",
                    f"{name} ({istiod.pod})",
                    not lost,
                    f"none into {', '.join(lost)}"
                    if lost
                    else ", ".join(
                        f"{g.network} by {g.address}:{g.port}" for g in istiod.gateways if g.network in networks
                    ),
                    (name,),
                    "the other network's gateway has no address, or its Service lacks the network label",
                    "run the gateways stage, then verify again",
                )
            )
    return checks


def _host(cluster: str) -> str:
    return f"{target(cluster)}.{NAMESPACE}.svc.cluster.local"


def _version_checks(facts: t.Mapping[str, Facts]) -> list[Check]:
    running = {n: v for n, f in facts.items() for v in f.versions.values()}
    if not running:
        return []
    apart = {(a, b) for a in running for b in running if a < b and skew(running[a], running[b]) > 1}
    seen = ", ".join(f"{n} {v.rsplit(':', 1)[-1]}" for n, v in running.items())
    return [
        check_of(
            "versions",
            "fleet",
            not apart,
            seen,
            tuple(sorted({n for pair in apart for n in pair})),
            "Istio supports one minor version between control planes",
            "bring the older ones up first",
        )
    ]


def path_of(fleet: Fleet, caller: Facts, callee: Facts) -> str:
    """``local``, ``direct`` or ``gateway``, from where the caller's proxy sends the calls; "" when it does not say."""
    if caller.cluster == callee.cluster:
        return "local"
    hosts = {endpoint.rpartition(":")[0].strip("[]") for endpoint in caller.proxy_endpoints.get(callee.cluster, [])}
    if not hosts:
        return ""
    return "direct" if callee.probe_ip and hosts == {str(ipaddress.ip_address(callee.probe_ip))} else "gateway"


def expected_identity(fleet: Fleet, caller: str, namespace: str = NAMESPACE, account: str = ACCOUNT) -> str:
    """The SPIFFE ID that a callee has to see of a caller in the cluster ``caller``."""
    return f"spiffe://{control_plane_of(fleet, fleet.clusters[caller]).trust_domain}/ns/{namespace}/sa/{account}"


def talkers(fleet: Fleet, names: t.Iterable[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Ordered pairs of ``names`` that should talk, and those that should not."""
    listed = list(names)
    pairs = [(a, b) for a in listed for b in listed if a != b]
    return [p for p in pairs if may_call(fleet, *p)], [p for p in pairs if not may_call(fleet, *p)]
