# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a mesh looks like from outside: what verify proved, what istiods say, which objects are in the clusters."""

from __future__ import annotations

import json
import typing as t

from .local_fleet import STATE, Fleet

__all__ = [
    "SHARES",
    "Calls",
    "Objects",
    "calls",
    "differences",
    "measured",
    "objects",
    "proof",
    "unconnected",
    "watched",
]

Calls = dict[tuple[str, str, str], dict[str, t.Any]]
"""Calls by ``(caller, callee, service)``."""
Objects = dict[str, set[str]]
"""By cluster, its objects as ``kind/namespace/name``."""
SHARES = {
    (caller, words): share
    for caller in ("west", "east")
    for words, share in (("to east version=v3", 0.75), ("to west version=v1", 0.15), ("to west version=v2", 0.1))
}
"""What the sample's policy declares for each caller."""
# Kinds that live by themselves: what a cluster writes while nobody does anything.
UNSTEADY = ("events", "leases", "endpointslices", "endpoints", "events.events.k8s.io", "controllerrevisions")


def proof(fleet_name: str) -> dict[str, t.Any]:
    """What the last ``verify`` of a fleet wrote."""
    return dict(json.loads((STATE / fleet_name / "verify" / "verify.json").read_text()))


def calls(fleet_name: str) -> Calls:
    """The successful calls of the last ``verify`` of a fleet. Fails where that found anything wrong."""
    seen = proof(fleet_name)
    assert seen["ok"], seen
    return {(call["caller"], call["callee"], call["service"]): call for call in seen["calls"] if call["ok"]}


def measured(fleet_name: str) -> dict[tuple[str, str], dict[str, t.Any]]:
    """What the last ``verify`` of a fleet counted, by the cluster that called and the part of the calls."""
    found = proof(fleet_name)["traffic"]["measured"]
    return {(one["caller"], share["words"]): share for one in found for share in one["shares"]}


def watched(fleet: Fleet, watcher: str) -> list[list[str]]:
    """The other clusters that the istiod of ``watcher`` lists, and whether it has synced them."""
    rows = [line.split() for line in fleet.istioctl(watcher, "remote-clusters").splitlines()]
    others = [row for row in rows if row[:1] in (["west"], ["east"]) and row[0] != watcher]
    return [[row[0], *(word for word in row if word == "synced")] for row in others]


def unconnected(fleet: Fleet, cluster: str, namespace: str) -> set[str]:
    """The pods of a namespace whose sidecar its istiod does not know: for a while after that has restarted."""
    page = ("exec", "deploy/istiod", "--", "pilot-discovery", "request", "GET", "/debug/syncz")
    known = {one["proxy"] for one in json.loads(fleet.kubectl(cluster, "-n", "istio-system", *page))}
    pods = fleet.kubectl(cluster, "-n", namespace, "get", "pods", "-o", "jsonpath={.items[*].metadata.name}").split()
    return {f"{pod}.{namespace}" for pod in pods} - known


def objects(fleet: Fleet) -> Objects:
    """Every object of each cluster; pods without the random part of their names."""
    return {cluster: _objects(fleet, cluster) for cluster in fleet.regions}


def _objects(fleet: Fleet, cluster: str) -> set[str]:
    kinds = [
        kind
        for scope in ("true", "false")
        for kind in fleet.kubectl(
            cluster, "api-resources", "--verbs=list", f"--namespaced={scope}", "-o", "name"
        ).split()
        if kind.split(".")[0] not in UNSTEADY and kind not in UNSTEADY and "metrics" not in kind
    ]
    listed = fleet.kubectl(cluster, "get", ",".join(kinds), "--all-namespaces", "-o", "json", "--ignore-not-found")
    found = set()
    for item in json.loads(listed)["items"]:
        meta = item["metadata"]
        # A new cluster's controllers make accounts for themselves one by one, some of them after the node is Ready.
        account = (item["kind"], meta.get("namespace")) == ("ServiceAccount", "kube-system")
        if meta.get("ownerReferences") or (account and not meta.get("labels")):
            continue
        found.add(f"{item['kind']}/{meta.get('namespace', '')}/{meta['name']}")
    return found


def differences(fleet: Fleet, before: Objects) -> dict[str, list[str]]:
    """What was not there before, or is not there any more. Nothing is in it where all is as it was."""
    found = {cluster: sorted(now ^ before[cluster]) for cluster, now in objects(fleet).items()}
    return {cluster: differing for cluster, differing in found.items() if differing}
