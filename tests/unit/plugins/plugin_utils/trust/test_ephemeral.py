# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which folders end with their container or at the next boot."""

from __future__ import annotations

import os
import types
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.plugin_utils.trust import ephemeral as module
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.ephemeral import (
    ephemeral,
    grants_that_end,
    why_ephemeral,
)

HOST = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
25 22 0:23 / /dev/shm rw shared:3 - tmpfs tmpfs rw
30 22 254:1 / /home\\040of\\040us rw - xfs /dev/vdb rw
"""
CONTAINER = """\
700 600 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b
710 700 254:0 /var/lib/containers/storage/volumes/state/_data /state rw - ext4 /dev/vda rw
"""
POD = """\
700 600 0:60 / / rw,relatime - overlay overlay rw
720 700 254:0 /var/lib/kubelet/pods/1-2/volumes/kubernetes.io~empty-dir/runner /runner rw - ext4 /dev/vda rw
730 700 254:9 / /runner/state rw - ext4 /dev/vdc rw
"""
BTRFS = "700 600 0:60 /subvolumes/x / rw - btrfs /dev/vda rw\n"


@pytest.mark.parametrize(
    ("folder", "mounts", "inside", "why"),
    [
        ("/root/.local/state/mesh.fleet/x/trust", HOST, False, ""),
        ("/home of us/trust", HOST, False, ""),
        ("/dev/shm/trust", HOST, False, "in memory"),
        ("/dev/shmem/trust", HOST, False, ""),
        ("/root/.local/state", CONTAINER, True, "file system of a container (overlay)"),
        ("/root/.local/state", CONTAINER, False, "file system of a container (overlay)"),
        ("/state/trust", CONTAINER, True, ""),
        ("/runner/artifacts", POD, True, "emptyDir"),
        ("/runner/state/trust", POD, True, ""),
        ("/root", BTRFS, True, "file system of a container (btrfs)"),
        ("/root", BTRFS, False, ""),
        ("/root", "", True, ""),
        ("/root", "22 1 254:0 / - ext4 x\nno mount\n22 1 254:0 / / rw - \n" + BTRFS, True, "container (btrfs)"),
        ("/root", "22 1 254:0 / / - overlay overlay\n", False, "overlay"),
        ("/dev/shm", HOST, False, "in memory"),
        ("/dev/shm/trust", "\n".join(reversed(HOST.splitlines())), False, "in memory"),
        ("/dev/shm", HOST + "26 25 0:24 / /dev/shm rw - ext4 /dev/vdd rw\n", False, ""),
    ],
)
def test_a_folder_that_does_not_last_is_seen(folder: str, mounts: str, inside: bool, why: str) -> None:
    found = why_ephemeral(folder, mounts, in_container=inside)
    assert why in found
    assert bool(found) is bool(why)


def test_the_mounts_of_this_machine_are_read(tmp_path: Path) -> None:
    """Every Linux has its /dev/shm in memory, also behind a link."""
    (tmp_path / "state").symlink_to("/dev/shm")
    if os.path.ismount("/dev/shm"):
        assert "in memory" in ephemeral(str(tmp_path / "state" / "trust"))


@pytest.mark.parametrize("why", ["the mark of an engine", "the variable of Kubernetes", ""])
def test_how_a_container_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    mounts, mark = tmp_path / "mountinfo", tmp_path / "mark"
    mounts.write_bytes(b"30 22 254:1 / /caf\xe9 rw - xfs /dev/vdb rw\n" + HOST.encode())
    monkeypatch.setattr(module, "pathlib", types.SimpleNamespace(Path=lambda _path: mounts))
    monkeypatch.setattr(module, "_MARKS", (str(tmp_path / "another"), str(mark)))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    if "mark" in why:
        mark.write_text("")
    if "Kubernetes" in why:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert ("file system of a container (ext4)" in ephemeral("/opt")) is bool(why)
    mounts.unlink()
    assert ephemeral("/opt") == "", "no Linux"


def test_a_record_of_grants_that_ends_is_named(tmp_path: Path) -> None:
    why = "/ is the file system of a container (overlay), which ends with it"
    assert grants_that_end(str(tmp_path), why) == ""
    (tmp_path / "google").mkdir()
    (tmp_path / "google" / "node_grants.json").write_text("[]")
    assert grants_that_end(str(tmp_path), "") == ""
    said = grants_that_end(str(tmp_path), why)
    assert str(tmp_path / "google" / "node_grants.json") in said
    assert why in said
