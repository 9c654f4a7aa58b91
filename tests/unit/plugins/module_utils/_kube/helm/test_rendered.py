# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ``helm template`` prints as objects; with a real Helm in tests/api/test_render.py."""

from __future__ import annotations

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm.rendered import record_release
from ansible_collections.mesh.fleet.plugins.module_utils._kube.recording import Recording
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

PRINTED = """---
# Source: own/crds/widgets.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec: {group: example.com, scope: Cluster, names: {kind: Widget}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.com}
spec: {group: example.com, scope: Namespaced, names: {kind: Gadget}}
---
# Source: own/templates/all.yaml
apiVersion: example.com/v1
kind: Gadget
metadata: {name: g}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: s}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: p}
---
apiVersion: unknown.example/v1
kind: Thing
metadata: {name: t}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: elsewhere}
data: {date: 2026-11-27, time: 12:30:45, mode: 0644}
empty:
---
# Source: own/charts/sub/templates/crds/no.yaml
apiVersion: batch/v1
kind: Job
metadata:
  name: hook
  annotations: {helm.sh/hook: pre-install}
---
# Source: own/charts/sub/templates/nothing.yaml
"""


@pytest.fixture
def record() -> Recording:
    record = Recording()
    record_release(record, "west", "own", "shop", PRINTED)
    return record


def test_objects_get_the_namespace_of_their_release(record: Recording) -> None:
    namespaces = {obj["metadata"]["name"]: obj["metadata"].get("namespace") for obj in record.objects["west"].values()}
    crds = {"widgets.example.com": None, "gadgets.example.com": None}
    assert namespaces == {**crds, "g": "shop", "w": None, "s": None, "p": None, "t": "shop", "c": "elsewhere"}


def test_helms_marks_are_on_what_helm_marks(record: Recording) -> None:
    marked = {
        obj["metadata"]["name"]
        for obj in record.objects["west"].values()
        if (obj["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by") == "Helm"
    }
    assert marked == {"g", "w", "s", "p", "t", "c"}


def test_texts_are_read_as_helm_reads_them(record: Recording) -> None:
    config = record.objects["west"]["", "ConfigMap", "elsewhere", "c"]
    assert config["data"] == {"date": "2026-11-27", "time": "12:30:45", "mode": 0o644}
    assert "empty" not in config


def test_a_hook_is_named(record: Recording) -> None:
    (left,) = record.left_out.values()
    assert left.object == "Job hook of release shop/own"
    assert "hook (pre-install)" in left.why and left.instead


def test_what_is_no_yaml_is_refused() -> None:
    with pytest.raises(FleetError, match="not YAML"):
        record_release(Recording(), "west", "own", "shop", "kind: [")
