# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of a variable of the inventory."""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = ["CLUSTER", "FLEET", "PROVIDERS", "Variable"]

FLEET = "fleet"
"""Scope of a variable that must be equal on every cluster of the fleet."""
CLUSTER = "cluster"
"""Scope of a variable that each cluster may set for itself."""

PROVIDERS = ("kind", "gke", "kubeconfig")


@dataclasses.dataclass(frozen=True)
class Variable:
    """What is known of one variable.

    Args:
        name: its name.
        scope: FLEET or CLUSTER.
        description: what it means, for a person.
        type: str, list, dict, bool or int, as Ansible names them.
        default: what a missing, null or empty value means; None where there is no default.
        default_text: the default in words, where it is computed.
        choices: the only values allowed; empty for any.
        form: the rule of checks.py that a value must keep; "" for none.
        providers: the providers whose clusters may set it; empty for all.
        secret: its value must never be shown.
    """

    name: str
    scope: str
    description: str
    type: str = "str"
    default: t.Any = None
    default_text: str = ""
    choices: tuple[str, ...] = ()
    form: str = ""
    providers: tuple[str, ...] = ()
    secret: bool = False
