# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Table, JUnit and document of a verify run."""

from __future__ import annotations

import dataclasses
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


def test_the_table_says_how_calls_ended() -> None:
    refused = Call("east", "west", "probe-west", False, True, "503, as declared")
    lines = report.table([*CALLS, refused], {})
    assert [line.split() for line in lines] == [
        ["call", "service", "answer", "identity", "seen", "path"],
        ["west", "→", "east", "probe-east", "200", "in", "12", "ms", "spiffe://x", "gateway"],
        ["east", "→", "west", "probe-west", "answered", "\x00", "200", "-", "-"],
        ["east", "→", "west", "probe-west", "refused,", "as", "declared", "-", "-"],
    ]
    assert len({line.index(word) for line, word in zip(lines, ("identity", "spiffe", "-  ", "-  "), strict=True)}) <= 2
    assert {line[: lines[0].index("service")].rstrip() for line in lines} == {"call", "west → east", "east → west"}


def test_a_cell_takes_seventy_two_letters() -> None:
    def cell(length: int) -> str:
        call = Call("west", "east", "s", True, False, "x" * length)
        return report.table([call], {})[1].split()[4]

    assert [cell(1), cell(72), cell(73)] == ["x", "x" * 72, "x" * 71 + "…"]


def test_the_stages_line() -> None:
    check = Check("root", "west", "ok", "s", ("west",))
    skipped = dataclasses.replace(check, state="skipped")
    failed = dataclasses.replace(check, state="failed")
    left_out = Check("call", "west ↔ south", "skipped", "south has no probe", ("west",))
    assert report.summary([], [check, skipped]) == "0/0 calls · 1 check"
    assert report.summary([], [check, skipped, failed]) == "0/0 calls · 1 of 2 checks failed"
    assert report.summary([], [left_out, left_out]) == "0/0 calls, 2 pairs not called · 0 checks"


def test_the_document_has_everything() -> None:
    check = Check("root", "west", "ok", "s", ("west",))
    assert report.as_document(
        "f", "t", 1.23456, CALLS, [check], {"west": "http://192.0.2.5/"}, traffic={"tests": 3}
    ) == {
        "traffic": {"tests": 3},
        "mesh": {},
        "fleet": "f",
        "started": "t",
        "seconds": 1.23,
        "ok": True,
        "calls": [dataclasses.asdict(call) for call in CALLS],
        "checks": [dataclasses.asdict(check)],
        "pages": {"west": "http://192.0.2.5/"},
    }
    failed = report.as_document("f", "t", 1, [], [dataclasses.replace(check, state="failed")], {})
    assert failed["ok"] is False


def test_junit_is_a_suite_for_each_group() -> None:
    checks = [
        Check("sidecar", "west", "ok", "injected", ("west",)),
        Check("root", "west", "failed", "seen\x00", ("west",), "means", "step"),
        Check("sidecar", "east", "skipped", "not asked", ("east",)),
    ]
    text = report.junit("f", 1.5, checks)
    assert (
        text
        == """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="mesh.fleet verify f" time="1.50">
  <testsuite name="root" tests="1" failures="1" skipped="0">
    <testcase classname="root" name="west">
      <failure message="seen\\x00">seen seen\\x00
means means
next step</failure>
    </testcase>
  </testsuite>
  <testsuite name="sidecar" tests="2" failures="0" skipped="1">
    <testcase classname="sidecar" name="west">
      <system-out>injected</system-out>
    </testcase>
    <testcase classname="sidecar" name="east">
      <skipped message="not asked" />
    </testcase>
  </testsuite>
</testsuites>
"""
    )


def test_an_error_has_what_its_check_has() -> None:
    error = report.as_error(Check("root", "west", "failed", "s", ("west",), "m", "n"), "west")
    assert (error.cluster, error.seen, error.means, error.next_step) == ("west", "s", "m", "n")


def test_the_line_of_check_mode_claims_no_proof() -> None:
    good = Check("root", "west", "ok", "s", ("west",))
    bad, skipped = dataclasses.replace(good, state="failed"), dataclasses.replace(good, state="skipped")
    said = report.summary([], [good, bad, skipped], dry_run=True)
    assert said == "calls unknown until a run · 1 of 2 checks hold now, 1 unknown until a run"
    assert report.summary([], [good], dry_run=True) == "calls unknown until a run · 1 of 1 check holds now"
    assert report.summary([], [], dry_run=True) == "unknown until a run"
    assert report.as_document("f", "t", 1, [], [bad], {}, dry_run=True)["ok"] is None


def test_names_that_were_not_called_have_a_line() -> None:
    checks = [
        Check(
            "name", "west → orders.shop.svc.clusterset.local", "skipped", "no cluster of this run exports it", ("west",)
        ),
        Check("call", "west ↔ south", "skipped", "south has no probe", ("west",)),
    ]
    assert report.names_not_called(checks) == [
        "not called: west → orders.shop.svc.clusterset.local, no cluster of this run exports it"
    ]
