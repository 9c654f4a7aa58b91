# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters of this machine: who reaches whom, what heals, what is left alone, what is left behind (nothing).

The tests run in their order: one fleet is made, used, broken, repaired, changed and removed.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from .local_fleet import Fleet
from .playbooks import changed
from .waiting import until

New = t.Callable[..., Fleet]


@pytest.fixture(scope="module")
def fleet(new_fleet: New) -> Fleet:
    return new_fleet()


def nodes(fleet: Fleet, cluster: str) -> list[dict[str, t.Any]]:
    return list(json.loads(fleet.kubectl(cluster, "get", "nodes", "-o", "json"))["items"])


def readiness(fleet: Fleet, cluster: str) -> list[str]:
    """Of each node, whether it is Ready."""
    return [c["status"] for node in nodes(fleet, cluster) for c in node["status"]["conditions"] if c["type"] == "Ready"]


def routes() -> str:
    return subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=True).stdout


def test_check_mode_touches_nothing(fleet: Fleet) -> None:
    assert changed(fleet.play("clusters", "--check")) == 2
    assert fleet.names() == []
    assert not fleet.state.exists()


def test_check_mode_before_there_is_anything(fleet: Fleet, tmp_path: Path) -> None:
    """As on a new machine: no artifacts either, only the network to have them from."""
    proxies = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "no_proxy")
    network = {name: os.environ.get(name, "") for name in proxies}
    empty = {"XDG_CACHE_HOME": str(tmp_path), "ANSIBLE_STDOUT_CALLBACK": "mesh.fleet.stages", **network}
    said = fleet.play("site", "--check", "--diff", environment=empty)
    for stage in ("control_plane  west 1.", "gateways       west planned", "verify         unknown until a run"):
        assert f"\n{stage}" in said, said
    assert "charts are not on this machine yet" in said
    assert fleet.names() == []
    assert not fleet.state.exists()


def test_a_run_that_was_killed_is_completed_by_the_next(fleet: Fleet) -> None:
    run = fleet.start("clusters")
    until(lambda: run.over or len(fleet.names()) == 3, "both nodes to be on their way", 600)
    assert not run.over, run.said
    run.kill()
    fleet.play("clusters")
    for cluster in ("west", "east"):
        assert readiness(fleet, cluster) == ["True"]
    assert changed(fleet.play("clusters")) == 0


def test_labels_and_kubeconfigs(fleet: Fleet) -> None:
    (node,) = nodes(fleet, "east")
    assert node["metadata"]["labels"]["topology.kubernetes.io/region"] == "europe-north1"
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == "europe-north1-a"
    for cluster in ("west", "east"):
        path = fleet.state / "kubeconfigs" / f"{cluster}.yaml"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        config = yaml.safe_load(path.read_text())
        assert [c["name"] for c in config["contexts"]] == [cluster, f"{cluster}-peer"]
        assert config["clusters"][1]["cluster"]["server"] == f"https://{fleet.address(cluster)}:6443"
        assert fleet.kubectl(cluster, "--context", f"{cluster}-peer", "get", "--raw", "/readyz") == "ok"


def test_pods_of_a_flat_network_reach_each_other(fleet: Fleet) -> None:
    fleet.serve()
    fleet.pod_is_reached("west", "east")
    fleet.pod_is_reached("east", "west")


def test_a_load_balancer_answers_from_everywhere(fleet: Fleet) -> None:
    fleet.balancer_is_reached("west", "east")
    fleet.balancer_is_reached("east", "west")
    fleet.balancer_is_reached("", "west")


def test_a_crash_heals_and_nothing_is_lost(fleet: Fleet) -> None:
    fleet.kubectl("west", "create", "configmap", "kept", "--from-literal=by=user")
    before = {cluster: (fleet.address(cluster), fleet.inspect(cluster)["Id"]) for cluster in ("west", "east")}
    port = int(fleet.inspect("west")["NetworkSettings"]["Ports"]["6443/tcp"][0]["HostPort"])
    fleet.kill("west")
    fleet.stop("east")
    with socket.create_server(("127.0.0.1", port)):
        said = fleet.play("clusters", good=False)
        assert "another program uses its port" in said
    fleet.play("clusters")
    # A node that the engine took off its network: the next run puts it back with its address.
    fleet.ask_engine("network", "disconnect", fleet.engine_network, fleet.container("east"))
    assert f"its node has lost its network {fleet.engine_network}" in fleet.play("clusters")
    after = {cluster: (fleet.address(cluster), fleet.inspect(cluster)["Id"]) for cluster in ("west", "east")}
    assert after == before
    assert fleet.kubectl("west", "get", "configmap", "kept", "-o", "jsonpath={.data.by}") == "user"
    assert changed(fleet.play("clusters")) == 0
    for cluster in ("west", "east"):
        fleet.kubectl(cluster, "wait", "--for=condition=Ready", "pod/web", "--timeout=300s")
    # The pods have other addresses now.
    fleet.pod_is_reached("west", "east")
    fleet.balancer_is_reached("east", "west")


