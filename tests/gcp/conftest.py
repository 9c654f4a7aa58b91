# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixtures of the tests over Google's stand-in."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from .standin.cloud import DEFAULT_TOKEN
from .standin.server import StandIn


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credential and no proxy of the machine reaches a test."""
    for name in (
        "GCP_PROJECT",
        "GCP_AUTH_KIND",
        "GCP_SERVICE_ACCOUNT_FILE",
        "GCP_SERVICE_ACCOUNT_CONTENTS",
        "GCP_SERVICE_ACCOUNT_EMAIL",
        "GCP_ACCESS_TOKEN",
        "GCP_SCOPES",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "MESH_FLEET_GOOGLE_ENDPOINT",
        "HTTPS_PROXY",
        "https_proxy",
        "REQUESTS_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def google_cloud(tmp_path: Path, clean_environment: None) -> t.Iterator[StandIn]:
    """A stand-in with nothing in it."""
    with StandIn(tmp_path / "standin") as standin:
        yield standin


@pytest.fixture
def options(google_cloud: StandIn) -> dict[str, t.Any]:
    """Options of a client of it."""
    return {"project": "shop-prod", "access_token": DEFAULT_TOKEN, "endpoint": google_cloud.endpoint}
