# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One istiod for two clusters, each on its own network: east is a remote of west.

The tests run in their order: the mesh is made by site.yml, then goes together with its clusters.
"""

from __future__ import annotations

import pathlib

import yaml

from .local_fleet import Fleet
from .mesh import calls
from .playbooks import changed


def served(folder: pathlib.Path) -> pathlib.Path:
    """An inventory that makes east a remote of west."""
    path = folder / "remote.yml"
    hosts = {"east": {"mesh_role": "remote", "mesh_primary": "west"}}
    path.write_text(yaml.safe_dump({"mesh_clusters": {"hosts": hosts}}))
    return path


def test_the_primary_serves_the_remote(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    fleet.network = "per_cluster"
    remote = served(tmp_path)
    fleet.play("site", "-i", str(remote))
    pairs = {(caller, callee) for caller, callee, _service in calls(fleet.name)}
    assert pairs >= {("west", "east"), ("east", "west")}
    assert fleet.kubectl("east", "get", "deployments", "-n", "istio-system", "-l", "app=istiod", "-o", "name") == ""
    assert changed(fleet.play("site", "-i", str(remote))) == 0


def test_the_remote_becomes_a_primary_and_a_remote_again(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    """verify, at the end of site.yml, proves the calls; no workload is restarted by hand."""
    system = ("-n", "istio-system", "get")
    fleet.play("site")
    assert "cacerts" in fleet.kubectl("east", *system, "secrets", "-o", "name")
    assert fleet.kubectl("east", *system, "secrets", "-l", "istio/multiCluster=true", "-o", "name")
    assert changed(fleet.play("site")) == 0
    remote = served(tmp_path)
    fleet.play("site", "-i", str(remote))
    left = fleet.kubectl("east", *system, "secrets", "-o", "name").split()
    assert "secret/cacerts" not in left, "the key of an intermediate CA that nobody needs"
    assert fleet.kubectl("east", *system, "secrets", "-l", "istio/multiCluster=true", "-o", "name") == ""
    assert fleet.kubectl("east", *system, "deployments", "-l", "app=istiod", "-o", "name") == ""
    # Its primary leads there: without that, pods of a new namespace wait for the root for ever.
    fleet.kubectl("east", "create", "namespace", "later")
    root = ("wait", "--for=create", "configmap/istio-ca-root-cert", "--timeout=120s")
    fleet.kubectl("east", "-n", "later", *root)
    assert changed(fleet.play("site", "-i", str(remote))) == 0


def test_the_clusters_go(fleet: Fleet) -> None:
    # The root goes by consent alone, and with it the folder.
    fleet.play("teardown", "-e", "trust_remove_root=true")
    assert fleet.names() == []
    assert not fleet.state.exists()
