# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fleets for the tests of this folder."""

from __future__ import annotations

import os
import typing as t

import pytest

from .google import CLUSTERS_OF
from .local_fleet import FLEETS, Fleet


@pytest.fixture(scope="module")
def new_fleet() -> t.Iterator[t.Callable[[str], Fleet]]:
    """Makes fleets by the end of their names. Nothing is left of them before, nor after."""
    if os.geteuid() != 0:
        pytest.skip("clusters of this machine need root")
    made: list[Fleet] = []

    def new(name: str = "") -> Fleet:
        made.append(Fleet(FLEETS + name))
        made[-1].clear()
        return made[-1]

    yield new
    for fleet in made:
        fleet.clear()


@pytest.fixture(scope="session")
def google_clusters() -> t.Iterator[Fleet]:
    """The clusters behind Google's, for all tests over the stand-in. The last of those takes them away."""
    if os.geteuid() != 0:
        pytest.skip("clusters of this machine need root")
    fleet = Fleet(CLUSTERS_OF)
    fleet.clear()
    try:
        fleet.play("clusters")
        yield fleet
    finally:
        fleet.clear()
