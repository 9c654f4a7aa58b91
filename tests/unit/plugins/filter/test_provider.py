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
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.base import Provider
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import PROVIDERS


@pytest.mark.parametrize(
    ("variables", "name", "roles", "local", "multicluster", "door"),
    [
        ({}, "kind", ("kind_cluster", ""), True, False, "engine"),
        ({"cluster_provider": ""}, "kind", ("kind_cluster", ""), True, False, "engine"),
        ({"cluster_provider": "gke"}, "gke", ("gke_cluster", "gke_fleet"), False, True, "google"),
        ({"cluster_provider": "kubeconfig"}, "kubeconfig", ("", ""), False, False, "files"),
        ({"cluster_provider": "kinnd"}, "", ("", ""), False, False, ""),
    ],
)
def test_what_depends_on_a_hosts_provider(
    variables: dict[str, t.Any], name: str, roles: tuple[str, str], local: bool, multicluster: bool, door: str
) -> None:
    role, fleet_role = roles
    assert provider(variables) == {
        "name": name,
        "role": role,
        "fleet_role": fleet_role,
        "local": local,
        "multicluster": multicluster,
        "front_door": door,
    }


@pytest.mark.parametrize("one", PROVIDERS.values(), ids=PROVIDERS)
def test_the_roles_of_a_provider_are_there(root: Path, one: Provider) -> None:
    roles = [role for role in (one.role, one.fleet_role) if role]
    assert [role for role in roles if not (root / "roles" / role / "tasks/absent.yml").exists()] == []


def test_anything_but_variables_is_an_error() -> None:
    with pytest.raises(AnsibleTypeError):
        provider("kind")


def test_no_playbook_and_no_role_knows_a_provider(root: Path) -> None:
    files = [*root.glob("playbooks/*.yml"), *root.glob("roles/*/tasks/*.yml"), *root.glob("roles/*/defaults/*.yml")]
    known = r"cluster_provider|default\(.kind.\)|provider\.name"
    assert [str(f) for f in files if re.search(known, f.read_text())] == []
