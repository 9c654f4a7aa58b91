# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front door of a local fleet: a container beside the nodes that runs Envoy. Touches nothing of others.

The image is that of a node: it holds the layers of Istio's proxy image, unpacked (roles/artifacts/files/node/bake.sh),
and with them Envoy. So a front door needs no image of its own, and no registry.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import pathlib
import re
import shutil
import typing as t

from ...errors import FleetError
from ...files import make_folder, remove_file, write_file
from ...waits import waiting
from ..engine.command import Done
from ..engine.engine import FLEET_LABEL, address_of
from .fleet import Foreign, KindFleet
from .restart import record_exit

__all__ = ["Container", "FrontDoorFolder", "remove_without_nodes"]

_LABEL = "mesh.fleet/front-door"
"""Holds by what the container was made: another one replaces it."""
_INSIDE = "/etc/front-door"
_ENVOY = 'exec "$(ls /kind/layers/*/usr/local/bin/envoy | head -n 1)" "$@"'
_KEYS = "keys"
_CERTIFICATE = re.compile(r"-----BEGIN ((?:X509 )?CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)
_READ_SECONDS = 20
_STEP = 0.2
_CONNECTS = """
for round in 1 2 3 4 5; do printf '%s\\n' "$@"; done | xargs -I@ -P 8 curl --silent --output /dev/null \\
  --connect-timeout 1 --write-out '@ %{time_namelookup} %{time_connect}\\n' --max-time 2 telnet://@
"""
"""Connects and says nothing: a call would be slower where pods are busy, and be one of theirs."""
_CONNECT_SECONDS = 120


class FrontDoorFolder:
    """The files of a front door on this machine, which its container sees as ``/etc/front-door``."""

    inside = _INSIDE

    def __init__(self, directory: pathlib.Path) -> None:
        self.path = directory / "front_door"

    def exists(self) -> bool:
        return self.path.is_dir()

    def read(self, name: str) -> dict[str, t.Any]:
        """A file of ours; empty where it is not there or was cut."""
        try:
            found = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def names(self) -> list[str]:
        """The files that Envoy has, without keys."""
        return sorted(p.name for p in self.path.glob("*.yaml")) if self.exists() else []

    def write(self, name: str, content: t.Mapping[str, t.Any]) -> None:
        """Replace a file as a whole, which is what Envoy watches for. YAML, since JSON is."""
        write_file(self.path / name, json.dumps(content, indent=1, sort_keys=True) + "\n")

    def remove(self, name: str) -> None:
        if (self.path / name).exists():
            remove_file(self.path / name)

    def write_keys(self, folder: str, certificate: str, key: str) -> None:
        """Certificate and key in a folder of their own: none of them is ever replaced by itself."""
        make_folder(self.path)
        write_file(self.path / _KEYS / folder / "tls.crt", certificate)
        write_file(self.path / _KEYS / folder / "tls.key", key)

    def has_keys(self, folder: str, certificate: str, key: str) -> bool:
        try:
            found = [(self.path / _KEYS / folder / name).read_bytes() for name in ("tls.crt", "tls.key")]
        except OSError:
            return False
        return found == [certificate.encode(), key.encode()]

    def read_keys(self, folder: str) -> dict[str, str] | None:
        """Certificate and key as the data of a Secret holds them; None where they are not there."""
        try:
            found = {name: (self.path / _KEYS / folder / name).read_bytes() for name in ("tls.crt", "tls.key")}
        except OSError:
            return None
        return {name: base64.b64encode(text).decode() for name, text in found.items()}

    def forget_keys(self, keep: t.Collection[str]) -> list[str]:
        """Remove the folders of certificates that nothing names any more; their names."""
        root = self.path / _KEYS
        gone = [p.name for p in sorted(root.iterdir()) if p.name not in keep] if root.is_dir() else []
        for name in gone:
            shutil.rmtree(root / name)
        return gone

    @staticmethod
    def keys_inside(folder: str) -> str:
        """Where Envoy finds them."""
        return f"{_INSIDE}/{_KEYS}/{folder}"

    def certificates(self) -> list[str]:
        """The certificates that it has, as PEM: who calls it trusts these, whoever issued them.

        Each file is one text of its PEM blocks alone, which ends with a newline: the texts may be joined.
        """
        texts = [p.read_text(encoding="utf-8") for p in sorted((self.path / _KEYS).glob("*/tls.crt"))]
        # Python takes ASCII alone for an SSL context, and around its blocks PEM may hold any text.
        found = ["".join(f"{block[0]}\n" for block in _CERTIFICATE.finditer(text)) for text in texts]
        return [text for text in found if text]

    def clear(self) -> None:
        if self.exists():
            shutil.rmtree(self.path)


class Container:
    """The container of a fleet's front door.

    Args:
        fleet: the local fleet.
        folder: its files.
    """

    def __init__(self, fleet: KindFleet, folder: FrontDoorFolder) -> None:
        self.fleet, self.folder = fleet, folder
        self.name = f"{fleet.name}-front-door"
        self._checker = f"{self.name}-check"

    async def inspect(self) -> dict[str, t.Any] | None:
        """The container, dead or alive; None for none.

        Raises:
            FleetError: a container of that name is not this fleet's.
        """
        found = (await self.fleet.engine.containers([self.name])).get(self.name)
        if found is None:
            return None
        labels = (found.get("Config") or {}).get("Labels") or {}
        if labels.get(FLEET_LABEL) != self.fleet.name or _LABEL not in labels:
            raise Foreign(
                f"a container {self.name} is there that this project did not make",
                next_step=f"remove or rename it, or give the fleet another fleet_name than {self.fleet.name}",
            )
        return found

    async def address(self) -> str:
        """Where it answers; "" while it does not live."""
        found = await self.inspect()
        return address_of(found, self.fleet.network_name) if found and self.fleet.engine.alive(found) else ""

    async def image(self, clusters: t.Iterable[str]) -> str:
        """The image of the nodes. Raises FleetError where no node is there."""
        names = [self.fleet.container_name(cluster) for cluster in clusters]
        nodes = await self.fleet.engine.containers(names)
        for name in names:
            if name in nodes:
                return str(nodes[name]["Image"])
        raise FleetError(
            "a front door needs a node of this fleet, and none is there",
            next_step="run the clusters stage (playbooks/clusters.yml), then run again",
        )

    async def as_wanted(self, image: str, bootstrap: t.Mapping[str, t.Any], address: str) -> bool:
        """Whether it lives, and was made by these."""
        found = await self.inspect()
        if found is None or not self.fleet.engine.alive(found):
            return False
        is_at = address_of(found, self.fleet.network_name)
        labels = (found.get("Config") or {}).get("Labels") or {}
        return bool(is_at) and labels.get(_LABEL) == self._made_by(image, bootstrap) and address in ("", is_at)

    def _made_by(self, image: str, bootstrap: t.Mapping[str, t.Any]) -> str:
        made_by = json.dumps([image, dict(bootstrap), _ENVOY, str(self.folder.path)], sort_keys=True)
        return hashlib.sha256(made_by.encode()).hexdigest()[:16]

    async def validate(self, image: str, static: t.Mapping[str, t.Any]) -> None:
        """Have Envoy itself say whether it takes a configuration, before it gets it.

        Raises FleetError with its words.
        """
        name = "validate.json"
        await self.remove_left()
        self.folder.write(name, static)
        try:
            done = await self.fleet.engine.run(
                *("run", "--rm", "--name", self._checker, "--network", "none"),
                *("--label", f"{FLEET_LABEL}={self.fleet.name}"),
                *self._options(image),
                *("--mode", "validate", "--config-path", f"{_INSIDE}/{name}", "--log-level", "error"),
                what="checking the configuration of the front door",
                check=False,
                timeout=120,
            )
        finally:
            self.folder.remove(name)
        if done.code != 0:
            lines = [line for line in done.err.splitlines() if "rror" in line or "critical" in line]
            raise FleetError(
                "Envoy refuses the configuration of the front door",
                seen=(lines or [done.last_line])[-1][-600:],
                means="what serves callers now stays as it is",
                next_step="correct what it names in the front_door variables; else report a defect",
            )

    async def remove_left(self) -> None:
        """Remove what a run left that was killed while Envoy read a configuration."""
        name = self._checker
        found = (await self.fleet.engine.containers([name])).get(name)
        if found and ((found.get("Config") or {}).get("Labels") or {}).get(FLEET_LABEL) == self.fleet.name:
            await self.fleet.engine.run("rm", "--force", "--volumes", name, what="removing what a killed run left")

    async def make(self, image: str, bootstrap: t.Mapping[str, t.Any], address: str) -> str:
        """Make it, in place of one that is dead or was made by something else; its address.

        Args:
            address: the one it gets; "" for the one it had, or any.
        """
        old = await self.inspect()
        wanted = address or (await self._former(old) if old else self._remembered())
        await self.remove()
        options = ["--name", self.name, "--network", self.fleet.network_name, "--detach"]
        options += ["--label", f"{FLEET_LABEL}={self.fleet.name}", "--label"]
        options += [f"{_LABEL}={self._made_by(image, bootstrap)}", "--stop-signal", "SIGTERM"]
        # The folder is for its owner alone, who is not always the root of a container.
        options += ["--cap-drop", "all", "--cap-add", "NET_BIND_SERVICE", "--cap-add", "DAC_READ_SEARCH"]
        options += ["--security-opt", "no-new-privileges"]
        command = ["--config-path", f"{_INSIDE}/bootstrap.yaml", "--log-level", "warning", "--disable-hot-restart"]

        async def start(ip: str) -> Done:
            at = ["--ip", ip] if ip else []
            what = "starting the front door"
            return await self.fleet.engine.run(
                "run", *options, *at, *self._options(image), *command, what=what, check=ip == "" or ip == address
            )

        done = await start(wanted)
        if done.code != 0:
            # Somebody else has the address that it had; nobody asked for that one.
            await self.remove()
            await start("")
        is_at = await self.address()
        if not is_at:
            raise FleetError("the front door ended at once", seen=await self.log(), next_step="run again")
        self.folder.write("address.json", {"address": is_at})
        return is_at

    def _options(self, image: str) -> list[str]:
        """The folder, read-only, and Envoy as the program; what follows are its arguments."""
        volume = f"{self.folder.path}:{_INSIDE}:ro"
        return ["--volume", volume, "--entrypoint", "/bin/sh", image, "-c", _ENVOY, "envoy"]

    async def _former(self, found: t.Mapping[str, t.Any]) -> str:
        return address_of(found, self.fleet.network_name) or self._remembered()

    def _remembered(self) -> str:
        return str(self.folder.read("address.json").get("address") or "")

    async def remove(self) -> bool:
        """Remove it, dead or alive; whether one was there."""
        found = await self.inspect()
        if found is None:
            return False
        record_exit(self.fleet.engine, found)
        at_once = ["--time", "0"] if self.fleet.engine.name == "podman" else []
        await self.fleet.engine.run("rm", "--force", "--volumes", *at_once, self.name, what="removing the front door")
        return True

    async def log(self) -> str:
        """The last words of Envoy."""
        done = await self.fleet.engine.run("logs", "--tail", "5", self.name, check=False)
        return (done.err.strip() or done.out.strip())[-600:]

    async def ask(self, page: str, port: int) -> t.Any:
        """A page of Envoy's admin port, as data; None while it does not answer."""
        url = f"http://127.0.0.1:{port}{page}"
        words = ["exec", self.name, "curl", "--silent", "--fail", "--max-time", "5", url]
        done = await self.fleet.engine.run(*words, check=False, timeout=_READ_SECONDS)
        try:
            return json.loads(done.out) if done.code == 0 else None
        except ValueError:
            return None

    async def round_trips(self, targets: t.Sequence[str]) -> dict[str, float]:
        """How long a packet goes there and back, in milliseconds, by target; those that answer nothing are missing.

        It is the time of a TCP connect from the container's own place, the shortest of five, as whatever else the
        machine does only adds to it.

        Args:
            targets: ``address:port``.
        """
        words = ["exec", self.name, "/bin/sh", "-c", _CONNECTS, "connect", *targets]
        done = await self.fleet.engine.run(*words, check=False, timeout=_CONNECT_SECONDS)
        found: dict[str, float] = {}
        for line in done.out.splitlines():
            target, _space, times = line.partition(" ")
            try:
                resolved, connected = (float(text) * 1000 for text in times.split())
            except ValueError:
                continue
            if connected > 0:
                found[target] = min(connected - resolved, found.get(target, connected))
        return found

    async def until(self, page: str, port: int, missing: t.Callable[[t.Any], str], what: str, seconds: float) -> str:
        """Ask for a page until nothing is missing; what was missing last, "" for nothing.

        Args:
            missing: says in words what is missing by the page.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        with waiting(what) as wait:
            while True:
                found = await self.ask(page, port)
                wait.seen = missing(found) if found is not None else "Envoy does not answer"
                if not wait.seen or loop.time() > deadline:
                    return wait.seen
                await asyncio.sleep(_STEP)


async def remove_without_nodes(fleet: KindFleet) -> bool:
    """Remove the front door if nothing else is left on the fleet's network; whether it was."""
    container = Container(fleet, FrontDoorFolder(fleet.directory))
    await container.remove_left()
    listed = ("ps", "--all", "--filter", f"network={fleet.network_name}", "--format", "{{.Names}}")
    if (await fleet.engine.run(*listed)).out.split() != [container.name]:
        return False
    try:
        removed = await container.remove()
    except Foreign:
        return False
    container.folder.clear()
    return removed
