# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All checks together."""

from __future__ import annotations

import time
import typing as t

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import table
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import VARIABLES
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import (
    BY_URL,
    OWN,
    PLACE,
    problems_of,
)


def test_a_sound_fleet_has_no_problem() -> None:
    hosts = {
        "west": {**PLACE, "cluster_zone": "us-west1-a", "mesh_peers": ["own", "far"]},
        "own": {**OWN, "cluster_pod_cidr": "10.0.0.0/16"},
        "far": BY_URL,
        "edge": {**OWN, "mesh_role": "remote", "mesh_primary": "own", "cluster_labels": {"tier": "edge"}},
        "goo": {
            **PLACE,
            "cluster_provider": "gke",
            "gke_project": "shop-prod",
            "gke_spot": True,
            "mesh_control_plane": "managed",
        },
    }
    assert problems_of(hosts) == []


def test_no_clusters() -> None:
    assert problems_of({}) == ["(fleet) the fleet has no clusters | put hosts into the inventory group mesh_clusters"]


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates())
    | st.sampled_from(["remote", "kind", "gke", "kubeconfig", "west", "10.0.0.0/8", "https://u@[::1", "per_cluster"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
NAMES = st.one_of(st.sampled_from([*VARIABLES, "mesh_x", "gke_x", "other"]), st.text(max_size=5))
HOSTS = st.dictionaries(
    st.one_of(st.sampled_from(["west", "east", "West"]), st.text(max_size=70)),
    st.dictionaries(NAMES, VALUES, max_size=12),
    max_size=5,
)


@given(HOSTS)
def test_checks_never_raise_and_what_passes_is_a_fleet(hosts: dict[str, dict[str, t.Any]]) -> None:
    problems = check(hosts, {"all": list(hosts)})
    assert table(problems)
    if not problems:
        assert list(read_fleet(hosts).clusters) == list(hosts)


LABELS = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@given(st.lists(LABELS, min_size=1, max_size=16, unique=True), st.sampled_from(["flat", "per_cluster"]), st.data())
def test_a_fleet_made_right_has_no_problem(names: list[str], network: str, data: st.DataObject) -> None:
    hosts: dict[str, dict[str, t.Any]] = {}
    for name in names:
        hosts[name] = {"cluster_region": data.draw(LABELS), "mesh_network": network}
        if len(hosts) > 1 and data.draw(st.booleans()):
            hosts[name] |= {"mesh_role": "remote", "mesh_primary": names[0]}
        elif data.draw(st.booleans()):
            hosts[name]["mesh_peers"] = [other for other in names if other != name]
    assert problems_of(hosts) == []
    assert len(read_fleet(hosts).clusters) == len(names)


def test_the_time_for_many_problems_grows_with_the_fleet() -> None:
    def seconds(count: int) -> float:
        hosts = {
            f"c{i}": {
                f"mesh_x{i}": 1,
                "mesh_role": "remote",
                "mesh_primary": f"d{i}x",
                "cluster_pod_cidr": "10.1.0.0/16",
            }
            for i in range(count)
        }
        began = time.process_time()
        assert len(check(hosts)) > 3 * count
        return time.process_time() - began

    # Twice that would be quadratic; the small one is large enough to measure.
    assert seconds(4000) < 8 * max(seconds(1000), 0.05)
