# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A variable by its former name."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check

HOST = {"cluster_provider": "kubeconfig", "cluster_kubeconfig": "/k", "cluster_region": "eu"}


def test_a_former_name_is_a_problem_that_says_the_new_one() -> None:
    (problem,) = check({"west": {**HOST, "control_plane_take_over": False}})
    assert (problem.host, problem.variable) == ("west", "control_plane_take_over")
    assert "mesh_take_over" in problem.hint
    assert check({"west": {**HOST, "mesh_take_over": True}}) == []
