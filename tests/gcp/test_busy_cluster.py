# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Operations that GKE starts itself, which a cluster's status does not show: changes and deletions wait for them."""

from __future__ import annotations

import pytest

from .cluster_runs import HOSTS, WEST, Run, actions, failure, fleet_of, make
from .held import held
from .standin.container import begins
from .standin.server import StandIn

CHANGE = fleet_of({**HOSTS, "west": {**HOSTS["west"], "gke_release_channel": "rapid"}})


@pytest.fixture
def made(options: dict[str, object], google_cloud: StandIn) -> Run:
    """Two clusters."""
    return make(Run(options), google_cloud)


def repair(standin: StandIn) -> None:
    """Google repairs the nodes of one."""
    with standin.cloud.lock:
        begins(standin.cloud, WEST)
    assert standin.cloud.resources[WEST]["status"] == "RUNNING"


def refused(standin: StandIn) -> int:
    return sum("incompatible operation" in entry.get("said", "") for entry in standin.cloud.log)


def test_a_change_waits(made: Run, google_cloud: StandIn) -> None:
    with held(google_cloud, lambda: refused(google_cloud) > 0):
        repair(google_cloud)
        assert actions(made(CHANGE)) == {"west": "changed", "north": "unchanged"}
    assert google_cloud.cloud.resources[WEST]["releaseChannel"] == {"channel": "RAPID"}


def test_a_deletion_waits(made: Run, google_cloud: StandIn) -> None:
    with held(google_cloud, lambda: refused(google_cloud) > 0):
        repair(google_cloud)
        assert set(actions(made(absent=True)).values()) == {"removed"}
    assert google_cloud.cloud.resources == {}


def test_an_operation_that_does_not_end_is_reported(made: Run, google_cloud: StandIn) -> None:
    repair(google_cloud)
    (operation,) = [o for o in google_cloud.cloud.operations.values() if o.view["operationType"] == "AUTO_REPAIR_NODES"]
    operation.end = float("inf")
    error = failure(made(CHANGE, timeout=0.5))
    assert error.what == "another operation on it is running"
    assert operation.view["name"] in error.seen
    assert error.next_step == "run again when that is over"
    operation.end = 0
    assert actions(made(CHANGE))["west"] == "changed"
