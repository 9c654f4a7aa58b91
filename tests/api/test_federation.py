# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A federation on a real API server with Istio's kinds: what a run reads, writes and removes, and in which order."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording, recording_as
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.bundle import (
    Bundle,
    Gateway,
    Offer,
    OfferedPort,
    as_text,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    Policy,
    certificate_pem,
    fingerprint,
    make_intermediate,
    make_root,
    new_key,
)
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.guard import guard, refuse_own_keys
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers, read_files
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.run import FederationRun
from tests.unit.plugins.module_utils._model.federation.test_peer_roots import plain_root

from . import control_plane
from .gke_clusters import actions, on, put
from .loop import in_loop
from .manifests import namespace_of

Values = dict[str, t.Any]

CHARTS = Path(os.environ.get("MESH_FLEET_CHARTS") or artifacts_dir() / "charts")
KINDS = ("ServiceEntry", "DestinationRule", "AuthorizationPolicy", "PeerAuthentication")
SECURITY, NETWORKING = "security.istio.io/v1", "networking.istio.io/v1"
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
ROOTS = {
    domain: make_root(new_key(), Policy(domain, "istio-system", "default", NOW)) for domain in ("west.mesh", "x.y")
}
EXPORT = {"service": "till.shop", "callers": ["web/front"]}
WEST = {"trust_domain": "west.mesh", "bundle": "west.json", "exports": [EXPORT]}
TILL = Offer("till.shop.global", (OfferedPort(80, "http", "HTTP"),), ("spiffe://west.mesh/ns/shop/sa/till",), ("net",))
OBJECTS = ["AuthorizationPolicy federation-west.mesh", "PeerAuthentication federation"]


@pytest.fixture(scope="module")
def plane(new_plane: control_plane.Start) -> control_plane.ControlPlane:
    """An API server without Istio's kinds; what the mesh would have is there."""
    return new_plane("east")


def fleet_of(plane: control_plane.ControlPlane, folder: Path, *peers: Values, federated: bool = True) -> Fleet:
    host = {
        "fleet_name": "fed",
        "fleet_dir": str(folder / "state"),
        "mesh_trust_domain": "east.mesh",
        "mesh_network": "east-net",
        "cluster_provider": "kubeconfig",
        "cluster_api_url": plane.server,
        "cluster_api_token": control_plane.ADMIN_TOKEN,
        "cluster_api_ca": plane.ca_pem,
        "mesh_federation": {"peers": list(peers)} if federated else {},
    }
    return read_fleet({"east": host}, environment())


def mail(folder: Path, **changes: t.Any) -> None:
    """The bundle of west.mesh, which exports its stock to us."""
    identity = "spiffe://west.mesh/ns/shop/sa/stock"
    values: Values = {
        "trust_domain": "west.mesh",
        "receiver": "east.mesh",
        "namespace": "istio-system",
        "made": NOW,
        "expires": NOW + 90 * DAY,
        "roots": (ROOTS["west.mesh"],),
        "gateways": (Gateway("net", "203.0.113.7", 15443),),
        "services": (Offer("stock.shop.global", (OfferedPort(80, "http", "HTTP"),), (identity,), ("net",)),),
        **changes,
    }
    (folder / "west.json").write_text(as_text(Bundle(**values)))


def crds() -> list[Values]:
    text = (CHARTS / "base" / "files" / "crd-all.gen.yaml").read_text(encoding="utf-8")
    return [one for one in yaml.safe_load_all(text) if one and one["spec"]["names"]["kind"] in KINDS]


def running(root: str) -> list[Values]:
    """What a mesh with an exported service has."""
    meta = {"name": "till", "namespace": "shop"}
    container = {"name": "till", "image": "till", "ports": [{"name": "web", "containerPort": 8080}]}
    spec = {"serviceAccountName": "till-sa", "automountServiceAccountToken": False, "containers": [container]}
    ports = [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    gateway = {"name": "istio-eastwestgateway", "namespace": "istio-system", "labels": {"istio": "eastwestgateway"}}
    return [
        *(namespace_of(name) for name in ("istio-system", "shop")),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "till-sa", "namespace": "shop"}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "istio-ca-root-cert", "namespace": "istio-system"},
            "data": {"root-cert.pem": root},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": {"app": "till"}, "ports": ports},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": gateway,
            "spec": {"externalIPs": ["198.51.100.4"], "ports": [{"name": "tls", "port": 15443}]},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "labels": {"app": "till"}}, "spec": spec},
    ]


