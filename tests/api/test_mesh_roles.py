# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Control plane and gateways against a real API server with real Helm and Istio's charts.

There are no nodes: a thread marks each Deployment ready, and assigns each gateway an address.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.ownership import owner_labels
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir

from . import control_plane
from .nodes import ADDRESS, Nodes, await_everything, everything
from .plays import role_play, run_plays

CHARTS = os.environ.get("MESH_FLEET_CHARTS") or os.path.join(artifacts_dir(), "charts")
INJECTED = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "kept", "namespace": "default", "labels": {"service.istio.io/canonical-name": "kept"}},
    "spec": {
        "automountServiceAccountToken": False,
        "containers": [
            {"name": "istio-proxy", "image": "proxyv2", "env": [{"name": "ISTIO_META_CLUSTER_ID", "value": "west"}]}
        ],
    },
}
"""A pod of somebody's whose sidecar stayed."""
CACERTS = ("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem")


def fleet_of(api: control_plane.ControlPlane, helm: str) -> dict[str, t.Any]:
    """One cluster, whose releases the program ``helm`` brings."""
    return {
        "vars": {
            "fleet_name": "api",
            "mesh_id": "shop",
            "cluster_provider": "kubeconfig",
            "cluster_kubeconfig": str(api.kubeconfig),
            "cluster_context": "admin",
            "cluster_region": "here",
            "control_plane_charts": CHARTS,
            "control_plane_helm": helm,
            "control_plane_timeout": 180,
            "gateways_charts": CHARTS,
            "gateways_helm": helm,
            "gateways_timeout": 180,
        },
        "hosts": {"west": {}},
    }


class Play:
    """Runs a stage of ours against the API server."""

    def __init__(self, api: control_plane.ControlPlane, tmp: Path) -> None:
        self.tmp = tmp
        self.fleet = fleet_of(api, str(control_plane.program("helm")))

    def __call__(self, role: str, *args: str, tasks: str = "main", ok: bool = True, **variables: t.Any) -> str:
        done = run_plays(self.tmp, self.fleet, role_play(role, tasks=tasks, **variables), *args)
        assert (done.code == 0) is ok, done.output
        return done.output

    def twice(self, role: str, **variables: t.Any) -> None:
        assert "changed)" in self(role, **variables)
        assert "changed" not in self(role, **variables)


@pytest.fixture
def play(api: control_plane.ControlPlane, tmp_path: Path) -> Play:
    return Play(api, tmp_path)


@pytest.fixture
def cacerts(api: control_plane.ControlPlane) -> t.Iterator[None]:
    api.kubectl("create", "namespace", "istio-system")
    literals = [f"--from-literal={name}=x" for name in CACERTS]
    api.kubectl("-n", "istio-system", "create", "secret", "generic", "cacerts", *literals)
    yield
    api.kubectl("delete", "namespace", "istio-system")


def release(api: control_plane.ControlPlane, name: str) -> dict[str, str]:
    helm = str(control_plane.program("helm"))
    env = {**os.environ, "KUBECONFIG": str(api.kubeconfig)}
    out = subprocess.run(
        [helm, "ls", "-n", "istio-system", "-a", "-o", "json"], capture_output=True, text=True, check=False, env=env
    )
    assert out.returncode == 0, out.stderr
    found = [entry for entry in json.loads(out.stdout) if entry["name"] == name]
    return {"status": found[0]["status"], "revision": found[0]["revision"]} if found else {}


def test_without_certificates_istiod_is_not_started(api: control_plane.ControlPlane, play: Play) -> None:
    out = play("control_plane", ok=False)
    assert "Secret istio-system/cacerts: istiod has no certificate to sign with" in out
    assert "run the trust stage first" in out
    assert release(api, "istiod") == {}
    play("control_plane", tasks="absent")
    assert "istio-system" not in api.kubectl("get", "namespaces")


