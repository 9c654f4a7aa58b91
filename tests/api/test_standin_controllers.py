# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stand-in's controllers in clusters, as Google documents them, on two real API servers."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.workloads.admission import Pods
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.admission import check_admission
from ansible_collections.mesh.fleet.plugins.plugin_utils.istiod.cni_agent import Agent
from tests.gcp.standin.controllers.behind import Behind, Kind
from tests.gcp.standin.controllers.kinds import (
    ENDPOINTS,
    EVENT,
    EXPORT,
    IMPORT,
    INGRESS,
    INGRESS_CRDS,
    MULTI_SERVICE,
    NAMESPACE,
    SERVICE,
    SERVICES_CRDS,
    SLICE,
)
from tests.gcp.standin.warden import guard

from . import control_plane
from .google_controllers import PLACES, PROJECT, World

SHOP = "shop"
RECONCILED = "networking.gke.io/last-reconcile-time"
CRD = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions")
Json = dict[str, t.Any]


@pytest.fixture(scope="module")
def planes(new_plane: control_plane.Start) -> dict[str, control_plane.ControlPlane]:
    return {name: new_plane(name) for name in PLACES}


@pytest.fixture
def clusters(planes: dict[str, control_plane.ControlPlane]) -> dict[str, Behind]:
    """Clients of a user of the clusters; both have the namespace shop."""
    found = {name: Behind(str(plane.kubeconfig), "somebody") for name, plane in planes.items()}
    for behind in found.values():
        behind.apply(NAMESPACE, {"metadata": {"name": SHOP}})
    return found


@pytest.fixture
def world(planes: dict[str, control_plane.ControlPlane], clusters: dict[str, Behind]) -> t.Iterator[World]:
    made = World(planes)
    yield made
    for behind in clusters.values():
        for kind in (EXPORT, INGRESS, MULTI_SERVICE, SERVICE, EVENT):
            for obj in behind.list(kind, SHOP):
                behind.delete(kind, obj["metadata"]["name"], SHOP)
    made.turn()
    made.close()


