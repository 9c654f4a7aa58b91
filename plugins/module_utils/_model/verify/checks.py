# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of what was read: each problem that users of Istio report is one named check."""

from __future__ import annotations

import collections
import typing as t

from ..control_planes.base import ControlPlane
from ..control_planes.registry import control_plane_of
from ..inventory.fleet import Cluster, Fleet
from ..istio.helm_values import istiod_name
from ..istio.versions import skew
from ..peering.graph import edges
from ..peering.token_ends import day, first_end, in_words
from ..workloads.probe import NAMESPACE, target
from .address_checks import address_checks
from .certificate_checks import certificate_checks
from .credential_checks import credential_checks
from .facts import FAILED, SKIPPED, Check, Facts, HeldToken, check_of

__all__ = ["injection_checks", "probe_checks", "state_checks", "token_checks"]


def state_checks(
    fleet: Fleet, facts: t.Mapping[str, Facts], *, leaf_hours: int, signer_days: int, fleet_root: str = ""
) -> list[Check]:
    """All checks that need no call, of the clusters in ``facts``. ``fleet_root``: PEM, "" where it is not known."""
    checks: list[Check] = []
    read = {name: found for name, found in facts.items() if not found.problem}
    for name, found in facts.items():
        if found.problem:
            checks.append(
                Check(
                    "reachable",
                    name,
                    FAILED,
                    found.problem,
                    (name,),
                    "nothing of it was checked",
                    found.problem_next or "make it reachable, then verify again",
                )
            )
    planes = {name: control_plane_of(fleet, fleet.clusters[name]) for name in read}
    foreign = {name for name, plane in planes.items() if plane.foreign_ca}
    checks += certificate_checks(
        read, leaf_hours=leaf_hours, signer_days=signer_days, foreign=foreign, fleet_root=fleet_root
    )
    for name, found in read.items():
        if planes[name].not_shown:
            checks += managed_checks(planes[name], found)
            continue
        checks += cluster_checks(fleet.clusters[name], found)
        if planes[name].has_istiod:
            checks += istiod_checks(fleet, found, read)
    checks += credential_checks(fleet, read)
    checks += address_checks(fleet, read)
    checks += _version_checks(read)
    return checks


def probe_checks(facts: t.Iterable[Facts], *, dry_run: bool = False) -> list[Check]:
    """A failed check for each cluster whose probe does not run: from there no call is made.

    ``dry_run``: nothing was made, so that no probe runs is no failure.
    """
    checks = []
    for found in facts:
        name = found.cluster
        if found.probe_problem:
            checks.append(Check("probe", name, FAILED, found.probe_problem[0], (name,), *found.probe_problem[1:]))
        elif not found.probe and not found.problem and not dry_run:
            step = f"kubectl -n {NAMESPACE} get pods"
            checks.append(Check("probe", name, FAILED, "no ready pod", (name,), "it can make no calls", step))
    return checks


def injection_checks(facts: t.Iterable[Facts]) -> list[Check]:
    """A check for each cluster that its workloads' sidecars were injected with the inventory's settings."""
    return [
        check_of(
            "injected",
            found.cluster,
            not found.outdated,
            "; ".join(f"{w} has {what}" for w, what in list(found.outdated.items())[:5]) or "with today's settings",
            (found.cluster,),
            f"{len(found.outdated)} workloads keep the settings with which their sidecars were injected, so calls from "
            "and to them fail",
            f"run the apps stage with -e apps_restart_outdated=true, or: {found.restart}",
        )
        for found in facts
        if not found.problem
    ]


def token_checks(facts: t.Iterable[Facts], *, run_every: float, now: float) -> list[Check]:
    """A check for each watcher that its tokens are accepted, and live until the next scheduled run of peering.

    Args:
        run_every: seconds between two scheduled runs.
        now: seconds since the epoch.
    """
    checks = []
    for found in facts:
        bad = {token.cluster: text for token in found.tokens if (text := _bad_token(token, run_every, now))}
        first = first_end(token.life for token in found.tokens)
        checks.append(
            check_of(
                "tokens",
                found.cluster,
                not bad,
                "; ".join(f"that of {name} {text}" for name, text in bad.items())
                or (f"the first ends at {day(first.ends)}" if first else "none ends"),
                (found.cluster,),
                "without a valid token, istiod keeps what it last knew of that cluster, and calls to its new pods fail",
                f"run the peering stage with --limit {found.cluster}; if tokens end, run it on a schedule and set "
                "peering_run_every to that, or set peering_token to static",
            )
        )
    return checks


def _bad_token(token: HeldToken, run_every: float, now: float) -> str:
    if token.refused:
        return "is refused by its API server"
    if token.life is None:
        return ""
    left = token.life.ends - now
    if left <= 0:
        return f"ended at {day(token.life.ends)}"
    if token.ours and left < run_every:
        return f"ends at {day(token.life.ends)}, before a run of peering in {in_words(run_every)} (peering_run_every)"
    return ""


