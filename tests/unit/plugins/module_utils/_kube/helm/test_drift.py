# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose values stay when a release is put right; with a real API server in tests/api/test_helm_releases.py."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.helm import drift

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    "helm.sh/resource-policy": keep
  labels:
    name: wrong
  name: wasmplugins.extensions.istio.io
spec:
  names:
    kind: WasmPlugin
"""
ENV = {'k:{"name":"BY_HAND"}': {".": {}, "f:name": {}, "f:value": {}}}
CONTAINER = {'k:{"name":"discovery"}': {"f:image": {}, "f:env": ENV}}


def entry(manager: str, fields: dict[str, t.Any], **more: str) -> dict[str, t.Any]:
    return {"manager": manager, "operation": "Update", "time": "2026-11-26T11:15:00Z", "fieldsV1": fields, **more}


def deployment(image: str, *managed: dict[str, t.Any], replicas: int = 1, env: bool = False) -> dict[str, t.Any]:
    container: dict[str, t.Any] = {"name": "discovery", "image": image}
    if env:
        container["env"] = [{"name": "BY_HAND", "value": "1"}]
    return {
        "kind": "Deployment",
        "metadata": {"name": "istiod", "resourceVersion": "7", "managedFields": list(managed)},
        "spec": {"replicas": replicas, "containers": [container]},
    }


def changed(manager: str, strict: bool, **more: t.Any) -> dict[str, t.Any]:
    """An istiod whose image and environment ``manager`` set, put right."""
    mine = entry(manager, {"f:spec": {"f:containers": CONTAINER}})
    live = deployment("theirs", mine, env=True)
    asked = copy.deepcopy(live)
    asked["spec"]["containers"][0]["image"] = "ours"
    of_helm = {"f:spec": {"f:containers": {'k:{"name":"discovery"}': {".": {}, "f:name": {}, "f:image": {}}}}}
    asked["metadata"]["managedFields"].append(entry("mesh.fleet-compare", of_helm))
    right = drift._right(live, asked, strict)
    container: dict[str, t.Any] = right["spec"]["containers"][0]
    return container


@pytest.mark.parametrize("strict", [True, False])
def test_what_a_person_changed_or_added_goes(strict: bool) -> None:
    assert changed("kubectl-edit", strict) == {"name": "discovery", "image": "ours", "env": []}


@pytest.mark.parametrize("manager", ["kube-controller-manager", "pilot-discovery", "shop-operator", "mesh.fleet"])
def test_what_a_controller_set_stays(manager: str) -> None:
    assert changed(manager, True)["image"] == "theirs"
    assert changed(manager, True)["env"]


def test_unknown_programs_stay_in_charts_of_the_users_alone() -> None:
    assert changed("a-program-of-theirs", False)["image"] == "theirs"
    assert changed("a-program-of-theirs", True)["image"] == "ours"


@pytest.mark.parametrize(("replicas", "left"), [(0, None), (3, 3)])
def test_an_autoscaler_goes_on_from_anything_but_zero(replicas: int, left: int | None) -> None:
    mine = [entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")] if replicas else []
    live = deployment("ours", *mine, replicas=replicas)
    assert drift._right(live, live, True)["spec"].get("replicas") == left
    assert drift._right(live, live, False)["spec"].get("replicas") == replicas


def test_marks_and_restarts_of_people_stay() -> None:
    restart = {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}
    live = deployment("ours", entry("kubectl", {"f:metadata": {"f:labels": {"f:team": {}}}, "f:spec": restart}))
    live["metadata"]["labels"] = {"team": "x"}
    live["spec"]["template"] = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
    assert drift._right(live, live, True) == live


def test_a_crd_is_not_parsed_and_its_name_is_found() -> None:
    found = drift._manifests(f"# Source: a\n---\nkind: Service\nmetadata:\n  name: a\n---\n{CRD}\n---\n# nothing\n")
    assert [obj if isinstance(obj, str) else obj["kind"] for obj in found] == ["Service", f"\n{CRD}\n"]
    match = drift._CRD_NAME.search(CRD)
    assert match
    assert match[1] == "wasmplugins.extensions.istio.io"


@pytest.mark.parametrize(
    ("live", "wanted", "there"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "c": None, "d": {}, "e": []}, True),
        ({"a": [{"x": 1, "y": 2}]}, {"a": [{"x": 1}]}, True),
        ({"a": [{"x": 1}, {"x": 2}]}, {"a": [{"x": 1}]}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"cpu": "1"}, {"cpu": "1000m"}, False),
    ],
)
def test_a_manifest_that_is_in_the_object_needs_no_dry_run(live: t.Any, wanted: t.Any, there: bool) -> None:
    assert drift._contains(live, wanted) is there
