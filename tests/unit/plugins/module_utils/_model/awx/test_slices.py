# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.awx.slices import (
    STAGES,
    may_be_sliced,
    refusal,
    sliced_job,
)

ROOT = Path(__file__).parents[6]


def test_every_role_is_in_the_table() -> None:
    assert set(STAGES) == {path.parent.name for path in (ROOT / "roles").glob("*/tasks")}
    assert all(stage.reason for stage in STAGES.values())


def test_every_action_is_judged() -> None:
    actions = {path.stem for path in (ROOT / "plugins" / "action").glob("*.py")} - {"__init__"}
    free = {name for name in actions if not refusal(f"mesh.fleet.{name}")}
    assert free == {"artifacts", "control_plane", "helm_release", "objects"}


@pytest.mark.parametrize(
    "playbook", ["trust", "peering", "gateways", "verify", "site", "teardown", "clusters", "whoever"]
)
def test_a_playbook_of_the_fleet_is_not_sliced(playbook: str) -> None:
    assert not may_be_sliced(playbook)


@pytest.mark.parametrize("playbook", ["control_plane", "artifacts"])
def test_a_playbook_of_one_cluster_may_be_sliced(playbook: str) -> None:
    assert may_be_sliced(playbook)


def test_job_templates_have_slices_only_where_they_may() -> None:
    templates = yaml.safe_load((ROOT / "awx" / "job_templates.yml").read_text(encoding="utf-8"))["controller_templates"]
    sliced = [one["playbook"].removesuffix(".yml") for one in templates if one["job_slice_count"] != 1]
    assert sliced
    assert all(map(may_be_sliced, sliced))


@pytest.mark.parametrize("prefix", ["awx", "tower"])
def test_a_slice_is_in_a_workflow_named_like_its_template(prefix: str) -> None:
    names = {f"{prefix}_job_template_name": "shop trust", f"{prefix}_workflow_job_name": "shop trust"}
    assert sliced_job(names) == "shop trust"


@pytest.mark.parametrize("workflow", [{}, {"awx_workflow_job_name": "shop rollout"}])
def test_a_job_alone_or_of_a_workflow_is_no_slice(workflow: dict[str, str]) -> None:
    assert sliced_job({"awx_job_template_name": "shop trust", **workflow}) == ""


def test_a_run_without_awx_is_no_slice() -> None:
    assert sliced_job({}) == ""
