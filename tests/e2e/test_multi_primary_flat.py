# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An istiod in each cluster, all on one flat network: what `make site` does, and pods that reach each other directly.

The tests run in their order: the mesh is made, looked at, and removed from clusters that stay.
"""

from __future__ import annotations

import concurrent.futures
import functools
import json
import pathlib
import re
import threading
import typing as t

import grpc
import pytest
import yaml

from .door import CLUSTERS, GRPC_ROUTE, HOST, ROUTE, Door
from .exported import check_confined, check_dns, check_exports
from .far_away import far_away
from .ingress import gateway_api_serves, istio_serves
from .local_fleet import Fleet
from .mesh import SHARES, Objects, calls, differences, measured, objects, proof, unconnected, watched
from .playbooks import changed
from .traffic import CHECKS, OF_OTHERS, Traffic, policies
from .waiting import until, until_equal


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> Objects:
    fleet.make("flat")
    return objects(fleet)


def test_calls_go_from_pod_to_pod(before: Objects, fleet: Fleet) -> None:
    fleet.play("site")
    made = calls(fleet.name)
    for call in (("west", "east", "probe-east"), ("east", "west", "probe-west")):
        assert made[call]["path"] == "direct"


def test_the_samples_policy_is_applied_and_measured(before: Objects, fleet: Fleet) -> None:
    found = measured(fleet.name)
    assert {part: share["declared"] for part, share in found.items()} == SHARES
    assert {share["of"] for share in found.values()} == {400}
    table = (fleet.state / "verify" / "table.txt").read_text()
    assert "exact binomial test" in table
    assert re.search(r"to east version=v3 +75 % +[678]\d(\.\d)? % +\d+ of 400 calls\n", table)
    for one in proof(fleet.name)["traffic"]["measured"]:
        assert (one["failed"], one["late"], one["proxy_timeout"]) == (0, 0, 5000)


@pytest.fixture(scope="module")
def door(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Door:
    return Door(fleet, tmp_path_factory.mktemp("door"))


def test_a_front_door_is_made_once(before: Objects, fleet: Fleet, door: Door) -> None:
    key = door.put_certificate()
    door.ask_for([ROUTE, GRPC_ROUTE])
    assert changed(fleet.play("front_door", *door.given, "--check")) > 0
    assert not door.exists()
    said = fleet.play("front_door", *door.given, "--diff", "-vv")
    assert key.splitlines()[1] not in said and "PRIVATE KEY" not in said
    assert changed(fleet.play("front_door", *door.given)) == 0
    # Who calls from this machine is of no region, and both clusters are near: the inventory's first one answers.
    until_equal(door.who, "west", "the cluster behind the front door")


def test_callers_of_no_region_are_led_to_the_nearest(before: Objects, fleet: Fleet, door: Door) -> None:
    with far_away(door.pid, door.gateway_address("west"), 0.04):
        assert changed(fleet.play("front_door", *door.given)) > 0
        until_equal(door.who, "east", "the cluster that is nearer now")
        assert changed(fleet.play("front_door", *door.given)) == 0
    assert changed(fleet.play("front_door", *door.given)) > 0
    until_equal(door.who, "west", "the cluster that is near again")


def test_a_stream_of_grpc_passes_istios_gateway(before: Objects, fleet: Fleet, door: Door) -> None:
    assert CLUSTERS in door.discovered("sidecar~192.0.2.7~caller.shop~shop.svc.cluster.local")
    # What a server says against a call is in its trailers.
    with pytest.raises(grpc.RpcError) as refused:
        door.discovered("")
    assert refused.value.code() not in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
    assert "node" in refused.value.details()


def test_another_split_than_the_declared_one_is_noticed(before: Objects, fleet: Fleet, door: Door) -> None:
    # Somebody changes it by hand, from 75/15/10 to 60/30/10, in one of the two clusters.
    changed = [{"op": "replace", "path": f"/spec/http/0/route/{n}/weight", "value": w} for n, w in ((0, 60), (1, 30))]
    which = ("-n", "istio-apps", "virtualservices.networking.istio.io", "sample-producer-traffic")
    fleet.kubectl("west", "patch", *which, "--type=json", "-p", json.dumps(changed))
    said = fleet.play("verify", "-e", "verify_timeout=15", good=False)
    assert "failed: sample-producer.istio-apps from west" in said
    assert "not spread as the policy says" in said and "run the traffic stage with --limit west" in said
    failed = [check for check in proof(fleet.name)["checks"] if check["state"] == "failed"]
    assert {(check["group"], *check["clusters"]) for check in failed} == {
        ("policy", "west"),
        ("policy's shares", "west"),
    }
    fleet.play("traffic")
    fleet.play("verify", *door.given)
    assert {part: share["declared"] for part, share in measured(fleet.name).items()} == SHARES
    table = (fleet.state / "verify" / "table.txt").read_text()
    for caller in ("west", "east"):
        # By the addresses of their nodes, pods are of their cluster's region.
        for url in (f"{HOST}/", f"https://{HOST}/"):
            assert re.search(rf"{caller} → {caller} +{url} at {re.escape(door.address)} +200 .* front door\n", table)
    assert re.search(rf"controller → west +https://{HOST}/ at .* 200 ", table)


def test_the_next_cluster_answers_when_a_gateway_is_killed(before: Objects, fleet: Fleet, door: Door) -> None:
    door.gateway("west", 0)
    until_equal(door.who, "east", "the cluster that takes over")
    door.gateway("west", 1)
    until_equal(door.who, "west", "the cluster that is back")


def test_a_frozen_node_stops_no_change_of_the_front_door(before: Objects, fleet: Fleet, door: Door) -> None:
    """Its cluster says nothing; the others get what is new, and it keeps what it has."""
    fleet.ask_engine("pause", fleet.container("west"))
    try:
        door.ask_for([ROUTE, GRPC_ROUTE, {**ROUTE, "host": "more.example"}])
        said = fleet.play("front_door", *door.given)
        assert "west: the front door changes nothing there, and it goes on to lead there for" in said
        assert changed(fleet.play("front_door", *door.given)) == 0
        until_equal(door.who, "east", "the cluster that takes over")
    finally:
        fleet.ask_engine("unpause", fleet.container("west"))
        door.ask_for([ROUTE, GRPC_ROUTE])
    until_equal(door.who, "west", "the cluster that is back")
    assert changed(fleet.play("front_door", *door.given)) > 0
    assert changed(fleet.play("front_door", *door.given)) == 0


def test_a_front_door_that_died_is_made_again_and_goes(before: Objects, fleet: Fleet, door: Door) -> None:
    address = door.address
    fleet.ask_engine("kill", door.container)
    # A run that was killed while Envoy read a configuration has left this.
    left = f"{door.container}-check"
    image = fleet.ask_engine("inspect", "--format", "{{.Image}}", f"{fleet.name}-west-control-plane").strip()
    fleet.ask_engine("create", "--name", left, "--label", f"mesh.fleet/fleet={fleet.name}", image)
    assert changed(fleet.play("front_door", *door.given)) > 0
    assert door.address == address
    assert fleet.ask_engine("ps", "--all", "--quiet", "--filter", f"name={left}").strip() == ""
    until_equal(door.who, "west", "the cluster behind the front door")
    door.ask_for([])
    fleet.play("front_door", *door.given)
    assert not door.exists() and not (fleet.state / "front_door").exists()
    kinds = "services,gateways.networking.istio.io,virtualservices.networking.istio.io"
    for cluster in ("west", "east"):
        assert fleet.kubectl(cluster, "get", kinds, "-A", "-l", "mesh.fleet/part-of=front_door", "-o", "name") == ""
    assert changed(fleet.play("front_door", *door.given)) == 0
    door.remove_certificate()


@pytest.mark.parametrize(("watcher", "other"), [("west", "east"), ("east", "west")])
def test_each_istiod_watches_the_other_cluster(before: Objects, fleet: Fleet, watcher: str, other: str) -> None:
    wanted = [[other, "synced"]]
    until_equal(functools.partial(watched, fleet, watcher), wanted, f"the clusters that {watcher}'s istiod watches")


@pytest.fixture(scope="module")
def traffic(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Traffic]:
    with Traffic(fleet, fleet.play, tmp_path_factory.mktemp("traffic"), same_network=True).opened() as made:
        yield made


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_calls_are_as_the_policies_say(traffic: Traffic, check: t.Callable[[Traffic], None]) -> None:
    check(traffic)


def test_a_peer_that_goes_serves_no_global_name_any_more(traffic: Traffic, fleet: Fleet) -> None:
    named = [{"service": "timeout.shop", "timeout": "500ms", "global": True, "verify": {"requests": 0}}]
    alone = ("-e", json.dumps({"mesh_peers": [], "mesh_traffic": named}))
    names = ("west", "east")

    def served() -> dict[str, set[str]]:
        return {name: {one.cluster for one in traffic.shop.calls(name, "timeout.shop.global", 20)} for name in names}

    try:
        said = fleet.play("peering", *alone)
        assert "west: its istiod was restarted, as it keeps pods of east behind global names" in said
        assert changed(fleet.play("peering", *alone)) == 0
        fleet.play("verify", *alone)
        # A proxy has what the new istiod knows a moment after it has connected to it.
        until_equal(served, {name: {name} for name in names}, "each cluster to serve the name alone")
    finally:
        fleet.play("peering")
    until_equal(lambda: served()["west"], set(names), "both clusters to serve the name again")


KINDS = "virtualservices.networking.istio.io,destinationrules.networking.istio.io"


def of_others(traffic: Traffic, cluster: str) -> list[str]:
    """The names of the routes and rules of the service that are not ours."""
    found = traffic.shop.kubectl(cluster, "get", KINDS, "-l", "!mesh.fleet/part-of", "-o", "name").split()
    return [name for name in found if name.endswith("/theirs")]


def test_objects_of_others_are_taken_over_without_a_gap(traffic: Traffic) -> None:
    split = [{"weight": 50, "cluster": "west", "labels": {"version": "v1"}}, {"weight": 50, "cluster": "east"}]
    more = [*policies(), {"service": f"{OF_OTHERS}.shop", "split": split, "timeout": "8s"}]
    traffic.apply(more)
    theirs = {}
    for cluster in ("west", "east"):
        live = json.loads(traffic.shop.kubectl(cluster, "get", KINDS, "-o", "json"))["items"]
        mine = [one for one in live if one["metadata"]["name"] == f"{OF_OTHERS}-traffic"]
        assert {one["kind"] for one in mine} == {"VirtualService", "DestinationRule"}
        meta = {"name": "theirs", "namespace": traffic.shop.namespace}
        theirs[cluster] = [{**{k: one[k] for k in ("apiVersion", "kind", "spec")}, "metadata": meta} for one in mine]
    traffic.apply(policies())
    for cluster, found in theirs.items():
        manifest = {"kind": "List", "apiVersion": "v1", "items": found}
        traffic.shop.kubectl(cluster, "apply", "-f", "-", stdin=json.dumps(manifest))
    served = {"west-v1", "east-v1", "east-v3"}
    until(lambda: set(traffic.shop.counted("west", OF_OTHERS, 40)) == served, "calls to be spread as theirs say")
    over, answers = threading.Event(), list[str]()

    def call() -> None:
        while not over.is_set():
            answers.extend(one.where for one in traffic.shop.calls("west", OF_OTHERS, 100))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        calling = pool.submit(call)
        try:
            until(lambda: bool(answers), "calls to be made")
            traffic.apply(more, "-e", "traffic_adopt=true")
            assert [of_others(traffic, cluster) for cluster in theirs] == [[], []]
            made = len(answers)
            until(lambda: len(answers) > made, "calls after it")
        finally:
            over.set()
        calling.result()
    assert set(answers) == served
    traffic.apply(policies())


def test_exported_services_have_a_name(traffic: Traffic, fleet: Fleet) -> None:
    check_exports(traffic, fleet.name, confined=True)


def test_exported_names_are_in_the_dns_by_choice(traffic: Traffic) -> None:
    check_dns(traffic)


def test_by_choice_only_exported_services_leave_their_cluster(traffic: Traffic, fleet: Fleet) -> None:
    check_confined(fleet.play, fleet.name)
    # It has restarted the istiods. Policies are in effect in proxies that are connected.
    for cluster in ("west", "east"):
        left = functools.partial(unconnected, fleet, cluster, "shop")
        until_equal(left, set(), f"{cluster}'s proxies to connect again")


def test_policies_go(traffic: Traffic) -> None:
    traffic.close()


@pytest.mark.parametrize("serves", [istio_serves, gateway_api_serves], ids=lambda serves: serves.__name__)
def test_callers_outside_are_served(
    before: Objects, fleet: Fleet, tmp_path: pathlib.Path, serves: t.Callable[[Fleet, pathlib.Path], None]
) -> None:
    serves(fleet, tmp_path)


def test_the_mesh_goes_and_the_clusters_stay(before: Objects, fleet: Fleet, tmp_path: pathlib.Path) -> None:
    # Teardown would delete clusters of this machine; those of an inventory that says that they are somebody's stay.
    existing = tmp_path / "existing.yml"
    existing.write_text(yaml.safe_dump({"mesh_clusters": {"hosts": fleet.as_existing()}}))
    fleet.play("teardown", "-i", str(existing))
    until_equal(lambda: differences(fleet, before), {}, "what the mesh leaves behind")