def test_separate_networks_part_pods_not_load_balancers(fleet: Fleet) -> None:
    fleet.network = "per_cluster"
    moved = ("-e", "{cluster_region: us-east4, cluster_zone: us-east4-b, cluster_labels: {team: a}}")
    assert changed(fleet.play("clusters", *moved)) > 0
    there = nodes(fleet, "west")[0]["metadata"]["labels"]
    zone = "topology.kubernetes.io/zone"
    assert (there["topology.kubernetes.io/region"], there[zone], there["team"]) == ("us-east4", "us-east4-b", "a")
    assert changed(fleet.play("clusters")) > 0
    there = nodes(fleet, "west")[0]["metadata"]["labels"]
    assert (there["topology.kubernetes.io/region"], there.get("team")) == ("us-west1", None)
    assert changed(fleet.play("clusters")) == 0
    for here, there in (("west", "east"), ("east", "west")):
        answer, seconds = fleet.call(here, fleet.pod_address(there))
        assert answer.startswith("no: ")
        assert "timed out" not in answer
        assert seconds < 9  # of the ten after which the call itself gives up
        fleet.balancer_is_reached(here, there)


def test_a_range_cannot_change_under_a_cluster(fleet: Fleet) -> None:
    said = fleet.play("clusters", "--limit", "west", "-e", "cluster_pod_cidr=10.77.0.0/16", good=False)
    assert "cluster_pod_cidr cannot change while the cluster lives" in said
    assert "teardown.yml --limit west" in said


def test_two_fleets_stand_side_by_side(fleet: Fleet, new_fleet: New) -> None:
    other = new_fleet("-other")
    other.play("clusters", "--limit", "west")
    assert len(nodes(other, "west")) == 1
    assert other.address("west").rsplit(".", 2)[0] != fleet.address("west").rsplit(".", 2)[0] or (
        other.address("west") != fleet.address("west")
    )
    other.play("teardown")
    assert other.names() == []
    assert changed(fleet.play("clusters")) == 0


def test_what_others_made_is_left_alone(new_fleet: New) -> None:
    foreign = new_fleet("-foreign")
    name, network = foreign.container("west"), foreign.engine_network
    identity = foreign.ask_engine("create", "--name", name, foreign.facts["node_image"]).splitlines()[-1]
    try:
        said = foreign.play("clusters", "--limit", "west", good=False)
        assert f"a container {name} is there that this project did not make" in said
        assert "another fleet_name" in said
        foreign.play("teardown")
        assert foreign.names() == [name]
        assert foreign.inspect("west")["Id"] == identity
    finally:
        foreign.ask_engine("rm", "--force", "--volumes", identity)
    foreign.ask_engine("network", "create", network)
    try:
        said = foreign.play("clusters", "--limit", "west", good=False)
        assert f"network {network} was not made by this project" in said
        foreign.play("teardown")
        assert foreign.names() == [network]
    finally:
        foreign.ask_engine("network", "rm", network)


def test_a_kubeconfig_of_another_cluster_is_left_alone(new_fleet: New) -> None:
    foreign = new_fleet("-config")
    path = foreign.state / "kubeconfigs" / "west.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("contexts: [{name: production}]\n")
    said = foreign.play("clusters", "--limit", "west", good=False)
    assert "is a kubeconfig of another cluster" in said
    assert path.read_text() == "contexts: [{name: production}]\n"
    path.unlink()
    foreign.play("teardown")


def test_teardown_leaves_nothing(fleet: Fleet) -> None:
    subnet = fleet.address("west").rsplit(".", 2)[0]
    assert subnet in routes()
    assert changed(fleet.play("teardown")) > 0
    assert fleet.names() == []
    assert not fleet.state.exists()
    assert fleet.volumes() == []
    assert changed(fleet.play("teardown")) == 0
