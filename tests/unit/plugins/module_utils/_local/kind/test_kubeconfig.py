# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kubeconfigs of local clusters: whole, private, and never over somebody else's."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind import kubeconfig
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

FROM_KIND = {
    "clusters": [{"name": "kind-x", "cluster": {"certificate-authority-data": "Q0E=", "server": "https://0.0.0.0:1"}}],
    "users": [{"name": "kind-x", "user": {"client-certificate-data": "Qw==", "client-key-data": "Sw=="}}],
}
SERVER, PEER = "https://127.0.0.1:40001", "https://10.90.0.2:6443"


def test_it_has_an_address_for_the_controller_and_one_for_peers(tmp_path: Path) -> None:
    path = tmp_path / "state/kubeconfigs/west.yaml"
    kubeconfig.write(path, "west", FROM_KIND, SERVER, PEER)
    found = yaml.safe_load(path.read_text())
    assert found["current-context"] == "west"
    assert {c["name"]: c["cluster"]["server"] for c in found["clusters"]} == {"west": SERVER, "west-peer": PEER}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["west.yaml"]
    kubeconfig.refuse_foreign(path, "west")
    assert kubeconfig.same_servers(path, SERVER, PEER)
    assert not kubeconfig.same_servers(path, SERVER, "https://10.90.0.3:6443")
    assert kubeconfig.known_address(path) == "10.90.0.2"


@pytest.mark.parametrize(
    "text", ["contexts: [{name: production}]", "", "[1, 2]", "{: broken", "contexts: [{name: west}]"]
)
def test_what_we_did_not_write_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "west.yaml"
    path.write_text(text)
    with pytest.raises(FleetError, match="is a kubeconfig of another cluster"):
        kubeconfig.refuse_foreign(path, "west")
    assert kubeconfig.known_address(path) == ""
    assert path.read_text() == text


def test_none_is_no_problem(tmp_path: Path) -> None:
    kubeconfig.refuse_foreign(tmp_path / "west.yaml", "west")
    assert kubeconfig.known_address(tmp_path / "west.yaml") == ""
    assert not kubeconfig.same_servers(tmp_path / "west.yaml", SERVER, PEER)
