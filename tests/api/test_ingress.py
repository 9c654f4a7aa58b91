# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes into the mesh on a real API server with Istio's kinds, those of the Gateway API, and cert-manager's."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import os
import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording, recording_as
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import read_routes
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.paths import artifacts_dir
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.ingress.run import IngressRun
from tests import crds_of_others
from tests.unit.plugins.module_utils._model.ingress.test_certificates import pair

from . import control_plane
from .gke_clusters import actions, on, put
from .loop import in_loop
from .manifests import namespace_of
from .plays import Ran, role_play, run_plays

Values = dict[str, t.Any]

ROOT = Path(__file__).resolve().parents[2]
CHARTS = Path(os.environ.get("MESH_FLEET_CHARTS") or artifacts_dir() / "charts")
NETWORKING, GATEWAYS, HTTP = "networking.istio.io/v1", "istio-system", "gateway.networking.k8s.io/v1"
SHOP: Values = {"host": "shop.example", "service": "web.shop"}
NAME = "ingress-shop-example-0f59463c"
BOTH = [f"Gateway {NAME}", f"VirtualService {NAME}"]
KINDS = ((NETWORKING, "Gateway"), (NETWORKING, "VirtualService"), (HTTP, "Gateway"), (HTTP, "HTTPRoute"))


def istio_crds() -> list[Values]:
    text = (CHARTS / "base" / "files" / "crd-all.gen.yaml").read_text(encoding="utf-8")
    kinds = ("Gateway", "VirtualService")
    return [one for one in yaml.safe_load_all(text) if one and one["spec"]["names"]["kind"] in kinds]


def service(name: str, namespace: str, *ports: int, labels: Values | None = None) -> Values:
    spec = {"selector": {"app": name}, "ports": [{"name": f"http-{port}", "port": port} for port in ports]}
    meta = {"name": name, "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def tls(name: str, *hosts: str) -> Values:
    made = pair(*hosts)
    meta = {"name": name, "namespace": GATEWAYS}
    data = {"tls.crt": made.certificate, "tls.key": made.key}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "stringData": data}


@pytest.fixture(scope="module")
def plane(new_plane: control_plane.Start) -> control_plane.ControlPlane:
    return new_plane("west")


def host_of(plane: control_plane.ControlPlane) -> Values:
    return {
        "fleet_name": "ing",
        "cluster_provider": "kubeconfig",
        "cluster_region": "us-west1",
        "cluster_api_url": plane.server,
        "cluster_api_token": control_plane.ADMIN_TOKEN,
        "cluster_api_ca": plane.ca_pem,
    }


@pytest.fixture
def fleet(plane: control_plane.ControlPlane) -> t.Iterator[Fleet]:
    """With an ingress gateway and the shop; nothing of a route is left after the test."""
    made = read_fleet({"west": host_of(plane)}, environment())
    spaces = [namespace_of(name) for name in (GATEWAYS, "shop", "bank")]
    gateway = service("istio-ingressgateway", GATEWAYS, 80, 443, labels={"istio": "ingressgateway"})
    gateway["spec"]["externalIPs"] = ["198.51.100.4"]
    services = [service("web", "shop", 80, 9090), service("pay", "bank", 8080)]
    asyncio.run(put(made, "west", *istio_crds(), *spaces, gateway, *services))
    yield made

    async def clear() -> list[str]:
        await ran(made)
        return await held(made)

    assert asyncio.run(clear()) == []


async def ran(fleet: Fleet, *routes: Values, **more: t.Any) -> IngressRun:
    """Nobody waits by default: no cert-manager and no istiod runs here (tests/api/test_ingress_ready.py has them)."""
    read, wrong = read_routes(routes, {"west": "west"})
    assert wrong == []
    run = IngressRun(fleet, ["west"], read, more.pop("certificates", {}), **{"timeout": 0.0, **more})
    await run.run()
    return run


