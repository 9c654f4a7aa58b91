# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cluster that exists already must have, and what a run should know of it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.dns_domain import Dns
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.standing import Standing, check_standing
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

OWN: dict[str, t.Any] = {"cluster_provider": "kubeconfig", "cluster_region": "eu-de", "fleet_name": "shop"}


def checked(found: Standing, **variables: t.Any) -> list[str]:
    fleet = read_fleet({"west": {**OWN, **variables}})
    return check_standing(fleet, fleet.clusters["west"], found)


def mesh(
    namespace: str = "istio-system", name: str = "istiod", fleet: str = "shop", owner: str = "mesh.fleet"
) -> Standing:
    space = {"metadata": {"name": namespace, "labels": {"mesh.fleet/fleet": fleet}}}
    labels = {"app": "istiod", "install.operator.istio.io/owning-resource": owner}
    return Standing([space], [{"metadata": {"name": name, "namespace": namespace, "labels": labels}}])


def test_a_changed_namespace_is_refused_with_the_open_way() -> None:
    assert checked(mesh()) == []
    with pytest.raises(FleetError, match="runs in another namespace") as refused:
        checked(mesh(), mesh_namespace="istio")
    assert "set mesh_namespace: istio-system again" in refused.value.next_step
    assert checked(mesh(fleet="other"), mesh_namespace="istio") == []
    assert checked(mesh(owner="unknown"), mesh_namespace="istio") == []


def test_a_changed_revision_names_what_stays_behind() -> None:
    (warning,) = checked(mesh(), mesh_revision="canary")
    assert warning.startswith("west: istiod of this fleet runs beside mesh_revision canary")
    assert checked(mesh(name="istiod-canary"), mesh_revision="canary") == []


def test_ipv6_first_is_refused_and_dual_stack_is_not() -> None:
    assert checked(Standing(api_service={"spec": {"ipFamilies": ["IPv4", "IPv6"]}})) == []
    with pytest.raises(FleetError, match="IPv6 addresses"):
        checked(Standing(api_service={"spec": {"ipFamilies": ["IPv6", "IPv4"]}}))


def test_another_dns_domain_is_refused_an_unknown_one_is_said() -> None:
    assert checked(Standing()) == []
    assert "its DNS domain is not known" in " ".join(checked(Standing(dns=Dns(node="n1"))))
    with pytest.raises(FleetError, match="DNS domain"):
        checked(Standing(dns=Dns(node="n1", kubelet={"kubeletconfig": {"clusterDomain": "corp.example"}})))


def test_a_zone_of_others_for_exported_services_is_said() -> None:
    text = ". {\n    kubernetes cluster.local\n}\nclusterset.local {\n    forward . 10.1.1.1\n}\n"
    config = {"metadata": {"namespace": "kube-system", "name": "coredns"}, "data": {"Corefile": text}}
    assert checked(Standing(dns=Dns([config]))) == []
    (warning,) = checked(Standing(dns=Dns([config])), mesh_exports=[{"service": "orders.shop", "to": "all"}])
    assert "its DNS answers for clusterset.local already" in warning


def test_an_istiod_where_google_is_to_run_one_is_refused() -> None:
    google = {"cluster_provider": "gke", "gke_project": "p", "mesh_control_plane": "managed"}
    with pytest.raises(FleetError, match="cannot run beside that") as refused:
        checked(mesh(), **google)
    assert "teardown.yml -e mesh_control_plane=istiod --limit west" in refused.value.next_step
    assert checked(mesh(fleet="other"), **google) == []
    assert checked(mesh(), **{**google, "mesh_control_plane": "istiod"}) == []


