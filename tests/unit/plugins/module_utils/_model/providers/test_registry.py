# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry of providers and variables, and a provider that is added to it by one file and one registration."""

from __future__ import annotations

import importlib.util
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.values import fault_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.istio.helm_values import base_release
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.registry import (
    PROVIDERS,
    VARIABLES,
    front_door_kind,
    may_be_stored,
    of_roles,
    prefixes,
    provider_of,
    register,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.validation.checks import check
from ansible_collections.mesh.fleet.tests.unit.plugins.module_utils._model.providers.further import Further


def test_every_variable_has_a_prefix_of_ours_and_a_sound_default() -> None:
    for name, variable in VARIABLES.items():
        assert name == variable.name
        assert name.startswith(prefixes())
        assert variable.description.endswith(".")
        if variable.default and variable.type == "str":
            assert fault_of(variable, variable.default) is None
        assert not (variable.default is not None and variable.default_text)


def test_nothing_that_opens_a_cluster_may_be_stored() -> None:
    opens = {name for name in VARIABLES if not may_be_stored(name)}
    assert opens == {
        *(f"cluster_{word}" for word in ("kubeconfig", "context", "api_url", "api_token", "api_ca")),
        *(f"gke_service_account_{word}" for word in ("file", "contents", "email")),
        *("gke_auth_kind", "gke_access_token"),
    }
    assert opens >= {name for name, variable in VARIABLES.items() if variable.secret}
    assert not may_be_stored("gateways_values")


def test_variables_of_roles_that_begin_like_ours_are_known(root: Path) -> None:
    found = set[str]()
    for path in (root / "roles").glob("*/defaults/main.yml"):
        found |= {name for name in yaml.safe_load(path.read_text()) or {} if name.startswith(prefixes())}
    assert found == of_roles()


def test_the_page_of_variables_is_not_stale(root: Path) -> None:
    spec = importlib.util.spec_from_file_location("variables_page", root / "tests" / "variables_page.py")
    assert spec and spec.loader
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.PAGE.read_text() == page.render(), "run: python tests/variables_page.py"


@pytest.fixture
def further() -> t.Iterator[Further]:
    """A provider more, for one test."""
    before = [(kept, dict(kept)) for kept in (PROVIDERS, VARIABLES)]
    provider = Further()
    register(provider)
    yield provider
    for kept, was in before:
        kept.clear()
        kept.update(was)  # type: ignore[arg-type]


TEST: dict[str, t.Any] = {"cluster_provider": "test", "cluster_region": "here", "test_account": "shop"}
KIND = {"cluster_region": "here"}


def said(hosts: dict[str, dict[str, t.Any]], **environment: str) -> list[str]:
    return [f"{p.host} {p.statement} | {p.hint}" for p in check(hosts, None, Environment(variables=environment))]


def test_a_further_provider_takes_one_file_and_one_registration(further: Further) -> None:
    hosts = {"west": TEST, "east": {**TEST, "test_tier": "back"}, "laptop": KIND}
    assert said(hosts) == []
    fleet = read_fleet(hosts)
    west = fleet.clusters["west"]
    assert provider_of(west) is further
    assert west.connection.server == "https://west.test.example"
    assert west.pod_cidr == "10.16.0.0/16"
    assert base_release(fleet, west, "chart").values["global"]["platform"] == "test-cloud"
    assert "platform" not in base_release(fleet, fleet.clusters["laptop"], "chart").values.get("global", {})


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"test_teir": "back"}, "west test_teir is not a variable of this collection | did you mean test_tier?"),
        ({"test_tier": "Back"}, 'west test_tier "Back" is not a DNS-1123 label'),
        ({"test_account": ""}, "west test_account is missing | set it, or TEST_ACCOUNT"),
        ({"gke_project": "shop-prod"}, 'west gke_project does not go with provider "test"'),
        ({"cluster_kubeconfig": "/k"}, 'west cluster_kubeconfig does not go with provider "test"'),
        ({"mesh_control_plane": "managed"}, 'west mesh_control_plane "managed" does not go with provider "test"'),
        ({"cluster_provider": "tset"}, 'west cluster_provider "tset" is unknown | one of: kind, gke, kubeconfig, test'),
    ],
)
def test_a_mistake_with_a_further_provider_is_named(
    further: Further, variables: dict[str, t.Any], problem: str
) -> None:
    (found,) = said({"east": TEST, "west": {**TEST, **variables}})
    assert found.startswith(problem)


def test_variables_of_a_further_provider_are_for_it_alone(further: Further) -> None:
    (found,) = said({"west": {**KIND, "test_tier": "back"}})
    assert found == 'west test_tier does not go with provider "kind" | leave it out, or set cluster_provider: test'
    assert said({"west": {**TEST, "test_account": ""}}, TEST_ACCOUNT="shop") == []
    assert said({"west": {**TEST, "test_cluster_delete": True}}) == []


def test_what_is_not_registered_is_not_known() -> None:
    (found,) = said({"west": {**KIND, "cluster_provider": "test", "test_teir": "back"}})
    assert found.startswith('west cluster_provider "test" is unknown | one of: kind, gke, kubeconfig')


def test_a_fleet_has_one_kind_of_front_door() -> None:
    assert front_door_kind(["files", "google", "files"]) == "google"
    assert front_door_kind(["files", "engine"]) == "engine"
    assert [front_door_kind(["files", ""]), front_door_kind([])] == ["files", ""]
