# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kind clusters of one fleet share. Touches nothing that this fleet did not make."""

from __future__ import annotations

import json
import pathlib

from ...errors import FleetError
from ..engine.command import run
from ..engine.engine import FLEET_LABEL, Engine, network_labels, network_subnets
from .subnets import choose_subnet, container_range

__all__ = ["Foreign", "KindFleet"]

DEFAULT_ENGINE_NETWORK = "10.90.0.0/16"


class Foreign(FleetError):
    """Something has a name of ours that this project did not make."""


class KindFleet:
    """What the clusters of one fleet share: an engine network, a folder of kubeconfigs.

    Args:
        name: the fleet's name.
        directory: its state on the controller.
        engine: the container engine.
        kind: path of the kind program.
    """

    def __init__(self, name: str, directory: pathlib.Path, engine: Engine, kind: str) -> None:
        self.name = name
        self.directory = directory
        self.engine = engine
        self.kind = kind
        self.network_name = f"mesh-fleet-{name}"

    def container_name(self, cluster: str) -> str:
        return f"{self.name}-{cluster}-control-plane"

    def kubeconfig(self, cluster: str) -> pathlib.Path:
        return self.directory / "kubeconfigs" / f"{cluster}.yaml"

    @property
    def kind_env(self) -> dict[str, str]:
        return {**self.engine.env, f"KIND_EXPERIMENTAL_{self.engine.name.upper()}_NETWORK": self.network_name}

    async def subnet(self) -> str:
        """The IPv4 subnet of the fleet's network; "" while there is none.

        Raises:
            FleetError: a network of that name is not of this fleet.
        """
        network = await self.engine.network(self.network_name)
        if network is None:
            return ""
        if network_labels(network).get(FLEET_LABEL) != self.name:
            raise Foreign(
                f"the {self.engine.name} network {self.network_name} was not made by this project",
                next_step="rename it, or give the fleet another fleet_name",
            )
        return next((s for s in network_subnets(network) if ":" not in s), "")

    async def ensure_network(self, within: str) -> bool:
        """Make the fleet's network if it is missing; whether it was."""
        if await self.subnet():
            return False
        subnet = choose_subnet(within or DEFAULT_ENGINE_NETWORK, [*await self.engine.subnets(), *await _routes()])
        await self.engine.run(
            "network",
            "create",
            "--subnet",
            subnet,
            "--ip-range",
            container_range(subnet),
            "--label",
            f"{FLEET_LABEL}={self.name}",
            self.network_name,
            what=f"creating network {self.network_name}",
        )
        return True

    async def other_fleets(self) -> bool:
        """Whether a network of any fleet of this project is left."""
        done = await self.engine.run("network", "ls", "--quiet", "--filter", f"label={FLEET_LABEL}")
        return bool(done.out.split())

    async def remove_network(self) -> bool:
        """Remove the network if no container is on it any more; whether it was removed."""
        try:
            if not await self.subnet():
                return False
        except Foreign:
            return False
        left = (await self.engine.run("ps", "--all", "--quiet", "--filter", f"network={self.network_name}")).out.split()
        if left:
            return False
        await self.engine.run("network", "rm", self.network_name, what=f"removing network {self.network_name}")
        return True


async def _routes() -> list[str]:
    """IPv4 networks that this machine has routes to."""
    done = await run(["ip", "-json", "-4", "route", "show"], check=False)
    found = json.loads(done.out or "[]") if done.code == 0 else []
    return [r["dst"] for r in found if r.get("dst", "default") != "default"]
