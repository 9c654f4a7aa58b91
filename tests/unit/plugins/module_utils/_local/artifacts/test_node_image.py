# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images made of files: their Containerfile."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.node_image import Image


def test_a_static_program(tmp_path: Path) -> None:
    image = Image("x:1", {"/usr/local/bin": (tmp_path / "a", tmp_path / "b")}, settings=("USER 1337",))
    assert image.containerfile("abc").splitlines() == [
        "FROM scratch",
        "COPY a b /usr/local/bin/",
        "USER 1337",
        "LABEL mesh.fleet/artifact=image mesh.fleet/store=abc",
    ]


def test_a_root_file_system(tmp_path: Path) -> None:
    image = Image("x:1", {"/": (tmp_path / "a",)}, base="base:1", rootfs=tmp_path / "root.tar")
    assert image.containerfile().splitlines()[:3] == ["FROM base:1", "ADD root.tar /", "COPY a /"]
