# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each problem that users of Istio report is one named check, which fails with a next step."""

from __future__ import annotations

import datetime
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import Gateway, RemoteCluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_view import parse_secrets
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import parse_certificates
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify import checks as vc
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify import report
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check, Facts, IstiodFacts
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads import probe

SECRETS = parse_secrets((Path(__file__).parents[1] / "samples" / "proxy_secrets.json").read_text())
ROOT = SECRETS.roots
OTHER = SECRETS.chain.split("-----END CERTIFICATE-----")[1] + "-----END CERTIFICATE-----\n"
FLEET = Fleet.from_inventory(
    {
        name: {"cluster_provider": "kubeconfig", "mesh_network": "per_cluster", "mesh_trust_domain": "local.mesh"}
        for name in ("west", "east")
    }
)


def whole(name: str, other: str) -> Facts:
    istiod = IstiodFacts(
        "istiod-x",
        {name: RemoteCluster(name, "synced", ""), other: RemoteCluster(other, "synced", "istio-system/s")},
        [Gateway(other, other, "192.0.2.1", 15443)],
        {f"probe-{other}.mesh-verify.svc.cluster.local": {other: ["10.0.0.1"]}},
        {name: {"local.mesh"}, other: set(), "a cluster of another fleet": {"other.mesh"}},
    )
    return Facts(
        name,
        versions={"istiod": "pilot:1.31.1"},
        cacerts={"root-cert.pem": ROOT, "ca-cert.pem": ROOT},
        root_config=ROOT,
        namespace_network=name,
        gateway_network=name,
        gateway_address="192.0.2.9",
        remote_secrets=[(other, "istio-remote-secrets")],
        istiods=[istiod],
        probe="probe-x",
        probe_ip="10.0.0.7",
        sidecar=True,
        proxy_cluster=name,
        proxy_network=name,
        proxy_roots=ROOT,
        proxy_endpoints={other: ["192.0.2.1:15443"]},
    )


def checked(change: t.Callable[[Facts], None] = lambda _: None, *, days: int = 7) -> list[Check]:
    facts = {"west": whole("west", "east"), "east": whole("east", "west")}
    change(facts["east"])
    return vc.state_checks(FLEET, facts, leaf_hours=1, signer_days=days)


def test_a_whole_mesh_passes() -> None:
    checks = checked()
    assert [c for c in checks if c.state != "ok"] == []
    groups = {c.group for c in checks}
    assert groups >= {
        "root",
        "intermediate CA",
        "network",
        "sidecar",
        "cluster name",
        "gateway address",
        "remote secrets",
    }
    assert groups >= {"istiod's cluster", "synced", "trust domain", "endpoints", "gateways known", "versions"}


def _istiod(facts: Facts, **values: t.Any) -> None:
    for key, value in values.items():
        setattr(facts.istiods[0], key, value)


@pytest.mark.parametrize(
    ("group", "change"),
    [
        ("root", lambda f: setattr(f, "proxy_roots", OTHER)),
        ("root", lambda f: setattr(f, "root_config", OTHER)),
        ("root", lambda f: setattr(f, "cacerts", {"root-cert.pem": OTHER})),
        ("network", lambda f: setattr(f, "namespace_network", None)),
        ("network", lambda f: setattr(f, "proxy_network", "other")),
        ("network", lambda f: setattr(f, "gateway_network", "no label")),
        ("sidecar", lambda f: setattr(f, "sidecar", False)),
        ("cluster name", lambda f: setattr(f, "proxy_cluster", "Kubernetes")),
        ("gateway address", lambda f: setattr(f, "gateway_address", "")),
        ("remote secrets", lambda f: f.remote_secrets.append(("west", "istio-remote-secret-west"))),
        ("istiod's cluster", lambda f: _istiod(f, clusters={"x": RemoteCluster("x", "synced", "")})),
        ("synced", lambda f: _istiod(f, clusters={"east": RemoteCluster("east", "synced", "")})),
        ("endpoints", lambda f: _istiod(f, shards={})),
        ("trust domain", lambda f: _istiod(f, trust_domains={"west": {"local.mesh", "cluster.local"}})),
        ("trust domain", lambda f: _istiod(f, trust_domains={"east": {"cluster.local"}})),
        ("gateways known", lambda f: _istiod(f, gateways=[])),
        ("versions", lambda f: f.versions.update(istiod="pilot:1.28.0")),
        ("reachable", lambda f: setattr(f, "problem", "connection refused")),
    ],
)
def test_each_problem_fails_its_check(group: str, change: t.Callable[[Facts], None]) -> None:
    red = [c for c in checked(change) if c.state == "failed"]
    assert group in {c.group for c in red}
    for check in red:
        assert check.seen and check.means and check.next_step and check.clusters


