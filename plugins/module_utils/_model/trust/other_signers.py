# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Meshes whose certificates a program beside istiod signs, such as cert-manager's istio-csr."""

from __future__ import annotations

import typing as t

__all__ = ["NO_ROOT", "another_ca_signs"]

NO_ROOT = "none"
"""``trust_root``: this collection makes no CA, and writes none."""
_SETTING = "ENABLE_CA_SERVER"
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))
"""What Go's ``strconv.ParseBool`` takes for false, with which istiod reads its environment."""


def another_ca_signs(*values: t.Mapping[str, t.Any]) -> bool:
    """Whether istiod is told by Helm values not to sign itself (``pilot.env.ENABLE_CA_SERVER``).

    Args:
        values: of istiod's chart, later ones over earlier ones.
    """
    said = ""
    for tree in values:
        pilot = tree.get("pilot")
        env = pilot.get("env") if isinstance(pilot, dict) else None
        if isinstance(env, dict) and _SETTING in env:
            said = str(env[_SETTING])
    return said in _FALSE
