# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what was read to checks: each row of what users of Istio report, as one named check."""

from __future__ import annotations

import collections
import datetime
import ipaddress
import typing as t

from ..errors import FleetError
from .certificates import days_left, fingerprint, parse_certificates
from .fleet import ROLE_PRIMARY, Cluster, Fleet
from .peering import edges, may_call
from .probe import ACCOUNT, NAMESPACE, target
from .verify_facts import FAILED, OK, SKIPPED, Check, Facts
from .wiring import skew

__all__ = ["certificate_checks", "istiod_checks", "path_of", "state_checks", "wiring_checks"]


def _check(group: str, name: str, good: bool, seen: str, clusters: tuple[str, ...], means: str, step: str) -> Check:
    return Check(group, name, OK if good else FAILED, seen, clusters, "" if good else means, "" if good else step)


def state_checks(fleet: Fleet, facts: t.Mapping[str, Facts], *, leaf_hours: int, signer_days: int) -> list[Check]:
    """All checks that need no call, for the clusters that were read."""
    checks: list[Check] = []
    read = {name: found for name, found in facts.items() if not found.problem}
    for name, found in facts.items():
        if found.problem:
            checks.append(
                Check("reachable", name, FAILED, found.problem, (name,), "it was not checked", "make it reachable")
            )
    checks += certificate_checks(read, leaf_hours=leaf_hours, signer_days=signer_days)
    for found in read.values():
        checks += wiring_checks(fleet.clusters[found.cluster], found)
        if fleet.clusters[found.cluster].role == ROLE_PRIMARY:
            checks += istiod_checks(fleet, found, read)
    checks += _version_checks(read)
    return checks


def certificate_checks(facts: t.Mapping[str, Facts], *, leaf_hours: int, signer_days: int) -> list[Check]:
    """One root everywhere (Secret, ConfigMap, live proxies), and time left on every certificate."""
    checks = []
    places: dict[str, dict[str, str]] = {}
    now = datetime.datetime.now(datetime.UTC)
    for name, found in facts.items():
        texts = {
            "Secret cacerts": (found.cacerts or {}).get("root-cert.pem", ""),
            "ConfigMap istio-ca-root-cert": found.root_config or "",
            "live proxy": found.proxy_roots,
        }
        places[name] = {place: _roots(text) for place, text in texts.items() if text}
    counted = collections.Counter(r for found in places.values() for r in found.values())
    common = counted.most_common(1)[0][0] if counted else ""
    for name, found_here in places.items():
        if not found_here:
            checks.append(Check("root", name, SKIPPED, "nothing to compare yet", (name,)))
            continue
        other = {place: root for place, root in found_here.items() if root != common}
        seen = f"{common[:17]}… in {', '.join(found_here)}"
        if other:
            seen = (
                "; ".join(f"{place} has {root[:17]}…" for place, root in other.items()) + f", the fleet {common[:17]}…"
            )
        checks.append(
            _check(
                "root",
                name,
                not other,
                seen,
                (name,),
                "cacerts came after istiod started, or differ: proxies refuse each other's certificates",
                f"run the trust stage with --limit {name}, then restart istiod and the workloads there",
            )
        )
    for name, found in facts.items():
        for group, text, least, unit in (
            ("signer", (found.cacerts or {}).get("ca-cert.pem", ""), signer_days, "days"),
            ("leaf", found.proxy_chain, leaf_hours, "hours"),
        ):
            if not text:
                continue
            try:
                first = parse_certificates(text)[0]
            except FleetError as error:
                checks.append(
                    Check(group, name, FAILED, error.what, (name,), "it is no certificate", "run the trust stage")
                )
                continue
            hours = (first.not_valid_after_utc - now).total_seconds() / 3600
            left = days_left(first, now) if unit == "days" else int(hours)
            step = "run the trust stage" if group == "signer" else "look at the proxy's log and at istiod's"
            checks.append(
                _check(
                    group,
                    name,
                    left >= least,
                    f"{left} {unit} left",
                    (name,),
                    "it ends soon and was not renewed",
                    f"{step} with --limit {name}" if group == "signer" else step,
                )
            )
    return checks


def _roots(text: str) -> str:
    """Fingerprints of a bundle, so that its order and white space do not matter."""
    try:
        return " ".join(sorted(fingerprint(c) for c in parse_certificates(text)))
    except FleetError:
        return "unreadable"


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
        _check(
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
        checks.append(
            _check(
                "sidecar",
                name,
                found.sidecar,
                "injected" if found.sidecar else f"pod {found.probe} has none",
                (name,),
                "the injector was not ready, or no revision serves the namespace",
                f"run the control_plane stage with --limit {name}, then verify again",
            )
        )
    if found.sidecar:
        checks.append(
            _check(
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
            _check(
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


def istiod_checks(fleet: Fleet, found: Facts, facts: t.Mapping[str, Facts]) -> list[Check]:
    """Istiod's own view: what it watches, from which Secret, which endpoints and gateways it knows."""
    name = found.cluster
    watched = sorted(x for w, x in edges(fleet) if w == name)
    checks = []
    held = collections.Counter(cluster for cluster, _secret in found.remote_secrets)
    twice = [f"{c} in {', '.join(s for x, s in found.remote_secrets if x == c)}" for c, n in held.items() if n > 1]
    checks.append(
        _check(
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
            _check(
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
            _check(
                "synced",
                f"{name} ({istiod.pod})",
                not wrong,
                "; ".join(f"{x}: {s}" for x, s in wrong.items()) or (", ".join(watched) or "watches nobody"),
                (name, *wrong),
                "it cannot read that cluster's API",
                f"run the peering stage with --limit {name}",
            )
        )
        missing = [x for x in watched if x in facts and facts[x].probe and not istiod.shards.get(_host(x), {}).get(x)]
        checks.append(
            _check(
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
                _check(
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
        _check(
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


def expected_identity(fleet: Fleet, namespace: str = NAMESPACE, account: str = ACCOUNT) -> str:
    """The SPIFFE ID that a callee has to see."""
    return f"spiffe://{fleet.trust_domain}/ns/{namespace}/sa/{account}"


def talkers(fleet: Fleet, names: t.Iterable[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Ordered pairs of ``names`` that should talk, and those that should not."""
    listed = list(names)
    pairs = [(a, b) for a in listed for b in listed if a != b]
    return [p for p in pairs if may_call(fleet, *p)], [p for p in pairs if not may_call(fleet, *p)]