async def held(fleet: Fleet) -> list[str]:
    """What is there of a route, whoever made it."""
    async with on(fleet, "west") as kube:
        found = [obj for api, kind in KINDS for obj in await kube.list(api, kind)]
        found += [one for one in await kube.list("v1", "Secret", GATEWAYS) if one["metadata"]["name"] != "shop-tls"]
        found += await kube.list("cert-manager.io/v1", "Certificate")
    return sorted(f"{one['kind']} {one['metadata']['name']}" for one in found)


def texts(run: IngressRun) -> str:
    return "\n".join(str(error) for error in run.failures.get("west", ()))


@in_loop
async def test_a_route_comes_changes_and_goes(fleet: Fleet) -> None:
    planned = await ran(fleet, SHOP, dry_run=True)
    assert await held(fleet) == []
    first = await ran(fleet, SHOP)
    assert first.failures == {}
    assert actions(planned.changes) == actions(first.changes) == [f"west {one} created" for one in BOTH]
    assert first.served == {"west": ["shop.example at 198.51.100.4"]}
    assert actions((await ran(fleet, SHOP)).changes) == []
    more = await ran(fleet, SHOP, {**SHOP, "path": "/pay", "service": "pay.bank"})
    assert actions(more.changes) == [f"west VirtualService {NAME} changed"]
    async with on(fleet, "west") as kube:
        live = await kube.get(NETWORKING, "VirtualService", NAME, GATEWAYS)
    assert live is not None
    ports = [route["route"][0]["destination"]["port"]["number"] for route in live["spec"]["http"]]
    assert ports == [8080, 80], "the first port of each Service"
    gone = await ran(fleet, {**SHOP, "host": "other.example"})
    assert [one for one in actions(gone.changes) if one.endswith("removed")] == [f"west {one} removed" for one in BOTH]
    assert (await ran(fleet)).summary() == "2 objects removed"


@in_loop
async def test_all_that_is_wrong_is_told_and_nothing_is_changed(fleet: Fleet) -> None:
    await ran(fleet, SHOP)
    wrong = await ran(
        fleet,
        {**SHOP, "path": "/new"},
        {**SHOP, "host": "a.example", "service": "nobody.shop"},
        {**SHOP, "host": "b.example", "port": 81},
        {**SHOP, "host": "c.example", "certificate_secret": "missing"},
        {**SHOP, "host": "d.example", "certificate": "given"},
        certificates={"given": dataclasses.asdict(pair("other.example"))},
    )
    said = texts(wrong)
    for part in (
        "west Service shop/nobody: there is no service nobody.shop",
        "west Service shop/web: service web.shop has no port 81",
        "its ports are 80 http-80, 9090 http-9090",
        f"west Secret {GATEWAYS}/missing: the certificate of c.example is not there",
        f"kubectl -n {GATEWAYS} create secret tls missing",
        "west ingress_certificates.given: the certificate is not for d.example",
    ):
        assert part in said, part
    assert wrong.changes == []
    assert await held(fleet) == BOTH, "what was served is served"


@in_loop
async def test_a_silent_cluster_keeps_nothing_from_a_healthy_one(
    plane: control_plane.ControlPlane, fleet: Fleet
) -> None:
    nowhere = f"https://127.0.0.1:{control_plane.closed_port()}"
    hosts = {"west": host_of(plane), "east": {**host_of(plane), "cluster_api_url": nowhere}}
    two = read_fleet(hosts, environment())
    run = await ran(two, SHOP)
    assert (run.failures, actions(run.changes)) == ({}, [f"west {one} created" for one in BOTH])
    far = {**SHOP, "path": "/far", "service": "far.shop"}
    said = texts(await ran(two, SHOP, far))
    assert "west Service shop/far: there is no service far.shop" in said
    assert "in no cluster that answered and that this one may call; east did not answer" in said
    assert "give the route a port, which is taken unseen while a cluster does not answer" in said
    run = await ran(two, SHOP, {**far, "port": 8080})
    assert (run.failures, actions(run.changes)) == ({}, [f"west VirtualService {NAME} changed"])
    assert run.warnings == [
        "west: nobody knows whether far.shop has the port 8080 of ingress_routes: east did not answer"
    ]


