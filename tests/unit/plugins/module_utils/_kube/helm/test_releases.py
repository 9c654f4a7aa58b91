# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import base64
import datetime
import gzip
import json
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm import charts, releases
from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.errors import explain
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

TEMPLATE = b"kind: ConfigMap\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chart = tmp_path / "tiny"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: tiny, version: 1.0.0, appVersion: '7'}")
    (chart / "values.yaml").write_text("a: 1\n")
    (chart / "templates" / "it.yaml").write_bytes(TEMPLATE)
    return chart


def secret(revision: int = 1, status: str = "deployed", values: t.Any = None, **chart: t.Any) -> dict[str, t.Any]:
    body = {
        "name": "tiny",
        "namespace": "apps",
        "version": revision,
        "config": values,
        "info": {"status": status, "last_deployed": "2026-11-21T08:36:04.941697123Z", "description": "its reason"},
        "chart": {
            "metadata": {"name": "tiny", "version": "1.0.0", "appVersion": "7"},
            "templates": [{"name": "templates/it.yaml", "data": base64.b64encode(TEMPLATE).decode()}],
            "files": [],
            "values": {"a": 1},
            **chart,
        },
    }
    packed = base64.b64encode(gzip.compress(json.dumps(body).encode()))
    return {
        "metadata": {
            "name": f"sh.helm.release.v1.tiny.v{revision}",
            "namespace": "apps",
            "labels": {"owner": "helm", "name": "tiny", "version": str(revision), "status": status},
        },
        "data": {"release": base64.b64encode(packed).decode()},
    }


def test_the_newest_revision_counts_by_number_not_by_text() -> None:
    record = releases.newest([secret(9, "superseded"), secret(10)], "tiny")
    assert record is not None
    assert (record.revision, record.status, record.secret) == (10, "deployed", "sh.helm.release.v1.tiny.v10")
    assert record.changed_at == datetime.datetime(2026, 11, 21, 8, 36, 4, 941697, tzinfo=datetime.UTC)
    assert releases.newest([secret()], "other") is None


def test_a_damaged_record_is_named() -> None:
    broken = secret()
    broken["data"]["release"] = base64.b64encode(b"bm9wZQ==").decode()
    with pytest.raises(FleetError, match=r"apps/sh\.helm\.release\.v1\.tiny\.v1.*cannot be read"):
        releases.decode(broken)


def planned(folder: Path, values: t.Any, *secrets: dict[str, t.Any], **more: t.Any) -> releases.Plan:
    return releases.plan(releases.newest(secrets, "tiny"), values, charts.read_chart(str(folder)), **more)


def test_what_is_as_it_should_be_is_left_alone(folder: Path) -> None:
    assert planned(folder, {"b": 2.0}, secret(values={"b": 2})).action == "unchanged"
    assert planned(folder, {}, secret(values=None)).action == "unchanged"


@pytest.mark.parametrize(
    ("made", "values", "action", "why"),
    [
        ([], {}, "install", "it is not installed"),
        ([secret(status="uninstalled")], {}, "install", "it is not installed"),
        ([secret(values={"b": 1})], {"b": 2}, "upgrade", "its values differ"),
        ([secret(values={"b": True})], {"b": False}, "upgrade", "its values differ"),
        ([secret(status="failed")], {}, "upgrade", "it is failed: its reason"),
        ([secret(values={}, metadata={"version": "0.9.0"})], {}, "upgrade", "chart 0.9.0 → 1.0.0"),
        ([secret(templates=[])], {}, "upgrade", "the chart's templates/it.yaml is new"),
        (
            [secret(templates=[{"name": "templates/it.yaml", "data": "eA=="}])],
            {},
            "upgrade",
            "the chart's templates/it.yaml differs",
        ),
        (
            [secret(files=[{"name": "files/gone", "data": "eA=="}])],
            {},
            "upgrade",
            "the chart's files/gone differs",
        ),
    ],
)
def test_what_differs_is_reported(
    folder: Path, made: list[dict[str, t.Any]], values: dict[str, t.Any], action: str, why: str
) -> None:
    plan = planned(folder, values, *made)
    assert (plan.action, plan.why, plan.changes) == (action, why, True)


@pytest.mark.parametrize(
    ("status", "action"),
    [
        ("pending-install", "install"),
        ("pending-upgrade", "upgrade"),
        ("pending-rollback", "upgrade"),
        ("uninstalling", "install"),
    ],
)
def test_what_a_killed_run_left_is_done_again(folder: Path, status: str, action: str) -> None:
    plan = planned(folder, {}, secret(1), secret(2, status))
    assert (plan.action, plan.interrupted) == (action, True)


