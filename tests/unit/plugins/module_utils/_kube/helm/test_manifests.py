# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Helm's manifests are read as Helm reads them."""

from __future__ import annotations

from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.manifests import (
    as_helm_sends,
    documents,
    objects_in,
)

TEXT = """# Source: a/templates/one.yaml
kind: ConfigMap
metadata: {name: a}
data: {date: 2026-11-27, time: 12:30:45, mode: 0644, share: 1.5}
--- # Source: a/templates/two.yaml
kind: List
---
- a
---
kind: A
metadata:
"""


def test_objects_are_read_by_document_and_the_rest_left_out() -> None:
    first, *rest = documents(TEXT)
    assert first.startswith("# Source: a/templates/one.yaml")
    (one,) = objects_in(first)
    assert one["data"] == {"date": "2026-11-27", "time": "12:30:45", "mode": 0o644, "share": 1.5}
    assert [list(objects_in(part)) for part in rest] == [[], [], []]


def test_a_manifest_is_sent_with_helms_marks_and_without_nulls() -> None:
    meta = {"name": "a", "annotations": {"a": "b"}, "creationTimestamp": "2026-01-01T00:00:00Z"}
    manifest = {"metadata": meta, "status": {}, "list": [{"x": None, "y": 1}], "none": None}
    marks = {"meta.helm.sh/release-name": "istiod", "meta.helm.sh/release-namespace": "istio-system"}
    assert as_helm_sends(manifest, "istiod", "istio-system") == {
        "metadata": {
            "name": "a",
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"a": "b", **marks},
        },
        "list": [{"y": 1}],
    }
