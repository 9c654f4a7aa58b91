# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Any further field of Google's Cluster and NodePool: made, left alone, changed, refused by name."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.methods import document
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.connections import check
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters.passed import CLUSTER, POOL, fields_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.field import at
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.fields import (
    CLUSTER_FIELDS,
    POOL_FIELDS,
)

from .cluster_runs import HOSTS, WEST, Run, Vars, actions, failure, fleet_of, make
from .standin.server import StandIn


def west(**more: t.Any) -> Fleet:
    return fleet_of({"west": {**HOSTS["west"], **more}})


@pytest.fixture
def run(options: dict[str, t.Any], google_cloud: StandIn) -> Run:
    return Run(options)


@pytest.mark.parametrize(
    ("first", "second", "path", "stored", "then", "call"),
    [
        (
            {"verticalPodAutoscaling": {"enabled": True}},
            {"verticalPodAutoscaling": {"enabled": False}},
            "verticalPodAutoscaling.enabled", True, False, "desiredVerticalPodAutoscaling",
        ),
        (
            {"networkConfig": {"enableFqdnNetworkPolicy": True}},
            {"networkConfig": {"enableFqdnNetworkPolicy": False}},
            "networkConfig.enableFqdnNetworkPolicy", True, False, "desiredEnableFqdnNetworkPolicy",
        ),
        (
            {"addonsConfig": {"gcsFuseCsiDriverConfig": {"enabled": True}}},
            {"addonsConfig": {"gcsFuseCsiDriverConfig": {"enabled": False}}},
            "addonsConfig.gcsFuseCsiDriverConfig.enabled", True, False, "desiredAddonsConfig",
        ),
        (
            {"autoscaling": {"autoscalingProfile": "BALANCED"}},
            {"autoscaling": {"autoscalingProfile": "OPTIMIZE_UTILIZATION"}},
            "autoscaling.autoscalingProfile", "BALANCED", "OPTIMIZE_UTILIZATION", "desiredClusterAutoscaling",
        ),
    ],
)  # fmt: skip
def test_a_field_of_a_cluster_that_is_passed_on(
    run: Run, google_cloud: StandIn, first: Vars, second: Vars, path: str, stored: t.Any, then: t.Any, call: str
) -> None:
    make(run, google_cloud, west(gke_cluster_fields=first))
    cluster = google_cloud.cloud.resources[WEST]
    assert at(cluster, path) == stored
    assert actions(run(west(gke_cluster_fields=first))) == {"west": "unchanged"}
    planned = run(west(gke_cluster_fields=second), dry=True)
    assert run(west(gke_cluster_fields=second)) == planned
    assert actions(planned) == {"west": "changed"}
    assert at(cluster, path) == then
    assert actions(run(west(gke_cluster_fields=second))) == {"west": "unchanged"}
    (sent,) = [e["body"]["update"] for e in google_cloud.cloud.log if e["method"].endswith("clusters.update")]
    assert list(sent) == [call]


@pytest.mark.parametrize("listed", [False, True])
def test_a_field_of_a_pool_that_is_passed_on(run: Run, google_cloud: StandIn, listed: bool) -> None:
    def fleet(limit: str, **more: t.Any) -> Fleet:
        passed = {"config": {"kubeletConfig": {"podPidsLimit": limit}}, "management": {"autoRepair": True}}
        if listed:
            return west(gke_node_pools=[{"name": "nodes", "fields": passed}], **more)
        return west(gke_pool_fields=passed, **more)

    make(run, google_cloud, fleet("2048"))
    (pool,) = google_cloud.cloud.resources[WEST]["nodePools"]
    assert at(pool, "config.kubeletConfig.podPidsLimit") == "2048"
    assert actions(run(fleet("2048"))) == {"west": "unchanged"}
    assert "podPidsLimit cannot be changed without new nodes" in failure(run(fleet("4096"))).what
    assert actions(run(fleet("4096", gke_recreate_nodes=True))) == {"west": "changed"}
    assert at(pool, "config.kubeletConfig.podPidsLimit") == "4096"


