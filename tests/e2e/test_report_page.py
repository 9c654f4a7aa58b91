# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report in a real browser, of a small and of a large fleet: nothing is fetched, all is readable.

Needs a browser and no cluster. build/report has the pictures afterwards.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.report_page import ROOT, example, picture

from .browser import browser

OUT = ROOT / "build" / "report"
# The contrast of every text with what is behind it, by WCAG 2.2: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
UNREADABLE = """
const light = c => [0, 1, 2].map(i => c[i] / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const parts = text => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
const behind = e => {
  for (; e; e = e.parentElement) {
    const c = parts(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c;
  }
  return [255, 255, 255];
};
const found = new Set();
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement;
  if (!walk.currentNode.textContent.trim() || ["STYLE", "title", "desc"].includes(e.tagName)) continue;
  const svg = e.closest("svg");
  const shape = svg && e.closest(".node") && e.closest(".node").querySelector("path, polygon");
  const ink = light(parts(svg ? getComputedStyle(e).fill : getComputedStyle(e).color));
  const ground = light(shape ? parts(getComputedStyle(shape).fill) : behind(svg ? svg.parentElement : e));
  const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  if (ratio < 4.5) found.add(ratio.toFixed(2) + " " + e.textContent.trim().slice(0, 40));
}
return [...found];
"""
FETCHED = "return performance.getEntriesByType('resource').map(e => e.name)"
TOO_WIDE = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Text of the graph must be inside its node.
OUTSIDE = """
return [...document.querySelectorAll('svg .node')].flatMap(node => {
  const box = node.querySelector('path, polygon').getBoundingClientRect();
  return [...node.querySelectorAll('text')].filter(text => {
    const own = text.getBoundingClientRect();
    return own.left < box.left - 1 || own.right > box.right + 1 || own.bottom > box.bottom + 1;
  }).map(text => text.textContent);
});
"""


@pytest.fixture(scope="module")
def driver() -> t.Iterator[t.Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module", params=[2, 50])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str]:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(example(request.param, faults=True), encoding="utf-8")
    return request.param, path.as_uri()


def look(driver: t.Any, address: str, width: int, *, dark: bool, media: str = "screen") -> None:
    screen = {"width": width, "height": 1400, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
    driver.get(address)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (400, False)])
def test_it_is_readable(driver: t.Any, page: tuple[int, str], width: int, dark: bool) -> None:
    count, address = page
    look(driver, address, width, dark=dark)
    assert driver.execute_script(UNREADABLE) == []
    assert driver.execute_script(TOO_WIDE) <= 0
    assert driver.execute_script(FETCHED) == []
    assert driver.execute_script(OUTSIDE) == []
    assert [entry["message"] for entry in driver.get_log("browser")] == []
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    cells = driver.execute_script("return document.querySelectorAll('table.matrix tbody td').length")
    assert cells == (2 * 2500 if count == 50 else 0), "a matrix of edges and one of calls"
    OUT.mkdir(parents=True, exist_ok=True)
    name = f"{count}-clusters-{width}{'-dark' if dark else ''}.png"
    (OUT / name).write_bytes(picture(driver, height=1400))


def test_paper_gets_all_of_it_in_ink(driver: t.Any, page: tuple[int, str]) -> None:
    look(driver, page[1], 1280, dark=True, media="print")
    assert driver.execute_script(UNREADABLE) == []
    assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    clipped = "[...document.querySelectorAll('.scroll')].filter(e => getComputedStyle(e).overflowX != 'visible')"
    assert driver.execute_script(f"return {clipped}.length") == 0
    assert driver.execute_script("return getComputedStyle(document.querySelector('nav')).display") == "none"
