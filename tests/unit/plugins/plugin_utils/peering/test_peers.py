# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The CA of a remote secret where the controller cannot look at the address."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils._kube.endpoint import Endpoint
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.environment import Environment
from ansible_collections.mesh.fleet.plugins.module_utils._model.providers.reading import read_fleet
from ansible_collections.mesh.fleet.plugins.plugin_utils.peering import peers

SERVER = "https://192.0.2.1:6443"
PUBLISHED = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(("mode", "ca"), [(ssl.CERT_REQUIRED, ""), (ssl.CERT_NONE, PUBLISHED)])
def test_an_unverified_connection_vouches_for_no_public_root(
    mode: ssl.VerifyMode, ca: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": SERVER}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    hosts = {"west": {"cluster_provider": "kubeconfig", "cluster_kubeconfig": str(path), "cluster_region": "eu-de"}}
    fleet = read_fleet(hosts, Environment(state_dir=str(tmp_path), variables={}))

    async def silence(*_args: t.Any) -> None:
        raise TimeoutError

    async def get(_version: str, kind: str, *_names: str) -> dict[str, t.Any]:
        return {"metadata": {"uid": "7"}, **({"data": {"ca.crt": PUBLISHED}} if kind == "ConfigMap" else {})}

    monkeypatch.setattr(peers, "_shake_hands", silence)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, mode
    transport = types.SimpleNamespace(endpoint=Endpoint(SERVER, tls))
    kube: t.Any = types.SimpleNamespace(absent=False, cluster="west", transport=transport, get=get)
    cluster = fleet.clusters["west"]
    peer, _changes = asyncio.run(peers.read_peer(kube, cluster, "istio-system", fleet="f", static=False, dry_run=False))
    assert base64.b64decode(peer.ca).decode() == ca
