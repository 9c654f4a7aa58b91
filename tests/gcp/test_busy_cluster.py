# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Operations that GKE begins by itself, which a cluster's status does not show: changes and deletions wait for them."""

from __future__ import annotations

import pytest

from .cluster_runs import HOSTS, WEST, Run, actions, failure, fleet_of, make
from .standin.container import begins
from .standin.server import StandIn

CHANGE = fleet_of({**HOSTS, "west": {**HOSTS["west"], "gke_release_channel": "rapid"}})


@pytest.fixture
def busy(options: dict[str, object], google_cloud: StandIn) -> Run:
    """Two clusters; Google repairs the nodes of one for half a second."""
    run = make(Run(options), google_cloud)
    google_cloud.cloud.duration = 0.5
    with google_cloud.cloud.lock:
        begins(google_cloud.cloud, WEST)
    google_cloud.cloud.duration = 0.05
    assert google_cloud.cloud.resources[WEST]["status"] == "RUNNING"
    return run


def refused(standin: StandIn) -> int:
    return sum("incompatible operation" in entry.get("said", "") for entry in standin.cloud.log)


def test_a_change_waits(busy: Run, google_cloud: StandIn) -> None:
    assert actions(busy(CHANGE)) == {"west": "changed", "north": "unchanged"}
    assert refused(google_cloud) > 0
    assert google_cloud.cloud.resources[WEST]["releaseChannel"] == {"channel": "RAPID"}


def test_a_deletion_waits(busy: Run, google_cloud: StandIn) -> None:
    assert set(actions(busy(absent=True)).values()) == {"removed"}
    assert refused(google_cloud) > 0
    assert google_cloud.cloud.resources == {}


def test_one_that_does_not_end_is_told(busy: Run, google_cloud: StandIn) -> None:
    (operation,) = [o for o in google_cloud.cloud.operations.values() if o.view["operationType"] == "AUTO_REPAIR_NODES"]
    operation.end = float("inf")
    error = failure(busy(CHANGE, timeout=0.5))
    assert error.what == "something else is being done to it"
    assert operation.view["name"] in error.seen
    assert error.next_step == "run again when that is over"
    operation.end = 0
    assert actions(busy(CHANGE))["west"] == "changed"
