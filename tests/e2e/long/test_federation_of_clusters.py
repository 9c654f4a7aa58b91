# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A mesh of two clusters, on two networks, and a peer's mesh of one: both export a service of the same name.

One team has both, in one inventory, as docs/federation.md shows it. The tests run in their order.
"""

from __future__ import annotations

import functools
import json
import pathlib
import shutil
import typing as t

import pytest
import yaml

from ..federated import APPS, CALLER, PRODUCER, SNI, Mesh, at_once, certificate, knock, uri
from ..local_fleet import STATE, Fleet
from ..mesh import Objects, calls, differences, objects, proof
from ..playbooks import changed
from ..waiting import until_equal

SERVICE = f"sample-producer.{APPS}"
OF_WEST, OF_EAST = f"{SERVICE}.west.mesh:8080", f"{SERVICE}.east.mesh:8080"


class Grouped(Mesh):
    """A mesh that is a group of an inventory, in a folder that has those of other meshes too."""

    def __init__(self, fleet: Fleet, clusters: t.Sequence[str], folder: pathlib.Path) -> None:
        super().__init__(fleet, clusters, folder)
        self.bundles = folder / "bundles"

    def inventories(self, common: dict[str, t.Any], hosts: dict[str, t.Any]) -> list[str]:
        meshes, own = self.folder / f"{self.cluster}-mesh.yml", self.folder / f"{self.cluster}.yml"
        meshes.write_text(yaml.safe_dump({f"{self.cluster}_mesh": {"vars": common, "hosts": hosts}}))
        told = {"vars": {"federation_dir": "bundles"}, "children": {f"{self.cluster}_mesh": None}}
        own.write_text(yaml.safe_dump({"mesh_clusters": told}))
        # All groups are in what each run gets; the last file says which of them it is about.
        return [*(str(path) for path in sorted(self.folder.glob("*-mesh.yml"))), str(own)]


@pytest.fixture(scope="module")
def fleet(new_fleet: t.Callable[[str], Fleet], tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """A cluster more than the other tests have."""
    fleet = new_fleet("three")
    fleet.regions["south"] = "us-west1"
    more = tmp_path_factory.mktemp("inventory") / "south.yml"
    more.write_text(yaml.safe_dump({"mesh_clusters": {"hosts": {"south": {"cluster_region": "us-west1"}}}}))
    fleet.inventories = (*fleet.inventories, str(more))
    return fleet


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> Objects:
    fleet.make("per_cluster")
    return objects(fleet)


@pytest.fixture(scope="module")
def meshes(before: Objects, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[Mesh, Mesh]]:
    folder = tmp_path_factory.mktemp("meshes")
    west, east = Grouped(fleet, ["west", "south"], folder), Grouped(fleet, ["east"], folder)
    for one, peer in ((west, east), (east, west)):
        shutil.rmtree(STATE / one.name, ignore_errors=True)
        exports = [{"service": SERVICE, "callers": [f"{APPS}/sample-caller-sa"]}]
        bundle = f"bundles/{peer.domain}-for-{one.domain}.json"
        one.federation = {
            "peers": [{"trust_domain": peer.domain, "bundle": bundle, "names": "own", "exports": exports}]
        }
    yield west, east
    for one in (west, east):
        shutil.rmtree(STATE / one.name, ignore_errors=True)


def test_a_mesh_of_two_clusters_offers_both_gateways(meshes: tuple[Mesh, Mesh]) -> None:
    west, east = meshes
    west.play("site")
    # Both export: as docs/federation.md says, the second proves only once the first has its file.
    said = east.play("site", good=False)
    assert "east → west.mesh" in said and "whether west.mesh exports it still and has our bundle" in said
    west.play("site")
    assert (len(west.gateways()), len(east.gateways())) == (2, 1)
    (service,) = json.loads(west.bundle("east").read_text())["services"]
    assert service["networks"] == ["south-net", "west-net"]
    for one in meshes:
        assert changed(one.play("site", "--tags", "control_plane,federation")) == 0


def test_each_cluster_of_a_mesh_calls_the_peer(meshes: tuple[Mesh, Mesh]) -> None:
    west, _east = meshes
    for caller in west.clusters:
        until_equal(lambda at=caller: west.answer(OF_EAST, cluster=at), "east", f"{caller}'s call to answer from east")
        said = json.loads(west.said(OF_EAST, cluster=caller))
        assert said["identity"] == {"by": f"spiffe://east.mesh{PRODUCER}", "uri": f"spiffe://west.mesh{CALLER}"}
        assert west.answer(OF_EAST, "sample-producer", caller) == "403"
        assert west.answer(f"{SERVICE}:8080", cluster=caller) in west.clusters, "calls within the mesh go on"


def test_each_cluster_of_a_mesh_answers_its_peer(meshes: tuple[Mesh, Mesh], fleet: Fleet) -> None:
    west, east = meshes
    answered: set[str] = set()

    def both() -> set[str]:
        answered.add(east.answer(OF_WEST))
        return answered

    until_equal(both, set(west.clusters), "both clusters to answer east")
    assert east.answer(OF_WEST, "sample-producer") == "403"
    # One that has no pod left sends its peer's calls on, or gets none.
    which = ("-n", APPS, "deployment/sample-producer-v1")
    fleet.kubectl("west", "scale", *which, "--replicas=0")
    fleet.kubectl("west", "-n", APPS, "wait", "--for=delete", "pod", "-l", "app=sample-producer", "--timeout=120s")
    until_equal(lambda: {east.answer(OF_WEST) for _try in range(6)}, {"south"}, "south alone to answer east")
    fleet.kubectl("west", "scale", *which, "--replicas=1")
    fleet.kubectl("west", "rollout", "status", *which, "--timeout=120s")


def test_at_each_gateway_the_peer_is_itself_alone(meshes: tuple[Mesh, Mesh], tmp_path: pathlib.Path) -> None:
    west, east = meshes
    sign = functools.partial(certificate, east, tmp_path)
    for gateway in west.gateways():
        until_equal(lambda at=gateway: knock(at, sign(uri(f"east.mesh{CALLER}"))), "200", f"{gateway} to answer")
        assert knock(gateway, sign(uri(f"west.mesh{CALLER}"))) == "refused"
        assert knock(gateway, sign(uri(f"east.mesh{PRODUCER}"))) == "403"
        assert knock(gateway, sign(uri(f"east.mesh{CALLER}")), SNI.replace("producer", "caller")) == "refused"


def test_verify_calls_from_and_at_each_cluster(meshes: tuple[Mesh, Mesh]) -> None:
    west, east = meshes
    at_once(meshes, "verify")
    for caller in west.clusters:
        assert f"403 from spiffe://east.mesh{PRODUCER}" in calls(west.name)[caller, "east.mesh", OF_EAST[:-5]]["seen"]
    assert f"403 from spiffe://west.mesh{PRODUCER}" in calls(east.name)["east", "west.mesh", OF_WEST[:-5]]["seen"]
    knocked = {one["name"] for one in proof(west.name)["checks"] if one["name"].startswith("no certificate → ")}
    assert {name.rpartition(" at ")[2] for name in knocked} == set(west.gateways())


def test_a_peer_that_leaves_is_gone_from_each_cluster(meshes: tuple[Mesh, Mesh], tmp_path: pathlib.Path) -> None:
    west, east = meshes
    own, gateways = certificate(east, tmp_path, uri(f"east.mesh{CALLER}")), west.gateways()
    west.federation = {"peers": []}
    west.play("site", "--tags", "control_plane,federation")
    for gateway in gateways:
        until_equal(lambda at=gateway: knock(at, own), "refused", f"{gateway} to refuse east")
    for caller in west.clusters:
        assert west.answer(OF_EAST, cluster=caller) != "east"
        assert west.answer(f"{SERVICE}:8080", cluster=caller) in west.clusters


def test_the_meshes_leave_nothing_behind(meshes: tuple[Mesh, Mesh], before: Objects, fleet: Fleet) -> None:
    at_once(meshes, "teardown")
    until_equal(lambda: differences(fleet, before), {}, "what the meshes leave behind")
