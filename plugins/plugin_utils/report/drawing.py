# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The graph as an SVG that stands alone: no script, no reference, colours that a style sheet sets."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET

from ansible_collections.mesh.fleet.plugins.module_utils.child_env import child_environment
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["draw", "standalone"]

_SVG = "http://www.w3.org/2000/svg"
_KEPT = {"svg", "g", "path", "polygon", "polyline", "ellipse", "text"}
"""What a drawing consists of. Graphviz' ``title`` is an internal name, which browsers show as a tip."""
_MISSING = 3
_SECONDS = 60


def draw(dot: str, title: str, description: str) -> str:
    """Lay out a graph by Graphviz.

    Returns:
        An ``svg`` element with a title and a description for who does not see it.

    Raises:
        FleetError: Graphviz is missing, or cannot lay it out.
    """
    program = os.path.join(os.path.dirname(os.path.realpath(__file__)), "layout.py")
    try:
        done = subprocess.run(
            [sys.executable, program],
            input=dot.encode(),
            capture_output=True,
            timeout=_SECONDS,
            env=child_environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FleetError("the graph cannot be drawn", seen=str(error), next_step="see the tables instead") from None
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode == _MISSING:
        raise FleetError(
            "the graph cannot be drawn: the Python package pygraphviz is missing",
            seen=said,
            next_step=f"{sys.executable} -m pip install pygraphviz; its wheels bring Graphviz",
        )
    if done.returncode:
        seen = said[-500:] or f"exit status {done.returncode}"
        raise FleetError("the graph cannot be drawn", seen=seen, next_step="see the tables instead")
    return _finished(done.stdout.decode("utf-8"), title, description)


def _finished(text: str, title: str, description: str) -> str:
    ET.register_namespace("", _SVG)
    root = ET.fromstring(text)
    width = float(str(root.get("width")).removesuffix("pt"))
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "class": "graph", "aria-labelledby": "graph-title graph-description"}
    # Letters of 12 points stay readable: it is not shown smaller, but scrolls.
    root.set("style", f"width: {width * 4 / 3:.0f}px")
    _strip(root)
    for number, (name, words) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(f"{{{_SVG}}}{name}", {"id": f"graph-{'title' if number == 0 else 'description'}"})
        element.text = words
        root.insert(number, element)
    return ET.tostring(root, encoding="unicode")


def _strip(element: ET.Element) -> None:
    """Leave shapes and text: no links, no tips, no colours."""
    for child in list(element):
        if not isinstance(child.tag, str) or child.tag.removeprefix(f"{{{_SVG}}}") not in _KEPT:
            element.remove(child)
            continue
        for name in [name for name in child.attrib if name in ("id", "font-family") or "}" in name or name[:2] == "on"]:
            del child.attrib[name]
        for name in ("fill", "stroke"):
            if child.get(name) not in (None, "none"):
                del child.attrib[name]
        _strip(child)


def standalone(svg: str, style: str) -> str:
    """The same as a file of its own, with its colours."""
    head, mark, tail = svg.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}{mark}<style>{style}</style>{tail}\n'
