# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way to an API server: what the environment may say of it, and what an answer may change."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.environment import environment
from ansible_collections.mesh.fleet.plugins.plugin_utils.base.fan_out import connect_each, on_each

from . import control_plane
from .forward_proxy import Proxy, recorder

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "cacerts", "namespace": "istio-system"},
    "stringData": {"key": "hidden"},
}
OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def to(connection: Connection) -> Kube:
    return Kube.connect(connection, cluster="west")


async def version(connection: Connection) -> str:
    async with to(connection) as kube:
        return str((await kube.raw_get("/version"))["gitVersion"])


async def refused(connection: Connection) -> FleetError:
    with pytest.raises(FleetError) as caught:
        await version(connection)
    assert caught.value.cluster == "west"
    assert caught.value.next_step
    return caught.value


def port_of(plane: control_plane.ControlPlane) -> int:
    return int(urlsplit(plane.server).port or 0)


def by_name(plane: control_plane.ControlPlane) -> Connection:
    """By a name that is in the certificate and resolves nowhere: only a proxy leads there."""
    return Connection(
        server=f"https://kubernetes:{port_of(plane)}", token=control_plane.ADMIN_TOKEN, ca_pem=plane.ca_pem
    )


def kubeconfig(plane: control_plane.ControlPlane, where: Path, **cluster: t.Any) -> Connection:
    """A kubeconfig that leads to that name."""
    ca = base64.b64encode(plane.ca_pem.encode()).decode()
    inner = {"server": by_name(plane).server, "certificate-authority-data": ca, **cluster}
    config = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": inner}],
        "users": [{"name": "c", "user": {"token": control_plane.ADMIN_TOKEN}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    (where / "kubeconfig").write_text(yaml.safe_dump(config))
    return Connection(kubeconfig=str(where / "kubeconfig"))


def proxy_tls(plane: control_plane.ControlPlane, where: Path) -> ssl.SSLContext:
    """A proxy's certificate, of the cluster's CA: Go checks both with the same settings."""
    path = where / "proxy.pem"
    path.touch(mode=0o600)
    path.write_bytes(b"".join(plane.authority.issue("proxy", hosts=["localhost"])))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    return tls


def test_no_password_of_netrc_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 0.0.0.0 login ann password of-the-netrc\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    heard: list[str] = []

    async def run() -> None:
        async with recorder(OK, heard) as port:
            for token in ("", "own"):
                async with to(Connection(server=f"http://0.0.0.0:{port}", token=token)) as kube:
                    await kube.raw_get("/version")

    asyncio.run(run())
    assert "Authorization" not in heard[0]
    assert "Authorization: Bearer own\r\n" in heard[1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    heard: list[str] = []

    async def run() -> list[FleetError]:
        found: list[FleetError] = []
        async with recorder(OK, heard) as other:
            there = f"http://ann:hidden@localhost:{other}/there?token=hidden"
            answer = f"HTTP/1.1 {status} Go\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"
            first: list[str] = []
            async with recorder(answer, first) as port, to(Connection(server=f"http://127.0.0.1:{port}")) as kube:
                with pytest.raises(FleetError) as caught:
                    await kube.apply([SECRET])
                found.append(caught.value)
                with pytest.raises(FleetError) as caught:
                    await kube.exec("x", "pod", "", ["true"])
                found.append(caught.value)
                with pytest.raises(FleetError) as caught:
                    async for _event in kube.transport.lines("/api/v1/pods", {"watch": "1"}, obj="Pod"):
                        pass
                found.append(caught.value)
                assert len(first) == 3
        return found

    for error in asyncio.run(run()):
        assert isinstance(error, ApiError)
        assert error.status == status
        assert "redirect" in error.what
        assert "/there" in error.seen
        assert "hidden" not in str(error)
    assert heard == []


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
@pytest.mark.parametrize("source", ["environment", "kubeconfig"])
def test_every_kind_of_proxy(
    source: str, scheme: str, plane: control_plane.ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> list[str]:
        async with Proxy(port_of(plane), proxy_tls(plane, tmp_path) if scheme == "https" else None) as proxy:
            url = f"{scheme}://localhost:{proxy.port}"
            if source == "environment":
                monkeypatch.setenv("HTTPS_PROXY", url)
                connection = by_name(plane)
            else:
                connection = kubeconfig(plane, tmp_path, **{"proxy-url": url})
            assert (await version(connection)).startswith("v1.")
        return proxy.asked

    assert asyncio.run(run()) == [f"kubernetes:{port_of(plane)}"]


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_refuses(scheme: str, plane: control_plane.ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> FleetError:
        async with Proxy(port_of(plane), refuse=True) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://ann:hidden@127.0.0.1:{proxy.port}")
            return await refused(by_name(plane))

    error = asyncio.run(run())
    assert "does not let us through" in error.what
    assert f"proxy {scheme}://127.0.0.1:" in error.seen
    assert "hidden" not in str(error)


def test_another_certificate_behind_a_proxy(plane: control_plane.ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(scheme: str) -> FleetError:
        async with Proxy(port_of(plane)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://localhost:{proxy.port}")
            return await refused(Connection(server="https://elsewhere:6443", token="x", ca_pem=plane.ca_pem))

    assert "another name" in asyncio.run(run("http")).what
    assert "another name" in asyncio.run(run("socks5")).what


def test_no_proxy_with_a_range(plane: control_plane.ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.0.0.0 is this machine, and no loopback address: it is left out by the range alone."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{control_plane.closed_port()}")
    server = plane.server.replace("127.0.0.1", "0.0.0.0")
    connection = Connection(server=server, token=control_plane.ADMIN_TOKEN, ca_pem=plane.ca_pem)
    assert "does not let us through" in asyncio.run(refused(connection)).what
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,0.0.0.0/8")
    # The way is there; the certificate is for 127.0.0.1.
    assert "another name" in asyncio.run(refused(connection)).what


def test_a_proxy_url_that_kubectl_refuses(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    error = asyncio.run(refused(kubeconfig(plane, tmp_path, **{"proxy-url": "ftp://ann:hidden@proxy:21"})))
    assert "of another kind" in error.what
    assert "ftp://proxy:21" in error.seen
    named = {"proxy-url": "socks5://proxy:1080", "tls-server-name": "kubernetes"}
    assert "tls-server-name" in asyncio.run(refused(kubeconfig(plane, tmp_path, **named))).what


def test_no_file_for_session_keys(
    plane: control_plane.ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has these keys can read what was sent."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert asyncio.run(version(Connection(kubeconfig=str(plane.kubeconfig), context="admin"))).startswith("v1.")
    assert not (tmp_path / "keys").exists()


def http(body: str, status: str = "200 OK", kind: str = "application/json") -> str:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}"


STRANGE = {
    "a proxy's 503 without a body": http("", "503 Service Unavailable"),
    "half an answer": http('{"kind": "Sec'),
    "a page": http("<html>Please log in</html>", kind="text/html"),
    "a page that says it is JSON": http("<html>Please log in</html>"),
    "a list": http("[]"),
    "a number": http("7"),
    "too deep": http("[" * 100_000),
    "nothing in it": http("{}"),
    "a list of another form": http('{"metadata": {}, "items": ["x"]}'),
    "a refusal of another form": http('{"kind": "Status", "details": "x", "message": ["y"]}', "403 Forbidden"),
    "causes of another form": http('{"kind": "Status", "details": {"causes": [7], "retryAfterSeconds": []}}', "409 No"),
    "no HTTP": "hello\r\n\r\n",
    "less than it says": OK.replace("Length: 2", "Length: 200"),
    "no gzip": OK.replace("Content-Length", "Content-Encoding: gzip\r\nContent-Length"),
    "a date that never was": OK.replace("HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nDate: Mon, 99 Jan 99999999999 00:00:00"),
    "a header without an end": f"HTTP/1.1 200 OK\r\nX: {'y' * 100_000}\r\n\r\n",
}


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE)
def test_a_strange_answer_is_an_error_of_its_cluster(answer: str) -> None:
    async def one(port: int, work: t.Callable[[Kube], t.Awaitable[t.Any]]) -> FleetError:
        async with to(Connection(server=f"http://127.0.0.1:{port}")) as kube:
            with pytest.raises(FleetError) as caught:
                await work(kube)
        return caught.value

    async def wait(kube: Kube) -> None:
        await kube.wait("v1", "Secret", "x", "y", until=lambda live: (live is None, ""), timeout=0.1)

    async def run() -> list[FleetError]:
        async with recorder(answer, []) as port:
            return [
                await one(port, lambda kube: kube.get("v1", "Secret", "x", "y")),
                await one(port, lambda kube: kube.list("v1", "Secret")),
                await one(port, wait),
            ]

    for error in asyncio.run(run()):
        assert isinstance(error, ApiError)
        assert error.cluster == "west"
        assert error.next_step


@pytest.mark.parametrize("line", ["{", "[]", '{"type": 7, "object": {}}', '{"type": "ADDED"}', "x" * 2**23])
def test_a_strange_event_is_an_error_of_its_cluster(line: str) -> None:
    async def run() -> None:
        async with recorder(http(line + "\n"), []) as port, to(Connection(server=f"http://127.0.0.1:{port}")) as kube:
            async for _event in kube.transport.lines("/api/v1/pods", {"watch": "1"}, obj="Pod"):
                pass

    with pytest.raises(ApiError) as caught:
        asyncio.run(run())
    assert caught.value.cluster == "west"
    assert caught.value.next_step


def test_one_strange_cluster_stops_no_other(plane: control_plane.ControlPlane) -> None:
    async def run(port: int) -> tuple[dict[str, str], dict[str, FleetError]]:
        given = {"cluster_provider": "kubeconfig", "cluster_api_token": control_plane.ADMIN_TOKEN}
        hosts = {
            "west": {**given, "cluster_api_url": f"http://127.0.0.1:{port}"},
            "east": {**given, "cluster_api_url": plane.server, "cluster_api_ca": plane.ca_pem},
        }
        async with contextlib.AsyncExitStack() as stack:
            fleet = read_fleet(hosts, environment())
            kubes, _failed = await connect_each(stack, fleet.clusters.values(), absent_ok=False)
            return await on_each(kubes, lambda name: uid_of(kubes[name]))

    async def uid_of(kube: Kube) -> str:
        return str((await kube.get("v1", "Namespace", "kube-system") or {})["metadata"]["uid"])

    async def both() -> tuple[dict[str, str], dict[str, FleetError]]:
        async with recorder(STRANGE["a proxy's 503 without a body"], []) as port:
            return await run(port)

    done, failed = asyncio.run(both())
    assert list(done) == ["east"]
    assert failed["west"].cluster == "west"
    assert "503" in failed["west"].seen
