# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The trust stage as users run it, against a real API server."""

from __future__ import annotations

import base64
import datetime
import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust import certificates, decisions
from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.signing_chain import SigningChain, verify_chain

from . import control_plane
from .plays import role_play, run_plays

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = re.compile(r"PRIVATE KEY|BEGIN (EC|RSA)|sesame|TUlJ|LS0tLS1CRUdJTi")
"""What no output may contain: keys as PEM or base64, and the vault password."""


class Stage:
    """Runs ``playbooks/trust.yml`` for one namespace and returns its output."""

    def __init__(self, plane: control_plane.ControlPlane, tmp: Path, namespace: str) -> None:
        self.plane, self.tmp, self.namespace = plane, tmp, namespace
        self.dir = tmp / "state" / "api" / "trust"
        self.password = tmp / "password"
        self.password.write_text("sesame-open\n")
        self.password.chmod(0o600)
        self.hosts: dict[str, dict[str, t.Any]] = {"west": {}}
        self.away = {
            "cluster_kubeconfig": "",
            "cluster_context": "",
            "cluster_api_url": f"https://127.0.0.1:{control_plane.closed_port()}",
            "cluster_api_token": "sesame",
            "cluster_api_ca": plane.ca_pem,
        }
        """The variables of a cluster that does not answer."""

    def __call__(self, *args: str, ok: bool = True, absent: bool = False, **variables: t.Any) -> str:
        fleet = {
            "vars": {
                "fleet_name": "api",
                "fleet_dir": str(self.tmp / "state"),
                "mesh_id": "shop",
                "mesh_trust_domain": "shop.example",
                "mesh_namespace": self.namespace,
                "cluster_provider": "kubeconfig",
                "cluster_kubeconfig": str(self.plane.kubeconfig),
                "cluster_context": "admin",
                "cluster_region": "here",
                "trust_vault_password_file": str(self.password),
                **variables,
            },
            "hosts": self.hosts,
        }
        play = role_play("trust", tasks="absent") if absent else ROOT / "playbooks" / "trust.yml"
        done = run_plays(self.tmp, fleet, play, *args)
        assert not SECRET.search(done.output), SECRET.search(done.output)
        assert (done.code == 0) is ok, done.output
        return done.output

    def secret(self) -> dict[str, str]:
        out = self.plane.kubectl("-n", self.namespace, "get", "secret", "cacerts", "-o", "json", "--ignore-not-found")
        return {k: base64.b64decode(v).decode() for k, v in json.loads(out or '{"data": {}}')["data"].items()}

    def remove(self) -> None:
        """West is reset."""
        self.plane.kubectl("-n", self.namespace, "delete", "secret", "cacerts")

    def also(self, name: str, plane: control_plane.ControlPlane) -> None:
        """Another cluster of the fleet."""
        self.hosts[name] = {"cluster_kubeconfig": str(plane.kubeconfig)}

    def put(self, data: dict[str, str], *, labels: dict[str, str] | None = None) -> None:
        self.plane.kubectl("create", "namespace", self.namespace, ok=False)
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "cacerts", "namespace": self.namespace, "labels": labels or {}},
            "stringData": data,
        }
        self.plane.kubectl("apply", "-f", "-", stdin=json.dumps(secret))

    def policy(self, **changes: t.Any) -> certificates.Policy:
        base = {"trust_domain": "shop.example", "namespace": self.namespace, "revision": "default"}
        return certificates.Policy(**{**base, "now": datetime.datetime.now(datetime.UTC), **changes})


@pytest.fixture
def stage(api: control_plane.ControlPlane, tmp_path: Path, namespace: str) -> Stage:
    """A fleet of one cluster. Its controllers end a namespace that is removed."""
    return Stage(api, tmp_path, namespace)


def pair(policy: certificates.Policy) -> certificates.Authority:
    key = certificates.new_key()
    return certificates.Authority(certificates.make_root(key, policy), key)


