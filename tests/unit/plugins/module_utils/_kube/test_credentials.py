# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which section of a kubeconfig's user gives the credential."""

from __future__ import annotations

import asyncio
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.connect import resolve
from ansible_collections.mesh.fleet.plugins.module_utils._kube.credentials import credentials
from ansible_collections.mesh.fleet.plugins.module_utils._kube.kubeconfig import Kubeconfig
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

OLD = {"auth-provider": {"name": "oidc", "config": {"id-token": "hidden-token", "refresh-token": "hidden-too"}}}


def header(user: dict[str, t.Any]) -> dict[str, str]:
    return asyncio.run(credentials(user, {}, Kubeconfig("west", "/home/ann/kubeconfig", {}), {})).headers


def test_a_token_goes_before_a_password() -> None:
    assert header({"token": "x", "username": "ann", "password": "y"}) == {"Authorization": "Bearer x"}
    assert header({"username": "ann", "password": "y"}) == {"Authorization": "Basic YW5uOnk="}
    assert header({}) == {}


def test_an_auth_provider_is_refused_with_its_replacement() -> None:
    with pytest.raises(FleetError, match="auth-provider") as refused:
        header(OLD)
    assert refused.value.cluster == "west"
    assert refused.value.seen == "/home/ann/kubeconfig: auth-provider oidc"
    assert "exec" in refused.value.means
    assert "credential plugin" in refused.value.next_step
    assert "hidden" not in str(refused.value)
    # Beside another credential it is of no use and does no harm.
    assert header({**OLD, "token": "x"}) == {"Authorization": "Bearer x"}


@pytest.mark.parametrize("token", ["hidden\ntoken", "hidden\x00", "hidden-ü", "hidden token"])
def test_a_token_that_cannot_be_sent_is_an_error_of_its_cluster(token: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(token.encode("latin-1"))
    for user in ({"token": token}, {"tokenFile": str(tmp_path / "token")}):
        with pytest.raises(FleetError, match="cannot be sent") as refused:
            header(user)
        assert refused.value.cluster == "west"
        assert refused.value.next_step
        assert "hidden" not in str(refused.value)
    with pytest.raises(FleetError, match="cannot be sent") as refused:
        asyncio.run(resolve(Connection(server="http://west.example", token=token), "west"))
    assert "cluster_api_token" in refused.value.seen


def test_white_space_around_a_token_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-the-file\n\n")
    (tmp_path / "empty").write_text("\n")
    assert header({"token": " x\r\n"}) == {"Authorization": "Bearer x"}
    assert header({"token": "x", "tokenFile": str(tmp_path / "token")}) == {"Authorization": "Bearer of-the-file"}
    assert header({"token": "x", "tokenFile": str(tmp_path / "empty")}) == {"Authorization": "Bearer x"}
    with pytest.raises(FleetError, match="tokenFile of its kubeconfig cannot be read"):
        header({"tokenFile": str(tmp_path / "none")})
