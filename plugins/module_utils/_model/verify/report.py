# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The results of verify: a table for people, JSON for programs, JUnit for CI."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t
import xml.etree.ElementTree as ET

from ...errors import FleetError
from ...printable import printable
from .calls import Call
from .facts import FAILED, SKIPPED, Check
from .name_calls import NOT_CALLED

__all__ = ["as_document", "as_error", "junit", "names_not_called", "summary", "table"]


_CELL = 72


def table(calls: t.Sequence[Call], pages: t.Mapping[str, str]) -> list[str]:
    """The lines of a table of calls; then the address of the sample page in each cluster."""
    head = ("call", "service", "answer", "identity seen", "path")
    rows = [
        (
            f"{c.caller} → {c.callee}",
            c.service,
            _short(c.seen)
            if not c.ok
            else f"{c.status} in {c.latency_ms:.0f} ms"
            if c.expected
            else "refused, as declared",
            c.identity or "-",
            c.path or "-",
        )
        for c in calls
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
    lines += [f"sample page in {cluster}: {link}" for cluster, link in pages.items()]
    return lines


def _short(text: str) -> str:
    """What fits into a cell; the failed check has the whole text."""
    return text if len(text) <= _CELL else text[: _CELL - 1].rstrip() + "…"


def names_not_called(checks: t.Iterable[Check]) -> list[str]:
    """A line for each name that several clusters may answer and that was not called, or not from this machine."""
    return [f"not called: {c.name}, {c.seen}" for c in checks if (c.group, c.state) == (NOT_CALLED, SKIPPED)]


def summary(calls: t.Sequence[Call], checks: t.Sequence[Check], *, measured: int = 0, dry_run: bool = False) -> str:
    """The stage's line. In check mode no call is made, and what fails now may be what a run is to put right.

    ``measured`` is the number of policies that were measured.
    """
    good = sum(c.ok for c in calls)
    failed = [c for c in checks if c.state == FAILED]
    ran = [c for c in checks if c.state != SKIPPED]
    if dry_run:
        hold = f"{len(ran) - len(failed)} of {_checks(len(ran))} {'holds' if len(ran) == 1 else 'hold'} now"
        left = f", {len(failed)} unknown until a run" if failed else ""
        return f"calls unknown until a run · {hold}{left}" if ran else "unknown until a run"
    text = f"{good}/{len(calls)} calls"
    left_out = sum((c.group, c.state) == ("call", SKIPPED) for c in checks)
    if left_out:
        text += f", {left_out} pair{'' if left_out == 1 else 's'} not called"
    if calls and good == len(calls):
        text += " · identities as expected"
    if measured:
        text += f" · {measured} polic{'y' if measured == 1 else 'ies'} measured"
    return text + (f" · {len(failed)} of {_checks(len(ran))} failed" if failed else f" · {_checks(len(ran))}")


def _checks(count: int) -> str:
    return f"{count} check{'' if count == 1 else 's'}"


def as_error(check: Check, cluster: str) -> FleetError:
    """A failed check as an error of one of its clusters."""
    return FleetError(
        f'check "{check.group}" failed: {check.name}',
        cluster=cluster,
        seen=check.seen,
        means=check.means,
        next_step=check.next_step,
    )


def as_document(
    fleet: str,
    started: str,
    seconds: float,
    calls: t.Sequence[Call],
    checks: t.Sequence[Check],
    pages: t.Mapping[str, str],
    *,
    traffic: t.Mapping[str, t.Any] | None = None,
    mesh: t.Mapping[str, t.Any] | None = None,
    dry_run: bool = False,
) -> dict[str, t.Any]:
    """The JSON document. ``started`` is an ISO 8601 time. In check mode nothing is proved: ``ok`` is None.

    ``traffic`` is what was measured of policies, as ``shares_document()`` makes it; ``mesh`` is what was read of each
    cluster, as ``mesh_document()`` makes it.
    """
    return {
        "fleet": fleet,
        "started": started,
        "seconds": round(seconds, 2),
        "ok": None if dry_run else not any(c.state == FAILED for c in checks),
        "calls": [dataclasses.asdict(c) for c in calls],
        "checks": [dataclasses.asdict(c) for c in checks],
        "pages": dict(pages),
        "traffic": dict(traffic or {}),
        "mesh": dict(mesh or {}),
    }


def junit(fleet: str, seconds: float, checks: t.Sequence[Check]) -> str:
    """A test suite for each group of checks, with a test case for each check."""
    root = ET.Element("testsuites", name=f"mesh.fleet verify {fleet}", time=f"{seconds:.2f}")
    ordered = sorted(checks, key=lambda c: c.group)
    for group, members in itertools.groupby(ordered, key=lambda c: c.group):
        listed = list(members)
        counts = {
            "tests": str(len(listed)),
            "failures": str(sum(c.state == FAILED for c in listed)),
            "skipped": str(sum(c.state == SKIPPED for c in listed)),
        }
        suite = ET.SubElement(root, "testsuite", {"name": group, **counts})
        for check in listed:
            case = ET.SubElement(suite, "testcase", {"classname": group, "name": check.name})
            if check.state == FAILED:
                failure = ET.SubElement(case, "failure", {"message": printable(check.seen)})
                failure.text = printable(f"seen {check.seen}\nmeans {check.means}\nnext {check.next_step}")
            elif check.state == SKIPPED:
                ET.SubElement(case, "skipped", {"message": printable(check.seen)})
            else:
                ET.SubElement(case, "system-out").text = printable(check.seen)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
