# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of the roles that were granted: private, exact, and gone with the last of them."""

from __future__ import annotations

import stat
from pathlib import Path

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.bindings import Binding
from ansible_collections.mesh.fleet.plugins.module_utils._gcp.access.grants import Grants

ONE = Binding("shop-prod", "roles/viewer", "user:ann@shop.example")
TWO = Binding("team-a", "roles/viewer", "user:ann@shop.example")


def test_grants_are_recorded_until_they_are_revoked(tmp_path: Path) -> None:
    grants = Grants(str(tmp_path / "shop"))
    assert grants.read() == []
    grants.add([])
    assert not grants.path.exists()
    grants.add([TWO])
    grants.add([ONE, TWO])
    assert grants.read() == [ONE, TWO]
    assert stat.S_IMODE(grants.path.stat().st_mode) == 0o600
    for folder in (grants.path.parent, tmp_path / "shop"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    grants.drop([TWO])
    assert Grants(str(tmp_path / "shop")).read() == [ONE]
    grants.drop([ONE, TWO])
    assert not (tmp_path / "shop").exists()
    grants.drop([ONE])


def test_what_else_the_fleet_has_stays(tmp_path: Path) -> None:
    (tmp_path / "shop" / "trust").mkdir(parents=True)
    grants = Grants(str(tmp_path / "shop"))
    grants.add([ONE])
    grants.drop([ONE])
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["trust"]


def test_an_unreadable_record_revokes_nothing(tmp_path: Path) -> None:
    grants = Grants(str(tmp_path))
    grants.path.parent.mkdir()
    for text in ("", "{", "[{}]", '["roles/viewer"]', "3"):
        grants.path.write_text(text)
        assert grants.read() == []
