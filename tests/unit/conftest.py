# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for all unit tests."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def direct(no_proxy: None) -> None:
    """Servers of tests are on loopback."""
