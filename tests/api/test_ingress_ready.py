# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What others do for a route is waited for: certificates by a real cert-manager, the Gateway API's status by a real
istiod, both beside an API server without nodes."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import datetime
import json
import subprocess
import typing as t

import pytest
from cryptography import x509

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.ingress.run import IngressRun
from tests import crds_of_others
from tests.unit.plugins.module_utils._model.ingress.test_certificates import pair

from . import cert_manager, control_plane, istiod
from .gke_clusters import actions, on, put
from .loop import in_loop
from .manifests import namespace_of
from .test_ingress import GATEWAYS, HTTP, KINDS, NAME, SHOP, held, host_of, istio_crds, service, texts
from .test_ingress import ran as ran_for

Values = dict[str, t.Any]

CERTIFICATES = "cert-manager.io/v1"
SECRET = f"{NAME}-tls"
LONG = 600.0
"""Seconds. Nobody waits that long for what is over."""


async def ran(fleet: Fleet, *routes: Values, timeout: float = LONG, **more: t.Any) -> IngressRun:
    return await ran_for(fleet, *routes, timeout=timeout, **more)


@pytest.fixture(scope="module")
def plane(new_plane: control_plane.Start) -> control_plane.ControlPlane:
    running = new_plane("west")
    running.start_controllers()  # the requests of a Certificate that was deleted go with it
    return running


def endpoints() -> Values:
    """Of the ingress gateway: a pod is ready there, as far as istiod can see."""
    ports = [{"name": f"http-{port}", "port": port, "protocol": "TCP"} for port in (80, 443)]
    labels = {"kubernetes.io/service-name": "istio-ingressgateway"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "istio-ingressgateway-1", "namespace": GATEWAYS, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.1.1"], "conditions": {"ready": True}}],
        "ports": ports,
    }


@pytest.fixture(scope="module")
def prepared(plane: control_plane.ControlPlane) -> Fleet:
    """An ingress gateway, a shop, and all kinds; nobody works on them yet."""
    made = read_fleet({"west": host_of(plane)}, environment())
    spaces = [namespace_of(name) for name in (GATEWAYS, "shop", cert_manager.NAMESPACE)]
    gateway = service("istio-ingressgateway", GATEWAYS, 80, 443, labels={"istio": "ingressgateway"})
    gateway["spec"]["externalIPs"] = ["198.51.100.4"]
    crds = [*istio_crds(), *crds_of_others.gateway_api(), *crds_of_others.cert_manager()]
    asyncio.run(put(made, "west", *crds, *spaces, gateway, endpoints(), service("web", "shop", 80)))
    return made


@pytest.fixture
def fleet(prepared: Fleet) -> t.Iterator[Fleet]:
    """Nothing of a route is left after the test."""
    yield prepared

    async def clear() -> None:
        await ran(prepared)
        async with on(prepared, "west") as kube:
            # Of the same name as the next test's, and in its way until the garbage collector has looked.
            for kind in ("Issuer", "Certificate", "CertificateRequest"):
                for one in await kube.list(CERTIFICATES, kind, GATEWAYS):
                    await kube.delete(CERTIFICATES, kind, one["metadata"]["name"], GATEWAYS)

    asyncio.run(clear())


@pytest.fixture(scope="module")
def issuing(plane: control_plane.ControlPlane, prepared: Fleet) -> subprocess.Popen[bytes]:
    """cert-manager runs from here on."""
    return cert_manager.start(plane)


@pytest.fixture(scope="module")
def serving(plane: control_plane.ControlPlane, prepared: Fleet) -> subprocess.Popen[bytes]:
    """istiod runs from here on."""
    return istiod.start(plane, GATEWAYS)


def issuer(name: str, **spec: t.Any) -> Values:
    meta = {"name": name, "namespace": GATEWAYS}
    return {"apiVersion": CERTIFICATES, "kind": "Issuer", "metadata": meta, "spec": spec}


def authority() -> list[Values]:
    """A root that signs itself, and the issuer that signs with it."""
    root = {
        "apiVersion": CERTIFICATES,
        "kind": "Certificate",
        "metadata": {"name": "root", "namespace": GATEWAYS},
        "spec": {
            "isCA": True,
            "commonName": "root",
            "secretName": "root",
            "issuerRef": {"name": "itself", "kind": "Issuer", "group": "cert-manager.io"},
        },
    }
    return [issuer("itself", selfSigned={}), root, issuer("root", ca={"secretName": "root"})]


