# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page of the example fleet, and its pictures: ``python tests/report_page.py`` writes docs/pictures."""

from __future__ import annotations

import base64
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

from ansible_collections.mesh.fleet.plugins.module_utils._model.report.dot import dot
from ansible_collections.mesh.fleet.plugins.module_utils._model.report.view import view
from ansible_collections.mesh.fleet.plugins.plugin_utils.report.drawing import draw
from ansible_collections.mesh.fleet.plugins.plugin_utils.report.page import page
from tests.report_data import NOW, fleet_data, run_records, verified

TEMPLATES = str(ROOT / "roles" / "report" / "templates")
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1180


def example(count: int, *, faults: bool = False, proof: bool = True) -> str:
    """The page of a fleet of so many clusters."""
    document = verified(count, faults=faults) if proof else None
    shown = view(fleet_data(count), document, run_records(count, faults=faults), NOW)
    return page(TEMPLATES, shown, draw(dot(shown), f"The fleet {shown['fleet']}", f"{count} clusters"), "")


def picture(driver: t.Any, selector: str = "", height: int = 0) -> bytes:
    """A PNG of the page's top, or of what begins at an element."""
    top = 0.0
    if selector:
        script = "return document.querySelector(arguments[0]).getBoundingClientRect().top + window.scrollY"
        top = driver.execute_script(script, selector) - 8
    clip = {"x": 0, "y": top, "width": WIDTH, "height": height, "scale": 0.75}
    asked = {"format": "png", "clip": clip, "captureBeyondViewport": True}
    return base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"])


def main() -> None:
    """Write the pictures."""
    from tests.e2e.browser import browser

    PICTURES.mkdir(exist_ok=True)
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    for name, count, faults, dark, selector, height in (
        ("report-light", 3, False, False, "", 1000),
        ("report-dark", 5, True, True, "#mesh", 980),
        ("report-50", 50, True, False, "#watching", 1180),
    ):
        path = folder / f"{name}.html"
        path.write_text(example(count, faults=faults), encoding="utf-8")
        with browser(width=WIDTH, dark=dark) as driver:
            driver.get(path.as_uri())
            (PICTURES / f"{name}.png").write_bytes(picture(driver, selector, height))


if __name__ == "__main__":
    main()
