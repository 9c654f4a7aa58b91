# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One kind cluster of a fleet: make, restart or remove it. Touches nothing that this fleet did not make."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import typing as t

import yaml

from ...errors import FleetError
from ..engine.command import failed, run
from ..engine.engine import address_of
from ..engine.machine import kind_patches
from . import kubeconfig
from .fleet import Foreign, KindFleet
from .restart import record_exit, restart

__all__ = ["KindCluster", "Spec"]

_MARK = "/kind/mesh-fleet.json"
"""Written into a node when kind is done: without it a node's creation was interrupted."""

_REMOVAL = 180
"""Seconds until a node must be gone."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """What a cluster shall be."""

    name: str
    pod_cidr: str
    service_cidr: str
    labels: t.Mapping[str, str]
    """Node labels: region and zone, and the user's own."""
    image: str


class KindCluster:
    """One cluster of a :class:`KindFleet`."""

    def __init__(self, fleet: KindFleet, name: str) -> None:
        self.fleet = fleet
        self.name = name
        self.container = fleet.container_name(name)
        self.kind_name = f"{fleet.name}-{name}"

    async def inspect(self) -> dict[str, t.Any] | None:
        """The node's container, or None.

        Raises:
            FleetError: a container of that name is not of this fleet.
        """
        found = (await self.fleet.engine.containers([self.container])).get(self.container)
        if found is None:
            return None
        networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
        if self.fleet.network_name in networks:
            return found
        # A node may lose its network: by hand, or by a run that was killed before it joined it again. Its mark stays.
        if not networks and (await self._read_mark() or {}).get("fleet") == self.fleet.name:
            return found
        raise Foreign(
            f"a container {self.container} is there that this project did not make"
            if networks
            else f"a container {self.container} without a network is there, and nothing in it says that it is ours",
            cluster=self.name,
            seen=f"it is on network {', '.join(networks) or '(none)'}, not on {self.fleet.network_name}",
            next_step=f"remove or rename it, or give the fleet another fleet_name than {self.fleet.name}",
        )

    async def present(self, spec: Spec, *, dry_run: bool, say: t.Callable[[str], None]) -> str:
        """Make the cluster, or repair it; returns ``created``, ``changed`` (restarted) or ``unchanged``."""
        kubeconfig.refuse_foreign(self.fleet.kubeconfig(self.name), self.name)
        container = await self.inspect()
        state = "unchanged"
        if container is not None:
            if dry_run and not self._is_up(container):
                return "changed"
            if not dry_run and record_exit(self.fleet.engine, container):
                container = await self.inspect() or container
            mark = await self._read_mark()
            if mark is None:
                say(f"  {self.name}: its creation was interrupted; making it again")
                if not dry_run:
                    await self._delete()
                container = None
            else:
                self._refuse_changes(spec, mark)
        if container is None:
            if not dry_run:
                await self._create(spec)
            return "created"
        if not self._is_up(container):
            state = "changed"
            if not dry_run:
                alive = self.fleet.engine.alive(container)
                fault = f"has lost its network {self.fleet.network_name}" if alive else "is not running"
                say(f"  {self.name}: its node {fault}; starting it{' again' if alive else ''}")
                if alive:
                    # In a running node, routes and the way to its port on this machine would stay lost.
                    await self.fleet.engine.run(
                        "stop", "--time", "20", self.container, what="stopping the node", cluster=self.name
                    )
                address = await self._own_address() or kubeconfig.known_address(self.fleet.kubeconfig(self.name))
                await restart(self.fleet.engine, container, self.fleet.network_name, self.name, address)
                container = await self.inspect() or container
        if not dry_run and await self._write_kubeconfig(container):
            state = "changed"
        return state

    def _is_up(self, container: t.Mapping[str, t.Any]) -> bool:
        return self.fleet.engine.alive(container) and bool(address_of(container, self.fleet.network_name))

    async def _own_address(self) -> str:
        """The address that the node's API server was made with; "" where it cannot be read."""
        where = f"{self.container}:/etc/kubernetes/manifests/kube-apiserver.yaml"
        found = re.search(
            r"--advertise-address=([0-9.]+)", (await self.fleet.engine.run("cp", where, "-", check=False)).out
        )
        return found[1] if found else ""

    async def absent(self, *, dry_run: bool) -> str:
        """Remove the node and the kubeconfig; returns ``removed`` or ``unchanged``."""
        path = self.fleet.kubeconfig(self.name)
        kubeconfig.refuse_foreign(path, self.name)
        try:
            container = await self.inspect()
        except Foreign:
            # A removal treats what is not ours as missing.
            container = None
        if container is None and not path.exists():
            return "unchanged"
        if not dry_run:
            if container is not None:
                record_exit(self.fleet.engine, container)
                await self._delete()
            path.unlink(missing_ok=True)
        return "removed"

    async def _create(self, spec: Spec) -> None:
        if not spec.image:
            raise FleetError(
                "no node image is known",
                cluster=self.name,
                next_step="run role artifacts first (playbooks/clusters.yml does), or set kind_cluster_image",
            )
        config = {
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "name": self.kind_name,
            "networking": {"disableDefaultCNI": True, "podSubnet": spec.pod_cidr, "serviceSubnet": spec.service_cidr},
            "nodes": [{"role": "control-plane", "image": spec.image, "labels": dict(spec.labels)}],
            **kind_patches(self.fleet.engine.machine),
        }
        await self._remove_volumes()  # of a node whose removal was killed
        unused = self.fleet.directory / f".{self.name}.kubeconfig"
        try:
            await run(
                [self.fleet.kind, "create", "cluster", "--config", "-", "--kubeconfig", str(unused)],
                what="creating the kind cluster",
                cluster=self.name,
                env=self.fleet.kind_env,
                stdin=yaml.safe_dump(config),
                timeout=900,
            )
        finally:
            # kind merges into a kubeconfig; ours are written whole, one a cluster.
            for leftover in (unused, unused.with_name(f"{unused.name}.lock")):
                leftover.unlink(missing_ok=True)
        container = await self.inspect()
        if container is None:
            raise FleetError("kind made no node", cluster=self.name, next_step="run again")
        await self._write_kubeconfig(container, fresh=True)
        mark = {"pod_cidr": spec.pod_cidr, "service_cidr": spec.service_cidr, "fleet": self.fleet.name}
        await self.fleet.engine.run(
            "exec",
            "--interactive",
            self.container,
            "sh",
            "-c",
            f"cat > {_MARK}",
            what="marking the node as finished",
            cluster=self.name,
            stdin=json.dumps(mark),
        )

    async def _delete(self) -> None:
        if self.fleet.engine.name == "podman":
            # kind's own delete waits for a stop signal that a dead or half-made node never answers.
            await self._remove_container()
        else:
            await run(
                [self.fleet.kind, "delete", "cluster", "--quiet", "--name", self.kind_name],
                what="removing the kind cluster",
                cluster=self.name,
                env=self.fleet.kind_env,
                timeout=120,
            )

    async def _remove_container(self) -> None:
        # podman gives the many processes of a node five seconds to be gone (libpod's killContainerTimeout), which is
        # too short for a machine that is busy; what it was asked to kill dies nevertheless.
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _REMOVAL
        while True:
            words = ["rm", "--force", "--time", "0", "--volumes", self.container]
            done = await self.fleet.engine.run(*words, check=False, timeout=_REMOVAL)
            if done.code == 0 or not await self.fleet.engine.containers([self.container]):
                await self._remove_volumes()
                return
            if loop.time() > deadline:
                raise failed("removing the node", done, cluster=self.name)
            await asyncio.sleep(0.5)

    async def _remove_volumes(self) -> None:
        # For podman kind makes the node's volume by name, with this label (createAnonymousVolume in its provider): such
        # a volume, which has all images and data of the node, stays when its container goes.
        if self.fleet.engine.name == "podman":
            await self.fleet.engine.remove_volumes(f"{self.container}=true", cluster=self.name)

    async def _read_mark(self) -> dict[str, t.Any] | None:
        # `cp` reads a stopped container too, which `exec` cannot.
        done = await self.fleet.engine.run("cp", f"{self.container}:{_MARK}", "-", check=False)
        if done.code != 0:
            output = done.err.lower()
            if "no such file" in output or "could not find the file" in output:
                return None
            # A mark that cannot be read is not a missing one: the cluster would be deleted for it.
            raise failed("looking into the node", done, cluster=self.name)
        found: dict[str, t.Any] = json.loads(done.out[done.out.index("{") : done.out.rindex("}") + 1])
        return found

    def _refuse_changes(self, spec: Spec, mark: t.Mapping[str, t.Any]) -> None:
        for key, wanted in (("pod_cidr", spec.pod_cidr), ("service_cidr", spec.service_cidr)):
            if mark.get(key) != wanted:
                raise FleetError(
                    f"cluster_{key} cannot change while the cluster lives",
                    cluster=self.name,
                    seen=f"the cluster was made with {mark.get(key)}, the inventory says {wanted}",
                    next_step=f"put it back, or remove the cluster first: playbooks/teardown.yml --limit {self.name}",
                )

    async def _write_kubeconfig(self, container: t.Mapping[str, t.Any], *, fresh: bool = False) -> bool:
        """Write the kubeconfig from kind's if it differs or the cluster is ``fresh``; whether it did."""
        address = address_of(container, self.fleet.network_name)
        path = self.fleet.kubeconfig(self.name)
        server = f"https://127.0.0.1:{_host_port(container)}"
        peer = f"https://{address}:6443"
        if not fresh and kubeconfig.same_servers(path, server, peer):
            return False
        done = await run(
            [self.fleet.kind, "get", "kubeconfig", "--name", self.kind_name],
            what="reading the kubeconfig",
            cluster=self.name,
            env=self.fleet.kind_env,
        )
        kubeconfig.write(path, self.name, yaml.safe_load(done.out), server, peer)
        return True


def _host_port(container: t.Mapping[str, t.Any]) -> str:
    bindings = (container.get("HostConfig") or {}).get("PortBindings") or {}
    live = (
        ((container.get("NetworkSettings") or {}).get("Ports") or {}).get("6443/tcp") or bindings.get("6443/tcp") or []
    )
    return str(live[0]["HostPort"]) if live else "6443"