def by(name: str, **more: str) -> Values:
    """A route whose certificate an issuer signs."""
    return {**SHOP, "certificate_issuer": {"name": name, **more}}


def status(plane: control_plane.ControlPlane, name: str, conditions: list[Values]) -> None:
    """Write an object's conditions as a controller of its kind does."""
    patch = json.dumps({"status": {"conditions": conditions}})
    plane.kubectl("-n", GATEWAYS, "patch", name, "--subresource=status", "--type=merge", "-p", patch)


async def certificate(fleet: Fleet, name: str = SECRET) -> x509.Certificate:
    async with on(fleet, "west") as kube:
        secret = await kube.get("v1", "Secret", name, GATEWAYS)
    assert secret, name
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))


@in_loop
async def test_without_controllers_it_says_who_does_not_answer(fleet: Fleet) -> None:
    routes = ({**SHOP, "api": "gateway"}, {**by("root"), "host": "b.example"})
    # Check mode and timeout 0 wait for nobody: both would take ten minutes here.
    assert (await ran(fleet, *routes, dry_run=True)).failures == {}
    assert (await ran(fleet, *routes, timeout=0)).failures == {}
    said = texts(await ran(fleet, *routes, {**SHOP, "host": "c.example"}, timeout=1))
    for part in (
        f"west Gateway {GATEWAYS}/{NAME}: istiod does not serve shop.example after 1 s",
        "no controller has answered for it as it is now",
        "nor is there the GatewayClass istio, which istiod makes: it does not run",
        f"kubectl -n {GATEWAYS} logs -l app=istiod",
        f"west HTTPRoute shop/{NAME}: istiod does not serve shop.example",
        f"west Certificate {GATEWAYS}/ingress-b-example-e8d39256: ",
        "the certificate of b.example was not issued within 1 s",
        f"there is no Issuer {GATEWAYS}/root",
    ):
        assert part in said, part


@in_loop
async def test_cert_manager_that_does_not_run_is_told(fleet: Fleet) -> None:
    said = texts(await ran(fleet, by("theirs", kind="Other", group="issuers.example"), timeout=1))
    assert "cert-manager's controller does not run" in said
    assert "kubectl get pods -A -l app.kubernetes.io/instance=cert-manager" in said