def service(behind: Behind, name: str, *addresses: str) -> None:
    """A Service whose pods have these addresses and listen on port 9090."""
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 9090}]
    behind.apply(SERVICE, {"metadata": meta(name), "spec": {"selector": {"app": name}, "ports": ports}})
    behind.apply(
        SLICE,
        {
            "metadata": {**meta(f"{name}-1"), "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [a], "conditions": {"ready": not a.endswith(".9")}} for a in addresses],
            "ports": [{"name": "http", "port": 9090, "protocol": "TCP"}],
        },
    )


def meta(name: str) -> Json:
    return {"name": name, "namespace": SHOP}


def export(behind: Behind, name: str) -> None:
    behind.apply(EXPORT, {"metadata": meta(name)})


def imported(behind: Behind) -> list[str]:
    return [obj["metadata"]["name"] for obj in behind.list(IMPORT)]


def ask(where: str, name: str) -> str:
    """The A record of ``name`` by a name server, or its error's number."""
    host, _colon, port = where.rpartition(":")
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(60)
        sock.sendto(struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1", (host, int(port)))
        answer = sock.recv(512)
    number, flags, _questions, answers = struct.unpack("!HHHH", answer[:8])
    assert number == 7
    return socket.inet_ntoa(answer[-4:]) if answers else str(flags & 15)


# -- multi-cluster services --------------------------------------------------------------------


def test_an_import_is_made_in_every_member_and_removed_last(world: World, clusters: dict[str, Behind]) -> None:
    world.turn()
    service(clusters["west"], "orders", "10.1.0.1", "10.1.0.9")
    service(clusters["north"], "orders", "10.2.0.1")
    for behind in clusters.values():
        export(behind, "orders")
    world.turn()
    for name, behind in clusters.items():
        (found,) = behind.list(IMPORT, SHOP)
        derived = found["metadata"]["annotations"]["net.gke.io/derived-service"]
        assert derived.startswith("gke-mcs-")
        address = (behind.get(SERVICE, derived, SHOP) or {})["spec"]["clusterIP"]
        assert found["spec"] == {
            "ips": [address],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
            "sessionAffinity": "None",
            "type": "ClusterSetIP",
        }
        assert [c["cluster"].rpartition("/")[2] for c in found["status"]["clusters"]] == ["north", "west"]
        subsets = (behind.get(ENDPOINTS, derived, SHOP) or {})["subsets"]
        assert sorted(a["ip"] for s in subsets for a in s["addresses"]) == ["10.1.0.1", "10.2.0.1"]
        zone = world.services.zones[world.cloud.kubeconfigs[name]]
        assert ask(zone.where, "orders.shop.svc.clusterset.local") == address
        assert ask(zone.where, "nobody.shop.svc.clusterset.local") == "3"
    clusters["west"].delete(EXPORT, "orders", SHOP)
    world.turn()
    assert [imported(behind) for behind in clusters.values()] == [["orders"], ["orders"]]
    clusters["north"].delete(EXPORT, "orders", SHOP)
    world.turn()
    for behind in clusters.values():
        assert imported(behind) == []
        assert not [s for s in behind.list(SERVICE, SHOP) if s["metadata"]["name"].startswith("gke-mcs-")]


def test_no_import_without_role_service_or_namespace(world: World, clusters: dict[str, Behind]) -> None:
    world.turn()
    export(clusters["west"], "orders")
    world.turn()
    assert imported(clusters["north"]) == []
    clusters["west"].apply(NAMESPACE, {"metadata": {"name": "alone"}})
    clusters["west"].apply(
        SERVICE, {"metadata": {"name": "a", "namespace": "alone"}, "spec": {"ports": [{"port": 80}]}}
    )
    clusters["west"].apply(EXPORT, {"metadata": {"name": "a", "namespace": "alone"}})
    world.turn()
    assert (imported(clusters["west"]), imported(clusters["north"])) == (["a"], [])
    clusters["west"].delete(EXPORT, "a", "alone")
    world.turn()
    bindings = world.cloud.policies[PROJECT]["bindings"]
    bindings[:] = [b for b in bindings if b["role"] != "roles/compute.networkViewer"]
    service(clusters["west"], "orders", "10.1.0.1")
    world.turn()
    assert imported(clusters["north"]) == []


def test_the_feature_goes_and_takes_its_imports_along(world: World, clusters: dict[str, Behind]) -> None:
    world.turn()
    service(clusters["west"], "orders", "10.1.0.1")
    export(clusters["west"], "orders")
    world.turn()
    assert imported(clusters["north"]) == ["orders"]
    world.switch("multiclusterservicediscovery", on=False)
    world.turn()
    assert [imported(behind) for behind in clusters.values()] == [[], []]
    assert clusters["north"].get(CRD, SERVICES_CRDS[0]) is not None


# -- multi-cluster ingress ---------------------------------------------------------------------


def multi_service(behind: Behind, name: str, *links: str) -> None:
    spec: Json = {"template": {"spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 9090}]}}}
    if links:
        spec["clusters"] = [{"link": link} for link in links]
    behind.apply(MULTI_SERVICE, {"metadata": meta(name), "spec": spec})


def ingress(behind: Behind, backend: str, **annotations: str) -> None:
    notes = {f"networking.gke.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    spec = {"template": {"spec": {"backend": {"serviceName": backend, "servicePort": 80}}}}
    behind.apply(INGRESS, {"metadata": {**meta("door"), "annotations": notes}, "spec": spec})


def vip(behind: Behind) -> str:
    return str(((behind.get(INGRESS, "door", SHOP) or {}).get("status") or {}).get("VIP") or "")


def warnings(behind: Behind) -> list[str]:
    return [e["message"] for e in behind.list(EVENT, SHOP) if e["type"] == "Warning"]


def derived(behind: Behind) -> list[str]:
    return [s["metadata"]["name"] for s in behind.list(SERVICE, SHOP) if s["metadata"]["name"].startswith("mci-")]


def test_a_door_stands_on_its_reserved_address_until_it_goes(world: World, clusters: dict[str, Behind]) -> None:
    world.turn()
    assert clusters["north"].get(CRD, INGRESS_CRDS[0]) is None
    address = world.reserve("door", "198.51.100.7")
    multi_service(clusters["west"], "web")
    ingress(
        clusters["west"],
        "web",
        static_ip=f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/addresses/door",
    )
    world.turn()
    assert (vip(clusters["west"]), address["status"]) == ("198.51.100.7", "IN_USE")
    assert warnings(clusters["west"]) == []
    assert [len(derived(behind)) for behind in clusters.values()] == [1, 1]
    clusters["west"].delete(MULTI_SERVICE, "web", SHOP)
    world.turn()
    assert clusters["west"].get(MULTI_SERVICE, "web", SHOP) is not None, "an ingress still leads there"
    clusters["west"].delete(INGRESS, "door", SHOP)
    world.turn()
    assert address["status"] == "RESERVED"
    for kind, name in ((INGRESS, "door"), (MULTI_SERVICE, "web")):
        assert clusters["west"].get(kind, name, SHOP) is None
    assert [derived(behind) for behind in clusters.values()] == [[], []]


@pytest.mark.parametrize(
    ("backend", "annotations", "message"),
    [
        ("nobody", {}, "MultiClusterService shop/nobody not found"),
        ("web", {"static_ip": "198.51.100.99"}, "'198.51.100.99'. not reserved"),
        ("web", {"pre_shared_certs": "lost"}, "'sslCertificates/lost' was not found"),
    ],
)
def test_what_is_wrong_is_told_and_gets_no_address(
    world: World, clusters: dict[str, Behind], backend: str, annotations: dict[str, str], message: str
) -> None:
    world.turn()
    multi_service(clusters["west"], "web", "us-west1-a/west")
    ingress(clusters["west"], backend, **annotations)
    world.turn()
    world.turn()
    assert vip(clusters["west"]) == ""
    assert len([w for w in warnings(clusters["west"]) if message in w]) == 1
    assert [len(derived(behind)) for behind in clusters.values()] == [1, 0]


def test_a_refused_change_keeps_the_ingress_and_is_counted(world: World, clusters: dict[str, Behind]) -> None:
    west = clusters["west"]
    world.turn()
    multi_service(west, "web")
    ingress(west, "web")
    world.turn()
    before = west.get(INGRESS, "door", SHOP) or {}
    assert before["status"]["VIP"].startswith("203.0.113.")
    ingress(west, "nobody")
    world.turn()
    after = west.get(INGRESS, "door", SHOP) or {}
    assert after["status"] == before["status"]
    assert [after["metadata"]["annotations"].get(RECONCILED)] == [before["metadata"]["annotations"][RECONCILED]]
    (refused,) = [e for e in west.list(EVENT, SHOP) if e["type"] == "Warning"]
    assert (refused["reason"], refused["involvedObject"]["name"]) == ("SYNC", "door")
    assert refused["count"] > 1
    ingress(west, "web")
    world.turn()
    (counted,) = [e["count"] for e in west.list(EVENT, SHOP) if e["type"] == "Warning"]
    world.turn()
    assert [e["count"] for e in west.list(EVENT, SHOP) if e["type"] == "Warning"] == [counted]


def test_another_address_or_link_releases_the_old_one(world: World, clusters: dict[str, Behind]) -> None:
    west = clusters["west"]
    world.turn()
    first, second = world.reserve("first", "198.51.100.7"), world.reserve("second", "198.51.100.8")
    multi_service(west, "web")
    ingress(west, "web", static_ip="198.51.100.7")
    world.turn()
    assert (vip(west), first["status"], second["status"]) == ("198.51.100.7", "IN_USE", "RESERVED")
    ingress(west, "web", static_ip="198.51.100.8")
    multi_service(west, "web", "us-west1-a/west")
    world.turn()
    assert (vip(west), first["status"], second["status"]) == ("198.51.100.8", "RESERVED", "IN_USE")
    assert [len(derived(behind)) for behind in clusters.values()] == [1, 0]
    multi_service(west, "web", "us-west1-a/west", "europe-north1/nobody")
    world.turn()
    assert [w for w in warnings(west) if "cluster europe-north1/nobody is not a member of the fleet" in w]


# Autopilot's admission.


def test_autopilot_without_net_admin_is_named_first(planes: dict[str, control_plane.ControlPlane]) -> None:
    """A run asks before it writes anything, and says which switch of Google's allows its pods."""
    kubeconfig = str(planes["west"].kubeconfig)
    it = read_fleet({"west": {"cluster_provider": "kubeconfig", "mesh_id": "shop"}})

    async def asked() -> str:
        async with Kube.connect(Connection(kubeconfig=kubeconfig, context="admin"), cluster="west") as kube:
            try:
                said = Pods(sample_namespace="istio-apps")
                await check_admission(kube, it, it.clusters["west"], Agent("", wanted=False), said)
            except FleetError as error:
                return f"{error.what} | {error.seen} | {error.means} | {error.next_step}"
        return ""

    def becomes(refused: bool) -> str:
        deadline = time.monotonic() + 60
        while bool(found := asyncio.run(asked())) != refused:  # an API server heeds a policy some time later
            assert time.monotonic() < deadline, f"last seen: {found or 'no refusal'}"
        return found

    autopilot: Json = {"enabled": True}
    guard(kubeconfig, {"autopilot": autopilot})
    found = becomes(refused=True)
    assert found.startswith("its GKE Warden refuses pods with a sidecar | ")
    assert "linux capability 'NET_ADMIN' on container 'istio-init' not allowed" in found
    assert "--workload-policies=allow-net-admin" in found
    guard(kubeconfig, {"autopilot": {**autopilot, "workloadPolicyConfig": {"allowNetAdmin": True}}})
    becomes(refused=False)