def gateways_leave(api: control_plane.ControlPlane, play: Play) -> None:
    """Other roles' objects of this fleet, and another fleet's, are not the gateways' to remove."""
    theirs = {"of-an-app": ("api", "apps"), "of-another": ("other", "gateways")}
    for name, (owner, part) in theirs.items():
        about = {"name": name, "namespace": "istio-system", "labels": owner_labels(part, owner)}
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
        gateway = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": about}
        api.kubectl("apply", "-f", "-", stdin=json.dumps({**gateway, "spec": {"servers": [server]}}))
    play("gateways", tasks="absent")
    found = api.kubectl("-n", "istio-system", "get", "gateways.networking.istio.io", "-o", "name").split()
    assert sorted(found) == [f"gateway.networking.istio.io/{name}" for name in theirs]
    api.kubectl("-n", "istio-system", "delete", "gateways.networking.istio.io", *theirs)


def becomes_a_remote(api: control_plane.ControlPlane, play: Play) -> None:
    """From primary to remote: when the stage ends no istiod runs there, so peering may take its certificates away."""
    about = ("-n", "istio-system", "get", "pods", "-l", "app=istiod", "-o", "name")
    assert api.kubectl(*about)
    # As Kubernetes' controllers, which do not run here, leave them when the Service istiod loses its selector.
    port = {"name": "https-dns", "port": 15012}
    made = {"kubernetes.io/service-name": "istiod"}
    made["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io"
    made["app.kubernetes.io/managed-by"] = "Helm"  # as their Service
    piece = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": [port]}
    former = {
        "istiod-x7d": {**piece, "endpoints": [{"addresses": ["10.16.0.7"]}]},
        "istiod": {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "subsets": [{"addresses": [{"ip": "10.16.0.7"}], "ports": [port]}],
        },
    }
    for name, one in former.items():
        one["metadata"] = {"name": name, "namespace": "istio-system", "labels": made}
        api.kubectl("apply", "-f", "-", stdin=json.dumps(one))
    alone = play.fleet["hosts"]
    play.fleet["hosts"] = {"west": {"mesh_role": "remote", "mesh_primary": "east"}, "east": {}}
    play("control_plane", "--limit", "west", control_plane_primary_address="192.0.2.1")
    play.fleet["hosts"] = alone
    assert "deployment.apps/istiod" not in api.kubectl("-n", "istio-system", "get", "deployments", "-o", "name")
    assert api.kubectl(*about) == ""
    left = json.loads(api.kubectl("-n", "istio-system", "get", "endpointslices,endpoints", "-o", "json"))["items"]
    named = {
        (one["kind"], one["metadata"]["name"]): one for one in left if one["metadata"]["name"].startswith("istiod")
    }
    assert [end["addresses"] for end in named.pop(("EndpointSlice", "istiod"))["endpoints"]] == [["192.0.2.1"]]
    assert named == {}, "kube-proxy would send calls to pods that are gone"


def half_an_inventory(api: control_plane.ControlPlane, play: Play) -> None:
    """istiod watches a cluster that the inventory does not name: what that cluster needs here stays, until it goes."""
    marks = {"mesh.fleet/fleet": "api", "mesh.fleet/part-of": "peering", "istio/multiCluster": "true"}
    about = {"name": "istio-remote-secrets", "namespace": "istio-system", "labels": marks}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": about, "stringData": {"south": "{}"}}
    exposed = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {
            "name": "istiod-gateway",
            "namespace": "istio-system",
            "labels": {**marks, "mesh.fleet/part-of": "gateways"},
        },
        "spec": {"servers": []},
    }
    for one in (secret, exposed):
        api.kubectl("apply", "-f", "-", stdin=json.dumps(one))
    out = play("gateways", gateways_ingress=False)
    assert "its istiod watches south, which the inventory does not name" in " ".join(out.split())
    assert release(api, "istio-eastwestgateway")["status"] == "deployed"
    api.kubectl("-n", "istio-system", "get", "gateways.networking.istio.io", "istiod-gateway")
    where = {"control_plane_require_cacerts": False, "control_plane_replicas": 1}
    assert "externalIstiod: true" in play("control_plane", "--check", "--diff", **where)

    api.kubectl("-n", "istio-system", "delete", "secret", "istio-remote-secrets")
    assert "externalIstiod: true" not in play("control_plane", "--check", "--diff", **where)
    play("gateways", gateways_ingress=False)
    assert release(api, "istio-eastwestgateway") == {}
    assert "istiod-gateway" not in api.kubectl("-n", "istio-system", "get", "gateways.networking.istio.io")


