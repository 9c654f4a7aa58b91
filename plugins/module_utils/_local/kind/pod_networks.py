# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pod networks of a fleet's kind clusters: which pods reach which, and the load balancer in each cluster."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import hashlib
import ipaddress
import json
import pathlib
import typing as t

import yaml

from ..._model.providers.kind import NODE_LABELS, label_words
from ...errors import FleetError
from ...waits import waiting
from ..engine.command import Done
from ..engine.engine import address_of
from .fleet import KindFleet
from .load_balancer import load_balancer_objects
from .node_readiness import default_namespaces_exist, settled, started_at
from .subnets import load_balancer_block

__all__ = ["Node", "join"]

_STAMP = "/run/mesh-fleet-stamp"
"""In a node: by which state of this machine's fleet its network was made."""
_ONE_CALL = 120
"""Seconds for one command in a node, which takes a fraction of one where the machine has nothing else to do."""


@dataclasses.dataclass(frozen=True)
class Node:
    """One cluster of the fleet as the network sees it; ``number`` is its place in the inventory."""

    name: str
    number: int
    network: str
    pod_cidr: str
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


async def join(
    fleet: KindFleet, nodes: t.Sequence[Node], *, files: pathlib.Path, image: str, timeout: float, dry_run: bool
) -> list[str]:
    """Bring every node that is up to the state that the inventory describes, side by side.

    Args:
        fleet: their fleet.
        nodes: all kind clusters of the inventory; those that do not exist yet are left out.
        files: folder ``files`` of role kind_cluster.
        image: an image with Python, for the load balancer.
        timeout: seconds to wait for a node to be Ready.
        dry_run: only find out which nodes would change.

    Returns:
        The names of the clusters that changed.

    Raises:
        FleetError: a node did not become Ready, with what was last seen.
    """
    containers = await fleet.engine.containers([fleet.container_name(n.name) for n in nodes])
    addresses = {}
    for node in nodes:
        container = containers.get(fleet.container_name(node.name))
        address = address_of(container, fleet.network_name) if container else ""
        if container is not None and address and fleet.engine.alive(container):
            addresses[node.name] = address
    up = [n for n in nodes if n.name in addresses]
    subnet = await fleet.subnet()
    script = (files / "prepare_node.sh").read_text()
    balancer = (files / "load_balancer.py").read_text()

    async def one(node: Node) -> str:
        env = _environment(node, up, addresses, load_balancer_block(subnet, node.number))
        manifest = yaml.safe_dump_all(load_balancer_objects(balancer, image, env["BLOCK"], fleet.name))
        stamp = hashlib.sha256(
            repr((sorted(env.items()), script, manifest, sorted(node.labels.items()))).encode()
        ).hexdigest()
        container = fleet.container_name(node.name)
        seen = await fleet.engine.run("exec", container, "cat", _STAMP, check=False, timeout=_ONE_CALL)
        if seen.out == stamp:
            return ""
        if dry_run:
            return node.name
        options = [part for key, value in env.items() for part in ("--env", f"{key}={value}")]
        await _wait_for_api(fleet, container, node.name, timeout)
        await _apply(fleet, container, node.name, timeout, manifest)
        await fleet.engine.run(
            "exec",
            "--interactive",
            *options,
            container,
            "sh",
            "-s",
            what="preparing the node's network",
            cluster=node.name,
            stdin=script,
            timeout=_ONE_CALL,
        )
        await asyncio.gather(
            _wait_for_node(fleet, container, node.name, timeout, started_at(containers[container])),
            _wait_for_namespaces(fleet, container, node.name, timeout),
        )
        # After the kubelet has registered the node, which gives region and zone the values of the node's creation.
        await _label(fleet, container, node, timeout)
        # Last of all: what was interrupted, or not ready in time, is done and awaited again. A restart empties /run
        # with routes and rules, so the stamp is there as long as they are.
        await fleet.engine.run(
            "exec",
            container,
            "sh",
            "-c",
            f"printf %s {stamp} > {_STAMP}",
            what="remembering the node's network",
            cluster=node.name,
            timeout=_ONE_CALL,
        )
        return node.name

    results = await asyncio.gather(*(one(node) for node in up), return_exceptions=True)
    errors = [r for r in results if isinstance(r, BaseException)]
    if errors:
        raise errors[0]
    return [r for r in results if isinstance(r, str) and r]


