# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every field of the tables: in a new cluster, left alone, changed in place by its call, or refused by name."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.field import at
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.fields import (
    BY_HAND,
    CLUSTER_FIELDS,
    POOL_FIELDS,
)

from . import test_cluster_pools, test_clusters
from .cluster_runs import HOSTS, WEST, Run, Vars, actions, failure, fleet_of, make
from .standin.server import StandIn

NORTH = "container/projects/shop-prod/locations/europe-north1/clusters/north"
KEY = "projects/shop-keys/locations/{}/keyRings/gke/cryptoKeys/{}"
FIRST = {"start": "2026-01-03T02:00:00Z", "end": "2026-01-03T08:00:00Z"}
SUBNET = "projects/shop-prod/regions/us-west1/subnetworks/{}"


class Sample(t.NamedTuple):
    """Two values of a variable, what Google's field is with each, and what else the inventory must say."""

    first: t.Any
    second: t.Any
    stored: t.Any
    then: t.Any
    more: Vars = {}  # never changed


_CLUSTER_KEYS = [KEY.format("us-west1", name) for name in "ab"]
_LOGS = ["SYSTEM_COMPONENTS", "WORKLOADS"]
_GROUPS = [f"gke-security-groups@{name}.example" for name in ("shop", "mall")]
_WINDOW = {"window": {"startTime": FIRST["start"], "endTime": FIRST["end"]}}
_VPC: Vars = {"gke_dns": "cloud_dns", "gke_dns_domain": "west.shop.example"}
_GENTLE: Vars = {"gke_recreate_nodes": True}
_LEGACY: Vars = {"gke_dataplane_v2": False, **_GENTLE}

