# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels of the nodes of this machine's clusters."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.kind import label_words, node_labels
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet

NOWHERE = Environment(state_dir="/nowhere", variables={})


def labels(**variables: t.Any) -> dict[str, str]:
    return node_labels(read_fleet({"west": {"cluster_provider": "kind", **variables}}, NOWHERE).clusters["west"])


def test_a_node_says_where_it_is() -> None:
    assert labels(cluster_region="us-west1", cluster_labels={"team": "a"}) == {
        "topology.kubernetes.io/region": "us-west1",
        "team": "a",
    }


@pytest.mark.parametrize(
    ("wanted", "ours", "words", "record"),
    [
        ({"a": "1"}, "", ["a=1"], "a"),
        ({"a": "2", "b": "1"}, "a", ["a=2", "b=1"], "a,b"),
        ({"a": "1"}, "a,b", ["a=1", "b-"], "a"),
        ({}, "a", ["a-"], ""),
        ({}, "", [], ""),
    ],
)
def test_labels_change_and_go(wanted: dict[str, str], ours: str, words: list[str], record: str) -> None:
    assert label_words(wanted, ours) == (words, record)
