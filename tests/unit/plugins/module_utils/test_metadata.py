# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels and annotations are found wherever an object has them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils.metadata import annotations_of, labels_of


def test_labels_and_annotations_of_an_object() -> None:
    obj = {"metadata": {"name": "x", "labels": {"app": "shop"}, "annotations": {"note": "1"}}}
    assert labels_of(obj) == {"app": "shop"}
    assert annotations_of(obj) == {"note": "1"}


@pytest.mark.parametrize("obj", [None, {}, {"metadata": None}, {"metadata": {}}, {"metadata": {"labels": None}}])
def test_what_is_missing_or_null_has_none(obj: dict[str, t.Any] | None) -> None:
    assert labels_of(obj) == {}
    assert annotations_of(obj) == {}
