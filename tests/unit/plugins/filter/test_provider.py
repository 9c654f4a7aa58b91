# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter by which playbooks know a cluster's provider."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleTypeError

from ansible_collections.mesh.fleet.plugins.filter.provider import provider


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, {"name": "kind", "local": True, "multicluster": False}),
        ({"cluster_provider": ""}, {"name": "kind", "local": True, "multicluster": False}),
        ({"cluster_provider": "gke"}, {"name": "gke", "local": False, "multicluster": True}),
        ({"cluster_provider": "kubeconfig"}, {"name": "kubeconfig", "local": False, "multicluster": False}),
        ({"cluster_provider": "kinnd"}, {"name": "", "local": False, "multicluster": False}),
    ],
)
def test_what_depends_on_a_hosts_provider(variables: dict[str, t.Any], found: dict[str, t.Any]) -> None:
    assert provider(variables) == found


def test_anything_but_variables_is_an_error() -> None:
    with pytest.raises(AnsibleTypeError):
        provider("kind")


def test_no_playbook_and_no_role_knows_the_default(root: Path) -> None:
    files = [*root.glob("playbooks/*.yml"), *root.glob("roles/*/tasks/*.yml"), *root.glob("roles/*/defaults/*.yml")]
    assert [str(f) for f in files if re.search(r"cluster_provider|default\(.kind.\)", f.read_text())] == []
