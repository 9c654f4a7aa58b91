# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The node image: a kind node that holds every image of the mesh, unpacked (see roles/artifacts/files/node/bake.sh)."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import typing as t

from ..engine.engine import Engine

__all__ = ["ARTIFACT_LABEL", "STORE_LABEL", "Image", "bake", "build_image", "prefix", "remove_leftovers"]

prefix = "localhost/mesh.fleet"
ARTIFACT_LABEL = "mesh.fleet/artifact"
STORE_LABEL = "mesh.fleet/store"
"""Says which artifacts folder an image belongs to: several may share an engine."""
_BAKED = (
    'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
    "STOPSIGNAL SIGRTMIN+3",
    "ENV container=docker",
    f"LABEL {ARTIFACT_LABEL}=node",
)


@dataclasses.dataclass(frozen=True)
class Image:
    """An image made of files only: no command runs while it is built, so no runtime is needed."""

    name: str
    files: t.Mapping[str, tuple[pathlib.Path, ...]]
    """Folder in the image to the files that go there."""
    base: str = "scratch"
    rootfs: pathlib.Path | None = None
    """A tar archive that is unpacked at /."""
    settings: tuple[str, ...] = ()
    """Further lines of the Containerfile."""

    def containerfile(self, store: str = "") -> str:
        lines = [f"FROM {self.base}"]
        if self.rootfs is not None:
            lines.append(f"ADD {self.rootfs.name} /")
        for folder, files in self.files.items():
            lines.append(f"COPY {' '.join(f.name for f in files)} {folder.rstrip('/')}/")
        return "\n".join([*lines, *self.settings, f"LABEL {ARTIFACT_LABEL}=image {STORE_LABEL}={store}"]) + "\n"


async def build_image(engine: Engine, image: Image, work: pathlib.Path) -> None:
    """Build ``image`` in a folder of its own below ``work``, with links to its files."""
    context = work / image.name.replace("/", "_").replace(":", "_")
    context.mkdir()
    sources = [f for files in image.files.values() for f in files] + ([image.rootfs] if image.rootfs else [])
    for source in sources:
        try:
            os.link(source, context / source.name)
        except OSError:
            shutil.copy2(source, context / source.name)
    (context / "Containerfile").write_text(image.containerfile(engine.store))
    await engine.run(
        "build",
        "--quiet",
        "--tag",
        image.name,
        "--file",
        str(context / "Containerfile"),
        str(context),
        what=f"building image {image.name}",
        timeout=900,
    )
    shutil.rmtree(context)


async def remove_leftovers(engine: Engine) -> None:
    """Remove build containers of this store's run that was killed; only called under the store's lock."""
    ours = ("--filter", f"label={ARTIFACT_LABEL}=bake", "--filter", f"label={STORE_LABEL}={engine.store}")
    done = await engine.run("ps", "--all", "--quiet", *ours)
    if done.out.split():
        await engine.run("rm", "--force", "--volumes", *done.out.split())


async def bake(
    engine: Engine, *, base: str, images: t.Sequence[str], script: pathlib.Path, work: pathlib.Path, tag: str
) -> list[str]:
    """Commit ``tag``: ``base`` with ``images`` in its containerd store.

    Args:
        base: a kind node image.
        images: names of images in the engine, as the nodes' containerd shall know them.
        script: bake.sh.
        work: a folder for the archive.
        tag: name of the image that comes out.

    Returns:
        The names that containerd knows afterwards.
    """
    archive = work / "images.tar"
    many = ["--multi-image-archive", "--format", "docker-archive"] if engine.name == "podman" else []
    await engine.run("save", *many, "--output", str(archive), *images, what="saving the images", timeout=900)
    await remove_leftovers(engine)
    started = await engine.run(
        "run",
        "--detach",
        "--privileged",
        "--network",
        "none",
        "--label",
        f"{ARTIFACT_LABEL}=bake",
        "--label",
        f"{STORE_LABEL}={engine.store}",
        "--volume",
        "/bake",
        "--entrypoint",
        "sleep",
        base,
        "infinity",
        what="starting a container of the node image",
    )
    container = started.out.split()[-1]
    try:
        await engine.run("exec", container, "mkdir", "-p", "/bake/images")
        await engine.run(
            "cp", str(archive), f"{container}:/bake/images/images.tar", what="copying the images", timeout=900
        )
        await engine.run("cp", str(script), f"{container}:/kind/bake.sh")
        await engine.run(
            "exec", container, "sh", "/kind/bake.sh", what="unpacking the images into the node image", timeout=900
        )
        listed = await engine.run("exec", container, "cat", "/kind/images.txt")
        changes = [part for line in (*_BAKED, f"LABEL {STORE_LABEL}={engine.store}") for part in ("--change", line)]
        await engine.run("commit", *changes, container, tag, what=f"committing {tag}", timeout=900)
    finally:
        await engine.run(
            "rm", "--force", "--volumes", *(["--time", "0"] if engine.name == "podman" else []), container, check=False
        )
        archive.unlink(missing_ok=True)
    return [line for line in listed.out.split() if not line.startswith("sha256:")]
