# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.versions import skew


@pytest.mark.parametrize(
    ("wanted", "running", "minors"),
    [
        ("1.31.1", "pilot:1.31.0", 0),
        ("1.32.0", "registry:5000/istio/pilot:1.31.1-distroless", 1),
        ("1.33.0", "pilot:1.31.1", 2),
        ("1.29.4", "pilot:1.31.1", 2),
        ("2.0.0", "pilot:1.31.1", 1000),
        ("1.31.1", "pilot:latest", 0),
        ("1.31.1", "pilot@sha256:1.2", 0),
    ],
)
def test_skew(wanted: str, running: str, minors: int) -> None:
    assert skew(wanted, running) == minors
