# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ways to connect to a cluster, and the error when one fails."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.mesh.fleet.plugins.module_utils._kube.client import ApiError, Kube
from ansible_collections.mesh.fleet.plugins.module_utils._kube.kubeconfig import read_kubeconfig
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

from . import control_plane
from .authority import Authority

Connect = t.Callable[..., Kube]


async def version(kube: Kube) -> str:
    async with kube:
        return str((await kube.raw_get("/version"))["gitVersion"])


def refused(kube: Kube) -> FleetError:
    with pytest.raises(FleetError) as caught:
        asyncio.run(version(kube))
    assert caught.value.cluster == "west"
    assert caught.value.next_step
    return caught.value


def to(connection: Connection, **kwargs: t.Any) -> Kube:
    return Kube.connect(connection, cluster="west", **kwargs)


def variant(plane: control_plane.ControlPlane, where: Path, user: dict[str, t.Any], **cluster: t.Any) -> Connection:
    """A kubeconfig of its own in ``where`` with this ``user``."""
    config = {
        "current-context": "only",
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": plane.server,
                    "certificate-authority-data": base64.b64encode(plane.ca_pem.encode()).decode(),
                    **cluster,
                },
            }
        ],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "only", "context": {"cluster": "c", "user": "u"}}],
    }
    path = where / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return Connection(kubeconfig=str(path))


def test_client_certificate_and_token(connect: Connect) -> None:
    assert asyncio.run(version(connect("admin"))).startswith("v1.")
    assert asyncio.run(version(connect("token"))).startswith("v1.")


def test_address_token_and_ca(plane: control_plane.ControlPlane) -> None:
    connection = Connection(server=plane.server, token=control_plane.ADMIN_TOKEN, ca_pem=plane.ca_pem)
    assert asyncio.run(version(to(connection))).startswith("v1.")


def test_readyz_is_text(connect: Connect) -> None:
    async def run() -> None:
        async with connect() as kube:
            assert await kube.raw_get("/readyz") == "ok"

    asyncio.run(run())


