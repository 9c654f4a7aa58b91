# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Helm recorded about a release, and whether that is what is wanted.

Helm keeps each revision in a Secret ``sh.helm.release.v1.<name>.v<n>``, which holds the chart and
the user's values. Comparing those costs milliseconds; starting Helm costs seconds.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import dataclasses
import datetime
import gzip
import json
import typing as t

from ...errors import FleetError
from ...metadata import labels_of
from .charts import Chart

__all__ = ["Plan", "Record", "decode", "newest", "not_arrived", "plan"]

INSTALL = "install"
UPGRADE = "upgrade"
UNCHANGED = "unchanged"
REMOVE = "remove"
ABSENT = "absent"

_PENDING = ("pending-install", "pending-upgrade", "pending-rollback")
_GONE = ("uninstalled",)


@dataclasses.dataclass(frozen=True)
class Record:
    """One revision of a release, as Helm wrote it."""

    secret: str
    name: str
    namespace: str
    revision: int
    status: str
    changed_at: datetime.datetime | None
    description: str
    values: t.Mapping[str, t.Any]
    chart: t.Mapping[str, t.Any] = dataclasses.field(repr=False)
    manifest: str = dataclasses.field(default="", repr=False)
    """The release's objects as Helm rendered them, without hooks."""

    @property
    def pending(self) -> bool:
        return self.status in _PENDING

    @property
    def chart_version(self) -> str:
        return str((self.chart.get("metadata") or {}).get("version") or "")

    @property
    def app_version(self) -> str:
        return str((self.chart.get("metadata") or {}).get("appVersion") or "")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What has to be done to one release, and why."""

    action: str
    why: str = ""
    record: Record | None = None
    interrupted: bool = False
    """An interrupted run left the newest revision: its record has to be removed first."""

    @property
    def changes(self) -> bool:
        return self.action not in (UNCHANGED, ABSENT)


def decode(secret: t.Mapping[str, t.Any]) -> Record:
    """Read one of Helm's Secrets. Raises FleetError when it is not one."""
    name = str(secret.get("metadata", {}).get("name", ""))
    try:
        raw = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        body = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        info = body.get("info") or {}
        return Record(
            secret=name,
            name=str(body["name"]),
            namespace=str(body.get("namespace") or ""),
            revision=int(body.get("version") or 1),
            status=str(info.get("status") or "unknown"),
            changed_at=_time(str(info.get("last_deployed") or "")),
            description=str(info.get("description") or ""),
            values=body.get("config") or {},
            chart=body.get("chart") or {},
            manifest=str(body.get("manifest") or ""),
        )
    except (KeyError, TypeError, ValueError, OSError, EOFError, binascii.Error) as error:
        raise FleetError(
            "Helm's record of a release cannot be read",
            obj=f"Secret {secret.get('metadata', {}).get('namespace', '')}/{name}",
            seen=type(error).__name__,
            means="it was written by something other than Helm 3 or 4, or it is damaged",
            next_step="look at it with `helm history`; if Helm cannot read it either, save a copy of the Secret, then "
            "delete it",
        ) from error


def _time(text: str) -> datetime.datetime | None:
    if not text:
        return None
    head, _dot, tail = text.partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    try:  # Go writes nanoseconds, Python reads microseconds
        return datetime.datetime.fromisoformat(f"{head}.{digits[:6]}{tail[len(digits) :]}" if digits else text)
    except ValueError:
        return None


def newest(secrets: t.Iterable[t.Mapping[str, t.Any]], name: str) -> Record | None:
    """The latest revision of release ``name`` among Helm's Secrets; None when there is none.

    Only that one is decoded: a revision holds a whole chart.
    """
    mine = [s for s in secrets if labels_of(s).get("name") == name]
    if not mine:
        return None
    return decode(max(mine, key=lambda s: int(labels_of(s).get("version") or 0)))


def plan(
    record: Record | None,
    values: t.Mapping[str, t.Any],
    chart: Chart | None,
    version: str = "",
    present: bool = True,
) -> Plan:
    """Decide what one release needs.

    Args:
        record: its newest revision, or None.
        values: the user's values as they should be.
        chart: the chart on this machine; None for one in a repository, of which only ``version`` is compared.
        version: wanted chart version; "" accepts any.
        present: whether the release should be there at all.
    """
    if not present:
        if record is None or record.status in _GONE:
            return Plan(ABSENT)
        return Plan(REMOVE, f"it is {record.status}", record)
    if record is None or record.status in _GONE:
        return Plan(INSTALL, "it is not installed", record)
    if record.pending:
        first = record.status == "pending-install"
        return Plan(INSTALL if first else UPGRADE, f"a run left it {record.status}", record, interrupted=True)
    if record.status == "uninstalling":
        return Plan(INSTALL, "a run left it uninstalling", record, interrupted=True)
    if record.status != "deployed":
        return Plan(UPGRADE, f"it is {record.status}: {record.description}", record)
    if _bare(record.values) != _bare(values):
        return Plan(UPGRADE, "its values differ", record)
    difference = _chart_difference(record, chart, version)
    return Plan(UPGRADE, difference, record) if difference else Plan(UNCHANGED, "", record)


def not_arrived(
    before: Record | None,
    after: Record | None,
    values: t.Mapping[str, t.Any],
    version: str = "",
    present: bool = True,
) -> str:
    """Why the record that Helm left is not that of a change which came; "" when it is.

    Args:
        before, after: the newest revision before Helm was started, and after it ended well.
        values, version, present: as for :func:`plan`.
    """
    left = plan(after, values, None, version, present)
    if left.changes:
        return left.why
    if present and before is not None and after is not None and after.revision == before.revision:
        return f"it is still revision {before.revision}"
    return ""


def _bare(value: t.Any) -> t.Any:
    """As JSON has it: what Helm stored went through JSON, where 1.0 is 1, and a date a string."""
    if isinstance(value, t.Mapping):
        return {str(k): _bare(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_bare(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _chart_difference(record: Record, chart: Chart | None, version: str) -> str:
    """Why the recorded chart is not the wanted one; "" when it is."""
    if chart is None:
        return f"chart {record.chart_version} → {version}" if version and version != record.chart_version else ""
    if chart.version != record.chart_version or chart.app_version != record.app_version:
        return f"chart {record.chart_version} → {chart.version}"
    recorded = {
        str(f["name"]): str(f.get("data") or "")
        for part in ("templates", "files")
        for f in record.chart.get(part) or []
    }
    for name, data in recorded.items():
        if base64.b64encode(chart.files.get(name, b"").removeprefix(codecs.BOM_UTF8)).decode() != data:
            return f"the chart's {name} differs"
    for name in chart.files:
        if name.startswith("templates/") and name not in recorded and not chart.ignores(name):
            return f"the chart's {name} is new"
    if _bare(record.chart.get("values") or {}) != _bare(chart.values):
        return "the chart's values.yaml differs"
    return ""
