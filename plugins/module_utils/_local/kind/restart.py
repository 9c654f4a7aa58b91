# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start a node again whose processes are gone, with the address that its certificates and its peers know."""

from __future__ import annotations

import os
import pathlib
import typing as t

from ...errors import FleetError
from ..engine.command import explain
from ..engine.engine import Engine, address_of

__all__ = ["record_exit", "restart"]


def record_exit(engine: Engine, container: t.Mapping[str, t.Any], exits: pathlib.Path | None = None) -> bool:
    """Record for podman that a container's processes have ended; whether that was needed.

    podman learns of a container's end from a file that its monitor (conmon) writes: <tmp dir>/exits/<id>, holding
    the exit status (libpod, oci_conmon). When the monitor was killed too, podman waits for that file for ever: it goes
    on saying "running" or "stopping", and start, stop, cp and rm refuse.
    """
    status = str((container.get("State") or {}).get("Status"))
    if engine.name != "podman" or status not in ("running", "stopping", "paused") or engine.alive(container):
        return False
    monitor = int((container.get("State") or {}).get("ConmonPid") or 0)
    if status == "stopping" and monitor and os.path.exists(f"/proc/{monitor}"):
        return False
    exits = exits or _exits()
    if not exits.is_dir():
        return False
    (exits / str(container["Id"])).write_text("137")
    return True


def _exits() -> pathlib.Path:
    if os.geteuid() == 0:
        return pathlib.Path("/run/libpod/exits")
    return pathlib.Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")) / "libpod" / "tmp" / "exits"


async def restart(
    engine: Engine, container: t.Mapping[str, t.Any], network: str, cluster: str, known: str = ""
) -> None:
    """Start a stopped or killed node.

    Args:
        known: the address it had, for when the engine has forgotten it.

    Raises:
        FleetError: the engine cannot start it, for example because its port is in use by now.
    """
    name = str(container["Name"]).lstrip("/")
    address = address_of(container, network) or _reserved_address(container, network) or known
    if address:
        # Engines give a stopped container another address when it starts. Joined by hand with its own, it keeps it.
        await engine.run("network", "disconnect", network, name, check=False)
        joined = await engine.run("network", "connect", "--ip", address, network, name, check=False)
        if joined.code != 0:
            raise FleetError(
                f"the node cannot have its address {address} on network {network} again",
                cluster=cluster,
                seen=joined.last_line,
                means="its certificates and its peers know it by this address; another container may have it now",
                next_step=f"free the address, or remove the cluster (playbooks/teardown.yml --limit {cluster}), "
                "then run again",
            )
    done = await engine.run("start", name, check=False, timeout=120)
    if done.code != 0:
        port_used = "address already in use" in done.err or "port is already allocated" in done.err
        raise FleetError(
            "the node cannot be started",
            cluster=cluster,
            seen=done.last_line,
            means="another program uses its port now" if port_used else explain(done.err)[0],
            next_step=f"correct that, or remove the cluster (playbooks/teardown.yml --limit {cluster}), then run again",
        )


def _reserved_address(container: t.Mapping[str, t.Any], network: str) -> str:
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    config = (networks.get(network) or {}).get("IPAMConfig") or {}
    return str(config.get("IPv4Address") or "")
