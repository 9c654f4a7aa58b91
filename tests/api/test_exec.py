# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands in containers.

Without nodes there is no kubelet: a real API server forwards the websocket to a small stand-in for one
here. Its translation for protocol v5 uses SPDY to kubelets, so these tests ask for v4 there; v5's end
of input is checked against a stand-in for the server. The end-to-end tests use real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import typing as t

import pytest
from aiohttp import WSMsgType, web

from ansible_collections.mesh.fleet.plugins.module_utils._kube import execs
from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from . import control_plane
from .manifests import namespace_of

Connect = t.Callable[..., Kube]
SUCCESS = {"metadata": {}, "status": "Success"}


def ended_with(code: int) -> dict[str, t.Any]:
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}


@pytest.fixture
def only_v4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execs, "_PROTOCOLS", ("v4.channel.k8s.io",))


@contextlib.asynccontextmanager
async def serving(
    answer: t.Callable[[web.WebSocketResponse, web.Request], t.Awaitable[None]],
    protocol: str,
    tls: ssl.SSLContext | None = None,
) -> t.AsyncIterator[int]:
    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(protocol,))
        await socket.prepare(request)
        await answer(socket, request)
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/{anything:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def kubelet(
    plane: control_plane.ControlPlane,
    kube: Kube,
    namespace: str,
    answer: t.Callable[[web.WebSocketResponse, web.Request], t.Awaitable[None]],
) -> t.AsyncIterator[None]:
    """A node whose kubelet is ``answer``, and a pod on it."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(plane.directory / "server.crt", plane.directory / "server.key")
    async with serving(answer, "v4.channel.k8s.io", tls) as port:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{namespace}"}}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "one", "namespace": namespace},
            "spec": {"nodeName": f"node-{namespace}", "containers": [{"name": "main", "image": "x"}]},
        }
        await kube.apply([namespace_of(namespace), node, pod])
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        await kube.transport.request(
            "PATCH",
            f"/api/v1/nodes/node-{namespace}/status",
            body={"status": status},
            content_type="application/merge-patch+json",
        )
        yield


@pytest.mark.usefixtures("only_v4")
def test_output_and_exit_code(plane: control_plane.ControlPlane, connect: Connect, namespace: str) -> None:
    asked: list[tuple[str, list[str]]] = []

    async def answer(socket: web.WebSocketResponse, request: web.Request) -> None:
        asked.append((request.path, request.query.getall("command")))
        for part in (b"\x01", b"\x01out ", b"\x02err", b"\x01\xc3\xbcber"):
            await socket.send_bytes(part)
        await socket.send_bytes(b"\x03" + json.dumps(ended_with(7)).encode())

    async def run() -> None:
        async with connect() as kube, kubelet(plane, kube, namespace, answer):
            result = await kube.exec(namespace, "one", "main", ["ls", "-l", "/a b"])
            assert result == ("out über", "err", 7)
            assert (result.stdout, result.stderr, result.code) == tuple(result)
            assert asked == [(f"/exec/{namespace}/one/main", ["ls", "-l", "/a b"])]

    asyncio.run(run())


@pytest.mark.usefixtures("only_v4")
def test_what_can_go_wrong(plane: control_plane.ControlPlane, connect: Connect, namespace: str) -> None:
    over = asyncio.Event()

    async def answer(socket: web.WebSocketResponse, request: web.Request) -> None:
        command = request.query["command"]
        if command == "hang":
            await socket.send_bytes(b"\x01so far")
            await over.wait()
        if command == "missing":
            failure = {"status": "Failure", "message": 'exec: "missing": executable file not found in $PATH'}
            await socket.send_bytes(b"\x03" + json.dumps(failure).encode())

    async def run() -> None:
        async with connect() as kube, kubelet(plane, kube, namespace, answer):
            for seconds in (0.5, 5, 50):  # a busy machine may need more until the first word is there
                with pytest.raises(FleetError) as caught:
                    await kube.exec(namespace, "one", "main", ["hang"], timeout=seconds)
                assert caught.value.what == f"hang did not end in {seconds:g} s"
                if caught.value.seen != "no output":
                    break
            over.set()
            assert caught.value.seen == "so far"
            assert caught.value.obj == f"Pod {namespace}/one"
            with pytest.raises(FleetError, match="could not be started") as caught:
                await kube.exec(namespace, "one", "main", ["missing"])
            assert "executable file not found" in caught.value.seen
            with pytest.raises(FleetError, match="end was not reported"):
                await kube.exec(namespace, "one", "main", ["dies"])
            with pytest.raises(FleetError, match="cannot end a command's input"):
                await kube.exec(namespace, "one", "main", ["cat"], stdin="x")

    asyncio.run(run())


def test_refusals_say_why(connect: Connect, namespace: str) -> None:
    async def run() -> None:
        async with connect() as kube:
            await kube.apply([namespace_of(namespace)])
            with pytest.raises(ApiError) as caught:
                await kube.exec(namespace, "nobody", "", ["true"])
            assert caught.value.status == 404
            assert 'pods "nobody" not found' in caught.value.seen
        async with connect("limited") as kube:
            with pytest.raises(ApiError) as caught:
                await kube.exec(namespace, "one", "", ["true"])
            assert caught.value.status == 403

    asyncio.run(run())


def test_input_is_sent_and_ended() -> None:
    async def cat(socket: web.WebSocketResponse, _request: web.Request) -> None:
        got = b""
        async for message in socket:
            assert message.type is WSMsgType.BINARY
            if message.data[0] == 255:
                break
            got += message.data[1:]
        await socket.send_bytes(b"\x01" + got)
        await socket.send_bytes(b"\x03" + json.dumps(SUCCESS).encode())

    async def run() -> None:
        text = "line\n" * 20000
        async with (
            serving(cat, "v5.channel.k8s.io") as port,
            Kube.connect(Connection(server=f"http://127.0.0.1:{port}"), cluster="west") as kube,
        ):
            assert await kube.exec("x", "y", "z", ["cat"], stdin=text) == (text, "", 0)

    asyncio.run(run())