async def ran(fleet: Fleet, folder: Path, play: t.Sequence[str] = ("east",), **more: t.Any) -> FederationRun:
    peers = Peers() if more.get("leaves") else read_files(fleet, str(folder))
    options = {"directory": str(folder / "out"), "lifetime": 90 * DAY, **more}
    run = FederationRun(fleet, list(play), peers, **options)
    await run.run()
    return run


async def held(fleet: Fleet) -> list[str]:
    async with on(fleet, "east") as kube:
        found = []
        for kind in KINDS:
            found += await kube.list(SECURITY if kind in KINDS[2:] else NETWORKING, kind)
    return sorted(f"{one['kind']} {one['metadata']['name']}" for one in found)


@in_loop
async def test_a_policy_is_there_before_a_root_is_trusted(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    fleet = fleet_of(plane, tmp_path, WEST)
    async with on(fleet, "east") as kube:
        assert await guard(kube, fleet, ["west.mesh"], dry_run=False) == (False, []), "no Istio, no workload to call"
    await put(fleet, "east", namespace_of("istio-system"), *crds())
    async with on(fleet, "east") as kube:
        done, changes = await guard(kube, fleet, ["west.mesh"], dry_run=False)
        assert done
        assert actions(changes) == [f"east {one} created" for one in OBJECTS]
        policy = await kube.get(SECURITY, "AuthorizationPolicy", "federation-west.mesh", "istio-system")
        assert policy is not None
        assert policy["spec"]["rules"] == [{"from": [{"source": {"principals": ["west.mesh/*"]}}]}], "nothing at all"


@in_loop
async def test_a_federation_comes_and_goes(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    fleet = fleet_of(plane, tmp_path, WEST)
    own = make_root(new_key(), Policy("east.mesh", "istio-system", "default", NOW))
    await put(fleet, "east", *crds(), *running(certificate_pem(own)))
    # Before the peer's file is there: ours is written, and nothing of the peer is callable.
    first = await ran(fleet, tmp_path)
    assert first.failures == {}
    assert "its bundle is not there yet" in first.warnings[0]
    wanted = [*OBJECTS, "ServiceEntry till.federation"]
    assert await held(fleet) == wanted
    written = json.loads((tmp_path / "out" / "east.mesh-for-west.mesh.json").read_text())
    assert written["gateways"] == [{"network": "east-net", "address": "198.51.100.4", "port": 15443}]
    assert written["roots"][0]["sha256"] == fingerprint(own)
    assert written["services"] == [
        {
            "host": "till.shop.global",
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
            "identities": ["spiffe://east.mesh/ns/shop/sa/till-sa"],
            "networks": ["east-net"],
        }
    ]
    async with on(fleet, "east") as kube:
        entry = await kube.get(NETWORKING, "ServiceEntry", "till.federation", "shop")
        policy = await kube.get(SECURITY, "AuthorizationPolicy", "federation-west.mesh", "istio-system")
        assert entry is not None and policy is not None
        assert entry["spec"]["ports"] == [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}]
        assert len(policy["spec"]["rules"]) == 2
        # The guard of a later run leaves what is there.
        assert actions((await guard(kube, fleet, ["west.mesh"], dry_run=False))[1]) == []
    mail(tmp_path)
    planned = await ran(fleet, tmp_path, dry_run=True)
    assert await held(fleet) == wanted
    second = await ran(fleet, tmp_path)
    assert actions(planned.changes) == actions(second.changes)
    assert await held(fleet) == [*OBJECTS, "ServiceEntry stock.shop.west.mesh", "ServiceEntry till.federation"]
    assert second.warnings == []
    again = await ran(fleet, tmp_path)
    assert actions([*again.changes, *again.files.changes]) == []
    # A moment without pods.
    async with on(fleet, "east") as kube:
        await kube.delete("v1", "Pod", "till", "shop")
    podless = await ran(fleet, tmp_path)
    assert (podless.failures, actions([*podless.changes, *podless.files.changes])) == ({}, [])
    assert any("has no pod in any cluster that answered" in one for one in podless.warnings)
    # The peer leaves.
    without = await ran(fleet_of(plane, tmp_path), tmp_path)
    assert without.failures == {}
    assert await held(fleet) == ["PeerAuthentication federation"]
    assert not (tmp_path / "out" / "east.mesh-for-west.mesh.json").exists()
    ended = await ran(fleet_of(plane, tmp_path, federated=False), tmp_path)
    assert ended.summary() == "1 objects removed"
    assert await held(fleet) == []
    await ran(fleet, tmp_path)
    await ran(fleet, tmp_path, leaves=True)
    assert await held(fleet) == []
    async with on(fleet, "east") as kube:
        maps = [one["metadata"]["name"] for one in await kube.list("v1", "ConfigMap", "istio-system")]
    assert "istio-ca-root-cert" in maps
    assert [one for one in maps if "address" in one] == [], "the record of addresses"


def trusting(*domains: str, name: str = "istio") -> Values:
    """The configuration of an istiod that has further roots."""
    mesh = {"caCertificates": [{"trustDomains": [domain], "pem": "its root"} for domain in domains]}
    meta = {"name": name, "namespace": "istio-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mesh": yaml.safe_dump(mesh)}}


