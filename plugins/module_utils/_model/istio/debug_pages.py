# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What istiod knows of other clusters: its debug pages, and the log lines that show why one does not sync."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
import urllib.parse

__all__ = [
    "RemoteCluster",
    "diagnose",
    "diagnose_blocked",
    "parse_clusterz",
    "parse_entry_clusters",
    "parse_managed",
    "parse_networkz",
    "parse_secret_events",
    "parse_shards",
    "parse_trust_domains",
    "queue_blocked",
    "sync_seen",
]

SYNCED = "synced"
STUCK = "still listed, though no Secret holds it"


@dataclasses.dataclass(frozen=True)
class RemoteCluster:
    """One line of ``/debug/clusterz``. ``secret`` is ``namespace/name``, "" for istiod's own cluster."""

    name: str
    status: str
    secret: str


@dataclasses.dataclass(frozen=True)
class Gateway:
    """One line of ``/debug/networkz``: a way into a network."""

    network: str
    cluster: str
    address: str
    port: int


def _decoded(text: str) -> t.Any:
    """The pages are JSON; a proxy or an old istiod may answer with plain text instead."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def parse_clusterz(text: str) -> dict[str, RemoteCluster]:
    """``/debug/clusterz`` by cluster; empty when it is not that page."""
    found = {}
    for entry in _decoded(text) or []:
        if isinstance(entry, dict) and entry.get("id"):
            name = str(entry["id"])
            found[name] = RemoteCluster(name, str(entry.get("syncStatus") or ""), str(entry.get("secretName") or ""))
    return found


def parse_networkz(text: str) -> list[Gateway]:
    """``/debug/networkz``: the gateways that istiod sends other networks' traffic through."""
    return [
        Gateway(
            str(entry.get("Network") or ""),
            str(entry.get("Cluster") or ""),
            str(entry.get("Addr") or ""),
            int(entry.get("Port") or 0),
        )
        for entry in _decoded(text) or []
        if isinstance(entry, dict)
    ]


def parse_shards(text: str) -> dict[str, dict[str, list[str]]]:
    """``/debug/endpointShardz`` as ``{hostname: {cluster: [address, ...]}}``."""
    found: dict[str, dict[str, list[str]]] = {}
    document = _decoded(text)
    for host, namespaces in (document if isinstance(document, dict) else {}).items():
        by_cluster = found.setdefault(str(host), {})
        for shards in (namespaces or {}).values():
            for key, endpoints in ((shards or {}).get("Shards") or {}).items():
                # The key is "<registry>/<cluster>", as "Kubernetes/west".
                addresses = by_cluster.setdefault(str(key).partition("/")[2], [])
                for endpoint in endpoints or []:
                    addresses += [str(a) for a in endpoint.get("Addresses") or []]
    return found


def parse_trust_domains(text: str) -> dict[str, set[str]]:
    """``/debug/endpointShardz`` by cluster: the trust domains in the identities of its endpoints."""
    found: dict[str, set[str]] = {}
    document = _decoded(text)
    for namespaces in (document if isinstance(document, dict) else {}).values():
        for shards in (namespaces or {}).values():
            for key, endpoints in ((shards or {}).get("Shards") or {}).items():
                domains = found.setdefault(str(key).partition("/")[2], set())
                for endpoint in endpoints or []:
                    identity = re.match(r"spiffe://([^/]+)/", str(endpoint.get("ServiceAccount") or ""))
                    if identity:
                        domains.add(identity.group(1))
    return found


def parse_entry_clusters(text: str) -> set[str]:
    """``/debug/endpointShardz``: the clusters of the pods behind ServiceEntries, whose shards are ``External/west``."""
    found: set[str] = set()
    document = _decoded(text)
    for namespaces in (document if isinstance(document, dict) else {}).values():
        for shards in (namespaces or {}).values():
            for key, endpoints in ((shards or {}).get("Shards") or {}).items():
                if str(key).startswith("External/"):
                    found |= {str((endpoint.get("Locality") or {}).get("ClusterID") or "") for endpoint in endpoints}
    return found - {""}


def parse_secret_events(text: str) -> int:
    """How many events of remote secrets istiod has handled, from its metrics page."""
    found = re.findall(r"^remote_cluster_secret_events_total\{[^}]*\} (\d+)", text, re.MULTILINE)
    return sum(int(count) for count in found)


def parse_managed(text: str) -> int | None:
    """How many remote clusters istiod counted when it last finished a change of them; None: it does not say."""
    found = re.search(r'^istiod_managed_clusters\{[^}]*cluster_type="remote"[^}]*\} (\d+)', text, re.MULTILINE)
    return int(found.group(1)) if found else None


def queue_blocked(view: t.Mapping[str, RemoteCluster], managed: int | None) -> str:
    """What shows that istiod is in the middle of a change of remote secrets; "" when nothing does.

    It handles one Secret after the other, and counts its clusters at the end of each. While that count differs from
    the clusters it lists, it has not finished: for a moment this is normal, for longer istiod is blocked.
    """
    listed = sum(bool(cluster.secret) for cluster in view.values())
    if managed is None or not view or managed == listed:
        return ""
    return f"it lists {listed} remote cluster{'s' if listed != 1 else ''} and counted {managed} before"


