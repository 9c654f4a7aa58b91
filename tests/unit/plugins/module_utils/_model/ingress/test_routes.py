# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How routes into the mesh are read."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import (
    ISSUER,
    SECRET,
    Certificate,
    Route,
    read_routes,
    sites,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.values import LABEL

CLUSTERS = {"west": "west", "east": "east", "edge": "west"}


def problems(*routes: t.Any, certificates: t.Collection[str] | None = None) -> list[str]:
    return [f"{p.statement} | {p.hint}" for p in read_routes(routes, CLUSTERS, certificates)[1]]


def test_a_route_is_read_with_its_defaults() -> None:
    routes, wrong = read_routes([{"service": "web.shop"}], CLUSTERS)
    assert wrong == []
    assert routes == [Route("web", "shop", "", "/", 0, None, "istio", None, False)]
    assert routes[0].called == "any host/"


def test_a_route_is_read_whole() -> None:
    given = {
        "host": "Shop.Example.",
        "path": "/pay/",
        "service": "pay.bank",
        "port": "8080",
        "clusters": ["west"],
        "api": "gateway",
        "certificate_issuer": {"name": "letsencrypt", "kind": "ClusterIssuer"},
        "https_redirect": "yes",
    }
    issuer = Certificate(ISSUER, "letsencrypt", "ClusterIssuer", "cert-manager.io")
    wanted = Route("pay", "bank", "shop.example", "/pay", 8080, ("west",), "gateway", issuer, True)
    assert read_routes([given], CLUSTERS) == ([wanted], [])


def test_every_mistake_is_reported_at_once() -> None:
    assert problems(
        {"service": "web", "host": "https://shop.example"},
        {"service": "web.shop", "host": "192.0.2.1", "path": "pay", "port": 0},
        {"service": "web.shop", "host": "a.example", "api": "gatway", "https_redirect": True, "prot": 80},
        {"service": "web.shop", "host": "b.example", "clusters": ["wst"], "https_redirect": "perhaps"},
        {"service": "web.shop", "host": "c.example", "clusters": ["edge"]},
        {"service": "web.shop", "host": "d.example", "certificate_secret": "a", "certificate": "b"},
        {"service": "web.shop", "host": "e.example", "certificate": "shp"},
        {"service": "web.shop", "certificate_issuer": "letsencrypt", "path": "/x"},
        {"service": "web.shop", "host": "f.example", "certificate_issuer": {"nme": "x"}},
        "web.shop",
        certificates=["shop"],
    ) == [
        'ingress_routes[0].service "web" is not name.namespace | for example orders.shop',
        'ingress_routes[0].host "https://shop.example" is no host name | '
        "a name without scheme, port and path, for example shop.example or *.shop.example",
        "ingress_routes[1].host 192.0.2.1 is no host name | "
        "a name without scheme, port and path, for example shop.example or *.shop.example",
        'ingress_routes[1].path "pay" is no path | '
        "it begins with / and holds no *, ?, #, % or //; paths below it are included",
        "ingress_routes[1].port 0 is no port | a port of the Service, from 1 to 65535",
        "ingress_routes[2].prot is unknown | did you mean port?",
        'ingress_routes[2].api "gatway" is no API | '
        "istio (Gateway and VirtualService), or gateway (Gateway and HTTPRoute of the Gateway API)",
        "ingress_routes[2].https_redirect is set without a certificate: there is no HTTPS to redirect to | "
        "give the route certificate, certificate_secret or certificate_issuer",
        'ingress_routes[3].clusters "wst" names no cluster of this fleet | did you mean "west"?',
        'ingress_routes[3].https_redirect "perhaps" is no boolean | true or false',
        'ingress_routes[4].clusters "edge" names a remote without its primary: west configures the gateway of edge | '
        "name west; its routes are edge's too",
        "ingress_routes[5] has certificate_secret and certificate: a host has one certificate | keep one of them",
        'ingress_routes[6].certificate "shp" is not in ingress_certificates | did you mean shop?',
        "ingress_routes[7].certificate_issuer is given without a host: cert-manager must know for which name the "
        "certificate is | give the route a host",
        'ingress_routes[8].certificate_issuer {"nme": "x"} is no issuer | '
        "{name: letsencrypt, kind: ClusterIssuer}; kind is Issuer where it is left out",
        'ingress_routes[9] "web.shop" is not a dictionary | {host: shop.example, service: web.shop}',
    ]


