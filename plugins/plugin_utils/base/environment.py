# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this machine adds to an inventory, read in this one place."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils.paths import state_dir
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.vault import decrypt, loaded_secrets

__all__ = ["environment"]


def environment(variables: t.Mapping[str, str] | None = None) -> Environment:
    """This machine's; ``variables`` replace environment variables of the same names."""
    return Environment(
        state_dir=str(state_dir()),
        variables={**os.environ, **(variables or {})},
        expand=os.path.expanduser,
        decrypt=_decrypt,
    )


def _decrypt(text: str, what: str) -> str:
    return decrypt(text, what, loaded_secrets(), "use the password that encrypted it: --vault-password-file FILE")