def sync_seen(
    view: t.Mapping[str, RemoteCluster], wanted: t.Iterable[str], held: t.Container[str]
) -> tuple[bool, dict[str, str]]:
    """Whether all ``wanted`` are synced and every listed cluster has a Secret; and by cluster what is wrong.

    A cluster that stays without its Secret shows that istiod is stuck on removing it: it handles no other change
    of remote secrets either, and still reports old connections as synced.
    """
    wrong = {}
    for name in wanted:
        status = view[name].status if name in view else "istiod does not know it"
        if status != SYNCED:
            wrong[name] = status
    for name, cluster in view.items():
        if cluster.secret and name not in held:
            wrong[name] = f"{STUCK} ({cluster.status})"
    return not wrong, wrong


_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"connection refused",
        "nothing listens there, or a firewall or the API's authorized networks refuse istiod",
        "let {watcher}'s pods reach it, or set cluster_peer_endpoint of {watched}",
    ),
    (
        r"i/o timeout|context deadline exceeded|TLS handshake timeout|Client\.Timeout|no route to host|"
        r"network is unreachable",
        "packets of {watcher}'s pods get no answer: no route, a firewall, or a private endpoint",
        "allow {watcher}'s egress to it, or set cluster_peer_endpoint of {watched}",
    ),
    (
        r"x509|tls: |certificate",
        "the API server's certificate is not of the CA in the remote secret, or does not cover this address",
        "set cluster_peer_endpoint of {watched} to a name or address that its certificate covers",
    ),
    (
        r"Unauthorized|the server has asked for the client to provide credentials",
        "the token is not accepted: it has expired, or its service account was deleted and created again",
        "run the peering stage with --limit {watcher},{watched}",
    ),
    (
        r"forbidden",
        "the reader account lacks its role in {watched}",
        "run the control_plane stage with --limit {watched}",
    ),
    (
        r"no such host|server misbehaving",
        "the name is not known to {watcher}'s DNS",
        "set cluster_peer_endpoint of {watched} to a name or address that {watcher} can resolve",
    ),
)


def diagnose(log: str, watcher: str, watched: str, server: str, status: str, outside: str = "") -> tuple[str, str, str]:
    """``(seen, means, next)`` for an edge that does not sync, from istiod's newest log line with a known cause.

    Args:
        log: tail of istiod's log.
        server: the API address in the remote secret.
        status: what clusterz says.
        outside: what the controller saw at the same address, "" when it connected; used where istiod's log
            names no cause, as for refused connections.
    """
    where = urllib.parse.urlsplit(server).netloc
    marks = (f"cluster {watched}:", f"cluster[{watched}]")
    about = [
        line
        for line in log.splitlines()
        # An address may be another cluster's too, so it counts only where no cluster is named.
        if any(mark in line for mark in marks) or (where and where in line and "in cluster " not in line)
    ]
    names = {"watcher": watcher, "watched": watched}
    for line, origin in [*((line, f"istiod of {watcher}") for line in reversed(about)), (outside, "the controller")]:
        for pattern, means, advice in _CAUSES:
            found = re.search(pattern, line)
            if found:
                seen = f"{watched}'s API at {server}: {_phrase(line, found)}, from {origin}"
                return seen, means.format(**names), advice.format(**names)
    if "does not know" in status:
        return (
            f"istiod of {watcher} does not list {watched}",
            "another Secret holds this cluster, the Secret is not in istiod's namespace, or the names differ",
            f"compare istioctl remote-clusters with global.multiCluster.clusterName of {watched}",
        )
    return (
        f"istiod of {watcher} says {status} for {watched} at {server}; the controller reaches that address",
        f"a firewall, a route or a name that affects {watcher}'s pods alone; istiod does not log such a cause",
        f"allow {watcher}'s egress to it, or set cluster_peer_endpoint of {watched}",
    )


def diagnose_blocked(log: str, blocked: str, wrong: t.Mapping[str, str]) -> tuple[str, str]:
    """``(seen, means)`` for an istiod whose queue of remote secrets does not move.

    Args:
        log: tail of istiod's log.
        blocked: what :func:`queue_blocked` returned.
        wrong: by cluster, what is wrong on its page.
    """
    seen = [blocked] if blocked else []
    seen += [f"it lists {name}: {status}" for name, status in wrong.items() if status.startswith(STUCK)]
    removing = _unfinished_removal(log)
    if removing:
        seen.append(f"its log shows that it started to remove {removing}, and not that it finished")
    return (
        "; ".join(seen),
        f"it hangs while it removes {removing or 'a cluster'}, which happens if that cluster's API never answered; "
        "remote secrets written since then wait, existing connections stay",
    )


def _unfinished_removal(log: str) -> str:
    """The cluster whose removal istiod's log shows as started and not as finished; "" for none."""
    name = ""
    for line in log.splitlines():
        begun = re.search(r"Deleting cluster_id=(\S+) configured by", line)
        if begun:
            name = begun.group(1)
        elif "Number of remote clusters:" in line:
            name = ""
    return name


def _phrase(line: str, found: re.Match[str]) -> str:
    """The words around the cause, without what may be a credential."""
    after_url = line.rfind('": ', 0, found.start())
    colon = line.rfind(": ", 0, found.start())
    start = after_url + 3 if after_url >= 0 else colon + 2 if colon >= 0 else 0
    return line[start : found.end() + 120].partition(" (possibly")[0].strip()
