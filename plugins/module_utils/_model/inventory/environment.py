# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the machine that runs Ansible adds to an inventory: data here, read by ``plugin_utils/base/environment.py``."""

from __future__ import annotations

import dataclasses
import typing as t

from .connection import Decrypt

__all__ = ["Environment"]


@dataclasses.dataclass(frozen=True)
class Environment:
    """By default nothing is known of the machine.

    Args:
        state_dir: folder under which each fleet has its own, unless ``fleet_dir`` names another.
        variables: environment variables.
        locate: returns the path that a value means, which the variable of a host has; or, if the last argument is true,
            the files of a list with colons between.
        first: the first cluster of the fleet, where paths begin that are the same on all; by default that of the hosts
            that are read.
        decrypt: decrypts by Ansible's vault passwords.
    """

    state_dir: str = ""
    variables: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    locate: t.Callable[[str, str, bool], str] = lambda value, host, many: value
    first: str = ""
    decrypt: Decrypt | None = dataclasses.field(default=None, repr=False)
