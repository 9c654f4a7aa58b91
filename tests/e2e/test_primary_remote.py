# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One istiod for two clusters, each on its own network: east is a remote of west.

Istio's CNI agent sets up the network of pods with a sidecar, in namespaces of PodSecurity level ``restricted``.

The tests run in their order: the mesh is made by site.yml, then goes together with its clusters. What takes longer
is in long/test_remotes.py.
"""

from __future__ import annotations

import asyncio
import json
import pathlib

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.dns_domain import Dns, said_domains
from tests.rendered import compare

from .door import Door
from .local_fleet import Fleet
from .mesh import SHARES, calls, measured
from .playbooks import changed
from .remotes import address_of, inventory

RESTRICTED = ("mesh-verify", "istio-apps")
"""The namespaces of the probe and of the sample, both with sidecars."""


def privileged(fleet: Fleet, cluster: str, namespace: str) -> list[str]:
    """The containers that add a capability, of pods with a sidecar."""
    pods = json.loads(fleet.kubectl(cluster, "-n", namespace, "get", "pods", "-o", "json"))["items"]
    found = [c for pod in pods for c in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]]
    assert "istio-proxy" in {c["name"] for c in found}
    return [c["name"] for c in found if c.get("securityContext", {}).get("capabilities", {}).get("add")]


def test_the_primary_serves_the_remote(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    fleet.network = "per_cluster"
    remote = inventory(tmp_path, east="west")
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
    # The sample's policy, measured from the primary and from its remote.
    found = measured(fleet.name)
    assert {part: share["declared"] for part, share in found.items()} == SHARES
    assert {share["of"] for share in found.values()} == {400}
    # What preflight asks where no DNS server of a cluster says its domain.
    (node,) = fleet.kubectl("west", "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    kubelet = json.loads(fleet.kubectl("west", "get", "--raw", f"/api/v1/nodes/{node}/proxy/configz"))
    assert said_domains(Dns(node=node, kubelet=kubelet)) == [(f"kubelet of node {node}", ["cluster.local"])]


def test_a_front_door_leads_to_the_remote_too(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    remote, door = inventory(tmp_path, east="west"), Door(fleet, tmp_path)
    door.put_certificate()
    said = fleet.play("front_door", *remote, *door.given)
    assert "does not lead" not in said and "leads past" not in said
    # One istiod configures both gateways, and each leads to pods of its own cluster.
    for cluster in ("west", "east"):
        assert {door.behind(cluster) for _call in range(10)} == {cluster}
    assert changed(fleet.play("front_door", *remote, *door.given)) == 0
    door.ask_for([])
    fleet.play("front_door", *remote, *door.given)
    door.remove_certificate()


def test_rendered_files_are_what_was_applied(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    remote, folder = inventory(tmp_path, east="west"), tmp_path / "rendered"
    given = {"render_dir": str(folder), "control_plane_primary_address": address_of(fleet, "west")}
    fleet.play("render", *remote, "-e", json.dumps(given))
    left_out = {"Secret istio-system/cacerts", "Secret istio-system/istio-remote-secrets"}
    for cluster, missing in {"west": left_out, "east": set[str]()}.items():
        asyncio.run(compared(fleet, cluster, folder / cluster, missing))
    assert changed(fleet.play("render", *remote, "-e", json.dumps(given))) == 0


async def compared(fleet: Fleet, cluster: str, folder: pathlib.Path, left_out: set[str]) -> None:
    connection = Connection(kubeconfig=str(fleet.state / "kubeconfigs" / f"{cluster}.yaml"))
    async with Kube.connect(connection, cluster=cluster) as kube:
        await compare(kube, folder, left_out, existed=RESTRICTED)


def test_the_clusters_go(fleet: Fleet) -> None:
    # The root goes by consent alone, and with it the folder.
    fleet.play("teardown", "-e", "trust_remove_root=true")
    assert fleet.names() == []
    assert not fleet.state.exists()
