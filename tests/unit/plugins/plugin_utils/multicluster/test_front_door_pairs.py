# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of several clusters' certificates a front door takes."""

from __future__ import annotations

import base64
import datetime
import typing as t
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.mesh.fleet.plugins.module_utils._local.kind.front_door import FrontDoorFolder
from ansible_collections.mesh.fleet.plugins.module_utils._model.multicluster.front_door import read_front_door
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.multicluster.front_door_pairs import find_pairs

DOOR, _WRONG = read_front_door(
    "front-door", [{"host": "shop.example", "service": "web.shop"}], ["west", "east"], certificates=["shop-tls"]
)


def secret(*, begins: int) -> dict[str, t.Any]:
    """A Secret whose certificate begins in some days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop")])
    start = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=begins)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=90))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    held = {"tls.crt": made.sign(key, hashes.SHA256()).public_bytes(pem), "tls.key": private}
    data = {name: base64.b64encode(text).decode() for name, text in held.items()}
    return {"metadata": {"name": "shop-tls", "namespace": "shop"}, "data": data}


def test_one_that_is_not_valid_yet_is_passed_over(tmp_path: Path) -> None:
    early, good = secret(begins=5), secret(begins=-1)
    folder = FrontDoorFolder(tmp_path)
    (pair,), (warning,) = find_pairs(DOOR, {"west": {"shop-tls": [early]}, "east": {"shop-tls": [good]}}, folder, {})
    assert base64.b64encode(pair.certificate.encode()).decode() == good["data"]["tls.crt"]
    assert "west: Secret shop/shop-tls is not used: its certificate is not valid yet (from 20" in warning
    with pytest.raises(FleetError, match="not valid yet"):
        find_pairs(DOOR, {"west": {"shop-tls": [early]}}, folder, {})
