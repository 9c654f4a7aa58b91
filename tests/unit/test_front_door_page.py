# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every snippet of docs/front-door.md is right. Its first route is the one that the end-to-end test calls."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import PROVIDERS
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.validation.hosts import problems_with
from tests.e2e.door import ROUTE

PAGE = (Path(__file__).parents[2] / "docs" / "front-door.md").read_text(encoding="utf-8")
SNIPPETS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
HOSTS = {"west": {"cluster_region": "us-west1"}, "north": {"cluster_region": "europe-north1"}}
EXISTING = {
    name: {**more, "cluster_provider": "kubeconfig", "cluster_kubeconfig": f"~/.kube/{name}"}
    for name, more in HOSTS.items()
}
"""With machines of the user's."""


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_a_snippet_is_taken(number: int) -> None:
    values: dict[str, t.Any] = {"front_door_routes": [ROUTE], **SNIPPETS[number]}
    assert problems_with(EXISTING if "front_door_addresses" in values else HOSTS, **values) == []


def test_the_first_route_is_the_one_that_is_called() -> None:
    assert SNIPPETS[0] == {"front_door_routes": [ROUTE]}


def test_every_provider_has_its_line() -> None:
    named = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(named) == sorted(name for name, provider in PROVIDERS.items() if provider.front_door)
