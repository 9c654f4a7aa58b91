# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private keys on the controller."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
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