@pytest.mark.parametrize("alias", ["latest", "1.34", "1.34.3", "-"])
def test_a_version_counts_for_what_is_made_alone(run: Run, google_cloud: StandIn, alias: str) -> None:
    said = west(gke_cluster_fields={"initialClusterVersion": alias}, gke_pool_fields={"version": alias})
    make(run, google_cloud, said)
    (sent,) = [e["body"]["cluster"] for e in google_cloud.cloud.log if e["method"].endswith("clusters.create")]
    assert (sent["initialClusterVersion"], sent["nodePools"][0]["version"]) == (alias, alias)
    assert google_cloud.cloud.resources[WEST]["initialClusterVersion"] != alias
    assert actions(run(said)) == {"west": "unchanged"}
    # As an upgrade later, or another word in the inventory.
    later = west(gke_cluster_fields={"initialClusterVersion": "1.99"}, gke_pool_fields={"version": "1.99"})
    assert actions(run(later)) == {"west": "unchanged"}


def test_what_google_takes_and_does_not_keep_is_not_compared(run: Run, google_cloud: StandIn) -> None:
    said = west(gke_pool_fields={"networkConfig": {"createPodRange": True}})
    make(run, google_cloud, said)
    google_cloud.cloud.resources[WEST]["nodePools"][0]["networkConfig"].pop("createPodRange")
    assert actions(run(said)) == {"west": "unchanged"}


PROVISIONED: Vars = {
    "autoscaling": {
        "enableNodeAutoprovisioning": True,
        "resourceLimits": [{"resourceType": "cpu", "maximum": "64"}],
        "autoprovisioningNodePoolDefaults": {"serviceAccount": "auto@shop-prod.iam.gserviceaccount.com"},
    }
}


def test_auto_provisioned_nodes_of_a_standard_cluster(run: Run, google_cloud: StandIn) -> None:
    tags = {"nodePoolAutoConfig": {"networkTags": {"tags": ["web"]}}}
    make(run, google_cloud, west(gke_cluster_fields=PROVISIONED))
    cluster = google_cloud.cloud.resources[WEST]
    account = "autoscaling.autoprovisioningNodePoolDefaults.serviceAccount"
    assert at(cluster, account) == "auto@shop-prod.iam.gserviceaccount.com"
    # The firewall rules of the fleet ask for its tag.
    assert at(cluster, "nodePoolAutoConfig.networkTags.tags") == ["mesh-shop"]
    assert actions(run(west(gke_cluster_fields=PROVISIONED))) == {"west": "unchanged"}
    more = west(gke_cluster_fields={**PROVISIONED, **tags})
    assert check(more) == []
    assert actions(run(more)) == {"west": "changed"}
    assert at(cluster, "nodePoolAutoConfig.networkTags.tags") == ["mesh-shop", "web"]
    assert actions(run(more)) == {"west": "unchanged"}


def test_fields_of_autopilot_have_their_variables_there() -> None:
    fleet = fleet_of({"north": {**HOSTS["north"], "gke_mode": "autopilot", "gke_cluster_fields": PROVISIONED}})
    (found,) = check(fleet)
    assert found.variable.endswith("autoprovisioningNodePoolDefaults.serviceAccount")
    assert found.hint == "use gke_node_service_account"


@pytest.mark.parametrize(("variable", "schema"), [("logging", "Logging"), ("monitoring", "Monitoring")])
def test_words_of_components_are_those_of_the_document(variable: str, schema: str) -> None:
    found = document("container")["schemas"][f"{schema}ComponentConfig"]["properties"]["enableComponents"]
    known = {word for word in found["items"]["enum"] if not word.endswith("UNSPECIFIED")}
    (field,) = [f for f in CLUSTER_FIELDS if f.name == variable]
    assert set(field.wire.to(field.wire.choices)) == known


