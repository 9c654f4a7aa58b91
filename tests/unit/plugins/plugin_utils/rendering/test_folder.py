# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written, left and removed in the folder of rendered files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.rendering.files import mark_of
from ansible_collections.mesh.fleet.plugins.plugin_utils.rendering.folder import clusters_in, update

ONE, TWO = f"# {mark_of('shop')}\none\n", f"# {mark_of('shop')}\ntwo\n"


def actions(folder: Path, wanted: dict[str, str], *, dry_run: bool = False) -> dict[str, str]:
    changes = update(str(folder), "shop", "west", wanted, dry_run=dry_run, diff=True)
    assert all(bool(change.before or change.after) is (change.action != "unchanged") for change in changes)
    return {change.name: change.action for change in changes}


def test_files_follow_what_is_rendered(tmp_path: Path) -> None:
    assert clusters_in(str(tmp_path / "nowhere"), "shop") == []
    assert actions(tmp_path, {"20-trust.yaml": ONE}, dry_run=True) == {"west/20-trust.yaml": "created"}
    assert not (tmp_path / "west").exists()
    assert actions(tmp_path, {"20-trust.yaml": ONE, "README.md": ONE}) == {
        "west/20-trust.yaml": "created",
        "west/README.md": "created",
    }
    assert (tmp_path / "west" / "20-trust.yaml").stat().st_mode & 0o777 == 0o644
    assert clusters_in(str(tmp_path), "shop") == ["west"]
    assert actions(tmp_path, {"60-apps.yaml": ONE, "README.md": TWO}) == {
        "west/20-trust.yaml": "removed",
        "west/60-apps.yaml": "created",
        "west/README.md": "changed",
    }
    assert actions(tmp_path, {"60-apps.yaml": ONE, "README.md": TWO}) == {
        "west/60-apps.yaml": "unchanged",
        "west/README.md": "unchanged",
    }
    assert actions(tmp_path, {}) == {"west/60-apps.yaml": "removed", "west/README.md": "removed"}
    assert not (tmp_path / "west").exists()


def test_secrets_are_masked_in_what_is_shown(tmp_path: Path) -> None:
    """Also those of a file that somebody changed, or that was written when less was recognised."""
    (tmp_path / "west").mkdir()
    (tmp_path / "west" / "60-apps.yaml").write_text(f"{ONE}password: hunter2\n", encoding="utf-8")
    for wanted in (TWO, f"{TWO}url: https://tom:hunter3@db/\n"):
        (change,) = update(str(tmp_path), "shop", "west", {"60-apps.yaml": wanted}, dry_run=True, diff=True)
        assert "one" in change.before and "two" in change.after
        assert "hunter" not in change.before + change.after


def test_files_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "west").mkdir()
    for name in ("kustomization.yaml", "20-trust.yaml", "README.md"):
        (tmp_path / "west" / name).write_text("theirs\n", encoding="utf-8")
    (tmp_path / "west" / "60-apps.yaml").symlink_to("20-trust.yaml")
    assert clusters_in(str(tmp_path), "shop") == []
    assert actions(tmp_path, {}) == {}
    assert actions(tmp_path, {"50-gateways.yaml": ONE}) == {"west/50-gateways.yaml": "created"}
    for name in ("20-trust.yaml", "60-apps.yaml"):
        with pytest.raises(FleetError) as caught:
            actions(tmp_path, {"50-gateways.yaml": TWO, name: ONE})
        assert name in caught.value.obj
    assert (tmp_path / "west" / "50-gateways.yaml").read_text(encoding="utf-8") == ONE, "nothing of it is written"
    assert actions(tmp_path, {}) == {"west/50-gateways.yaml": "removed"}
    assert len(list((tmp_path / "west").iterdir())) == 4


@pytest.mark.parametrize("other", ["shop-two", "sho", "other"])
def test_files_of_another_fleet_are_somebody_elses(tmp_path: Path, other: str) -> None:
    assert actions(tmp_path, {"50-gateways.yaml": ONE}) == {"west/50-gateways.yaml": "created"}
    assert clusters_in(str(tmp_path), other) == []
    theirs = f"# {mark_of(other)}\n"
    with pytest.raises(FleetError, match="in the way"):
        update(str(tmp_path), other, "west", {"50-gateways.yaml": theirs}, dry_run=True, diff=False)
    assert update(str(tmp_path), other, "west", {}, dry_run=False, diff=False) == []
    assert (tmp_path / "west" / "50-gateways.yaml").read_text(encoding="utf-8") == ONE