def test_issued_once_then_kept_then_renewed_then_removed(stage: Stage) -> None:
    planned = stage("--check", "--diff")
    assert "root would be made  west would be signed" in planned
    assert not stage.dir.exists()
    assert stage.secret() == {}

    first = stage("-vvv", "--diff")
    assert "west signed" in first
    data = stage.secret()
    root = certificates.parse_certificates((stage.dir / "root-cert.pem").read_text())[0]
    chain = SigningChain.from_data(data)
    verify_chain(chain, root, stage.policy())
    key = stage.dir / "root-key.vault"
    assert key.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256")
    assert {p.name: oct(p.stat().st_mode & 0o777) for p in stage.dir.iterdir()} == {
        "root-cert.pem": "0o600",
        "root-key.vault": "0o600",
        ".lock": "0o600",
    }

    again = stage()
    assert f"root SHA256 {certificates.short(root)}  1 unchanged" in again
    assert "changed)" not in again
    assert stage.secret() == data

    renewed = stage("--diff", trust_lifetime="700d", trust_renew_before="699d")
    assert "1 unchanged" in renewed
    assert "west would be renewed (729 days left)" in stage("--check", trust_lifetime="800d", trust_renew_before="740d")
    assert stage.secret() == data
    assert "west renewed (729 days left)" in stage("-vvv", "--diff", trust_lifetime="800d", trust_renew_before="740d")
    after = stage.secret()
    assert after["root-cert.pem"] == data["root-cert.pem"]
    assert after["ca-cert.pem"] != data["ca-cert.pem"]
    assert after["ca-key.pem"] != data["ca-key.pem"]

    stage(absent=True)
    assert stage.secret() == {}
    assert f"namespace/{stage.namespace}" not in stage.plane.kubectl("get", "namespaces", "-o", "name").split()
    assert key.exists()
    stage(absent=True, trust_remove_root=True)
    assert not key.exists()


def test_a_cluster_that_does_not_answer_fails_alone(stage: Stage) -> None:
    stage()
    stage.remove()
    stage.hosts["gone"] = stage.away
    out = stage(ok=False)
    assert "west signed · 1 failed" in out
    assert "gone" in out
    assert stage.secret()


@pytest.mark.parametrize("limit", [(), ("--limit", "west")], ids=["whole", "limit"])
def test_no_root_before_every_primary_was_read(stage: Stage, limit: tuple[str, ...]) -> None:
    stage.hosts["gone"] = stage.away
    out = stage(*limit, ok=False)
    assert "no root is made as long as a primary does not answer" in out
    assert "gone" in out
    assert not (stage.dir / "root-cert.pem").exists()
    assert not (stage.dir / "root-key.vault").exists()
    assert stage.secret() == {}


def test_a_second_controller_makes_no_second_root(stage: Stage, plane: control_plane.ControlPlane) -> None:
    stage.also("east", plane)
    stage()
    data = stage.secret()
    root = certificates.parse_certificates((stage.dir / "root-cert.pem").read_text())[0]
    away = stage.dir.rename(stage.tmp / "colleague")

    # Nothing to sign: the root that lives in the fleet is the fleet's.
    out = stage("--limit", "west")
    assert f"root SHA256 {certificates.short(root)}  1 unchanged" in out
    assert "the fleet's root is not on this controller" in out
    # A cluster that was reset: the root of a cluster outside the limit is the fleet's, and its key is not here.
    stage.remove()
    out = stage("--limit", "west", ok=False)
    assert "the fleet's root is not on this controller" in out
    assert f"root SHA256 {certificates.fingerprint(root)} in east" in out
    assert stage.secret() == {}
    assert {path.name for path in stage.dir.iterdir()} == {".lock"}

    # With the key of that root its certificate comes back from the fleet.
    (away / "root-key.vault").rename(stage.dir / "root-key.vault")
    assert "west signed" in stage("--limit", "west")
    verify_chain(SigningChain.from_data(stage.secret()), root, stage.policy())
    assert stage.secret()["ca-cert.pem"] != data["ca-cert.pem"]
    assert certificates.parse_certificates((stage.dir / "root-cert.pem").read_text()) == [root]


def test_no_first_one_under_a_root_that_no_other_has(stage: Stage, plane: control_plane.ControlPlane) -> None:
    stage.also("east", plane)
    stage()
    stage.remove()
    other = pair(stage.policy())
    cert, key = stage.tmp / "other.pem", stage.tmp / "other.key"
    cert.write_text(certificates.certificate_pem(other.certificate))
    key.write_text(certificates.key_pem(other.key))
    given = {"trust_root": "provided", "trust_root_cert": str(cert), "trust_root_key": str(key)}
    assert "the other clusters have another root" in stage("--limit", "west", ok=False, **given)
    assert stage.secret() == {}