def test_certificates_that_end_soon() -> None:
    (root,) = parse_certificates(ROOT)
    days = (root.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days
    assert any(c.group == "intermediate CA" and c.state == "failed" for c in checked(days=days + 2))


def test_the_path_is_where_the_proxy_sends_calls() -> None:
    west, east = whole("west", "east"), whole("east", "west")
    assert vc.path_of(FLEET, west, east) == "gateway"
    west.proxy_endpoints["east"] = ["10.0.0.7:8080"]
    assert vc.path_of(FLEET, west, east) == "direct"
    west.proxy_endpoints = {}
    assert vc.path_of(FLEET, west, east) == ""
    assert vc.path_of(FLEET, west, west) == "local"


def test_every_name_leads_to_one_cluster() -> None:
    objects = probe.probe_objects(FLEET, FLEET.clusters["west"], {"sample.py": ""}, image="x", created=True)
    services = {o["metadata"]["name"]: o["spec"]["selector"] for o in objects if o["kind"] == "Service"}
    assert services == {f"probe-{name}": {"app": "probe", "mesh.fleet/cluster": name} for name in ("west", "east")}
    (pods,) = [o["spec"]["template"]["metadata"]["labels"] for o in objects if o["kind"] == "Deployment"]
    assert [n for n, s in services.items() if s.items() <= pods.items()] == ["probe-west"]


def test_sidecars_of_probes_log_calls_where_istiod_is_ours() -> None:
    remote = {"cluster_provider": "kubeconfig", "mesh_role": "remote", "mesh_primary": "west"}
    fleet = Fleet.from_inventory({"west": {"cluster_provider": "kubeconfig"}, "edge": remote})
    logging = probe.access_log(fleet, fleet.clusters["west"])
    assert logging and logging["metadata"]["namespace"] == "mesh-verify"
    assert logging["metadata"]["labels"] == probe.LABELS
    assert probe.access_log(fleet, fleet.clusters["edge"]) is None


CALLS = [
    report.Call("west", "east", "probe-east", True, True, "s", "spiffe://x", "gateway", 200, 12.4),
    report.Call("east", "west", "probe-west", False, False, "answered \x00 200", means="m", next_step="n"),
]


def test_table_junit_and_document() -> None:
    checks = [*checked(), *(c.as_check() for c in CALLS)]
    lines = report.table(CALLS, {"west": "http://192.0.2.5/"})
    assert "west → east" in lines[1] and "spiffe://x" in lines[1] and "gateway" in lines[1]
    assert lines[-1] == "sample page in west: http://192.0.2.5/"
    long = report.Call("west", "east", "probe-east", True, False, "503 from west's sidecar: " + "x" * 300)
    assert max(len(line) for line in report.table([long], {})) < 130
    assert "…" in report.table([long], {})[1]
    assert report.summary(CALLS, checks).startswith("1/2 calls · 1 of ")
    assert report.summary(CALLS[:1], checks[:3]) == "1/1 calls · identities as expected · 3 checks"
    root = ET.fromstring(report.junit("f", 1.0, checks).encode())
    assert len(root.findall(".//testcase")) == len(checks)
    assert len(root.findall(".//failure")) == 1
    document = report.as_document("f", "t", 1, CALLS, checks, {})
    assert document["ok"] is False
    (error,) = (report.as_error(c, "east") for c in checks if c.state == "failed")
    assert str(error).startswith('east: check "no call" failed: east → west') and "next   n" in str(error)
