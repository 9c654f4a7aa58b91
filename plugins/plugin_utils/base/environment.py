# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this machine adds to an inventory, read in this one place."""

from __future__ import annotations

import functools
import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils.paths import state_dir
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.paths import folder_of_host, located, located_files
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.vault import decrypt, loaded_secrets

__all__ = ["environment"]


def environment(
    variables: t.Mapping[str, str] | None = None, hostvars: t.Mapping[str, t.Any] | None = None, first: str = ""
) -> Environment:
    """This machine's.

    Args:
        variables: replace environment variables of the same names.
        hostvars: Ansible's, which know the folder of each host's inventory.
        first: the first cluster of the fleet, where not all of its hosts are read.
    """
    return Environment(
        state_dir=str(state_dir()),
        variables={**os.environ, **(variables or {})},
        locate=functools.partial(_locate, hostvars or {}),
        first=first,
        decrypt=_decrypt,
    )


def _locate(hostvars: t.Mapping[str, t.Any], value: str, host: str, many: bool) -> str:
    return (located_files if many else located)(value, folder_of_host(hostvars, host))


def _decrypt(text: str, what: str) -> str:
    return decrypt(text, what, loaded_secrets(), "use the password that encrypted it: --vault-password-file FILE")