@pytest.mark.slow
def test_from_nothing_to_gateways_and_back(api: control_plane.ControlPlane, play: Play, nodes: Nodes) -> None:
    before = everything(api)
    planned = play("control_plane", "--check", "--diff", control_plane_require_cacerts=False)
    assert "clusterName: west" in planned
    assert everything(api) == before

    play.twice("control_plane", control_plane_require_cacerts=False, control_plane_replicas=1)
    assert release(api, "istiod") == {"status": "deployed", "revision": "1"}

    play.twice("gateways", gateways_eastwest="always")
    assert ADDRESS in play("gateways", gateways_eastwest="always")

    # Nothing has to change, and the Deployments say that they are ready; their pods are not.
    nodes.failing = {"istiod", "istio-ingressgateway"}
    where = {"control_plane_require_cacerts": False, "control_plane_replicas": 1}
    out = play("control_plane", ok=False, control_plane_timeout=2, **where)
    assert "istiod is not ready after 2 s" in out
    assert "pod istiod-played, container main: CrashLoopBackOff" in out
    # The ReplicaSet's own pod is refused here, because no istiod injects it: that is told first.
    out = play("gateways", ok=False, gateways_timeout=2, gateways_eastwest="always")
    assert "Deployment istio-system/istio-ingressgateway: not as expected after 2 s" in out
    assert "0/1 pods ready" in out
    nodes.failing = set()
    play("control_plane", **where)

    # What is wanted is waited for: node ports, an address within the cluster, no Service.
    values: dict[str, t.Any] = {
        "gateways_ingress_values": {"service": {"type": "NodePort"}},
        "gateways_eastwest_values": {"service": {"type": "ClusterIP"}},
    }
    out = play("gateways", gateways_eastwest="always", **values)
    assert "(within the cluster), ingress nodes (none ready) (15021→" in out
    values = {"gateways_values": {"service": {"type": "None"}}}
    out = play("gateways", gateways_eastwest="always", **values)
    assert "east-west without a Service, ingress without a Service" in out

    # A gateway that is no longer wanted is removed, the rest stays.
    play.twice("gateways", gateways_ingress=False, gateways_eastwest="always")
    assert release(api, "istio-ingressgateway") == {}
    assert release(api, "istio-eastwestgateway")["status"] == "deployed"

    # Another namespace for gateways: those in the former one go once the new ones are ready.
    moved = {"gateways_namespace": "edge-of-mesh", "gateways_ingress": False, "gateways_eastwest": "always"}
    play.twice("gateways", **moved)
    assert release(api, "istio-eastwestgateway") == {}
    assert "istio-eastwestgateway" in api.kubectl("-n", "edge-of-mesh", "get", "deployments", "-o", "name")
    play("gateways", gateways_ingress=False, gateways_eastwest="always")
    assert "edge-of-mesh" not in api.kubectl("get", "namespaces")

    half_an_inventory(api, play)
    play("gateways", **moved)
    gateways_leave(api, play)
    assert "edge-of-mesh" not in api.kubectl("get", "namespaces"), "whatever the variable says at teardown"
    becomes_a_remote(api, play)
    # What another fleet uses goes with that fleet.
    mark = ("label", "namespace", "istio-system")
    api.kubectl(*mark, "users.mesh.fleet/other=control_plane")
    out = play("control_plane", tasks="absent")
    assert "release istio-system/istio-base, used by fleet other" in out
    assert "namespace istio-system is used by fleet other" in out
    assert (release(api, "istiod"), release(api, "istio-base")["status"]) == ({}, "deployed")
    assert "gateways.networking.istio.io" in api.kubectl("get", "crds")
    api.kubectl("-n", "istio-system", "get", "serviceaccount", "istio-reader-service-account")
    api.kubectl(*mark, "users.mesh.fleet/other-")
    play("control_plane", tasks="absent")
    await_everything(api, before)
    out = play("control_plane", tasks="absent")
    assert "nothing there" in out
    assert "sidecars" not in out
    api.kubectl("apply", "-f", "-", stdin=json.dumps(INJECTED))
    out = play("control_plane", tasks="absent")
    assert "west: pods still have sidecars of the mesh that was removed: Pod default/kept." in " ".join(out.split())
    assert "sidecars" not in play("control_plane", "--check", tasks="absent")
    api.kubectl("delete", "--grace-period=0", "-f", "-", stdin=json.dumps(INJECTED))


