# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A job to which AWX's own credential for Kubernetes is given works on the clusters of the inventory all the same.

The environment names another real API server, with a login that may do everything there.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.api import control_plane
from tests.api.nodes import everything

from . import jobs
from .conftest import ROOT
from .test_jobs import FLEET, HOSTS


@pytest.fixture(scope="module")
def stranger(no_proxy: None, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[control_plane.ControlPlane]:
    """A cluster that is not of the fleet."""
    running = control_plane.start(tmp_path_factory.mktemp("stranger"))
    yield running
    running.stop()


def of_strangers(plane: control_plane.ControlPlane) -> dict[str, str]:
    """What credentials of others, and a shell, set for a job."""
    auth = {"HOST": plane.server, "API_KEY": control_plane.ADMIN_TOKEN, "VERIFY_SSL": "false"}
    auth |= {"KUBECONFIG": str(plane.kubeconfig), "CONTEXT": "admin"}
    helm = {"KUBEAPISERVER": plane.server, "KUBETOKEN": control_plane.ADMIN_TOKEN, "KUBECONTEXT": "admin"}
    helm |= {"KUBEINSECURE_SKIP_TLS_VERIFY": "true", "NAMESPACE": "kube-public", "DRIVER": "configmap"}
    nobody = {"CLOUDSDK_CORE_PROJECT": "stranger", "GOOGLE_CLOUD_PROJECT": "stranger", "GCP_PROJECT": "stranger"}
    return {
        "KUBECONFIG": str(plane.kubeconfig),
        **{f"K8S_AUTH_{name}": value for name, value in auth.items()},
        **{f"HELM_{name}": value for name, value in helm.items()},
        **nobody,
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }


def test_a_job_works_on_the_inventorys_clusters(
    fra: control_plane.ControlPlane, stranger: control_plane.ControlPlane, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text("of a test")
    environment = {**of_strangers(stranger), "MESH_FLEET_KUBECONFIG": str(fra.kubeconfig)}
    environment |= {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    folder = jobs.folder(tmp_path / "job", ROOT / "collections", jobs.inventory(HOSTS, FLEET), environment)
    before = everything(stranger)
    # Istio does not run here: what needs no pods is made.
    stages = "trust,peering,apps,services,traffic"
    given = {"trust_vault_password_file": str(password), "apps_sample": {}}
    done = jobs.run(folder, "site.yml", given, f"--tags {stages}", "--skip-tags reachability")
    assert done.code == 0, done.output
    assert "cacerts" in fra.kubectl("-n", "istio-system", "get", "secrets", "-o", "name")
    assert everything(stranger) == before
