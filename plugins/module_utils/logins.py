# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses without the user and password that stand in them."""

from __future__ import annotations

import re

__all__ = ["without_logins"]

# Up to the last @ before the path: passwords may hold one.
_LOGIN = re.compile(r"://[^/\s?#\"'<>]*@")


def without_logins(text: str) -> str:
    """``text``, in which ``https://user:password@host`` is ``https://host``."""
    return _LOGIN.sub("://", text)