def _environment(node: Node, up: t.Sequence[Node], addresses: t.Mapping[str, str], block: str) -> dict[str, str]:
    same_network = [n for n in up if n.name != node.name and n.network == node.network]
    other_networks = [n for n in up if n.network != node.network]
    # kubeadm gives a cluster's first node the first /24 of its pods.
    own = next(
        ipaddress.IPv4Network(node.pod_cidr).subnets(new_prefix=max(24, ipaddress.IPv4Network(node.pod_cidr).prefixlen))
    )
    return {
        "POD_CIDR": node.pod_cidr,
        "NODE_CIDR": str(own),
        "BLOCK": block,
        "PEERS": " ".join(f"{n.pod_cidr}={addresses[n.name]}" for n in same_network),
        "UNREACHABLE": " ".join(n.pod_cidr for n in other_networks),
    }


async def _wait_for_api(fleet: KindFleet, container: str, cluster: str, timeout: float) -> None:
    def answered(done: Done) -> tuple[bool, str]:
        return done.code == 0, done.last_line

    await _until(fleet, container, cluster, timeout, ["get", "--raw", "/readyz"], answered, "the API server answers")


async def _apply(fleet: KindFleet, container: str, cluster: str, timeout: float, manifest: str) -> None:
    def applied(done: Done) -> tuple[bool, str]:
        return done.code == 0, done.last_line

    # Until it is done: on a busy machine etcd has moments in which it answers nobody.
    words = ["apply", "--server-side", "--field-manager", "mesh.fleet", "--force-conflicts", "--filename", "-"]
    await _until(fleet, container, cluster, timeout, words, applied, "the load balancer is installed", manifest)


async def _label(fleet: KindFleet, container: str, node: Node, timeout: float) -> None:
    seen: list[str] = []

    def read(done: Done) -> tuple[bool, str]:
        seen.append(done.out.strip())
        return done.code == 0, done.last_line

    path = "jsonpath={.metadata.annotations." + NODE_LABELS.replace(".", "\\.") + "}"
    what = "the node has its labels"
    await _until(fleet, container, node.name, timeout, ["get", "node", container, "--output", path], read, what)
    labels, record = label_words(node.labels, seen[-1])
    # The record first: a label that was set is known to be ours, whatever comes between.
    both = ",".join(sorted({*seen[-1].split(","), *record.split(",")} - {""}))
    for words in (
        ["annotate", "node", container, "--overwrite", f"{NODE_LABELS}={both}"],
        ["label", "node", container, "--overwrite", *labels],
        ["annotate", "node", container, "--overwrite", f"{NODE_LABELS}={record}"],
    ):
        if words[-1] != "--overwrite":
            await _until(fleet, container, node.name, timeout, words, read, what)


async def _wait_for_node(
    fleet: KindFleet, container: str, cluster: str, timeout: float, since: datetime.datetime
) -> None:
    def seen(done: Done) -> tuple[bool, str]:
        return settled(json.loads(done.out)["items"], since) if done.code == 0 else (False, done.last_line)

    words = ["get", "nodes,pods,leases.coordination.k8s.io", "--all-namespaces", "--output", "json"]
    await _until(fleet, container, cluster, timeout, words, seen, "the node is Ready")


async def _wait_for_namespaces(fleet: KindFleet, container: str, cluster: str, timeout: float) -> None:
    def seen(done: Done) -> tuple[bool, str]:
        return default_namespaces_exist(done.out) if done.code == 0 else (False, done.last_line)

    columns = "K:.kind,S:.metadata.namespace,N:.metadata.name,P:.status.phase"
    words = ["get", "namespaces,serviceaccounts,configmaps", "--all-namespaces", "--no-headers", "--output"]
    words.append(f"custom-columns={columns}")
    await _until(fleet, container, cluster, timeout, words, seen, "pods can be made in every namespace")


async def _until(
    fleet: KindFleet,
    container: str,
    cluster: str,
    timeout: float,
    words: t.Sequence[str],
    check: t.Callable[[Done], tuple[bool, str]],
    what: str,
    stdin: str | None = None,
) -> None:
    """Run kubectl in the node until ``check`` reports that its output is as wanted."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    reads = ["--interactive"] if stdin is not None else []
    kubectl = [
        "exec",
        *reads,
        container,
        "kubectl",
        "--kubeconfig",
        "/etc/kubernetes/admin.conf",
        "--request-timeout",
        "30s",
    ]
    with waiting(f"{cluster}: until {what}") as wait:
        while True:
            try:
                done, seen = check(
                    await fleet.engine.run(*kubectl, *words, check=False, timeout=_ONE_CALL, stdin=stdin)
                )
            except FleetError as error:
                done, seen = False, error.what  # a machine that is busy: there is time left
            if done:
                return
            if loop.time() > deadline:
                raise FleetError(
                    f"waited {timeout:.0f} s until {what}",
                    cluster=cluster,
                    seen=seen,
                    next_step=f"see {fleet.engine.name} exec {container} journalctl -u kubelet, then run again",
                )
            wait.seen = seen
            await asyncio.sleep(0.2)
