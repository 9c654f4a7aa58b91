# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nodes take of each quota."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.nodes import NodeGroup
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.checks.quotas import Quotas, cpus_of, demands, over_quota

KNOWN = {"e2-standard-4": 4, "n2-standard-4": 4, "c4-standard-4": 4}


def group(**more: t.Any) -> NodeGroup:
    base: dict[str, t.Any] = {
        "host": "west",
        "pool": "nodes",
        "region": "us-west1",
        "zones": ("us-west1-a",),
        "count": 3,
        "most": 5,
        "machine": "e2-standard-4",
        "disk": 100,
        "disk_type": "pd-balanced",
        "disk_key": "",
        "spot": False,
        "public": False,
        "account": "",
        "secure_boot": False,
    }
    return NodeGroup(**{**base, **more})


def quotas(**limits: float) -> Quotas:
    listed = [{"metric": name, "limit": limit, "usage": 2.0} for name, limit in limits.items()]
    return Quotas.of(
        {"quotas": [{"metric": "CPUS_ALL_REGIONS", "limit": 32}]}, [{"name": "us-west1", "quotas": listed}]
    )


@pytest.mark.parametrize(
    ("more", "limits", "metric", "amount"),
    [
        ({}, {}, "CPUS", 12),
        ({"machine": "n2-standard-4"}, {}, "N2_CPUS", 12),
        ({"machine": "n1-custom-6-8192"}, {}, "CPUS", 18),
        ({"spot": True}, {}, "CPUS", 12),
        ({"spot": True}, {"PREEMPTIBLE_CPUS": 10.0}, "PREEMPTIBLE_CPUS", 12),
        ({"machine": "c4-standard-4"}, {}, "", 0),
        ({"disk_type": "pd-standard"}, {}, "DISKS_TOTAL_GB", 300),
        ({}, {}, "SSD_TOTAL_GB", 300),
        ({"public": True}, {}, "IN_USE_ADDRESSES", 3),
    ],
)
def test_each_kind_of_node_has_its_metric(
    more: dict[str, t.Any], limits: dict[str, float], metric: str, amount: int
) -> None:
    found = demands([group(**more)], KNOWN, quotas(**limits))
    assert found.get(("us-west1", metric), 0) == amount
    assert sum(name.endswith("CPUS") for _region, name in found) == (1 if metric else 0)
    assert found["", "CPUS_ALL_REGIONS"] == 3 * cpus_of(str(more.get("machine", "e2-standard-4")), KNOWN)


def test_what_is_left_of_a_quota_counts() -> None:
    found = demands([group(), group(host="east")], KNOWN, quotas(CPUS=26.0))
    assert over_quota("p", found, quotas(CPUS=26.0)) == []
    (error,) = over_quota("p", found, quotas(CPUS=25.9))
    assert error.seen == "the inventory asks for 24, 23.9 of 25.9 are left"
    assert demands([group()], KNOWN, quotas(), most=True)["us-west1", "CPUS"] == 20
    (total,) = over_quota("p", {("", "CPUS_ALL_REGIONS"): 40}, quotas())
    assert total.what == "quota CPUS_ALL_REGIONS is too small"
