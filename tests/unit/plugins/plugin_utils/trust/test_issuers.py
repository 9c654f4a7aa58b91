# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys in the trust folder: none is ever overwritten, and a run that is cut off loses none."""

from __future__ import annotations

import asyncio
import dataclasses
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

    def open(self, root: str = "generated", live: t.Any = None, **more: t.Any) -> t.Any:
        given = {"root": root, "root_cert": "", "root_key": "", **more}
        return issuers.open_issuer(given, str(self.path), POLICY, self.box, Files(check_mode=False), live)

    def make(self) -> t.Any:
        """The issuer of a run that signs something."""
        issuer = self.open()
        issuer.save()
        return issuer

    def text(self, name: str) -> str:
        """A key in the folder."""
        return self.box.decrypt((self.path / name).read_text(), name)

    def key(self, name: str) -> bytes:
        """The public part of it."""
        return certificates.public_bytes(certificates.key_from_pem(self.text(name)))


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


def by_command(folder: Folder, corporate: certificates.Authority, answer: str) -> t.Any:
    """An issuer whose command answers this."""
    given = {
        "root": "external",
        "root_cert": certificates.certificate_pem(corporate.certificate),
        "root_key": "",
        "signer_command": ["printf", "%s", answer],
        "signer_timeout": 60.0,
    }
    return issuers.open_issuer(given, str(folder.path), POLICY, folder.box, Files(check_mode=False))


def test_what_a_command_signs_is_used_at_once_and_kept(folder: Folder, corporate: certificates.Authority) -> None:
    assert by_command(folder, corporate, "-").chain("west", None) is None
    request = certificates.x509.load_pem_x509_csr((folder.path / "external/west.csr.pem").read_bytes())
    signed = certificates.make_intermediate(corporate, _Public(request), "west", POLICY)
    issuer = by_command(folder, corporate, f"Key: value\n{certificates.certificate_pem(signed)}")
    assert issuer.chain("west", None) is None and issuer.requests
    chain = asyncio.run(issuer.signed_by_command("west", None))
    assert certificates.parse_certificates(chain.certificate) == [signed]
    assert issuer.requests == {}
    kept = (folder.path / "external/west.chain.pem").read_text()
    assert kept == certificates.certificate_pem(signed), "with nothing else of what the command said"
    # It is found again, and nothing is asked twice.
    assert by_command(folder, corporate, "-").chain("west", None) == chain


