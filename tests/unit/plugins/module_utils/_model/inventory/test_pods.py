# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ``mesh_pods`` may say, and what becomes of it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.pods import (
    PodSettings,
    pod_settings,
    read_pod_settings,
)

WHOLE = {
    "node_selector": {"pool": "mesh"},
    "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "mesh", "effect": "NoSchedule"}],
    "image_pull_secrets": ["registry.example"],
    "resources": {"requests": {"cpu": "50m"}, "limits": {"cpu": 1, "memory": "128Mi"}},
}


def test_a_whole_value_becomes_fields_of_a_pod() -> None:
    assert pod_settings(WHOLE) is None
    assert read_pod_settings(WHOLE).spec() == {
        "nodeSelector": {"pool": "mesh"},
        "tolerations": WHOLE["tolerations"],
        "imagePullSecrets": [{"name": "registry.example"}],
    }
    assert pod_settings({}) is None
    assert read_pod_settings({}) == PodSettings()
    assert PodSettings().spec() == {}


def test_a_limit_alone_is_never_below_what_we_request() -> None:
    ours = {"cpu": "10m", "memory": "256Mi"}
    assert PodSettings().container_resources(ours) == {"requests": ours}
    found = read_pod_settings(WHOLE).container_resources(ours)
    assert found == {"requests": {"cpu": "50m"}, "limits": {"cpu": "1", "memory": "128Mi"}}


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ({"node_selectors": {}}, "has node_selectors, which is unknown", "did you mean node_selector?"),
        ({"x": 1}, "has x, which is unknown", "one of: node_selector, tolerations"),
        ({"node_selector": ["a"]}, "has node_selector, which is not a dictionary", "pool: mesh"),
        ({"node_selector": {"a": True}}, "has node_selector, which has a value for a that is not text", "quotes"),
        ({"tolerations": {"key": "a"}}, "has tolerations, which is not a list", "dedicated"),
        ({"tolerations": ["a"]}, "what is not a dictionary", "dedicated"),
        ({"tolerations": [{"kee": "a"}]}, "has tolerations: kee, which is unknown", "did you mean key?"),
        ({"tolerations": [{"key": "a", "operator": "exists"}]}, "with operator 'exists'", "one of: Exists, Equal"),
        ({"tolerations": [{"key": "a", "effect": "No"}]}, "with effect 'No'", "NoSchedule"),
        ({"tolerations": [{"key": 1}]}, "a key that is not text", "quotes"),
        ({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}, "operator Exists and a value", "Equal"),
        ({"tolerations": [{"effect": "NoSchedule"}]}, "without a key", "tolerates every taint"),
        ({"tolerations": [{"key": "a", "tolerationSeconds": 5}]}, "with tolerationSeconds", "NoExecute"),
        ({"image_pull_secrets": "pull"}, "has image_pull_secrets, which is not a list", "names"),
        ({"image_pull_secrets": [{"name": "pull"}]}, "what is not a Secret's name", "[pull]"),
        ({"resources": {"limit": {}}}, "has resources: limit, which is unknown", "did you mean limits?"),
        ({"resources": {"limits": "1"}}, "has resources: limits, which is not a dictionary", "cpu: 50m"),
        ({"resources": {"limits": {"cpu": "fast"}}}, "limits: cpu that is no quantity", "50m"),
    ],
)
def test_a_wrong_value_is_named(value: dict[str, t.Any], message: str, hint: str) -> None:
    fault = pod_settings(value)
    assert fault is not None
    assert message in fault.message
    assert hint in fault.hint
