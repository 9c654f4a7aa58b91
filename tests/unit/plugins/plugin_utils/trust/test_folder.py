# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of the trust folder: private, keys never overwritten, nothing written in check mode."""

from __future__ import annotations

import fcntl
import stat
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust import folder


def test_a_key_is_never_written_over_a_file(tmp_path: Path) -> None:
    files = folder.Files(check_mode=False)
    key, other = tmp_path / "new" / folder.ROOT_KEY, tmp_path / "root.pem"
    files.write_key(str(key), "one")
    with pytest.raises(FleetError, match="is there already, and is not overwritten"):
        files.write_key(str(key), "two")
    assert key.read_text() == "one" and stat.S_IMODE(key.stat().st_mode) == 0o600
    for text in ("one", "two"):
        files.write(str(other), text, shown=text)
    assert other.read_text() == "two" and stat.S_IMODE(other.stat().st_mode) == 0o600
    # A diff shows no key.
    assert {change.after for change in files.changes if change.name == str(key)} == {"(key, vault encrypted)"}


def test_a_file_is_set_aside_and_removed(tmp_path: Path) -> None:
    files, key = folder.Files(check_mode=False), tmp_path / "key"
    files.set_aside(str(key))
    files.remove(str(key))
    assert files.changes == []
    key.write_text("one")
    files.set_aside(str(key))
    assert [path.name for path in tmp_path.iterdir()] == ["key.old"]
    files.remove(str(tmp_path / "key.old"))
    assert list(tmp_path.iterdir()) == []
    assert [(change.kind, change.action) for change in files.changes] == [("File", "removed")]


def test_check_mode_tells_and_changes_nothing(tmp_path: Path) -> None:
    files, there = folder.Files(check_mode=True), tmp_path / "there"
    there.write_text("one")
    files.set_aside(str(there))
    files.remove(str(there))
    files.write(str(there), "two", shown="")
    files.write_key(str(tmp_path / "key"), "two")
    assert [path.name for path in tmp_path.iterdir()] == ["there"] and there.read_text() == "one"
    assert [change.action for change in files.changes] == ["removed", "created", "created"]
    with folder.locked(str(tmp_path / "no folder"), check_mode=True):
        assert not (tmp_path / "no folder").exists()


def test_the_root_is_where_its_kind_says(tmp_path: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----"
    given, usual, external = tmp_path / "given", tmp_path / folder.ROOT_CERT, tmp_path / "external" / folder.ROOT_CERT
    assert folder.known_root("generated", "", str(tmp_path)) == ""
    for path in (given, usual, external):
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.parent.name + path.name)
    found = {
        (kind, cert): folder.known_root(kind, cert, str(tmp_path))
        for kind in ("generated", "provided", "external")
        for cert in ("", pem, str(given))
    }
    own, theirs, named = usual.read_text(), external.read_text(), given.read_text()
    assert found == {
        ("generated", ""): own,
        ("generated", pem): pem,
        ("generated", str(given)): own,
        ("provided", ""): own,
        ("provided", pem): pem,
        ("provided", str(given)): named,
        ("external", ""): theirs,
        ("external", pem): pem,
        ("external", str(given)): named,
    }


@pytest.mark.parametrize("where", ["{}", "relative", "{}/two\nlines"])
def test_what_cannot_be_read_is_named_unless_it_may_be_a_key(tmp_path: Path, where: str) -> None:
    path = where.format(tmp_path)
    with pytest.raises(FleetError, match="the root cannot be read") as refused:
        folder.read_text(path, "the root")
    assert refused.value.obj == (path if where == "{}" else "(not an absolute path)")


def test_why_it_cannot_be_read_is_told(tmp_path: Path) -> None:
    for name, content in (("missing", None), ("binary", b"\xff\xfe\xfd")):
        path = tmp_path / name
        if content:
            path.write_bytes(content)
        with pytest.raises(FleetError) as refused:
            folder.read_text(str(path), "the root")
        assert refused.value.seen == ("UnicodeDecodeError" if content else "No such file or directory")
    (tmp_path / "text").write_text("text")
    assert folder.read_text(str(tmp_path / "text"), "the root") == "text"


def test_the_folder_is_locked_where_something_may_be_written(tmp_path: Path) -> None:
    new = tmp_path / "new"
    with folder.locked(str(new), check_mode=False), (new / ".lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # A check run waits for a run that writes, if there is a folder.
    with folder.locked(str(new), check_mode=True), (new / ".lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_each_change_names_its_file(tmp_path: Path) -> None:
    files, path = folder.Files(check_mode=False), str(tmp_path / "file")
    files.write(path, "one", shown="what a diff shows")
    files.remove(path)
    assert [(c.cluster, c.kind, c.name, c.action, c.after) for c in files.changes] == [
        ("", "File", path, "created", "what a diff shows"),
        ("", "File", path, "removed", ""),
    ]
