# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The walk-through's objects: all in its own namespace, all with its label."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import cast_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.objects import (
    NAMESPACE,
    PART,
    POLICIES,
    demo_labels,
    demo_namespace,
    demo_objects,
    is_of_demo,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.traffic.seen import see

from ..fleets import TWO, fleet

FLEET = fleet(TWO)
CAST = cast_of(FLEET, list(TWO))


def names(cluster: str, producers: int = 1) -> dict[str, int | None]:
    made = demo_objects(FLEET, FLEET.clusters[cluster], CAST, {"sample.py": ""}, image="x", producers=producers)
    return {f"{one['kind']} {one['metadata']['name']}": one.get("spec", {}).get("replicas") for one in made}


def test_version_2_runs_in_one_cluster() -> None:
    west, east = names("west"), names("east")
    assert set(east) - set(west) == {"Deployment sample-producer-v2"}
    workloads = ("Deployment sample-", "Service sample-")
    assert {name.removeprefix(which) for which in workloads for name in west if name.startswith(which)} == {
        "caller-v1", "producer-v1", "caller", "producer",
    }  # fmt: skip


def test_without_producers_the_caller_stays() -> None:
    left = names("east", 0)
    assert left["Deployment sample-caller-v1"] == 1
    assert left["Deployment sample-producer-v1"] == left["Deployment sample-producer-v2"] == 0


def test_all_is_in_its_namespace_and_has_its_label() -> None:
    for one in demo_objects(FLEET, FLEET.clusters["east"], CAST, {"sample.py": ""}, image="x"):
        assert one["metadata"]["namespace"] == NAMESPACE
        assert demo_labels(FLEET).items() <= one["metadata"]["labels"].items()


def test_the_namespace_gets_sidecars_and_says_who_made_it() -> None:
    metadata = demo_namespace(FLEET, FLEET.clusters["west"], created=True)["metadata"]
    assert metadata["labels"] == {**demo_labels(FLEET), "istio-injection": "enabled"}
    assert metadata["annotations"] == {"mesh.fleet/created": "true"}
    assert "annotations" not in demo_namespace(FLEET, FLEET.clusters["west"], created=False)["metadata"]


def test_no_pod_is_restarted_in_the_middle_of_a_scene() -> None:
    made = demo_objects(FLEET, FLEET.clusters["east"], CAST, {"sample.py": ""}, image="x")
    for one in made:
        if one["kind"] == "Deployment":
            (container,) = one["spec"]["template"]["spec"]["containers"]
            assert "livenessProbe" not in container and "readinessProbe" in container


def test_policies_do_not_take_its_services_for_their_own() -> None:
    """Who applies policies removes the Services of their part that no policy wants."""
    made = demo_objects(FLEET, FLEET.clusters["east"], CAST, {"sample.py": ""}, image="x")
    seen = see({"east": made}, FLEET.name, POLICIES)["east"]
    assert seen.service("sample-producer", NAMESPACE) is not None


def test_what_it_made_and_what_its_policies_made_is_its_own() -> None:
    for part in (PART, POLICIES):
        assert is_of_demo({"metadata": {"labels": owner_labels(part, FLEET.name)}}, FLEET)
        assert not is_of_demo({"metadata": {"labels": owner_labels(part, "other")}}, FLEET)
    assert not is_of_demo({"metadata": {"labels": owner_labels("traffic", FLEET.name)}}, FLEET)
