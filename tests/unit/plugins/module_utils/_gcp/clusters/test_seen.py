# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters as preflight read them, for the stage that compares them again."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.clusters import seen

GIVEN = {"project": "shop"}
WEST: dict[str, t.Any] = {
    "name": "west",
    "location": "us-west1",
    "masterAuth": {"clusterCaCertificate": "Y2E=", "clientKey": "c2VjcmV0", "password": "secret"},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_one_task_takes_over_what_another_read_without_secrets(cache: Path) -> None:
    seen.hand_on(GIVEN, [WEST])
    assert not any(b"ecret" in path.read_bytes() or b"c2VjcmV0" in path.read_bytes() for path in cache.rglob("*.json"))
    taken = seen.take_over(GIVEN)
    assert taken == {("us-west1", "west"): {**WEST, "masterAuth": {"clusterCaCertificate": "Y2E="}}}
    assert seen.take_over(GIVEN) is None


def test_what_is_old_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen.take_over(GIVEN) is None
    seen.hand_on(GIVEN, [])
    assert seen.take_over(GIVEN) == {}
    seen.hand_on(GIVEN, [WEST])
    monkeypatch.setattr(seen, "_SECONDS", -1.0)
    assert seen.take_over(GIVEN) is None