def test_a_cacerts_that_was_there_gives_the_fleet_its_root(stage: Stage) -> None:
    theirs = pair(stage.policy())
    stage.put(decisions.issue("west", theirs, stage.policy()).data)
    out = stage()
    assert f"root SHA256 {certificates.short(theirs.certificate)}  1 unchanged" in out
    assert "the fleet's root is not on this controller" in out
    assert {path.name for path in stage.dir.iterdir()} == {".lock"}


def test_a_foreign_cacerts_names_both_fingerprints(stage: Stage) -> None:
    stage()
    stage.remove()
    policy = stage.policy()
    other = pair(policy)
    foreign = decisions.issue("west", other, policy).data
    stage.put(foreign)
    out = stage("-vvv", ok=False)
    assert "its root differs from the fleet's" in out
    ours = certificates.parse_certificates((stage.dir / "root-cert.pem").read_text())[0]
    assert certificates.fingerprint(other.certificate) in out
    assert certificates.fingerprint(ours) in out
    assert stage.secret() == foreign
    stage(absent=True)
    assert stage.secret() == foreign


def test_a_cacerts_of_somebody_else_is_renewed_by_consent(stage: Stage) -> None:
    """Its root is the fleet's, because somebody restored it from a copy, or signed with the same root."""
    stage()
    data = stage.secret()
    stage.remove()
    stage.put(data)
    due = {"trust_lifetime": "800d", "trust_renew_before": "740d"}
    out = stage(**due)
    assert "its intermediate CA ends in 729 days" in out and "of kubectl" in out and "mesh_take_over: true" in out
    assert "1 unchanged" in out and stage.secret() == data
    assert "of kubectl" not in stage(), "nothing is due, so nothing is said"
    assert "west renewed (729 days left)" in stage(**due, mesh_take_over=True)
    assert stage.secret()["ca-cert.pem"] != data["ca-cert.pem"]
    assert "west renewed" in stage(**{**due, "trust_lifetime": "900d", "trust_renew_before": "850d"}), "it is ours now"


def test_a_wrong_key_and_a_missing_part_are_refused(stage: Stage) -> None:
    stage()
    data = stage.secret()
    broken = {**data, "ca-key.pem": certificates.key_pem(certificates.new_key())}
    stage.put(broken)
    out = stage("-vvv", ok=False)
    assert "ca-key.pem is not the key of ca-cert.pem" in out
    assert stage.secret() == broken
    stage.plane.kubectl("-n", stage.namespace, "delete", "secret", "cacerts")
    del broken["root-cert.pem"]
    stage.put(broken)
    assert "missing root-cert.pem" in stage(ok=False)


def test_a_self_signed_istiod_is_refused(stage: Stage) -> None:
    policy = stage.policy()
    other = certificates.certificate_pem(pair(policy).certificate)
    stage.plane.kubectl("create", "namespace", stage.namespace)
    labels = {"app": "istiod"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "discovery", "image": "none"}]}}
    meta = {"namespace": stage.namespace}
    for obj in (
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {**meta, "name": "istio-ca-root-cert"},
            "data": {"root-cert.pem": other},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {**meta, "name": "istiod", "labels": labels},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
    ):
        stage.plane.kubectl("apply", "-f", "-", stdin=json.dumps(obj))
    assert "a live istiod uses another root" in stage(ok=False)
    assert stage.secret() == {}
    assert not (stage.dir / "root-key.vault").exists()


def test_a_lost_root_is_not_replaced(stage: Stage) -> None:
    stage()
    data = stage.secret()
    stage.dir.rename(stage.tmp / "kept")
    due = {"trust_lifetime": "800d", "trust_renew_before": "740d"}
    assert "the fleet's root is not on this controller" in stage(ok=False, **due)
    assert not (stage.dir / "root-cert.pem").exists()
    assert stage.secret() == data