@pytest.mark.parametrize("reached", [True, False], ids=["silent", "no-kubeconfig"])
@in_loop
async def test_routes_of_a_silent_remotes_gateway_stay(
    plane: control_plane.ControlPlane, fleet: Fleet, tmp_path: Path, reached: bool
) -> None:
    """Its primary has their objects, and no gateway itself."""
    given = pair("shop.example")
    named = {"ours": {"certificate": given.certificate, "key": given.key}}
    secured = {**SHOP, "certificate": "ours"}
    assert (await ran(fleet, secured, certificates=named)).failures == {}
    there = await held(fleet)
    assert there
    remote = {**host_of(plane), "cluster_api_url": f"https://127.0.0.1:{control_plane.closed_port()}"}
    if not reached:
        named_by = {"cluster_kubeconfig": str(tmp_path / "missing"), "cluster_context": "edge"}
        remote = {**{key: value for key, value in remote.items() if "_api_" not in key}, **named_by}
    remote |= {"mesh_role": "remote", "mesh_primary": "west"}
    mesh = read_fleet({"west": host_of(plane), "edge": remote}, environment())
    async with on(fleet, "west") as kube:
        gateway = await kube.get("v1", "Service", "istio-ingressgateway", GATEWAYS)
        assert gateway
        await kube.remove([gateway])
        try:
            run = await ran(mesh, secured, certificates=named)
            assert (actions(run.changes), list(run.failures)) == ([], ["west"])
            for part in ("whether it has an ingress gateway is not known", "edge did not answer", "start edge"):
                assert part in texts(run)
            assert await held(fleet) == there
        finally:
            ours = {key: value for key, value in gateway["spec"].items() if not key.startswith("clusterIP")}
            kept = {"name": gateway["metadata"]["name"], "namespace": GATEWAYS, "labels": gateway["metadata"]["labels"]}
            await kube.apply([{"apiVersion": "v1", "kind": "Service", "metadata": kept, "spec": ours}])


@in_loop
async def test_check_mode_knows_what_stages_before_may_bring(fleet: Fleet) -> None:
    routes = ({**SHOP, "service": "nobody.shop"}, {**SHOP, "host": "c.example", "certificate_secret": "missing"})
    planned = await ran(fleet, *routes, dry_run=True)
    assert planned.failures == {}
    assert len(planned.changes) == 4
    assert [one.partition(" yet")[0] for one in planned.warnings] == [
        "west: the certificate of c.example is not there",
        "west: there is no service nobody.shop",
    ]
    wrong = await ran(fleet, {**SHOP, "port": 81}, dry_run=True)
    assert "has no port 81" in texts(wrong), "what no stage mends is told in check mode too"


@in_loop
async def test_objects_of_others_stay(fleet: Fleet) -> None:
    spec = {"selector": {"istio": "ingressgateway"}, "servers": []}
    meta = {"name": NAME, "namespace": GATEWAYS}
    theirs = {"apiVersion": NETWORKING, "kind": "Gateway", "metadata": meta, "spec": spec}
    async with on(fleet, "west") as kube:
        await kube.apply([theirs], manager="somebody-else")
    try:
        run = await ran(fleet, SHOP)
        assert f"Gateway {GATEWAYS}/{NAME}: it is somebody else's" in texts(run)
        assert "it is of somebody-else" in texts(run)
        assert (await ran(fleet)).changes == [], "nor is it pruned"
        assert await held(fleet) == BOTH[:1]
    finally:
        async with on(fleet, "west") as kube:
            await kube.remove([theirs])


