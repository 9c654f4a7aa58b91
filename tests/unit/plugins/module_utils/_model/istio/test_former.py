# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a former istiod leaves: its intermediate CA, if no istiod can use it and it is ours; the way to its pods."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.former import (
    is_unwanted_signer,
    unwanted_endpoints,
    users_of_signer,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import (
    MANAGED_BY,
    MANAGER,
    owner_labels,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet


def fleet(**changes: t.Any) -> t.Any:
    hosts = {
        "west": {},
        "was": {"mesh_role": "remote", "mesh_primary": "west", **changes},
        "google": {"cluster_provider": "gke", "gke_project": "p", "mesh_control_plane": "managed"},
    }
    return read_fleet({n: {"cluster_provider": "kubeconfig", "fleet_name": "prod", **v} for n, v in hosts.items()})


def secret(labels: dict[str, str]) -> dict[str, t.Any]:
    return {"kind": "Secret", "metadata": {"name": "cacerts", "labels": labels}}


@pytest.mark.parametrize(
    ("cluster", "labels", "unwanted"),
    [
        ("was", owner_labels("trust", "prod"), True),
        ("google", owner_labels("trust", "prod"), True),
        ("west", owner_labels("trust", "prod"), False),
        ("was", owner_labels("trust", "staging"), False),
        ("was", owner_labels("apps", "prod"), False),
        ("was", {MANAGED_BY: MANAGER}, False),
        ("was", {}, False),
    ],
    ids=["remote", "managed", "primary", "another fleet's", "another role's", "of an earlier version", "somebody's"],
)
def test_whose_it_is_and_who_needs_it(cluster: str, labels: dict[str, str], unwanted: bool) -> None:
    made = fleet()
    assert is_unwanted_signer(made, made.clusters[cluster], secret(labels)) is unwanted
    assert not is_unwanted_signer(made, made.clusters[cluster], None)


def test_what_an_earlier_version_wrote_goes_by_consent() -> None:
    made = fleet(mesh_take_over=True)
    assert is_unwanted_signer(made, made.clusters["was"], secret({MANAGED_BY: MANAGER}))
    assert not is_unwanted_signer(made, made.clusters["was"], secret({}))


def named(name: str, phase: str = "Running") -> dict[str, t.Any]:
    return {"metadata": {"name": name}, "status": {"phase": phase}}


def test_no_istiod_loses_what_it_signs_with() -> None:
    made = fleet()
    assert users_of_signer(made, [], [], planned=False) == []
    assert users_of_signer(made, [named("istiod")], [], planned=False) == ["Deployment istiod"]
    # One that ends may still sign.
    assert users_of_signer(made, [], [named("istiod-7d-x")], planned=False) == ["Pod istiod-7d-x"]
    assert users_of_signer(made, [], [named("istiod-7d-x", "Failed")], planned=False) == []
    assert users_of_signer(made, [named("istiod-canary")], [], planned=False) == ["Deployment istiod-canary"]


def test_check_mode_foresees_that_ours_is_uninstalled() -> None:
    made = fleet()
    assert users_of_signer(made, [named("istiod")], [named("istiod-7d-x")], planned=True) == []
    theirs = users_of_signer(made, [named("of-others")], [named("of-others-7d-x")], planned=True)
    assert theirs == ["Deployment of-others", "Pod of-others-7d-x"]


def made_by(controller: str, label: str = "endpointslice.kubernetes.io/managed-by") -> dict[str, t.Any]:
    return {"metadata": {"name": controller, "labels": {label: controller}}}


KUBERNETES, MIRROR = made_by("endpointslice-controller.k8s.io"), made_by("endpointslicemirroring-controller.k8s.io")
CHART = made_by("Helm")
NAMED: dict[str, t.Any] = {"metadata": {"name": "istiod"}}


@pytest.mark.parametrize(
    ("service", "endpoints", "slices", "also"),
    [
        ({"spec": {}}, NAMED, [KUBERNETES], True),
        ({"spec": {}}, None, [KUBERNETES], False),
        ({"spec": {}}, made_by("Helm", "app.kubernetes.io/managed-by"), [KUBERNETES], True),
        ({"spec": {}}, {"metadata": {"annotations": {"meta.helm.sh/release-name": "istiod"}}}, [KUBERNETES], False),
        ({"spec": {"selector": {"app": "istiod"}}}, NAMED, [], False),
        (None, NAMED, [], False),
    ],
    ids=["left", "slices alone", "with the labels of its Service", "of an older chart", "istiod runs", "no Service"],
)
def test_what_leads_to_a_former_istiod_goes(
    service: dict[str, t.Any] | None, endpoints: dict[str, t.Any] | None, slices: list[dict[str, t.Any]], also: bool
) -> None:
    """The mirrored slice goes with the Endpoints; the chart's leads to the primary."""
    assert unwanted_endpoints(service, [CHART, KUBERNETES, MIRROR], endpoints) == (slices, also)
