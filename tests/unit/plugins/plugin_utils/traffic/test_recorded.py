# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of policies is in no file, because only clusters know it."""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording, recording_as
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.policies import checked_policies
from ansible_collections.mesh.fleet.plugins.plugin_utils.traffic.run import TrafficRun
from tests.policies import live

CLUSTERS = ("west", "east")


def rendered(*given: dict[str, t.Any], **more: str) -> tuple[set[str], dict[str, str]]:
    """What policies for two clusters record, in which reviews.shop runs, and what they leave out, with its reason."""
    hosts = {name: {"fleet_name": "f", "cluster_region": name, **more} for name in CLUSTERS}
    fleet = read_fleet(hosts, environment())
    policies, _warnings = checked_policies(fleet, list(given))
    held = live(CLUSTERS)
    with recording_as(Recording(lambda cluster: held[cluster])) as record:
        asyncio.run(TrafficRun(fleet, CLUSTERS, policies, dry_run=True).run())
    made = {f"{name} {key[1]} {key[3]}" for name, objects in record.objects.items() for key in objects}
    return made, {f"{left.cluster} {left.object}": left.why for left in record.left_out.values()}


def test_a_service_of_an_app_needs_nothing_of_clusters() -> None:
    made, left_out = rendered({"service": "reviews.shop", "timeout": "2s"})
    assert made == {"west VirtualService reviews-traffic", "east VirtualService reviews-traffic"}
    assert left_out == {}


def test_a_service_that_no_app_brings_is_named() -> None:
    made, left_out = rendered({"service": "orders.elsewhere", "timeout": "2s"})
    assert made == {"west VirtualService orders-traffic", "east VirtualService orders-traffic"}
    assert set(left_out) == {"west Service elsewhere/orders", "east Service elsewhere/orders"}


def test_gateways_may_pass_calls_to_a_service_that_no_app_brings() -> None:
    split = [{"weight": 100, "cluster": "east", "labels": {"version": "v1"}}]
    policy = {"service": "orders.elsewhere", "from": ["west"], "split": split}
    made, _left_out = rendered(policy, mesh_network="per_cluster")
    assert "east DestinationRule orders-traffic" in made


def test_what_needs_an_address_is_named() -> None:
    made, left_out = rendered({"service": "reviews.shop", "timeout": "2s", "global": True})
    assert made == {"west VirtualService reviews-traffic", "east VirtualService reviews-traffic"}
    assert {text.partition(" ")[2] for text in left_out} == {
        "ServiceEntry shop/reviews.global-traffic",
        "VirtualService shop/reviews.global-traffic",
    }
    assert all("allocated once" in why for why in left_out.values())
