# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""State in a Secret: what this run did itself is not taken for another's work. tests/api/test_state.py has the rest."""

from __future__ import annotations

import asyncio
import copy
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.discovery import Resource
from ansible_collections.mesh.fleet.plugins.module_utils._kube.errors import ApiError
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils._model.state.copies import is_former, to_secret
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.state.place import State

FILES = {"root-cert.pem": "one"}


class Server:
    """An API server with the Secret. It does each write, and refuses it when the transport repeats it after a reset.

    Args:
        first: who comes before the write, and what then is there; by default nobody does.
    """

    def __init__(self, *first: dict[str, t.Any] | None) -> None:
        self.first = first
        self.secret: dict[str, t.Any] | None = kept(FILES, "1")
        self.transport = self

    async def resource(self, _version: str, kind: str, *, obj: str) -> Resource:
        return Resource("v1", kind, "secrets", namespaced=True)

    async def get(self, _version: str, kind: str, *_name: str) -> dict[str, t.Any] | None:
        return copy.deepcopy(self.secret) if kind == "Secret" else None

    async def request(self, method: str, _path: str, *, body: dict[str, t.Any], **_: t.Any) -> None:
        if self.first:
            (self.secret,) = self.first
        else:
            self.secret = None if method == "DELETE" else body
        raise ApiError("refused", status=409 if self.secret else 404)


def kept(files: dict[str, str], version: str) -> dict[str, t.Any]:
    made = to_secret("shop", files, {})
    return {**made, "metadata": {**made["metadata"], "uid": "u", "resourceVersion": version}}


def state_of(server: Server, cluster: str) -> State:
    fleet = read_fleet({"west": {"fleet_name": "shop", "mesh_state_cluster": cluster}})
    state = State(fleet, "/nowhere", check_mode=False)
    state._kubes, state._secrets = {"west": t.cast("t.Any", server)}, {"west": kept(FILES, "1")}
    return state


def test_a_repeated_deletion_is_no_conflict() -> None:
    state = state_of(Server(), "west")
    asyncio.run(state._delete("west"))
    assert state._secrets == {"west": None}
    theirs = Server(kept({"root-cert.pem": "other"}, "2"))
    with pytest.raises(FleetError, match="somebody else wrote the fleet's state"):
        asyncio.run(state_of(theirs, "west")._delete("west"))
    assert theirs.secret


def test_a_repeated_mark_of_a_former_copy_is_no_conflict() -> None:
    server = Server()
    asyncio.run(state_of(server, "")._leave("west", FILES))
    assert server.secret and is_former(server.secret)
    for theirs in (kept(FILES, "2"), None):
        with pytest.raises(FleetError, match="somebody else wrote the fleet's state"):
            asyncio.run(state_of(Server(theirs), "")._leave("west", FILES))
