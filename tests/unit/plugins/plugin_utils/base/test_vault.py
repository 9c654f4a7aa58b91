# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.vault import decrypt, loaded_secrets

SECRET = ("one", VaultSecret(b"sesame"))
OTHER = ("other", VaultSecret(b"another"))


def encrypted(text: str) -> str:
    return str(VaultLib([SECRET]).encrypt(text, secret=SECRET[1]).decode())


def test_the_password_that_fits_decrypts() -> None:
    assert decrypt(encrypted("the text"), "it", [OTHER, SECRET], "") == "the text"


def test_without_a_password_that_fits_it_says_so() -> None:
    with pytest.raises(FleetError, match="it cannot be decrypted") as refused:
        decrypt(encrypted("the text"), "it", [], "get one")
    assert (refused.value.seen, refused.value.next_step) == ("no vault password is loaded", "get one")
    with pytest.raises(FleetError, match="it cannot be decrypted") as refused:
        decrypt(encrypted("the text"), "it", [OTHER], "")
    assert refused.value.seen == "1 vault password does not fit"
    assert "--vault-id" in refused.value.next_step
    assert "another" not in str(refused.value)


def test_connections_decrypt_by_the_passwords_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = environment().decrypt
    assert found is not None
    monkeypatch.setattr(VaultSecretsContext, "_current", None)
    assert loaded_secrets() == []
    with pytest.raises(FleetError, match="/a/file cannot be decrypted") as refused:
        found(encrypted("the text"), "/a/file")
    assert "--vault-password-file" in refused.value.next_step
    monkeypatch.setattr(VaultSecretsContext, "_current", VaultSecretsContext([SECRET]))
    assert found(encrypted("the text"), "/a/file") == "the text"