def managed_checks(plane: ControlPlane, found: Facts) -> list[Check]:
    """Checks of a cluster whose control plane shows nothing: the sidecar; the rest is skipped."""
    name = plane.cluster.name
    checks = [Check("control plane", name, SKIPPED, plane.not_shown, (name,))]
    if found.probe:
        checks.append(_sidecar(name, found, plane.stage))
    return checks


def cluster_checks(cluster: Cluster, found: Facts) -> list[Check]:
    """Names that must agree (network, cluster), the sidecar, and the address of the east-west gateway."""
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
            "; ".join(f"{p} has {v}" for p, v in wrong.items()) + f", the inventory {cluster.network}"
            if wrong
            else f"{cluster.network} in {', '.join(p for p, v in labels.items() if v)}",
            (name,),
            "istiod counts its endpoints to another network and routes calls wrongly",
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
                f"proxies have {found.proxy_cluster}",
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
                "its LoadBalancer has no address: other networks cannot reach this cluster",
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
    """What each istiod reports: the clusters that it watches, by which Secret, their endpoints and gateways."""
    name = found.cluster
    watched = sorted(x for w, x in edges(fleet) if w == name)
    checks = []
    held = collections.Counter(cluster for cluster, _secret in found.remote_secrets)
    duplicates = [f"{c} in {', '.join(s for x, s in found.remote_secrets if x == c)}" for c, n in held.items() if n > 1]
    checks.append(
        check_of(
            "remote secrets",
            name,
            not duplicates,
            "; ".join(duplicates) or f"{len(held)}, each cluster once",
            (name,),
            "istiod uses the one that it reads first, in no fixed order, and ignores the other",
            f"run the peering stage with --limit {name}",
        )
    )
    # istiod's list of clusters alone does not tell: it may be of an istiod that has not read the latest change.
    absent = [x for x in watched if x not in held]
    checks.append(
        check_of(
            "edges",
            name,
            not absent,
            f"no remote secret of {', '.join(absent)}" if absent else f"of {', '.join(watched) or 'none'}",
            (name, *absent),
            "its istiod does not watch what the inventory says: the fleet is not one mesh",
            f"run the peering stage with --limit {','.join((name, *absent))}, which says why an edge cannot be made",
        )
    )
    unnamed = sorted({x for x, _secret in found.own_remote_secrets} - set(fleet.clusters))
    checks.append(
        check_of(
            "inventory",
            name,
            not unnamed,
            f"remote secrets of {', '.join(unnamed)}" if unnamed else "names every cluster that is watched",
            (name,),
            "the inventory does not name them: a part of it is missing, or they left the fleet",
            f"run the peering stage with --limit {name}, which says what to do in either case",
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
                f"its name for itself is {', '.join(own)}",
                (name,),
                "clusterName differs from the inventory's name",
                f"run the control_plane stage with --limit {name}",
            )
        )
        wrong = {
            x: istiod.clusters[x].status if x in istiod.clusters else "not in its list"
            for x in watched
            if x not in istiod.clusters or istiod.clusters[x].status != "synced"
        }
        checks.append(
            check_of(
                "synced",
                f"{name} ({istiod.pod})",
                not wrong,
                "; ".join(f"{x}: {s}" for x, s in wrong.items()) or (", ".join(watched) or "it watches none"),
                (name, *wrong),
                "it cannot read that cluster's API",
                f"run the peering stage with --limit {name}",
            )
        )
        other_domains = {
            x: ", ".join(sorted(domains - {control_plane_of(fleet, fleet.clusters[x]).trust_domain}))
            for x, domains in istiod.trust_domains.items()
            if x in fleet.clusters and domains - {control_plane_of(fleet, fleet.clusters[x]).trust_domain}
        }
        about = [name, *(x for x in other_domains if x != name)]
        checks.append(
            check_of(
                "trust domain",
                f"{name} ({istiod.pod})",
                not other_domains,
                "; ".join(f"pods of {x} under {domains}" for x, domains in other_domains.items())
                or f"{fleet.trust_domain} for every pod",
                tuple(about),
                "istiod read these pods before their cluster's mesh configuration named its trust domain, and keeps "
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
                "it is connected, but has not read that cluster's services",
                "see istiod's log; verify again",
            )
        )
        known = {g.network for g in istiod.gateways}
        unknown = sorted(networks - known)
        if networks:
            checks.append(
                check_of(
                    "gateways known",
                    f"{name} ({istiod.pod})",
                    not unknown,
                    f"none into {', '.join(unknown)}"
                    if unknown
                    else ", ".join(
                        f"{g.network} by {g.address}:{g.port}" for g in istiod.gateways if g.network in networks
                    ),
                    (name,),
                    "the other network's gateway has no address, or lacks the network label, or istiod tells no "
                    "address of its type (ClusterIP; NodePort without the annotation traffic.istio.io/nodeSelector)",
                    "run the gateways stage, which names the type; then verify again",
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
            "Istio supports control planes that differ by one minor version",
            "upgrade the older ones first",
        )
    ]
