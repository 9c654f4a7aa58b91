# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guides of the documentation site are the pages for people, and valid reStructuredText."""

from __future__ import annotations

import io
import typing as t
from pathlib import Path

import docutils.core
import docutils.nodes
import docutils.parsers.rst.roles
import pytest
import yaml

from tests import docsite_pages

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDES = docsite_pages.GUIDES


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_a_guide_says_what_its_page_says(guide: docsite_pages.Guide) -> None:
    made = (docsite_pages.FOLDER / f"{guide.name}.rst").read_text(encoding="utf-8")
    assert made == docsite_pages.render(guide), "run: python tests/docsite_pages.py"


def reference(_name: str, raw: str, text: str, *_where: t.Any, **_more: t.Any) -> tuple[list[t.Any], list[t.Any]]:
    return [docutils.nodes.literal(raw, text)], []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_a_guide_is_valid(guide: docsite_pages.Guide) -> None:
    docutils.parsers.rst.roles.register_local_role("ref", reference)  # Sphinx brings it
    said = io.StringIO()
    settings = {"report_level": 2, "halt_level": 5, "warning_stream": said}
    docutils.core.publish_string(docsite_pages.render(guide), writer="null", settings_overrides=settings)
    assert said.getvalue() == ""


def test_every_guide_is_in_the_table_of_contents() -> None:
    index = yaml.safe_load((ROOT / "docs" / "docsite" / "extra-docs.yml").read_text(encoding="utf-8"))
    assert index["sections"][0]["toctree"] == [guide.name for guide in GUIDES]
    assert {p.stem for p in docsite_pages.FOLDER.glob("*.rst")} == {guide.name for guide in GUIDES}


@pytest.mark.parametrize(
    ("markdown", "rst"),
    [
        ("`a` and **b** and *c*", "``a`` and **b** and *c*"),
        ("`key`s of `x`/y", "``key``\\ s of ``x``/y"),
        ("[`x` here](variables.md)", ":ref:`x here <ansible_collections.mesh.fleet.docsite.variables>`"),
        ("[root](../roles/trust/README.md#a)", f"`root <{docsite_pages.HOME}/blob/main/roles/trust/README.md#a>`__"),
        ("[Two](#two)", "`Two <https://github.com/mesh-fleet/mesh.fleet/blob/main/docs/testing.md#two>`__"),
        ("`mesh_*`, a_ * b", "``mesh_*``, a\\_ \\* b"),
    ],
)
def test_markup_is_translated(markdown: str, rst: str) -> None:
    assert docsite_pages.inline(docsite_pages.Guide("testing", "docs/testing.md"), markdown) == rst
