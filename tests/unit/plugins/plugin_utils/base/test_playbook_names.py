# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.plugin_utils.base import playbook_names
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.playbook_names import as_called

ROOT = Path(__file__).resolve().parents[5]
ADVICE = "run playbooks/peering.yml with --limit west, or playbooks/teardown.yml --limit west"


@pytest.mark.parametrize(
    ("called", "said"),
    [
        ([], ADVICE),
        (["mesh.fleet.site"], "run mesh.fleet.peering with --limit west, or mesh.fleet.teardown --limit west"),
        (["my/own.yml"], "run mesh.fleet.peering with --limit west, or mesh.fleet.teardown --limit west"),
        (
            ["playbooks/site.yml"],
            "run playbooks/peering.yml with --limit west, or playbooks/teardown.yml --limit west",
        ),
    ],
)
def test_advice_names_playbooks_as_the_user_does(called: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert as_called(ADVICE, called) == said


def test_from_within_the_folder_the_file_alone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "playbooks")
    assert as_called("run playbooks/trust.yml", ["site.yml"]) == "run trust.yml"


def test_texts_of_a_result_are_changed_and_data_is_not() -> None:
    result = {
        "msg": "run playbooks/site.yml",
        "problems": {"west": [{"next": "run playbooks/site.yml"}]},
        "changed": True,
    }
    result |= {
        "diff": [{"after": "playbooks/site.yml"}],
        "ansible_facts": {"a": "playbooks/site.yml"},
        "objects": ["a/playbooks/site.yml", "site.yml"],
    }
    assert as_called(result, ["mesh.fleet.site"]) == {
        **result,
        "msg": "run mesh.fleet.site",
        "problems": {"west": [{"next": "run mesh.fleet.site"}]},
    }


def test_every_playbook_is_known() -> None:
    names = {path.stem for path in (ROOT / "playbooks").glob("*.yml")} - {"clusters_named", "whole"}
    assert {name for name in names if re.fullmatch(playbook_names._NAMED, f"playbooks/{name}.yml")} == names
