# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real TLS servers: one that wants a certificate, one that wants none, one that knows no such name, and none."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.bundle import (
    Bundle,
    Gateway,
    Offer,
    OfferedPort,
    as_text,
)
from ansible_collections.mesh.fleet.plugins.module_utils._model.federation.settings import Export, Peer
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates
from ansible_collections.mesh.fleet.plugins.module_utils._model.verify.federated_calls import Knock
from ansible_collections.mesh.fleet.plugins.plugin_utils.federation.peers import Peers
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify import knocking
from ansible_collections.mesh.fleet.plugins.plugin_utils.verify.knocking import knock, knock_at_exports

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
ROOT_KEY = certificates.new_key()
ROOT = certificates.make_root(ROOT_KEY, certificates.Policy("west.mesh", "istio-system", "default", NOW))


@contextlib.contextmanager
def serving(folder: Path, *, wants: bool, knows: bool = True, newest: bool = True) -> t.Iterator[int]:
    """A TLS server's port. ``wants``: a certificate; ``knows``: the name; ``newest``: TLS 1.3 and not 1.2."""
    (folder / "cert").write_text(certificates.certificate_pem(ROOT))
    (folder / "key").write_text(certificates.key_pem(ROOT_KEY))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    context.maximum_version = ssl.TLSVersion.TLSv1_3 if newest else ssl.TLSVersion.TLSv1_2
    if wants:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "cert")
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            plain, _where = listening.accept()
            with plain:
                if not knows:
                    return
                with context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(1000)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(listening.getsockname()[1])
    listening.close()
    thread.join(10)
    assert names == (["outbound_.80_._.till.shop.global"] if knows else [])


@pytest.mark.parametrize("newest", [True, False], ids=["TLS 1.3", "TLS 1.2"])
def test_a_server_that_wants_a_certificate_refuses(tmp_path: Path, newest: bool) -> None:
    with serving(tmp_path, wants=True, newest=newest) as port:
        ended = knock(Knock("till.shop.global", 80, "127.0.0.1", port), 10)
    assert ended.refused is (True if newest else None), "an older handshake names no cause"


def test_one_that_wants_none_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knocking, "_REFUSAL_SECONDS", 0.05)
    with serving(tmp_path, wants=False) as port:
        ended = knock(Knock("till.shop.global", 80, "127.0.0.1", port), 10)
    assert ended == (False, "HTTP/1.1 200 OK")


def test_an_end_without_a_cause_proves_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, wants=True, knows=False) as port:
        assert knock(Knock("till.shop.global", 80, "127.0.0.1", port), 10).refused is None
    nobody = knock(Knock("till.shop.global", 80, "127.0.0.1", port), 10)
    assert nobody.refused is None and "does not reach it" in nobody.seen


def test_gateways_and_ports_are_those_of_our_bundles(tmp_path: Path) -> None:
    peers = Peers(True, [Peer("east.mesh", "", (Export("till", "shop"),)), Peer("north.mesh", "")])

    def checked() -> list[tuple[str, str]]:
        found = asyncio.run(knock_at_exports(peers, "west.mesh", str(tmp_path), ["west"], timeout_ms=10_000))
        return [(check.name, check.state) for check in found]

    assert checked() == [("east.mesh", "skipped")], "nothing is exported to north"
    with serving(tmp_path, wants=True) as port:
        offer = Offer(
            "till.shop.global", (OfferedPort(80, "http", "HTTP"),), ("spiffe://west.mesh/ns/a/sa/b",), ("net",)
        )
        gates = (Gateway("net", "localhost", port),)  # a loopback address is none of a gateway
        end = NOW + datetime.timedelta(days=9)
        bundle = Bundle("west.mesh", "east.mesh", "istio-system", NOW, end, (ROOT,), gates, (offer,))
        (tmp_path / "west.mesh-for-east.mesh.json").write_text(as_text(bundle))
        assert checked() == [("no certificate → till.shop.global at localhost", "ok")]