@in_loop
async def test_an_issuer_signs_and_renews(plane: control_plane.ControlPlane, fleet: Fleet, issuing: object) -> None:
    await put(fleet, "west", *authority())
    run = await ran(fleet, by("root"))
    assert (run.failures, run.served) == ({}, {"west": ["shop.example at 198.51.100.4"]})
    first, root = await certificate(fleet), await certificate(fleet, "root")
    first.verify_directly_issued_by(root)
    assert first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    ) == ["shop.example"]
    assert actions((await ran(fleet, by("root"))).changes) == []
    # As `cmctl renew` does it.
    now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    renew = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "lastTransitionTime": now}
    async with on(fleet, "west") as kube:
        live = await kube.get(CERTIFICATES, "Certificate", NAME, GATEWAYS)
        assert live
        conditions = [*live["status"]["conditions"], renew]
    status(plane, f"certificate/{NAME}", conditions)
    async with on(fleet, "west") as kube:

        def renewed(secret: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
            pem = base64.b64decode(secret["data"]["tls.crt"]) if secret else b""
            return x509.load_pem_x509_certificate(pem) != first, "the first certificate"

        await kube.wait("v1", "Secret", SECRET, GATEWAYS, until=renewed, timeout=300)
    (await certificate(fleet)).verify_directly_issued_by(root)
    again = await ran(fleet, by("root"))
    assert (again.failures, actions(again.changes)) == ({}, []), "a renewed certificate is nothing to put right"
    await ran(fleet)
    assert await held(fleet) == ["Certificate root", "Secret root"], "the route's own are gone, and theirs are not"


async def judged(fleet: Fleet, kind: str, name: str) -> None:
    """cert-manager has said of an object whether it is ready."""

    def has(live: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
        conditions = (live or {}).get("status", {}).get("conditions", [])
        return any(one["type"] == "Ready" for one in conditions), f"conditions {conditions}"

    async with on(fleet, "west") as kube:
        await kube.wait(CERTIFICATES, kind, name, GATEWAYS, until=has, timeout=300)


@in_loop
async def test_an_issuer_that_is_missing_is_named_and_awaited(fleet: Fleet, issuing: object) -> None:
    await ran(fleet, by("late"), timeout=0)
    await judged(fleet, "Certificate", NAME)
    await judged(fleet, "CertificateRequest", f"{NAME}-1")
    said = texts(await ran(fleet, by("late"), timeout=1))
    for part in (
        f"west Certificate {GATEWAYS}/{NAME}: the certificate of shop.example was not issued within 1 s",
        "Ready is False: DoesNotExist",
        f'CertificateRequest {NAME}-1: Ready is False: Pending: Referenced "Issuer" not found',
        f"there is no Issuer {GATEWAYS}/late",
        f"correct certificate_issuer (kubectl -n {GATEWAYS} get issuers)",
    ):
        assert part in said, part
    later = asyncio.create_task(ran(fleet, by("late")))
    await put(fleet, "west", issuer("late", selfSigned={}))
    assert (await later).failures == {}, "it is awaited, however late its issuer comes"


async def specs(fleet: Fleet) -> dict[str, Values]:
    """What makes the gateway serve shop.example, and its Secrets."""
    async with on(fleet, "west") as kube:
        found = [one for kind in KINDS for one in await kube.list(*kind) if NAME in one["metadata"]["name"]]
        found += await kube.list("v1", "Secret", GATEWAYS, labels={"mesh.fleet/part-of": "ingress"})
    return {f"{one['kind']} {one['metadata']['name']}": one.get("spec") or one["data"] for one in found}


@pytest.mark.parametrize("api", ["istio", "gateway"])
@in_loop
async def test_a_live_host_is_served_as_before_without_its_issuer(
    plane: control_plane.ControlPlane, fleet: Fleet, issuing: object, api: str
) -> None:
    given = {"old": dataclasses.asdict(pair("shop.example"))}
    before = {**SHOP, "api": api, "certificate": "old"}
    assert (await ran(fleet, before, timeout=0, certificates=given)).failures == {}
    served = await specs(fleet)
    assert "Secret ingress-certificate-old" in served
    wanted = {**by("to-come"), "api": api, "https_redirect": True}
    other = {**SHOP, "host": "b.example"}
    run = await ran(fleet, wanted, other, timeout=1, certificates=given)
    assert f"there is no Issuer {GATEWAYS}/to-come" in texts(run)
    assert run.served == {"west": ["b.example at 198.51.100.4"]}, "who needs no certificate waits for nobody"
    assert await specs(fleet) == served
    # As after a kill in the wait: the issuer comes later, and so does the run.
    await put(fleet, "west", issuer("to-come", selfSigned={}))
    await judged(fleet, "Certificate", NAME)
    async with on(fleet, "west") as kube:

        def there(secret: t.Mapping[str, t.Any] | None) -> tuple[bool, str]:
            return secret is not None, "no Secret"

        await kube.wait("v1", "Secret", SECRET, GATEWAYS, until=there, timeout=300)
    assert await specs(fleet) != served, "cert-manager's Secret"
    await ran(fleet, wanted, other, timeout=0)
    now = await specs(fleet)
    assert f"Secret {SECRET}" in now and "Secret ingress-certificate-old" not in now
    assert now[f"Gateway {NAME}"] != served[f"Gateway {NAME}"]
    again = await ran(fleet, wanted, other, timeout=0)
    assert (actions(again.changes), again.warnings) == ([], [])


@in_loop
async def test_a_new_host_is_served_in_the_run_that_gets_it(fleet: Fleet, issuing: object) -> None:
    run = asyncio.create_task(ran(fleet, {**by("soon"), "https_redirect": True}))
    await judged(fleet, "Certificate", NAME)
    assert await specs(fleet) == {}, "a challenge by HTTP is met by nothing of ours"
    await put(fleet, "west", issuer("soon", selfSigned={}))
    done = await run
    assert (done.failures, done.served) == ({}, {"west": ["shop.example at 198.51.100.4"]})
    assert set(await specs(fleet)) == {f"Gateway {NAME}", f"VirtualService {NAME}", f"Secret {SECRET}"}
    assert len([one for one in actions(done.changes) if one.endswith("created")]) == 3


@in_loop
async def test_who_waits_for_nobody_is_told_what_is_left(fleet: Fleet) -> None:
    run = await ran(fleet, by("none"), timeout=0)
    assert (run.failures, run.served) == ({}, {"west": []})
    assert run.warnings == [
        f"west: cert-manager has not issued the certificate of shop.example yet (Certificate {GATEWAYS}/{NAME}), and "
        "nobody waited: what was served of the host is served as before. Run the ingress stage again once it has"
    ]


@in_loop
async def test_an_issuer_that_cannot_sign_is_named(fleet: Fleet, issuing: object) -> None:
    await put(fleet, "west", issuer("empty", ca={"secretName": "nobody-has-it"}))
    await judged(fleet, "Issuer", "empty")
    run = await ran(fleet, by("empty"), timeout=1)
    assert run.served == {"west": []}
    said = texts(run)
    assert f"Issuer {GATEWAYS}/empty cannot issue: Ready is False: " in said
    assert "nobody-has-it" in said
    assert f"kubectl -n {GATEWAYS} describe issuer empty" in said


@in_loop
async def test_a_refused_certificate_ends_the_wait(
    plane: control_plane.ControlPlane, fleet: Fleet, issuing: object
) -> None:
    # An issuer of another controller's, which is us.
    theirs = by("theirs", kind="Other", group="issuers.example")
    run = asyncio.create_task(ran(fleet, theirs))
    async with on(fleet, "west") as kube:
        await kube.wait_list(CERTIFICATES, "CertificateRequest", GATEWAYS, until=lambda some: (bool(some), "none"))
    refused = {
        "type": "Ready",
        "status": "False",
        "reason": "Failed",
        "message": "the quota is used up",
        "lastTransitionTime": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    status(plane, f"certificaterequest/{NAME}-1", [refused])
    said = texts(await run)
    for part in (
        f"west Certificate {GATEWAYS}/{NAME}: the certificate of shop.example was not issued\n",
        "Issuing is False: Failed: ",
        f"CertificateRequest {NAME}-1: Ready is False: Failed: the quota is used up",
        "cert-manager tries again in an hour",
        f"kubectl -n {GATEWAYS} delete certificate {NAME}, and run the ingress stage",
    ):
        assert part in said, part
    # The next step of the message, with an issuer that signs.
    await put(fleet, "west", issuer("itself", selfSigned={}))
    plane.kubectl("-n", GATEWAYS, "delete", "certificate", NAME)
    assert (await ran(fleet, by("itself"))).failures == {}


@in_loop
async def test_istiod_takes_gateways_and_routes(fleet: Fleet, issuing: object, serving: object) -> None:
    await put(fleet, "west", issuer("itself", selfSigned={}))
    route = {**by("itself"), "api": "gateway", "https_redirect": True}
    run = await ran(fleet, route)
    assert (run.failures, run.served) == ({}, {"west": ["shop.example at 198.51.100.4"]})
    async with on(fleet, "west") as kube:
        gateway = await kube.get(HTTP, "Gateway", NAME, GATEWAYS)
    assert gateway
    assert [one["name"] for one in gateway["status"]["listeners"]] == ["http", "https"]
    again = await ran(fleet, route)
    assert (again.failures, actions(again.changes)) == ({}, [])


@in_loop
async def test_a_status_of_a_former_object_is_not_believed(fleet: Fleet, serving: subprocess.Popen[bytes]) -> None:
    """The last test that istiod is needed in."""
    route = {**SHOP, "api": "gateway"}
    assert (await ran(fleet, route)).failures == {}
    serving.kill()
    serving.wait()
    assert (await ran(fleet, route)).failures == {}, "nothing has changed"
    said = texts(await ran(fleet, {**route, "path": "/new"}, timeout=1))
    assert f"west HTTPRoute shop/{NAME}: istiod does not serve shop.example after 1 s" in said
    assert "no controller has answered for it as it is now" in said
