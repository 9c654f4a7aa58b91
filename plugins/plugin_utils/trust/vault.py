# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypts private keys by Ansible Vault before they are written to the controller's disk."""

from __future__ import annotations

import os
import secrets as random
import stat

from ansible.parsing.vault import VaultLib, VaultSecret, is_encrypted

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.module_utils.files import write_file
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.vault import decrypt, loaded_secrets

__all__ = ["VaultBox"]


class VaultBox:
    """Encrypts and decrypts with the vault secrets that Ansible has loaded, else with a password file.

    Args:
        password_file: decrypts together with Ansible's secrets, and encrypts when Ansible has loaded none.
        create: make ``password_file`` with a random password when it is missing. For test fleets, because
            everybody who can read the folder can read the keys.
        check_mode: write nothing.
    """

    def __init__(self, password_file: str = "", *, create: bool = False, check_mode: bool = False) -> None:
        self._file = password_file
        self._create = create
        self._check_mode = check_mode
        self.created = ""
        """The password file that was made (in check mode: would be), or ""."""

    @classmethod
    def of_trust(cls, fleet: Fleet, password_file: str, create: bool, *, check_mode: bool) -> VaultBox:
        """By the variables of role trust: without a file, a password that is made is in the fleet's folder."""
        path = os.path.expanduser(password_file)
        if not path and create:
            path = os.path.join(fleet.directory, "vault-password")
        return cls(path, create=create, check_mode=check_mode)

    def insist_on_shared(self) -> None:
        """Refuse a password that would be made here: no other machine could decrypt what it encrypts.

        Raises:
            FleetError: there is no password, and one would be made.
        """
        if self._create and not loaded_secrets() and not os.path.exists(self._file):
            raise FleetError(
                "keys that are kept in a cluster need a password that every runner has",
                obj=self._file,
                seen="Ansible has loaded none, and trust_vault_password_create would make one on this machine",
                means="the next run on another machine could not decrypt the root's key",
                next_step="run ansible-playbook with --vault-password-file FILE, or set trust_vault_password_file",
            )

    def encrypt(self, text: str) -> str:
        """Encrypt to vault text. Raises FleetError when there is no vault password."""
        secrets = loaded_secrets() or self._from_file(make=True)
        if not secrets:
            raise FleetError(
                "there is no vault password to protect private keys with",
                seen="Ansible has loaded none, and trust_vault_password_file is not set",
                means="a key is never written unencrypted",
                next_step="run ansible-playbook with --vault-password-file FILE (or ANSIBLE_VAULT_PASSWORD_FILE), set "
                "trust_vault_password_file, or for a test fleet trust_vault_password_create: true",
            )
        return str(VaultLib(secrets).encrypt(text, secret=secrets[0][1]).decode())

    def decrypt(self, text: str, what: str) -> str:
        """Decrypt vault text; text that is not encrypted is returned as it is.

        Raises:
            FleetError: no password, or the wrong one.
        """
        if not is_encrypted(text):
            return text
        return decrypt(
            text,
            what,
            [*loaded_secrets(), *self._from_file(make=False)],
            "use the password that encrypted it: ansible-playbook --vault-password-file FILE, or "
            "trust_vault_password_file",
        )

    def _from_file(self, *, make: bool) -> list[tuple[str, VaultSecret]]:
        if not self._file:
            return []
        if not os.path.exists(self._file):
            if not self._create:
                raise FleetError(
                    "trust_vault_password_file does not exist",
                    obj=self._file,
                    next_step="make it (0600, one line), or set trust_vault_password_create: true for a test fleet",
                )
            if not make:
                return []
            password = random.token_urlsafe(48)
            self.created = self._file
            if self._check_mode:
                return [("default", VaultSecret(password.encode()))]
            write_file(self._file, password + "\n")
        mode = stat.S_IMODE(os.stat(self._file).st_mode)
        if mode & 0o077:
            raise FleetError(
                "trust_vault_password_file can be read by others",
                obj=self._file,
                seen=f"mode {mode:04o}",
                next_step=f"chmod 600 {self._file}",
            )
        with open(self._file, encoding="utf-8") as stream:
            password = stream.read().strip()
        if not password:
            raise FleetError("trust_vault_password_file is empty", obj=self._file, next_step="write a password to it")
        return [("default", VaultSecret(password.encode()))]
