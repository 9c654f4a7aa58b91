# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lay a graph out: Graphviz' language on standard input, SVG on standard output.

A program of its own, run by ``drawing.py``: Graphviz is C, and what it prints or how it ends is then no matter of the
run's. The package pygraphviz brings Graphviz in its wheels, so no system package is needed.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Exit status 3 says that the package is missing."""
    try:
        import pygraphviz  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        print(error, file=sys.stderr)
        return 3
    graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
    sys.stdout.buffer.write(graph.draw(format="svg", prog=graph.graph_attr["layout"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