@pytest.mark.slow
@pytest.mark.usefixtures("nodes", "cacerts")
def test_faults(api: control_plane.ControlPlane, play: Play) -> None:
    play("control_plane", control_plane_replicas=1)

    # A value that the chart refuses is named, and what runs stays as it is.
    out = play("gateways", ok=False, gateways_values={"nonsense": 1})
    assert "additional properties 'nonsense' not allowed" in out
    assert "the chart refuses a value" in out
    assert release(api, "istiod")["status"] == "deployed"

    # A killed Helm leaves a pending revision: the next run replaces it.
    play("gateways")
    newest = f"sh.helm.release.v1.istio-ingressgateway.v{release(api, 'istio-ingressgateway')['revision']}"
    _pending(api, newest)
    out = play("gateways", "--check", "--diff")
    assert "a run left it pending-upgrade" in out
    play.twice("gateways")
    assert release(api, "istio-ingressgateway")["status"] == "deployed"

    # More than one minor version away from what runs.
    image = '{"spec":{"template":{"spec":{"containers":[{"name":"discovery","image":"hub/pilot:1.29.0"}]}}}}'
    api.kubectl("-n", "istio-system", "patch", "deployment", "istiod", "-p", image)
    out = play("control_plane", ok=False, control_plane_replicas=1)
    assert "more than one minor version away" in out
    assert "pilot:1.29.0" in out

    play("gateways", tasks="absent")
    play("control_plane", tasks="absent")
    # The namespace and its Secret existed before, so they stay.
    assert api.kubectl("-n", "istio-system", "get", "secret", "cacerts", "-o", "name")
    labels = json.loads(api.kubectl("get", "namespace", "istio-system", "-o", "json"))["metadata"]["labels"]
    assert labels == {"kubernetes.io/metadata.name": "istio-system"}


def _pending(api: control_plane.ControlPlane, name: str) -> None:
    """The revision after ``name``, as a Helm that was killed a while ago leaves it."""
    secret = json.loads(api.kubectl("-n", "istio-system", "get", "secret", name, "-o", "json"))
    body = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    body["version"] += 1
    body["info"] |= {
        "status": "pending-upgrade",
        "last_deployed": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 120)),
    }
    packed = base64.b64encode(gzip.compress(json.dumps(body).encode()))
    secret["data"]["release"] = base64.b64encode(packed).decode()
    labels = {**secret["metadata"]["labels"], "status": "pending-upgrade", "version": str(body["version"])}
    secret["metadata"] = {
        "name": f"{name.rpartition('.')[0]}.v{body['version']}",
        "namespace": "istio-system",
        "labels": labels,
    }
    api.kubectl("create", "-f", "-", stdin=json.dumps(secret))
