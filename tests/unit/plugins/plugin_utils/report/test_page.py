# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page: text is text, whoever wrote it, and nothing is fetched."""

from __future__ import annotations

import html.parser
import itertools
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.report.view import view
from ansible_collections.mesh.fleet.plugins.plugin_utils.report.page import page, style_of
from tests.report_data import NOW, fleet_data, run_records, verified

FOLDER = str(Path(__file__).resolve().parents[5] / "roles" / "report" / "templates")
EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)> {{ 7*7 }}'


def hostile(data: t.Any) -> t.Any:
    """The same data with every text that is shown replaced; words by which the page decides stay."""
    if isinstance(data, str):
        words = ("ok", "bad", "soon", "unknown", "none", "failed", "skipped", "primary", "synced")
        return data if data in words or re.match(r"\d{4}-\d\d-\d\dT", data) or not data else EVIL
    if isinstance(data, dict):
        return {key: hostile(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(hostile(value) for value in data)
    return data


class Reader(html.parser.HTMLParser):
    """Every element with its attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def made(count: int, *, faults: bool = False, proof: bool = True) -> str:
    document = verified(count, faults=faults) if proof else None
    shown = view(fleet_data(count), document, run_records(count, faults=faults), NOW)
    return page(FOLDER, shown, "<svg></svg>", "")


@pytest.mark.parametrize("proof", [True, False])
def test_hostile_text_is_shown_and_not_obeyed(proof: bool) -> None:
    document = hostile(verified(3, faults=True)) if proof else None
    said = fleet_data(3)
    said["clusters"] = {f"{EVIL}{number}": hostile(row) for number, row in enumerate(said["clusters"].values())}
    said["edges"] = [(a, b) for a in said["clusters"] for b in said["clusters"] if a != b]
    said |= {"fleet": EVIL, "mesh_id": EVIL, "trust_domain": EVIL, "exports": hostile(said["exports"])}
    records = [hostile(one) for one in run_records(3, faults=True)]
    read = Reader(page(FOLDER, view(said, document, records, NOW), "", EVIL))
    assert {tag for tag, _attrs in read.elements}.isdisjoint({"script", "img", "iframe", "object", "embed"})
    assert not [name for _tag, attrs in read.elements for name in attrs if name.startswith("on")]
    assert EVIL in read.text, "it is shown as it is, and not templated"
    assert "49" not in read.text.replace(EVIL, "")


def test_nothing_is_fetched() -> None:
    read = Reader(made(3, faults=True))
    links = [
        attrs[name] for _tag, attrs in read.elements for name in ("href", "src", "srcset", "data") if name in attrs
    ]
    assert links and all(str(link).startswith("#") or link == "data:," for link in links)
    assert "url(" not in style_of(FOLDER) and "@import" not in style_of(FOLDER)
    (policy,) = (a["content"] for _tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert str(policy).startswith("default-src 'none';")


def test_headings_tables_and_regions_are_for_everybody() -> None:
    read = Reader(made(50, faults=True))
    heads = [int(tag[1]) for tag, _attrs in read.elements if re.fullmatch("h[1-6]", tag)]
    assert heads[0] == 1 and heads.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(heads))
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in read.elements if tag == "th")
    assert all(attrs.get("aria-label") for _tag, attrs in read.elements if attrs.get("role") == "region")
    ids = [attrs["id"] for _tag, attrs in read.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {str(attrs["href"])[1:] for tag, attrs in read.elements if tag == "a"}
    assert targets <= set(ids)


def test_a_run_that_failed_half_way_says_what_is_not_known() -> None:
    text = made(2, faults=True, proof=False)
    assert "No results of verify are here: the last run came as far as peering" in text
    assert "i/o timeout" in text and "Not looked at yet." in text
    older = view(
        fleet_data(2), {**verified(2), "started": "2026-11-01T00:00:00+00:00"}, run_records(2, faults=True), NOW
    )
    assert "was measured before it" in page(FOLDER, older, "", "")


def luminance(color: str) -> float:
    """WCAG 2.2, relative luminance: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


PAIRS = [
    *((text, ground) for text in ("text", "muted", "accent", "bad") for ground in ("page", "panel")),
    *((f"{state}", f"{state}-fill") for state in ("ok", "bad", "soon", "unknown")),
    *(("text", f"{state}-fill") for state in ("ok", "bad", "soon", "unknown")),
]


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_pair_of_colours_has_the_contrast_of_wcag_aa(scheme: int) -> None:
    blocks = re.findall(r"^ *:root \{(.*?)\}", style_of(FOLDER), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[scheme]))
    assert colors, "colours have six digits"
    for text, ground in PAIRS:
        assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    for line in ("ok", "bad", "unknown"):
        assert contrast(colors[line], colors["panel"]) >= 3, line
