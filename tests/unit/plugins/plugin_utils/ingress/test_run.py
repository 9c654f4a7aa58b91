# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The order of a run's writes around its wait for a certificate, by a cluster that only keeps objects."""

from __future__ import annotations

import asyncio
import base64
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import read_routes
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.ingress import run as runs
from ansible_collections.mesh.fleet.plugins.plugin_utils.ingress.run import IngressRun
from tests.unit.plugins.module_utils._model.ingress.test_certificates import pair

Object = dict[str, t.Any]

FLEET = read_fleet({"west": {"cluster_provider": "kubeconfig", "fleet_name": "ing"}})
SHOP: Object = {"host": "shop.example", "service": "web.shop"}
ISSUED: Object = {**SHOP, "certificate_issuer": "le", "https_redirect": True}
OTHER: Object = {**SHOP, "host": "b.example"}
NAME, OF_OTHER = "ingress-shop-example-0f59463c", "ingress-b-example-e8d39256"
SECRET = f"{NAME}-tls"


class Kept:
    """A cluster that notes what is written and waited for; its issuer signs or refuses as soon as somebody waits."""

    absent = take_over = False
    cluster = "west"
    left_warnings: tuple[str, ...] = ()

    def __init__(self, *, signs: bool) -> None:
        self.signs = signs
        self.secrets: dict[str, Object] = {}
        self.happened: list[str] = []
        self.live: dict[tuple[str, str], list[Object]] = {}

    async def apply(self, objects: t.Iterable[Object], **_options: t.Any) -> list[t.Any]:
        self.happened += [f"apply {obj['kind']} {obj['metadata']['name']}" for obj in objects]
        return []

    async def prune(self, keep: t.Iterable[Object], *, kinds: t.Collection[t.Any], **_options: t.Any) -> list[t.Any]:
        assert list(keep)
        self.happened.append("prune all" if ("v1", "Secret") in kinds else "prune without Secrets")
        return []

    async def get(self, _api: str, kind: str, name: str, _namespace: str = "") -> Object | None:
        if kind == "Service":
            return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80, "name": "http"}]}}
        if kind == "Issuer":
            return {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        return self.secrets.get(name) if kind == "Secret" else None

    async def list(self, api: str, kind: str, *_space: str, **_options: t.Any) -> list[Object]:
        return self.live.get((api, kind), [])

    async def resource(self, *_kind: str) -> None:
        return None

    async def wait(self, _api: str, kind: str, name: str, _namespace: str, **asked: t.Any) -> Object:
        self.happened.append(f"wait {kind} {name}")
        if self.signs:
            self.sign()
        said = {"type": "Ready", "status": "True"} if self.signs else {"type": "Issuing", "status": "False"}
        live = {"status": {"conditions": [said]}}
        assert asked["until"](live)[0]
        return live

    def sign(self) -> None:
        made = pair("shop.example")
        data = {"tls.crt": made.certificate, "tls.key": made.key}
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.secrets[SECRET] = {"metadata": {"name": SECRET, "namespace": "istio-system"}, "data": encoded}


async def ran(kube: Kept, monkeypatch: pytest.MonkeyPatch, **more: t.Any) -> IngressRun:
    async def connected(*_some: t.Any, **_options: t.Any) -> tuple[dict[str, Kept], dict[str, t.Any]]:
        return {"west": kube}, {}

    async def gateways(*_some: t.Any) -> dict[str, Object]:
        return {"istio-ingressgateway": {"metadata": {"name": "x", "namespace": "istio-system"}, "spec": {}}}

    monkeypatch.setattr(runs, "connect_each", connected)
    monkeypatch.setattr(runs, "find_gateways", gateways)
    routes = [{**ISSUED, "https_redirect": more.pop("https_redirect", True)}, OTHER]
    read, wrong = read_routes(routes, {"west": "west"})
    assert wrong == []
    run = IngressRun(FLEET, ["west"], read, {}, **more)
    await run.run()
    return run


FIRST = [f"apply Certificate {NAME}", f"apply Gateway {OF_OTHER}", f"apply VirtualService {OF_OTHER}"]
WAITED = [*FIRST, "prune without Secrets", f"wait Certificate {NAME}"]
ROUTED = [f"apply Gateway {NAME}", f"apply VirtualService {NAME}"]


def test_a_host_gets_its_routes_after_its_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Kept(signs=True)
    run = asyncio.run(ran(kube, monkeypatch))
    assert kube.happened[:8] == [*WAITED, *ROUTED, "prune all"]
    assert (run.failures, run.served) == ({}, {"west": ["b.example", "shop.example"]})


def test_a_host_without_a_certificate_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Kept(signs=False)
    run = asyncio.run(ran(kube, monkeypatch))
    assert kube.happened == [*WAITED, "prune without Secrets"]
    (error,) = run.failures["west"]
    assert error.what == "the certificate of shop.example was not issued"
    assert run.served == {"west": ["b.example"]}


def test_without_a_wait_the_host_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Kept(signs=True)
    run = asyncio.run(ran(kube, monkeypatch, timeout=0))
    assert kube.happened == [*FIRST, "prune without Secrets"]
    assert (run.failures, run.served) == ({}, {"west": ["b.example"]})
    (warning,) = run.warnings
    assert f"certificate of shop.example yet (Certificate istio-system/{NAME})" in warning


def test_with_its_certificate_a_host_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Kept(signs=True)
    kube.sign()
    run = asyncio.run(ran(kube, monkeypatch))
    assert kube.happened == [
        f"apply Certificate {NAME}",
        f"apply Gateway {OF_OTHER}",
        f"apply VirtualService {OF_OTHER}",
        *ROUTED,
        "prune all",
        f"wait Certificate {NAME}",
    ]
    assert run.failures == {}


def test_check_mode_plans_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Kept(signs=False)
    run = asyncio.run(ran(kube, monkeypatch, dry_run=True))
    assert kube.happened == [*FIRST, *ROUTED, "prune all"]
    assert (run.failures, run.warnings) == ({}, [])


def redirecting() -> dict[tuple[str, str], list[Object]]:
    """What serves the host before: a Gateway with a redirect."""
    servers = [{"port": {"number": 80}, "hosts": ["shop.example"], "tls": {"httpsRedirect": True}}]
    meta = {"name": NAME, "namespace": "istio-system"}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": servers}
    return {("networking.istio.io/v1", "Gateway"): [{"metadata": meta, "spec": spec}]}


def test_a_redirect_that_is_off_goes_before_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Kept(signs=True)
    kube.live = redirecting()
    run = asyncio.run(ran(kube, monkeypatch, https_redirect=False))
    lifted = [f"apply Gateway {NAME}", "prune without Secrets", f"wait Certificate {NAME}"]
    assert kube.happened[:8] == [*FIRST, *lifted, *ROUTED]
    assert run.failures == {}


@pytest.mark.parametrize("timeout", [0, 180])
def test_a_live_redirect_before_a_certificate_is_named(monkeypatch: pytest.MonkeyPatch, timeout: int) -> None:
    hint = (
        "; if its challenge is HTTP-01, the host's redirect sends it on to HTTPS: https_redirect: false and a run of "
        "the ingress stage let it through"
    )
    for live in (redirecting(), {}):
        kube = Kept(signs=False)
        kube.live = live
        run = asyncio.run(ran(kube, monkeypatch, timeout=timeout))
        issuer = [error.next_step for error in run.failures.get("west", [])]
        said = "".join([*issuer, *run.warnings])
        assert (hint in said) is bool(live), "a new host has no redirect in its way"
