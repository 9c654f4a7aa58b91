# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written to a cluster before a certificate is there, and what stays; by a cluster that only keeps objects."""

from __future__ import annotations

import asyncio
import base64
import copy
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.objects import (
    Place,
    kinds,
    site_objects,
    tls_secret,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import Site, read_routes, sites
from ansible_collections.mesh.fleet.plugins.plugin_utils.ingress.writing import Writing

Object = dict[str, t.Any]

PLACE = Place("gates", "networking.istio.io/v1")
LABELS = {"mesh.fleet/part-of": "ingress"}
SHOP: Object = {"host": "shop.example", "service": "web.shop"}
ISSUED: Object = {**SHOP, "certificate_issuer": "le", "https_redirect": True}
NAME = "ingress-shop-example-0f59463c"
ROUTED = {
    "istio": [f"Gateway gates/{NAME}", f"VirtualService gates/{NAME}"],
    "gateway": [f"Gateway gates/{NAME}", f"HTTPRoute gates/{NAME}-redirect", f"HTTPRoute shop/{NAME}"],
}


class Kept:
    """A cluster that keeps what is applied."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str, str], Object] = {}

    def held(self) -> list[str]:
        return sorted(f"{kind} {space}/{name}" for _api, kind, space, name in self.objects)

    async def apply(self, objects: t.Iterable[Object], *, labels: t.Mapping[str, str]) -> list[t.Any]:
        assert labels == LABELS
        self.objects |= {key_of(obj): obj for obj in objects}
        return []

    async def prune(
        self, keep: t.Iterable[Object], *, kinds: t.Collection[tuple[str, str]], labels: t.Mapping[str, str]
    ) -> list[t.Any]:
        assert labels == LABELS
        wanted = {key_of(obj) for obj in keep}
        self.objects = {key: obj for key, obj in self.objects.items() if key in wanted or key[:2] not in kinds}
        return []

    async def list(self, api_version: str, kind: str, *, labels: t.Mapping[str, str]) -> list[Object]:
        assert labels == LABELS
        return [obj for key, obj in self.objects.items() if key[:2] == (api_version, kind)]

    async def get(self, api_version: str, kind: str, name: str, namespace: str) -> Object | None:
        return self.objects.get((api_version, kind, namespace, name))


def key_of(obj: Object) -> tuple[str, str, str, str]:
    return obj["apiVersion"], obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"]


def writing(kube: Kept, *routes: Object) -> Writing:
    read, wrong = read_routes(routes, {"west": "west"})
    assert wrong == []
    made: dict[Site, list[Object]] = {}
    for site in sites(read, "west"):
        given = site.certificate and site.certificate.source == "certificate"
        secret = [tls_secret(site.secret, PLACE.namespace, "CRT", "KEY")] if given else []
        made[site] = [*secret, *site_objects(site, dict.fromkeys(site.routes, 80), PLACE)]
    return Writing(t.cast("t.Any", kube), made, PLACE.namespace, kinds(PLACE.istio_api), {"labels": LABELS})


async def written(kube: Kept, *routes: Object) -> list[str]:
    """All that a run writes without a wait; the hosts that it holds back."""
    write = writing(kube, *routes)
    await write.certificates()
    held = await write.without_certificate()
    await write.hosts(site for site in write.made if site not in held)
    if held:
        await write.lift_redirects(held)
    await write.prune(held)
    return [site.host for site in held]


def issue(kube: Kept, **data: str) -> None:
    secret = tls_secret(f"{NAME}-tls", PLACE.namespace, "", "")
    secret["data"] = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    kube.objects[key_of(secret)] = secret


def test_a_new_host_gets_only_a_certificate_at_first() -> None:
    kube = Kept()
    assert asyncio.run(written(kube, ISSUED, {**SHOP, "host": "b.example"})) == ["shop.example"]
    assert kube.held() == [
        f"Certificate gates/{NAME}",
        "Gateway gates/ingress-b-example-e8d39256",
        "VirtualService gates/ingress-b-example-e8d39256",
    ], "what proves the host by HTTP has it to itself, and other hosts wait for nobody"


@pytest.mark.parametrize("api", ["istio", "gateway"])
def test_a_live_host_is_served_as_before_until_it_has_one(api: str) -> None:
    kube = Kept()
    before = {**SHOP, "api": api, "certificate": "old"}
    asyncio.run(written(kube, before, {**SHOP, "host": "gone.example"}))
    live = {key: obj for key, obj in kube.objects.items() if NAME in key[3]}
    assert asyncio.run(written(kube, {**ISSUED, "api": api})) == ["shop.example"]
    assert live.items() <= kube.objects.items(), "neither its Gateway nor its routes are changed"
    assert "Secret gates/ingress-certificate-old" in kube.held(), "its Gateway shows it still"
    assert not [one for one in kube.held() if "gone" in one], "what is not wanted goes all the same"
    issue(kube, **{"tls.crt": "CRT", "tls.key": "KEY"})
    assert asyncio.run(written(kube, {**ISSUED, "api": api})) == []
    assert kube.held() == sorted([f"Certificate gates/{NAME}", *ROUTED[api], f"Secret gates/{NAME}-tls"])


@pytest.mark.parametrize(("old", "new"), [("istio", "gateway"), ("gateway", "istio")])
def test_what_serves_by_the_other_api_stays_until_then(old: str, new: str) -> None:
    kube = Kept()
    asyncio.run(written(kube, {**SHOP, "api": old, "certificate": "old", "https_redirect": True}))
    before = set(kube.held())
    asyncio.run(written(kube, {**ISSUED, "api": new}))
    assert before <= set(kube.held())
    issue(kube, **{"tls.crt": "CRT", "tls.key": "KEY"})
    asyncio.run(written(kube, {**ISSUED, "api": new}))
    assert kube.held() == sorted([f"Certificate gates/{NAME}", *ROUTED[new], f"Secret gates/{NAME}-tls"])


@pytest.mark.parametrize("data", [{}, {"tls.crt": "CRT"}, {"tls.key": "KEY"}])
def test_a_secret_without_both_is_no_certificate(data: dict[str, str]) -> None:
    kube = Kept()
    issue(kube, **data)
    assert asyncio.run(written(kube, ISSUED)) == ["shop.example"]


@pytest.mark.parametrize("api", ["istio", "gateway"])
@pytest.mark.parametrize("moves", [False, True], ids=["", "to the other api"])
def test_a_held_host_loses_a_redirect_that_is_off(api: str, moves: bool) -> None:
    """A challenge by HTTP (HTTP-01) would not get past it, so no certificate would ever come."""
    kube, served = Kept(), Kept()
    before = {**SHOP, "api": api, "certificate": "old", "https_redirect": True}
    asyncio.run(written(kube, before))
    asyncio.run(written(served, {**before, "https_redirect": False}))
    live = copy.deepcopy(kube.objects)
    asyncio.run(written(kube, {**ISSUED, "api": api}))
    assert live.items() <= kube.objects.items(), "one that is asked for stays"
    wanted = {**ISSUED, "api": {"istio": "gateway", "gateway": "istio"}[api] if moves else api, "https_redirect": False}
    for _run in range(2):
        assert asyncio.run(written(kube, wanted)) == ["shop.example"]
        now = {key: obj for key, obj in kube.objects.items() if key[1] != "Certificate"}
        assert now == served.objects, "the rest is as before, and by HTTP too"
    issue(kube, **{"tls.crt": "CRT", "tls.key": "KEY"})
    asyncio.run(written(kube, {**ISSUED, "api": api}))
    assert set(ROUTED[api]) < set(kube.held()), "it comes back with the certificate"


@pytest.mark.parametrize("api", ["istio", "gateway"])
def test_hosts_whose_redirect_stays_are_named(api: str) -> None:
    async def behind(kube: Kept, **more: t.Any) -> list[str]:
        write = writing(kube, {**ISSUED, "api": api, **more})
        return [site.host for site in await write.lift_redirects(await write.without_certificate())]

    kube = Kept()
    assert asyncio.run(behind(kube)) == [], "a new host has none"
    asyncio.run(written(kube, {**SHOP, "api": api, "certificate": "old"}))
    assert asyncio.run(behind(kube)) == []
    asyncio.run(written(kube, {**SHOP, "api": api, "certificate": "old", "https_redirect": True}))
    assert asyncio.run(behind(kube)) == ["shop.example"]
    assert asyncio.run(behind(kube, https_redirect=False)) == []
