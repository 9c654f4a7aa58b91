# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of routes into the mesh."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.variable import UNREAD
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.ingress import warnings
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.ingress.test_certificates import (
    DAY,
    NOW,
    pair,
)
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import (
    GKE,
    OWN,
    PEM,
    problems_of,
    problems_with,
)

WEST = {"cluster_region": "us-west1"}


def test_a_mistake_is_found_before_anything_is_touched() -> None:
    found = problems_with({"west": WEST, "east": WEST}, ingress_routes=[{"service": "web.shop", "clusters": ["wst"]}])
    assert found == ['(fleet) ingress_routes[0].clusters "wst" names no cluster of this fleet | did you mean "west"?']


def test_the_gateway_api_is_not_for_what_google_runs() -> None:
    hosts = {"west": WEST, "prod": {**GKE, "mesh_control_plane": "managed"}}
    routes = [{"host": "a.example", "service": "web.shop", "api": "gateway"}]
    found = [one for one in problems_with(hosts, ingress_routes=routes) if "ingress" in one]
    assert found == [
        "(fleet) ingress_routes of a.example/ has api: gateway in prod, whose control plane is not ours | "
        "api: istio; or name the other clusters in clusters"
    ]
    routes[0]["clusters"] = ["west"]
    assert not [one for one in problems_with(hosts, ingress_routes=routes) if "ingress" in one]


@pytest.mark.parametrize(
    ("door", "route", "is_endless"),
    [
        ({"host": "a.example"}, {"host": "a.example"}, True),
        ({}, {"host": "a.example"}, True),
        ({"host": "b.a.example"}, {"host": "*.a.example"}, True),
        ({"host": "a.example"}, {"host": "a.example", "https_redirect": False}, False),
        ({"host": "b.example"}, {"host": "a.example"}, False),
        ({"host": "a.example", "clusters": ["west"]}, {"host": "a.example", "clusters": ["east"]}, False),
    ],
)
def test_a_front_door_leads_to_no_redirect(door: dict[str, t.Any], route: dict[str, t.Any], is_endless: bool) -> None:
    """The gateway sends its call to HTTPS, which is the front door, which calls the gateway."""
    given = {"service": "web.shop", "certificate_secret": "a-tls", "https_redirect": True, **route}
    found = problems_with(
        {"west": WEST, "east": WEST},
        ingress_routes=[given],
        front_door_routes=[{"service": "web.shop", **door}],
    )
    assert found == (
        [
            f"(fleet) ingress_routes of {route['host']}/ has https_redirect, and a front door calls that host there "
            f"by HTTP | take https_redirect from {route['host']}; front_door_https_redirect redirects all its callers"
        ]
        if is_endless
        else []
    )


def test_googles_front_door_calls_no_gateway() -> None:
    route = {"service": "web.shop", "certificate_secret": "a-tls", "https_redirect": True, "host": "a.example"}
    door = [{"service": "web.shop", "host": "a.example"}]
    found = problems_with({"prod": GKE}, ingress_routes=[route], front_door_routes=door)
    assert not [one for one in found if "https_redirect" in one]


ROUTE = {"host": "a.example", "service": "web.shop", "certificate": "shop"}


def certificate_problems(certificates: t.Any, *routes: dict[str, t.Any]) -> list[str]:
    return problems_with(
        {"west": WEST, "east": WEST}, ingress_routes=list(routes or [ROUTE]), ingress_certificates=certificates
    )


def test_a_good_certificate_passes() -> None:
    good = dataclasses.asdict(pair("a.example"))
    assert certificate_problems({"shop": good}) == []
    assert certificate_problems({"shop": good, "other": "nobody uses it"}) == []
    assert certificate_problems({"shop": good}, {**ROUTE, "host": None}) == []


GOOD, OTHER = pair("a.example"), pair("a.example")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "ingress_certificates.shop is not given | ingress_certificates: {shop: {certificate: PEM, key: PEM}}"),
        ({"certificate": GOOD.certificate}, "ingress_certificates.shop is no certificate with its key"),
        (dataclasses.asdict(GOOD) | {"key": OTHER.key}, "the private key is not that of the certificate"),
        (dataclasses.asdict(GOOD) | {"key": "none"}, "the private key cannot be read | give it as PEM"),
        (dataclasses.asdict(GOOD) | {"certificate": GOOD.key}, "holds no certificate"),
        (dataclasses.asdict(GOOD) | {"certificate": PEM}, "cannot be read (ValueError"),
        (dataclasses.asdict(pair("b.example")), "the certificate is not for a.example (it is for b.example)"),
    ],
)
def test_a_certificate_that_the_stage_refuses(entry: dict[str, str], said: str) -> None:
    (found,) = certificate_problems({"shop": entry}, ROUTE, {**ROUTE, "path": "/pay"})
    assert found.startswith("(fleet) ingress_certificates.shop ")
    assert said in found
    assert not found.endswith("| ")
    keys = [line for key in (GOOD.key, OTHER.key) for line in key.splitlines()[1:-1]]
    assert not [line for line in keys if line in found]


