# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of 50 clusters: how long it takes with its graph, and how large the page is."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

from ansible_collections.mesh.fleet.plugins.module_utils._model.report.dot import dot
from ansible_collections.mesh.fleet.plugins.module_utils._model.report.view import view
from ansible_collections.mesh.fleet.plugins.plugin_utils.report.drawing import draw
from ansible_collections.mesh.fleet.plugins.plugin_utils.report.page import page
from tests.report_data import NOW, fleet_data, run_records, verified
from tests.report_page import TEMPLATES

CLUSTERS = 50
MOST_SECONDS, MOST_BYTES = 2, 1_000_000


def main() -> int:
    said, document, records = fleet_data(CLUSTERS), verified(CLUSTERS, faults=True), run_records(CLUSTERS, faults=True)
    began = time.perf_counter()
    shown = view(said, document, records, NOW)
    text = page(TEMPLATES, shown, draw(dot(shown), "a fleet", f"{CLUSTERS} clusters"), "")
    seconds, size = time.perf_counter() - began, len(text.encode())
    print(json.dumps({"report_clusters": CLUSTERS, "report_seconds": round(seconds, 2), "report_bytes": size}))
    return int(seconds > MOST_SECONDS or size > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
