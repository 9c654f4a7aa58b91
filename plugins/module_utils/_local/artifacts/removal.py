# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove artifacts: the images that a folder's builds left in the engine, and what they left in the folder."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import typing as t

from ...errors import FleetError
from ...locks import locked
from ..engine.engine import FLEET_LABEL, Engine
from ..engine.host_settings import restore_host
from .node_image import ARTIFACT_LABEL, STORE_LABEL, prefix, remove_leftovers

__all__ = ["remove"]

# A folder that the user named may hold other things, so only what is ours goes, by name.
_OURS = (
    "store",
    "tmp",
    "bin",
    "charts",
    "downloads",
    "artifacts.json",
    "source.json",
    "containers.conf",
    "network.lock",
    "lock",
)


async def remove(directory: pathlib.Path, wanted_engine: str, *, dry_run: bool = False) -> tuple[list[str], list[str]]:
    """Remove the artifacts of ``directory``.

    Returns:
        ``(images, files)`` that were removed, or would be.

    Raises:
        FleetError: a cluster still runs from one of the images, or another run is building.
    """
    with _no_builder(directory):
        engine = await _engine(wanted_engine, directory)
        images: list[str] = []
        if engine is not None:
            images = await _images(engine, directory)
            await _refuse_used(engine, images)
            if not dry_run:
                await remove_leftovers(engine)
                await _remove_images(engine, images, directory)
        files = [name for name in _OURS if (directory / name).exists() or (directory / name).is_symlink()]
        if not dry_run:
            if engine is None or not await _fleets(engine):
                restore_host(directory / "host.json")
            for name in files:
                _remove(directory / name)
            with contextlib.suppress(OSError):
                directory.rmdir()
        # It is written to talk to the engine, even where nothing else is.
        return images, [name for name in files if name != "containers.conf" or len(files) > 1]


@contextlib.contextmanager
def _no_builder(directory: pathlib.Path) -> t.Iterator[None]:
    if not (directory / "lock").exists():
        yield
        return

    def refuse() -> None:
        raise FleetError(f"artifacts are being built in {directory}", next_step="let that run end, then run again")

    with locked(directory / "lock", busy=refuse):
        yield


async def _engine(wanted: str, directory: pathlib.Path) -> Engine | None:
    try:
        return await Engine.detect(wanted, directory)
    except FleetError:
        # Where no engine works there is no image of ours either that could be reached.
        return None


async def _images(engine: Engine, directory: pathlib.Path) -> list[str]:
    """Names, or IDs of those without one. An image that a user made on top of ours inherits our labels and stays."""
    found = {name.read_text().strip() for name in directory.glob("store/node-image-*/image")}
    found = {name for name in found if await engine.image_exists(name)}
    done = await engine.run(
        "images",
        "--filter",
        f"label={STORE_LABEL}={engine.store}",
        "--format",
        "{{.ID}} {{.Repository}}:{{.Tag}}",
        what="listing images",
    )
    for line in done.out.splitlines():
        identity, _space, name = line.partition(" ")
        if name.startswith("<none>"):
            found.add(identity)
        elif name.startswith((prefix, "registry.k8s.io/")):
            found.add(name)
    return sorted(found)


async def _refuse_used(engine: Engine, images: t.Sequence[str]) -> None:
    for image in images:
        done = await engine.run("ps", "--all", "--filter", f"ancestor={image}", "--format", "{{.Names}}")
        users = [name for name in done.out.split() if name]
        bakes = await engine.run("ps", "--all", "--filter", f"label={ARTIFACT_LABEL}=bake", "--format", "{{.Names}}")
        users = [name for name in users if name not in bakes.out.split()]
        if users:
            raise FleetError(
                "the node image is in use",
                obj=f"Image {image}",
                seen=f"containers {', '.join(users)}",
                next_step="remove those fleets first (playbooks/teardown.yml with their fleet_name), then run again",
            )


async def _remove_images(engine: Engine, images: t.Sequence[str], directory: pathlib.Path) -> None:
    left = list(images)
    while left:
        # Never by force, which would remove containers too; parents become free as their children go.
        for image in left:
            await engine.run("rmi", image, check=False, timeout=300)
        after = await _images(engine, directory)
        if len(after) >= len(left):
            break
        left = after


async def _fleets(engine: Engine) -> bool:
    done = await engine.run("network", "ls", "--quiet", "--filter", f"label={FLEET_LABEL}")
    return bool(done.out.split())


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
