# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Released files over real HTTP on loopback: what arrives is what was asked for, or the reason is reported."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.server
import io
import pathlib
import socket
import tarfile
import threading
import time
import typing as t

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.build_graph import Store, make
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.build_source import Recipe
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.downloads import (
    extract_program,
    fetch,
    published_sum,
)
from ansible_collections.mesh.fleet.plugins.module_utils._local.artifacts.upstream import UpstreamBuild, choose_source
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError

VERSIONS = {"kubernetes": "v1", "helm": "v2", "istio": "3", "etcd": "v4", "kind": "v5"}
Answers = dict[str, tuple[int, bytes]]


@contextlib.contextmanager
def serving(answers: Answers, short_by: int = 0) -> t.Iterator[str]:
    """A server on loopback; ``short_by`` bytes of each answer are promised and never sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = answers.get(self.path, (404, b""))
            self.send_response(code)
            self.send_header("Content-Length", str(len(body) + short_by))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def closed_port() -> t.Iterator[int]:
    """A port that is held, so that nobody can begin to listen there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def archive(member: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as opened:
        entry = tarfile.TarInfo(member)
        entry.size = len(data)
        opened.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def test_a_file_arrives_with_its_digest(tmp_path: pathlib.Path) -> None:
    with serving({"/kind": (200, b"program")}) as address:
        assert fetch(f"{address}/kind", tmp_path / "kind") == digest(b"program")
    assert (tmp_path / "kind").read_bytes() == b"program"


def test_a_range_of_no_proxy_is_asked_without_the_proxy(
    tmp_path: pathlib.Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.0/8")
    with serving({"/kind": (200, b"program"), "/v2/": (200, b"{}")}) as address:
        assert fetch(f"{address}/kind", tmp_path / "kind") == digest(b"program")
        assert choose_source(f"{address.removeprefix('http://')}/kindest/node:v1", timeout=60)[0] == "upstream"


@pytest.mark.parametrize("code", [403, 404, 500])
def test_a_refusal_is_reported_with_the_address(tmp_path: pathlib.Path, code: int) -> None:
    with serving({"/kind": (code, b"")}) as address, pytest.raises(FleetError) as caught:
        fetch(f"{address}/kind", tmp_path / "kind")
    assert caught.value.what == "downloading kind failed"
    assert caught.value.seen.startswith(f"{address}/kind answers {code}")
    assert "artifacts_downloads" in caught.value.next_step


def test_a_closed_port_is_reported(tmp_path: pathlib.Path, closed_port: int) -> None:
    with pytest.raises(FleetError, match="Connection refused"):
        fetch(f"http://127.0.0.1:{closed_port}/kind", tmp_path / "kind")


def test_a_transfer_that_breaks_off_is_reported(tmp_path: pathlib.Path) -> None:
    answers: Answers = {"/kind": (200, b"program")}
    with serving(answers, short_by=5) as address, pytest.raises(FleetError, match="downloading kind failed"):
        fetch(f"{address}/kind", tmp_path / "kind")


def test_something_that_is_no_address_is_reported(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FleetError, match="downloading kind failed"):
        fetch("mirror.example/kind", tmp_path / "kind")


@pytest.mark.parametrize("text", ["{sum}", "{sum}  kind\n", "{other}  else\n{sum}  kind\n", "{sum} *kind"])
def test_published_sums_come_in_several_forms(text: str) -> None:
    wanted, other = digest(b"a"), digest(b"b")
    with serving({"/sum": (200, text.format(sum=wanted, other=other).encode())}) as address:
        assert published_sum(f"{address}/sum", "kind") == wanted


def test_a_page_without_a_sum_is_reported() -> None:
    page = (200, b"<html>log in</html>")
    with serving({"/sum": page}) as address, pytest.raises(FleetError, match="no checksum for kind"):
        published_sum(f"{address}/sum", "kind")


def test_an_archive_of_another_layout_is_reported(tmp_path: pathlib.Path) -> None:
    (tmp_path / "helm.tar.gz").write_bytes(archive("elsewhere/helm", b"x"))
    with pytest.raises(FleetError, match=r"helm\.tar\.gz does not hold linux-amd64/helm"):
        extract_program(tmp_path / "helm.tar.gz", "linux-amd64/helm", tmp_path / "helm")
    (tmp_path / "helm.tar.gz").write_bytes(b"no archive")
    with pytest.raises(FleetError, match=r"helm\.tar\.gz does not hold"):
        extract_program(tmp_path / "helm.tar.gz", "linux-amd64/helm", tmp_path / "helm")


def kubectl_from(address: str, store: pathlib.Path, checksums: t.Mapping[str, str] | None = None) -> pathlib.Path:
    build = UpstreamBuild(
        Recipe(store, VERSIONS, checksums or {}),
        None,
        downloads=address,
        charts="",
        hub="",
        node_image="",
        sample_image="",
    )
    steps = [step for step in build.steps({"tools"}) if step.name == "get-kubectl"]
    outcome = asyncio.run(make(steps, Store(store), say=lambda line: None, at_once=1))
    return outcome.folders["get-kubectl"]


def test_a_mirror_serves_files_under_their_plain_names(tmp_path: pathlib.Path) -> None:
    answers: Answers = {"/kubectl": (200, b"program"), "/kubectl.sha256": (200, digest(b"program").encode())}
    with serving(answers) as address:
        folder = kubectl_from(address, tmp_path)
    assert (folder / "kubectl").read_bytes() == b"program"
    assert (folder / "kubectl").stat().st_mode & 0o777 == 0o755


def test_a_sum_that_does_not_match_keeps_nothing(tmp_path: pathlib.Path) -> None:
    answers: Answers = {"/kubectl": (200, b"changed"), "/kubectl.sha256": (200, digest(b"program").encode())}
    with serving(answers) as address, pytest.raises(FleetError) as caught:
        kubectl_from(address, tmp_path)
    assert caught.value.what == "checksum of kubectl does not match"
    assert digest(b"changed") in caught.value.seen
    assert digest(b"program") in caught.value.means
    assert list((tmp_path / "store").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_sum_of_the_users_own_comes_first(tmp_path: pathlib.Path) -> None:
    with serving({"/kubectl": (200, b"program")}) as address:
        kubectl_from(address, tmp_path, {"kubectl": digest(b"program")})
        with pytest.raises(FleetError, match="checksum of kubectl does not match"):
            kubectl_from(address, tmp_path, {"kubectl": digest(b"other")})


@pytest.mark.parametrize(
    ("code", "source"), [(200, "upstream"), (401, "upstream"), (403, "registries"), (404, "registries")]
)
def test_auto_asks_the_registry(code: int, source: str) -> None:
    with serving({"/v2/": (code, b"{}")}) as address:
        found, why = choose_source(f"{address.removeprefix('http://')}/kindest/node:v1", timeout=60)
    assert found == source
    assert address.removeprefix("http://") in why


def test_auto_chooses_registries_where_nobody_answers(closed_port: int) -> None:
    found, why = choose_source(f"127.0.0.1:{closed_port}/kindest/node:v1")
    assert found == "registries"
    assert "cannot be reached" in why


def test_auto_does_not_wait_for_a_registry_that_keeps_silent() -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found, _why = choose_source(f"127.0.0.1:{silent.getsockname()[1]}/kindest/node:v1", timeout=1)
    assert found == "registries"
    assert time.monotonic() - began < 120
