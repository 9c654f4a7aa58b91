# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What preflight says of fields of GKE clusters: each by its variable, all together."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.field_checks import refuse
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.fields import POOL_FIELDS
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.variables import OF_POOLS
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

Vars = dict[str, t.Any]
BASE: Vars = {"fleet_name": "shop", "cluster_provider": "gke", "gke_project": "shop-prod"}
WEST: Vars = {**BASE, "cluster_region": "us-west1", "cluster_zone": "us-west1-a"}
NORTH: Vars = {**BASE, "cluster_region": "europe-north1", "gke_mode": "autopilot"}
KEY = "projects/keys/locations/{}/keyRings/gke/cryptoKeys/a"


def said(base: Vars, **variables: t.Any) -> list[str]:
    hosts = {"one": {**base, **variables}}
    found = check(hosts, {"mesh_clusters": ["one"]}, {}, None)
    return [f"{' '.join(filter(None, (p.variable, p.value, p.message)))} | {p.hint}" for p in found]


EXCLUSION = {"name": "sale", "start": "2026-11-20T00:00:00Z", "end": "2026-12-05T00:00:00Z"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"gke_node_locations": ["west"]}, "gke_node_locations [\"west\"] has 'west', which is not a zone"),
        ({"gke_node_locations": ["us-west1-a", "us-east1-b"]}, "has us-east1-b, which is not in region us-west1"),
        ({"gke_node_locations": ["us-west1-b"]}, "is without us-west1-a, where the control plane is"),
        ({"gke_node_pools": [{"name": "a", "locations": ["us-east1-b"]}]}, "gke_node_pools has us-east1-b, which"),
        ({"gke_database_key": "mine"}, "is not a key of Cloud KMS | projects/<project>/locations/<region>"),
        ({"gke_database_key": KEY.format("us-east1")}, "gke_database_key is a key in us-east1 | a key in us-west1"),
        ({"gke_database_key": KEY.format("global")}, "gke_database_key is a key in global | a key in us-west1"),
        ({"gke_disk_key": KEY.format("us-east1")}, "gke_disk_key is a key in us-east1 | a key in us-west1"),
        (
            {"gke_node_pools": [{"name": "a", "disk_key": KEY.format("us-east1")}]},
            "gke_disk_key is a key in us-east1 | a key in us-west1",
        ),
        ({"gke_maintenance_window": {"daily": 180}}, 'is not a time of the day | daily: "03:00", in quotes'),
        ({"gke_maintenance_window": {"start": "noon"}}, "is not a window | "),
        (
            {"gke_maintenance_window": {"start": EXCLUSION["start"], "end": "2027", "recurrence": "FREQ=DAILY"}},
            "has no end that is a time",
        ),
        ({"gke_maintenance_exclusions": [{**EXCLUSION, "end": "2027-03-05T00:00:00Z"}]}, "sale, which lasts 105 days"),
        ({"gke_maintenance_exclusions": [EXCLUSION, EXCLUSION]}, "has two of name sale"),
        ({"gke_maintenance_exclusions": [{**EXCLUSION, "scope": "all"}]}, "has scope 'all', which is unknown"),
        (
            {"gke_maintenance_exclusions": [{**EXCLUSION, "name": f"e{n}"} for n in range(4)]},
            "has 4 exclusions, 4 of scope no_upgrades | at most 20, of which 3",
        ),
        ({"gke_maintenance_exclusions": [{**EXCLUSION, "end": "2026-11-01T00:00:00Z"}]}, "sale, which ends before it"),
        ({"gke_dns": "bind"}, 'gke_dns "bind" is unknown | one of: default, kube_dns, cloud_dns'),
        ({"gke_dns_scope": "cluster"}, 'gke_dns_scope "cluster" is of Cloud DNS | gke_dns: cloud_dns'),
        ({"gke_dns": "cloud_dns", "gke_dns_scope": "vpc"}, "gke_dns_scope \"vpc\" needs a domain"),
        ({"gke_dns_domain": "a.example"}, 'gke_dns_domain "a.example" is of scope vpc'),
        ({"gke_logging": ["everything"]}, "has 'everything', which is unknown | any of: system, workloads"),
        ({"gke_rbac_group": "admins@shop.example"}, "is not a group of groups that GKE accepts | gke-security-groups@"),
        ({"gke_network_policy": True}, "gke_network_policy true does not go with Dataplane V2"),
        ({"gke_private_endpoint_subnetwork": "planes"}, "is not the path of a subnet"),
        (
            {"gke_private_endpoint_subnetwork": "projects/p/regions/us-east1/subnetworks/planes"},
            "gke_private_endpoint_subnetwork is in us-east1 | a subnet in us-west1",
        ),
        (
            {
                "gke_control_plane_cidr": "172.16.0.0/28",
                "gke_private_endpoint_subnetwork": "projects/p/regions/us-west1/subnetworks/planes",
            },
            "does not go with gke_control_plane_cidr",
        ),
        (
            {"gke_control_plane_cidr": "172.16.0.0/28", "gke_private_nodes": False},
            "gke_control_plane_cidr 172.16.0.0/28 is ignored by Google",
        ),
        ({"gke_allow_net_admin": True}, "gke_allow_net_admin is not for a standard cluster"),
        ({"gke_max_pods": 4}, "gke_max_pods 4 is not what GKE accepts | 8 to 256"),
        ({"gke_default_max_pods": 400}, "gke_default_max_pods 400 is not what GKE accepts"),
        ({"gke_node_service_account": "nodes"}, "is not the address of a service account"),
        ({"gke_resource_manager_tags": {"env": "prod"}}, "has env: prod, which is not a tag by number"),
        ({"gke_upgrade": {"strategy": "fast"}}, "has strategy 'fast', which is unknown"),
        ({"gke_upgrade": {"max_surge": 0}}, "changes no node at all"),
        ({"gke_upgrade": {"strategy": "blue_green", "max_surge": 1}}, "has max_surge, which strategy blue_green has"),
        ({"gke_upgrade": {"strategy": "blue_green", "pool_soak": "10m"}}, "is not a duration | seconds, such as 600s"),
        (
            {"gke_upgrade": {"strategy": "blue_green", "batch_node_count": 1, "batch_percentage": 0.5}},
            "has batch_node_count and batch_percentage",
        ),
        ({"gke_gpus": [{"count": 1}]}, "has an entry that is none | type, and optionally count"),
        ({"gke_gpus": [{"type": "nvidia-l4", "driver": "best"}]}, "has driver 'best', which is unknown"),
        ({"gke_gpus": [{"type": "nvidia-l4", "count": 0}]}, "has count 0, which is not a number of them"),
        ({"gke_reservation": "Ours"}, "is not a reservation"),
        ({"gke_secure_boot": "perhaps"}, 'gke_secure_boot "perhaps" is not true or false'),
        ({"gke_node_count_max": 3, "gke_node_total_max": 3}, "gke_node_total_max cannot be 3 | 0 beside"),
        ({"gke_node_total_min": 3, "gke_node_total_max": 2}, "gke_node_total_min cannot be 3 | at most"),
        ({"gke_node_location_policy": "any"}, "gke_node_location_policy cannot be any | gke_node_count_max or"),
        (
            {"gke_node_pools": [{"name": "edge"}, {"name": "Edge"}]},
            "gke_node_pools[1].name cannot be Edge | a name of its own: it differs from edge only in case",
        ),
        (
            {"gke_node_pools": [{"name": "edge", "secure_boot": "perhaps"}]},
            "gke_secure_boot cannot be perhaps | it is not true or false",
        ),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be(variables: Vars, expected: str) -> None:
    (found,) = said(WEST, **variables)
    assert expected in found


