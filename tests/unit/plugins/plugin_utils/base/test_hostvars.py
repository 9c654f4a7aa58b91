# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import Unreadable, plain, read_variables

INVENTORY = """
mesh_clusters:
  vars:
    mesh_id: shop
    cluster_context: "{{ inventory_hostname }}-admin"
    mesh_exports: [{service: a.b, to: "{{ cluster_region | default('all') }}"}]
    mesh_peers: [west, east]
    unrelated: "{{ nonesuch }}"
  hosts:
    west: {cluster_region: us-west1, cluster_labels: {tier: front}}
    east: {mesh_hub: "{{ nonesuch }}", mesh_istio_version: 1.31, fleet_name: "{{ mesh_id }}"}
    own: {cluster_api_token: sesame}
"""


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[..., t.Any]:
    folder: Path = tmp_path_factory.mktemp("inventory")
    (folder / "hosts.yml").write_text(INVENTORY)
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(folder / "hosts.yml")])
    hostvars = HostVars(inventory, VariableManager(loader, inventory), loader)
    names = [host.name for host in inventory.groups["mesh_clusters"].get_hosts()]
    return lambda: (read_variables(hostvars, names, Templar(loader=loader)), hostvars)


def exact(value: t.Any) -> bool:
    """Whether no tagged type of Ansible's is left in it."""
    if value.__class__ not in (dict, list, str, int, float, bool, type(None)):
        return False
    if isinstance(value, dict):
        return all(exact(k) and exact(v) for k, v in value.items())
    return all(exact(v) for v in value) if isinstance(value, list) else True


def test_values_are_those_of_hostvars_and_plain(read: t.Callable[..., t.Any]) -> None:
    (found, _unreadable), hostvars = read()
    assert list(found) == ["west", "east", "own"]
    for host, values in found.items():
        assert exact(values)
        for name, value in values.items():
            assert value == hostvars[host][name], (host, name)
    assert found["west"]["cluster_context"] == "west-admin"
    assert found["west"]["mesh_exports"] == [{"service": "a.b", "to": "us-west1"}]
    assert found["east"]["mesh_exports"] == [{"service": "a.b", "to": "all"}]
    assert found["east"]["fleet_name"] == "shop"
    assert found["own"]["cluster_api_token"] == "sesame"


def test_what_cannot_be_read_is_reported_and_the_rest_is_read(read: t.Callable[..., t.Any]) -> None:
    (found, unreadable), _hostvars = read()
    assert [(one.host, one.variable) for one in unreadable] == [("east", "mesh_hub")]
    assert isinstance(unreadable[0], Unreadable)
    assert "nonesuch" in unreadable[0].message
    assert "mesh_hub" not in found["east"]


def test_only_our_variables_are_read(read: t.Callable[..., t.Any]) -> None:
    (found, _unreadable), _hostvars = read()
    assert all(name.startswith(("mesh_", "cluster_", "fleet_")) for values in found.values() for name in values)


def test_a_list_of_the_group_is_read_once(read: t.Callable[..., t.Any]) -> None:
    (found, _unreadable), _hostvars = read()
    assert found["west"]["mesh_peers"] is found["east"]["mesh_peers"]


def test_plain() -> None:
    assert plain(({"a": (1, 2.5, None, True)},)) == [{"a": [1, 2.5, None, True]}]
