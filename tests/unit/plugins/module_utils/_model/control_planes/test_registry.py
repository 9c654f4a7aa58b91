# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which control plane a cluster has."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.base import ControlPlane
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.istiod import Istiod
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.managed import Managed
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.registry import (
    clusters_with_istiod,
    control_plane_of,
    managed_clusters,
    own_networks,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.control_planes.remote import Remote
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.fleets import SERVED, fleet

MADE = fleet(
    {
        **SERVED,
        "west": {"mesh_control_plane": "managed", "mesh_network": "google"},
        "oslo": {"mesh_network": "oslo"},
    }
)


@pytest.mark.parametrize(
    ("name", "kind", "ours", "has_istiod"),
    [("fra", Istiod, True, True), ("edge", Remote, True, False), ("west", Managed, False, False)],
)
def test_each_cluster_has_its_own_kind(name: str, kind: type[ControlPlane], ours: bool, has_istiod: bool) -> None:
    plane = control_plane_of(MADE, MADE.clusters[name])
    assert plane.__class__ is kind
    assert (plane.ours, plane.has_istiod) == (ours, has_istiod)


def test_clusters_are_found_by_their_control_plane() -> None:
    assert [cluster.name for cluster in clusters_with_istiod(MADE)] == ["fra", "oslo"]
    assert [cluster.name for cluster in managed_clusters(MADE)] == ["west"]
    assert own_networks(MADE) == {"shop-flat", "oslo"}


def test_only_what_google_runs_is_skipped_and_says_why() -> None:
    reasons = {name: control_plane_of(MADE, cluster).skip_reason for name, cluster in MADE.clusters.items()}
    assert reasons == {"fra": "", "edge": "", "west": "Google runs west's control plane", "oslo": ""}


def test_a_remote_finds_what_its_primary_watches() -> None:
    made = fleet({**SERVED, "fra": {"mesh_peers": ["oslo"]}, "oslo": {}, "rome": {}, "lost": {"mesh_role": "remote"}})
    planes = {name: control_plane_of(made, cluster) for name, cluster in made.clusters.items()}
    assert [name for name, other in planes.items() if planes["edge"].may_call(other)] == ["fra", "edge", "oslo"]
    assert [name for name, other in planes.items() if planes["fra"].watches(other)] == ["edge", "oslo"]
    assert not any(planes["edge"].watches(other) for other in planes.values())
    assert not planes["lost"].may_call(planes["fra"])


def test_advice_of_ours_stays_as_the_sidecar_gave_it() -> None:
    plane = control_plane_of(MADE, MADE.clusters["fra"])
    said = "the istiod that serves fra knows no address", "run the peering stage with --limit fra,oslo"
    assert plane.advice("oslo", "probe-oslo", *said) == said
