# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client certificate is used also where a system has no files in memory. tests/api/test_connect.py has the rest."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.mesh.fleet.plugins.module_utils._kube.connect import resolve
from ansible_collections.mesh.fleet.plugins.module_utils._model.inventory.connection import Connection


def certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), private


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_client_certificate_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool) -> None:
    cert, key = (base64.b64encode(pem).decode() for pem in certificate())
    user = {"client-certificate-data": cert, "client-key-data": key}
    (tmp_path / "config").write_text(
        json.dumps(
            {
                "clusters": [{"name": "west", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "west", "user": user}],
                "contexts": [{"name": "west", "context": {"cluster": "west", "user": "west"}}],
                "current-context": "west",
            }
        )
    )
    if not in_memory:
        # memfd_create without /proc: what it makes has no path.
        monkeypatch.setattr(os.path, "isdir", lambda path: False)
        monkeypatch.setattr(os, "memfd_create", lambda name: pytest.fail("it has no path here"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    endpoint = asyncio.run(resolve(Connection(kubeconfig=str(tmp_path / "config")), "west"))
    assert endpoint.tls is not None
    assert list((tmp_path / "tmp").iterdir()) == []