def test_a_command_may_sign_from_now_on(
    folder: Folder, corporate: certificates.Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CA that backdates nothing signs after the run began, by which everything else is measured."""
    assert by_command(folder, corporate, "-").chain("west", None) is None
    request = certificates.x509.load_pem_x509_csr((folder.path / "external/west.csr.pem").read_bytes())
    monkeypatch.setattr(certificates, "BACKDATE", datetime.timedelta())
    signed = certificates.make_intermediate(corporate, _Public(request), "west", POLICY)
    began = dataclasses.replace(POLICY, now=signed.not_valid_before_utc - datetime.timedelta(seconds=1))
    monkeypatch.setattr(f"{__name__}.POLICY", began)
    issuer = by_command(folder, corporate, certificates.certificate_pem(signed))
    assert issuer.chain("west", None) is None
    assert asyncio.run(issuer.signed_by_command("west", None)).certificate == certificates.certificate_pem(signed)


def test_a_wrong_answer_of_a_command_is_not_kept(folder: Folder, corporate: certificates.Authority) -> None:
    other = certificates.make_intermediate(corporate, certificates.new_key(), "west", POLICY)
    issuer = by_command(folder, corporate, certificates.certificate_pem(other))
    assert issuer.chain("west", None) is None
    with pytest.raises(FleetError, match="is not the key of"):
        asyncio.run(issuer.signed_by_command("west", None))
    assert sorted(path.name for path in (folder.path / "external").iterdir()) == ["west.csr.pem", "west.key.vault"]


def test_a_command_needs_the_root_that_it_signs_under(folder: Folder) -> None:
    with pytest.raises(FleetError, match="root of the CA behind trust_signer_command is not known") as refused:
        folder.open("external", signer_command=["sign"], signer_timeout=60.0)
    assert refused.value.obj == str(folder.path / "external" / ROOT_CERT)


def test_a_root_that_is_not_fit_signs_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it comes from: made now, in the folder, given by the user, or known from the clusters."""
    root = folder.make().root
    key = folder.box.decrypt((folder.path / ROOT_KEY).read_text(), "x")
    late = dataclasses.replace(POLICY, now=root.not_valid_after_utc + datetime.timedelta(days=1))
    monkeypatch.setattr(f"{__name__}.POLICY", late)
    for given in ({}, {"root": "provided", "root_cert": certificates.certificate_pem(root), "root_key": key}):
        with pytest.raises(FleetError, match="of the chain has expired"):
            folder.open(**given)
    (folder.path / ROOT_CERT).rename(folder.path / "aside")
    (folder.path / ROOT_KEY).rename(folder.path / "key")
    with pytest.raises(FleetError, match="of the chain has expired"):
        folder.open(live=LiveRoot(root, ("west",)))
    (folder.path / "key").rename(folder.path / ROOT_KEY)
    with pytest.raises(FleetError, match="of the chain has expired"):
        folder.open(live=LiveRoot(root, ("west",)))
    with pytest.raises(FleetError, match="of the chain has expired"):
        folder.open("external", root_cert=certificates.certificate_pem(root))


def test_a_root_of_the_users_is_taken_as_it_is(folder: Folder, corporate: certificates.Authority) -> None:
    cert, key = certificates.certificate_pem(corporate.certificate), certificates.key_pem(corporate.key)
    folder.path.mkdir()
    files = {"cert": cert, "key": key, "encrypted": folder.box.encrypt(key)}
    for name, content in files.items():
        (folder.path / name).write_text(content)
    for root_cert, root_key in (
        (cert, key),
        (cert, files["encrypted"]),
        (str(folder.path / "cert"), str(folder.path / "key")),
        (str(folder.path / "cert"), str(folder.path / "encrypted")),
    ):
        issuer = folder.open("provided", root_cert=root_cert, root_key=root_key)
        assert issuer.root == corporate.certificate and not issuer.made_now
        issuer.save()
        chain = issuer.chain("west", {"root-cert.pem": cert + cert})
        assert chain.root == cert + cert, "a bundle that lists the root stays"
    assert sorted(path.name for path in folder.path.iterdir()) == sorted(files)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"root_cert": ""}, "trust_root_cert is missing"),
        ({"root_key": ""}, "trust_root_key is missing"),
        ({"root_cert": "twice"}, "holds more than one certificate"),
        ({"root_key": "another"}, "does not belong to its certificate"),
    ],
)
def test_half_a_root_of_the_users_is_refused(
    folder: Folder, corporate: certificates.Authority, given: dict[str, str], what: str
) -> None:
    cert = certificates.certificate_pem(corporate.certificate)
    texts = {"twice": cert + cert, "another": certificates.key_pem(certificates.new_key()), "": ""}
    whole = {"root_cert": cert, "root_key": certificates.key_pem(corporate.key)}
    with pytest.raises(FleetError, match=what) as refused:
        folder.open("provided", **{**whole, **{name: texts[value] for name, value in given.items()}})
    assert refused.value.obj == ""


def test_a_folder_with_half_a_root_is_refused(folder: Folder) -> None:
    folder.make()
    key = folder.path / ROOT_KEY
    text = key.read_text()
    key.write_text(folder.box.decrypt(text, "x"))
    with pytest.raises(FleetError, match="on the disk unencrypted") as refused:
        folder.open()
    assert refused.value.obj == str(key)
    key.write_text(folder.box.encrypt(certificates.key_pem(certificates.new_key())))
    with pytest.raises(FleetError, match="does not belong to its certificate") as refused:
        folder.open()
    assert refused.value.obj == str(key)
    key.unlink()
    with pytest.raises(FleetError, match="the root's key is missing"):
        folder.open()


def test_a_root_is_saved_once_with_what_it_needs(folder: Folder) -> None:
    folder.password.unlink()
    box, files = VaultBox(str(folder.password), create=True), Files(check_mode=False)
    given = {"root": "generated", "root_cert": "", "root_key": ""}
    issuer = issuers.open_issuer(given, str(folder.path), POLICY, box, files)
    assert files.changes == []
    issuer.save()
    issuer.save()
    names = [str(folder.password), str(folder.path / ROOT_KEY), str(folder.path / ROOT_CERT)]
    shown = ["(a random password)", "(key, vault encrypted)", "(root certificate)"]
    assert [(c.kind, c.name, c.action, c.after) for c in files.changes] == [
        ("File", name, "created", text) for name, text in zip(names, shown, strict=True)
    ]
    # With a password that is there, no change speaks of it.
    (folder.path / ROOT_CERT).unlink()
    (folder.path / ROOT_KEY).unlink()
    files = Files(check_mode=False)
    issuers.open_issuer(given, str(folder.path), POLICY, folder.box, files).save()
    assert [change.name for change in files.changes] == names[1:]


