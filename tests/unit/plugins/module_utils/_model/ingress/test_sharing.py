# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts whose calls browsers send on each other's connections."""

from __future__ import annotations

import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.routes import Site, read_routes, sites
from ansible_collections.mesh.fleet.plugins.module_utils._model.ingress.sharing import mixed_up


def found(given: t.Mapping[tuple[str, str], list[str]]) -> list[tuple[str, list[str]]]:
    """By host and Secret, the names in its certificate; "" is any host."""
    routes = [
        {**({"host": host} if host else {}), "service": "web.shop", "certificate_secret": secret}
        for host, secret in given
    ]
    read, wrong = read_routes(routes, {"west": "west"})
    assert wrong == []
    names: dict[Site, list[str]] = {site: given[site.host, site.secret] for site in sites(read, "west")}
    return mixed_up(names)


def test_hosts_with_one_secret_are_told() -> None:
    names = ["a.example", "b.example"]
    assert found({("b.example", "tls"): names, ("a.example", "tls"): names}) == [("tls", names)]


def test_a_host_with_a_certificate_of_its_own_is_told_too() -> None:
    assert found(
        {("a.shop.example", "any"): ["*.shop.example"], ("pay.shop.example", "pay"): ["pay.shop.example"]}
    ) == [("any", ["a.shop.example", "pay.shop.example"])], (
        "a browser needs only the first one's to call it on the same connection"
    )


def test_one_certificate_in_two_secrets_is_told() -> None:
    hosts = ["a.shop.example", "b.shop.example"]
    both = {(host, host[0]): ["*.shop.example"] for host in hosts}
    assert found(both) == [("a", hosts), ("b", hosts)]


def test_a_certificate_for_any_host_is_told() -> None:
    names = ["a.example"]
    assert found({("", "tls"): names, ("a.example", "own"): names}) == [("tls", ["a.example", "any host"])]


def test_hosts_with_certificates_of_their_own_are_not() -> None:
    assert found({("a.example", "a"): ["a.example"], ("b.example", "b"): ["b.example"]}) == []
    assert found({("a.example", "a"): ["a.example", "c.example"]}) == [], "nobody else is here to be mixed up with"
