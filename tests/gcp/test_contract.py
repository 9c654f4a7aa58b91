# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every method of Google's that our code can call is called by a test of this folder.

Together with conftest.py, which holds each request of these tests against the documents, that is a contract test
of all our requests: a call that is written without a test fails here.
"""

from __future__ import annotations

import ast
import fnmatch
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._gcp.api.methods import VERSIONS
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.fields import (
    CLUSTER_FIELDS,
    POOL_FIELDS,
)

from .contract import breaches, known_methods

ROOT = Path(__file__).resolve().parent.parent.parent
CLUSTERS = "container.projects.locations.clusters."
# How the session looks at operations: it finds the method from what began them.
LOOKS = (
    "container.projects.locations.operations.get",
    "gkehub.projects.locations.operations.get",
    "serviceusage.operations.get",
    "compute.globalOperations.get",
    "compute.regionOperations.get",
)


def called() -> set[str]:
    """Methods that our code calls, by id; ``*`` where a part is known at run time only."""
    found = set(LOOKS)
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found |= _of(node, constants, steps="_gcp" in path.parts)
    # Calls that the tables of fields name.
    methods = {field.call.split()[0] for field in (*CLUSTER_FIELDS, *POOL_FIELDS) if field.call}
    return found | {CLUSTERS + method for method in methods}


def _of(node: ast.Call, constants: t.Mapping[str, str], *, steps: bool) -> set[str]:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    first = node.args[0] if node.args else None
    if name == "_alone" and isinstance(node.args[1], ast.Constant):
        return {CLUSTERS + str(node.args[1].value)}
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return set()
    if name == "Step" and steps:
        return {CLUSTERS + first.value}
    service = first.value.partition(":")[0]
    if name not in ("call", "pages") or service not in VERSIONS:
        return set()
    return {f"{service}.{_text(node.args[1], constants)}"}


def _text(node: ast.expr, constants: t.Mapping[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return constants.get(node.id, "*")
    if isinstance(node, ast.BinOp):
        return _text(node.left, constants) + _text(node.right, constants)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, constants) for part in node.values)
    return "*"


def test_the_calls_of_our_code_are_found() -> None:
    found = called()
    assert {CLUSTERS + "create", CLUSTERS + "list", CLUSTERS + "nodePools.setSize", "compute.networks.list"} <= found
    known = {name for service, version in VERSIONS.items() for name in known_methods(service, version)}
    known |= set(known_methods("serviceusage", "v1beta1"))
    unknown = {pattern for pattern in found if not fnmatch.filter(known, pattern)}
    assert unknown == set()


@pytest.mark.parametrize(
    ("method", "body", "said"),
    [
        ("container.projects.locations.clusters.create", {"cluster": {"nam": "x"}}, "'nam' was unexpected"),
        ("container.projects.locations.clusters.create", {"cluster": {"name": 3}}, "3 is not of type 'string'"),
        ("container.projects.locations.clusters.create", {"cluster": {"currentNodeCount": 3}}, "currentNodeCount"),
        ("container.projects.locations.clusters.delete", {"cluster": {}}, "a body where none belongs"),
        ("gkehub.projects.locations.memberships.create", {"labels": {"a": 1}}, "1 is not of type 'string'"),
    ],
)
def test_the_second_reader_finds_errors(method: str, body: dict[str, t.Any], said: str) -> None:
    (found,) = breaches({"method": method, "version": "v1", "body": body, "agent": "mesh.fleet"})
    assert said in found


def test_every_method_that_our_code_calls_was_called_by_a_test(exercised: set[str]) -> None:
    missing = {pattern for pattern in called() if not fnmatch.filter(exercised, pattern)}
    assert missing == set()