def test_repair_is_switched_by_its_own_call(run: Run, google_cloud: StandIn) -> None:
    make(run, google_cloud, west())
    (pool,) = google_cloud.cloud.resources[WEST]["nodePools"]
    off = west(gke_pool_fields={"management": {"autoRepair": False}})
    assert actions(run(off)) == {"west": "changed"}
    assert pool["management"] == {"autoUpgrade": True, "autoRepair": False}
    assert actions(run(off)) == {"west": "unchanged"}


def test_what_no_call_changes_is_refused_by_name(run: Run, google_cloud: StandIn) -> None:
    make(run, google_cloud, west(gke_pool_fields={"config": {"minCpuPlatform": "Intel Ice Lake"}}))
    error = failure(run(west(gke_pool_fields={"config": {"minCpuPlatform": "AMD Rome"}})))
    assert error.what == "gke_pool_fields.config.minCpuPlatform cannot be changed in place"


def test_a_variable_and_a_passed_field_of_one_message(run: Run, google_cloud: StandIn) -> None:
    make(run, google_cloud, west(gke_managed_prometheus=True))
    metrics = {"monitoringConfig": {"advancedDatapathObservabilityConfig": {"enableMetrics": True}}}
    both = west(gke_managed_prometheus=False, gke_cluster_fields=metrics, gke_monitoring=["system"])
    assert actions(run(both)) == {"west": "changed"}
    assert google_cloud.cloud.resources[WEST]["monitoringConfig"] == {
        "managedPrometheusConfig": {"enabled": False},
        "advancedDatapathObservabilityConfig": {"enableMetrics": True},
        "componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]},
    }
    assert len([e for e in google_cloud.cloud.log if e["method"].endswith("clusters.update")]) == 1
    assert actions(run(both)) == {"west": "unchanged"}


