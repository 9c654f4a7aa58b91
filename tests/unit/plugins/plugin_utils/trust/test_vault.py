# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private keys on the controller."""

from __future__ import annotations

import types
import typing as t
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust import vault
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox


def box(tmp_path: Path, password: str = "sesame", mode: int = 0o600) -> VaultBox:
    file = tmp_path / "password"
    file.write_text(password)
    file.chmod(mode)
    return VaultBox(str(file))


def test_what_is_encrypted_comes_back_and_is_not_readable(tmp_path: Path) -> None:
    secret = box(tmp_path).encrypt("the key")
    assert "the key" not in secret
    assert box(tmp_path).decrypt(secret, "x") == "the key"
    assert box(tmp_path).decrypt("clear", "x") == "clear"


def test_a_wrong_password_an_empty_one_and_one_for_all_to_read(tmp_path: Path) -> None:
    secret = box(tmp_path).encrypt("the key")
    with pytest.raises(FleetError, match="root-key cannot be decrypted") as refused:
        box(tmp_path, "another").decrypt(secret, "root-key")
    assert "another" not in str(refused.value)
    with pytest.raises(FleetError, match="is empty"):
        box(tmp_path, "").encrypt("x")
    with pytest.raises(FleetError, match="read by others"):
        box(tmp_path, mode=0o640).encrypt("x")
    with pytest.raises(FleetError, match="no vault password"):
        VaultBox().encrypt("x")


def test_check_mode_makes_no_password(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "password"
    planned = VaultBox(str(file), create=True, check_mode=True)
    assert planned.encrypt("x").startswith("$ANSIBLE_VAULT")
    assert planned.created == str(file)
    assert not file.parent.exists()
    VaultBox(str(file), create=True).encrypt("x")
    assert oct(file.stat().st_mode & 0o777) == "0o600"


def test_a_password_is_made_where_it_is_wanted(tmp_path: Path) -> None:
    file = tmp_path / "password"
    with pytest.raises(FleetError, match="does not exist") as refused:
        VaultBox(str(file)).encrypt("x")
    assert refused.value.obj == str(file)
    made = VaultBox(str(file), create=True)
    assert made.created == ""
    secret = made.encrypt("the key")
    assert made.created == str(file)
    assert len(file.read_text().strip()) >= 60
    assert VaultBox(str(file)).decrypt(secret, "x") == "the key"
    # What is there is used, and not made again.
    again = VaultBox(str(file), create=True)
    assert again.decrypt(again.encrypt("x"), "x") == "x" and again.created == ""


def test_nothing_is_made_in_order_to_decrypt(tmp_path: Path) -> None:
    secret, missing = box(tmp_path).encrypt("the key"), tmp_path / "missing"
    for nothing in (VaultBox(str(missing), create=True), VaultBox()):
        with pytest.raises(FleetError, match="root-key cannot be decrypted") as refused:
            nothing.decrypt(secret, "root-key")
        assert refused.value.seen == "no vault password is loaded"
    assert not missing.exists()


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_password_for_its_owner_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert box(tmp_path, mode=mode).encrypt("x")
    for bit in (0o001, 0o002, 0o004, 0o010, 0o020, 0o040):
        with pytest.raises(FleetError, match="read by others"):
            box(tmp_path, mode=0o600 | bit).encrypt("x")


def test_passwords_of_ansible_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = box(tmp_path).encrypt("mine")
    secrets = [("one", VaultSecret(b"one")), ("two", VaultSecret(b"two"))]
    monkeypatch.setattr(vault, "loaded_secrets", lambda: secrets)
    both = box(tmp_path)
    secret = both.encrypt("the key")
    assert VaultLib(secrets[:1]).decrypt(secret) == b"the key", "by the first of them"
    assert both.decrypt(secret, "x") == "the key" and both.decrypt(mine, "x") == "mine"
    other = VaultLib([("three", VaultSecret(b"three"))]).encrypt("x").decode()
    with pytest.raises(FleetError) as refused:
        both.decrypt(other, "x")
    assert refused.value.seen == "3 vault passwords do not fit"
    binary = VaultLib(secrets).encrypt(b"\xff\xfe", secret=secrets[0][1]).decode()
    with pytest.raises(FleetError, match="cannot be decrypted"):
        both.decrypt(binary, "x")


def test_the_file_of_role_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fleet = t.cast(t.Any, types.SimpleNamespace(directory=str(tmp_path / "fleet")))
    named = VaultBox.of_trust(fleet, "~/password", True, check_mode=False)
    named.encrypt("x")
    assert named.created == str(tmp_path / "password")
    planned = VaultBox.of_trust(fleet, "", True, check_mode=True)
    planned.encrypt("x")
    assert planned.created == str(tmp_path / "fleet" / "vault-password")
    assert not (tmp_path / "fleet").exists()
    with pytest.raises(FleetError, match="no vault password"):
        VaultBox.of_trust(fleet, "", False, check_mode=False).encrypt("x")
