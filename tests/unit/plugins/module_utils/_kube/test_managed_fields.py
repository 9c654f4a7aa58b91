# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths of managed fields, as an API server wrote them, and what is at them."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.managed_fields import (
    MISSING,
    Path,
    assign,
    entries,
    leaves,
    remove,
    status_managers,
    value_at,
)

ENV = ("f:spec", "f:containers", 'k:{"name":"discovery"}', "f:env", 'k:{"name":"A"}')
OBJ: dict[str, t.Any] = {
    "metadata": {"finalizers": ["x", "y"]},
    "spec": {
        "replicas": 0,
        "numbers": [0],
        "containers": [{"name": "other"}, {"name": "discovery", "env": [{"name": "A", "value": "1"}]}],
        "ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}],
    },
}


def test_leaves_are_fields_and_whole_entries() -> None:
    fields = {"f:spec": {"f:replicas": {}, "f:env": {".": {}, 'k:{"name":"A"}': {".": {}, "f:value": {}}}}}
    assert list(leaves({"fieldsV1": fields})) == [
        ("f:spec", "f:replicas"),
        ("f:spec", "f:env", 'k:{"name":"A"}'),
        ("f:spec", "f:env", 'k:{"name":"A"}', "f:value"),
    ]
    assert list(leaves({})) == list(leaves({"fieldsV1": None})) == []
    assert list(leaves({"fieldsV1": {".": {}, "f:data": {}}})) == [("f:data",)], "the object itself is no field"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("f:spec", "f:replicas"), 0),
        ((*ENV, "f:value"), "1"),
        (("f:metadata", "f:finalizers", 'v:"y"'), "y"),
        (("f:spec", "f:ports", 'k:{"port":80,"protocol":"UDP"}', "f:port"), 80),
        (("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}'), {"port": 80}),
        (("f:spec", "f:nothing", "f:there"), MISSING),
        (("f:spec", "f:containers", 'k:{"name":"none"}'), MISSING),
        (("f:spec", "f:replicas", "f:deeper"), MISSING),
        (("f:spec", "f:replicas", 'v:"x"'), MISSING),
        (("f:metadata", "f:finalizers", "f:x"), MISSING),
        (("f:metadata", "f:finalizers", 'v:"x"'), "x"),
        (("f:metadata", "f:finalizers", 'k:{"name":"x"}'), MISSING),
        (("f:spec", "f:containers", 'v:{"name":"none"}'), MISSING),
        (("f:spec", "f:containers", 'v:{"name":"discovery"}'), MISSING),
        (("f:spec", "f:numbers", "v:0"), 0),
        (("f:spec", "f:numbers", "i:0"), MISSING),
        (("f:spec", "f:containers", 'k:{"name":"other"}'), {"name": "other"}),
        ((), OBJ),
    ],
)
def test_the_value_at_a_path(path: Path, value: t.Any) -> None:
    assert value_at(OBJ, path) == value


def test_values_are_set_and_removed() -> None:
    obj = copy.deepcopy(OBJ)
    assign(obj, ("f:spec", "f:replicas"), 2)
    assign(obj, ("f:spec", "f:nowhere", "f:replicas"), 2)
    remove(obj, ENV)
    remove(obj, ("f:spec", "f:nowhere"))
    remove(obj, ("f:metadata", "f:finalizers", 'v:"x"'))
    assert obj["spec"]["replicas"] == 2
    assert obj["spec"]["containers"][1] == {"name": "discovery", "env": []}
    assert obj["metadata"]["finalizers"] == ["y"]


def test_what_is_not_there_is_neither_set_nor_removed() -> None:
    obj = copy.deepcopy(OBJ)
    assign(obj, ("f:spec", "f:containers", 'k:{"name":"new"}'), {"name": "new"})
    assign(obj, ("f:spec", "f:replicas", "f:deeper"), 1)
    assign(obj, ("f:spec", "f:containers", "f:name"), 1)
    assign(obj, ("f:spec", 'v:"x"'), 1)
    remove(obj, ("f:spec", "f:containers", 'k:{"name":"new"}'))
    remove(obj, ("f:nowhere", "f:replicas"))
    assert obj == OBJ
    assign(obj, ("f:spec", "f:new"), 1)
    remove(obj, ("f:spec", "f:replicas"))
    assert obj["spec"] == {"new": 1, **{key: value for key, value in OBJ["spec"].items() if key != "replicas"}}


def test_the_status_is_nobodys() -> None:
    managed = [{"manager": "kubelet", "subresource": "status"}, {"manager": "helm"}]
    assert entries({"metadata": {"managedFields": managed}}) == [{"manager": "helm"}]
    assert entries({}) == entries({"metadata": {"managedFields": None}}) == []


def test_status_is_of_those_who_wrote_it_by_itself() -> None:
    written = [
        {"manager": "kubectl", "operation": "Update"},
        {"manager": "controller", "operation": "Update", "subresource": "status"},
        {"manager": "autoscaler", "operation": "Update", "subresource": "scale"},
    ]
    assert status_managers({"metadata": {"managedFields": written}}) == {"controller"}
    assert status_managers({"metadata": {"managedFields": None}}) == set()
