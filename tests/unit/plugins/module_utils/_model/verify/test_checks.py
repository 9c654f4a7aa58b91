# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each problem that users of Istio report is one named check, which fails with a next step."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.debug_pages import Gateway, RemoteCluster
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.proxy_view import parse_secrets
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.token_ends import Life
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import parse_certificates
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.certificate_checks import certificate_checks
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.checks import (
    injection_checks,
    probe_checks,
    state_checks,
    token_checks,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check, Facts, HeldToken, IstiodFacts

SECRETS = parse_secrets((Path(__file__).parents[1] / "samples" / "proxy_secrets.json").read_text())
ROOT = SECRETS.roots
OTHER = SECRETS.chain.split("-----END CERTIFICATE-----")[1] + "-----END CERTIFICATE-----\n"
FLEET = read_fleet(
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
    return state_checks(FLEET, facts, leaf_hours=1, signer_days=days)


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
    assert groups >= {
        "edges",
        "inventory",
        "istiod's cluster",
        "synced",
        "trust domain",
        "endpoints",
        "gateways known",
        "versions",
    }


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
        ("edges", lambda f: f.remote_secrets.clear()),
        ("inventory", lambda f: f.own_remote_secrets.append(("south", "istio-remote-secrets"))),
        ("istiod's cluster", lambda f: _istiod(f, clusters={"x": RemoteCluster("x", "synced", "")})),
        ("synced", lambda f: _istiod(f, clusters={"east": RemoteCluster("east", "synced", "")})),
        ("endpoints", lambda f: _istiod(f, shards={})),
        ("trust domain", lambda f: _istiod(f, trust_domains={"west": {"local.mesh", "cluster.local"}})),
        ("trust domain", lambda f: _istiod(f, trust_domains={"east": {"cluster.local"}})),
        ("gateways known", lambda f: _istiod(f, gateways=[])),
        ("clock", lambda f: setattr(f, "ahead", datetime.timedelta(minutes=3))),
        ("clock", lambda f: setattr(f, "ahead", -datetime.timedelta(hours=1))),
        ("credentials", lambda f: setattr(f, "unwanted_signer", True)),
        ("versions", lambda f: f.versions.update(istiod="pilot:1.28.0")),
        ("reachable", lambda f: setattr(f, "problem", "connection refused")),
    ],
)
def test_each_problem_fails_its_check(group: str, change: t.Callable[[Facts], None]) -> None:
    red = [c for c in checked(change) if c.state == "failed"]
    assert group in {c.group for c in red}
    for check in red:
        assert check.seen and check.means and check.next_step and check.clusters


def test_a_cluster_without_a_probe_fails() -> None:
    broken = Facts("west", probe_problem=("pods are refused", "PodSecurity", "allow them"))
    (check,) = probe_checks([broken, whole("east", "west")])
    assert (check.group, check.state, check.seen, check.next_step) == (
        "probe", "failed", "pods are refused", "allow them",
    )  # fmt: skip
    assert [c.seen for c in probe_checks([Facts("west")])] == ["no ready pod"]
    assert probe_checks([Facts("west")], dry_run=True) == []
    assert probe_checks([Facts("west", problem="gone")]) == []


def test_workloads_with_earlier_settings_fail_their_check() -> None:
    old = Facts("west", outdated={"Deployment shop/web": "network flat"}, restart="kubectl -n shop rollout restart")
    broken, good = injection_checks([old, Facts("east")])
    assert (broken.state, broken.seen, good.state) == ("failed", "Deployment shop/web has network flat", "ok")
    assert "apps_restart_outdated" in broken.next_step and broken.next_step.endswith("kubectl -n shop rollout restart")


def test_an_unreadable_cluster_keeps_the_advice_of_its_error() -> None:
    (check,) = state_checks(
        FLEET, {"west": Facts("west", problem="403", problem_next="grant it")}, leaf_hours=1, signer_days=7
    )
    assert (check.group, check.next_step) == ("reachable", "grant it")


def roots(fleet_root: str, *others: str) -> list[Check]:
    """The root checks of west, which has the root that all samples have, and of clusters that have ``OTHER``."""
    facts = {name: whole(name, "west") for name in ("west", *others)}
    for name in others:
        found = facts[name]
        found.cacerts, found.root_config, found.proxy_roots = {"root-cert.pem": OTHER}, OTHER, OTHER
    return certificate_checks(facts, leaf_hours=0, signer_days=0, fleet_root=fleet_root)


def test_the_fleets_root_is_the_one_in_its_folder() -> None:
    """Not the most frequent one: that may be the second root."""
    red = [c for c in roots(ROOT, "east", "north") if c.group == "root" and c.state == "failed"]
    assert [c.name for c in red] == ["east", "north"]
    assert all("run the trust stage" in c.next_step and "restart" not in c.next_step for c in red)


