# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter by which policies become objects without any stage."""

from __future__ import annotations

import collections
import json
import typing as t

import pytest
from ansible.errors import AnsibleError, AnsibleFilterError, AnsibleTypeError

from ansible_collections.mesh.fleet.plugins.filter import traffic_objects as module
from ansible_collections.mesh.fleet.plugins.filter.traffic_objects import FilterModule, traffic_objects
from tests.policies import BREAKER, REVIEWS, live

SHARED = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "~/.kube/config"}
CONTEXT = {
    "groups": {"mesh_clusters": ["west", "east"], "others": ["north"]},
    "hostvars": {name: {**SHARED, "ansible_host": name} for name in ("west", "east", "north")},
}


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(module._DISPLAY, "warning", said.append)
    return said


def kinds(*args: t.Any, **kwargs: t.Any) -> list[str]:
    return [one["kind"] for one in traffic_objects(CONTEXT, *args, **kwargs)]


def test_the_objects_of_one_cluster() -> None:
    assert FilterModule().filters() == {"traffic_objects": traffic_objects}
    assert kinds([REVIEWS], "west") == ["DestinationRule", "VirtualService"]
    assert kinds([REVIEWS], "east") == []
    assert kinds([], "west") == []
    assert kinds(None, "west") == []


def test_nothing_is_shared_between_objects() -> None:
    objects = traffic_objects(CONTEXT, [{**REVIEWS, **BREAKER, "service": "reviews.shop"}], "west")
    seen: list[t.Any] = []

    def collect(value: t.Any) -> None:
        if isinstance(value, (dict, list)):
            seen.append(id(value))
            for inner in value.values() if isinstance(value, dict) else value:
                collect(inner)

    collect(objects)
    assert [one for one, count in collections.Counter(seen).items() if count > 1] == []


def test_all_problems_are_one_error() -> None:
    wrong = [{"service": "a.b", "timeot": "5s"}, {**REVIEWS, "split": REVIEWS["split"][:1]}]
    with pytest.raises(AnsibleFilterError) as error:
        traffic_objects(CONTEXT, wrong, "west")
    assert "2 problems, nothing was touched" in str(error.value)
    assert "policies[0] (a.b) timeot is unknown: did you mean timeout?" in str(error.value)
    assert "policies[1] (reviews.shop from west) split has weights that sum to 75, not to 100: add 25" in str(
        error.value
    )


def test_what_clusters_hold_is_compared(warned: list[str]) -> None:
    policy = {"service": "reviews.shop", "timeout": "5s"}
    half = {**live(["east"]), "west": live(["west"])["west"][:1]}
    assert kinds([policy], "west", half) == ["VirtualService", "Service"]
    assert warned == []
    nowhere = {name: objects[:1] for name, objects in live(["west", "east"]).items()}
    with pytest.raises(AnsibleFilterError, match="is served by no cluster"):
        kinds([policy], "west", nowhere)
    kinds([{**policy, "mirror": {"labels": {"version": "v9"}}}], "west", half)
    assert warned == [
        "policies[0] (reviews.shop) mirror names pods that are not there: version=v9: "
        "these calls fail until such pods are ready"
    ]


def test_clusters_are_those_of_a_group() -> None:
    with pytest.raises(AnsibleFilterError, match="north is not in group mesh_clusters"):
        kinds([BREAKER], "north")
    assert kinds([BREAKER], "north", group="others") == ["DestinationRule", "VirtualService"]
    with pytest.raises(AnsibleFilterError, match='"west" names no cluster'):
        kinds([REVIEWS], "north", group="others")


def test_an_inventory_without_a_fleet_is_an_error() -> None:
    hostvars = {name: {"cluster_provider": "kind", "fleet_pod_range": "10.0.0.0/30"} for name in ("west", "east")}
    with pytest.raises(AnsibleError, match=r"describes no fleet; mesh\.fleet\.preflight"):
        traffic_objects({**CONTEXT, "hostvars": hostvars}, [BREAKER], "west")


def test_live_is_by_cluster() -> None:
    with pytest.raises(AnsibleTypeError, match="lists of objects by cluster"):
        kinds([BREAKER], "west", live(["west"])["west"])


def test_no_variable_is_read_that_nobody_needs() -> None:
    class Vault(dict[str, t.Any]):
        def __getitem__(self, name: str) -> t.Any:
            assert name not in ("cluster_api_token", "cluster_region", "secret")
            return super().__getitem__(name)

    hostvars = {"west": Vault(SHARED, cluster_api_token="{{ x }}", secret="y", cluster_region="{{ z }}")}
    given = {"groups": {"mesh_clusters": ["west"]}, "hostvars": hostvars}
    assert json.dumps(traffic_objects(given, [BREAKER], "west")).count("kind") == 2
