# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How often a credential plugin is started, and what it is told."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.connect import resolve
from ansible_collections.mesh.fleet.plugins.module_utils._kube.exec_plugin import ExecPlugin
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

PLUGIN = """#!{python}
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/runs", "a") as stream:
    stream.write(os.environ["KUBERNETES_EXEC_INFO"] + "\\n")
number = len(open(here + "/runs").readlines())
status = json.loads(open(here + "/status").read())
print(json.dumps({{"status": {{"token": f"token-{{number}}\\n", **status}}}}))
"""


class Files:
    """A kubeconfig with a plugin that gives another token each time it is started."""

    def __init__(self, folder: Path, **status: t.Any) -> None:
        self.folder = folder
        (folder / "plugin").write_text(PLUGIN.format(python=sys.executable))
        (folder / "plugin").chmod(0o700)
        (folder / "status").write_text(json.dumps(status))
        (folder / "ca.crt").write_text("CA of a file")

    @property
    def runs(self) -> list[dict[str, t.Any]]:
        return [json.loads(line)["spec"] for line in (self.folder / "runs").read_text().splitlines()]

    def connection(self, **more: t.Any) -> Connection:
        user = {"exec": {"command": "./plugin", **more}}
        cluster = {"server": "http://west.example", "certificate-authority": "ca.crt", "proxy-url": "http://proxy:1"}
        extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {**cluster, "extensions": [extension]}}],
            "users": [{"name": "u", "user": user}],
        }
        (self.folder / "kubeconfig").write_text(json.dumps(config))
        return Connection(kubeconfig=str(self.folder / "kubeconfig"))


def test_connections_share_what_a_plugin_gave(tmp_path: Path) -> None:
    files = Files(tmp_path)
    connection = files.connection()

    async def both() -> list[dict[str, str]]:
        found = await asyncio.gather(resolve(connection, "west"), resolve(connection, "east"))
        return [endpoint.headers for endpoint in found]

    for _turn in range(2):  # a loop each
        assert asyncio.run(both()) == [{"Authorization": "Bearer token-1"}] * 2
    assert files.runs == [{"interactive": False}]
    asyncio.run(resolve(files.connection(args=["other"]), "west"))
    assert len(files.runs) == 2


def test_a_login_that_has_ended_is_not_used_again(tmp_path: Path) -> None:
    files = Files(tmp_path, expirationTimestamp="2020-01-01T00:00:00Z")

    async def run() -> str:
        endpoint = await resolve(files.connection(), "west")
        await endpoint.renew()
        return endpoint.headers["Authorization"]

    assert asyncio.run(run()) == "Bearer token-2"
    # Far away it is used as long as nobody refuses it.
    (tmp_path / "status").write_text('{"expirationTimestamp": "2999-01-01T00:00:00Z"}')
    assert asyncio.run(run()) == "Bearer token-3"
    assert asyncio.run(run()) == "Bearer token-3"


def test_a_refused_token_is_replaced_once_for_all(tmp_path: Path) -> None:
    files = Files(tmp_path)

    async def run() -> None:
        one, two = [await resolve(files.connection(), name) for name in ("west", "east")]
        assert await one.another("Bearer token-1")
        assert await two.another("Bearer token-1")
        assert [e.headers["Authorization"] for e in (one, two)] == ["Bearer token-2"] * 2

    asyncio.run(run())
    assert len(files.runs) == 2


def test_a_refused_certificate_is_replaced(tmp_path: Path) -> None:
    files = Files(tmp_path, token="", clientCertificateData="OLD", clientKeyData="KEY")

    async def run() -> None:
        one, two = [await resolve(files.connection(), name) for name in ("west", "east")]
        assert one.pem["cert"] == b"OLD"
        (tmp_path / "status").write_text('{"token": "", "clientCertificateData": "NEW", "clientKeyData": "KEY 2"}')
        assert await one.another("OLD")
        assert await two.another("OLD")
        assert (one.pem["cert"], one.pem["key"], one.pem["ca"]) == (b"NEW", b"KEY 2", b"CA of a file")
        assert two.pem == one.pem
        assert one.shown.name == "NEW"

    asyncio.run(run())
    assert len(files.runs) == 2


def test_a_certificate_that_has_ended_is_replaced(tmp_path: Path) -> None:
    ended = {"clientCertificateData": "OLD", "clientKeyData": "KEY", "expirationTimestamp": "2020-01-01T00:00:00Z"}
    files = Files(tmp_path, token="", **ended)

    async def run() -> None:
        endpoint = await resolve(files.connection(), "west")
        (tmp_path / "status").write_text('{"token": "", "clientCertificateData": "NEW", "clientKeyData": "KEY 2"}')
        await endpoint.renew()
        await endpoint.renew()
        assert endpoint.pem["cert"] == b"NEW"

    asyncio.run(run())
    assert len(files.runs) == 2


@pytest.mark.parametrize("mode", ["Always", "IfAvailable", "Never", None])
def test_a_plugin_that_always_asks_is_refused(tmp_path: Path, mode: str | None) -> None:
    files = Files(tmp_path)
    connection = files.connection(interactiveMode=mode)
    if mode != "Always":
        assert asyncio.run(resolve(connection, "west")).headers
        return
    with pytest.raises(FleetError, match="credential plugin plugin asks its user at a terminal") as refused:
        asyncio.run(resolve(connection, "west"))
    assert refused.value.cluster == "west"
    assert refused.value.seen.startswith("interactiveMode: Always")
    assert "cluster_api_token" in refused.value.next_step
    assert not (tmp_path / "runs").exists()


def test_a_plugin_that_wants_it_is_told_of_the_cluster(tmp_path: Path) -> None:
    files = Files(tmp_path)
    asyncio.run(resolve(files.connection(provideClusterInfo=True), "west"))
    assert files.runs[0]["cluster"] == {
        "server": "http://west.example",
        "proxy-url": "http://proxy:1",
        "certificate-authority-data": base64.b64encode(b"CA of a file").decode(),
        "config": {"audience": "x"},
    }


@pytest.mark.parametrize("status", [{"expirationTimestamp": "soon"}, [1]])
def test_what_it_prints_may_be_no_credential(tmp_path: Path, status: t.Any) -> None:
    (tmp_path / "answer").write_text(json.dumps({"status": status}))
    plugin = ExecPlugin({"command": "cat", "args": [str(tmp_path / "answer")]}, "west", {}, b"")
    with pytest.raises(FleetError, match="cat failed") as refused:
        asyncio.run(plugin.login())
    assert "not an ExecCredential" in refused.value.seen
