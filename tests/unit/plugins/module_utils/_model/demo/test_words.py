# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of the walk-through."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.cast import cast_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.scenes import SCENES, scene_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.demo.words import (
    block,
    listed,
    rows,
    seconds,
    share_bar,
    yaml_of,
)

from ..fleets import TWO, fleet


@pytest.mark.parametrize(
    ("names", "text"), [([], "none"), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed(names: list[str], text: str) -> None:
    assert listed(names) == text


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_bar_is_always_as_wide(part: int, more: int) -> None:
    drawn = share_bar(part, part + more)
    assert len(drawn) == len(share_bar(0, 1))
    assert drawn.endswith(f" {part / ((part + more) or 1) * 100:3.0f} %")


def test_times_are_one_or_a_range() -> None:
    assert (seconds([]), seconds([1.0, 1.001]), seconds([1.0, 1.02])) == ("no time", "1.00 s", "1.00 to 1.02 s")


@pytest.mark.parametrize("key", SCENES)
def test_a_printed_policy_can_be_copied(key: str) -> None:
    """Into mesh_traffic, where it says the same."""
    policy = scene_of(key, cast_of(fleet(TWO), list(TWO))).policy
    lines = yaml_of(policy)
    read: t.Any = yaml.safe_load("\n".join(lines))
    assert read == [policy]
    assert max(map(len, lines)) < 95


def test_columns_and_labels_are_aligned() -> None:
    assert rows([("a", "1"), ("long", "2")]) == ("a     1", "long  2")
    assert block("done", ["one", "two"]) == ["     done       one", "                two"]
