# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixtures of the tests over Google's stand-in."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api import settling

from .contract import OUR_AGENT, breaches
from .standin.cloud import DEFAULT_TOKEN
from .standin.server import StandIn

_exercised: set[str] = set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks back on all tests of this folder comes last."""
    items.sort(key=lambda item: "exercised" in getattr(item, "fixturenames", ()))


@pytest.fixture
def exercised(request: pytest.FixtureRequest) -> set[str]:
    """Methods of Google's that our client has called in the tests of this folder; needs all of them to run."""
    here = Path(__file__).parent
    option = request.config.option
    ran = {item.path for item in request.session.items}
    if (
        hasattr(request.config, "workerinput")  # one of several processes that share the tests
        or option.keyword
        or option.markexpr
        or not set(here.glob("test_*.py")) <= ran
        or "::" in " ".join(option.file_or_dir)
    ):
        pytest.skip("needs a run of all tests of this folder")
    return _exercised


_breaches: list[str] = []


def _observe(entry: dict[str, t.Any]) -> None:
    """Each request that a stand-in of this process accepted, also one of a module's fixture."""
    _breaches.extend(breaches(entry))
    if OUR_AGENT in entry["agent"]:
        _exercised.add(entry["method"])


StandIn.observers.append(_observe)


@pytest.fixture(autouse=True)
def contract() -> t.Iterator[None]:
    """Every request of a test of this folder that the stand-in accepts is as Google's documents say."""
    yield
    found = list(_breaches)
    _breaches.clear()
    assert found == []


@pytest.fixture(scope="session", autouse=True)
def direct(no_proxy: None) -> None:
    """No proxy but the stand-in itself, where a test says so."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credential of an earlier test, and nothing that an earlier run learned of another stand-in at this port."""
    for name in [name for name in os.environ if name.startswith(("GCP_", "GOOGLE_", "MESH_FLEET_GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg-state"))
    # Refusals that a test injects do not pass.
    monkeypatch.setattr(settling, "SECONDS", 0.0)


@pytest.fixture
def google_cloud(tmp_path: Path) -> t.Iterator[StandIn]:
    """A stand-in with nothing in it."""
    with StandIn(tmp_path / "standin") as standin:
        yield standin


@pytest.fixture
def options(google_cloud: StandIn) -> dict[str, t.Any]:
    """Options of a client of it."""
    return {"project": "shop-prod", "access_token": DEFAULT_TOKEN, "endpoint": google_cloud.endpoint}
