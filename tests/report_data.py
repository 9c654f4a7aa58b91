# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fleet for tests, figures and pictures of the report: what the inventory says, what verify found, what a run did.

Always the same for the same number of clusters. With ``faults`` one cluster has lost an edge, and the run failed there.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.report.declared import declared

NOW = datetime.datetime(2026, 11, 27, 9, 30, tzinfo=datetime.UTC)
REGIONS = ("eu-central-1", "us-east-1", "ap-south-1", "eu-north-1", "us-west-2")
CITIES = ("fra", "iad", "bom", "arn", "pdx")
ROOT = "4c:a8:47:c6:05:1f:9e:72:b3:d8:60:2a:ee:14:97:5b:0c:83:f1:46:da:29:b5:7e:38:c4:61:9f:02:ab:d7:5e"


def names(count: int) -> list[str]:
    """``fra``, ``iad``, …, then ``fra-2`` and so on."""
    laps = [f"{city}-{lap}" if lap > 1 else city for lap in range(1, count // 5 + 2) for city in CITIES]
    return laps[:count]


def fleet_data(count: int) -> dict[str, t.Any]:
    """What the inventory says of a fleet of so many clusters."""
    shared = {
        "fleet_name": "shop",
        "mesh_id": "shop",
        "mesh_trust_domain": "shop.example",
        "cluster_provider": "kubeconfig",
        "mesh_exports": [{"service": "orders.shop", "to": "all"}, {"service": "stock.shop", "to": names(2)}],
        "mesh_traffic": [
            {
                "service": "orders.shop",
                "split": [
                    {"weight": 90, "labels": {"version": "v1"}},
                    {"weight": 10, "labels": {"version": "v2"}},
                ],
            }
        ],
    }
    hosts = {
        name: {
            **shared,
            "cluster_kubeconfig": "k",
            "cluster_region": REGIONS[number % 5],
            "mesh_network": f"net-{CITIES[number % 5]}",
        }
        for number, name in enumerate(names(count))
    }
    return declared(read_fleet(hosts, None))


def verified(count: int, *, faults: bool = False) -> dict[str, t.Any]:
    """verify's document."""
    known = names(count)
    lost = {(known[0], known[1])} if faults else set()
    pairs = [(a, b) for a in known for b in known if a != b]
    call = {"service": "", "expected": True, "ok": True, "seen": "", "path": "gateway", "status": 200}
    call |= {"latency_ms": 0.0, "means": "", "next_step": "", "said": "", "identity": ""}
    calls = [
        {
            **call,
            "caller": a,
            "callee": b,
            "service": f"probe-{b}",
            "ok": (a, b) not in lost,
            "status": 0 if (a, b) in lost else 200,
            "latency_ms": 8.0 + (7 * known.index(a) + 13 * known.index(b)) % 90,
            "seen": "no answer in 3000 ms" if (a, b) in lost else "200",
            "identity": "" if (a, b) in lost else "spiffe://shop.example/ns/mesh-verify/sa/verify-probe",
        }
        for a, b in pairs
    ]
    check = {"group": "leaf", "state": "ok", "seen": "23 hours left", "means": "", "next_step": ""}
    checks = [{**check, "name": name, "clusters": [name]} for name in known for _kind in range(12)]
    for watcher, watched in lost:
        checks.append(
            {
                "group": "synced",
                "name": f"{watcher} (istiod-6d9f)",
                "state": "failed",
                "seen": f"{watched} is syncing",
                "clusters": [watcher, watched],
                "means": f"the istiod of {watcher} does not reach the API server of {watched}",
                "next_step": f"compare peer_endpoint of {watched}; then run the peering stage with --limit {watcher}",
            }
        )
    return {
        "fleet": "shop",
        "started": "2026-11-27T09:28:40+00:00",
        "seconds": 41.2,
        "ok": not lost,
        "calls": calls,
        "checks": checks,
        "pages": {},
        "traffic": {
            "test": "exact binomial test",
            "alpha": 0.001,
            "tests": 4,
            "level": 0.00025,
            "measured": [_measured(name, 90 - 3 * number) for number, name in enumerate(known[:2])],
            "not_measured": {},
        },
        "mesh": {name: _mesh(number, name, known, lost) for number, name in enumerate(known)},
    }


def _measured(caller: str, share: int) -> dict[str, t.Any]:
    shares = [("to version=v1", 0.9, 4 * share), ("to version=v2", 0.1, 400 - 4 * share)]
    return {
        "policy": "orders.shop",
        "entry": "mesh_traffic[0]",
        "route": 0,
        "caller": caller,
        "name": f"orders.shop from {caller}",
        "calls": 400,
        "failed": 0,
        "differences": [],
        "shares": [
            {
                "kind": "split",
                "words": words,
                "declared": part,
                "count": n,
                "of": 400,
                "p": 0.3,
                "late": 0,
                "p_late": 0.3,
            }
            for words, part, n in shares
        ],
    }


def _mesh(number: int, name: str, known: list[str], lost: set[tuple[str, str]]) -> dict[str, t.Any]:
    def after(days: float) -> str:
        return (NOW + datetime.timedelta(days=days)).isoformat(timespec="seconds")

    return {
        "problem": "",
        "trust_domain": "shop.example",
        "versions": {"istiod": "1.31.1"},
        "eastwest": f"198.51.100.{10 + number}",
        "ingress": f"203.0.113.{10 + number}",
        "root": ROOT,
        "certificates": {"intermediate CA": after(700 - 5 * number), "leaf": after(0.95)},
        "watches": {
            other: {"declared": True, "secret": True, "state": "syncing" if (name, other) in lost else "synced"}
            for other in known
            if other != name
        },
        "tokens": [
            {"cluster": other, "ends": after(24 + (3 * number) % 5), "ours": True, "refused": False}
            for other in known
            if other != name
        ],
    }


def run_records(count: int, *, faults: bool = False) -> list[dict[str, t.Any]]:
    """The lines of the last run; with faults it failed in peering, so later stages were not reached by all."""
    known = names(count)
    edges = count * (count - 1)

    def line(minute: int, stage: str, text: str, changed: t.Sequence[tuple[str, str]] = ()) -> dict[str, t.Any]:
        objects = [
            {"cluster": known[0], "kind": kind, "namespace": "istio-system", "name": kind.lower(), "action": action}
            for kind, action in changed
        ]
        return {
            "time": f"2026-11-27T09:{minute:02}:10+00:00",
            "stage": stage,
            "host": "",
            "seconds": round(0.1 * minute * minute % 38, 1),
            "line": text,
            "failed": False,
            "failures": [],
            "missing": {},
            "changed": len(objects),
            "objects": objects,
            "problems": {},
        }

    records = [
        line(20, "preflight", f"{count} clusters, {edges} directed peers"),
        line(21, "trust", "root SHA256 4c:a8:47:c6…", [("Secret", "created")] * count),
        line(23, "control_plane", " · ".join(f"{name} 1.31.1" for name in known[:6]), [("Release", "changed")] * count),
        line(25, "peering", f"{edges} edges: {edges} added · all synced", [("Secret", "created")] * count),
    ]
    if faults:
        problem = {
            "what": f"its istiod does not sync {known[1]}",
            "cluster": known[0],
            "object": f"Secret istio-system/istio-remote-secret-{known[1]}",
            "seen": "syncing for 120 s; istiod's log: dial tcp 10.2.0.2:443: i/o timeout",
            "means": f"the istiod of {known[0]} does not reach the API server of {known[1]}",
            "next": f"set peer_endpoint of {known[1]} to an address that {known[0]} reaches, then run peering again",
        }
        records[-1] |= {
            "line": f"{edges} edges: {edges} added",
            "problems": {known[0]: [problem]},
            "failures": [known[0]],
        }
        return records
    return [
        *records,
        line(27, "gateways", f"{count} gateways have an address"),
        line(29, "verify", "every check passed"),
    ]
