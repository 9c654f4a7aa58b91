# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The objects of routes into the mesh."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.objects import Place, site_objects, tls_secret
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import Site, read_routes, sites

PLACE = Place("gates", "networking.istio.io/v1", labels={"mesh.fleet/part-of": "ingress"})
SHOP: dict[str, t.Any] = {"host": "shop.example", "service": "web.shop"}


def objects(*routes: dict[str, t.Any], place: Place = PLACE) -> list[dict[str, t.Any]]:
    read, wrong = read_routes(routes, {"west": "west"})
    assert wrong == []
    site: Site
    (site,) = sites(read, "west")
    return site_objects(site, {route: route.port or 80 for route in site.routes}, place)


def test_istio_serves_http() -> None:
    gateway, service = objects(SHOP, {**SHOP, "path": "/pay", "service": "pay.bank", "port": 8080})
    assert gateway["metadata"] == service["metadata"] == {"name": "ingress-shop-example-0f59463c", "namespace": "gates"}
    assert gateway["spec"] == {
        "selector": {"istio": "ingressgateway"},
        "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["shop.example"]}],
    }
    assert service["spec"] == {
        "hosts": ["shop.example"],
        "gateways": ["ingress-shop-example-0f59463c"],
        "http": [
            {
                "match": [{"uri": {"exact": "/pay"}}, {"uri": {"prefix": "/pay/"}}],
                "route": [{"destination": {"host": "pay.bank.svc.cluster.local", "port": {"number": 8080}}}],
            },
            {
                "match": [{"uri": {"prefix": "/"}}],
                "route": [{"destination": {"host": "web.shop.svc.cluster.local", "port": {"number": 80}}}],
            },
        ],
    }, "/payments is not below /pay"


def test_istio_serves_https_and_redirects() -> None:
    tls = {**SHOP, "certificate_secret": "shop-tls"}
    plain, secure = objects(tls)[0]["spec"]["servers"]
    assert "tls" not in plain, "HTTP stays as it is without https_redirect"
    assert secure == {
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "hosts": ["shop.example"],
        "tls": {"mode": "SIMPLE", "credentialName": "shop-tls"},
    }
    assert objects({**tls, "https_redirect": True})[0]["spec"]["servers"][0]["tls"] == {"httpsRedirect": True}


def test_any_host_is_a_star_of_istio() -> None:
    gateway, service = objects({"service": "web.shop"})
    assert gateway["spec"]["servers"][0]["hosts"] == service["spec"]["hosts"] == ["*"]


def test_the_gateway_api_uses_the_gateway_that_is_there() -> None:
    routes = ({**SHOP, "api": "gateway"}, {**SHOP, "api": "gateway", "path": "/pay", "service": "pay.bank"})
    gateway, pay, web = objects(*routes)
    assert gateway["spec"]["addresses"] == [
        {"type": "Hostname", "value": "istio-ingressgateway.gates.svc.cluster.local"}
    ]
    (listener,) = gateway["spec"]["listeners"]
    assert (listener["port"], listener["protocol"], listener["hostname"]) == (80, "HTTP", "shop.example")
    selector = listener["allowedRoutes"]["namespaces"]["selector"]["matchExpressions"]
    assert selector == [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["bank", "gates", "shop"]}
    ], "nobody else's namespace may add routes to it"
    # A reference to a Service of another namespace would need a grant there.
    assert [(one["kind"], one["metadata"]["namespace"]) for one in (pay, web)] == [
        ("HTTPRoute", "bank"),
        ("HTTPRoute", "shop"),
    ]
    assert pay["spec"]["rules"] == [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/pay"}}],
            "backendRefs": [{"group": "", "kind": "Service", "name": "pay", "port": 80, "weight": 1}],
        }
    ]
    assert "sectionName" not in pay["spec"]["parentRefs"][0]


def test_the_gateway_api_redirects_by_a_route_of_its_own() -> None:
    tls = {**SHOP, "api": "gateway", "certificate_secret": "shop-tls", "https_redirect": True}
    gateway, redirect, web = objects(tls)
    assert [one["name"] for one in gateway["spec"]["listeners"]] == ["http", "https"]
    assert gateway["spec"]["listeners"][1]["tls"]["certificateRefs"] == [
        {"kind": "Secret", "group": "", "name": "shop-tls"}
    ]
    assert redirect["spec"]["parentRefs"][0]["sectionName"] == "http"
    assert redirect["spec"]["rules"][0]["filters"] == [
        {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    ]
    assert web["spec"]["parentRefs"][0]["sectionName"] == "https", "HTTP is not served beside its redirect"


def test_a_gateway_names_the_revision_that_serves_it() -> None:
    gateway = objects({**SHOP, "api": "gateway"}, place=Place("gates", "networking.istio.io/v1", "canary"))[0]
    assert gateway["metadata"]["labels"] == {"istio.io/rev": "canary"}
    assert "labels" not in objects({**SHOP, "api": "gateway"})[0]["metadata"]


def test_cert_manager_is_asked_for_the_host() -> None:
    certificate, gateway, _service = objects({**SHOP, "certificate_issuer": {"name": "le", "kind": "ClusterIssuer"}})
    assert certificate == {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "ingress-shop-example-0f59463c", "namespace": "gates"},
        "spec": {
            "secretName": "ingress-shop-example-0f59463c-tls",
            "secretTemplate": {"labels": {"mesh.fleet/part-of": "ingress"}},
            "dnsNames": ["shop.example"],
            "issuerRef": {"name": "le", "kind": "ClusterIssuer", "group": "cert-manager.io"},
        },
    }
    assert gateway["spec"]["servers"][1]["tls"]["credentialName"] == "ingress-shop-example-0f59463c-tls"


def test_a_given_certificate_becomes_a_secret() -> None:
    secret = tls_secret("ingress-certificate-shop", "gates", "CRT", "KEY")
    assert (secret["type"], secret["stringData"]) == ("kubernetes.io/tls", {"tls.crt": "CRT", "tls.key": "KEY"})
