# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What istiod and proxies say, read from pages recorded on two real clusters."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio import debug_pages as iv
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_view import endpoints_of, parse_secrets
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import parse_certificates

SAMPLES = Path(__file__).parents[1] / "samples"


def sample(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf-8")


def test_clusterz() -> None:
    view = iv.parse_clusterz(sample("clusterz.json"))
    assert view["west"] == iv.RemoteCluster("west", "synced", "")
    assert view["east"].secret == "istio-system/istio-remote-secrets"
    assert iv.sync_seen(view, ["east"], {"east", "denied"}) == (True, {})
    done, wrong = iv.sync_seen(view, ["denied", "south"], {"denied"})
    assert not done
    assert wrong == {
        "denied": "timeout",
        "south": "istiod does not know it",
        "east": "still listed, though no Secret holds it (synced)",
    }


REMOVAL = """\
info\tprocessing remote config event for istio-system/istio-remote-secrets
info\tDeleting cluster_id=drops configured by secret=istio-system/istio-remote-secrets
info\tads\tPush debounce stable
"""


def test_an_istiod_stuck_on_a_removal_lists_its_orphan() -> None:
    seen, means = iv.diagnose_blocked(REMOVAL, "", {"gone": f"{iv.STUCK} (timeout)", "east": "syncing"})
    assert "it lists gone: still listed, though no Secret holds it (timeout)" in seen
    assert "east" not in seen
    assert "started to remove drops, and not that it finished" in seen
    assert "hangs while it removes drops" in means


def test_an_istiod_stuck_without_an_orphan_is_seen_by_its_count() -> None:
    view = iv.parse_clusterz(sample("clusterz.json"))
    listed = sum(bool(c.secret) for c in view.values())
    assert listed > 1
    metrics = 'istiod_managed_clusters{{cluster_type="local"}} 1\nistiod_managed_clusters{{cluster_type="remote"}} {}\n'
    assert iv.queue_blocked(view, iv.parse_managed(metrics.format(listed))) == ""
    blocked = iv.queue_blocked(view, iv.parse_managed(metrics.format(listed + 1)))
    assert blocked == f"it lists {listed} remote clusters and counted {listed + 1} before"
    seen, means = iv.diagnose_blocked(REMOVAL + "info\tNumber of remote clusters: 2\n", blocked, {})
    assert seen == blocked
    assert "removes a cluster, which happens if that cluster's API never answered" in means


def test_an_istiod_that_does_not_count_is_not_called_blocked() -> None:
    view = iv.parse_clusterz(sample("clusterz.json"))
    assert iv.parse_managed("# HELP istiod_managed_clusters Number\n") is None
    assert iv.queue_blocked(view, None) == ""
    assert iv.queue_blocked({}, 2) == ""


def test_events_of_secrets_are_counted() -> None:
    text = (
        'remote_cluster_secret_events_total{event="add"} 2\n'
        'remote_cluster_secret_events_total{event="update"} 3\n'
        'remote_cluster_sync_timeouts_total{cluster="denied"} 1\n'
    )
    assert iv.parse_secret_events(text) == 5


def test_shards() -> None:
    shards = iv.parse_shards(sample("endpointShardz.json"))
    found = shards["istiod.istio-system.svc.cluster.local"]
    assert set(found) == {"east", "west"}
    assert all(address.startswith("10.17.") for address in found["east"])


def test_trust_domains_of_the_pods_that_istiod_knows() -> None:
    assert iv.parse_trust_domains(sample("endpointShardz.json")) == {"east": {"local.mesh"}, "west": {"local.mesh"}}
    late = sample("endpointShardz.json").replace("spiffe://local.mesh", "spiffe://cluster.local", 1)
    assert iv.parse_trust_domains(late) == {"east": {"local.mesh", "cluster.local"}, "west": {"local.mesh"}}
    assert iv.parse_trust_domains("null") == iv.parse_trust_domains("Unauthorized") == {}


def test_networkz() -> None:
    assert iv.parse_networkz("null\n") == []
    text = '[{"Network":"n2","Cluster":"east","Addr":"10.90.2.1","Port":15443,"HBONEPort":0}]'
    assert iv.parse_networkz(text) == [iv.Gateway("n2", "east", "10.90.2.1", 15443)]


@pytest.mark.parametrize("text", ["", "Unauthorized", "null", "[]", "{}", "[1]", '{"a": null}'])
def test_other_answers_are_empty(text: str) -> None:
    assert iv.parse_clusterz(text) == {}
    assert iv.parse_networkz(text) == []
    assert all(v == {} for v in iv.parse_shards(text).values())
    assert parse_secrets(text).roots == ""


@pytest.mark.parametrize(
    ("cluster", "server", "seen", "step"),
    [
        ("denied", "https://10.90.0.3:6443", "Unauthorized", "run the peering stage with --limit west,denied"),
        ("otherca", "https://10.90.0.3:6443", "signed by unknown authority", "its certificate covers"),
        ("drops", "https://10.255.255.1:6443", "doesn't contain any IP SANs", "its certificate covers"),
        ("noname", "https://api.nowhere.example:6443", "lookup api.nowhere.example", "cluster_peer_endpoint of noname"),
    ],
)
def test_istiods_log_names_the_cause(cluster: str, server: str, seen: str, step: str) -> None:
    found = iv.diagnose(sample("istiod.log"), "west", cluster, server, "timeout")
    assert seen in found[0]
    assert found[0].endswith("from istiod of west")
    assert step in found[2]


def test_where_its_log_is_silent_the_controller_tells() -> None:
    log = sample("istiod.log")
    refused = iv.diagnose(log, "west", "refused", "https://10.90.0.3:7", "timeout", "connection refused")
    assert refused[0] == "refused's API at https://10.90.0.3:7: connection refused, from the controller"
    assert "authorized networks" in refused[1]
    silent = iv.diagnose(log, "west", "refused", "https://10.90.0.3:7", "timeout")
    assert "the controller reaches that address" in silent[0]
    unknown = iv.diagnose(log, "west", "south", "https://x", "istiod does not know it")
    assert "does not list south" in unknown[0]


def test_a_live_proxys_certificates() -> None:
    found = parse_secrets(sample("proxy_secrets.json"))
    assert "PRIVATE" not in found.roots + found.chain
    (root,) = parse_certificates(found.roots)
    leaf, *issuers = parse_certificates(found.chain)
    assert leaf.issuer == issuers[0].subject
    assert issuers[0].issuer == root.subject


def test_where_a_proxy_sends_calls() -> None:
    host = "probe-east.mesh-verify.svc.cluster.local"
    assert endpoints_of(sample("clusters.txt"), host, 8080) == ["10.17.0.10:8080"]
    assert endpoints_of(sample("clusters.txt"), host, 80) == []