def warnings_with(
    hosts: t.Mapping[str, t.Mapping[str, t.Any]], now: datetime.datetime | None = None, **shared: t.Any
) -> list[str]:
    """What preflight warns of, of an inventory that it accepts."""
    given = {host: {**variables, **shared} for host, variables in hosts.items()}
    assert problems_of(given) == []
    return [f"{p.host or '(fleet)'} {p.statement} | {p.hint}" for p in warnings(given, read_fleet(given), now)]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (NOW, ""),
        (NOW + 1000 * DAY, "is refused: the certificate has ended (good from"),
        (NOW - 1000 * DAY, "is refused: the certificate is not valid yet (good from"),
    ],
)
def test_time_alone_stops_no_other_stage(now: datetime.datetime, said: str) -> None:
    """A run each night renews the mesh's own certificates also after one of a route has ended."""
    certificates = {"shop": dataclasses.asdict(GOOD)}
    found = warnings_with({"west": WEST, "east": WEST}, now, ingress_routes=[ROUTE], ingress_certificates=certificates)
    assert len(found) == bool(said), found
    assert not said or (said in found[0] and "): the stage ingress will refuse it | " in found[0])


def test_a_certificate_that_no_one_gives() -> None:
    given = {"shp": dataclasses.asdict(GOOD)}
    (found,) = certificate_problems(given)
    assert found == '(fleet) ingress_routes[0].certificate "shop" is not in ingress_certificates | did you mean shp?'
    (found,) = certificate_problems({})
    assert "is not in ingress_certificates | add it" in found
    (found,) = certificate_problems(GOOD.key)
    assert found.startswith("(fleet) ingress_certificates is no dictionary of certificates by name |")


def test_certificates_that_nobody_read_are_left_to_the_stage() -> None:
    assert certificate_problems(UNREAD) == []
    given = {"shop": dataclasses.asdict(pair("b.example"))}
    hosts = {"west": {**WEST, "ingress_certificates": UNREAD}, "east": {**WEST, "ingress_certificates": given}}
    (found,) = problems_of({host: {**own, "ingress_routes": [ROUTE]} for host, own in hosts.items()})
    assert "is not for a.example" in found, "one cluster's was read"


@pytest.mark.parametrize(
    ("door", "route", "said"),
    [
        (
            {"host": "a.example"},
            {"host": "a.example"},
            "of a.example lead to pay.bank, and front_door_routes to web.shop",
        ),
        ({}, {}, "of any host lead to pay.bank, and front_door_routes to web.shop"),
        ({"host": "a.example"}, {"host": "A.example."}, "of a.example lead to pay.bank"),
        ({"host": "a.example"}, {"host": "a.example", "service": "web.shop"}, ""),
        ({"host": "a.example"}, {"host": "b.example"}, ""),
        ({"host": "a.example"}, {"host": "*.example"}, ""),
        ({"host": "a.example", "clusters": ["west"]}, {"host": "a.example", "clusters": ["east"]}, ""),
        ({"host": "a.example", "service": "istio-ingressgateway.istio-system"}, {"host": "a.example"}, ""),
    ],
)
def test_two_ways_of_a_host_lead_to_one_service(door: dict[str, t.Any], route: dict[str, t.Any], said: str) -> None:
    """Both would be at the same gateways, and the stage front_door refuses it, unless the service has its own address.

    That is known to the cluster alone.
    """
    found = warnings_with(
        {"west": OWN, "east": OWN},
        front_door_routes=[{"service": "web.shop", **door}],
        ingress_routes=[{"service": "pay.bank", **route}],
    )
    assert len(found) == bool(said), found
    assert not said or (said in found[0] and "if the ingress gateway of west is to have both" in found[0])


def test_what_is_for_all_hosts_counts_for_a_host_too() -> None:
    """A front door takes what no route of the host is for to the one without host and path."""
    door = [{"host": "a.example", "path": "/pay", "service": "pay.bank"}, {"service": "web.shop"}]
    route = {"host": "a.example", "path": "/pay", "service": "pay.bank"}
    (found,) = warnings_with({"west": WEST}, front_door_routes=door, ingress_routes=[route])
    assert "lead to pay.bank, and front_door_routes to pay.bank, web.shop" in found
    both = [route, {"host": "a.example", "service": "web.shop"}]
    assert warnings_with({"west": WEST}, front_door_routes=door, ingress_routes=both) == []


def test_the_routes_of_a_remote_are_its_primarys() -> None:
    hosts = {"west": OWN, "edge": {**OWN, "mesh_role": "remote", "mesh_primary": "west"}}
    door = [{"host": "a.example", "service": "web.shop", "clusters": ["edge"]}]
    route = {"host": "a.example", "service": "pay.bank", "clusters": ["west"]}
    (found,) = warnings_with(hosts, front_door_routes=door, ingress_routes=[route])
    assert "if the ingress gateway of edge is to have both" in found


def test_googles_front_door_shares_no_gateway() -> None:
    door = [{"service": "web.shop", "host": "a.example"}]
    route = {"service": "pay.bank", "host": "a.example"}
    assert warnings_with({"prod": GKE}, ingress_routes=[route], front_door_routes=door) == []
