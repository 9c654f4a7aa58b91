# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Missing programs: installed, or listed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts import system_packages
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError


def test_nothing_missing_nothing_done() -> None:
    assert asyncio.run(system_packages.ensure_programs({"sh": "dash"}, print)) == []


def test_not_root_gets_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    wanted = {"sh": "dash", "no-such-b": "pkg-b", "no-such-a": "pkg-a"}
    with pytest.raises(FleetError) as caught:
        asyncio.run(system_packages.ensure_programs(wanted, print))
    assert caught.value.what == "missing on this machine: pkg-a, pkg-b"
    assert "apt-get install pkg-a pkg-b" in caught.value.next_step
    assert caught.value.seen == "no-such-a, no-such-b not found in PATH"


@pytest.mark.parametrize(
    ("text", "is_debian"),
    [
        ('ID=ubuntu\nID_LIKE="debian"\n', True),
        ("ID=debian\n", True),
        ('ID="linuxmint"\nID_LIKE="ubuntu debian"\n', True),
        ("ID=fedora\nVERSION_ID=42\n", False),
    ],
)
def test_the_distribution_is_read(tmp_path: Path, text: str, is_debian: bool) -> None:
    (tmp_path / "os-release").write_text(text)
    assert system_packages._is_debian(tmp_path / "os-release") is is_debian


def test_no_distribution_is_not_debian(tmp_path: Path) -> None:
    assert not system_packages._is_debian(tmp_path / "none")
