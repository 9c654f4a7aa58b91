# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The graph that Graphviz is given."""

from __future__ import annotations

import re

from ansible_collections.mesh.fleet.plugins.module_utils._model.report.dot import dot
from ansible_collections.mesh.fleet.plugins.module_utils._model.report.view import view
from tests.report_data import NOW, fleet_data, run_records, verified


def drawn(count: int, *, faults: bool = False) -> str:
    return dot(view(fleet_data(count), verified(count, faults=faults), run_records(count, faults=faults), NOW))


def test_two_clusters_are_in_the_boxes_of_their_networks() -> None:
    text = drawn(2)
    assert text.count("subgraph") == 4
    assert text.count(" -> ") == 1 and "dir=both" in text, "one line where both watch"
    assert 'label="synced"' in text


def test_a_fault_is_a_line_of_its_own_that_no_colour_alone_shows() -> None:
    text = drawn(2, faults=True)
    assert text.count(" -> ") == 2
    (bad,) = (line for line in text.splitlines() if " -> " in line and 'class="bad"' in line)
    assert "style=dashed" in bad and 'label="syncing"' in bad
    assert "! 1 check failed" in text


def test_many_lines_are_laid_out_on_a_circle() -> None:
    assert "layout=circo" in drawn(5)
    assert "layout=dot" in drawn(3)


def test_a_large_fleet_is_drawn_by_its_regions() -> None:
    text = drawn(50, faults=True)
    assert len(re.findall(r"^g\d+ \[", text, re.MULTILINE)) == 5
    assert text.count(" -> ") == 10
    assert "199 of 200 synced" in text


def test_names_cannot_leave_their_label() -> None:
    said = fleet_data(2)
    evil = '</B>> ] ; evil [label="x'
    said["clusters"] = {evil: {**said["clusters"]["fra"], "network": 'n"]; evil2 -> evil3 [label="'}}
    said["edges"] = []
    text = dot(view(said, None, [], NOW))
    assert "&lt;/B&gt;&gt; ] ; evil [label=" in text
    assert "\nevil" not in text and "n&quot;]; evil2" in text
