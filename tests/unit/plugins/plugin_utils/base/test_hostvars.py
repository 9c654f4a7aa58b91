# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import concurrent.futures
import typing as t
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.variable import UNREAD
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.hostvars import (
    Unreadable,
    plain,
    read_later,
    read_variables,
)

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


Later = dict[str, t.Mapping[str, t.Any]]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> tuple[HostVars, list[str], Templar]:
    folder: Path = tmp_path_factory.mktemp("inventory")
    (folder / "hosts.yml").write_text(INVENTORY)
    loader = DataLoader()
    manager = InventoryManager(loader, sources=[str(folder / "hosts.yml")])
    hostvars = HostVars(manager, VariableManager(loader, manager), loader)
    names = [host.name for host in manager.groups["mesh_clusters"].get_hosts()]
    return hostvars, names, Templar(loader=loader)


@pytest.fixture
def read(inventory: tuple[HostVars, list[str], Templar]) -> t.Callable[..., t.Any]:
    return lambda: (read_variables(*inventory), inventory[0])


@pytest.fixture
def templated(
    inventory: tuple[HostVars, list[str], Templar], monkeypatch: pytest.MonkeyPatch
) -> tuple[Later, list[str]]:
    """The hosts, read later, and the list of what was templated since."""
    original, seen = Templar.template, list[str]()

    def template(self: Templar, variable: t.Any, **more: t.Any) -> t.Any:
        seen.append(str(variable))
        return original(self, variable, **more)

    monkeypatch.setattr(Templar, "template", template)
    return read_later(*inventory), seen


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


def test_a_secret_is_read_of_the_host_that_needs_it(inventory: tuple[HostVars, list[str], Templar]) -> None:
    names = ("cluster_context", "mesh_hub")
    needed = {("west", "cluster_context"), ("east", "mesh_hub")}
    found, unreadable = read_variables(*inventory, unread=names, needed=needed)
    contexts = {host: values["cluster_context"] for host, values in found.items()}
    assert contexts == {"west": "west-admin", "east": UNREAD, "own": UNREAD}
    assert found["east"]["mesh_hub"] == UNREAD, "it is set, and cannot be read"
    assert [(one.host, one.variable) for one in unreadable] == [("east", "mesh_hub")]
    assert read_variables(*inventory, unread=names)[1] == []


def test_only_our_variables_are_read(read: t.Callable[..., t.Any]) -> None:
    (found, _unreadable), _hostvars = read()
    assert all(name.startswith(("mesh_", "cluster_", "fleet_")) for values in found.values() for name in values)


def test_a_list_of_the_group_is_read_once(read: t.Callable[..., t.Any]) -> None:
    (found, _unreadable), _hostvars = read()
    assert found["west"]["mesh_peers"] is found["east"]["mesh_peers"]


def test_plain() -> None:
    assert plain(({"a": (1, 2.5, None, True)},)) == [{"a": [1, 2.5, None, True]}]


def test_read_later_are_the_same_values(read: t.Callable[..., t.Any], templated: tuple[Later, list[str]]) -> None:
    (found, _unreadable), _hostvars = read()
    later, _seen = templated
    assert list(later) == list(found)
    for host in ("west", "own"):
        assert dict(later[host]) == found[host]
        assert all(exact(value) for value in later[host].values())
    east = later["east"]
    assert {name: east[name] for name in east if name != "mesh_hub"} == found["east"]
    assert len(east) == len(found["east"]) + 1


def test_a_template_is_templated_when_somebody_asks_and_once(templated: tuple[Later, list[str]]) -> None:
    later, seen = templated
    west = later["west"]
    assert "cluster_context" in west and "cluster_context" in list(west) and len(west) > 3
    assert west["mesh_id"] == "shop" and west.get("cluster_api_token") is None
    assert seen == []
    assert [west["cluster_context"], west["cluster_context"]] == ["west-admin"] * 2
    assert seen == ["{{ inventory_hostname }}-admin"]


def test_what_cannot_be_read_names_its_host_and_variable(templated: tuple[Later, list[str]]) -> None:
    later, _seen = templated
    with pytest.raises(FleetError) as caught:
        later["east"].get("mesh_hub")
    assert (caught.value.cluster, caught.value.what) == ("east", "mesh_hub cannot be read")
    assert "nonesuch" in caught.value.seen and "preflight" in caught.value.next_step


def test_threads_get_the_values_of_their_hosts(templated: tuple[Later, list[str]]) -> None:
    later, _seen = templated
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        found = dict(zip(later, pool.map(lambda host: later[host]["cluster_context"], later), strict=True))
    assert found == {host: f"{host}-admin" for host in ("west", "east", "own")}