# By row_of the entry: every entry of the table has one, or a test below fails.
CLUSTER: dict[str, Sample] = {
    "locations": Sample(
        ["us-west1-a"], ["us-west1-b", "us-west1-a"], ["us-west1-a"], ["us-west1-a", "us-west1-b"]
    ),
    "shieldedNodes.enabled": Sample(True, False, True, False, _GENTLE),
    "databaseEncryption": Sample(
        *_CLUSTER_KEYS, *({"state": "ENCRYPTED", "keyName": key} for key in _CLUSTER_KEYS)
    ),
    "maintenancePolicy.window.recurringWindow": Sample(
        {**FIRST, "recurrence": "FREQ=WEEKLY;BYDAY=SA"},
        {**FIRST, "recurrence": "FREQ=DAILY"},
        {**_WINDOW, "recurrence": "FREQ=WEEKLY;BYDAY=SA"},
        {**_WINDOW, "recurrence": "FREQ=DAILY"},
    ),
    "maintenancePolicy.window.dailyMaintenanceWindow": Sample(
        {"daily": "03:00"}, {"daily": "04:30"}, {"startTime": "03:00"}, {"startTime": "04:30"}
    ),
    "maintenancePolicy.window.maintenanceExclusions": Sample(
        [{"name": "sale", "start": "2026-11-20T00:00:00Z", "end": "2026-12-05T00:00:00Z"}],
        [],
        {
            "sale": {
                "startTime": "2026-11-20T00:00:00Z",
                "endTime": "2026-12-05T00:00:00Z",
                "maintenanceExclusionOptions": {"scope": "NO_UPGRADES"},
            }
        },
        None,
    ),
    "networkConfig.dnsConfig.clusterDns": Sample("kube_dns", "cloud_dns", "KUBE_DNS", "CLOUD_DNS"),
    "networkConfig.dnsConfig.clusterDnsScope": Sample("cluster", "vpc", "CLUSTER_SCOPE", "VPC_SCOPE", _VPC),
    "networkConfig.dnsConfig.clusterDnsDomain": Sample(
        "west.shop.example", "w.shop.example", "west.shop.example", "w.shop.example",
        {"gke_dns": "cloud_dns", "gke_dns_scope": "vpc"},
    ),
    "networkConfig.dnsConfig.additiveVpcScopeDnsDomain": Sample(
        "west.add.example", "w.add.example", "west.add.example", "w.add.example", {"gke_dns": "cloud_dns"}
    ),
    "networkConfig.gatewayApiConfig.channel": Sample("standard", "disabled", "CHANNEL_STANDARD", "CHANNEL_DISABLED"),
    "loggingConfig.componentConfig.enableComponents": Sample(["system", "workloads"], ["system"], _LOGS, _LOGS[:1]),
    "monitoringConfig.componentConfig.enableComponents": Sample(
        ["system", "pod"], [], ["POD", "SYSTEM_COMPONENTS"], []
    ),
    "monitoringConfig.managedPrometheusConfig.enabled": Sample(True, False, True, False),
    "addonsConfig.networkPolicyConfig.disabled": Sample(True, False, False, True, _LEGACY),
    "networkPolicy": Sample(
        True, False, {"enabled": True, "provider": "CALICO"}, {"enabled": False}, _LEGACY
    ),
    "costManagementConfig.enabled": Sample(True, False, True, False),
    "securityPostureConfig.mode": Sample("basic", "disabled", "BASIC", "DISABLED"),
    "authenticatorGroupsConfig": Sample(
        *_GROUPS, *({"enabled": True, "securityGroup": group} for group in _GROUPS)
    ),
    "defaultMaxPodsConstraint.maxPodsPerNode": Sample(32, 64, "32", "64"),
    "ipAllocationPolicy.additionalPodRangesConfig.podRangeNames": Sample(
        ["more"], ["more", "most"], ["more"], ["more", "most"]
    ),
    "ipAllocationPolicy.additionalPodRangesConfig.podRangeNames, dropped": Sample(
        ["more", "most"], ["most", "last"], ["more", "most"], ["most", "last"]
    ),
    "ipAllocationPolicy.stackType": Sample("ipv4", "ipv4_ipv6", "IPV4", "IPV4_IPV6"),
    "networkConfig.enableIntraNodeVisibility": Sample(True, False, True, False, _GENTLE),
    "networkConfig.enableL4ilbSubsetting": Sample(False, True, False, True),
    "controlPlaneEndpointsConfig.ipEndpointsConfig.privateEndpointSubnetwork": Sample(
        SUBNET.format("planes"), SUBNET.format("other"), SUBNET.format("planes"), None
    ),
    "addonsConfig.gkeBackupAgentConfig.enabled": Sample(True, False, True, False),
    "addonsConfig.dnsCacheConfig.enabled": Sample(False, True, False, True, _GENTLE),
    "autopilot.workloadPolicyConfig.allowNetAdmin": Sample(
        False, True, False, True, {"mesh_control_plane": "managed"}
    ),
    "autoscaling.autoprovisioningNodePoolDefaults.serviceAccount": Sample(
        *["a@shop-prod.iam.gserviceaccount.com", "b@shop-prod.iam.gserviceaccount.com"] * 2
    ),
    "autoscaling.autoprovisioningNodePoolDefaults.bootDiskKmsKey": Sample(
        *[KEY.format("europe-north1", name) for name in "ab"] * 2
    ),
    "nodePoolAutoConfig.networkTags.tags": Sample(
        ["web"], ["web", "shop"], ["mesh-shop", "web"], ["mesh-shop", "shop", "web"]
    ),
    "nodePoolAutoConfig.resourceManagerTags.tags": Sample(
        {"tagKeys/1": "tagValues/2"}, {"tagKeys/1": "tagValues/3"},
        {"tagKeys/1": "tagValues/2"}, {"tagKeys/1": "tagValues/3"},
    ),
}  # fmt: skip
POOL: dict[str, Sample] = {
    "config.serviceAccount": Sample(
        *["a@shop-prod.iam.gserviceaccount.com", "b@shop-prod.iam.gserviceaccount.com"] * 2
    ),
    "config.shieldedInstanceConfig.enableSecureBoot": Sample(True, False, True, None),
    "config.shieldedInstanceConfig.enableIntegrityMonitoring": Sample(True, False, True, None),
    "config.diskType": Sample("pd-ssd", "pd-balanced", "pd-ssd", "pd-balanced", _GENTLE),
    "config.bootDiskKmsKey": Sample(*[KEY.format("us-west1", name) for name in "ab"] * 2),
    "config.imageType": Sample(
        "cos_containerd", "ubuntu_containerd", "COS_CONTAINERD", "UBUNTU_CONTAINERD", _GENTLE
    ),
    "locations": Sample(["us-west1-a"], ["us-west1-b"], ["us-west1-a"], ["us-west1-b"], _GENTLE),
    "upgradeSettings": Sample(
        {"max_surge": 2}, {"strategy": "blue_green", "batch_percentage": 0.5, "pool_soak": "600s"},
        {"strategy": "SURGE", "maxSurge": 2, "maxUnavailable": 0},
        {
            "strategy": "BLUE_GREEN",
            "blueGreenSettings": {"standardRolloutPolicy": {"batchPercentage": 0.5}, "nodePoolSoakDuration": "600s"},
        },
    ),
    "config.tags": Sample(["web"], ["web", "shop"], ["mesh-shop", "web"], ["mesh-shop", "shop", "web"]),
    "config.resourceManagerTags.tags": Sample(
        {"tagKeys/1": "tagValues/2"}, {"tagKeys/1": "tagValues/3"},
        {"tagKeys/1": "tagValues/2"}, {"tagKeys/1": "tagValues/3"},
    ),
    "maxPodsConstraint.maxPodsPerNode": Sample(32, 64, "32", "64"),
    "networkConfig.podRange": Sample("more", "most", "more", "most"),
    "config.gcfsConfig.enabled": Sample(True, False, True, False, _GENTLE),
    "config.gvnic.enabled": Sample(True, False, True, False, _GENTLE),
    "config.ephemeralStorageLocalSsdConfig.localSsdCount": Sample(1, 2, 1, 2),
    "config.localNvmeSsdBlockConfig.localSsdCount": Sample(1, 2, 1, 2),
    "config.accelerators": Sample(
        [{"type": "nvidia-l4", "driver": "latest"}], [{"type": "nvidia-l4", "count": 2}],
        [{
            "acceleratorType": "nvidia-l4", "acceleratorCount": "1",
            "gpuDriverInstallationConfig": {"gpuDriverVersion": "LATEST"},
        }],
        [{"acceleratorType": "nvidia-l4", "acceleratorCount": "2"}],
        _GENTLE,
    ),
    "config.reservationAffinity": Sample(
        "ours", "any",
        {
            "consumeReservationType": "SPECIFIC_RESERVATION",
            "key": "compute.googleapis.com/reservation-name",
            "values": ["ours"],
        },
        {"consumeReservationType": "ANY_RESERVATION"},
    ),
}  # fmt: skip