def test_without_the_folder_no_root_is_called_right() -> None:
    red = [c for c in roots("", "east", "north") if c.group == "root" and c.state == "failed"]
    assert [c.name for c in red] == ["west", "east", "north"]
    assert {c.seen for c in red} == {red[0].seen}
    assert "in west" in red[0].seen and "in east, north" in red[0].seen
    assert all("restart nothing before" in c.next_step for c in red)


def test_without_the_folder_one_root_for_all_is_right() -> None:
    assert [c.state for c in roots("") if c.group == "root"] == ["ok"]
    proxy = [c for c in checked(lambda f: setattr(f, "proxy_roots", OTHER)) if c.group == "root"]
    (east,) = [c for c in proxy if c.name == "east"]
    assert "live proxy has" in east.seen
    assert "restart istiod and the workloads there" in east.next_step


def test_certificates_that_end_soon() -> None:
    (root,) = parse_certificates(ROOT)
    days = (root.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days
    assert any(c.group == "intermediate CA" and c.state == "failed" for c in checked(days=days + 2))


def test_a_missing_edge_is_seen_while_istiod_reports_it_synced() -> None:
    red = [c for c in checked(lambda f: f.remote_secrets.clear()) if c.state == "failed"]
    (check,) = red
    assert (check.group, check.seen, check.clusters) == ("edges", "no remote secret of west", ("east", "west"))
    assert "--limit east,west" in check.next_step


def test_an_edge_to_an_unnamed_cluster_fails_its_check() -> None:
    red = [c for c in checked(lambda f: f.own_remote_secrets.append(("south", "s"))) if c.state == "failed"]
    assert [(c.group, c.seen) for c in red] == [("inventory", "remote secrets of south")]


@pytest.mark.parametrize(
    ("token", "seen"),
    [
        (HeldToken("east", True, None), ""),
        (HeldToken("east", True, Life(10_000)), ""),
        (HeldToken("east", True, Life(8_000)), "ends at 1970-01-01 02:13 UTC, before a run of peering in 2 h"),
        (HeldToken("east", True, Life(900)), "ended at 1970-01-01 00:15 UTC"),
        (HeldToken("east", True, None, refused=True), "is refused by its API server"),
        (HeldToken("east", True, Life(1_000)), "ended at 1970-01-01 00:16 UTC"),
        (HeldToken("east", True, Life(8_200)), ""),
        # Somebody else renews it, as often as he likes.
        (HeldToken("east", False, Life(1_001)), ""),
        (HeldToken("east", False, Life(999)), "ended at"),
    ],
)
def test_tokens_live_until_the_next_run(token: HeldToken, seen: str) -> None:
    (check,) = token_checks([Facts("west", tokens=[token])], run_every=7200, now=1000)
    assert (check.state, check.clusters) == ("failed" if seen else "ok", ("west",))
    assert check.seen.startswith(f"that of east {seen}") if seen else "that of" not in check.seen
    assert bool(check.next_step) is bool(seen)


def of_east(group: str, change: t.Callable[[Facts], None] = lambda _: None) -> list[Check]:
    return [c for c in checked(change) if c.group == group and c.name in ("east", "east (istiod-x)")]


@pytest.mark.parametrize(
    ("group", "change", "seen"),
    [
        ("network", lambda f: None, "east in namespace, gateway Service, proxy"),
        ("network", lambda f: setattr(f, "gateway_network", None), "east in namespace, proxy"),
        ("network", lambda f: setattr(f, "proxy_network", "x"), "proxy has x, the inventory east"),
        ("gateway address", lambda f: None, "192.0.2.9"),
        ("gateway address", lambda f: setattr(f, "gateway_address", ""), "pending"),
        ("remote secrets", lambda f: None, "1, each cluster once"),
        ("remote secrets", lambda f: f.remote_secrets.append(("west", "s2")), "west in istio-remote-secrets, s2"),
        ("synced", lambda f: None, "west"),
        ("synced", lambda f: f.istiods[0].clusters.pop("west"), "west: not in its list"),
        (
            "synced",
            lambda f: f.istiods[0].clusters.update(west=RemoteCluster("west", "timeout", "s")),
            "west: timeout",
        ),
        ("trust domain", lambda f: None, "local.mesh for every pod"),
        (
            "trust domain",
            lambda f: _istiod(f, trust_domains={"east": {"local.mesh"}, "west": {"b", "a", "local.mesh"}}),
            "pods of west under a, b",
        ),
        ("endpoints", lambda f: None, "of west"),
        ("endpoints", lambda f: _istiod(f, shards={}), "none of west"),
        ("gateways known", lambda f: None, "west by 192.0.2.1:15443"),
        (
            "gateways known",
            lambda f: f.istiods[0].gateways.append(Gateway("elsewhere", "x", "192.0.2.2", 1)),
            "west by 192.0.2.1:15443",
        ),
        ("gateways known", lambda f: _istiod(f, gateways=[]), "none into west"),
        ("edges", lambda f: None, "of west"),
        ("inventory", lambda f: None, "names every cluster that is watched"),
        ("istiod's cluster", lambda f: None, "its name for itself is east"),
        ("cluster name", lambda f: None, "proxies have east"),
        ("sidecar", lambda f: None, "injected"),
    ],
)
def test_what_a_check_has_seen(group: str, change: t.Callable[[Facts], None], seen: str) -> None:
    assert [c.seen for c in of_east(group, change)] == [seen]


@pytest.mark.parametrize(
    ("group", "change"),
    [
        ("gateway address", lambda f: setattr(f, "gateway_address", None)),
        ("sidecar", lambda f: setattr(f, "probe", "")),
        ("cluster name", lambda f: setattr(f, "sidecar", False)),
    ],
)
def test_what_is_not_there_is_not_checked(group: str, change: t.Callable[[Facts], None]) -> None:
    assert of_east(group, change) == []


def test_a_wrong_trust_domain_is_attributed_once_to_each_cluster() -> None:
    for domains, about in (
        ({"east": {"a"}}, ("east",)),
        ({"west": {"a"}}, ("east", "west")),
        ({"east": {"a"}, "west": {"a"}}, ("east", "west")),
    ):
        (check,) = of_east("trust domain", lambda f, domains=domains: _istiod(f, trust_domains=domains))
        assert check.clusters == about
        assert f"--limit {','.join(about)};" in check.next_step


def test_only_read_clusters_with_a_probe_need_endpoints() -> None:
    alone = whole("west", "east")
    alone.istiods[0].shards = {}
    silent = Facts("east")
    for facts in ({"west": alone}, {"west": alone, "east": silent}):
        checks = state_checks(FLEET, facts, leaf_hours=1, signer_days=0)
        assert [c.state for c in checks if (c.group, c.name) == ("endpoints", "west (istiod-x)")] == ["ok"]
    alone.istiods[0].shards = {"probe-east.mesh-verify.svc.cluster.local": {"another": ["10.0.0.1"]}}
    checks = state_checks(FLEET, {"west": alone, "east": whole("east", "west")}, leaf_hours=1, signer_days=0)
    assert [c.seen for c in checks if (c.group, c.name) == ("endpoints", "west (istiod-x)")] == ["none of east"]


MIXED = read_fleet(
    {
        "google": {"cluster_provider": "gke", "gke_project": "p", "mesh_control_plane": "managed"},
        "west": {"cluster_provider": "kubeconfig", "mesh_network": "flat"},
        "east": {"cluster_provider": "kubeconfig", "mesh_network": "flat"},
        "edge": {
            "cluster_provider": "kubeconfig",
            "mesh_network": "flat",
            "mesh_role": "remote",
            "mesh_primary": "west",
        },
    }
)


def test_each_control_plane_is_checked_for_what_it_shows() -> None:
    google = Facts("google", probe="probe-x", proxy_roots=OTHER, root_config=OTHER)
    facts = {"google": google, "west": whole("west", "east"), "edge": whole("edge", "west")}
    checks = state_checks(MIXED, facts, leaf_hours=1, signer_days=0, fleet_root=ROOT)
    of = {name: {c.group: c for c in checks if c.clusters[:1] == (name,)} for name in facts}
    assert of["google"].keys() == {"control plane", "sidecar", "credentials"}
    assert (of["google"]["control plane"].state, of["google"]["sidecar"].state) == ("skipped", "failed")
    assert "run the gke_fleet stage with --limit google" in of["google"]["sidecar"].next_step
    assert "edges" in of["west"] and "network" in of["edge"] and "edges" not in of["edge"]
    assert "gateways known" not in of["west"]
    google.probe = ""
    checks = state_checks(MIXED, {"google": google}, leaf_hours=1, signer_days=0)
    assert [c.group for c in checks] == ["control plane", "credentials"]


def test_the_fleets_root_is_passed_on() -> None:
    facts = {"west": whole("west", "east")}
    checks = state_checks(FLEET, facts, leaf_hours=1, signer_days=0, fleet_root=OTHER)
    assert [c.state for c in checks if c.group == "root"] == ["failed"]


def test_an_unread_cluster_is_not_asked_for_its_sidecars() -> None:
    assert injection_checks([Facts("west", problem="gone")]) == []


def test_versions_may_differ_by_one_minor() -> None:
    def versions(**running: str) -> Check:
        facts = {name: Facts(name, versions={"istiod": version}) for name, version in running.items()}
        (check,) = (c for c in state_checks(FLEET, facts, leaf_hours=1, signer_days=0) if c.group == "versions")
        return check

    good = versions(west="hub:5000/pilot:1.30.4", east="pilot:1.31.1")
    assert (good.state, good.seen, good.clusters) == ("ok", "west 1.30.4, east 1.31.1", ())
    apart = versions(west="pilot:1.29.0", east="pilot:1.31.1")
    assert (apart.state, apart.clusters) == ("failed", ("east", "west"))
    unknown = state_checks(FLEET, {"west": Facts("west")}, leaf_hours=1, signer_days=0)
    assert "versions" not in {c.group for c in unknown}