def test_absent(folder: Path) -> None:
    assert planned(folder, {}, present=False).action == "absent"
    assert planned(folder, {}, secret(), present=False).action == "remove"


def test_a_chart_of_a_repository_is_compared_by_version() -> None:
    record = releases.newest([secret()], "tiny")
    assert releases.plan(record, {}, None, "1.0.0").action == "unchanged"
    assert releases.plan(record, {}, None, "1.1.0").why == "chart 1.0.0 → 1.1.0"


def test_a_chart_reads_the_same_from_folder_and_archive(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "tiny-1.0.0.tgz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(folder, "tiny")
    assert charts.read_chart(str(packed)) == charts.read_chart(str(folder))


def test_a_changed_file_is_read_again(folder: Path) -> None:
    first = charts.read_chart(str(folder))
    (folder / "values.yaml").write_text("a: 12\n")
    second = charts.read_chart(str(folder))
    assert first is not None
    assert second is not None
    assert (first.values, second.values) == ({"a": 1}, {"a": 12})


def test_what_is_no_chart_is_named(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="there is no Helm chart"):
        charts.read_chart(str(tmp_path / "nothing"))
    with pytest.raises(FleetError, match="not a Helm chart"):
        charts.read_chart(str(tmp_path))
    assert charts.read_chart("oci://registry/charts/tiny") is None


@pytest.mark.parametrize(
    ("output", "means"),
    [
        (
            "Error: UPGRADE FAILED: values don't meet the specifications of the schema(s) in the following chart(s):\n"
            "gateway:\n- at '': additional properties 'nonsense' not allowed\n",
            "the chart refuses a value",
        ),
        (
            "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
            "somebody else changes this release at the same time",
        ),
        ("Error: Kubernetes cluster unreachable: dial tcp", "the API server is not reachable from here"),
    ],
)
def test_helms_output_becomes_an_error(output: str, means: str) -> None:
    error = explain(f"WARNING: noise\n{output}", "west", "release apps/tiny", "upgrade")
    assert error.means == means
    assert error.next_step
    assert (error.cluster, error.obj) == ("west", "release apps/tiny")
    assert "WARNING" not in error.seen
    assert "Error:" not in error.seen


def test_a_refused_value_is_quoted() -> None:
    error = explain("Error: x\ngateway:\n- at '': additional properties 'nonsense' not allowed", "w", "r", "install")
    assert "additional properties 'nonsense' not allowed" in error.seen


@pytest.mark.parametrize(
    ("before", "after", "present", "why"),
    [
        (None, secret(1), True, ""),
        (secret(1), secret(2), True, ""),
        (secret(1), secret(1), True, "it is still revision 1"),
        (secret(1), secret(2, "failed"), True, "it is failed: its reason"),
        (secret(1), secret(2, values={"b": 1}), True, "its values differ"),
        (secret(1), None, True, "it is not installed"),
        (secret(1), None, False, ""),
        (secret(1), secret(1), False, "it is deployed"),
    ],
)
def test_a_change_that_did_not_come_is_told(before: t.Any, after: t.Any, present: bool, why: str) -> None:
    old, new = (releases.decode(found) if found else None for found in (before, after))
    assert releases.not_arrived(old, new, {}, "", present) == why


@pytest.mark.parametrize("rules", ["*.bak\n", "# all\ntemplates/it.yaml.bak", "!it.yaml\n"])
def test_what_helm_ignores_is_no_difference(folder: Path, rules: str) -> None:
    (folder / "templates" / "it.yaml.bak").write_text("x")
    (folder / "templates" / ".hidden").write_text("x")
    record = releases.decode(secret())
    assert releases.plan(record, {}, charts.read_chart(str(folder))).why == "the chart's templates/it.yaml.bak is new"
    (folder / ".helmignore").write_text(rules)
    assert not releases.plan(record, {}, charts.read_chart(str(folder))).changes


def test_a_byte_order_mark_is_no_difference(folder: Path) -> None:
    (folder / "templates" / "it.yaml").write_bytes(b"\xef\xbb\xbf" + TEMPLATE)
    assert not releases.plan(releases.decode(secret()), {}, charts.read_chart(str(folder))).changes


def test_a_date_is_recorded_as_text() -> None:
    record = releases.decode(secret(values={"day": "2026-11-21"}))
    assert not releases.plan(record, {"day": datetime.date(2026, 11, 21)}, None).changes
