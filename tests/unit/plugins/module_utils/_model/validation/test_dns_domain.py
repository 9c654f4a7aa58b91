# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which DNS domain a cluster has, as distributions serve it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.clusterset_dns import zone_block
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.corefile import Server
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.dns_domain import (
    Dns,
    check_clusterset_zone,
    check_dns_domain,
    is_ready,
    said_domains,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

WEST = read_fleet({"west": {"cluster_provider": "kubeconfig"}}).clusters["west"]
CACHE = {
    "metadata": {"namespace": "kube-system", "name": "node-local-dns"},
    "data": {"Corefile": "corp.example:53 {\n    forward . 10.96.0.10\n}\n"},
}
OTHER = {"metadata": {"namespace": "kube-system", "name": "extension-apiserver-authentication"}}


def coredns(zones: str, name: str = "coredns", namespace: str = "kube-system") -> dict[str, t.Any]:
    corefile = f".:53 {{\n    errors\n    kubernetes {zones} {{\n        pods insecure\n    }}\n}}\n"
    return {"metadata": {"namespace": namespace, "name": name}, "data": {"Corefile": corefile}}


def kube_dns(*args: str) -> dict[str, t.Any]:
    """As GKE runs it."""
    containers = [{"name": "kubedns", "args": list(args)}, {"name": "sidecar", "args": ["--v=2"]}]
    return {
        "metadata": {"namespace": "kube-system", "name": "kube-dns"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }


def kubelet(domain: str) -> Dns:
    return Dns([CACHE], [kube_dns()], "n1", {"kubeletconfig": {"clusterDomain": domain}})


def two_servers(first: str, second: str) -> dict[str, t.Any]:
    """A Corefile in which each zone has a server block of its own."""
    found, other = coredns(first), coredns(second)
    found["data"]["Corefile"] += other["data"]["Corefile"].replace(".:53", "cluster.local:53")
    return found


LOCAL = "cluster.local in-addr.arpa ip6.arpa"


@pytest.mark.parametrize(
    "dns",
    [
        Dns([OTHER, CACHE, coredns(LOCAL)]),
        Dns([coredns("corp.example cluster.local.")]),
        Dns([coredns(f"cluster.local  {LOCAL}", "rke2-coredns-rke2-coredns")]),
        Dns([two_servers("corp.example in-addr.arpa", "cluster.local")]),
        Dns([coredns(LOCAL, "dns-default", "openshift-dns")]),
        Dns(servers=[kube_dns("--domain=cluster.local.", "--dns-port=10053")]),
        kubelet("cluster.local"),
    ],
    ids=["kubeadm", "two zones", "RKE2", "two server blocks", "OpenShift", "GKE's kube-dns", "kubelet"],
)
def test_the_domain_that_names_are_made_for_is_taken(dns: Dns) -> None:
    assert said_domains(dns)
    assert check_dns_domain(WEST, dns) == []


@pytest.mark.parametrize(
    ("dns", "obj", "seen"),
    [
        (Dns([CACHE, coredns("corp.example")]), "ConfigMap kube-system/coredns", "corp.example"),
        (Dns([two_servers("corp.example", "corp.example b")]), "ConfigMap kube-system/coredns", "corp.example b"),
        (Dns([coredns("a b", "rke2-coredns-rke2-coredns")]), "ConfigMap kube-system/rke2-coredns-rke2-coredns", "a b"),
        (Dns([coredns("corp.example", "dns-default", "openshift-dns")]), "ConfigMap openshift-dns/dns-default",
         "corp.example"),
        (Dns(servers=[kube_dns("--v=2", "--domain=corp.example.")]),
         "Deployment kube-system/kube-dns", "corp.example."),
        (kubelet("corp.example"), "kubelet of node n1", "corp.example"),
    ],
)  # fmt: skip
def test_another_one_is_refused_with_who_says_so(dns: Dns, obj: str, seen: str) -> None:
    with pytest.raises(FleetError, match="DNS domain is not") as refused:
        check_dns_domain(WEST, dns)
    assert (refused.value.cluster, refused.value.obj, refused.value.seen) == ("west", obj, seen)


@pytest.mark.parametrize("answer", [None, {}, {"kubeletconfig": {}}])
def test_one_that_nobody_says_is_said_to_be_unknown(answer: dict[str, t.Any] | None) -> None:
    dns = Dns([CACHE], [kube_dns()], "n1", answer)
    assert said_domains(dns) == []
    (warning,) = check_dns_domain(WEST, dns)
    assert warning.startswith("west: its DNS domain is not known: no Corefile in kube-system or openshift-dns")
    assert "the kubelet of n1 could not be asked (nodes/proxy)" in warning
    assert check_dns_domain(WEST, Dns([CACHE])) == [], "without nodes no pod asks"


def test_a_node_that_is_down_is_not_asked() -> None:
    ready = {"type": "Ready", "status": "True"}
    assert is_ready({"status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, ready]}})
    for conditions in ([], [{**ready, "status": "Unknown"}], [{"type": "PIDPressure", "status": "True"}]):
        assert not is_ready({"status": {"conditions": conditions}})
    assert not is_ready({})


@pytest.mark.parametrize("bare", ["kubernetes", "kubernetes {", "kubernetes  "])
def test_a_plugin_without_zones_says_nothing(bare: str) -> None:
    """It serves the zones of its server block."""
    found = coredns("corp.example")
    found["data"]["Corefile"] += f"cluster.local:53 {{\n    {bare}\n    forward . 10.0.0.1\n}}\n"
    assert said_domains(Dns([found])) == []


ZONE = "clusterset.local:53 {\n    forward . 10.1.1.1\n}\n"
OURS = zone_block({"orders.shop.svc.clusterset.local": ["10.1.2.3"]}, "prod", Server(), views=True)


def zone_warnings(text: str, key: str = "Corefile", **variables: t.Any) -> list[str]:
    """What is said of a cluster with a service exported to all, and with a further text in its DNS."""
    given = {"cluster_provider": "kubeconfig", "fleet_name": "prod", "mesh_exports": [{"service": "orders.shop"}]}
    fleet = read_fleet({"west": {**given, **variables}, "east": given})
    found = coredns(LOCAL)
    found["data"][key] = found["data"].get(key, "") + text
    return check_clusterset_zone(fleet, fleet.clusters["west"], Dns([OTHER, found]))


def test_a_zone_that_others_serve_is_told_where_services_come() -> None:
    where = "ConfigMap kube-system/coredns, Corefile, line 7: clusterset.local:53 {"
    assert where in zone_warnings(ZONE)[0]
    assert "x.server, line 1" in zone_warnings(ZONE, "x.server")[0]
    assert where in zone_warnings(f"{ZONE}{OURS}")[0]
    assert zone_warnings(f"{OURS.replace(' prod:', ' other:')}"), "another fleet's"
    assert zone_warnings(OURS.replace("exported services begin", "")), "what is ours is no longer known"


def test_a_zone_that_concerns_nobody_is_not_told() -> None:
    assert zone_warnings("") == []
    assert zone_warnings(OURS) == []
    assert zone_warnings(ZONE, "notes") == []
    assert zone_warnings(ZONE, mesh_exports=[]) == []
    assert zone_warnings(ZONE, mesh_exports=[{"service": "orders.shop", "to": ["east"]}]) == []
    assert zone_warnings(ZONE, cluster_provider="gke") == [], "Google serves it there"