def test_certificates_as_data_leave_no_file(
    plane: control_plane.ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {
        f"{name}-data": base64.b64encode((plane.directory / file).read_bytes()).decode()
        for name, file in {"client-certificate": "admin.crt", "client-key": "admin.key"}.items()
    }
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setenv("TMPDIR", str(temp))
    assert asyncio.run(version(to(variant(plane, tmp_path, data)))).startswith("v1.")
    assert list(temp.iterdir()) == []


def test_token_file(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(control_plane.ADMIN_TOKEN + "\n")
    assert asyncio.run(version(to(variant(plane, tmp_path, {"tokenFile": "token"})))).startswith("v1.")


def test_a_token_with_a_newline(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    token = f"{control_plane.ADMIN_TOKEN}\n"
    assert asyncio.run(version(to(variant(plane, tmp_path, {"token": token})))).startswith("v1.")
    assert asyncio.run(version(to(Connection(server=plane.server, token=token, ca_pem=plane.ca_pem)))).startswith("v1.")


def test_the_name_in_the_certificate(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    user = {"token": control_plane.ADMIN_TOKEN}
    good = variant(plane, tmp_path, user, **{"tls-server-name": "kubernetes"})
    assert asyncio.run(version(to(good))).startswith("v1.")
    bad = variant(plane, tmp_path, user, **{"tls-server-name": "elsewhere"})
    assert "another name" in refused(to(bad)).what


def test_a_ca_that_is_an_intermediate_with_a_comment(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    pem = "# CA für Köln\n".encode() + Authority("above").vouch_for(plane.authority)
    (tmp_path / "ca.crt").write_bytes(pem)
    user = {"token": control_plane.ADMIN_TOKEN}
    for given in (
        {"certificate-authority-data": base64.b64encode(pem).decode()},
        {"certificate-authority-data": "", "certificate-authority": "ca.crt"},
    ):
        connection = variant(plane, tmp_path, user, **given)
        assert "gitVersion" in plane.kubectl(f"--kubeconfig={connection.kubeconfig}", "version", "-o=json")
        assert asyncio.run(version(to(connection))).startswith("v1.")
    assert "no certificate in PEM" in refused(to(Connection(server=plane.server, ca_pem="ü"))).seen


def test_requests_are_made_as_whom_the_kubeconfig_says(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    whom = {
        "as": "ann",
        "as-uid": "7",
        "as-groups": ["ops", "system:authenticated"],
        "as-user-extra": {"example.com/reason": ["a", "b"]},
    }

    async def run(connection: Connection) -> dict[str, t.Any]:
        async with to(connection) as kube:
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
            path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
            answer = await kube.transport.request("POST", path, body=body)
            return t.cast("dict[str, t.Any]", answer["status"]["userInfo"])

    info = asyncio.run(run(variant(plane, tmp_path, {"token": control_plane.ADMIN_TOKEN, **whom})))
    assert (info["username"], info["uid"], info["extra"]) == ("ann", "7", whom["as-user-extra"])
    assert info["groups"] == whom["as-groups"]
    forbidden = refused(to(variant(plane, tmp_path, {"token": control_plane.LIMITED_TOKEN, **whom})))
    assert "impersonate" in forbidden.seen


def plugin(where: Path, text: str) -> dict[str, t.Any]:
    path = where / "plugin"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "args": ["get"]}}


def test_credential_plugin(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    answer = json.dumps({"kind": "ExecCredential", "status": {"token": control_plane.ADMIN_TOKEN}})
    user = plugin(
        tmp_path, f"import os; assert 'interactive' in os.environ['KUBERNETES_EXEC_INFO']; print('''{answer}''')"
    )
    assert asyncio.run(version(to(variant(plane, tmp_path, user)))).startswith("v1.")


def test_a_credential_plugin_refused_is_started_again(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    text = f"""
import json
with open({str(runs)!r}, "a") as stream: stream.write("x")
token = {control_plane.ADMIN_TOKEN!r} if len(open({str(runs)!r}).read()) > 1 else "ended"
print(json.dumps({{"status": {{"token": token}}}}))
"""
    connection = variant(plane, tmp_path, plugin(tmp_path, text))
    for _connection in range(2):
        assert asyncio.run(version(to(connection))).startswith("v1.")
    assert runs.read_text() == "xx"


def test_credential_plugin_with_a_certificate(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    cert, key = ((plane.directory / f"admin.{end}").read_text() for end in ("crt", "key"))
    status = {"clientCertificateData": cert, "clientKeyData": key}
    (tmp_path / "answer").write_text(json.dumps({"status": status}))
    user = plugin(tmp_path, f"print(open({str(tmp_path / 'answer')!r}).read())")
    assert asyncio.run(version(to(variant(plane, tmp_path, user)))).startswith("v1.")


@pytest.mark.parametrize("ends", ["", "2020-01-01T00:00:00Z"])
def test_a_certificate_that_ends_within_a_connection_is_renewed(
    ends: str, plane: control_plane.ControlPlane, tmp_path: Path
) -> None:
    """The server no longer accepts it (it is of another CA), or its plugin said when it ends."""
    pairs = [Authority("test-ca").issue("admin", ["system:masters"])]
    pairs += [tuple((plane.directory / f"admin.{end}").read_bytes() for end in ("crt", "key"))]  # type: ignore[list-item]
    for number, (cert, key) in enumerate(pairs, 1):
        status = {"clientCertificateData": cert.decode(), "clientKeyData": key.decode(), "expirationTimestamp": ends}
        (tmp_path / f"answer{number}").write_text(
            json.dumps({"status": status if number == 1 else {**status, "expirationTimestamp": ""}})
        )
    text = f"""
import pathlib
here = pathlib.Path({str(tmp_path)!r})
with open(here / "runs", "a") as stream: stream.write("x")
number = min(len((here / "runs").read_text()), 2)
print((here / f"answer{{number}}").read_text())
"""

    async def run(kube: Kube) -> list[str]:
        async with kube:
            await asyncio.gather(*(kube.raw_get("/version") for _time in range(5)))
            watch = {"watch": "1", "timeoutSeconds": "1", "fieldSelector": "metadata.name=default"}
            seen = [event async for event in kube.transport.lines("/api/v1/namespaces", watch, obj="Namespace")]
            return [str(event["object"]["metadata"]["name"]) for event in seen]

    assert asyncio.run(run(to(variant(plane, tmp_path, plugin(tmp_path, text))))) == ["default"]
    assert (tmp_path / "runs").read_text() == "xx"


def test_credential_plugin_that_fails(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    failing = plugin(tmp_path, "import sys; sys.exit('please log in: eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.abcdef')")
    error = refused(to(variant(plane, tmp_path, failing)))
    assert "please log in" in error.seen
    assert "eyJzdWIi" not in str(error)
    garbage = plugin(tmp_path, "print('hello')")
    assert "not an ExecCredential" in refused(to(variant(plane, tmp_path, garbage))).seen
    missing = {"exec": {"command": "no-such-plugin", "installHint": "install the cloud's plugin"}}
    assert refused(to(variant(plane, tmp_path, missing))).next_step == "install the cloud's plugin"


def test_no_such_kubeconfig(tmp_path: Path) -> None:
    error = refused(to(Connection(kubeconfig=str(tmp_path / "none"), context="west")))
    assert str(tmp_path / "none") in error.seen


def test_a_kubeconfig_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("a: [1,\nb: }")
    assert "not YAML" in refused(to(Connection(kubeconfig=str(path)))).what
    path.write_bytes(b"\xff\xfe\x00")
    assert "not YAML" in refused(to(Connection(kubeconfig=str(path)))).what
    path.write_text("just text")
    assert "not a kubeconfig" in refused(to(Connection(kubeconfig=str(path)))).what
    assert "cannot be read" in refused(to(Connection(kubeconfig=str(tmp_path)))).what
    assert "no way to reach" in refused(to(Connection())).what


def test_a_list_of_kubeconfigs_means_what_kubectl_reads(
    plane: control_plane.ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The context of one file, the cluster of the next with a path of its own, the user of the first that has it."""
    token = {"name": "u", "user": {"token": control_plane.ADMIN_TOKEN}}
    context = {"name": "there", "context": {"cluster": "c", "user": "u"}}
    cluster = {"name": "c", "cluster": {"server": plane.server, "certificate-authority": "own.crt"}}
    parts: dict[str, dict[str, t.Any]] = {
        "first": {"contexts": [context], "users": [token]},
        "second": {
            "current-context": "there",
            "clusters": [cluster],
            "users": [{"name": "u", "user": {"token": "no"}}],
        },
        "third": {"current-context": "nowhere", "clusters": [{"name": "c", "cluster": {"server": "https://no"}}]},
    }
    for name, part in parts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config").write_text(yaml.safe_dump(part))
    (tmp_path / "second" / "own.crt").write_text(plane.ca_pem)
    listed = ":".join(str(tmp_path / name / "config") for name in ("missing", *parts))
    assert asyncio.run(version(to(Connection(kubeconfig=listed)))).startswith("v1.")

    monkeypatch.setenv("KUBECONFIG", listed)
    command = [str(control_plane.program("kubectl")), "config", "view", "--flatten", "-o", "json"]
    theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    ours = read_kubeconfig(Connection(kubeconfig=listed), "west")
    assert theirs["current-context"] == ours.document["current-context"]
    assert theirs["contexts"] == ours.document["contexts"]
    assert theirs["users"] == ours.document["users"]
    (there,) = theirs["clusters"]
    mine = ours.named("clusters", "c") or {}
    assert there["cluster"]["server"] == mine["server"]
    seen = base64.b64decode(there["cluster"]["certificate-authority-data"])
    assert seen == ours.content(mine, "certificate-authority") == plane.ca_pem.encode()
    # What the environment says is no business of ours.
    assert "no way to reach" in refused(to(Connection())).what


def test_a_path_with_a_colon_is_one_file(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    connection = variant(plane, folder, {"token": control_plane.ADMIN_TOKEN})
    assert asyncio.run(version(to(connection))).startswith("v1.")
    assert "does not exist" in refused(to(Connection(kubeconfig=str(tmp_path / "c:d")))).what


def test_a_context_that_is_not_there(plane: control_plane.ControlPlane) -> None:
    error = refused(to(Connection(kubeconfig=str(plane.kubeconfig), context="admni")))
    assert 'context "admni" is not in its kubeconfig' in error.what
    assert "admin, token, limited" in error.seen
    assert error.means == 'did you mean "admin"?'


def test_certificates_that_are_none(plane: control_plane.ControlPlane, tmp_path: Path) -> None:
    bad = {"client-certificate-data": "bm90IGEgY2VydA==", "client-key-data": "bm90IGEga2V5"}
    assert "not usable" in refused(to(variant(plane, tmp_path, bad))).what
    gone = {"client-certificate": "nowhere.crt", "client-key": "nowhere.key"}
    assert "nowhere.crt" in refused(to(variant(plane, tmp_path, gone))).seen
    assert "not usable" in refused(to(Connection(server=plane.server, ca_pem="no pem"))).what


def test_expired_token(connect: Connect) -> None:
    error = refused(connect("expired"))
    assert isinstance(error, ApiError)
    assert error.status == 401
    assert "expired" in error.means


def test_no_right(connect: Connect) -> None:
    async def run() -> None:
        async with connect("limited") as kube:
            await kube.list("v1", "Secret", "kube-system")

    with pytest.raises(ApiError) as caught:
        asyncio.run(run())
    assert caught.value.status == 403
    assert "secrets" in caught.value.seen
    assert caught.value.obj == "Secret kube-system"


def test_wrong_ca(connect: Connect) -> None:
    assert "not signed by the expected CA" in refused(connect("wrong-ca")).what


def test_refused_and_silent() -> None:
    port = control_plane.closed_port()
    error = refused(to(Connection(server=f"https://127.0.0.1:{port}", token="x")))
    assert "not reachable" in error.what
    assert "connection refused" in error.seen
    assert str(port) in error.seen
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        silent = f"https://127.0.0.1:{listening.getsockname()[1]}"
        error = refused(to(Connection(server=silent, token="x"), timeout=0.3))
        assert "no answer in 0.3 s" in error.seen


def test_a_silent_server_is_named_not_what_was_asked_first() -> None:
    async def asked(server: str) -> FleetError:
        async with to(Connection(server=server, token="x"), timeout=0.3) as kube:
            with pytest.raises(ApiError) as caught:
                await kube.get("apps/v1", "Deployment", "submariner-lighthouse-agent", "submariner-operator")
        return caught.value

    async def one_that_hangs_up() -> FleetError:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            return await asked(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        for server in (
            f"https://127.0.0.1:{control_plane.closed_port()}",
            f"https://127.0.0.1:{listening.getsockname()[1]}",
        ):
            error = asyncio.run(asked(server))
            assert error.obj == "" and "submariner" not in str(error)
            assert server in error.seen
    broken = asyncio.run(one_that_hangs_up())
    assert "broke" in broken.what and "submariner-lighthouse-agent" in broken.obj, "a write may have been heard"


def test_plain_text_where_tls_is_expected() -> None:
    async def run() -> FleetError:
        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(FleetError) as caught:
                await version(to(Connection(server=f"https://127.0.0.1:{port}")))
        return caught.value

    assert "no TLS connection" in asyncio.run(run()).what


def test_name_that_does_not_resolve() -> None:
    error = refused(to(Connection(server="https://no-such-host.invalid:6443", token="x"), timeout=120))
    assert "does not resolve" in error.what


def test_one_error_for_all_objects_when_the_server_is_away() -> None:
    async def run() -> None:
        port = control_plane.closed_port()
        async with to(Connection(server=f"https://127.0.0.1:{port}", token="x")) as kube:
            maps = [
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"n{i}", "namespace": "x"}}
                for i in range(5)
            ]
            await kube.apply(maps)

    with pytest.raises(FleetError, match="not reachable"):
        asyncio.run(run())


def test_credentials_are_not_in_any_repr(plane: control_plane.ControlPlane) -> None:
    async def run() -> str:
        async with to(Connection(server=plane.server, token="hidden-token", ca_pem=plane.ca_pem)) as kube:
            return repr(kube) + repr(kube.transport.endpoint) + repr(kube.transport)

    assert "hidden-token" not in asyncio.run(run())
    assert os.environ.get("KUBERNETES_EXEC_INFO") is None
