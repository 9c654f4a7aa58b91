# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Meshes of different teams, each with its root and its inventory: what they exchange, and who signs what."""

from __future__ import annotations

import base64
import concurrent.futures
import datetime
import json
import pathlib
import shutil
import socket
import ssl
import typing as t

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ansible_collections.mesh.fleet.plugins.module_utils._model.trust.certificates import (
    Authority,
    certificate_pem,
    key_from_pem,
    key_pem,
    new_key,
    parse_certificates,
)

from . import playbooks
from .local_fleet import FLEETS, STATE, Fleet
from .playbooks import ROOT

__all__ = ["APPS", "CALLER", "NAME", "PRODUCER", "SNI", "Mesh", "at_once", "certificate", "knock", "send", "uri"]

APPS = "istio-apps"
NAME = f"sample-producer.{APPS}.global"
SNI = f"outbound_.8080_._.{NAME}"
CALLER = f"/ns/{APPS}/sa/sample-caller-sa"
PRODUCER = f"/ns/{APPS}/sa/sample-producer-sa"
_CALL = """
import sys, urllib.error, urllib.request
try:
    request = urllib.request.Request(sys.argv[1], headers={"accept": "application/json"})
    print(urllib.request.urlopen(request, timeout=10).read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
except OSError as error:
    print("no:", error)
"""


class Mesh:
    """One team's mesh: its inventory, and its clusters, each on a network of its own.

    Args:
        fleet: of whose clusters it has some.
        clusters: their names. The mesh is called like the first.
        folder: for the inventory.
    """

    def __init__(self, fleet: Fleet, clusters: t.Sequence[str], folder: pathlib.Path) -> None:
        self.fleet, self.clusters, self.folder = fleet, tuple(clusters), folder
        self.cluster = self.clusters[0]
        self.name = f"{FLEETS}-fed-{self.cluster}"
        self.domain = f"{self.cluster}.mesh"
        self.federation: dict[str, t.Any] = {"peers": []}
        self.trust: dict[str, t.Any] = {}
        self.bundles = STATE / self.name / "federation"
        (folder / "group_vars" / "mesh_clusters").mkdir(parents=True, exist_ok=True)
        for name in ("connection", "machine"):
            for path in (ROOT / "inventories/local/group_vars/mesh_clusters").glob(f"{name}*.yml"):
                shutil.copy(path, folder / "group_vars" / "mesh_clusters")

    def play(self, playbook: str, *arguments: str, good: bool = True) -> str:
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "fleet_name": self.name,
            "mesh_id": self.cluster,
            "mesh_trust_domain": self.domain,
            "mesh_federation": self.federation,
            "apps_sample": {"caller": list(self.clusters), "producer": {"v1": list(self.clusters)}},
            "apps_sample_image": self.fleet.facts["sample_image"],
            "gateways_ingress": False,
            "artifacts_parts": ["tools", "charts"],
            **self.trust,
        }
        known = self.fleet.as_existing()
        hosts = {name: {**known[name], "mesh_network": f"{name}-net"} for name in self.clusters}
        return playbooks.play(playbook, *arguments, good=good, inventories=self.inventories(common, hosts))

    def inventories(self, common: dict[str, t.Any], hosts: dict[str, t.Any]) -> list[str]:
        """What a run gets, written from all variables and each host's."""
        inventory = {"mesh_clusters": {"vars": common, "hosts": hosts}}
        (self.folder / "fleet.yml").write_text(yaml.safe_dump(inventory))
        return [str(self.folder)]

    def said(self, address: str, app: str = "sample-caller", cluster: str = "") -> str:
        """What a pod of ours, in the first cluster or in another, is told."""
        words = ("-n", APPS, "exec", f"deploy/{app}-v1", "-c", app, "--", "python3", "-c", _CALL)
        return self.fleet.kubectl(cluster or self.cluster, *words, f"http://{address}/")

    def answer(self, address: str, app: str = "sample-caller", cluster: str = "") -> str:
        """Who answers a pod of ours, as the callee's cluster; else what is said in place of an answer."""
        said = self.said(address, app, cluster)
        try:
            return str(json.loads(said)["cluster"])
        except (ValueError, KeyError, TypeError):
            return said

    def bundle(self, peer: str) -> pathlib.Path:
        """The file for the mesh that is called like that cluster."""
        return self.bundles / f"{self.domain}-for-{peer}.mesh.json"

    def gateways(self) -> list[str]:
        """Where the peer reaches it, by the file for it: of each cluster one."""
        (file,) = self.bundles.glob(f"{self.domain}-for-*.json")
        return [str(one["address"]) for one in json.loads(file.read_text())["gateways"]]

    def gateway(self) -> str:
        """The same of a mesh that has one."""
        (address,) = self.gateways()
        return address

    def authority(self) -> tuple[Authority, str]:
        """What its istiod signs with, and the chain: who has it can sign whatever name."""
        text = self.fleet.kubectl(self.cluster, "-n", "istio-system", "get", "secret", "cacerts", "-o", "json")
        data = {name: base64.b64decode(value).decode() for name, value in json.loads(text)["data"].items()}
        return Authority(parse_certificates(data["ca-cert.pem"])[0], key_from_pem(data["ca-key.pem"])), data[
            "cert-chain.pem"
        ]


def send(one: Mesh, other: Mesh) -> None:
    """A mail with the file that one team wrote for the other."""
    (peer,) = other.federation["peers"]
    (other.folder / peer["bundle"]).parent.mkdir(exist_ok=True)
    shutil.copy(one.bundle(other.cluster), other.folder / peer["bundle"])


def at_once(meshes: t.Iterable[Mesh], playbook: str) -> None:
    """Each team runs a playbook, at the same time."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(one.play, playbook) for one in meshes]:
            done.result()


def uri(value: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(f"spiffe://{value}")


def certificate(mesh: Mesh, folder: pathlib.Path, *names: x509.GeneralName) -> tuple[str, str]:
    """Paths of a chain and a key: a workload's certificate with any names, by the CA of a mesh."""
    authority, chain = mesh.authority()
    key, now = new_key(), datetime.datetime.now(datetime.UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(list(names)), critical=True)
        .sign(authority.key, hashes.SHA256())
    )
    (folder / "chain.pem").write_text(certificate_pem(leaf) + chain)
    (folder / "key.pem").write_text(key_pem(key))
    return str(folder / "chain.pem"), str(folder / "key.pem")


def knock(address: str, chain: tuple[str, str], sni: str = SNI) -> str:
    """The status that a call by mutual TLS gets from outside at a gateway; "refused" where TLS gives none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["istio"])
    context.load_cert_chain(*chain)
    try:
        with (
            socket.create_connection((address, 15443), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=sni) as secure,
        ):
            secure.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}:8080\r\nConnection: close\r\n\r\n".encode())
            said = secure.recv(1000).decode(errors="replace").split()
            return said[1] if len(said) > 1 else "refused"
    except OSError:
        return "refused"
