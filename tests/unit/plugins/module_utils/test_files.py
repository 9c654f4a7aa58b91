# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files are private under any umask, and whole: the old one or the new one, nothing between and nothing beside."""

from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils import files
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import (
    has_files_in_memory,
    make_cache,
    make_folder,
    remove_file,
    replace_link,
    set_aside,
    write_file,
)


@pytest.fixture(params=[0o000, 0o077, 0o022], ids="umask {:03o}".format)
def umask(request: pytest.FixtureRequest) -> t.Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def full(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
    raise OSError(28, "No space left on device")


@pytest.mark.usefixtures("umask")
def test_file_and_new_folders_are_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "fleet" / "trust" / "key"
    write_file(path, "secret ·")
    assert path.read_text(encoding="utf-8") == "secret ·"
    assert mode(path) == 0o600
    assert [mode(folder) for folder in (path.parent, path.parent.parent)] == [0o700, 0o700]


@pytest.mark.usefixtures("umask")
def test_a_given_mode_holds_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text("old")
    path.chmod(0o666)
    write_file(path, "new", mode=0o644)
    assert mode(path) == 0o644
    write_file(str(path), "newer")
    assert (mode(path), path.read_text()) == (0o600, "newer")


def test_no_other_can_read_it_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = os.fsync

    def look(handle: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        real(handle)

    monkeypatch.setattr(os, "fsync", look)
    before = os.umask(0)
    write_file(tmp_path / "key", "secret")
    os.umask(before)
    assert seen[0] == 0o600


def test_what_ends_with_the_run_does_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: pytest.fail("waited"))
    write_file(tmp_path / "passing", "x", durable=False)
    assert (mode(tmp_path / "passing"), (tmp_path / "passing").read_text()) == (0o600, "x")


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    make_folder(tmp_path / "shared")
    write_file(tmp_path / "shared" / "file", "x")
    assert mode(tmp_path / "shared") == 0o755


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    path = tmp_path / "key"
    write_file(path, "old")
    monkeypatch.setattr(os, broken, full)
    with pytest.raises(FleetError, match="cannot be written") as refused:
        write_file(path, "new")
    assert "No space left" in refused.value.seen
    assert path.read_text() == "old"
    assert names(tmp_path) == ["key"]


def test_a_text_that_has_no_utf8_keeps_the_old_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_file(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_file(path, "half \ud800")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["key"]


def test_a_file_that_cannot_be_renamed_or_removed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    write_file(path, "old")
    for name in ("rename", "unlink"):
        monkeypatch.setattr(files.os, name, full)
    with pytest.raises(FleetError, match=r"key\.old cannot be written"):
        set_aside(path)
    with pytest.raises(FleetError, match="key cannot be removed"):
        remove_file(path)
    assert names(tmp_path) == ["key"]
    monkeypatch.undo()
    remove_file(path)
    assert names(tmp_path) == []


def test_no_handle_stays_open(tmp_path: Path) -> None:
    def handles() -> list[str]:
        return sorted(os.listdir("/proc/self/fd"))

    before = handles()
    write_file(tmp_path / "key", "x")
    replace_link(tmp_path / "link", "key")
    assert handles() == before


def test_text_is_on_the_disk_before_its_name_and_then_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        found = os.fstat(handle)
        order.append("folder" if stat.S_ISDIR(found.st_mode) else f"text {found.st_size}")
        sync(handle)

    def replaced(*paths: t.Any) -> None:
        order.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_file(tmp_path / "key", "x")
    assert order == ["text 1", "rename", "folder"]
    order.clear()
    replace_link(tmp_path / "link", "key")
    assert order == ["rename", "folder"]


def test_what_may_not_be_replaced_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_file(path, "first", replace=False)
    with pytest.raises(FleetError, match="is not overwritten"):
        write_file(path, "second", replace=False)
    assert path.read_text() == "first"
    # A link that leads nowhere is somebody's file too.
    (tmp_path / "link").symlink_to(tmp_path / "unplugged")
    with pytest.raises(FleetError, match="is not overwritten"):
        write_file(tmp_path / "link", "second", replace=False)
    assert names(tmp_path) == ["key", "link"]


def test_what_is_set_aside_keeps_all_that_was_before(tmp_path: Path) -> None:
    for text in "abc":
        write_file(tmp_path / "key", text)
        set_aside(tmp_path / "key")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "key.old": "a",
        "key.old1": "b",
        "key.old2": "c",
    }
    assert set_aside(tmp_path / "key") == ""


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are on the disk, in the order in which they got there."""
    done: list[str] = []
    sync = os.fsync

    def note(handle: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    monkeypatch.setattr(os, "fsync", note)
    return done


def test_every_new_name_is_on_the_disk(tmp_path: Path, synced: list[str]) -> None:
    folder = tmp_path / "fleet" / "trust"
    write_file(folder / "key", "x")
    # Each folder that got a new entry: of a folder, and of the file.
    assert [path for path in synced if Path(path).is_dir()] == [str(tmp_path), str(folder.parent), str(folder)]
    for change in (lambda: set_aside(folder / "key"), lambda: remove_file(folder / "key.old")):
        synced.clear()
        change()
        assert synced == [str(folder)]


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("theirs")
    path = tmp_path / "fleet" / "key"
    path.parent.mkdir()
    path.symlink_to(elsewhere)
    write_file(path, "ours")
    assert not path.is_symlink()
    assert (path.read_text(), elsewhere.read_text()) == ("ours", "theirs")


@pytest.mark.parametrize("name", ["key.new", ".key.new", ".new-key"])
def test_a_link_laid_for_a_temporary_is_not_followed(tmp_path: Path, name: str) -> None:
    elsewhere, path = tmp_path / "elsewhere", tmp_path / "fleet" / "key"
    elsewhere.write_text("theirs")
    path.parent.mkdir()
    (path.parent / name).symlink_to(elsewhere)
    write_file(path, "ours")
    assert elsewhere.read_text() == "theirs"
    assert (path.parent / name).is_symlink()


def test_a_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "fleet").symlink_to(tmp_path / "disk")
    write_file(tmp_path / "fleet" / "key", "x")
    assert names(tmp_path / "disk") == ["key"]
    assert (tmp_path / "fleet").is_symlink()


def test_temporaries_of_two_writers_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    replace = os.replace

    def replaced(source: str, target: Path) -> None:
        used.append(source)
        replace(source, target)

    monkeypatch.setattr(os, "replace", replaced)
    for text in "ab":
        write_file(tmp_path / "key", text)
    assert len(set(used)) == 2
    assert {Path(name).parent for name in used} == {tmp_path}


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    for wrong in ("file", "nowhere"):
        with pytest.raises(FleetError, match="cannot be made"):
            write_file(tmp_path / wrong / "key", "x")


def test_another_run_may_make_the_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = Path.mkdir

    def late(self: Path, *args: t.Any, **more: t.Any) -> None:
        if not os.path.isdir(self):
            os.mkdir(self)
        mkdir(self, *args, **more)

    monkeypatch.setattr(Path, "mkdir", late)
    write_file(tmp_path / "fleet" / "key", "x")
    assert names(tmp_path / "fleet") == ["key"]


def test_links_are_replaced_and_leave_nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Beside the link: a rename from another disk would fail.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no such folder"))
    for target in ("one", "two"):
        replace_link(tmp_path / "link", tmp_path / target)
        assert os.readlink(tmp_path / "link") == str(tmp_path / target)
        assert names(tmp_path) == ["link"]


def test_a_failed_link_keeps_the_old_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_link(tmp_path / "link", "one")
    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(FleetError, match="cannot be written"):
        replace_link(tmp_path / "link", "two")
    assert os.readlink(tmp_path / "link") == "one"
    assert names(tmp_path) == ["link"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cache(tmp_path / "cache" / "bin")
    make_cache(tmp_path / "cache" / "bin")
    (tmp_path / "file").touch()
    with pytest.raises(FleetError) as error:
        make_cache(tmp_path / "file" / "bin")
    assert error.value.what == f"{tmp_path}/file/bin cannot be written"
    assert "artifacts_directory, or XDG_CACHE_HOME" in error.value.next_step
    assert "root" not in str(error.value).replace(str(tmp_path), "")
    for lacking in (os.W_OK, os.X_OK):
        monkeypatch.setattr(os, "access", lambda _path, mode, lacking=lacking: not mode & lacking)
        with pytest.raises(FleetError, match="cannot be written"):
            make_cache(tmp_path / "cache")


def test_files_in_memory_need_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_files_in_memory()
    monkeypatch.setattr(os.path, "isdir", lambda path: path != "/proc/self/fd")
    assert not has_files_in_memory()
    monkeypatch.undo()
    monkeypatch.delattr(os, "memfd_create")
    assert not has_files_in_memory()