def test_a_new_key_is_of_the_type_that_is_asked_for(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    other = next(kind for kind in certificates.KEY_TYPES if kind != POLICY.key_type)
    monkeypatch.setattr(f"{__name__}.POLICY", dataclasses.replace(POLICY, key_type=other))
    issuer = folder.make()
    requests = folder.open("external")
    requests.chain("west", None)
    mine = certificates.new_key(other)
    for key in (issuer.authority.key, certificates.key_from_pem(folder.text("external/west.key.vault"))):
        assert type(key) is type(mine) and key.key_size == mine.key_size


def test_a_corporate_chain_is_whole(folder: Folder, corporate: certificates.Authority) -> None:
    folder.open("external").chain("west", None)
    present = answered(folder, corporate, "west")
    root, answer = certificates.certificate_pem(corporate.certificate), folder.path / "external/west.chain.pem"
    signed = answer.read_text()
    assert present == {
        "ca-cert.pem": signed,
        "ca-key.pem": folder.text("external/west.key.vault"),
        "root-cert.pem": root,
        "cert-chain.pem": signed + root,
    }
    # An answer that repeats the root is the same; a bundle that lists the root stays.
    answer.write_text(signed + root)
    again = folder.open("external").chain("west", None)
    assert again.data == present
    answer.write_text(signed)
    held = {**present, "ca-cert.pem": root, "root-cert.pem": root + root}
    assert folder.open("external").chain("west", held).data["root-cert.pem"] == root + root


def test_the_cas_between_come_with_the_chain(folder: Folder, corporate: certificates.Authority) -> None:
    x509, key = certificates.x509, certificates.new_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Policy CA")])
    root, life = corporate.certificate, POLICY.lifetime
    between = (
        certificates._builder(name, root.subject, key, POLICY.now, life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(certificates._key_usage(), critical=True)
        .sign(corporate.key, certificates.hashes.SHA256())
    )
    folder.open("external").chain("west", None)
    answered(folder, corporate, "west")
    request = x509.load_pem_x509_csr((folder.path / "external/west.csr.pem").read_bytes())
    signed = certificates.make_intermediate(certificates.Authority(between, key), _Public(request), "west", POLICY)
    answer = certificates.certificate_pem(signed, between)
    (folder.path / "external/west.chain.pem").write_text(answer)
    found = folder.open("external").chain("west", None)
    assert found.data["cert-chain.pem"] == answer + certificates.certificate_pem(root)
    assert found.data["ca-cert.pem"] == certificates.certificate_pem(signed)


def test_what_waits_for_a_corporate_ca_is_listed(folder: Folder, corporate: certificates.Authority) -> None:
    external = folder.path / "external"
    issuer = folder.open("external")
    assert issuer.root is None and not issuer.made_now
    issuer.chain("west", None)
    one = issuer.unsigned()
    assert one.what == "1 signing request waits for your CA"
    west = f"{external / 'west.csr.pem'}  ->  {external / 'west.chain.pem'}"
    root = f"the root's certificate  ->  {external / ROOT_CERT}"
    assert [line.strip() for line in one.seen.splitlines()] == [west, root]
    issuer.chain("east", None)
    assert issuer.unsigned().what == "2 signing requests wait for your CA"
    # A root elsewhere is used as it is named, and is not waited for.
    elsewhere = folder.path / "elsewhere.pem"
    elsewhere.write_text(certificates.certificate_pem(corporate.certificate))
    named = folder.open("external", root_cert=str(elsewhere))
    named.chain("west", None)
    assert named.root == corporate.certificate and named.unsigned().seen == west
    # An answer without the root is not read yet.
    (external / "west.chain.pem").write_text("no certificate")
    assert folder.open("external").chain("west", None) is None


def test_check_mode_asks_for_a_renewal_and_changes_nothing(folder: Folder, corporate: certificates.Authority) -> None:
    folder.open("external").chain("west", None)
    present = answered(folder, corporate, "west")
    before = {path.name: path.read_bytes() for path in (folder.path / "external").iterdir()}
    files = Files(check_mode=True)
    given = {"root": "external", "root_cert": "", "root_key": ""}
    issuer = t.cast(issuers.CorporateCa, issuers.open_issuer(given, str(folder.path), POLICY, folder.box, files))
    assert issuer.chain("west", present) is None
    assert {path.name: path.read_bytes() for path in (folder.path / "external").iterdir()} == before
    names = [str(folder.path / "external" / name) for name in ("west.key.vault", "west.csr.pem")]
    assert [change.name for change in files.changes] == names
    assert dict(issuer.requests) == {"west": names[1]}
    # A request that waits is no change.
    files.changes.clear()
    assert issuer.chain("east", None) is None and len(files.changes) == 2
    folder.open("external").chain("north", None)
    files.changes.clear()
    assert issuer.chain("north", None) is None and files.changes == []


def test_the_root_of_clusters_is_named_where_its_key_is_not(folder: Folder, corporate: certificates.Authority) -> None:
    found = folder.open(live=live(corporate))
    assert str(folder.path) in found.warning and "nothing can be signed" in found.warning
    with pytest.raises(FleetError) as refused:
        found.chain("east", None)
    assert (refused.value.cluster, refused.value.obj) == ("east", str(folder.path))
    assert not found.made_now