@in_loop
async def test_a_host_that_somebody_else_serves_too_is_told(fleet: Fleet) -> None:
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["shop/shop.example", "*"]}
    meta = {"name": "theirs", "namespace": "shop"}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [server]}
    theirs = {"apiVersion": NETWORKING, "kind": "Gateway", "metadata": meta, "spec": spec}
    async with on(fleet, "west") as kube:
        await kube.apply([theirs], manager="somebody-else")
    try:
        run = await ran(fleet, SHOP, {**SHOP, "host": "other.example"})
        assert run.failures == {}
        assert run.warnings == [
            "west: Gateway shop/theirs has the host shop.example of ingress_routes too: take it out of one of them"
        ]
    finally:
        async with on(fleet, "west") as kube:
            await kube.remove([theirs])


@in_loop
async def test_https_by_a_secret_that_exists_and_one_that_is_given(fleet: Fleet) -> None:
    await put(fleet, "west", tls("shop-tls", "shop.example"))
    given = {"b": dataclasses.asdict(pair("b.example"))}
    routes = ({**SHOP, "certificate_secret": "shop-tls"}, {**SHOP, "host": "b.example", "certificate": "b"})
    run = await ran(fleet, *routes, certificates=given)
    assert run.failures == {}
    assert "Secret ingress-certificate-b" in await held(fleet)
    shown = "".join(change.before + change.after for change in run.changes)
    assert given["b"]["key"].splitlines()[1] not in shown
    assert actions((await ran(fleet, *routes, certificates=given)).changes) == []
    renewed = {"b": dataclasses.asdict(pair("b.example"))}
    assert actions((await ran(fleet, *routes, certificates=renewed)).changes) == [
        "west Secret ingress-certificate-b changed"
    ]
    await ran(fleet)
    async with on(fleet, "west") as kube:
        assert await kube.get("v1", "Secret", "shop-tls", GATEWAYS), "theirs stays"


@in_loop
async def test_the_gateway_api_and_cert_manager_are_asked_for_and_used(fleet: Fleet) -> None:
    issuer = {"name": "letsencrypt", "kind": "ClusterIssuer"}
    route = {**SHOP, "api": "gateway", "certificate_issuer": issuer, "https_redirect": True}
    missing = texts(await ran(fleet, route))
    assert "the Gateway API is not installed" in missing
    assert "cert-manager is not installed" in missing
    assert await held(fleet) == []
    await put(fleet, "west", *crds_of_others.gateway_api(), *crds_of_others.cert_manager())
    assert (await ran(fleet, route)).failures == {}
    assert await held(fleet) == [f"Certificate {NAME}"], "nothing shows a certificate that is not there"
    await put(fleet, "west", issued(NAME, "shop.example"))
    run = await ran(fleet, route)
    assert run.failures == {}
    assert await held(fleet) == [
        f"Certificate {NAME}",
        f"Gateway {NAME}",
        f"HTTPRoute {NAME}",
        f"HTTPRoute {NAME}-redirect",
        f"Secret {NAME}-tls",
    ]
    again = await ran(fleet, route)
    assert actions(again.changes) == [], "nothing that the API server fills in counts as a difference"
    # The same host by the other API: no object of the former one is left.
    moved = await ran(fleet, {**SHOP, "certificate_issuer": issuer})
    assert moved.failures == {}
    assert await held(fleet) == sorted([f"Certificate {NAME}", *BOTH, f"Secret {NAME}-tls"])


def issued(name: str, host: str) -> Values:
    """What cert-manager makes of a Certificate."""
    secret = tls(f"{name}-tls", host)
    secret["metadata"]["labels"] = {"mesh.fleet/part-of": "ingress", "mesh.fleet/fleet": "ing"}
    return secret


