# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every source of artifacts offers."""

from __future__ import annotations

import abc
import dataclasses
import pathlib
import shutil
import typing as t

from ..engine.engine import Engine
from .build_graph import Step

__all__ = ["BuildSource", "Recipe"]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is made, whatever the source: folder ``files`` of the role, its versions, SHA-256 by file name."""

    files: pathlib.Path
    versions: t.Mapping[str, str]
    checksums: t.Mapping[str, str]


class BuildSource(abc.ABC):
    """Where artifacts come from, as steps that make them.

    Args:
        recipe: what is made.
        engine: holds the images; None when only programs and charts are wanted.
        hub: prefix of Istio's images.
        sample_image: a small image with Python.
        helm: path of a Helm of the user's, which pulls charts from a registry; "" for the one on PATH.
    """

    def __init__(self, recipe: Recipe, engine: Engine | None, *, hub: str, sample_image: str, helm: str = "") -> None:
        self.files = recipe.files
        self.versions = recipe.versions
        self.checksums = recipe.checksums
        self.hub = hub
        self.tag = recipe.versions["istio"]
        self.sample_image = sample_image
        self.own_helm = helm or shutil.which("helm") or ""
        self._engine_or_none = engine

    @abc.abstractmethod
    def steps(self, wanted: t.Collection[str]) -> list[Step]:
        """The steps for ``wanted``, out of ``helm``, ``tools``, ``charts`` and ``node``, needs first."""

    @abc.abstractmethod
    async def unreachable(self, wanted: t.Collection[str]) -> str:
        """Why programs and charts of ``wanted`` cannot be had from here now; "" if they can. Nothing of a node."""

    @property
    def engine(self) -> Engine:
        if self._engine_or_none is None:
            raise ValueError("the node image needs a container engine")
        return self._engine_or_none

    async def has_image(self, folder: pathlib.Path) -> bool:
        """Whether the engine still holds the node image that ``folder`` names."""
        name = folder / "image"
        return name.exists() and await self.engine.image_exists(name.read_text().strip())
