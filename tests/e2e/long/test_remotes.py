# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A remote, as far as test_primary_remote.py has no time for it; then clusters change their roles.

First east is a remote of west: calls are as policies say, exported services have a name, the walk-through shows it.
Then east has an istiod of its own, and a third cluster, north, is served by one of the two and then by the other. The
tests run in their order.
"""

from __future__ import annotations

import functools
import pathlib
import typing as t

import pytest

from ..exported import check_exports
from ..local_fleet import Fleet
from ..playbooks import changed
from ..remotes import address_of, inventory, joins, served_by
from ..traffic import CHECKS, Traffic


@pytest.fixture(scope="module")
def fleet(new_fleet: t.Callable[[str], Fleet]) -> Fleet:
    fleet = new_fleet("roles")
    fleet.network = "per_cluster"
    return fleet


@pytest.fixture(scope="module")
def remote(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The mesh of west and its remote, made by site.yml."""
    given = inventory(tmp_path_factory.mktemp("remote"), east="west")
    fleet.play("site", *given)
    return given


@pytest.fixture(scope="module")
def traffic(fleet: Fleet, remote: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Traffic]:
    folder = tmp_path_factory.mktemp("traffic")
    run = functools.partial(with_remote, fleet, remote)
    with Traffic(fleet, run, folder, same_network=False).opened() as made:
        yield made


def with_remote(fleet: Fleet, remote: tuple[str, str], playbook: str, *arguments: str) -> str:
    return fleet.play(playbook, *remote, *arguments)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_calls_are_as_the_policies_say(traffic: Traffic, check: t.Callable[[Traffic], None]) -> None:
    check(traffic)


def test_exported_services_have_a_name(traffic: Traffic, fleet: Fleet) -> None:
    check_exports(traffic, fleet.name, confined=False)


def test_policies_go(traffic: Traffic) -> None:
    traffic.close()


def test_the_walk_through_shows_it_with_a_remote(fleet: Fleet, remote: tuple[str, str]) -> None:
    said = fleet.play("demo", *remote)
    assert said.count("✓ as expected") == 5 and "✗" not in said


def test_a_remote_becomes_a_primary_and_another_moves_to_it(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    """verify, at the end of site.yml, proves the calls; no workload is restarted for them."""
    system = ("-n", "istio-system", "get")
    fleet.play("site", *inventory(tmp_path, north="west"))
    assert "cacerts" in fleet.kubectl("east", *system, "secrets", "-o", "name")
    assert fleet.kubectl("east", *system, "secrets", "-l", "istio/multiCluster=true", "-o", "name")
    assert served_by(fleet, "north") == ("west", {address_of(fleet, "west")})
    moved = inventory(tmp_path, north="east")
    fleet.play("site", *moved)
    assert served_by(fleet, "north") == ("east", {address_of(fleet, "east")})
    assert fleet.kubectl("west", *system, "gateways.networking.istio.io", "istiod-gateway", "--ignore-not-found") == ""
    joins(fleet, "north", "east")
    assert changed(fleet.play("site", *moved)) == 0


def test_a_primary_becomes_a_remote_and_its_remote_moves(fleet: Fleet, tmp_path: pathlib.Path) -> None:
    system = ("-n", "istio-system", "get")
    remote = inventory(tmp_path, east="west", north="west")
    fleet.play("site", *remote)
    left = fleet.kubectl("east", *system, "secrets", "-o", "name").split()
    assert "secret/cacerts" not in left, "the key of an intermediate CA that nobody needs"
    assert fleet.kubectl("east", *system, "secrets", "-l", "istio/multiCluster=true", "-o", "name") == ""
    assert fleet.kubectl("east", *system, "deployments", "-l", "app=istiod", "-o", "name") == ""
    # Its primary leads there: without that, pods of a new namespace wait for the root for ever.
    fleet.kubectl("east", "create", "namespace", "later")
    root = ("wait", "--for=create", "configmap/istio-ca-root-cert", "--timeout=120s")
    fleet.kubectl("east", "-n", "later", *root)
    for cluster in ("east", "north"):
        assert served_by(fleet, cluster) == ("west", {address_of(fleet, "west")})
    joins(fleet, "north", "west")
    assert changed(fleet.play("site", *remote)) == 0