@in_loop
async def test_hosts_that_browsers_mix_up_are_told(fleet: Fleet) -> None:
    await put(fleet, "west", tls("shop-tls", "*.shop.example"))
    given = {"c": dataclasses.asdict(pair("c.shop.example"))}
    routes = [
        {**SHOP, "host": "a.shop.example", "certificate_secret": "shop-tls"},
        {**SHOP, "host": "c.shop.example", "certificate": "c"},
    ]
    run = await ran(fleet, *routes, certificates=given)
    assert run.failures == {}
    assert run.warnings == [
        f"west: the certificate in Secret {GATEWAYS}/shop-tls is good for a.shop.example, c.shop.example: browsers "
        "send calls of one on a connection to another, where Istio answers 404. Give each of these hosts a certificate "
        "for its own name alone, for example by certificate_issuer"
    ]
    assert (await ran(fleet, *routes[1:2], certificates=given)).warnings == []


def http_route_of_others(namespace: str) -> list[Values]:
    """A Gateway of the Gateway API at the ingress gateway, and an HTTPRoute for shop.example by it."""
    address = {"type": "Hostname", "value": f"istio-ingressgateway.{GATEWAYS}.svc.cluster.local"}
    allowed = {"namespaces": {"from": "All"}}
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": allowed}
    gateway = {"gatewayClassName": "istio", "addresses": [address], "listeners": [listener]}
    backend = {"name": "theirs", "port": 80}
    parent = {"name": "theirs", "namespace": GATEWAYS}
    route = {"parentRefs": [parent], "hostnames": ["shop.example"], "rules": [{"backendRefs": [backend]}]}
    return [
        {"apiVersion": HTTP, "kind": kind, "metadata": {"name": "theirs", "namespace": space}, "spec": spec}
        for kind, space, spec in (("Gateway", GATEWAYS, gateway), ("HTTPRoute", namespace, route))
    ]


@in_loop
async def test_a_host_of_somebody_elses_http_route_is_told(fleet: Fleet) -> None:
    await put(fleet, "west", *crds_of_others.gateway_api())
    theirs = http_route_of_others("shop")
    async with on(fleet, "west") as kube:
        await kube.apply(theirs, manager="somebody-else")
    try:
        for api in ("istio", "gateway"):
            run = await ran(fleet, {**SHOP, "api": api}, {**SHOP, "api": api, "host": "other.example"})
            assert run.failures == {}
            assert run.warnings == [
                "west: HTTPRoute shop/theirs has the host shop.example of ingress_routes too: take it out of one of "
                "them"
            ], "and none of our own"
    finally:
        async with on(fleet, "west") as kube:
            await kube.remove(theirs)


@pytest.mark.parametrize("page", ["docs/ingress.md", "roles/ingress/README.md"])
@in_loop
async def test_the_examples_of_the_pages_become_objects(fleet: Fleet, page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)]
    assert blocks
    await put(fleet, "west", tls("shop-tls", "shop.example"), tls("a-tls", "a.example"))
    await put(fleet, "west", namespace_of("dev"), service("web", "dev", 8080))
    await put(fleet, "west", *crds_of_others.gateway_api(), *crds_of_others.cert_manager())
    for block in blocks:
        # The lookups read files of the reader's.
        given = {name: dataclasses.asdict(pair(f"{name}.example")) for name in block.get("ingress_certificates") or {}}
        await put(fleet, "west", issued("ingress-c-example-3e3cc36e", "c.example"))
        run = await ran(fleet, *block["ingress_routes"], certificates=given)
        assert run.failures == {}
        assert len(run.served["west"]) == len({route["host"] for route in block["ingress_routes"]})
    async with on(fleet, "west") as kube:
        await kube.delete("v1", "Secret", "a-tls", GATEWAYS)


@in_loop
async def test_a_cluster_without_a_gateway_is_told_of(fleet: Fleet) -> None:
    async with on(fleet, "west") as kube:
        await kube.delete("v1", "Service", "istio-ingressgateway", GATEWAYS)
    run = await ran(fleet, {**SHOP, "clusters": ["west"]})
    assert "it has no ingress gateway" in texts(run)
    run = await ran(fleet, SHOP)
    assert (run.failures, run.changes) == ({}, [])
    assert run.warnings == ["ingress_routes: no cluster of this run has an ingress gateway, so nothing is served"]


