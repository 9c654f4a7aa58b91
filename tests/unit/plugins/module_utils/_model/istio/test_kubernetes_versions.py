# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Kubernetes a version of Istio supports."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.mesh_variables import MESH
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.kubernetes_versions import unsupported


@pytest.mark.parametrize(
    ("istio", "kubernetes", "fits"),
    [
        ("1.31.1", "1.32.0-gke.1", True),
        ("1.31.1", "v1.36.9", True),
        ("1.31.1", "1.31.9", False),
        ("1.31.1", "1.37.0", False),
        ("1.28.4", "1.34.1", True),
        ("1.28.4", "1.35.1", False),
        ("1.99.0", "1.20.0", True),
        ("", "1.20.0", True),
        ("1.31.1", "", True),
    ],
)
def test_versions_fit(istio: str, kubernetes: str, fits: bool) -> None:
    assert (unsupported(istio, kubernetes) == "") is fits


def test_the_default_version_of_istio_is_known() -> None:
    default = str(next(v.default for v in MESH if v.name == "mesh_istio_version"))
    assert unsupported(default, "1.2.0") == f"Istio {default} supports Kubernetes 1.32 to 1.36"