def row_of(field: t.Any) -> str:
    """An entry's path; one field may have two entries, by which values are added and dropped."""
    return f"{field.path}{', dropped' if field.drops else ''}"


def with_west(**more: t.Any) -> Fleet:
    return fleet_of({**HOSTS, "west": {**HOSTS["west"], **more}})


@pytest.fixture
def run(options: dict[str, t.Any], google_cloud: StandIn) -> Run:
    return Run(options)


def host_of(field: t.Any) -> tuple[str, str, Vars]:
    """The host on which a cluster's field is tried, its cluster, and its variables."""
    if field.standard:
        return "west", WEST, dict(HOSTS["west"])
    return "north", NORTH, {**HOSTS["north"], "gke_mode": "autopilot"}


@pytest.mark.parametrize("field", CLUSTER_FIELDS, ids=lambda f: f"{row_of(f)}{f.when}")
def test_a_field_of_a_cluster(run: Run, google_cloud: StandIn, field: t.Any) -> None:
    sample = CLUSTER[row_of(field)]
    host, key, base = host_of(field)
    variable = f"gke_{field.name}"
    first = fleet_of({host: {**base, **sample.more, variable: sample.first}})
    planned = run(first, dry=True)
    make(run, google_cloud, first)
    cluster = google_cloud.cloud.resources[key]
    assert at(cluster, field.path) == sample.stored
    (change,) = t.cast(t.Any, planned[host])
    assert variable in change.after
    assert actions(run(first)) == {host: "unchanged"}
    # What is not said is left alone.
    assert actions(run(fleet_of({host: {**base, **sample.more}}))) == {host: "unchanged"}
    assert at(cluster, field.path) == sample.stored
    changed(run, google_cloud, field, fleet_of({host: {**base, **sample.more, variable: sample.second}}), key, sample)