def test_what_others_set_in_a_message_stays(run: Run, google_cloud: StandIn) -> None:
    make(run, google_cloud, west(gke_managed_prometheus=True))
    cluster = google_cloud.cloud.resources[WEST]
    theirs = {"advancedDatapathObservabilityConfig": {"enableMetrics": True}}
    cluster["monitoringConfig"] |= theirs
    cluster["maintenancePolicy"] = {
        "window": {"dailyMaintenanceWindow": {"startTime": "01:00"}},
        "resourceVersion": "1",
    }
    exclusion = {"name": "sale", "start": "2026-11-20T00:00:00Z", "end": "2026-12-05T00:00:00Z"}
    assert actions(run(west(gke_managed_prometheus=False, gke_maintenance_exclusions=[exclusion])))["west"] == "changed"
    (sent,) = [e["body"]["update"] for e in google_cloud.cloud.log if e["method"].endswith("clusters.update")]
    assert sent["desiredMonitoringConfig"] == {"managedPrometheusConfig": {"enabled": False}, **theirs}
    window = cluster["maintenancePolicy"]["window"]
    assert window["dailyMaintenanceWindow"] == {"startTime": "01:00"}
    assert list(window["maintenanceExclusions"]) == ["sale"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"gke_cluster_fields": {"vertcalPodAutoscaling": {}}},
            "gke_cluster_fields.vertcalPodAutoscaling is no field of Google's Cluster | did you mean verticalPodAutos",
        ),
        (
            {"gke_cluster_fields": {"verticalPodAutoscaling": {"enable": True}}},
            "gke_cluster_fields.verticalPodAutoscaling.enable is no field of Google's VerticalPodAutoscaling | did you",
        ),
        (
            {"gke_cluster_fields": {"verticalPodAutoscaling": {"enabled": "yes"}}},
            "gke_cluster_fields.verticalPodAutoscaling.enabled is 'yes' | true or false",
        ),
        ({"gke_cluster_fields": {"verticalPodAutoscaling": True}}, "is no dictionary | fields of Google's Vertical"),
        ({"gke_cluster_fields": {"currentNodeCount": 3}}, "currentNodeCount is written by Google alone | leave it"),
        (
            {"gke_cluster_fields": {"binaryAuthorization": {"evaluationMode": "ALWAYS"}}},
            "evaluationMode is 'ALWAYS' | one of: DISABLED, PROJECT_SINGLETON_POLICY_ENFORCE",
        ),
        ({"gke_cluster_fields": {"alphaClusterFeatureGates": "all"}}, "alphaClusterFeatureGates is no list | a list"),
        (
            {"gke_cluster_fields": {"networkConfig": {"dnsConfig": {"clusterDns": "CLOUD_DNS"}}}},
            "gke_cluster_fields.networkConfig.dnsConfig.clusterDns has a variable | use gke_dns",
        ),
        ({"gke_cluster_fields": {"nodePools": []}}, "gke_cluster_fields.nodePools has a variable | use gke_node_pools"),
        ({"gke_cluster_fields": {"workloadIdentityConfig": {}}}, "is not free | leave it out: the collection"),
        ({"gke_pool_fields": {"config": {"spot": True}}}, "gke_pool_fields.config.spot has a variable | use gke_spot"),
        (
            {"gke_pool_fields": {"config": {"kubeletConfig": {"podPidsLimit": "many"}}}},
            "podPidsLimit is 'many' | a whole number",
        ),
        ({"gke_pool_fields": {"config": {"minCpuPlatform": 4}}}, "minCpuPlatform is 4, not text | put it in quotes"),
        (
            {"gke_pool_fields": {"config": {"secondaryBootDisks": [{"diskImge": "x"}]}}},
            "secondaryBootDisks has diskImge, which is no field of Google's SecondaryBootDisk | did you mean diskIm",
        ),
        (
            {"gke_node_pools": [{"name": "a", "fields": {"status": "RUNNING"}}]},
            "gke_node_pools[0].fields.status is written by Google alone",
        ),
    ],
)
def test_what_google_has_not_is_named(run: Run, google_cloud: StandIn, variables: Vars, expected: str) -> None:
    (found,) = check(west(**variables))
    assert expected in f"{found.variable} {found.message} | {found.hint}"
    # And without preflight nothing is made.
    failure(run(west(**variables)))
    assert google_cloud.cloud.resources == {}


def test_all_faults_are_named_together() -> None:
    faulty = {"gke_cluster_fields": {"a": 1, "b": 2}, "gke_pool_fields": {"c": 3}}
    assert [p.variable for p in check(west(**faulty))] == [
        "gke_cluster_fields.a",
        "gke_cluster_fields.b",
        "gke_pool_fields.c",
    ]
    assert check(west()) == []


def test_calls_of_the_tables_are_those_of_the_document() -> None:
    """What is read from the document for any field agrees with what the tables say of theirs."""
    odd = {
        "update additionalPodRangesConfig",
        "update removedAdditionalPodRangesConfig",
        "update desiredAutopilotWorkloadPolicyConfig",
        "update desiredIntraNodeVisibilityConfig",
        "update desiredL4ilbSubsettingConfig",
        "update desiredNodePoolAutoConfigNetworkTags",
        "update desiredNodePoolAutoConfigResourceManagerTags",
        "setMaintenancePolicy",
        "setNetworkPolicy",
        "",
    }
    from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters import passed

    for field in CLUSTER_FIELDS:
        if field.call not in odd:
            assert passed._cluster_call(field.path)[0] == field.call, field.path
    for field in POOL_FIELDS:
        assert passed._pool_call(field.path)[0] == field.call, field.path


def test_every_passed_field_is_read() -> None:
    said, faults = fields_of({"verticalPodAutoscaling": {"enabled": True}}, CLUSTER)
    assert ([one.field.path for one in said], faults) == (["verticalPodAutoscaling.enabled"], [])
    said, faults = fields_of({"config": {"metadata": {"a": "b"}}}, POOL)
    assert ([one.field.path for one in said], faults) == (["config.metadata"], [])
