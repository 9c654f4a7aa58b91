# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fleets for the tests of this folder.

Making clusters is what costs most. So the files that try a model of a mesh share two pairs of clusters, one on this
machine and one behind Google's, and each file leaves its pair as it found it: without a mesh.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import typing as t

import pytest

from .aftermath import keep
from .google import CLUSTERS_OF, Google
from .local_fleet import FLEETS, Fleet

FAILED = pathlib.Path(__file__).parents[2] / "build" / "test" / "failed"
"""Where what was seen of a failure is, while the other tests go on."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> t.Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what a mesh says as soon as a test of it fails."""
    report = yield
    if report.failed:
        folder = FAILED / re.sub(r"[^\w.-]+", "-", f"{item.name}-{report.when}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "failure.txt").write_text(report.longreprtext, encoding="utf-8")
        for fleet in getattr(item, "funcargs", {}).values():
            if isinstance(fleet, Fleet):
                keep(fleet, folder)
    return report


@contextlib.contextmanager
def alone(name: str) -> t.Iterator[Fleet]:
    """A fleet of which nothing is left before, nor after."""
    if os.geteuid() != 0:
        pytest.skip("clusters of this machine need root")
    fleet = Fleet(name)
    fleet.clear()
    try:
        yield fleet
    finally:
        fleet.clear()


@pytest.fixture(scope="module")
def new_fleet() -> t.Iterator[t.Callable[[str], Fleet]]:
    """Makes fleets by the end of their names."""
    with contextlib.ExitStack() as made:
        yield lambda name="": made.enter_context(alone(FLEETS + name))


@pytest.fixture(scope="session")
def local_clusters() -> t.Iterator[Fleet]:
    with alone(f"{FLEETS}mesh") as fleet:
        yield fleet


@pytest.fixture(scope="module")
def fleet(local_clusters: Fleet) -> t.Iterator[Fleet]:
    """The two clusters of this machine that the models of a mesh share. The file that wants them makes them."""
    yield local_clusters
    if local_clusters.has_mesh():
        # A test failed before the mesh was gone; who comes next starts from nothing.
        local_clusters.clear()


@pytest.fixture(scope="session")
def google_clusters() -> t.Iterator[Fleet]:
    """The clusters behind Google's."""
    with alone(CLUSTERS_OF) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def google(google_clusters: Fleet, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Google]:
    """A stand-in for Google before these clusters, which knows nothing yet."""
    google_clusters.make()
    running = Google(google_clusters, tmp_path_factory.mktemp("google"))
    yield running
    running.stop()
