# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes into the mesh on a real API server with Istio's kinds, those of the Gateway API, and cert-manager's."""

from __future__ import annotations

import asyncio
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
from .plays import role_play, run_plays

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
    read, wrong = read_routes(routes, {"west": "west"})
    assert wrong == []
    run = IngressRun(fleet, ["west"], read, more.pop("certificates", {}), **more)
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
    run = await ran(fleet, route)
    assert run.failures == {}
    wanted = [f"Certificate {NAME}", f"Gateway {NAME}", f"HTTPRoute {NAME}", f"HTTPRoute {NAME}-redirect"]
    assert await held(fleet) == wanted
    again = await ran(fleet, route)
    assert actions(again.changes) == [], "nothing that the API server fills in counts as a difference"
    # What cert-manager would make of it.
    secret = tls(f"{NAME}-tls", "shop.example")
    secret["metadata"]["labels"] = {"mesh.fleet/part-of": "ingress", "mesh.fleet/fleet": "ing"}
    async with on(fleet, "west") as kube:
        await kube.apply([secret], manager="cert-manager")
    assert actions((await ran(fleet, route)).changes) == [], "its Secret stays while the route does"
    # The same host by the other API: no object of the former one is left.
    moved = await ran(fleet, {**SHOP, "certificate_issuer": issuer})
    assert moved.failures == {}
    assert await held(fleet) == sorted([f"Certificate {NAME}", *BOTH, f"Secret {NAME}-tls"])


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


def test_the_role_shows_no_key(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    made = pair("shop.example")
    variables = {
        "ingress_routes": [{**SHOP, "certificate": "shop"}],
        "ingress_certificates": {"shop": dataclasses.asdict(made)},
    }
    hosts = {"vars": variables, "hosts": {"west": host_of(plane)}}
    done = run_plays(tmp_path, hosts, role_play("ingress"), "--check", "--diff", "-vvv")
    assert done.code == 0, done.output
    assert "1 route in 1 of 1 clusters, 3 changed" in done.output
    assert made.key.splitlines()[1] not in done.output
