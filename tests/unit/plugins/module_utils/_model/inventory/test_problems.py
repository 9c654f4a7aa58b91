# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Problems as a person sees them."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem, table


def test_the_table_lines_up() -> None:
    problems = [
        Problem("north", "cluster_pod_cidr", "10.40.0.0/14", "overlaps west's 10.42.0.0/16", "free here: 10.44.0.0/14"),
        Problem("", "memory", "1.0 GiB", "is free"),
    ]
    assert table(problems).splitlines() == [
        "2 problems, nothing was touched",
        "  north    cluster_pod_cidr 10.40.0.0/14 overlaps west's 10.42.0.0/16  free here: 10.44.0.0/14",
        "  (fleet)  memory 1.0 GiB is free",
    ]
