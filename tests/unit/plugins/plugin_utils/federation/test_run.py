# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a federation run makes of what it reads."""

from __future__ import annotations

import asyncio
import datetime
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.reading import Reader
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.bundle import Bundle, as_text
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.settings import Export, Peer
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import Policy, make_root, new_key
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.run import FederationRun

Object = dict[str, t.Any]

EXPORT = Export("till", "shop")
PEER = Peer("west.mesh", "west.json", exports=(EXPORT,))
HOST = {"cluster_provider": "kubeconfig", "mesh_trust_domain": "east.mesh"}
FLEET = read_fleet({name: {**HOST, "mesh_network": f"{name}-net"} for name in ("fra", "iad")})
LABELS = {"app": "till"}
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)


class Cluster:
    """Answers with what a test says is there."""

    def __init__(self, cluster: str, *objects: Object) -> None:
        self.cluster = cluster
        self.objects = objects

    async def get(self, _version: str, kind: str, name: str, _namespace: str = "") -> Object | None:
        named = [one for one in self.objects if one["kind"] == kind and one["metadata"]["name"] == name]
        return named[0] if named else None

    async def list(self, _version: str, kind: str, *_where: t.Any, **_more: t.Any) -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind]


def service(target: int | str = 8080) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": target}]
    return {"kind": "Service", "metadata": {"name": "till"}, "spec": {"selector": LABELS, "ports": ports}}


def template(account: str = "till") -> Object:
    container = {"name": "till", "ports": [{"name": "web", "containerPort": 8080}]}
    return {"metadata": {"labels": LABELS}, "spec": {"serviceAccountName": account, "containers": [container]}}


def workload(account: str = "till", **labels: str) -> Object:
    """A Deployment that has no pod at this moment."""
    found = template(account)
    found["metadata"] = {"labels": {**LABELS, **labels}}
    return {"kind": "Deployment", "metadata": {"name": "till"}, "spec": {"replicas": 0, "template": found}}


def pod() -> Object:
    return {"kind": "Pod", **template(), "metadata": {"name": "till", "labels": LABELS}}


def read(folder: Path, *clusters: Cluster) -> FederationRun:
    """A run that these clusters answered, in this order."""
    peers = Peers(named=[PEER])
    run = FederationRun(FLEET, ["fra", "iad"], peers, directory=str(folder), lifetime=datetime.timedelta(days=90))

    async def answers() -> None:
        for cluster in clusters:
            await run._read(t.cast(Reader, cluster))

    asyncio.run(answers())
    return run


@pytest.mark.parametrize("turn", [1, -1])
def test_who_answers_first_changes_nothing(tmp_path: Path, turn: int) -> None:
    clusters = [Cluster("fra", service(8080), pod()), Cluster("iad", service(9090), pod())]
    run = read(tmp_path, *clusters[::turn])
    (mesh,) = run._exported()["west.mesh"]
    assert [port.target for port in mesh.ports] == [8080], "the first cluster of the inventory"


def test_a_moment_without_pods_withdraws_nothing(tmp_path: Path) -> None:
    run = read(tmp_path, Cluster("fra", service("web"), workload(version="2"), workload("other", app="other")))
    offer = run._offer(PEER, EXPORT)
    assert offer is not None
    assert offer.identities == ("spiffe://east.mesh/ns/shop/sa/till",)
    (mesh,) = run._exported()["west.mesh"]
    assert [port.target for port in mesh.ports] == [8080], "as the workload's containers name it"
    (warning,) = run.warnings
    assert warning.startswith("till.shop: its Service has no pod in any cluster that answered. It stays exported")
    # Calls go where pods are.
    both = read(tmp_path, Cluster("fra", service(), workload()), Cluster("iad", service(), pod()))
    offer = both._offer(PEER, EXPORT)
    assert offer is not None
    assert offer.networks == ("iad-net",)
    both._exported()
    assert both.warnings == []


def test_the_last_bundle_speaks_for_other_workloads(tmp_path: Path) -> None:
    """Of a kind that nobody here knows, or of none."""
    before = read(tmp_path, Cluster("fra", service("web"), pod()))
    offer = before._offer(PEER, EXPORT)
    assert offer is not None
    assert read(tmp_path, Cluster("fra", service("web")))._exported() == {"west.mesh": []}, "it was never exported"
    root = make_root(new_key(), Policy("east.mesh", "istio-system", "default", NOW))
    bundle = Bundle("east.mesh", "west.mesh", "istio-system", NOW, NOW + DAY, (root,), (), (offer,))
    (tmp_path / "east.mesh-for-west.mesh.json").write_text(as_text(bundle))
    ports = [{"number": 80, "targetPort": 8080}]
    entry = {"kind": "ServiceEntry", "metadata": {"name": "till.federation"}, "spec": {"ports": ports}}
    run = read(tmp_path, Cluster("fra", service("web"), entry))
    assert run._offer(PEER, EXPORT) == offer
    assert run._exported() == before._exported()
    # Without the Service it is over.
    gone = read(tmp_path, Cluster("fra", entry))
    assert (gone._offer(PEER, EXPORT), gone._exported()) == (None, {"west.mesh": []})
