# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of policies, as preflight makes them."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.traffic import warnings

from .hosts import PLACE, problems_of, problems_with

HOSTS = {"west": PLACE, "east": PLACE}


def only(policy: t.Any, hosts: t.Mapping[str, t.Mapping[str, t.Any]] | None = None) -> str:
    (found,) = problems_with(hosts or HOSTS, mesh_traffic=[policy])
    return found


def test_sound_policies_have_no_problem() -> None:
    assert problems_with(HOSTS, mesh_traffic=[{"service": "orders.shop", "timeout": "5s"}]) == []
    assert problems_with(HOSTS, mesh_traffic=[]) == []


def test_a_problem_of_the_fleet_is_told_once_with_its_policy() -> None:
    assert only({"service": "orders.shop", "timout": "5s"}) == (
        "(fleet) mesh_traffic[0] (orders.shop) timout is unknown | did you mean timeout?"
    )
    assert only({"service": "orders.shop", "from": ["wst"], "timeout": "5s"}) == (
        '(fleet) mesh_traffic[0] (orders.shop) from "wst" names no cluster of this fleet | did you mean "west"?'
    )


def test_a_policy_for_a_cluster_that_left_is_refused() -> None:
    both = {"service": "orders.shop", "split": [{"weight": 50, "cluster": "west"}, {"weight": 50, "cluster": "north"}]}
    found = only(both)
    assert found.startswith(
        '(fleet) mesh_traffic[0] (orders.shop) split[1].cluster "north" names no cluster of this fleet | '
    )


def test_what_depends_on_the_fleet_is_checked_too() -> None:
    split = [{"weight": 60, "cluster": "west"}, {"weight": 30, "cluster": "east"}]
    assert only({"service": "orders.shop", "split": split}).endswith(
        "split has weights that sum to 90, not to 100 | add 10"
    )
    hosts = {"west": {**PLACE, "mesh_peers": []}, "east": PLACE}
    found = only({"service": "orders.shop", "from": ["west"], "split": [{"weight": 100, "cluster": "east"}]}, hosts)
    assert "cannot be called: west has no peering with east" in found


def test_policies_that_differ_between_clusters_are_one_problem() -> None:
    hosts = {
        "west": {**PLACE, "mesh_traffic": [{"service": "a.b", "timeout": "5s"}]},
        "east": {**PLACE, "mesh_traffic": [{"service": "a.b", "timeout": "6s"}]},
    }
    (found,) = problems_of(hosts)
    assert "east mesh_traffic" in found
    assert "one value for the whole fleet" in found


def test_what_is_no_list_is_refused() -> None:
    found = problems_with(HOSTS, mesh_traffic={"service": "orders.shop"})
    assert found
    assert all("mesh_traffic" in one for one in found)


def test_what_may_be_wrong_is_a_warning() -> None:
    policy = {"service": "orders.shop", "breaker": {"errors": 5}, "failover": {"regions": ["eu"]}}
    hosts: dict[str, t.Any] = {
        "west": {"cluster_provider": "kubeconfig", "cluster_region": "us", "mesh_traffic": [policy]},
        "east": {"cluster_provider": "kubeconfig", "mesh_traffic": [policy]},
    }
    (found,) = warnings(read_fleet(hosts))
    assert "names a region that no cluster has" in found.statement
    assert warnings(read_fleet({"west": {}})) == []
