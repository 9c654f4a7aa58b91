# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Table, JUnit and document of a verify run."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ansible_collections.mesh.fleet.plugins.module_utils._model.verify import report
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.calls import Call
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.facts import Check

from .test_checks import checked

CALLS = [
    Call("west", "east", "probe-east", True, True, "s", "spiffe://x", "gateway", 200, 12.4),
    Call("east", "west", "probe-west", False, False, "answered \x00 200", means="m", next_step="n"),
]


def test_table_junit_and_document() -> None:
    checks = [*checked(), *(c.as_check() for c in CALLS)]
    lines = report.table(CALLS, {"west": "http://192.0.2.5/"})
    assert "west → east" in lines[1] and "spiffe://x" in lines[1] and "gateway" in lines[1]
    assert lines[-1] == "sample page in west: http://192.0.2.5/"
    long = Call("west", "east", "probe-east", True, False, "503 from west's sidecar: " + "x" * 300)
    assert max(len(line) for line in report.table([long], {})) < 130
    assert "…" in report.table([long], {})[1]
    assert report.summary(CALLS, checks).startswith("1/2 calls · 1 of ")
    assert report.summary(CALLS[:1], checks[:3]) == "1/1 calls · identities as expected · 3 checks"
    left_out = Check("call", "west ↔ south", "skipped", "south has no probe", ("west",))
    assert report.summary(CALLS[:1], [left_out]).startswith("1/1 calls, 1 pair not called · ")
    root = ET.fromstring(report.junit("f", 1.0, checks).encode())
    assert len(root.findall(".//testcase")) == len(checks)
    assert len(root.findall(".//failure")) == 1
    document = report.as_document("f", "t", 1, CALLS, checks, {})
    assert document["ok"] is False
    (error,) = (report.as_error(c, "east") for c in checks if c.state == "failed")
    assert str(error).startswith('east: check "no call" failed: east → west') and "next   n" in str(error)