def test_the_vault_password(stage: Stage) -> None:
    stage()
    stage.password.write_text("another\n")
    assert "cannot be decrypted" in stage(ok=False)
    stage.password.chmod(0o644)
    assert "can be read by others" in stage(ok=False)
    stage.password.unlink()
    assert "trust_vault_password_file does not exist" in stage(ok=False)


def test_no_password_no_root_and_one_is_made_for_test_fleets(stage: Stage) -> None:
    out = stage(ok=False, trust_vault_password_file="")
    assert "there is no vault password to protect private keys with" in out
    assert stage.secret() == {}
    assert not (stage.dir / "root-key.vault").exists()
    stage(trust_vault_password_file="", trust_vault_password_create=True)
    made = stage.tmp / "state" / "api" / "vault-password"
    assert oct(made.stat().st_mode & 0o777) == "0o600"
    assert "1 unchanged" in stage(trust_vault_password_file="", trust_vault_password_create=True)


def test_ansibles_own_vault_password_protects_the_root(stage: Stage) -> None:
    secret = f"--vault-password-file={stage.password}"
    stage(secret, trust_vault_password_file="")
    assert "1 unchanged" in stage(secret, trust_vault_password_file="")
    assert "cannot be decrypted" in stage(ok=False, trust_vault_password_file="")
    done = subprocess.run(
        ["ansible-vault", "view", secret, str(stage.dir / "root-key.vault")], capture_output=True, text=True, check=True
    )
    assert "EC PRIVATE KEY" in done.stdout


def test_a_root_that_the_user_provides(stage: Stage) -> None:
    mine = pair(stage.policy())
    cert, key = stage.tmp / "mine.pem", stage.tmp / "mine.key"
    cert.write_text(certificates.certificate_pem(mine.certificate))
    key.write_text(certificates.key_pem(certificates.new_key()))
    given = {"trust_root": "provided", "trust_root_cert": str(cert), "trust_root_key": str(key)}
    assert "the root's key does not belong to its certificate" in stage(ok=False, **given)
    key.write_text(certificates.key_pem(mine.key))
    subprocess.run(["ansible-vault", "encrypt", f"--vault-password-file={stage.password}", str(key)], check=True)
    out = stage("-vvv", "--diff", **given)
    assert f"root SHA256 {certificates.short(mine.certificate)}  west signed" in out
    # The key itself as the variable's value, unencrypted: it is still in no output.
    content = {**given, "trust_root_key": certificates.key_pem(mine.key)}
    assert "1 unchanged" in stage("-vvv", "--diff", **content)
    assert "trust_root_key is missing" in stage(ok=False, trust_root="provided", trust_root_cert=str(cert))


def test_a_corporate_ca_signs(stage: Stage) -> None:
    policy = stage.policy()
    corporate = pair(policy)
    answers = stage.dir / "external"
    out = stage("--diff", "-vvv", ok=False, trust_root="external")
    assert "1 signing request waits for your CA" in out
    assert str(answers / "west.csr.pem") in out
    request = (answers / "west.csr.pem").read_text()
    assert (answers / "west.key.vault").read_text().startswith("$ANSIBLE_VAULT")
    stage(ok=False, trust_root="external")
    assert (answers / "west.csr.pem").read_text() == request
    assert stage.secret() == {}

    # The CA signs with its own tool.
    (stage.tmp / "ca.pem").write_text(certificates.certificate_pem(corporate.certificate))
    (stage.tmp / "ca.key").write_text(certificates.key_pem(corporate.key))
    signing = ["-CA", str(stage.tmp / "ca.pem"), "-CAkey", str(stage.tmp / "ca.key"), "-copy_extensions", "copyall"]
    files = ["-in", str(answers / "west.csr.pem"), "-out", str(answers / "west.chain.pem")]
    subprocess.run(
        ["openssl", "x509", "-req", "-days", "365", *signing, *files],
        check=True,
        capture_output=True,
    )
    (answers / "root-cert.pem").write_text(certificates.certificate_pem(corporate.certificate))
    assert "west signed" in stage("--diff", "-vvv", trust_root="external")
    data = stage.secret()
    assert "1 unchanged" in stage(trust_root="external")

    # A renewal waits for a signature without stopping the fleet.
    due = stage(trust_root="external", trust_renew_before="400d", trust_lifetime="500d")
    assert "1 unchanged" in due
    assert (answers / "west.csr.pem").read_text() != request
    assert stage.secret() == data
    # An answer to the old request does not fit the new key.
    (answers / "west.chain.old.pem").rename(answers / "west.chain.pem")
    (answers / "west.chain.pem").write_text(
        certificates.certificate_pem(certificates.make_intermediate(corporate, certificates.new_key(), "west", policy))
    )
    wrong = stage(ok=False, trust_root="external", trust_renew_before="400d", trust_lifetime="500d")
    assert "ca-key.pem is not the key of ca-cert.pem" in wrong
    assert stage.secret() == data