@in_loop
async def test_files_hold_what_is_known_without_clusters(fleet: Fleet) -> None:
    given = {"b": dataclasses.asdict(pair("b.example"))}
    routes = (
        {**SHOP, "port": 80},
        {**SHOP, "host": "b.example", "port": 80, "certificate": "b"},
        {**SHOP, "host": "c.example"},
    )
    with recording_as(Recording()) as record:
        run = await ran(fleet, *routes, certificates=given, dry_run=True)
    assert run.failures == {}
    names = {obj["metadata"]["name"] for obj in record.objects["west"].values()}
    assert names == {NAME, "ingress-b-example-e8d39256"}
    assert sorted(obj for _cluster, obj in record.left_out) == [
        f"Gateway {GATEWAYS}/ingress-c-example-3e3cc36e",
        f"Secret {GATEWAYS}/ingress-certificate-b",
        f"VirtualService {GATEWAYS}/ingress-c-example-3e3cc36e",
    ], "the key, and a port that only the cluster knows"


def test_no_key_is_printed_logged_rendered_or_recorded(
    plane: control_plane.ControlPlane, fleet: Fleet, tmp_path: Path
) -> None:
    """Nor a part of it: by the tasks that have it, in messages when it is wrong, and in all files that they leave."""
    made, other = pair("shop.example"), pair("shop.example")
    good = {"certificate": made.certificate, "key": made.key}
    log = tmp_path / "ansible.log"
    routes = [{**SHOP, "port": 80, "certificate": "shop"}, {**SHOP, "host": "b.example", "certificate": "b"}]

    def played(name: str, play: Values | Path, given: t.Any, *arguments: str, of: int = 1) -> Ran:
        folder = tmp_path / name
        folder.mkdir()
        variables = {"ingress_routes": routes[:of], "ingress_certificates": given}
        hosts = {"vars": variables, "hosts": {"west": host_of(plane)}}
        shell = {"ANSIBLE_LOG_PATH": str(log), "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}
        done = run_plays(folder, hosts, play, "--diff", "-vvv", *arguments, environment=shell)
        (folder / "hosts.yml").unlink()  # the inventory holds the key, and is no output
        (folder / "printed").write_text(done.output)
        return done

    stage = role_play("ingress")
    done = played("good", stage, {"shop": good})
    assert done.code == 0 and "1 route in 1 of 1 clusters, 3 changed" in done.output, done.output
    wrong = {"shop": {**good, "key": other.key}, "b": {**good, "key": made.key[:60] + made.key[70:]}}
    refused = played("wrong", stage, wrong, of=2).output
    assert "the private key is not that of the certificate" in refused
    assert "the private key cannot be read" in refused
    # A key where a certificate with its key should be.
    assert "is no certificate with its key" in played("entry", stage, {"shop": made.key}).output
    assert played("all", role_play("preflight"), made.key).code != 0
    assert played("render", ROOT / "playbooks" / "render.yml", {"shop": good}).code == 0
    read = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert {log, tmp_path / "good" / "printed"} <= set(read)
    for name in ("87-ingress.yaml", ".jsonl"):
        assert [path for path in read if path.name.endswith(name)], name
    pieces = pieces_of(made.key) | pieces_of(other.key)
    for path in read:
        text = path.read_text(encoding="utf-8", errors="replace")
        assert [piece for piece in pieces if piece in text] == [], path


def pieces_of(key: str) -> set[str]:
    """Every piece of a key that is long enough to be nothing else, as it is and as a Secret has it.

    The first characters of all keys of a kind are the same.
    """
    body = "".join(key.splitlines()[1:-1])[9:]
    encoded = base64.b64encode(key.encode()).decode()[60:]
    return {text[at : at + 12] for text in (body, encoded) for at in range(len(text) - 12)}
