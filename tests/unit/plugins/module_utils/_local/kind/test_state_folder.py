# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which state folders are removed, and what of them stays."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.state_folder import mark_state, remove_state


def filled(folder: Path, *, key: bool = True) -> Path:
    """A fleet's folder as the stages after the first leave it."""
    (folder / "kubeconfigs").mkdir(parents=True)
    (folder / "verify").mkdir()
    (folder / "verify" / "report.json").write_text("{}")
    if key:
        (folder / "trust").mkdir()
        (folder / "trust" / "root-key.pem.vault").write_text("key")
        (folder / "vault-password").write_text("password")
    return folder


def test_a_new_folder_goes_and_the_roots_key_stays(tmp_path: Path) -> None:
    mark_state(tmp_path, "shop")
    filled(tmp_path)
    removed, why = remove_state(tmp_path, "shop", with_root=False)
    assert removed and why.startswith(f"{tmp_path / 'trust'} stays") and "trust_remove_root" in why
    assert (tmp_path / "trust" / "root-key.pem.vault").read_text() == "key"
    assert (tmp_path / "vault-password").read_text() == "password"
    assert not (tmp_path / "verify").exists()
    assert remove_state(tmp_path, "shop", with_root=False)[0] is False
    assert remove_state(tmp_path, "shop", with_root=True) == (True, "")
    assert not tmp_path.exists()


def test_a_folder_without_a_key_goes_as_a_whole(tmp_path: Path) -> None:
    mark_state(tmp_path, "shop")
    filled(tmp_path, key=False)
    assert remove_state(tmp_path, "shop", with_root=False) == (True, "")
    assert not tmp_path.exists()
    assert remove_state(tmp_path, "shop", with_root=False) == (False, "")


@pytest.mark.parametrize("with_root", [False, True])
@pytest.mark.parametrize("mark", [None, "", "{}", "[]", '{"fleet": "another"}'])
def test_without_the_mark_of_this_fleet_all_stays(tmp_path: Path, mark: str | None, with_root: bool) -> None:
    filled(tmp_path)
    if mark is not None:
        (tmp_path / ".local-fleet.json").write_text(mark)
    removed, why = remove_state(tmp_path, "shop", with_root=with_root)
    assert not removed and "stays" in why
    assert (tmp_path / "verify" / "report.json").exists() and (tmp_path / "trust").exists()


@pytest.mark.parametrize("name", ["trust", "google", "vault-password"])
def test_a_folder_that_served_another_fleet_gets_no_mark(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    mark_state(tmp_path, "shop")
    removed, _why = remove_state(tmp_path, "shop", with_root=True)
    assert not removed and (tmp_path / name).exists()


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    mark_state(folder, "shop")
    filled(folder)
    link = tmp_path / "shop"
    link.symlink_to(folder)
    assert remove_state(link, "shop", with_root=True)[0] is False
    mark_state(tmp_path, "shop")
    (tmp_path / "to-a-file").symlink_to(folder / "verify" / "report.json")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    folder.rename(outside)
    (tmp_path / "outside").symlink_to(outside)
    assert remove_state(tmp_path, "shop", with_root=True) == (True, "")
    assert (outside / "verify" / "report.json").exists()


def test_a_mark_is_never_written_over_another(tmp_path: Path) -> None:
    mark_state(tmp_path, "another")
    mark_state(tmp_path, "shop")
    assert remove_state(tmp_path, "shop", with_root=True)[0] is False
    assert remove_state(tmp_path, "another", with_root=True) == (True, "")


def test_a_file_in_place_of_a_folder_is_left(tmp_path: Path) -> None:
    file = tmp_path / "shop"
    file.write_text("x")
    assert remove_state(file, "shop", with_root=True) == (False, "")
    assert file.exists()


def test_the_password_alone_stays_too(tmp_path: Path) -> None:
    mark_state(tmp_path, "shop")
    (tmp_path / "vault-password").write_text("password")
    (tmp_path / "a-file").write_text("x")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (tmp_path / "link").symlink_to(outside)
    removed, why = remove_state(tmp_path, "shop", with_root=False)
    assert removed and why.startswith(f"{tmp_path / 'vault-password'} stays")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".local-fleet.json", "vault-password"]
    assert outside.is_dir()


def test_what_somebody_else_removes_meanwhile_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark_state(tmp_path, "shop")
    (tmp_path / "trust").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    listed = sorted(tmp_path.iterdir())
    (tmp_path / "file").unlink()
    monkeypatch.setattr(Path, "iterdir", lambda _self: iter(listed))
    real = Path.is_dir

    def gone_just_now(path: Path) -> bool:
        there = real(path)
        if path.name == "folder":
            path.rmdir()
        return there

    monkeypatch.setattr(Path, "is_dir", gone_just_now)
    assert remove_state(tmp_path, "shop", with_root=False)[0]


def test_a_folder_that_somebody_else_removes_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    mark_state(folder, "shop")

    def listed(path: Path) -> t.Iterator[Path]:
        shutil.rmtree(path)
        return iter(())

    monkeypatch.setattr(Path, "iterdir", listed)
    assert remove_state(folder, "shop", with_root=False) == (True, "")
