# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One istiod for two clusters, each on its own network: east is a remote of west.

Istio's CNI agent sets up the network of pods with a sidecar, in namespaces of PodSecurity level ``restricted``.

The tests run in their order: the mesh is made by site.yml, then goes together with its clusters.
"""

from __future__ import annotations

import json
import pathlib

import yaml

from .local_fleet import Fleet
from .mesh import calls
from .playbooks import changed

RESTRICTED = ("mesh-verify", "istio-apps")
"""The namespaces of the probe and of the sample, both with sidecars."""


def inventory(folder: pathlib.Path, role: str = "remote") -> tuple[str, str]:
    """An inventory with Istio's CNI agent, in which east is a remote of west, or a primary."""
    path = folder / f"{role}.yml"
    east = {"mesh_role": "remote", "mesh_primary": "west"} if role == "remote" else {}
    path.write_text(yaml.safe_dump({"mesh_clusters": {"hosts": {"east": east}, "vars": {"mesh_cni": True}}}))
    return "-i", str(path)


def privileged(fleet: Fleet, cluster: str, namespace: str) -> list[str]:
    """The containers that add a capability, of pods with a sidecar."""
    pods = json.loads(fleet.kubectl(cluster, "-n", namespace, "get", "pods", "-o", "json"))["items"]
    found = [c for pod in pods for c in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]]
    assert "istio-proxy" in {c["name"] for c in found}
    return [c["name"] for c in found if c.get("securityContext", {}).get("capabilities", {}).get("add")]


def test_the_primary_serves_the_remote(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    fleet.network = "per_cluster"
    remote = inventory(tmp_path)
    fleet.play("clusters", *remote)
    for cluster in ("west", "east"):
        for namespace in RESTRICTED:
            fleet.kubectl(cluster, "create", "namespace", namespace)
            fleet.kubectl(cluster, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    refused = fleet.play("control_plane", *remote, "-e", "mesh_cni=false", good=False)
    assert "its PodSecurity refuses pods with a sidecar" in refused and "mesh_cni: true" in refused
    assert "istio-system" not in fleet.kubectl("west", "get", "namespaces", "-o", "name")
    fleet.play("site", *remote)
    pairs = {(caller, callee) for caller, callee, _service in calls(fleet.name)}
    assert pairs >= {("west", "east"), ("east", "west")}
    assert fleet.kubectl("east", "get", "deployments", "-n", "istio-system", "-l", "app=istiod", "-o", "name") == ""
    for cluster in ("west", "east"):
        assert privileged(fleet, cluster, "istio-apps") == []
    assert changed(fleet.play("site", *remote)) == 0


def test_the_remote_becomes_a_primary_and_a_remote_again(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    """verify, at the end of site.yml, proves the calls; no workload is restarted by hand."""
    system = ("-n", "istio-system", "get")
    primaries = inventory(tmp_path, "primary")
    fleet.play("site", *primaries)
    assert "cacerts" in fleet.kubectl("east", *system, "secrets", "-o", "name")
    assert fleet.kubectl("east", *system, "secrets", "-l", "istio/multiCluster=true", "-o", "name")
    assert changed(fleet.play("site", *primaries)) == 0
    remote = inventory(tmp_path)
    fleet.play("site", *remote)
    left = fleet.kubectl("east", *system, "secrets", "-o", "name").split()
    assert "secret/cacerts" not in left, "the key of an intermediate CA that nobody needs"
    assert fleet.kubectl("east", *system, "secrets", "-l", "istio/multiCluster=true", "-o", "name") == ""
    assert fleet.kubectl("east", *system, "deployments", "-l", "app=istiod", "-o", "name") == ""
    # Its primary leads there: without that, pods of a new namespace wait for the root for ever.
    fleet.kubectl("east", "create", "namespace", "later")
    root = ("wait", "--for=create", "configmap/istio-ca-root-cert", "--timeout=120s")
    fleet.kubectl("east", "-n", "later", *root)
    assert changed(fleet.play("site", *remote)) == 0


def test_the_clusters_go(fleet: Fleet) -> None:
    # The root goes by consent alone, and with it the folder.
    fleet.play("teardown", "-e", "trust_remove_root=true")
    assert fleet.names() == []
    assert not fleet.state.exists()
