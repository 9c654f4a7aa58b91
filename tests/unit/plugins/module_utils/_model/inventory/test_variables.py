# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.fleet import Fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.values import fault_of
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.variables import OF_ROLES, PREFIXES, VARIABLES
from ansible_collections.mesh.fleet.plugins.module_utils._model.peering.graph import (
    count_edges,
    edges,
    may_call,
    summary,
)
from ansible_collections.mesh.fleet.plugins.module_utils.paths import state_dir


def test_every_variable_has_a_prefix_of_ours_and_a_sound_default() -> None:
    for name, variable in VARIABLES.items():
        assert name == variable.name
        assert name.startswith(PREFIXES)
        assert variable.description.endswith(".")
        if variable.default and variable.type == "str":
            assert fault_of(variable, variable.default) is None
        assert not (variable.default is not None and variable.default_text)


def test_variables_of_roles_that_begin_like_ours_are_known(root: Path) -> None:
    found = set[str]()
    for path in (root / "roles").glob("*/defaults/main.yml"):
        found |= {name for name in yaml.safe_load(path.read_text()) or {} if name.startswith(PREFIXES)}
    assert found == OF_ROLES


def test_the_page_of_variables_is_not_stale(root: Path) -> None:
    spec = importlib.util.spec_from_file_location("variables_page", root / "tests" / "variables_page.py")
    assert spec and spec.loader
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.PAGE.read_text() == page.render(), "run: python tests/variables_page.py"


def test_a_fleet_of_nothing_but_names_takes_every_default() -> None:
    fleet = Fleet.from_inventory({"west": {}, "east": {"cluster_provider": ""}})
    assert (fleet.name, fleet.mesh_id, fleet.trust_domain) == ("local", "local", "cluster.local")
    assert (fleet.istio_version, fleet.revision, fleet.namespace) == ("1.31.1", "default", "istio-system")
    west = fleet.clusters["west"]
    assert (west.provider, west.role, west.primary, west.control_plane) == ("kind", "primary", "west", "istiod")
    assert west.network == "local-flat"
    assert west.peers is None
    assert west.connection.kubeconfig == os.path.join(fleet.directory, "kubeconfigs", "west.yaml")
    assert fleet.directory.startswith(str(state_dir()))
    assert summary(fleet) == "2 clusters, 2 directed peers, 1 network"


def test_networks_of_their_own_are_joined_by_gateways() -> None:
    fleet = Fleet.from_inventory({name: {"mesh_network": "per_cluster"} for name in ("west", "east", "fra")})
    assert summary(fleet) == "3 clusters, 6 directed peers, 3 networks joined by gateways"


def test_a_token_is_in_no_text_of_a_fleet() -> None:
    own = {"cluster_provider": "kubeconfig", "cluster_api_url": "https://1.2.3.4", "cluster_api_token": "sesame"}
    assert "sesame" not in repr(Fleet.from_inventory({"own": own}))


NAMES = ("a", "b", "c", "d", "e")
PEERS = st.one_of(st.none(), st.lists(st.sampled_from(NAMES), max_size=5))


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(NAMES), PEERS), min_size=1, max_size=5))
def test_edges_are_counted_without_making_them(rows: list[tuple[bool, str, list[str] | None]]) -> None:
    hosts = {
        name: {"mesh_role": "remote" if remote else "primary", "mesh_primary": primary, "mesh_peers": peers}
        for name, (remote, primary, peers) in zip(NAMES, rows, strict=False)
    }
    fleet = Fleet.from_inventory(hosts)
    assert count_edges(fleet) == len(edges(fleet))
    watched = set(edges(fleet))
    for caller in fleet.clusters.values():
        for callee in fleet.clusters:
            served = callee in (caller.name, caller.primary) or (caller.primary, callee) in watched
            assert may_call(fleet, caller.name, callee) == served
