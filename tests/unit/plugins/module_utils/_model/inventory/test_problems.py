# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Problems as a person sees them."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.problems import Problem, quoted, shown, table


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


def test_a_problem_shows_no_login() -> None:
    url = f"https://user:hunter2{'x' * 80}@charts.example"
    problem = Problem("", "control_plane_charts", url, f"is silent ({url}: no)", f"correct {url}")
    texts = (problem.statement, table([problem]), str(problem.as_error()), quoted(url), shown([url]), shown(url))
    assert not [text for text in texts if "hunter2" in text]
    assert "control_plane_charts https://charts.example is silent (https://charts.example: no)" in texts[1]
