# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/gke-fields.md and the options of role gke_cluster say what the tables of fields say."""

from __future__ import annotations

import importlib.util
import typing as t
from pathlib import Path

import pytest
from googleapiclient.discovery_cache import get_static_doc

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.google.fields import (
    BY_HAND,
    CLUSTER_FIELDS,
    POOL_FIELDS,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import VARIABLES

ROOT = Path(__file__).resolve().parent.parent.parent


def page() -> t.Any:
    spec = importlib.util.spec_from_file_location("fields_page", ROOT / "tests" / "fields_page.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_fields_is_not_stale() -> None:
    made = page()
    assert made.PAGE.read_text(encoding="utf-8") == made.render(), "run: python tests/fields_page.py"
    assert made.SPEC.read_text(encoding="utf-8") == made.spec(), "run: python tests/fields_page.py"


def document() -> t.Any:
    import json

    return json.loads(get_static_doc("container", "v1"))["schemas"]


def followed(path: str, name: str) -> t.Any:
    """What Google's document says of a path below a message."""
    schemas = document()
    schema = schemas[name]
    for part in path.split("."):
        schema = schemas[schema["$ref"]] if "$ref" in schema else schema
        schema = schema.get("items", schema)
        schema = schemas[schema["$ref"]] if "$ref" in schema else schema
        schema = schema["properties"][part]
    return schema


@pytest.mark.parametrize("field", CLUSTER_FIELDS, ids=lambda f: f"{f.path} {f.call}")
def test_googles_document_has_a_clusters_field_and_call(field: t.Any) -> None:
    followed(field.path, "Cluster")
    method, _space, member = field.call.partition(" ")
    if method == "update":
        followed(member, "ClusterUpdate")


@pytest.mark.parametrize("field", POOL_FIELDS, ids=lambda f: f.path)
def test_googles_document_has_a_pools_field_and_call(field: t.Any) -> None:
    followed(field.path, "NodePool")
    if field.call:
        method, member = field.call.split()
        assert method == "nodePools.update"
        followed(member, "UpdateNodePoolRequest")


@pytest.mark.parametrize("row", BY_HAND, ids=lambda r: r.name)
def test_googles_document_has_what_is_written_by_hand(row: t.Any) -> None:
    if row.path:
        followed(row.path, "Cluster")
    assert row.name in VARIABLES or row.name == "taints"


def test_a_name_means_one_thing() -> None:
    texts: dict[str, set[str]] = {}
    for field in (*CLUSTER_FIELDS, *POOL_FIELDS):
        texts.setdefault(field.name, set()).add(field.description)
    assert [name for name, said in texts.items() if len(said) > 1] == []