def test_no_list_is_refused() -> None:
    (wrong,) = read_routes({"host": "x"}, CLUSTERS)[1]
    assert wrong.message == "is no list of routes"


ONE = {"host": "shop.example", "service": "web.shop"}


@pytest.mark.parametrize("path", ["/", "/pay"])
def test_a_host_and_path_go_to_one_service(path: str) -> None:
    again = [{**ONE, "path": path}, {**ONE, "path": path, "service": "other.shop"}]
    assert problems(*again) == [
        f"ingress_routes[1] repeats a host and path: shop.example{path} goes to web.shop already | "
        "keep one of them, or give them different clusters"
    ]


def test_two_clusters_may_serve_a_path_differently() -> None:
    both = [{**ONE, "clusters": ["west"]}, {**ONE, "service": "other.shop", "clusters": ["east"]}]
    assert problems(*both) == []
    assert len(problems(*both, {**ONE, "service": "third.shop"})) == 1, "that one is in all of them"


def test_a_host_has_one_of_each() -> None:
    tls = {**ONE, "certificate_secret": "shop-tls"}
    found = problems(tls, {**ONE, "path": "/a"}, {**tls, "path": "/b", "https_redirect": True, "api": "gateway"})
    assert [one.partition(" than")[0] for one in found] == [
        "ingress_routes[1] gives shop.example another certificate",
        "ingress_routes[2] gives shop.example another api",
        "ingress_routes[2] gives shop.example another https_redirect",
    ]


@pytest.mark.parametrize("host", ["", ".", " ", "*", "192.0.2.1", "a_b.example", False, 7, ["a.example"]])
def test_no_host_is_any_host_by_mistake(host: t.Any) -> None:
    """An empty text is what a template gives whose variable is empty."""
    routes, (problem,) = read_routes([{"host": host, "service": "web.shop", "certificate_issuer": "ca"}], CLUSTERS)
    assert routes == []
    assert problem.variable == "ingress_routes[0].host"
    assert ("for any host leave host out" in problem.hint) is (host not in ("192.0.2.1", "a_b.example"))


def test_sites_have_the_longest_path_first() -> None:
    given = [{**ONE, "path": "/"}, {**ONE, "path": "/pay/now"}, {**ONE, "path": "/pay"}, {"service": "a.b"}]
    found = sites(read_routes(given, CLUSTERS)[0], "west")
    assert [site.host for site in found] == ["", "shop.example"]
    assert [route.path for route in found[1].routes] == ["/pay/now", "/pay", "/"]


def test_no_two_hosts_share_the_name_of_their_objects() -> None:
    long = "a" * 50
    hosts = (None, "*.shop.example", "any.shop.example", "shop.example", "shop-example", f"{long}.b", f"{long}.c")
    routes, _wrong = read_routes([{"host": host, "service": "web.shop"} for host in hosts], CLUSTERS)
    names = [site.name for site in sites(routes, "west")]
    assert len(set(names)) == len(hosts), names
    # https://istio.io/latest/docs/reference/config/networking/gateway/ says nothing of it; istiod's webhook does.
    assert all(LABEL.fullmatch(name) for name in names), names


def test_a_site_knows_its_secret() -> None:
    def secret(**more: t.Any) -> str:
        (site,) = sites(read_routes([{**ONE, **more}], CLUSTERS)[0], "west")
        return site.secret

    assert secret() == ""
    assert secret(certificate_secret="mine") == "mine"
    assert secret(certificate="shop") == "ingress-certificate-shop"
    assert secret(certificate_issuer="x") == "ingress-shop-example-0f59463c-tls"
    assert SECRET == "certificate_secret"