SIGN = """
import pathlib, subprocess, sys, tempfile
ca, days = sys.argv[1], str(int(sys.argv[2]) // 24)
request = sys.stdin.read()
assert request == pathlib.Path(sys.argv[3]).read_text()
with tempfile.NamedTemporaryFile("w") as file:
    file.write(request); file.flush()
    subprocess.run(["openssl", "x509", "-req", "-days", days, "-CA", ca + ".pem", "-CAkey", ca + ".key",
                    "-copy_extensions", "copyall", "-in", file.name], check=True)
with open(ca + ".log", "a") as log:
    log.write(sys.argv[4] + "\\n")
"""


def test_a_command_has_the_corporate_ca_sign(stage: Stage) -> None:
    corporate = pair(stage.policy())
    (stage.tmp / "ca.pem").write_text(certificates.certificate_pem(corporate.certificate))
    (stage.tmp / "ca.key").write_text(certificates.key_pem(corporate.key))
    (stage.tmp / "sign.py").write_text(SIGN)
    log = stage.tmp / "ca.log"
    command = ["python3", str(stage.tmp / "sign.py"), str(stage.tmp / "ca"), "{hours}", "{csr}", "{cluster}"]
    given = {"trust_root": "external", "trust_root_cert": str(stage.tmp / "ca.pem"), "trust_signer_command": command}
    assert "west would be signed" in stage("--check", **given)
    assert not log.exists() and stage.secret() == {}
    assert "west signed" in stage("--diff", "-vvv", **given)
    assert "1 unchanged" in stage(**given)
    assert log.read_text() == "west\n", "an unchanged run signs nothing"
    first = stage.secret()
    verify_chain(SigningChain.from_data(first), corporate.certificate, stage.policy())
    due = {**given, "trust_renew_before": "800d", "trust_lifetime": "900d"}
    assert "west renewed" in stage(**due)
    assert log.read_text() == "west\nwest\n"
    assert stage.secret()["ca-cert.pem"] != first["ca-cert.pem"]
    later = {**due, "trust_renew_before": "1000d", "trust_lifetime": "1100d", "trust_signer_command": ["false"]}
    kept = stage(**later)
    assert "1 unchanged" in kept and "could not be renewed" in kept and "false ended with 1" in kept
    stage.remove()
    refused = stage("-vvv", ok=False, **{**given, "trust_signer_command": ["false"]})
    assert "its signing request was not signed" in refused and "false ended with 1" in refused


def test_a_cacerts_of_cert_managers_is_read_kept_and_left_to_it(stage: Stage) -> None:
    stage()
    ours = stage.secret()
    stage.remove()
    theirs = {"tls.crt": ours["ca-cert.pem"], "tls.key": ours["ca-key.pem"], "ca.crt": ours["root-cert.pem"]}
    stage.put(theirs)
    assert "1 unchanged" in stage()
    due = {"trust_lifetime": "800d", "trust_renew_before": "740d"}
    for consent in (False, True):
        said = stage(**due, mesh_take_over=consent)
        assert "1 unchanged" in said and "in the form of kubernetes.io/tls" in said
    assert stage.secret() == theirs, "istiod would not look at what was written beside it"
    stage.remove()
    stage.put({"tls.crt": ours["ca-cert.pem"]})
    assert "missing tls.key, ca.crt" in stage(ok=False)


