# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decrypts, in memory, what Ansible Vault encrypted, by the passwords of this run."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["Secrets", "decrypt", "loaded_secrets"]

Secrets = t.Sequence[tuple[str, VaultSecret]]


def loaded_secrets() -> list[tuple[str, VaultSecret]]:
    """The vault passwords that Ansible has loaded, by their ids."""
    context = VaultSecretsContext.current(optional=True)
    return list(context.secrets) if context else []


def decrypt(text: str, what: str, secrets: Secrets, without: str) -> str:
    """The plain text.

    Args:
        text: as Ansible Vault wrote it.
        what: it is, for messages.
        secrets: vault passwords, by their ids.
        without: the next step where there is no password.

    Raises:
        FleetError: no password, or the wrong one.
    """
    if not secrets:
        raise FleetError(f"{what} cannot be decrypted", seen="no vault password is loaded", next_step=without)
    try:
        return t.cast(bytes, VaultLib(list(secrets)).decrypt(text)).decode()
    except (AnsibleError, UnicodeDecodeError):
        raise FleetError(
            f"{what} cannot be decrypted",
            seen=f"{len(secrets)} vault password{'s do' if len(secrets) > 1 else ' does'} not fit",
            next_step="add the password that encrypted it as a further --vault-id",
        ) from None
