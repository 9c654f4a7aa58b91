# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys in the trust folder: none is ever overwritten, and a run that is cut off loses none."""

from __future__ import annotations

import datetime
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mesh.fleet.plugins.module_utils import files
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.fleet_roots import LiveRoot
from ansible_collections.mesh.fleet.plugins.module_utils.errors import FleetError
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust import issuers
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.folder import ROOT_CERT, ROOT_KEY, Files
from ansible_collections.mesh.fleet.plugins.plugin_utils.trust.vault import VaultBox

POLICY = certificates.Policy("shop.example", "istio-system", "default", datetime.datetime.now(datetime.UTC))


class Folder:
    """A trust folder with its vault password."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "trust"
        self.password = tmp_path / "password"
        self.password.write_text("sesame\n")
        self.password.chmod(0o600)

    @property
    def box(self) -> VaultBox:
        return VaultBox(str(self.password))

    def open(self, root: str = "generated", live: t.Any = None) -> t.Any:
        given = {"root": root, "root_cert": "", "root_key": ""}
        return issuers.open_issuer(given, str(self.path), POLICY, self.box, Files(check_mode=False), live)

    def make(self) -> t.Any:
        """The issuer of a run that signs something."""
        issuer = self.open()
        issuer.save()
        return issuer

    def key(self, name: str) -> bytes:
        """The public part of a key in the folder."""
        text = self.box.decrypt((self.path / name).read_text(), name)
        return certificates.public_bytes(certificates.key_from_pem(text))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


class CutOff(Exception):
    """The power fails."""


def test_a_root_key_without_its_certificate_is_used(folder: Folder) -> None:
    folder.make()
    kept = (folder.path / ROOT_KEY).read_bytes()
    (folder.path / ROOT_CERT).unlink()
    again = folder.make()
    assert (folder.path / ROOT_KEY).read_bytes() == kept
    assert certificates.public_bytes(again.root) == folder.key(ROOT_KEY)
    assert not folder.open().made_now


def test_a_root_key_that_cannot_be_opened_stays(folder: Folder) -> None:
    folder.make()
    kept = (folder.path / ROOT_KEY).read_bytes()
    (folder.path / ROOT_CERT).unlink()
    folder.password.write_text("another\n")
    with pytest.raises(FleetError, match="cannot be decrypted"):
        folder.open()
    assert (folder.path / ROOT_KEY).read_bytes() == kept
    assert not (folder.path / ROOT_CERT).exists()


def test_the_root_is_written_after_its_key(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, done = os.replace, []

    def one_rename(*paths: t.Any) -> None:
        if done:
            raise CutOff
        done.append(paths)
        replace(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", one_rename)
        with pytest.raises(CutOff):
            folder.make()
    assert sorted(path.name for path in folder.path.iterdir()) == [ROOT_KEY]
    assert certificates.public_bytes(folder.open().root) == folder.key(ROOT_KEY)


def live(authority: certificates.Authority) -> LiveRoot:
    return LiveRoot(authority.certificate, ("west",))


def test_a_run_that_signs_nothing_leaves_no_root(folder: Folder) -> None:
    assert folder.open().made_now
    assert not folder.path.exists()


def test_a_lost_root_comes_back_from_a_cluster(folder: Folder) -> None:
    root = folder.make().root
    (folder.path / ROOT_CERT).unlink()
    again = folder.open(live=LiveRoot(root, ("west",)))
    assert again.root == root
    assert certificates.parse_certificates((folder.path / ROOT_CERT).read_text()) == [root]
    assert not again.made_now


def test_a_key_of_another_root_is_no_key_of_the_fleet(folder: Folder, corporate: certificates.Authority) -> None:
    folder.make()
    (folder.path / ROOT_CERT).unlink()
    with pytest.raises(FleetError, match="does not belong to its certificate"):
        folder.open(live=live(corporate))
    assert sorted(path.name for path in folder.path.iterdir()) == [ROOT_KEY]


def test_a_root_without_its_key_signs_nothing(folder: Folder, corporate: certificates.Authority) -> None:
    found = folder.open(live=live(corporate))
    assert found.root == corporate.certificate
    with pytest.raises(FleetError, match="the fleet's root is not on this controller"):
        found.chain("east", None)
    found.save()
    assert not folder.path.exists()


def answered(folder: Folder, corporate: certificates.Authority, cluster: str) -> dict[str, str]:
    """The CA signs the request of a cluster; what its ``cacerts`` then holds."""
    answers = folder.path / "external"
    request = certificates.x509.load_pem_x509_csr((answers / f"{cluster}.csr.pem").read_bytes())
    signed = certificates.make_intermediate(corporate, _Public(request), cluster, POLICY)
    files.write_file(answers / f"{cluster}.chain.pem", certificates.certificate_pem(signed))
    files.write_file(answers / ROOT_CERT, certificates.certificate_pem(corporate.certificate))
    return t.cast(dict[str, str], folder.open("external").chain(cluster, None).data)


class _Public:
    """What a CA has of the key that it signs: the public part."""

    def __init__(self, request: t.Any) -> None:
        self._request = request

    def public_key(self) -> t.Any:
        return self._request.public_key()


@pytest.fixture
def corporate() -> certificates.Authority:
    key = certificates.new_key()
    return certificates.Authority(certificates.make_root(key, POLICY), key)


def test_a_renewal_keeps_the_key_in_use(folder: Folder, corporate: certificates.Authority) -> None:
    used = []
    for again in range(3):
        if not again:
            assert folder.open("external").chain("west", None) is None
        present = answered(folder, corporate, "west")
        used.append(folder.key("external/west.key.vault"))
        assert folder.open("external").chain("west", present) is None
    names = ["west.key.vault.old", "west.key.vault.old1", "west.key.vault.old2"]
    assert [folder.key(f"external/{name}") for name in names] == used
    assert folder.key("external/west.key.vault") not in used


def test_a_lost_request_is_made_from_its_key(folder: Folder) -> None:
    folder.open("external").chain("west", None)
    request, key = folder.path / "external/west.csr.pem", folder.path / "external/west.key.vault"
    asked, kept = certificates.x509.load_pem_x509_csr(request.read_bytes()), key.read_bytes()
    request.unlink()
    folder.open("external").chain("west", None)
    again = certificates.x509.load_pem_x509_csr(request.read_bytes())
    assert key.read_bytes() == kept
    assert certificates.public_bytes(again) == certificates.public_bytes(asked)


def test_what_a_corporate_ca_answers_is_verified(folder: Folder, corporate: certificates.Authority) -> None:
    folder.open("external").chain("west", None)
    answered(folder, corporate, "west")
    other = certificates.make_intermediate(corporate, certificates.new_key(), "west", POLICY)
    answer = folder.path / "external/west.chain.pem"
    answer.write_text(certificates.certificate_pem(other))
    with pytest.raises(FleetError, match="is not the key of") as refused:
        folder.open("external").chain("west", None)
    assert (refused.value.cluster, refused.value.obj) == ("west", str(answer))


@pytest.mark.parametrize("step", range(5))
def test_a_renewal_that_is_cut_off_leaves_a_pair(
    folder: Folder, corporate: certificates.Authority, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    folder.open("external").chain("west", None)
    present = answered(folder, corporate, "west")
    left = [step]
    with monkeypatch.context() as patch:
        for name in ("replace", "rename"):
            patch.setattr(os, name, _until(left, getattr(os, name)))
        with pytest.raises(CutOff):
            folder.open("external").chain("west", present)
    # The next run still has the answer, or has asked for another one by a request that fits its key.
    assert folder.open("external").chain("west", present) is None
    request = certificates.x509.load_pem_x509_csr((folder.path / "external/west.csr.pem").read_bytes())
    assert certificates.public_bytes(request) == folder.key("external/west.key.vault")


def _until(left: list[int], real: t.Callable[..., None]) -> t.Callable[..., None]:
    def rename(*paths: t.Any) -> None:
        if not left[0]:
            raise CutOff
        left[0] -= 1
        real(*paths)

    return rename
