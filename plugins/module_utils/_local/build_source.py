# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every source of artifacts offers."""

from __future__ import annotations

import abc
import pathlib
import typing as t

from .build_graph import Step
from .engine import Engine

__all__ = ["BuildSource"]


class BuildSource(abc.ABC):
    """Where artifacts come from, as steps that make them.

    Args:
        files: folder ``files`` of the role.
        versions: the role's versions.
        checksums: SHA-256 by file name.
        engine: holds the images; None when only programs and charts are wanted.
        hub: prefix of Istio's images.
        sample_image: a small image with Python.
    """

    def __init__(
        self,
        files: pathlib.Path,
        versions: t.Mapping[str, str],
        checksums: t.Mapping[str, str],
        engine: Engine | None,
        *,
        hub: str,
        sample_image: str,
    ) -> None:
        self.files = files
        self.versions = versions
        self.checksums = checksums
        self.hub = hub
        self.tag = versions["istio"]
        self.sample_image = sample_image
        self._engine_or_none = engine

    @abc.abstractmethod
    def steps(self, wanted: t.Collection[str]) -> list[Step]:
        """The steps for ``wanted``, out of ``tools``, ``charts`` and ``node``, needs first."""

    @property
    def engine(self) -> Engine:
        if self._engine_or_none is None:
            raise ValueError("the node image needs a container engine")
        return self._engine_or_none

    async def has_image(self, folder: pathlib.Path) -> bool:
        """Whether the engine still holds the node image that ``folder`` names."""
        name = folder / "image"
        return name.exists() and await self.engine.image_exists(name.read_text().strip())