@pytest.mark.parametrize("name", sorted({*OF_POOLS, *(f"gke_{f.name}" for f in POOL_FIELDS if not f.alone)}))
def test_autopilot_ignores_no_variable_of_pools(name: str) -> None:
    values: Vars = {
        "gke_node_labels": {"a": "b"},
        "gke_node_pools": [{"name": "edge"}],
        "gke_pool_fields": {"config": {}},
        "gke_machine_type": "e2-standard-4",
        "gke_node_location_policy": "any",
        "gke_disk_type": "pd-ssd",
        "gke_image_type": "cos_containerd",
        "gke_upgrade": {"max_surge": 1},
        "gke_gpus": [{"type": "nvidia-l4"}],
        "gke_reservation": "any",
        "gke_node_service_account": "a@p.iam.gserviceaccount.com",
        "gke_disk_key": KEY.format("europe-north1"),
        "gke_network_tags": ["web"],
        "gke_resource_manager_tags": {"tagKeys/1": "tagValues/2"},
    }
    flags = ("gke_spot", "gke_recreate_nodes", "gke_secure_boot", "gke_integrity_monitoring", "gke_gvnic")
    value = values.get(name, True if name in (*flags, "gke_image_streaming") else 20)
    found = said(NORTH, **{name: value})
    taken = ("gke_node_service_account", "gke_disk_key", "gke_network_tags", "gke_resource_manager_tags")
    if name in taken:
        assert found == []
        return
    assert [one.split()[0] for one in found] == [name]
    assert "is not for Autopilot" in found[0]
    assert said(NORTH, **{name: None}) == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"gke_node_locations": ["europe-north1-a"]}, "gke_node_locations is not for Autopilot"),
        ({"gke_network_policy": False}, "gke_network_policy is not for Autopilot"),
        ({"gke_dns": "cloud_dns"}, "gke_dns is not for Autopilot"),
        ({"gke_dataplane_v2": False}, "gke_dataplane_v2 false is not for Autopilot"),
        ({"gke_allow_net_admin": False}, "leaves no way for sidecars"),
        ({"mesh_cni": True}, "mesh_cni true is not for Autopilot"),
    ],
)
def test_what_autopilot_does_not_take(variables: Vars, expected: str) -> None:
    (found,) = said(NORTH, **variables)
    assert expected in found


def test_googles_control_plane_needs_no_net_admin() -> None:
    assert said(NORTH, gke_allow_net_admin=False, mesh_control_plane="managed") == []


def test_all_are_named_together() -> None:
    found = said(NORTH, gke_machine_type="e2-standard-4", gke_spot=True, gke_database_key=KEY.format("us-east1"))
    assert [one.split()[0] for one in found] == ["gke_machine_type", "gke_spot", "gke_database_key"]


def test_a_stage_refuses_the_first_of_them() -> None:
    fleet = read_fleet({"one": {**NORTH, "gke_machine_type": "e2-standard-4"}}, {})
    with pytest.raises(FleetError) as caught:
        refuse(fleet, fleet.clusters["one"])
    assert caught.value.what.startswith("gke_machine_type is not for Autopilot")
    fleet = read_fleet({"one": NORTH}, {})
    refuse(fleet, fleet.clusters["one"])
