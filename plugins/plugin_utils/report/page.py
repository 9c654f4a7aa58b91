# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report as one page: markup, style and graph in one file, which asks nobody for anything."""

from __future__ import annotations

import os
import re
import typing as t

import jinja2
from markupsafe import Markup

from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

__all__ = ["page", "style_of"]

PAGE, STYLE = "report.html.j2", "report.css"


def page(folder: str, view: t.Mapping[str, t.Any], svg: str, no_graph: str) -> str:
    """The page. Whatever text is in ``view``, it is shown as text.

    Args:
        folder: of the template and its style sheet.
        view: what is shown.
        svg: the graph, markup that is put into the page as it is; "" for none.
        no_graph: why there is none.
    """
    loader = jinja2.FileSystemLoader(folder)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template(PAGE).render(
        **view, svg=Markup(svg), no_graph=no_graph, style=Markup(style_of(folder))
    )
    return re.sub(r"\n\s*\n+", "\n", text)


def style_of(folder: str) -> str:
    """The style sheet."""
    path = os.path.join(folder, STYLE)
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError as error:
        raise FleetError(f"{path} cannot be read", seen=str(error), next_step="install the collection anew") from None