def changed(run: Run, standin: StandIn, field: t.Any, fleet: Fleet, key: str, sample: Sample, pool: str = "") -> None:
    """The second value: planned, then there, and nothing more to do; or refused by its name."""
    host = key.rpartition("/")[2]
    cluster = standin.cloud.resources[key]

    def there() -> t.Any:
        inner = next(p for p in cluster["nodePools"] if p["name"] == pool) if pool else cluster
        return at(inner, field.path)

    planned = run(fleet, dry=True)
    if not field.call:
        error = failure(planned, host)
        assert error.what.endswith(f"{field.name} cannot be changed in place")
        assert there() == sample.stored
        return
    assert actions(planned) == {host: "changed"}
    assert run(fleet) == planned
    assert there() == sample.then
    assert actions(run(fleet)) == {host: "unchanged"}


@pytest.mark.parametrize("field", POOL_FIELDS, ids=lambda f: f.path)
@pytest.mark.parametrize("listed", [False, True], ids=["of all pools", "of one pool"])
def test_a_field_of_a_pool(run: Run, google_cloud: StandIn, field: t.Any, listed: bool) -> None:
    if field.alone and not listed:
        return
    sample = POOL[field.path]

    def fleet(value: t.Any) -> Fleet:
        said: Vars = {f"gke_{field.name}": value}
        if listed:
            said = {"gke_node_pools": [{"name": "other"}, {"name": "nodes", field.name: value}]}
        return fleet_of({"west": {**HOSTS["west"], **sample.more, **said}})

    make(run, google_cloud, fleet(sample.first))
    pools = {pool["name"]: pool for pool in google_cloud.cloud.resources[WEST]["nodePools"]}
    assert at(pools["nodes"], field.path) == sample.stored
    assert actions(run(fleet(sample.first))) == {"west": "unchanged"}
    changed(run, google_cloud, field, fleet(sample.second), WEST, sample, "nodes")


def test_every_row_of_the_table_has_a_test() -> None:
    assert {row_of(field) for field in CLUSTER_FIELDS} == set(CLUSTER)
    assert len({(row_of(field), field.when) for field in CLUSTER_FIELDS}) == len(CLUSTER_FIELDS)
    assert {field.path for field in POOL_FIELDS} == set(POOL)
    refused = {
        mark.args[1][n][0]
        for mark in test_clusters.test_what_needs_a_new_cluster_is_refused_by_name.pytestmark  # type: ignore[attr-defined]
        for n in range(len(mark.args[1]))
    }
    tried = {*test_clusters.CHANGES, *refused, *ELSEWHERE}
    assert {row.name for row in BY_HAND} - tried == set()
    for module, name in ELSEWHERE.values():
        assert callable(getattr(module, name))


# Rows that are not a value of their own, and the test of each.
ELSEWHERE: dict[str, tuple[t.Any, str]] = {
    "gke_mode": (test_clusters, "test_another_mode_or_place_is_refused"),
    "gke_deletion_protection": (test_clusters, "test_a_protected_cluster_is_not_deleted"),
    "taints": (test_cluster_pools, "test_one_pool_of_several_is_changed_in_place"),
}
