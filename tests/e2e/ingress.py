# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes into the mesh, called from this machine at the ingress gateways' addresses."""

from __future__ import annotations

import dataclasses
import functools
import http.client
import json
import pathlib
import re
import socket
import ssl
import tempfile
import typing as t

import yaml

from tests import crds_of_others
from tests.unit.plugins.module_utils._model.ingress.test_certificates import pair

from .local_fleet import Fleet
from .playbooks import changed
from .waiting import until_equal

Values = dict[str, t.Any]

PRODUCER, PAGE = "producer.example", "page.shop.example"
_SECONDS = 10.0


class Routes:
    """Two hosts at the gateways of west and east: one by HTTP and HTTPS, one that redirects to HTTPS and is west's.

    Args:
        fleet: the fleet, with the sample.
        folder: for the file with the routes.
        api: of the routes.
    """

    def __init__(self, fleet: Fleet, folder: pathlib.Path, api: str) -> None:
        self.fleet, self.api = fleet, api
        self._variables = folder / "ingress.yml"
        self.certificates = {"producer": pair(PRODUCER), "page": pair("*.shop.example")}

    def wanted(self) -> list[Values]:
        """As ``ingress_routes`` has them."""
        producer: Values = {"host": PRODUCER, "service": "sample-producer.istio-apps", "certificate": "producer"}
        page: Values = {"host": PAGE, "service": "sample-caller.istio-apps", "port": 8080, "certificate": "page"}
        routes = [producer, {**page, "clusters": ["west"], "https_redirect": True}]
        return [{**route, "api": self.api} for route in routes]

    def apply(self, routes: t.Sequence[Values], *arguments: str, playbook: str = "ingress", good: bool = True) -> str:
        given = {name: dataclasses.asdict(one) for name, one in self.certificates.items()}
        variables = {"ingress_routes": list(routes), "ingress_certificates": given}
        self._variables.write_text(yaml.safe_dump(variables))
        return self.fleet.play(playbook, "-e", f"@{self._variables}", *arguments, good=good)

    def address(self, cluster: str) -> str:
        where = ("-n", "istio-system", "get", "service", "istio-ingressgateway")
        return self.fleet.kubectl(cluster, *where, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")

    def get(self, cluster: str, host: str, certificate: str = "", path: str = "/") -> str:
        """What a browser gets: the status, and who answered; by HTTPS with the name of the certificate to expect."""
        try:
            stream = socket.create_connection((self.address(cluster), 443 if certificate else 80), timeout=_SECONDS)
            if certificate:
                stream = self._trusting(certificate).wrap_socket(stream, server_hostname=host)
            connection = http.client.HTTPConnection(host, timeout=_SECONDS)
            connection.sock = stream
            connection.request("GET", path, headers={"Accept": "application/json", "Connection": "close"})
            answer = connection.getresponse()
            body = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return f"no: {error}"
        if answer.headers.get("Location"):
            return f"{answer.status} {answer.headers['Location']}"
        return f"{answer.status} {json.loads(body).get('role', '') if body.startswith('{') else ''}".strip()

    def _trusting(self, certificate: str) -> ssl.SSLContext:
        """Nothing but this certificate, and for its names only."""
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(self.certificates[certificate].certificate)
            file.flush()
            return ssl.create_default_context(cafile=file.name)

    def is_served(self) -> None:
        """Every call of the table ends as it must."""
        for cluster, host, certificate, path, wanted in (
            ("west", PRODUCER, "", "/", "200 producer"),
            ("east", PRODUCER, "", "/", "200 producer"),
            ("west", PRODUCER, "producer", "/", "200 producer"),
            ("east", PRODUCER, "producer", "/", "200 producer"),
            ("west", PAGE, "", "/some?a=b", f"301 https://{PAGE}/some?a=b"),
            ("west", PAGE, "page", "/", "200 caller"),
        ):
            what = f"{host}{path} at {cluster}, {certificate or 'HTTP'}"
            until_equal(functools.partial(self.get, cluster, host, certificate, path), wanted, what)
        assert self.get("east", PAGE, "page").startswith("no: "), "that one is west's alone"

    def close(self) -> None:
        """No route: nothing of one is left, and nobody is served."""
        self.apply([])
        kinds = "gateways.networking.istio.io,virtualservices.networking.istio.io,secrets"
        for cluster in ("west", "east"):
            ours = ("get", kinds, "-A", "-l", "mesh.fleet/part-of=ingress", "-o", "name")
            assert self.fleet.kubectl(cluster, *ours) == ""
        until_equal(lambda: self.get("west", PRODUCER, "producer").partition(":")[0], "no", "HTTPS to end")


def istio_serves(fleet: Fleet, folder: pathlib.Path) -> None:
    """By Gateway and VirtualService."""
    routes = Routes(fleet, folder, "istio")
    routes.apply(routes.wanted())
    assert changed(routes.apply(routes.wanted())) == 0
    routes.is_served()
    # The inventory's policies are no part of this, and other tests may have replaced them.
    said = routes.apply(routes.wanted(), "-e", json.dumps({"mesh_traffic": []}), playbook="verify")
    for call in (f"http://{PRODUCER}/ in east", f"https://{PRODUCER}/ in west", f"https://{PAGE}/ in west"):
        assert re.search(rf"controller → (west|east) +{re.escape(call)} +(200|301) in", said), said
    assert f"sample page in west: https://{PAGE}/" in said
    routes.close()


def gateway_api_serves(fleet: Fleet, folder: pathlib.Path) -> None:
    """By Gateway and HTTPRoute, at the same address; without their kinds it says what to do."""
    routes = Routes(fleet, folder, "gateway")
    said = routes.apply(routes.wanted(), good=False)
    assert "the Gateway API is not installed" in said and "install its CRDs of the standard channel" in said
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": crds_of_others.gateway_api()})
    for cluster in ("west", "east"):
        fleet.kubectl(cluster, "apply", "--server-side", "-f", "-", stdin=manifest)
    try:
        routes.apply(routes.wanted())
        assert changed(routes.apply(routes.wanted())) == 0
        routes.is_served()
        services = fleet.kubectl("west", "-n", "istio-system", "get", "services", "-o", "name").split()
        assert [one for one in services if "ingress" in one] == ["service/istio-ingressgateway"], "no further balancer"
        routes.close()
    finally:
        for cluster in ("west", "east"):
            fleet.kubectl(cluster, "delete", "-f", "-", stdin=manifest)