def test_no_root_where_another_program_signs(stage: Stage) -> None:
    said = stage("--diff", trust_root="none")
    assert "no root of this fleet (trust_root: none)" in said
    assert stage.secret() == {} and not stage.dir.exists()
    stage()
    ours = stage.secret()
    assert "Secret cacerts of this fleet is still there" in stage(trust_root="none")
    assert stage.secret() == ours
    stage(absent=True, trust_root="none")
    assert stage.secret() == {}
    assert "is still there" not in stage(trust_root="none")


def empty_crl(ca: certificates.Authority, days: int = 30) -> str:
    """A revocation list of a CA that revoked nothing."""
    now = datetime.datetime.now(datetime.UTC)
    named = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.certificate.public_key())  # type: ignore[arg-type]
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.certificate.subject).last_update(now)
    builder = builder.next_update(now + datetime.timedelta(days=days, hours=1)).add_extension(named, critical=False)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_revocation_lists_are_checked_written_and_kept(stage: Stage, plane: control_plane.ControlPlane) -> None:
    stage.also("east", plane)
    mine = pair(stage.policy())
    given = {
        "trust_root": "provided",
        "trust_root_cert": certificates.certificate_pem(mine.certificate),
        "trust_root_key": certificates.key_pem(mine.key),
    }
    stage(**given)
    data = stage.secret()
    root, west = stage.tmp / "root.crl.pem", stage.tmp / "west.crl.pem"
    root.write_text(empty_crl(mine))
    west.write_text(
        empty_crl(
            certificates.Authority(
                certificates.parse_certificates(data["ca-cert.pem"])[0], certificates.key_from_pem(data["ca-key.pem"])
            )
        )
    )
    # Those of west do not cover east, whose CA its proxies meet.
    lacking = stage(ok=False, **given, trust_crl=[str(root), str(west)])
    assert "a CA of the mesh has no certificate revocation list" in lacking and "L=east" in lacking
    assert "L=west" not in lacking and stage.secret() == data

    out = plane.kubectl("-n", stage.namespace, "get", "secret", "cacerts", "-o", "json")
    theirs = {k: base64.b64decode(v).decode() for k, v in json.loads(out)["data"].items()}
    east = certificates.Authority(
        certificates.parse_certificates(theirs["ca-cert.pem"])[0], certificates.key_from_pem(theirs["ca-key.pem"])
    )
    # East says its own, as text; --limit leaves out neither it nor what it says.
    stage.hosts["east"]["trust_crl"] = empty_crl(east)
    stage.hosts["west"]["trust_crl"] = [str(root), str(west)]
    assert "revocation lists for 30 days" in stage("--check", "--limit", "west", **given)
    assert stage.secret() == data
    stage("-vvv", "--diff", "--limit", "west", **given)
    held = stage.secret()
    assert held.pop("ca-crl.pem").count("BEGIN X509 CRL") == 3 and held == data
    stage(**given)
    again = stage(**given)
    assert "2 unchanged  revocation lists for 30 days" in again and "changed)" not in again
    assert stage.secret()["ca-crl.pem"].count("BEGIN X509 CRL") == 3

    # What ends soon is said; what has ended is not written.
    stage.hosts["east"]["trust_crl"] = empty_crl(east, days=1)
    assert "ends in 1 days" in stage(**given)
    held = stage.secret()
    del stage.hosts["east"]["trust_crl"], stage.hosts["west"]["trust_crl"]
    assert "2 unchanged" in stage(**given)
    assert stage.secret() == held, "what no run is told of stays"
    due = stage(**given, trust_lifetime="800d", trust_renew_before="740d")
    assert "its new intermediate CA has no certificate revocation list" in due and "2 unchanged" in due
    assert stage.secret() == held, "istiod would load no chain beside a list that lacks one of its CAs"
    # Where the run signs lists itself, the new chain has one, and a later run has nothing to do.
    signs = stage(**given, trust_lifetime="800d", trust_renew_before="740d", trust_crl=["generated"])
    assert "east renewed" in signs and "west renewed" in signs and "revocation lists for 30 days" in signs
    assert stage.secret()["ca-cert.pem"] != held["ca-cert.pem"]
    assert stage.secret()["ca-crl.pem"].count("BEGIN X509 CRL") == 5, "root, two new and two former CAs"
    assert "changed)" not in stage(**given, trust_lifetime="800d", trust_crl=["generated"])