def nodes(**places: str) -> Standing:
    """Each in a region and a zone, ``region/zone``."""
    found = []
    for name, place in places.items():
        region, _slash, zone = place.partition("/")
        labels = {"topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone}
        found.append({"metadata": {"name": name, "labels": {key: value for key, value in labels.items() if value}}})
    return Standing(nodes=found)


@pytest.mark.parametrize(
    ("places", "zone", "said"),
    [
        ({"a": "eu-de/1", "b": "eu-de/2"}, "", ""),
        ({"a": "eu-de/1"}, "1", ""),
        ({"a": "eu-de/1", "b": "", "c": "eu-fr/1"}, "", "2 of 3 nodes are not labelled as cluster_region eu-de says "
         "(b: no label topology.kubernetes.io/region)"),
        ({"c": "eu-fr/1"}, "", "(c: region eu-fr)"),
        ({"a": "eu-de/1", "b": "eu-de"}, "", "1 of 2 nodes are not labelled as cluster_region eu-de says "
         "(b: no label topology.kubernetes.io/zone)"),
        ({"a": "eu-de/1", "b": "eu-de/2"}, "1", "cluster_region eu-de, cluster_zone 1 says (b: zone 2)"),
    ],
)  # fmt: skip
def test_nodes_with_other_localities_are_named(places: dict[str, str], zone: str, said: str) -> None:
    found = checked(nodes(**places), cluster_zone=zone)
    assert bool(found) is bool(said)
    assert said in " ".join(found)
    assert checked(nodes(**places), cluster_zone=zone, cluster_provider="kind") == [], "a run labels these nodes"


DEDICATED = {"key": "dedicated", "value": "infra", "effect": "NoSchedule"}


def tainted(*taints: dict[str, str], **labels: str) -> dict[str, t.Any]:
    places = {"topology.kubernetes.io/region": "eu-de", "topology.kubernetes.io/zone": "1"}
    return {"metadata": {"name": "n1", "labels": {**places, **labels}}, "spec": {"taints": list(taints)}}


@pytest.mark.parametrize(
    ("nodes", "settings", "why"),
    [
        ([tainted()], {}, ""),
        ([tainted(DEDICATED)], {}, "taint dedicated=infra:NoSchedule"),
        ([tainted({"key": "old", "effect": "NoExecute"})], {}, "taint old:NoExecute"),
        ([tainted(DEDICATED), tainted()], {}, ""),
        ([tainted({**DEDICATED, "effect": "PreferNoSchedule"})], {}, ""),
        ([tainted({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"})], {}, ""),
        ([tainted({"key": "node.cilium.io/agent-not-ready", "effect": "NoExecute"})], {}, ""),
        ([tainted({"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule", "value": "17"})], {}, ""),
        ([tainted({"key": "karpenter.sh/disrupted", "effect": "NoSchedule"})], {}, ""),
        ([tainted({"key": "ebs.csi.aws.com/agent-not-ready", "effect": "NoExecute"})], {}, ""),
        ([tainted({"key": "eks.amazonaws.com/compute-type", "value": "fargate", "effect": "NoSchedule"})], {}, ""),
        ([tainted(DEDICATED)], {"tolerations": [{"operator": "Exists"}]}, ""),
        ([tainted(DEDICATED)], {"tolerations": [{"key": "dedicated", "value": "infra"}]}, ""),
        ([tainted(DEDICATED)], {"tolerations": [{"key": "dedicated", "value": "mesh"}]}, "taint"),
        ([tainted(DEDICATED)], {"tolerations": [{"key": "other", "operator": "Exists"}]}, "taint"),
        ([tainted(DEDICATED)],
         {"tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}]}, "taint"),
        ([tainted(pool="mesh")], {"node_selector": {"pool": "mesh"}}, ""),
        ([tainted(pool="web")], {"node_selector": {"pool": "mesh"}}, "no label pool=mesh"),
    ],
)  # fmt: skip
def test_nodes_that_take_no_pod_of_ours_are_named(
    nodes: list[dict[str, t.Any]], settings: dict[str, t.Any], why: str
) -> None:
    named = [{**node, "metadata": {**node["metadata"], "name": f"n{n}"}} for n, node in enumerate(nodes, 1)]
    found = checked(Standing(nodes=named), mesh_pods=settings)
    assert bool(found) is bool(why)
    assert not why or f"none of its 1 nodes takes the pods of a run (n1: {why}" in found[0]
