# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import types

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.slices import insist_on_whole_fleet

SLICE = {"awx_job_template_name": "shop trust", "awx_workflow_job_name": "shop trust"}


def task(name: str) -> types.SimpleNamespace:
    return types.SimpleNamespace(action=f"mesh.fleet.{name}")


def test_a_slice_of_a_stage_of_the_fleet_says_why_not() -> None:
    with pytest.raises(FleetError) as refused:
        insist_on_whole_fleet(task("trust"), SLICE)
    for said in ("one root", "job template shop trust", "job_slice_count"):
        assert said in str(refused.value)


def test_a_slice_of_a_stage_of_one_cluster_runs() -> None:
    insist_on_whole_fleet(task("control_plane"), SLICE)


def test_the_whole_fleet_is_no_slice() -> None:
    insist_on_whole_fleet(task("trust"), {"awx_job_template_name": "shop trust"})