async def rules(fleet: Fleet) -> list[Values]:
    async with on(fleet, "east") as kube:
        policy = await kube.get(SECURITY, "AuthorizationPolicy", "federation-west.mesh", "istio-system")
    return list(policy["spec"]["rules"]) if policy else []


@in_loop
async def test_a_peer_is_refused_as_long_as_it_is_trusted(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    """Also by an istiod of another revision, however the federation goes."""
    fleet = fleet_of(plane, tmp_path, WEST)
    own = make_root(new_key(), Policy("east.mesh", "istio-system", "default", NOW))
    await put(fleet, "east", *crds(), *running(certificate_pem(own)))
    nothing = [{"from": [{"source": {"principals": ["west.mesh/*"]}}]}]
    for name in ("istio", "istio-canary"):
        assert (await ran(fleet, tmp_path)).failures == {}
        assert len(await rules(fleet)) == 2
        # Of a root that this fleet made no policy for, somebody else knows what it is for.
        await put(fleet, "east", trusting("west.mesh", "others.mesh", name=name))
        for goes in (fleet_of(plane, tmp_path), fleet_of(plane, tmp_path, federated=False)):
            run = await ran(goes, tmp_path)
            assert await rules(fleet) == nothing and await held(fleet) == OBJECTS
            assert any("istiod still trusts the root of west.mesh, so" in one for one in run.warnings), run.warnings
        await ran(fleet, tmp_path)
        for _again in range(2):
            left = await ran(fleet, tmp_path, leaves=True)
            assert await rules(fleet) == nothing and await held(fleet) == OBJECTS
            assert any("run the control_plane stage, then federation" in one for one in left.warnings)
        await put(fleet, "east", trusting("others.mesh", name=name))
        last = await ran(fleet, tmp_path, leaves=True)
        assert (last.warnings, await held(fleet)) == ([], [])
    # With the mesh all of it goes.
    await ran(fleet, tmp_path)
    await put(fleet, "east", trusting("west.mesh"))
    await ran(fleet, tmp_path, leaves=True, istiod_stays=False)
    assert await held(fleet) == []
    await put(fleet, "east", trusting())


@in_loop
async def test_what_others_protect_is_not_made_ours(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    """By the same words it would be applied without a conflict, and go with the federation."""
    fleet = fleet_of(plane, tmp_path, WEST)
    own = make_root(new_key(), Policy("east.mesh", "istio-system", "default", NOW))
    await put(fleet, "east", *crds(), *running(certificate_pem(own)))
    theirs = {
        "apiVersion": SECURITY,
        "kind": "PeerAuthentication",
        "metadata": {"name": "federation", "namespace": "istio-system"},
        "spec": {"mtls": {"mode": "STRICT"}},
    }
    await put(fleet, "east", theirs)
    run = await ran(fleet, tmp_path)
    (error,) = run.failures["east"]
    for part in ("PeerAuthentication istio-system/federation", "somebody else's", "mesh_take_over: true"):
        assert part in str(error)
    async with on(fleet, "east") as kube:
        with pytest.raises(FleetError, match="somebody else's"):
            await guard(kube, fleet, ["west.mesh"], dry_run=False)
    await ran(fleet, tmp_path, leaves=True)
    assert await held(fleet) == ["PeerAuthentication federation"]
    async with on(fleet, "east") as kube:
        await kube.remove([theirs])


@in_loop
async def test_what_weakens_a_federation_is_told(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    fleet = fleet_of(plane, tmp_path, WEST)
    loose = {
        "apiVersion": SECURITY,
        "kind": "PeerAuthentication",
        "metadata": {"name": "by-hand", "namespace": "shop"},
        "spec": {"mtls": {"mode": "PERMISSIVE"}},
    }
    await put(fleet, "east", *crds(), *running(certificate_pem(plain_root().certificate)), loose)
    mail(tmp_path, expires=NOW + 20 * DAY)
    try:
        run = await ran(fleet, tmp_path)
    finally:
        async with on(fleet, "east") as kube:
            await kube.remove([loose])
    assert len(run.warnings) == 3
    for part in ("ends in 19 days", "has no name constraint", "shop/by-hand is PERMISSIVE"):
        assert any(part in one for one in run.warnings), part
    clash = await ran(fleet, tmp_path, taken={"stock.shop.global"})
    assert "offers a name that a policy of this mesh makes" in str(clash.failures["east"][0])
    assert "set names: own for the peer" in clash.failures["east"][0].next_step
    assert "ServiceEntry stock.shop.west.mesh" not in await held(fleet)
    own = await ran(fleet_of(plane, tmp_path, {**WEST, "names": "own"}), tmp_path, taken={"stock.shop.global"})
    assert own.failures == {}
    assert "ServiceEntry stock.shop.west.mesh" in await held(fleet)
    await ran(fleet, tmp_path, leaves=True)


@in_loop
async def test_files_hold_what_is_known_without_clusters(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    fleet = fleet_of(plane, tmp_path, WEST)
    mail(tmp_path)
    with recording_as(Recording()) as record:
        run = await ran(fleet, tmp_path, dry_run=True)
    assert run.failures == {}
    assert [obj["kind"] for obj in record.objects["east"].values()] == ["PeerAuthentication"]
    assert sorted(obj for _cluster, obj in record.left_out) == [
        "AuthorizationPolicy istio-system/federation-west.mesh",
        "ServiceEntry istio-system/stock.shop.west.mesh",
    ], "a policy without the ports would refuse all calls of the peer"
    assert not (tmp_path / "out").exists()


@in_loop
async def test_a_mesh_of_two_networks_names_the_gateways_of_both(
    plane: control_plane.ControlPlane, new_plane: control_plane.Start, tmp_path: Path
) -> None:
    peer = {**WEST, "exports": [EXPORT, {"service": "mill.shop"}]}
    east = fleet_of(plane, tmp_path, peer)
    far = new_plane("south")
    at_far = {"cluster_api_url": far.server, "cluster_api_ca": far.ca_pem, "mesh_network": "south-net"}
    hosts = {name: dict(east.clusters["east"].variables) for name in ("east", "south")}
    fleet = read_fleet({"east": hosts["east"], "south": {**hosts["south"], **at_far}}, environment())
    root = certificate_pem(make_root(new_key(), Policy("east.mesh", "istio-system", "default", NOW)))
    there = json.loads(json.dumps(running(root)).replace("198.51.100.4", "198.51.100.5"))
    mill = json.loads(json.dumps([one for one in running(root) if one["metadata"]["name"] in ("till", "till-sa")]))
    mill = json.loads(json.dumps(mill).replace("till", "mill"))
    await put(fleet, "east", *crds(), *running(root))
    # In the south, the same labels are on pods that are not the service's.
    (other,) = [one for one in there if one["kind"] == "Service" and one["metadata"]["name"] == "till"]
    other["spec"]["selector"] = {"app": "till", "tier": "web"}
    other["spec"]["ports"] += [{"name": "grpc", "port": 90, "targetPort": 9090}]
    there[-1]["metadata"]["labels"] = other["spec"]["selector"]
    await put(fleet, "south", *crds(), *there, *mill)
    mail(
        tmp_path,
        gateways=(Gateway("net", "203.0.113.7", 15443), Gateway("other", "203.0.113.8", 15443)),
        services=(
            Offer("stock.shop.global", (OfferedPort(80, "http", "HTTP"),), TILL.identities, ("net", "other")),
            Offer("depot.shop.global", (OfferedPort(80, "http", "HTTP"),), TILL.identities, ("other",)),
        ),
    )
    # A part of the mesh offers nothing that the others do not know yet.
    bundle = tmp_path / "out" / "east.mesh-for-west.mesh.json"
    part = await ran(fleet, tmp_path, play=("east",))
    assert part.failures == {} and not bundle.exists()
    assert any("stays as it is: nothing new is known in south yet" in one for one in part.warnings), part.warnings
    run = await ran(fleet, tmp_path, play=("east", "south"))
    assert run.failures == {}
    written = json.loads(bundle.read_text())
    again = await ran(fleet, tmp_path, play=("east",))
    assert json.loads(bundle.read_text()) == written
    assert not any("stays as it is" in one for one in again.warnings)
    moved = json.loads(json.dumps([one for one in there if one["metadata"]["name"] == "istio-eastwestgateway"]))
    moved[0]["spec"]["externalIPs"] = ["198.51.100.6"]
    await put(fleet, "south", *moved)
    await ran(fleet, tmp_path, play=("east",))
    assert json.loads(bundle.read_text()) == written
    moved[0]["spec"]["externalIPs"] = ["198.51.100.5"]
    await put(fleet, "south", *moved)
    assert [(one["network"], one["address"]) for one in written["gateways"]] == [
        ("east-net", "198.51.100.4"),
        ("south-net", "198.51.100.5"),
    ]
    assert {one["host"]: one["networks"] for one in written["services"]} == {
        "till.shop.global": ["east-net", "south-net"],
        "mill.shop.global": ["south-net"],
    }
    (differ,) = [one for one in run.warnings if "differ" in one]
    assert differ.startswith("till.shop: selector and ports of its Service in east and in south differ")
    offered = {one["host"]: [port["number"] for port in one["ports"]] for one in written["services"]}
    assert offered["till.shop.global"] == [80, 90]
    entries = {}
    for name in ("east", "south"):
        async with on(fleet, name) as kube:
            entries[name] = {
                one["spec"]["hosts"][0]: one["spec"] for one in await kube.list(NETWORKING, "ServiceEntry")
            }
    for found in entries.values():
        reached = {
            host: [e["address"] for e in found[host]["endpoints"]] for host in found if "endpoints" in found[host]
        }
        assert reached == {
            "stock.shop.global": ["203.0.113.7", "203.0.113.8"],
            "depot.shop.global": ["203.0.113.8"],
        }
    own = {name: found["till.shop.global"] for name, found in entries.items()}
    assert own["east"]["workloadSelector"] == {"labels": {"app": "till"}}
    assert own["south"]["workloadSelector"] == {"labels": {"app": "till", "tier": "web"}}
    targets = {name: [port["targetPort"] for port in one["ports"]] for name, one in own.items()}
    assert targets == {"east": [8080], "south": [8080, 9090]}
    addresses = [{host: spec["addresses"] for host, spec in found.items()} for found in entries.values()]
    assert addresses[0] == addresses[1], "a name has one address in the whole mesh"
    await ran(fleet, tmp_path, play=("east", "south"), leaves=True)


@in_loop
async def test_a_silent_cluster_withdraws_nothing(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    fleet = fleet_of(plane, tmp_path, WEST)
    own = make_root(new_key(), Policy("east.mesh", "istio-system", "default", NOW))
    await put(fleet, "east", *crds(), *running(certificate_pem(own)))
    mail(tmp_path)
    await ran(fleet, tmp_path)
    before = await held(fleet)
    file = tmp_path / "out" / "east.mesh-for-west.mesh.json"
    text = file.read_text()
    gone = {"cluster_provider": "kubeconfig", "cluster_api_url": "https://127.0.0.1:9", "cluster_api_token": "x"}
    more = {**gone, "fleet_name": "fed", "mesh_trust_domain": "east.mesh", "mesh_network": "east-net"}
    both = dataclasses.replace(fleet, clusters={**fleet.clusters, **read_fleet({"far": more}, environment()).clusters})
    found = await ran(both, tmp_path)
    assert any("far did not answer: bundles stay as they are" in one for one in found.warnings)
    assert (await held(fleet), file.read_text()) == (before, text)
    async with on(fleet, "east") as kube:
        await kube.delete("v1", "Service", "till", "shop")
    lost = await ran(both, tmp_path)
    assert "what is exported is not known" in str(lost.failures["east"][0])
    assert (await held(fleet), file.read_text()) == (before, text)
    # Where all answer, a service that is gone is not exported any more.
    await ran(fleet, tmp_path)
    assert "ServiceEntry till.federation" not in await held(fleet)
    await ran(fleet, tmp_path, leaves=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expires": NOW - DAY}, "has expired"),
        ({"trust_domain": "east.mesh", "services": ()}, "has our own trust domain"),
        ({"receiver": "north.mesh"}, "is for another mesh"),
        ({"roots": (ROOTS["x.y"],)}, "is one for other trust domains"),
        ({"roots": (plain_root(days=-1).certificate,)}, "expired"),
    ],
)
def test_a_file_that_is_not_fit_is_refused(
    plane: control_plane.ControlPlane, tmp_path: Path, changes: Values, message: str
) -> None:
    mail(tmp_path, **changes)
    with pytest.raises(FleetError, match=message) as caught:
        read_files(fleet_of(plane, tmp_path, WEST), str(tmp_path))
    assert caught.value.obj == str(tmp_path / "west.json")
    assert caught.value.next_step


def test_two_peers_have_two_keys(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    """One unconstrained corporate root signs for both."""
    corporate = plain_root().certificate
    mail(tmp_path, roots=(corporate,), services=())
    (tmp_path / "west.json").rename(tmp_path / "north.json")
    text = (tmp_path / "north.json").read_text().replace("west.mesh", "north.mesh")
    (tmp_path / "north.json").write_text(text)
    north = {"trust_domain": "north.mesh", "bundle": "north.json"}
    mail(tmp_path, roots=(corporate,))
    with pytest.raises(FleetError, match=r"north\.mesh and west\.mesh sent roots with one key") as caught:
        read_files(fleet_of(plane, tmp_path, north, WEST), str(tmp_path))
    assert caught.value.obj == str(tmp_path / "west.json")


@in_loop
@pytest.mark.parametrize("where", ["published", "root-cert.pem", "ca-cert.pem", "ca.crt"])
async def test_a_peer_with_a_key_of_ours_is_refused(
    plane: control_plane.ControlPlane, tmp_path: Path, where: str
) -> None:
    fleet = fleet_of(plane, tmp_path, WEST)
    corporate, key = plain_root(), new_key()
    policy = Policy("east.mesh", "istio-system", "default", NOW)
    below = make_intermediate(corporate, key, "east", policy)
    ours = below if where == "ca-cert.pem" else corporate.certificate
    other = certificate_pem(make_root(new_key(), policy))
    await put(fleet, "east", *crds(), *running(certificate_pem(ours) if where == "published" else other))
    cacerts: Values = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cacerts", "namespace": "istio-system"},
        "stringData": {"tls.crt": other} if where == "ca.crt" else {},
    }
    cacerts["stringData"] |= {} if where == "published" else {where: certificate_pem(ours)}
    await put(fleet, "east", cacerts)
    mail(tmp_path, roots=(ours,))
    try:
        async with on(fleet, "east") as kube:
            with pytest.raises(FleetError, match=r"the root of west\.mesh has a key of this mesh"):
                await refuse_own_keys(kube, fleet, read_files(fleet, str(tmp_path)).trusted)
        run = await ran(fleet, tmp_path)
        assert "has a key of this mesh" in run.failures["east"][0].what
        assert await held(fleet) == [], "nothing of the peer is callable"
        # A copy of the peer's own root, of a run before, is none of ours.
        mail(tmp_path)
        trusted = read_files(fleet, str(tmp_path)).trusted
        await put(fleet, "east", *running(other + certificate_pem(*trusted["west.mesh"]))[:4])
        async with on(fleet, "east") as kube:
            await refuse_own_keys(kube, fleet, trusted)
    finally:
        async with on(fleet, "east") as kube:
            await kube.delete("v1", "Secret", "cacerts", "istio-system")
        await ran(fleet, tmp_path, leaves=True)


@in_loop
async def test_a_peers_own_names_come_and_go(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    fleet = fleet_of(plane, tmp_path, {**WEST, "names": "own"})
    root = make_root(new_key(), Policy("east.mesh", "istio-system", "default", NOW))
    await put(fleet, "east", *crds(), *running(certificate_pem(root)))
    mail(tmp_path, services=(TILL,))
    run = await ran(fleet, tmp_path)
    assert run.failures == {}
    assert [(one.action, one.kind) for one in run.changes if one.name == "till.shop.west.mesh"] == [
        ("created", "DestinationRule"),
        ("created", "ServiceEntry"),
    ], "without the rule, calls would ask the peer for a name that it does not know"
    async with on(fleet, "east") as kube:
        ours = await kube.get(NETWORKING, "ServiceEntry", "till.federation", "shop")
        theirs = await kube.get(NETWORKING, "ServiceEntry", "till.shop.west.mesh", "istio-system")
        rule = await kube.get(NETWORKING, "DestinationRule", "till.shop.west.mesh", "istio-system")
    assert ours is not None and theirs is not None and rule is not None
    assert (ours["spec"]["hosts"], theirs["spec"]["hosts"]) == (["till.shop.global"], ["till.shop.west.mesh"])
    assert rule["spec"]["host"] == "till.shop.west.mesh"
    assert set(ours["spec"]["addresses"]).isdisjoint(theirs["spec"]["addresses"])
    again = await ran(fleet, tmp_path)
    assert actions([*again.changes, *again.files.changes]) == []
    # The choice of other names leaves nothing of the old ones.
    mail(tmp_path)
    await ran(fleet_of(plane, tmp_path, WEST), tmp_path)
    assert await held(fleet) == [*OBJECTS, "ServiceEntry stock.shop.west.mesh", "ServiceEntry till.federation"]
    await ran(fleet, tmp_path)
    await ran(fleet, tmp_path, leaves=True)
    assert await held(fleet) == []


def test_a_name_has_one_owner(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    mail(tmp_path, services=(TILL,))
    with pytest.raises(FleetError, match="offers a name that is taken") as caught:
        read_files(fleet_of(plane, tmp_path, WEST), str(tmp_path))
    assert "names: own for west.mesh" in caught.value.next_step
    assert read_files(fleet_of(plane, tmp_path, {**WEST, "names": "own"}), str(tmp_path)).names == {
        "till.shop.west.mesh"
    }
    mail(tmp_path, services=(TILL, TILL))
    with pytest.raises(FleetError, match="offers a name that is taken") as caught:
        read_files(fleet_of(plane, tmp_path, {**WEST, "names": "own"}), str(tmp_path))
    assert "ask west.mesh for a new bundle" in caught.value.next_step


@pytest.mark.parametrize("host", ["www.global", "a.till.shop.global"])
def test_a_peer_offers_services_under_its_domain(plane: control_plane.ControlPlane, tmp_path: Path, host: str) -> None:
    mail(tmp_path, services=(dataclasses.replace(TILL, host=host),))
    assert read_files(fleet_of(plane, tmp_path, WEST), str(tmp_path)).names == {host}
    with pytest.raises(FleetError, match="offers a name that has no form under its own") as caught:
        read_files(fleet_of(plane, tmp_path, {**WEST, "names": "own"}), str(tmp_path))
    assert "names: global for west.mesh" in caught.value.next_step
