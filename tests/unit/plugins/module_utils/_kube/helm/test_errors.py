# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Helm and kubernetes.core print, and what we make of it; the texts are recorded."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.errors import explain

UNSUPPORTED = (
    "Unsupported parameters for (kubernetes.core.helm) module: server_side. Supported parameters include: api_key, "
    "atomic, binary_path, ca_cert, chart_ref, chart_repo_url, chart_version, context."
)
REMOVED = "Error: unknown flag: --all\n"


@pytest.mark.parametrize("output", [UNSUPPORTED, REMOVED])
def test_a_kubernetes_core_that_does_not_know_helm_4_is_named(output: str) -> None:
    error = explain(output, "west", "release istio-system/istiod", "install")
    assert "kubernetes.core knows from version 6.5 on" in error.means
    assert "Helm 3 binary" in error.next_step


@pytest.mark.parametrize("text", ["release: already exists", "cannot re-use a name that is still in use"])
def test_a_release_that_another_run_made_just_now_is_named(text: str) -> None:
    error = explain(f"Error: {text}", "west", "release istio-system/istiod", "install")
    assert "somebody else made or changed this release in the same moment" in error.means
    assert "-vvv" not in error.next_step
