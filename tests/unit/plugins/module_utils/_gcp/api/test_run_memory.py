# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tasks of one run tell each other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.run_memory import run_memory


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_a_later_task_knows_what_an_earlier_one_read(cache: Path) -> None:
    with run_memory({"project": "shop"}) as known:
        known["number"] = "1"
    with run_memory({"project": "shop"}) as known:
        assert known == {"number": "1"}
    with run_memory({"project": "other"}) as known:
        assert known == {}
    assert {path.stat().st_mode & 0o077 for path in cache.rglob("*.json")} == {0}


def test_another_run_or_another_login_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with run_memory({"project": "shop"}) as known:
        known["number"] = "1"
    with monkeypatch.context() as other:
        other.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/somebody")
        with run_memory({"project": "shop"}) as known:
            assert known == {}
    monkeypatch.setattr(os, "getppid", os.getpid)
    with run_memory({"project": "shop"}) as known:
        assert known == {}
