# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The graph as SVG: by the Graphviz of a Python package."""

from __future__ import annotations

import subprocess
import sys
import types
import typing as t
import xml.etree.ElementTree as ET

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.report.drawing import draw, standalone

GRAPH = """digraph x { graph [layout=dot]
a [class="bad", label=<<B>&lt;script&gt;</B>>]
c [URL="https://example.org/"]
a -> b [class="ok", label="&lt;img onerror=1&gt;"]
}"""


def test_text_stays_text_and_links_go() -> None:
    svg = draw(GRAPH, "A & b", "<i>")
    root = ET.fromstring(svg)
    tags = {element.tag.partition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "title", "desc", "path", "polygon", "polyline", "ellipse", "text"}
    assert "<script" not in svg and "&lt;script" in svg
    assert "<img" not in svg and "https://example.org" not in svg
    assert root.get("role") == "img"
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None and title.text == "A & b"
    assert title.get("id") in str(root.get("aria-labelledby")).split()


def test_colours_are_left_to_the_style_sheet() -> None:
    svg = draw(GRAPH, "t", "d")
    assert 'fill="black"' not in svg and 'stroke="black"' not in svg
    assert 'class="node bad"' in svg and 'class="edge ok"' in svg


def test_a_file_of_its_own_is_one_document() -> None:
    root = ET.fromstring(standalone(draw(GRAPH, "t", "d"), "text { fill: red }"))
    assert root[0].text == "text { fill: red }"


def ends(monkeypatch: pytest.MonkeyPatch, code: int, stderr: bytes) -> None:
    def run(*_args: t.Any, **_more: t.Any) -> t.Any:
        return types.SimpleNamespace(returncode=code, stderr=stderr, stdout=b"")

    monkeypatch.setattr(subprocess, "run", run)


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, 3, b"No module named 'pygraphviz'")
    with pytest.raises(FleetError) as caught:
        draw(GRAPH, "t", "d")
    assert f"{sys.executable} -m pip install pygraphviz" in str(caught.value)


def test_a_crash_of_graphviz_is_no_crash_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, -11, b"")
    with pytest.raises(FleetError) as caught:
        draw(GRAPH, "t", "d")
    assert "exit status -11" in str(caught.value)


def test_what_is_no_graph_is_an_error_of_ours() -> None:
    with pytest.raises(FleetError, match="cannot be drawn"):
        draw("digraph {", "t", "d")
