# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The container engine: podman or docker, by the part of their command line that both have."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import typing as t

from ...errors import FleetError
from ...files import make_cache, write_file
from .command import Done, run
from .machine import Machine, containers_conf

__all__ = ["FLEET_LABEL", "Engine"]

FLEET_LABEL = "mesh.fleet/fleet"


class Engine:
    """One container engine, with the environment that this machine needs for it.

    ``store`` names the artifacts folder that images are built for.
    """

    def __init__(
        self, name: str, machine: Machine, env: t.Mapping[str, str] | None = None, settings: pathlib.Path | None = None
    ) -> None:
        self.name = name
        self.machine = machine
        self.env = dict(env or {})
        self.store = hashlib.sha256(str(settings).encode()).hexdigest()[:12] if settings else ""

    @classmethod
    async def detect(cls, wanted: str, settings: pathlib.Path) -> Engine:
        """Find an engine that works.

        Args:
            wanted: ``podman``, ``docker``, or ``auto`` for the first of them that answers.
            settings: folder for a containers.conf, if this machine needs one.

        Raises:
            FleetError: none answers; with the message of each.
        """
        machine = Machine.detect()
        seen = []
        for name in ("podman", "docker") if wanted == "auto" else (wanted,):
            if shutil.which(name) is None:
                seen.append(f"{name}: not installed")
                continue
            engine = cls(name, machine, cls._environment(name, machine, settings), settings)
            done = await engine.run(
                "version", "--format", "{{.Server.Version}}" if name == "docker" else "{{.Client.Version}}", check=False
            )
            if done.code == 0:
                return engine
            seen.append(f"{name}: {done.last_line}")
        raise FleetError(
            "no container engine works here",
            seen="; ".join(seen),
            next_step="install podman (Debian, Ubuntu: apt-get install podman) or start docker, then run again",
        )

    @staticmethod
    def _environment(name: str, machine: Machine, settings: pathlib.Path) -> dict[str, str]:
        env = {"KIND_EXPERIMENTAL_PROVIDER": name}
        conf = containers_conf(machine) if name == "podman" else ""
        # A user's own CONTAINERS_CONF is left alone: whoever sets it has adapted podman already.
        if conf and "CONTAINERS_CONF" not in os.environ:
            path = settings / "containers.conf"
            if not path.exists() or path.read_text() != conf:
                make_cache(settings)
                write_file(path, conf, mode=0o644)
            env["CONTAINERS_CONF"] = str(path)
        return env

    async def run(
        self,
        *argv: str,
        what: str = "",
        cluster: str = "",
        stdin: str | None = None,
        timeout: float = 600,
        check: bool = True,
    ) -> Done:
        """``podman …`` or ``docker …``; for the other arguments see :func:`command.run`."""
        return await run(
            [self.name, *argv], what=what, cluster=cluster, env=self.env, stdin=stdin, timeout=timeout, check=check
        )

    async def containers(self, names: t.Sequence[str]) -> dict[str, dict[str, t.Any]]:
        """``inspect`` of those of ``names`` that exist."""
        if not names:
            return {}
        done = await self.run("container", "inspect", *names, check=False)
        found = json.loads(done.out or "[]")
        return {str(c["Name"]).lstrip("/"): c for c in found}

    async def network(self, name: str) -> dict[str, t.Any] | None:
        """``network inspect``, or None when there is none of that name."""
        done = await self.run("network", "inspect", name, check=False)
        found: list[dict[str, t.Any]] = json.loads(done.out or "[]") if done.code == 0 else []
        return found[0] if found else None

    async def subnets(self) -> list[str]:
        """IPv4 subnets of every network of this engine."""
        names = (await self.run("network", "ls", "--format", "{{.Name}}")).out.split()
        if not names:
            return []
        done = await self.run("network", "inspect", *names, check=False)
        return [s for n in json.loads(done.out or "[]") for s in network_subnets(n) if ":" not in s]

    async def remove_volumes(self, label: str, *, cluster: str = "") -> None:
        """Remove the volumes that have a label, such as ``shop-west-control-plane=true``. No container may use them."""
        names = (await self.run("volume", "ls", "--quiet", "--filter", f"label={label}", cluster=cluster)).out.split()
        if names:
            await self.run("volume", "rm", *names, what="removing volumes", cluster=cluster)

    def alive(self, container: t.Mapping[str, t.Any]) -> bool:
        """Whether its first process really lives: after a crash podman may go on saying "running"."""
        state = container.get("State") or {}
        if state.get("Status") != "running":
            return False
        # Docker's containers may live in another machine than this program; its daemon knows when they end.
        return self.name == "docker" or os.path.exists(f"/proc/{int(state.get('Pid') or 0)}/root")

    async def image_exists(self, name: str) -> bool:
        return (await self.run("image", "inspect", "--format", "{{.Id}}", name, check=False)).code == 0


def network_subnets(network: t.Mapping[str, t.Any]) -> list[str]:
    """Subnets of an inspected network: podman and docker spell them differently."""
    if "subnets" in network:
        return [str(s["subnet"]) for s in network["subnets"] or []]
    return [str(s["Subnet"]) for s in (network.get("IPAM") or {}).get("Config") or [] if s.get("Subnet")]


def network_labels(network: t.Mapping[str, t.Any]) -> dict[str, str]:
    return dict(network.get("labels") or network.get("Labels") or {})


def address_of(container: t.Mapping[str, t.Any], network: str) -> str:
    """IPv4 address that a container has (or had, if it is stopped) on a network; "" for none."""
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return str((networks.get(network) or {}).get("IPAddress") or "")
